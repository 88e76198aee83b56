"""Fixtures that several test modules share."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import hypothesis
import pytest

from lost_and_found.signals import STOP_SIGNALS

# One thread for the arithmetic of each process, including those that tests start: threads that wait for each
# other on busy cores cost a hundred times more than they gain. Read when torch or numpy is first imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

# Without a GPU, its kernels run in Triton's interpreter, which must be known before anything imports Triton.
if not torch.cuda.is_available():
    os.environ.setdefault("TRITON_INTERPRET", "1")

# Gradio tries a hundred ports from this one on. Where two processes find the same one free at once, one
# of them can't start its page. Read when gradio is first imported.
process = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
os.environ["GRADIO_SERVER_PORT"] = str(7860 + 100 * process)

# How long an example takes only says something about the machine.
hypothesis.settings.register_profile("no deadline", deadline=None)
hypothesis.settings.load_profile("no deadline")

# A shell's background job ignores SIGINT, and so would everything that tests start and stop.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real photographs and maps; tests that ask for it are skipped if it is absent."""
    beside_the_project = Path(__file__).resolve().parents[2] / "shared" / "real-data"
    folder = Path(os.environ.get("LOST_AND_FOUND_REAL_DATA", beside_the_project))
    if not folder.is_dir():
        pytest.skip("no real data at hand (set LOST_AND_FOUND_REAL_DATA to its folder)")
    return folder


@pytest.fixture(scope="module")
def browser_and_runner():
    """A real browser that the whole module shares, and the runner of the event loop that it lives in."""
    from lost_and_found.collection.game.chromium import launched

    with asyncio.Runner() as runner:
        starting = launched()
        yield runner.run(starting.__aenter__()), runner
        runner.run(starting.__aexit__(None, None, None))


@pytest.fixture(scope="module")
def in_browser(browser_and_runner):
    """Runs a coroutine with a real browser that the whole module shares."""
    browser, runner = browser_and_runner
    return lambda play: runner.run(play(browser))


@pytest.fixture(autouse=True)
def no_figures_left():
    """Pyplot keeps every figure, and warns of too many."""
    yield
    if pyplot := sys.modules.get("matplotlib.pyplot"):
        pyplot.close("all")


@pytest.fixture(autouse=True)
def usual_signals():
    """Commands change signal handlers, which must not outlive the test."""
    before = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
