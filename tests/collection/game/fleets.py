"""Runs collections from practice games, disturbs them, and checks that nothing was lost."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
from PIL import Image

from lost_and_found.collection.game.__main__ import main
from lost_and_found.collection.game.instances import strays
from lost_and_found.collection.game.job import NOTEBOOK
from lost_and_found.collection.game.log import read_events
from lost_and_found.data_loader import find_pairs
from lost_and_found.practice.game.server import GameConfig, serving
from lost_and_found.samples import parse_id, read_record

PACE = 0.02
PATIENCE_S = 120


def playing(*faults, pace=PACE, seed=0):
    """A practice game in this process, whose state can be inspected."""
    return serving(GameConfig(seed=seed, pace=pace, faults=faults))


def folder_of(root):
    return Path(root) / NOTEBOOK / "practice"


def options(root, game, *more, rounds=5, mode="singleplayer"):
    own = {"--site": "practice", "--mode": mode, "--rounds": str(rounds), "--root": str(root)}
    own |= {"--url": game.url, "--min-free-gb": "0.001"} if game else {}
    own |= dict(zip(more[::2], more[1::2], strict=True))
    return [part for pair in own.items() for part in pair]


def collect(root, game, *more, **own):
    """The exit status of a collection in this process."""
    return main(options(root, game, *more, **own))


@contextlib.contextmanager
def collecting(root, game, *more, **own):
    """A collection in a process of its own, killed at the end if it is still running."""
    command = [sys.executable, "-m", "lost_and_found.collection.game", *options(root, game, *more, **own)]
    with (Path(root) / "said").open("w") as said:
        process = subprocess.Popen(command, stderr=said, start_new_session=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def wait_until(condition, *, what, patience_s=PATIENCE_S):
    until = time.monotonic() + patience_s
    while not (found := condition()):
        assert time.monotonic() < until, f"waited in vain for {what}"
        time.sleep(0.02)
    return found


def saved(root):
    return len(list(folder_of(root).glob("*.json")))


def processes(root, text):
    """Processes of the collection's workers whose command line has this text."""
    found = []
    for process in strays(folder_of(root)):
        with contextlib.suppress(psutil.Error):
            if text in " ".join(process.cmdline()):
                found.append(process)
    return found


def workers(root):
    return processes(root, "lost_and_found.collection.game.worker")


def browsers(root):
    """The main processes of the collection's browsers, without their children."""
    found = []
    for process in processes(root, "--remote-debugging-pipe"):
        with contextlib.suppress(psutil.Error):
            if "--type=" not in " ".join(process.cmdline()):
                found.append(process)
    return found


@contextlib.contextmanager
def meanwhile(disturb, *arguments):
    """Do something in another thread while the block runs; an error there is raised here."""
    failures = []

    def run():
        try:
            disturb(*arguments)
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    yield
    thread.join()
    if failures:
        raise failures[0]


def events(root, name):
    return [one for one in read_events(folder_of(root)) if one["event"] == name]


def failures(root):
    return [one["kind"] for one in events(root, "failure")]


def check(root, *games, told=None):
    """Assert that every finished round is a whole pair with the true place; returns how many there are.

    Args:
        root: of the workspace.
        games: in which the rounds were played.
        told: events that report the rounds; those of the log by default.
    """
    folder = folder_of(root)
    pairs, halves = find_pairs(folder)  # raises if an id is there twice
    assert halves == {}
    assert sorted(path.name for path in folder.iterdir() if path.name.startswith(".")) == [".collect"]
    told = events(root, "round") if told is None else [one for one in told if one["event"] == "round"]
    assert sorted(one["id"] for one in told) == sorted(pairs)
    truths = {game_id: game for game in games for game_id in game.state.game_ids}
    for sample in pairs.values():
        check_sample(sample, truths[parse_id(sample.id).game].state.truth(sample.id))
    assert strays(folder) == []
    return len(pairs)


def check_sample(sample, truth):
    record = read_record(sample.record)
    assert record["source"] == "practice"
    if "_singleplayer_" in sample.id:
        assert record["coordinates"] == [truth.place.lat, truth.place.lon]
    else:
        assert record["country_code"] == truth.place.country_code
        assert "coordinates" not in record
    with Image.open(sample.image) as image:
        assert image.size == (1280, 720)


def kill(process):
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.pid, signal.SIGKILL)
