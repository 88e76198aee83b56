"""SQLite files that several processes, and the threads of each, share."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterator, Mapping
from pathlib import Path

from lost_and_found.errors import DatabaseUnusable, StorageFull

BUSY_S = 30.0
# SQLite's names for failed writes, not for errors in reading or locking.
NO_ROOM = ("SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_IOERR_SHMSIZE")
DAMAGED = ("SQLITE_NOTADB", "SQLITE_CORRUPT", "SQLITE_CORRUPT_INDEX", "SQLITE_CORRUPT_VTAB")
LOCKED_AWAY = ("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_READONLY_DIRECTORY", "SQLITE_READONLY_DBMOVED")


class Database:
    """One file, which must be on a local disk: the journal needs memory that all its processes share.

    It is closed by `close`, or with the last reference to this object.
    """

    def __init__(self, path: Path, *, tables: str, mode: int = 0o644) -> None:
        """Open the file, which is created with its folder and tables if absent.

        Args:
            path: of the file.
            tables: SQL that creates them if absent.
            mode: permissions of a new file; SQLite gives its -wal and -shm files the same.

        Raises:
            StorageFull: no room.
            DatabaseUnusable: it is damaged, or may not be written.
        """
        self._path = path
        self._lock = threading.RLock()  # threads take turns: one connection holds one transaction
        with self._explained():
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists():
                with contextlib.suppress(OSError):  # what is in the way is told when SQLite meets it, too
                    path.touch(mode=mode)
            self._connection = sqlite3.connect(
                path, timeout=BUSY_S, isolation_level=None, check_same_thread=False
            )
            self._close = weakref.finalize(self, self._connection.close)
            self._share()
            self._connection.execute("PRAGMA synchronous=NORMAL")
            self._connection.executescript(tables)

    def _share(self) -> None:
        """Turn on the shared journal; SQLite itself doesn't wait for others that do so at the same time."""
        until = time.monotonic() + BUSY_S
        while True:
            try:
                self._connection.execute("PRAGMA journal_mode=WAL")
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorname != "SQLITE_BUSY" or time.monotonic() >= until:
                    raise
            time.sleep(0.01)

    def close(self) -> None:
        """Close the file."""
        self._close()

    def execute(self, statement: str, values: tuple[object, ...] | Mapping[str, object] = ()) -> list[tuple]:
        """All rows of one statement, with values for its `?`, or by name for its `:name`.

        Raises:
            StorageFull: no room.
            DatabaseUnusable: the file was damaged meanwhile, or may no longer be written.
        """
        with self._lock, self._explained():
            return self._connection.execute(statement, values).fetchall()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Apply everything that the block changes, or nothing; other processes wait.

        Raises:
            StorageFull: no room.
            DatabaseUnusable: the file was damaged meanwhile, or may no longer be written.
        """
        with self._lock, self._explained():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            name = getattr(error, "sqlite_errorname", "")
            if name in NO_ROOM:
                raise StorageFull(
                    f"{self._path}: no room to write ({error}); free some space and run again, "
                    "finished rounds are kept"
                ) from error
            if name in DAMAGED:
                raise DatabaseUnusable(
                    f"{self._path} is damaged ({error}); it was left as it is. Restore a copy of it, or "
                    "move it and its -wal and -shm files away to start afresh"
                ) from error
            if name in LOCKED_AWAY:
                raise DatabaseUnusable(
                    f"{self._path} can't be written ({error}); make the folder and the file writable, or "
                    "choose another folder"
                ) from error
            if name == "SQLITE_BUSY":
                raise DatabaseUnusable(
                    f"{self._path} was locked by another process for {BUSY_S:g} s; stop that process"
                ) from error
            raise
        except (PermissionError, NotADirectoryError, FileExistsError) as error:
            raise DatabaseUnusable(
                f"{self._path} can't be written ({error}); choose another folder"
            ) from error
