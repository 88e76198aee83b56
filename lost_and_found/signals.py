"""Signals that ask a long job to stop, noted so that it can end cleanly, instead of acted on at once."""

from __future__ import annotations

import atexit
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
RESUME = "run the same command again to resume"
STOPPED = f"stopped; {RESUME}"


def asked_to_stop() -> threading.Event:
    """An event that Ctrl-C and SIGTERM set; they have no other effect from now on."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    return stop


def exit_when_stopped() -> None:
    """From now on, Ctrl-C and SIGTERM end this process with a message and the status that shells expect.

    A second signal, from a terminal or an agent, doesn't cut this short. Ignored signals stay ignored.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _exit)


def _exit(number: int, _: FrameType | None) -> NoReturn:
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    atexit.register(print, STOPPED, file=sys.stderr)  # after the last state of a progress bar
    sys.exit(128 + number)


@contextmanager
def caught_signals() -> Iterator[list[int]]:
    """The stop signals that come within the block; at its end, the first has its usual effect.

    Those that are ignored, such as SIGHUP under `nohup`, stay so. Outside the main thread, where Python can't
    handle signals, none is caught.
    """
    came: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        came.append(number)

    if threading.current_thread() is not threading.main_thread():
        yield came
        return
    heeded = [number for number in STOP_SIGNALS if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, note) for number in heeded}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])
