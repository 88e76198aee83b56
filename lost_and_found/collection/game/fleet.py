"""Collect with several browsers at once, and replace those that fail.

`collect` starts one worker process per browser, replaces workers that die, watches the disk, the memory and
the clock, and writes the log. It gives up only on what no new browser can put right.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from lost_and_found.bars import progress_bar
from lost_and_found.collection.game.books import Books
from lost_and_found.collection.game.chromium import VARIABLE
from lost_and_found.collection.game.exits import STATUS, error_of
from lost_and_found.collection.game.instances import Instance
from lost_and_found.collection.game.job import (
    BOOKS,
    CollectJob,
    CollectSummary,
    WorkerJob,
    accounts_for,
    site_named,
)
from lost_and_found.collection.game.log import event
from lost_and_found.collection.game.manners import TURNS_FILE, Turns, check_permission, check_robots, pace_s
from lost_and_found.collection.game.session import Account
from lost_and_found.collection.game.sites import Site
from lost_and_found.dotenv_file import dotenv_values
from lost_and_found.errors import BrowserMissing, CollectionStuck, LostAndFoundError, StorageFull
from lost_and_found.locks import sole_writer
from lost_and_found.signals import caught_signals
from lost_and_found.texts import counted

TICK_S = 0.2
WATCH_S = 2.0
# The next worker is started once the one before has signed in, or after this long.
STAGGER_S = 15.0
MOST_CRASHES = 8
LONGEST_PAUSE_S = 60.0
# The worker's own grace period, and a little more for closing its browser.
GRACE_S = 25.0
# A worker that uses too much memory and has saved no round is replaced only after this long.
FRUITLESS_S = 60.0
# Far apart, so that a practice game that is started again has other games.
SEED_STEP = 1_000_003


def collect(job: CollectJob) -> CollectSummary:
    """Collect until the folder holds `job.rounds` pairs, the time is up, or a signal says stop.

    SIGINT, SIGTERM and SIGHUP let the running rounds end, and then take their usual effect, such as
    KeyboardInterrupt for Ctrl-C. A second signal doesn't wait for the rounds.

    Raises:
        InvalidConfig, MissingInput: the pace is too fast; there is no account.
        NotPermitted: the user's statement is missing, or the site's robots.txt forbids it.
        FolderInUse: another collection is filling the folder.
        DatabaseUnusable: the claims or the accounts' turns can't be read or written.
        StorageFull: too little free space on the disk.
        BrowserMissing: no Chromium that starts.
        LoginRefused: wrong e-mail or password.
        SiteChanged: a text that the collector looks for did not appear.
        CollectionStuck: workers died again and again without saving a round.
    """
    begun_at = time.monotonic()
    known = {**dotenv_values(job.root / ".env"), **os.environ}
    if chromium := known.get(VARIABLE):
        os.environ[VARIABLE] = chromium  # the workers look for it in their own environment
    check_permission(site_named(job.site, job.url or "http://localhost"), known)
    accounts = accounts_for(job.site, known, instances=job.instances)
    job.folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        stack.enter_context(sole_writer(job.folder, wait=False))
        books = Books(job)
        stack.callback(books.close)
        books.put_in_order()
        if not books.claims.reached(job.rounds):
            check_disk(job)
            site = stack.enter_context(_playing_at(job, books))
            delay_s = check_robots(site)
            every_s = pace_s(site, job.seconds_per_round, crawl_delay_s=delay_s)
            Turns(job.auth / TURNS_FILE)  # if it can't be used, no worker could begin
            caught = stack.enter_context(caught_signals())
            Fleet(job, site, accounts, books, every_s=every_s, signals=caught).run()
        return books.summary(time.monotonic() - begun_at)


@contextmanager
def _playing_at(job: CollectJob, books: Books) -> Iterator[Site]:
    if job.site != "practice" or job.url:
        yield site_named(job.site, job.url or "")
        return
    from lost_and_found.practice.game.server import GameConfig, serving

    books.forget_games()  # they were on a server that is gone
    seed = job.seed + SEED_STEP * books.earlier_runs
    with serving(GameConfig(seed=seed, pace=job.pace, faults=job.faults)) as game:
        yield site_named(job.site, game.url)


def check_disk(job: CollectJob) -> None:
    """Check that the disk has the free space that the job asks for.

    Raises:
        StorageFull: it has less.
    """
    free_gb = shutil.disk_usage(job.folder).free / 1e9
    if free_gb < job.min_free_gb:
        raise StorageFull(
            f"{job.folder}: only {free_gb:.1f} GB free, and collecting stops below {job.min_free_gb:g} GB; "
            "free some space and run again (finished rounds are kept)"
        )


class Fleet:
    """The workers of one collection and what becomes of them."""

    def __init__(
        self,
        job: CollectJob,
        site: Site,
        accounts: Sequence[Account],
        books: Books,
        *,
        every_s: float,
        signals: Sequence[int],
    ) -> None:
        self._job = job
        self._site = site
        self._books = books
        self._every_s = every_s
        self._signals = signals
        self._instances = [Instance(number, account) for number, account in enumerate(accounts, start=1)]
        self._launches = 0
        self._watch_at = 0.0
        self._until = time.monotonic() + 60 * job.minutes if job.minutes else None
        self._error: LostAndFoundError | None = None
        self._last_failure = "none was reported"

    def run(self) -> None:
        """Keep the workers going until the collection ends.

        Raises:
            LostAndFoundError: as in `collect`.
        """
        books = self._books
        total = self._job.rounds or None
        with progress_bar(total=total, initial=books.saved, desc=self._site.name, unit=" rounds") as bar:
            shown = ""
            try:
                while self._go_on():
                    if (bar.n, shown) != (books.saved, shown := self._status()):
                        bar.set_postfix_str(shown, refresh=False)
                        bar.n = books.saved
                        bar.refresh()
            finally:
                # No worker is left here, unless an error such as a full disk broke off the loop.
                for instance in self._instances:
                    instance.kill()
                    instance.bury(self._job.folder)
        books.note(event("finished", reason=self._reason(), saved=books.saved))
        if self._error:
            raise self._error
        if self._reason() == "stuck":
            raise CollectionStuck(
                f"{self._job.folder}: every worker died {MOST_CRASHES} times in a row without saving a "
                f"round; the last failure: {self._last_failure}"
            )

    def _status(self) -> str:
        """Rounds per minute, browsers and failures by kind."""
        parts = [f"{self._books.rounds_per_minute:.1f}/min"]
        browsers = sum(bool(one.name) for one in self._instances)
        parts.append(counted(browsers, "browser"))
        if skipped := self._books.events["skipped"]:
            parts.append(f"skipped {skipped}")
        parts += [f"{kind} {count}" for kind, count in sorted(self._books.failures.items())]
        return ", ".join(parts)

    def _go_on(self) -> bool:
        """Do what is due; false when no worker is left and none is to be started."""
        ending = self._is_ending()
        for instance in self._instances:
            if ending:
                instance.stop(grace_s=GRACE_S)
            if len(self._signals) > 1:
                instance.kill()
            instance.enforce()
        if not ending:
            self._start_one()
        self._listen()
        for instance in self._instances:
            if instance.status is not None:
                self._bury(instance)
        if time.monotonic() >= self._watch_at:
            self._watch()
        waiting = [one for one in self._instances if not one.retired]
        return any(one.name for one in waiting) or bool(waiting and not self._is_ending())

    def _is_ending(self) -> bool:
        return self._reason() not in ("", "stuck")

    def _reason(self) -> str:
        """Why the collection ends; "" if it doesn't."""
        if self._error:
            return type(self._error).__name__
        if self._signals:
            return signal.Signals(self._signals[0]).name
        if 0 < self._job.rounds <= self._books.saved:
            return "target reached"  # a worker that waits out a pause would only end after it
        if self._until is not None and time.monotonic() >= self._until:
            return "time is up"
        if all(one.retired for one in self._instances):
            return "target reached" if self._books.claims.reached(self._job.rounds) else "stuck"
        return ""

    # -- workers --

    def _start_one(self) -> None:
        """Start the next worker that is due, once those before it have signed in."""
        now = time.monotonic()
        signing_in = [one for one in self._instances if one.name and not one.ready]
        if any(now < one.started_at + STAGGER_S for one in signing_in):
            return
        # One sign-in at a time per account, so that a wrong password is tried only once.
        occupied = {one.account.email for one in signing_in}
        for instance in self._instances:
            if instance.name or instance.retired or now < instance.start_at:
                continue
            if instance.account.email not in occupied:
                self._start(instance)
                return

    def _start(self, instance: Instance) -> None:
        self._launches += 1
        job = WorkerJob(
            name=f"{instance.number}.{self._launches}.{os.getpid()}.{int(time.time())}",
            site=self._site.name,
            url=self._site.url,
            mode=self._job.mode,
            folder=str(self._job.folder),
            auth=str(self._job.auth),
            seconds_per_round=self._every_s,
            patience_s=self._job.patience_s,
            target=self._job.rounds,
            games_per_browser=self._job.games_per_browser,
            headed=self._job.headed,
        )
        instance.start(job, errors=self._job.folder / BOOKS / "errors.log")
        self._books.note(event("started", worker=job.name, pid=instance.pid))

    def _listen(self) -> None:
        """Read the workers' events; waits a moment if there are none."""
        outputs = {one.output: one for one in self._instances if one.output is not None}
        if not outputs:
            time.sleep(TICK_S)
        for output in select.select(list(outputs), [], [], TICK_S)[0] if outputs else ():
            self._take_in(outputs[output])

    def _take_in(self, instance: Instance) -> None:
        for one in instance.events():
            self._books.note(one)
            if one["event"] == "ready":
                instance.ready = True
            elif one["event"] == "round":
                instance.saved += 1
            elif one["event"] == "failure":
                instance.failure = one
                self._last_failure = f"{one['kind']}: {one['message']}"

    def _bury(self, instance: Instance) -> None:
        """Put in order what a dead worker left, and decide what follows."""
        self._take_in(instance)
        name = instance.name
        status = instance.bury(self._job.folder)
        self._books.note(event("ended", worker=name, status=status))
        self._books.note_recovery(self._books.claims.recover(self._job.folder, worker=name))
        # If a browser has started before, one that now doesn't is a passing fault of the machine.
        passing = status == STATUS[BrowserMissing] and self._books.events["ready"] > 0
        if instance.failure and status in STATUS.values() and not passing:
            self._error = self._error or error_of(instance.failure)
        if self._is_ending() or self._books.claims.reached(self._job.rounds):
            instance.retired = True
        elif instance.recycled and instance.saved:
            instance.crashes = 0
        else:
            self._plan_restart(instance, name, status)

    def _plan_restart(self, instance: Instance, name: str, status: int) -> None:
        if status < 0:
            kind = signal.Signals(-status).name
            self._last_failure = f"the worker was killed by {kind}"
            self._books.note(event("failure", worker=name, kind=kind, message=self._last_failure))
        instance.crashes = 1 if instance.saved else instance.crashes + 1
        instance.retired = instance.crashes >= MOST_CRASHES
        instance.start_at = time.monotonic() + min(2.0 ** (instance.crashes - 1), LONGEST_PAUSE_S)

    def _watch(self) -> None:
        """Check the disk's free space and the workers' memory."""
        now = time.monotonic()
        self._watch_at = now + WATCH_S
        try:
            check_disk(self._job)
        except StorageFull as error:
            self._error = self._error or error
        for instance in self._instances:
            old_enough = instance.saved or now > instance.started_at + FRUITLESS_S
            if not instance.name or instance.recycled or not old_enough:
                continue
            if (memory_mb := instance.memory_mb()) > self._job.memory_mb:
                instance.recycled = True
                instance.stop(grace_s=GRACE_S)
                self._books.note(event("recycled", worker=instance.name, mb=round(memory_mb)))
