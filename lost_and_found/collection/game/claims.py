"""Who collects which game and which rounds are saved, in one SQLite file that all workers share.

A round goes through three steps: its record is written to the journal here, its pair to the folder, and the
journal's row is marked saved. A worker killed between any two of them leaves enough to complete the round or
to drop it.
"""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path

from lost_and_found.database import Database
from lost_and_found.errors import StorageFull
from lost_and_found.samples import ID_PATTERN, Record, write_atomically, write_pair

SUFFIX = ".png"
MOST_RESUMPTIONS = 4
_TABLES = """
CREATE TABLE IF NOT EXISTS games(
    game TEXT PRIMARY KEY, account TEXT, worker TEXT, state TEXT NOT NULL, claimed_at REAL NOT NULL,
    resumed INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS rounds(
    id TEXT PRIMARY KEY, worker TEXT, state TEXT NOT NULL, record TEXT, at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS rounds_by_state ON rounds(state);
CREATE TABLE IF NOT EXISTS seats(worker TEXT PRIMARY KEY, rounds INTEGER NOT NULL);
"""
_COUNT = "SELECT COUNT(*) FROM rounds WHERE state IN ('writing', 'saved')"


class Claims:
    """The claims of one output folder, as one worker sees them.

    A game's name is the ids of its rounds without their last part: `<site>_<mode>_<game>`.
    """

    def __init__(self, path: Path, *, worker: str) -> None:
        """Open the file, creating it if absent.

        Args:
            path: on a local disk.
            worker: a name that no earlier worker had.

        Raises:
            StorageFull: the disk is full.
        """
        self.worker = worker
        self._database = Database(path, tables=_TABLES)

    def close(self) -> None:
        """Close the file; what was claimed stays claimed."""
        self._database.close()

    # -- games --

    def claim(self, game: str, *, account: str) -> bool:
        """Whether the game is this worker's to collect, by this claim or an earlier one."""
        with self._database.transaction() as database:
            database.execute(
                "INSERT INTO games VALUES (?, ?, ?, 'playing', ?, 0) ON CONFLICT(game) DO UPDATE "
                "SET worker = excluded.worker, state = 'playing' "
                "WHERE state = 'released' AND account = excluded.account",
                (game, account, self.worker, time.time()),
            )
            row = database.execute("SELECT worker, state FROM games WHERE game = ?", (game,)).fetchone()
        return row == (self.worker, "playing")

    def take_over(self, prefix: str, *, account: str) -> str | None:
        """An unfinished game that another worker of the account left, now this worker's; None without one.

        Args:
            prefix: how the game's name begins, `<site>_<mode>_`.
            account: games can be resumed only by the account that began them.
        """
        rows = self._database.execute(
            "UPDATE games SET state = 'playing', worker = ?, resumed = resumed + 1 WHERE game = "
            "(SELECT game FROM games WHERE state = 'released' AND account = ? "
            "AND substr(game, 1, ?) = ? ORDER BY claimed_at LIMIT 1) RETURNING game",
            (self.worker, account, len(prefix), prefix),
        )
        return rows[0][0] if rows else None

    def finish(self, game: str) -> None:
        """Never play the game again: it was played to the end, or as far as rounds were wanted."""
        self._set_state(game, "finished")

    def abandon(self, game: str) -> None:
        """Never play the game again, though it has more rounds."""
        self._set_state(game, "abandoned")

    def release(self, game: str) -> bool:
        """Whether the game is left to another worker of its account; abandoned after `MOST_RESUMPTIONS`."""
        ((state,),) = self._database.execute(
            "UPDATE games SET state = CASE WHEN resumed < ? THEN 'released' ELSE 'abandoned' END "
            "WHERE game = ? RETURNING state",
            (MOST_RESUMPTIONS, game),
        )
        return bool(state == "released")

    def abandon_released(self) -> list[str]:
        """Abandon all released games, since the server they were on is gone; returns them."""
        rows = self._database.execute(
            "UPDATE games SET state = 'abandoned' WHERE state = 'released' RETURNING game"
        )
        return [row[0] for row in rows]

    def _set_state(self, game: str, state: str) -> None:
        self._database.execute("UPDATE games SET state = ? WHERE game = ?", (state, game))

    # -- rounds --

    def saved(self) -> set[str]:
        """The ids of all saved rounds whose pairs were in the folder at the last `recover`."""
        return {row[0] for row in self._database.execute("SELECT id FROM rounds WHERE state = 'saved'")}

    def reached(self, target: int) -> bool:
        """Whether `target` rounds are saved or being written; never for 0, which means no limit."""
        return 0 < target <= self._database.execute(_COUNT)[0][0]

    def reserve(self, rounds: int, *, target: int) -> bool:
        """Whether another game is wanted; its rounds are then reserved for this worker.

        Args:
            rounds: how many the game is expected to have.
            target: rounds wanted in all; 0 for no limit.
        """
        with self._database.transaction() as database:
            database.execute("DELETE FROM seats WHERE worker = ?", (self.worker,))
            taken = database.execute(f"SELECT ({_COUNT}) + (SELECT TOTAL(rounds) FROM seats)").fetchone()[0]
            if target and taken >= target:
                return False
            wanted = min(rounds, target - int(taken)) if target else rounds
            database.execute("INSERT INTO seats VALUES (?, ?)", (self.worker, wanted))
        return True

    def unreserve(self) -> None:
        """Give back what is left of this worker's reservation."""
        self._database.execute("DELETE FROM seats WHERE worker = ?", (self.worker,))

    def __contains__(self, round_id: object) -> bool:
        """Whether the round is known: being written, saved, or saved and since deleted."""
        return bool(self._database.execute("SELECT 1 FROM rounds WHERE id = ?", (round_id,)))

    def save(self, folder: Path, round_id: str, *, image: bytes, record: Record, target: int) -> bool:
        """Whether the pair was written; not if the round is known, or enough rounds are saved.

        Args:
            folder: where pairs go.
            round_id: `<site>_<mode>_<game>_<round>`.
            image: an encoded PNG.
            record: JSON-serialisable, without NaN.
            target: rounds wanted in all; 0 for no limit.

        Raises:
            StorageFull: the disk is full; neither file is left behind.
        """
        if not self._begin(round_id, record, target):
            return False
        try:
            write_pair(folder, round_id, image=image, suffix=SUFFIX, record=record)
        except BaseException:
            (folder / f"{round_id}{SUFFIX}").unlink(missing_ok=True)
            # On a full disk the row stays, and `recover` drops it since it has no picture.
            with contextlib.suppress(StorageFull):
                self._database.execute("DELETE FROM rounds WHERE id = ?", (round_id,))
            raise
        self._database.execute("UPDATE rounds SET state = 'saved', record = NULL WHERE id = ?", (round_id,))
        return True

    def _begin(self, round_id: str, record: Record, target: int) -> bool:
        with self._database.transaction() as database:
            if round_id in self or self.reached(target):
                return False
            database.execute(
                "INSERT INTO rounds VALUES (?, ?, 'writing', ?, ?)",
                (round_id, self.worker, json.dumps(record, ensure_ascii=False, allow_nan=False), time.time()),
            )
            database.execute("UPDATE seats SET rounds = MAX(rounds - 1, 0) WHERE worker = ?", (self.worker,))
        return True

    # -- recovery --

    def recover(self, folder: Path, *, worker: str | None = None) -> list[str]:
        """The games that a dead worker left unfinished, which `take_over` hands out, once all is in order.

        Rounds with a picture get their record, those without are dropped. Safe to interrupt and to repeat.

        Args:
            folder: where pairs go.
            worker: the dead one; None for all, none of which may then be alive. Only with None is the folder
                listed: pairs that the file doesn't know are added, and saved rounds whose files were deleted
                no longer count, but are not collected again.
        """
        mine, who = "(:worker IS NULL OR worker = :worker)", {"worker": worker}
        writing = self._database.execute(
            f"SELECT id, record FROM rounds WHERE state = 'writing' AND {mine}", who
        )
        completed = [(one, text) for one, text in writing if (folder / f"{one}{SUFFIX}").exists()]
        for one, text in completed:
            write_atomically(folder / f"{one}.json", text.encode())
        with self._database.transaction() as database:
            saved = [(one,) for one, _ in completed]
            database.executemany("UPDATE rounds SET state = 'saved', record = NULL WHERE id = ?", saved)
            database.execute(f"DELETE FROM rounds WHERE state = 'writing' AND {mine}", who)
            database.execute(f"DELETE FROM seats WHERE {mine}", who)
            rows = database.execute(
                f"UPDATE games SET state = 'released' WHERE state = 'playing' AND {mine} RETURNING game",
                who,
            ).fetchall()
        if worker is None:
            self._compare(folder)
        return [row[0] for row in rows]

    def _compare(self, folder: Path) -> None:
        # Workers never call this, and start seconds sooner without what the loader imports.
        from lost_and_found.data_loader import find_pairs

        on_disk = set(find_pairs(folder)[0])
        known = self.saved()
        foreign = sorted(on_disk - known)
        now = time.time()
        with self._database.transaction() as database:
            database.executemany(
                "INSERT INTO rounds VALUES (?, NULL, 'saved', NULL, ?) "
                "ON CONFLICT(id) DO UPDATE SET state = 'saved'",
                [(one, now) for one in foreign],
            )
            # Their games are recorded too, or rounds of them would be collected a second time.
            games = {one.rpartition("_")[0] for one in foreign if ID_PATTERN.fullmatch(one)}
            database.executemany(
                "INSERT INTO games VALUES (?, NULL, NULL, 'finished', ?, 0) ON CONFLICT(game) DO NOTHING",
                [(game, now) for game in sorted(games)],
            )
            gone = [(one,) for one in known - on_disk]
            database.executemany("UPDATE rounds SET state = 'deleted' WHERE id = ?", gone)
