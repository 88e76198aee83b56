"""One writer at a time, and a mark on what it has not finished."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from lost_and_found.errors import FolderInUse
from lost_and_found.workspace import UNFINISHED

# The processes of a killed run may live on for seconds.
PATIENCE_S = 30.0


@contextmanager
def sole_writer(path: Path, *, wait: bool) -> Iterator[None]:
    """Be the only process in this block for that path; the system frees the lock of a killed process.

    Args:
        path: what is to be written; the lock is the file `.<name>.lock` beside it, which stays.
        wait: whether to wait for another process to finish, instead of failing.

    Raises:
        FolderInUse: another process is in such a block, and `wait` is false.
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


@contextmanager
def filling(folder: Path, *, check: Callable[[], object]) -> Iterator[None]:
    """Be the only process that fills a folder, which counts as unfinished until the block succeeds.

    Args:
        folder: created if absent.
        check: called before anything in the folder changes; raises if it isn't ours to fill.

    Raises:
        FolderInUse: another process was still filling it after half a minute.
    """
    until = time.monotonic() + PATIENCE_S
    with ExitStack() as lock:
        while True:
            try:
                lock.enter_context(sole_writer(folder, wait=False))
                break
            except FolderInUse:
                if time.monotonic() >= until:
                    raise
                time.sleep(0.1)
        folder.mkdir(parents=True, exist_ok=True)
        check()
        marker = folder / UNFINISHED
        marker.touch()
        yield
        marker.unlink(missing_ok=True)
