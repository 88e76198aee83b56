"""SQLite files that several processes share."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from lost_and_found.errors import StorageFull

BUSY_S = 30.0
# What SQLite calls a failed write; not its errors of reading or locking.
NO_ROOM = ("SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_IOERR_SHMSIZE")


class Database:
    """One file, which must be on a local disk: the shared journal needs memory that all processes see."""

    def __init__(self, path: Path, *, tables: str) -> None:
        """Open the file, which is made with its folder and tables if absent.

        Raises:
            StorageFull: no room.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)
        with self._room():
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=NORMAL")
            self._connection.executescript(tables)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def execute(self, statement: str, values: tuple[object, ...] = ()) -> list[tuple]:
        """The rows of one statement, all of them.

        Raises:
            StorageFull: no room.
        """
        with self._room():
            return self._connection.execute(statement, values).fetchall()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All that the block changes, or nothing of it; others wait.

        Raises:
            StorageFull: no room.
        """
        with self._room():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def _room(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            if error.sqlite_errorname in NO_ROOM:
                raise StorageFull(
                    f"{self._path}: no room to write ({error}); free some and run again, "
                    "finished rounds are kept"
                ) from error
            raise
