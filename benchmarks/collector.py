"""The collector against the practice game's own floor: the seconds that its pages are scripted to take.

Run `python benchmarks/collector.py [--rounds 40] [--memory-rounds 300]`. Nothing can collect faster than the
floor, so it is the baseline; seconds of a round are counted from the first saved round to the last, without
the start of the browser.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil

from lost_and_found.collection.game.fleet import collect
from lost_and_found.collection.game.job import ROUNDS_PER_GAME, CollectJob
from lost_and_found.collection.game.log import read_events
from lost_and_found.practice.game.pace import Pace

SAMPLE_S = 1.0
MB = 2**20
ROUNDS_PER_BROWSER = ROUNDS_PER_GAME * CollectJob.games_per_browser


def main() -> None:
    """Print seconds per round for one and two workers beside the floor, and a worker's memory over time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40, help="rounds of each worker at pace 1; 0 for none")
    parser.add_argument(
        "--memory-rounds", type=int, default=300, help="rounds of one worker at pace 0.1; 0 for none"
    )
    arguments = parser.parse_args()
    if arguments.rounds:
        compare(arguments.rounds)
    if arguments.memory_rounds:
        print(memory_report(arguments.memory_rounds))


def compare(rounds: int) -> None:
    """Print rounds per minute of one worker and of two, at pace 1, beside the floor."""
    pace = Pace()
    floor_s = pace.loading / ROUNDS_PER_GAME + pace.tiles + pace.result + pace.next
    print(f"floor: {floor_s:.2f} s a round, {60 / floor_s:.1f} rounds a minute")
    seconds = {number: seconds_per_round(rounds * number, instances=number) for number in (1, 2)}
    for number, of_round_s in seconds.items():
        print(
            f"{number} worker{'s'[: number - 1]}: {60 / of_round_s:5.1f} rounds a minute in all; "
            f"each {of_round_s * number / floor_s - 1:.1%} above the floor"
        )
    print(f"two workers collect {seconds[1] / seconds[2]:.2f} times what one does")


def seconds_per_round(rounds: int, *, instances: int) -> float:
    """Seconds from a saved round to the next, of all workers together, at pace 1."""
    with tempfile.TemporaryDirectory() as root:
        job = CollectJob(
            site="practice", mode="singleplayer", rounds=rounds, instances=instances, root=Path(root)
        )
        collect(job)
        ends = [one["time"] for one in read_events(job.folder) if one["event"] == "round"]
    # With several workers the first rounds come while the others' browsers are still starting.
    steady = ends[instances - 1 :] if instances == 1 else ends[len(ends) // 5 : -instances]
    return (steady[-1] - steady[0]) / (len(steady) - 1)


def memory_report(rounds: int) -> str:
    """Resident memory of a worker with its browser, early and late in a long collection."""
    with tempfile.TemporaryDirectory() as root, sampled_memory() as samples:
        collect(CollectJob(site="practice", mode="singleplayer", rounds=rounds, root=Path(root), pace=0.1))
    usage = np.array(samples) / MB
    # Memory rises while a browser is used and falls with the next one, so browsers are compared as wholes.
    browsers = np.array_split(usage, max(1, rounds // ROUNDS_PER_BROWSER))
    # The median of a sawtooth jumps from end to end; the mean says how much memory is in use.
    means = [float(np.mean(part)) for part in browsers]
    return (
        f"memory of a worker over {rounds} rounds, mean of each browser: "
        f"{', '.join(f'{one:.0f}' for one in means)} MiB ({means[-1] / means[0] - 1:+.0%}), "
        f"{usage.max():.0f} MiB at most"
    )


@contextmanager
def sampled_memory() -> Iterator[list[int]]:
    """Bytes in use by the child processes of this one, each second of the block."""
    samples: list[int] = []
    done = threading.Event()

    def sample() -> None:
        while not done.wait(SAMPLE_S):
            used = 0
            for child in psutil.Process().children(recursive=True):
                try:  # proportional shares, as Chromium's processes share much of theirs
                    used += child.memory_full_info().pss
                except psutil.Error:
                    continue
            samples.append(used)

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield samples
    finally:
        done.set()
        thread.join()


if __name__ == "__main__":
    main()
