"""SQLite files that processes share."""

import sqlite3
import threading

from lost_and_found.database import Database


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
