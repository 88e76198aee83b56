"""Disks that fill up."""

import contextlib
import resource


@contextlib.contextmanager
def room_for(size):
    """In the block, no file can grow beyond that many bytes; writes fail as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
