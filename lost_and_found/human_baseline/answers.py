"""What people answered, in one SQLite file.

A player plays a session of `rounds` pictures in an order of their own. A row of `rounds` is made when a
picture is first shown and completed when it is answered, in one transaction with its guesses; so a reload, a
second tab, a double click or a restart finds the session as it is, and an answer is kept once or not at all.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import pandas as pd

from lost_and_found.database import Database
from lost_and_found.errors import ListMismatch, MissingInput, NotTaken

MOST_GUESSES = 5
_TABLES = """
CREATE TABLE IF NOT EXISTS settings(name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS players(
    id INTEGER PRIMARY KEY, token TEXT NOT NULL UNIQUE, name TEXT NOT NULL, name_key TEXT NOT NULL UNIQUE,
    experience TEXT NOT NULL, rounds INTEGER NOT NULL, width INTEGER NOT NULL, height INTEGER NOT NULL,
    joined_at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS rounds(
    player INTEGER NOT NULL REFERENCES players(id), number INTEGER NOT NULL, item TEXT NOT NULL,
    shown_at REAL NOT NULL, seconds REAL, problem TEXT,
    PRIMARY KEY(player, number), UNIQUE(player, item));
CREATE TABLE IF NOT EXISTS guesses(
    player INTEGER NOT NULL, number INTEGER NOT NULL, place INTEGER NOT NULL, country_code TEXT NOT NULL,
    PRIMARY KEY(player, number, place), UNIQUE(player, number, country_code),
    FOREIGN KEY(player, number) REFERENCES rounds(player, number));
"""
# One statement, so that a round and its guesses are read at the same moment.
_ROUNDS = """
SELECT player, number, item, seconds, problem, country_code
FROM rounds LEFT JOIN guesses USING (player, number)
"""
_IN_ORDER = "ORDER BY player, number, place"
_EXPORT = """
SELECT players.name AS player, players.experience, rounds.number AS "order", rounds.item, guesses.place,
    guesses.country_code, rounds.seconds, players.width, players.height, rounds.shown_at
FROM guesses JOIN rounds USING (player, number) JOIN players ON players.id = guesses.player
ORDER BY players.id, rounds.number, guesses.place
"""


@dataclass(frozen=True)
class Player:
    """A player.

    Attributes:
        id: from 1; also the seed of the order of pictures.
        name: as entered.
        experience: one of `quiz.EXPERIENCES`.
        rounds: pictures in the session.
        size: (width, height) in pixels at which pictures are shown.
    """

    id: int
    name: str
    experience: str
    rounds: int
    size: tuple[int, int]


@dataclass(frozen=True)
class Round:
    """One picture of a player's.

    Attributes:
        number: from 1, in the order in which they were shown; rounds with a problem have numbers, too.
        item: id of the sample.
        seconds: from first shown to answered; None while it is open.
        problem: why it could not be shown, else None; a round with one doesn't count.
        guesses: country codes, the likeliest first.
    """

    number: int
    item: str
    seconds: float | None
    problem: str | None
    guesses: tuple[str, ...]

    @property
    def is_open(self) -> bool:
        """Whether it waits for an answer."""
        return self.seconds is None and self.problem is None


class Answers:
    """The file of answers, open in a server or a notebook; threads may share it."""

    def __init__(self, path: Path, *, list_name: str, list_digest: str) -> None:
        """Open the file for the answers to one list; it is made if absent, for its owner's eyes only.

        Raises:
            ListMismatch: it holds answers to another list.
            DatabaseUnusable: it is damaged, or may not be written.
            StorageFull: no room.
        """
        self.path = path
        self._database = Database(path, tables=_TABLES, mode=0o600)  # names of people, and what they know
        for name, value in (
            ("list", list_name),
            ("list_digest", list_digest),
            ("secret", secrets.token_hex(16)),
        ):
            self._database.execute("INSERT OR IGNORE INTO settings VALUES (?, ?)", (name, value))
        settings = dict(self._database.execute("SELECT name, value FROM settings"))
        self.secret = settings["secret"]
        if (settings["list"], settings["list_digest"]) != (list_name, list_digest):
            self.close()
            raise ListMismatch(
                f"{path} holds answers to the list {settings['list']} ({settings['list_digest'][:12]}), "
                f"not to {list_name} ({list_digest[:12]}); move the file away to start again, or "
                "restore the list"
            )

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    # -- players --

    def join(self, name: str, *, experience: str, rounds: int, size: tuple[int, int]) -> str:
        """Add a player; returns the token by which they are known from now on.

        Raises:
            NotTaken: somebody plays under this name.
        """
        token = secrets.token_urlsafe(24)
        with self._database.transaction() as database:
            row = (token, name, name.casefold(), experience, rounds, *size, time.time())
            added = database.execute(
                "INSERT INTO players(token, name, name_key, experience, rounds, width, height, joined_at) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT(name_key) DO NOTHING",
                row,
            )
            if not added.rowcount:
                raise NotTaken(
                    f"Somebody is already playing as {name}. Continue in the browser in which you began, "
                    "or choose another name."
                )
        return token

    def player(self, token: str) -> Player | None:
        """The player who has this token; None if nobody does."""
        rows = self._database.execute(
            "SELECT id, name, experience, rounds, width, height FROM players WHERE token = ?", (token,)
        )
        return _player(rows[0]) if rows else None

    def players(self) -> list[Player]:
        """Everybody, in the order of joining."""
        rows = self._database.execute(
            "SELECT id, name, experience, rounds, width, height FROM players ORDER BY id"
        )
        return [_player(row) for row in rows]

    def extend(self, player: Player, *, rounds: int) -> None:
        """Lengthen the session to this many rounds, if it is shorter."""
        self._database.execute("UPDATE players SET rounds = MAX(rounds, ?) WHERE id = ?", (rounds, player.id))

    # -- rounds --

    def rounds(self, player: Player) -> list[Round]:
        """All rounds so far, in order."""
        rows = self._database.execute(f"{_ROUNDS} WHERE player = ? {_IN_ORDER}", (player.id,))
        return _rounds(rows).get(player.id, [])

    def answered(self) -> dict[int, int]:
        """How many pictures each player has answered, by the player's id; only of those who have."""
        return dict(
            self._database.execute(
                "SELECT player, COUNT(*) FROM rounds WHERE seconds IS NOT NULL GROUP BY player"
            )
        )

    def edits(self) -> int:
        """A number that is another one once something else, such as SQLite's shell, has changed the file."""
        ((number,),) = self._database.execute("PRAGMA data_version")
        return int(number)

    def show(self, player: Player, number: int, item: str) -> None:
        """Begin a round; does nothing if it has begun, so that its time doesn't start again."""
        self._database.execute(
            "INSERT OR IGNORE INTO rounds(player, number, item, shown_at) VALUES (?, ?, ?, ?)",
            (player.id, number, item, time.time()),
        )

    def answer(self, player: Player, number: int, guesses: Sequence[str]) -> bool:
        """Record guesses; returns whether they count, which they don't if the round has already ended.

        Raises:
            NotTaken: this picture was not shown to the player.
        """
        with self._database.transaction() as database:
            counted = database.execute(
                # Never negative: a clock may be set back.
                "UPDATE rounds SET seconds = MAX(0.0, ROUND(? - shown_at, 3)) "
                "WHERE player = ? AND number = ? AND seconds IS NULL AND problem IS NULL",
                (time.time(), player.id, number),
            ).rowcount
            key = (player.id, number)
            if not counted:
                known = database.execute("SELECT 1 FROM rounds WHERE player = ? AND number = ?", key)
                if not known.fetchone():
                    raise NotTaken("This picture was not shown to you. Reload the page to go on.")
                return False
            database.executemany(
                "INSERT INTO guesses VALUES (?, ?, ?, ?)",
                [(*key, place, code) for place, code in enumerate(guesses, start=1)],
            )
        return True

    def skip(self, player: Player, number: int, *, problem: str) -> None:
        """End a round without an answer, because its picture can't be shown."""
        self._database.execute(
            "UPDATE rounds SET problem = ? WHERE player = ? AND number = ? AND seconds IS NULL",
            (problem, player.id, number),
        )

    def problems(self) -> list[tuple[str, str]]:
        """(item, reason) of pictures that could not be shown."""
        return self._database.execute(
            "SELECT DISTINCT item, problem FROM rounds WHERE problem IS NOT NULL ORDER BY item"
        )

    # -- all of it --

    def table(self) -> pd.DataFrame:
        """One row per guess.

        Columns player, experience, order, item, place, country_code, seconds, width, height, shown_at.
        `order` counts a player's pictures from 1, `place` the guesses of one, the likeliest first; `seconds`
        is from first shown to answered, `shown_at` seconds since 1970.
        """
        columns = ["player", "experience", "order", "item", "place", "country_code", "seconds"]
        columns += ["width", "height", "shown_at"]
        return pd.DataFrame(self._database.execute(_EXPORT), columns=columns)


def read_answers(path: Path, *, list_name: str, list_digest: str) -> pd.DataFrame:
    """The answers to a list, see `Answers.table`.

    Raises:
        MissingInput: nobody has answered yet.
        ListMismatch, DatabaseUnusable: as in `Answers`.
    """
    how = "run `scripts/quiz` and play first"
    if not path.is_file():
        raise MissingInput(f"{path} is missing; {how}")
    answers = Answers(path, list_name=list_name, list_digest=list_digest)
    try:
        table = answers.table()
    finally:
        answers.close()
    if table.empty:
        raise MissingInput(f"{path} holds no answer yet; {how}")
    return table


def _player(row: tuple) -> Player:
    player, name, experience, rounds, width, height = row
    return Player(player, name, experience, rounds, (width, height))


def _rounds(rows: Iterable[tuple]) -> dict[int, list[Round]]:
    """Rows of `_ROUNDS`, a guess each, by player."""
    found: dict[int, list[Round]] = {}
    for (player, *told), guesses in groupby(rows, key=lambda row: row[:5]):
        number, item, seconds, problem = told
        codes = tuple(row[5] for row in guesses if row[5] is not None)
        found.setdefault(player, []).append(Round(number, item, seconds, problem, codes))
    return found
