"""The claims and the log of one output folder."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterable

from lost_and_found.collection.game.claims import Claims
from lost_and_found.collection.game.instances import end_strays
from lost_and_found.collection.game.job import BOOKS, CollectJob, CollectSummary
from lost_and_found.collection.game.log import Event, Log, event, read_events
from lost_and_found.samples import remove_leftovers


class Books:
    """The claims and the log of a collection, kept in agreement with each other and with the folder.

    Attributes:
        claims: the supervisor's view of them.
        earlier_runs: how many collections into the folder came before.
        events: counts of this run's events, by name.
        failures: counts of this run's failures, by kind.
        rounds_at: monotonic times of the last rounds.
    """

    def __init__(self, job: CollectJob) -> None:
        self._job = job
        (job.folder / BOOKS).mkdir(exist_ok=True)
        self.claims = Claims(job.folder / BOOKS / "claims.sqlite", worker="")
        self._log = Log(job.folder)
        self._told: dict[str, set[str]] = {"round": set(), "skipped": set()}
        self.earlier_runs = 0
        self._saved_before = 0
        for one in read_events(job.folder):
            self.earlier_runs += one["event"] == "collecting"
            if one["event"] in self._told:
                self._told[one["event"]].add(one["id"])
        self.events: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self.rounds_at: deque[float] = deque(maxlen=100)

    def close(self) -> None:
        """Close both files."""
        self.claims.close()
        self._log.close()

    def put_in_order(self) -> None:
        """End what a killed collection left running, and finish what it left half done."""
        job = self._job
        end_strays(job.folder)
        released = self.claims.recover(job.folder)
        remove_leftovers(job.folder)
        self._saved_before = len(self.claims.saved())
        # First, since the clean-up is part of this run: one that was killed ended with its own last event.
        self.note(event("collecting", site=job.site, mode=job.mode, target=job.rounds, saved=self.saved))
        self.note_recovery(released)
        # So far, these are of earlier runs.
        self.events.clear()
        self.rounds_at.clear()

    def note_recovery(self, released: Iterable[str]) -> None:
        """Abandon multiplayer games that dead workers left; log rounds that they saved but didn't report."""
        for game in released:
            if "_multiplayer_" in game:
                self.claims.abandon(game)
                self.note(event("abandoned", game=game))
        for one in sorted(self.claims.saved() - self._told["round"]):
            self.note(event("round", id=one, seconds=None))

    def forget_games(self) -> None:
        """Abandon games that can't be resumed."""
        for game in self.claims.abandon_released():
            self.note(event("abandoned", game=game))

    def note(self, one: Event) -> None:
        """Write an event to the log and count it; a round is saved or skipped only once.

        Recovery after one worker's death may log a round that another has just saved, before that worker's
        own report of it is read. A game that is resumed at a skipped round's result skips it again.
        """
        told = self._told.get(one["event"])
        if told is not None and one["id"] in told:
            return
        self._log.append(one)
        self.events[one["event"]] += 1
        if told is not None:
            told.add(one["id"])
        if one["event"] == "round":
            self.rounds_at.append(time.monotonic())
        elif one["event"] == "failure":
            self.failures[one["kind"]] += 1

    @property
    def saved(self) -> int:
        """Rounds that the folder holds."""
        return self._saved_before + self.events["round"]

    @property
    def rounds_per_minute(self) -> float:
        """The rate over the last hundred rounds."""
        times = self.rounds_at
        return 60 * (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 else 0.0

    def summary(self, seconds: float) -> CollectSummary:
        """The outcome of this run."""
        return CollectSummary(
            folder=self._job.folder,
            saved=self.saved,
            added=self.events["round"],
            skipped=self.events["skipped"],
            failures=dict(self.failures),
            browsers=self.events["started"],
            recycled=self.events["recycled"],
            seconds=seconds,
        )
