"""One writer at a time."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lost_and_found.errors import LostAndFoundError


class FolderInUse(LostAndFoundError):
    """Another process is writing what this one was to write."""


@contextmanager
def sole_writer(path: Path, *, wait: bool) -> Iterator[None]:
    """Be the only process within this block for that path; the system frees the lock of a killed process.

    Args:
        path: what is to be written; the lock is the file `.<name>.lock` beside it, which stays.
        wait: for the other process to finish, rather than to fail.

    Raises:
        FolderInUse: another process is within, and `wait` is false.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with (path.parent / f".{path.name}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FolderInUse(
                f"{path}: another process is writing it; wait until it is done, or stop it"
            ) from None
        yield
