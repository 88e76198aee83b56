"""Fifty people play at once: how long do they wait, and is an answer lost?

    python benchmarks/quiz.py --root FOLDER [--dataset practice] [--players 50] [--rounds 10] [--pause 3]

FOLDER is a workspace in which the stages have run up to 4-evaluation/01-test-model. The server is the one
that `scripts/quiz` starts, in a process of its own, with answers in a temporary folder; a player opens the
page, joins, thinks, answers and goes on, through the requests that the page makes. The baseline is one player
alone, with the same server and pauses. Server and players share this machine's cores, so the figures are an
upper bound.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import pandas as pd

from lost_and_found.geo.countries import all_countries

CODES = [country.code for country in all_countries()]
INPUTS = ("1-data-collection", "2-data-preparation", "3-training", "4-evaluation", "data-lists")


def main() -> None:
    """Print waiting times of one player and of many, and whether all answers are there."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--dataset", default="practice")
    parser.add_argument("--players", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--pause", type=float, default=3.0, help="mean seconds of thought before each click")
    arguments = parser.parse_args()
    medians = []
    for players in (1, arguments.players):
        with tempfile.TemporaryDirectory() as folder:
            for name in INPUTS:
                (Path(folder) / name).symlink_to((arguments.root / name).resolve())
            command = [sys.executable, "-m", "lost_and_found.human_baseline", "--root", folder]
            command += ["--dataset", arguments.dataset, "--rounds", str(arguments.rounds)]
            # Without a list that is named, the quiz would make practice pictures that aren't there.
            command += ["--list", f"{arguments.dataset}.test"]
            with running(command) as address:
                playing = play_at_once(address, players, rounds=arguments.rounds, pause_s=arguments.pause)
                waits = asyncio.run(playing)
            subprocess.run([*command, "--export", f"{folder}/answers.csv"], check=True, capture_output=True)
            kept = pd.read_csv(f"{folder}/answers.csv", keep_default_na=False)
        medians.append(np.median(waits["answer"]))
        given = players * arguments.rounds
        found = len(kept.groupby(["player", "order"]))
        print(f"{players} at once: {given} answers given, {found} found, {given - found} lost")
        for event, seconds in waits.items():
            milliseconds = 1000 * np.quantile(seconds, [0.5, 0.95])
            print(f"  {event:7} median {milliseconds[0]:4.0f} ms, 95 % within {milliseconds[1]:5.0f} ms")
    print(f"an answer takes {medians[1] / medians[0]:.1f} times as long as alone")


@contextmanager
def running(command: list[str]) -> Iterator[str]:
    """The address of a server that runs during the block."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            address = server.stdout.readline().removeprefix("Quiz: ").strip()
            if not address:
                sys.exit("the quiz didn't start, for the reason above")
            yield address
        finally:
            server.terminate()


async def play_at_once(address: str, players: int, *, rounds: int, pause_s: float) -> dict[str, list[float]]:
    """Seconds waited at each click, by kind."""
    waits: dict[str, list[float]] = {"load": [], "join": [], "answer": [], "go_on": []}
    limits = httpx.Limits(max_connections=players)
    async with httpx.AsyncClient(base_url=address, timeout=60, limits=limits) as client:
        names = [f"player {number}" for number in range(players)]
        games = (play(client, name, rounds=rounds, pause_s=pause_s, waits=waits) for name in names)
        await asyncio.gather(*games)
    return waits


async def play(
    client: httpx.AsyncClient, name: str, *, rounds: int, pause_s: float, waits: dict[str, list[float]]
) -> None:
    """One player's session, with random guesses."""
    rng = random.Random(name)

    async def click(event: str, *inputs: object) -> list:
        await asyncio.sleep(rng.uniform(0.5, 1.5) * pause_s)
        begun_at = time.perf_counter()
        done = await client.post(f"gradio_api/run/{event}", json={"data": inputs})
        waits[event].append(time.perf_counter() - begun_at)
        return done.raise_for_status().json()["data"]

    await click("load", "")
    token = (await click("join", "", name, "amateur"))[0]
    for number in range(1, rounds + 1):
        guesses = rng.sample(CODES, rng.randint(1, 5))
        await click("answer", token, {"round": number, "guesses": guesses})
        await click("go_on", token)


if __name__ == "__main__":
    main()
