"""The processes of a fleet: workers with their browsers, and how to be sure that none outlives its work."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import psutil

from lost_and_found.collection.game.job import WorkerJob
from lost_and_found.collection.game.log import Event
from lost_and_found.collection.game.session import Account

# Every process of a collection has this variable in its environment: the folder, a colon, the worker's name.
MARK = "LOST_AND_FOUND_COLLECTING"
STRAYS_S = 10.0


class Instance:
    """A place in the fleet, and the worker process that fills it now.

    Attributes:
        number: from 1.
        account: the account of all its workers.
        name: of its worker, never used before; "" while there is none.
        pid: of its worker; 0 while there is none.
        saved: rounds that its worker has saved.
        crashes: in a row, before its present worker; after a worker that saved a round, counted from 1 again.
        start_at: monotonic time before which no worker is started.
        started_at: monotonic time at which its worker was started.
        ready: whether its worker has signed in.
        recycled: whether its worker was asked to stop because of its memory.
        failure: the last that its worker reported, as `exits.failure_of` gives it; empty without one.
        retired: whether no more workers are started.
    """

    def __init__(self, number: int, account: Account) -> None:
        self.number = number
        self.account = account
        self.name = ""
        self.pid = 0
        self.saved = 0
        self.crashes = 0
        self.start_at = 0.0
        self.started_at = 0.0
        self.ready = False
        self.recycled = False
        self.failure: Event = {}
        self.retired = False
        self._process: subprocess.Popen[bytes] | None = None
        self._unread = b""
        self._kill_at: float | None = None

    def start(self, job: WorkerJob, *, errors: Path) -> None:
        """Start a worker in a session of its own, so that a Ctrl-C in the terminal doesn't reach it.

        Args:
            job: with the worker's name.
            errors: file to which the worker's standard error is appended.
        """
        with errors.open("ab") as file:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "lost_and_found.collection.game.worker", job.as_json()],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
                env={**os.environ, MARK: f"{job.folder}:{job.name}"},
                start_new_session=True,
            )
        if self._process.stdin and self._process.stdout:  # always true with pipes
            # Its input stays open: end of file tells the worker that the fleet is gone.
            with contextlib.suppress(BrokenPipeError):  # it died at once; noticed like any other death
                self._process.stdin.write(json.dumps(asdict(self.account)).encode() + b"\n")
                self._process.stdin.flush()
            os.set_blocking(self._process.stdout.fileno(), False)
        self.name, self.pid = job.name, self._process.pid
        self.saved, self.ready, self.recycled, self.failure = 0, False, False, {}
        self.started_at = time.monotonic()
        self._unread, self._kill_at = b"", None

    @property
    def output(self) -> int | None:
        """File descriptor of the worker's events; None while there is no worker."""
        return self._process.stdout.fileno() if self._process and self._process.stdout else None

    def events(self) -> list[Event]:
        """The worker's events since the last call."""
        if self.output is None:
            return []
        while chunk := _read(self.output):
            self._unread += chunk
        *lines, self._unread = self._unread.split(b"\n")
        return [json.loads(line) for line in lines]

    @property
    def status(self) -> int | None:
        """The exit status of the worker, negative for a signal; None while it runs."""
        return self._process.poll() if self._process else None

    def stop(self, *, grace_s: float) -> None:
        """Ask the worker to stop after its round; `enforce` kills it once `grace_s` has passed."""
        if self._process and self._kill_at is None:
            self._process.terminate()
            self._kill_at = time.monotonic() + grace_s

    def enforce(self) -> None:
        """Kill a worker that was asked to stop and has used up its grace period."""
        if self._kill_at is not None and time.monotonic() >= self._kill_at:
            self.kill()

    def kill(self) -> None:
        """Kill the worker; `bury` ends its browser."""
        if self._process:
            self._process.kill()

    def bury(self, folder: Path) -> int:
        """The exit status of the dead worker, once everything that it started has been ended."""
        if not self._process:
            return 0
        status = self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()
        end_strays(folder, self.name)
        for leftover in folder.glob(f".*.{self.pid}.tmp"):
            leftover.unlink(missing_ok=True)
        self._process, self.name, self.pid = None, "", 0
        return status

    def memory_mb(self) -> float:
        """Resident memory of the worker and its descendants, in MB; shared pages count once per process."""
        try:
            worker = psutil.Process(self.pid)
            family = [worker, *worker.children(recursive=True)]
        except psutil.NoSuchProcess:
            return 0.0
        return sum(_resident(process) for process in family) / 1e6


def strays(folder: Path, worker: str = "") -> list[psutil.Process]:
    """Running processes of a worker, or of all workers that ever filled the folder, except this process."""
    mark = f"{folder}:{worker}"
    found = []
    for process in psutil.process_iter():
        try:
            value = process.environ().get(MARK, "")
        except (psutil.Error, OSError):  # gone, or someone else's
            continue
        if (value == mark or (not worker and value.startswith(mark))) and process.pid != os.getpid():
            found.append(process)
    return found


def end_strays(folder: Path, worker: str = "") -> None:
    """Kill the processes that dead workers left."""
    until = time.monotonic() + STRAYS_S
    while (found := strays(folder, worker)) and time.monotonic() < until:
        for process in found:
            with contextlib.suppress(psutil.Error):
                process.kill()
        time.sleep(0.02)


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except BlockingIOError:
        return b""


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0
