"""What happened in a collection, one JSON object a line in `.collect/log.jsonl`.

Every line has `time` (seconds since 1970), `worker` ("" for the supervisor) and `event`:

| event | by | further keys |
|---|---|---|
| `collecting` | supervisor | `site`, `mode`, `target`, `saved` |
| `started`, `ended` | supervisor | `pid`; `status` |
| `ready` | worker | |
| `game` | worker | `game`, `resumed` |
| `round` | both | `id`, `seconds`; by the supervisor for a worker that died before it could report it |
| `skipped` | worker | `id`, `reason` |
| `failure` | both | `kind`, `message`; a worker's also `details` |
| `rate_limited` | worker | `seconds` |
| `abandoned` | both | `game` |
| `recycled` | supervisor | `mb` |
| `finished` | supervisor | `reason`, `saved` |
"""

from __future__ import annotations

import errno
import json
import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from lost_and_found.collection.game.job import BOOKS
from lost_and_found.errors import StorageFull
from lost_and_found.samples import NO_ROOM

Event = dict[str, Any]


class Log:
    """The open log of one collection; only its supervisor writes to it."""

    def __init__(self, folder: Path) -> None:
        """Open the log of an output folder to append to it."""
        self.path = log_path(folder)
        self._file: IO[bytes] = self.path.open("ab+", buffering=0)
        self._end_line()

    def _end_line(self) -> None:
        """End a line that was cut off, so that it doesn't spoil the next."""
        size = self._file.seek(0, os.SEEK_END)
        if size:
            self._file.seek(size - 1)
            if self._file.read(1) != b"\n":
                self._file.write(b"\n")

    def append(self, event: Mapping[str, Any]) -> None:
        """Write one line.

        Raises:
            StorageFull: the disk is full.
        """
        try:
            line = json.dumps(event, ensure_ascii=False).encode() + b"\n"
            if self._file.write(line) < len(line):  # the disk's last bytes took only part of it
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            if error.errno in NO_ROOM:
                raise StorageFull(
                    f"{self.path}: no room ({error.strerror}); free some space and run again"
                ) from error
            raise

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def log_path(folder: Path) -> Path:
    """Where the log of an output folder is."""
    return folder / BOOKS / "log.jsonl"


def event(name: str, *, worker: str = "", **details: object) -> Event:
    """An event with the present time."""
    return {"time": round(time.time(), 3), "worker": worker, "event": name, **details}


def read_events(folder: Path) -> Iterator[Event]:
    """The events of an output folder in order; none if nothing was collected there.

    A line that was cut off, because a supervisor was killed while writing it, is skipped.
    """
    path = log_path(folder)
    if path.exists():
        with path.open("rb") as file:  # a line may have been cut off within a character
            for line in file:
                try:
                    yield json.loads(line)
                except ValueError:
                    continue


@dataclass(frozen=True)
class LogSummary:
    """The totals of a collection's log, over all its runs.

    Attributes:
        rounds: saved.
        minutes: total running time.
        skipped: rounds without a picture or an answer, by reason.
        failures: by kind.
    """

    rounds: int
    minutes: float
    skipped: Mapping[str, int]
    failures: Mapping[str, int]

    @property
    def rounds_per_minute(self) -> float:
        """Saved rounds per minute of running time."""
        return self.rounds / self.minutes if self.minutes else 0.0


def summarise(folder: Path) -> LogSummary:
    """The totals of an output folder's log so far."""
    rounds, seconds, latest = 0, 0.0, 0.0
    skipped: Counter[str] = Counter()
    failures: Counter[str] = Counter()
    for one in read_events(folder):
        rounds += one["event"] == "round"
        if one["event"] == "skipped":
            skipped[one["reason"]] += 1
        elif one["event"] == "failure":
            failures[one["kind"]] += 1
        # A run lasts until its last event, also if it was killed; the time until the next one doesn't count.
        if one["event"] != "collecting" and latest:
            seconds += max(one["time"] - latest, 0.0)  # the clock may have been set back
        latest = one["time"]
    return LogSummary(rounds, seconds / 60, dict(skipped), dict(failures))
