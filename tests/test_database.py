"""SQLite files that processes share."""

import sqlite3
import threading

import pytest

from lost_and_found import database as module
from lost_and_found.database import Database
from lost_and_found.errors import DatabaseUnusable, StorageFull

TABLE = "CREATE TABLE IF NOT EXISTS one(a UNIQUE);"


def test_opening_a_file_waits_for_another_process_that_is_changing_it(tmp_path):
    path = tmp_path / "shared.sqlite"
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("CREATE TABLE one(a)")
    other.execute("BEGIN IMMEDIATE")  # as when two processes create the file at once
    leaving = threading.Timer(0.3, other.close)
    leaving.start()
    database = Database(path, tables="CREATE TABLE IF NOT EXISTS two(a);")
    leaving.join()
    assert database.execute("SELECT * FROM two") == []
    assert database.execute("PRAGMA journal_mode") == [("wal",)]
    database.close()


def test_a_writer_waits_for_another_process(tmp_path):
    path = tmp_path / "shared.sqlite"
    database = Database(path, tables=TABLE)
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    leaving = threading.Timer(0.2, other.close)
    leaving.start()
    database.execute("INSERT INTO one VALUES (1)")
    leaving.join()
    database.close()


def test_another_process_that_does_not_end_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "BUSY_S", 0.1)
    path = tmp_path / "shared.sqlite"
    locked = "shared.sqlite was locked by another process for 0.1 s"
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(DatabaseUnusable, match=locked):
        Database(path, tables=TABLE)
    other.close()
    first, second = (Database(path, tables=TABLE) for _ in range(2))
    with first.transaction(), pytest.raises(DatabaseUnusable, match=locked), second.transaction():
        pass  # it has changed nothing yet
    first.close()
    second.close()


@pytest.mark.parametrize("conflict", ["ABORT", "ROLLBACK"])  # the second ends the transaction by itself
def test_a_transaction_that_fails_changes_nothing_and_keeps_its_reason(tmp_path, conflict):
    database = Database(tmp_path / "one.sqlite", tables=TABLE)
    with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"), database.transaction() as connection:
        for _ in range(2):
            connection.execute(f"INSERT OR {conflict} INTO one VALUES (1)")
    assert database.execute("SELECT * FROM one") == []
    database.close()


def test_a_file_that_can_not_grow_lacks_room(tmp_path):
    database = Database(tmp_path / "one.sqlite", tables=TABLE)
    database.execute("PRAGMA max_page_count = 1")  # stays at what the file has
    with pytest.raises(StorageFull, match=r"one\.sqlite: no room to write .*; free some space"):
        database.execute("INSERT INTO one VALUES (zeroblob(100000))")
    database.close()


@pytest.mark.parametrize("place", ["file/one.sqlite", "file/folder/one.sqlite"])
def test_a_file_in_place_of_the_folder_is_told(tmp_path, place):
    (tmp_path / "file").touch()
    with pytest.raises(DatabaseUnusable, match=r"one\.sqlite can't be written .*; choose another folder"):
        Database(tmp_path / place, tables=TABLE)
