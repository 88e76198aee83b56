"""One worker: a process that plays game after game in one browser at a time.

`python -m lost_and_found.collection.game.worker JOB` is how the fleet starts it. The first line of standard
input is the account as JSON; the end of standard input means that the fleet is gone, and the worker ends at
once with its browser. Events go to standard output, one JSON object a line. SIGTERM asks it to stop after the
running round.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from pathlib import Path

import psutil

from lost_and_found.collection.game.chromium import launched
from lost_and_found.collection.game.claims import Claims
from lost_and_found.collection.game.exits import failure_of, status_of
from lost_and_found.collection.game.job import BOOKS, ROUNDS_PER_GAME, WorkerJob, account_key
from lost_and_found.collection.game.log import event
from lost_and_found.collection.game.manners import TURNS_FILE, Turns
from lost_and_found.collection.game.play import play_game
from lost_and_found.collection.game.rounds import CollectedRound, SkippedRound
from lost_and_found.collection.game.screens import Visit
from lost_and_found.collection.game.session import Account, signed_in
from lost_and_found.errors import (
    AnswerMissing,
    GameTaken,
    LoggedOut,
    LostAndFoundError,
    PageCrashed,
    RateLimited,
    SiteChanged,
    SiteError,
)

# What a worker gets over with a fresh browser after a pause; anything else ends it.
PASSING = (GameTaken, LoggedOut, PageCrashed, RateLimited, SiteError)
# Failures and skipped rounds in a row after which the worker gives up and another is tried.
MOST_FRUITLESS = 10
LONGEST_PAUSE_S = 60.0
RATE_LIMIT_PAUSE_S = 30.0
LONGEST_RATE_LIMIT_PAUSE_S = 900.0
SEAT_POLL_S = 0.3
# How long the running round has to end when the worker is asked to stop.
GRACE_S = 20.0
# After this long without a sign of life the worker ends itself: a browser's driver may hang.
HANG_S = 900.0


class Worker:
    """The state of a running worker.

    Attributes:
        stopping: whether it was asked to stop.
        in_round: whether it is between the start and the end of a round, when stopping would lose it.
    """

    def __init__(self, job: WorkerJob, account: Account) -> None:
        folder, auth = Path(job.folder), Path(job.auth)
        self.stopping = False
        self.in_round = False
        self._job = job
        self._folder = folder
        self._account = account
        self._key = account_key(account)
        self._storage = auth / f"{self._key}.json"
        self._site = job.site_to_play()
        self._prefix = f"{self._site.name}_{job.mode}_"
        self._claims = Claims(folder / BOOKS / "claims.sqlite", worker=job.name)
        self._turns = Turns(auth / TURNS_FILE)
        self._has_turn = False
        self._due_at = 0.0
        self._game: str | None = None
        self._fruitless = 0
        self._doubted = False
        self._begun_at = 0.0
        self._alarm: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """Play until enough rounds are saved, or until asked to stop.

        Raises:
            LostAndFoundError: what only another browser, or a person, can put right.
        """
        self._set_alarm(HANG_S)
        while not self._is_enough():
            try:
                await self._play_in_one_browser()
            except (*PASSING, SiteChanged) as error:
                self._fruitless += 1
                if self._fruitless > MOST_FRUITLESS or self._is_sure(error):
                    raise
                self._say("failure", **failure_of(error))
                await self._pause(self._pause_after(error))

    def _is_sure(self, error: LostAndFoundError) -> bool:
        """Whether the site has really changed: one page that hangs must not end a collection of weeks."""
        doubtful = isinstance(error, SiteChanged) and not self._doubted
        self._doubted = self._doubted or doubtful
        return isinstance(error, SiteChanged) and not doubtful

    def _pause_after(self, error: LostAndFoundError) -> float:
        if not isinstance(error, RateLimited):
            return min(2.0 ** (self._fruitless - 1), LONGEST_PAUSE_S)
        seconds = rate_limit_pause_s(error.retry_after_s, failures=self._fruitless)
        self._turns.hold_back(self._key, for_s=seconds)
        self._say("rate_limited", seconds=seconds)
        return seconds

    async def _play_in_one_browser(self) -> None:
        await self._released()
        # Not only a fresh context: a browser's memory grows from context to context.
        async with (
            launched(headed=self._job.headed) as browser,
            signed_in(
                browser,
                self._site,
                self._account,
                storage=self._storage,
                screenshots=self._folder / BOOKS / "screenshots",
            ) as visit,
        ):
            self._say("ready")
            for _ in range(self._job.games_per_browser):
                if not await self._seat():
                    return
                try:
                    await self._play(visit)
                finally:
                    self._claims.unreserve()

    async def _seat(self) -> bool:
        """Whether another game is wanted; waits while others play what may be the last ones."""
        while not self._is_enough():
            if self._claims.reserve(ROUNDS_PER_GAME, target=self._job.target):
                return True
            await self._pause(SEAT_POLL_S)
        return False

    # -- one game --

    async def _play(self, visit: Visit) -> None:
        resumed = None
        if self._job.mode == "singleplayer":
            resumed = self._claims.take_over(self._prefix, account=self._key)
        self._game = resumed
        try:
            await self._play_rounds(visit, resumed and resumed.removeprefix(self._prefix))
        except SiteChanged:
            if resumed and self._game:  # perhaps the site has forgotten it
                self._abandon()
            raise
        finally:
            if self._game:
                self._leave()

    async def _play_rounds(self, visit: Visit, resumed: str | None) -> None:
        game = play_game(visit, self._job.mode, self._claim, resume=resumed, saved=self._claims)
        async with aclosing(game) as rounds:  # type: ignore[type-var]
            if resumed:
                self._say("game", game=self._game, resumed=True)
            await self._turn()
            while (item := await self._next(rounds)) is not None:
                self._keep(item)
                if self._claims.reached(self._job.target):
                    break
                if self.stopping:
                    return
                await self._turn_within_game()
        if self._game:
            self._claims.finish(self._game)
            self._game = None

    def _claim(self, game: str) -> bool:
        name = self._prefix + game
        if not self._claims.claim(name, account=self._key):
            return False
        self._game = name
        self._say("game", game=name, resumed=False)
        return True

    def _leave(self) -> None:
        """Release the game to another worker of the account if that is possible, else abandon it."""
        game = self._game or ""
        if self._job.mode == "singleplayer" and self._claims.release(game):
            self._game = None
        else:
            self._abandon()

    def _abandon(self) -> None:
        self._claims.abandon(self._game or "")
        self._say("abandoned", game=self._game)
        self._game = None

    async def _next(
        self, rounds: AsyncIterator[CollectedRound | SkippedRound]
    ) -> CollectedRound | SkippedRound | None:
        self.in_round, self._begun_at = True, time.monotonic()
        self._has_turn = False  # used up, even if this fails half-way
        try:
            item = await anext(rounds, None)
        finally:
            self.in_round = False
        self._has_turn = item is None
        return item

    def _keep(self, item: CollectedRound | SkippedRound) -> None:
        if isinstance(item, SkippedRound):
            self._say("skipped", id=item.id, reason=item.reason)
            self._fruitless += 1
            if self._fruitless > MOST_FRUITLESS:
                raise AnswerMissing(
                    f"{self._fruitless} failures in a row, the last of them {item.id}: {item.reason}"
                )
            return
        saved = self._claims.save(
            self._folder, item.id, image=item.image, record=item.record, target=self._job.target
        )
        if saved:
            self._fruitless, self._doubted = 0, False
            self._say("round", id=item.id, seconds=round(time.monotonic() - self._begun_at, 2))

    # -- the account's pace --

    async def _turn(self) -> None:
        """Wait until the account may begin a round; an unused turn is kept, but not through a hold.

        A hold ends for all workers of the account at once, and turns taken after it are spaced out again.
        """
        while True:
            if not self._has_turn:
                self._take_turn()
            await self._pause(max(self._due_at - time.monotonic(), 0.0))
            if not self._turns.held(self._key):
                return
            self._has_turn = False
            await self._released()

    def _take_turn(self) -> None:
        wait_s = self._turns.take(self._key, every_s=self._job.seconds_per_round)
        self._due_at, self._has_turn = time.monotonic() + wait_s, True

    async def _turn_within_game(self) -> None:
        if self._job.mode == "singleplayer":
            await self._turn()
        else:  # other players don't wait, so the wait that is due comes before the next game
            self._take_turn()

    async def _released(self) -> None:
        while seconds := self._turns.held(self._key):
            await self._pause(seconds)

    async def _pause(self, seconds: float) -> None:
        self._set_alarm(seconds + HANG_S)
        await asyncio.sleep(seconds)

    # -- signs of life --

    def _set_alarm(self, seconds: float) -> None:
        if self._alarm:
            self._alarm.cancel()
        self._alarm = asyncio.get_running_loop().call_later(seconds, self._hang)

    def _hang(self) -> None:
        message = f"no sign of life for {HANG_S:g} s"
        self._say("failure", kind="Hang", message=message)
        end_at_once()

    def _is_enough(self) -> bool:
        return self.stopping or self._claims.reached(self._job.target)

    def _say(self, name: str, **details: object) -> None:
        self._set_alarm(HANG_S)
        say(self._job, name, **details)


def rate_limit_pause_s(asked_s: float | None, *, failures: int) -> float:
    """Seconds to wait: what the site asks for, or longer with every failure in a row if it names no time."""
    growing_s = min(RATE_LIMIT_PAUSE_S * 2 ** (failures - 1), LONGEST_RATE_LIMIT_PAUSE_S)
    return asked_s or growing_s  # 0, or a date in the past, names no time


def say(job: WorkerJob, name: str, **details: object) -> None:
    """Tell the fleet what happened."""
    print(json.dumps(event(name, worker=job.name, **details)), flush=True)


async def work(job: WorkerJob, account: Account) -> int:
    """Run a worker until its end; the exit status."""
    try:
        worker = Worker(job, account)
        running = asyncio.ensure_future(worker.run())

        def stop() -> None:
            worker.stopping = True
            asyncio.get_running_loop().call_later(GRACE_S if worker.in_round else 0.0, running.cancel)

        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop)
        await running
    except asyncio.CancelledError:
        return 0
    except Exception as error:
        say(job, "failure", **failure_of(error))
        if not isinstance(error, LostAndFoundError):
            raise
        return status_of(error)
    return 0


def end_with_the_fleet() -> None:
    """Wait for the end of standard input, then end this process and its browser."""
    while os.read(sys.stdin.fileno(), 1):
        pass
    end_at_once()


def end_at_once() -> None:
    """End the browser and this process; the fleet puts in order what it was writing."""
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            process.kill()
    os._exit(1)


def main() -> int:
    """The command line; returns the exit status."""
    job = WorkerJob.from_json(sys.argv[1])
    account = Account(**json.loads(sys.stdin.buffer.readline()))
    threading.Thread(target=end_with_the_fleet, daemon=True).start()
    return asyncio.run(work(job, account))


if __name__ == "__main__":
    sys.exit(main())
