"""`scripts/collect`: collects street views from the game in real browsers."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from lost_and_found.collection.game.exits import status_of
from lost_and_found.collection.game.fleet import collect
from lost_and_found.collection.game.job import MODES, NOTEBOOK, SITES, CollectJob, CollectSummary
from lost_and_found.commands import WholeNames, command
from lost_and_found.signals import exit_when_stopped
from lost_and_found.texts import counted
from lost_and_found.workspace import REPOSITORY

ENDING = f"""
Pairs go to {NOTEBOOK}/DATASET/, the log to its .collect/log.jsonl.
The same command resumes where the last one stopped. Ctrl-C lets the rounds in
progress finish; a second Ctrl-C doesn't.

The live site is off until you state in ROOT/.env that you have the right to collect from
it; read its terms of service first. The practice game needs no statement.

exit status:
  0 all rounds are there, or --minutes have passed
  1 any other error          2 wrong usage           3 the site has changed
  4 log-in refused           5 not permitted         6 disk full
  7 no browser               8 stuck: workers died again and again
  130 Ctrl-C                 143 SIGTERM
"""


@command(status_of)
def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    exit_when_stopped()
    print(describe(collect(CollectJob(**vars(_parser().parse_args(arguments))))))
    return 0


def describe(summary: CollectSummary) -> str:
    """The outcome of a collection, in a few lines."""
    if not summary.browsers:
        return f"{summary.folder} already holds {counted(summary.saved, 'round')}; no browser was started"
    lines = [
        f"{counted(summary.added, 'round')} collected in {summary.seconds:.0f} s "
        f"({summary.rounds_per_minute:.1f}/min); {summary.folder} holds {summary.saved}"
    ]
    counts = {"skipped rounds": summary.skipped, **summary.failures, "recycled workers": summary.recycled}
    if some := [f"{name} {count}" for name, count in counts.items() if count]:
        lines.append("; ".join(some))
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/collect",
        description="Collect street views from the game in real browsers.",
        epilog=ENDING,
        formatter_class=WholeNames,
        argument_default=argparse.SUPPRESS,  # the defaults are those of CollectJob
    )
    add = parser.add_argument
    add("--site", choices=SITES, required=True)
    add("--mode", choices=MODES, required=True)
    add(
        "--rounds",
        type=int,
        required=True,
        help="how many pairs the folder should hold in the end; 0 goes on until stopped",
    )
    add("--instances", type=int, help="browsers to run at once (default: 1)")
    add("--dataset", help="name of the output folder (default: the site)")
    add("--root", type=Path, default=REPOSITORY, help="where the stages write (default: the repository)")
    add("--url", help="address of a practice game that is already running (default: one is started)")
    add("--pace", type=float, help="practice game: 0.1 is ten times as fast (default: 1)")
    add("--seed", type=int, help="practice game: same seed, same games (default: 0)")
    add(
        "--fault",
        dest="faults",
        action="append",
        metavar="SPEC",
        help="practice game: misbehave, as in rate-limit@3 or log-out/20; may be repeated",
    )
    add("--headed", action="store_true", help="show the browsers' windows")
    add("--games-per-browser", type=int, help="games after which a fresh browser is started (default: 20)")
    add("--memory-mb", type=int, help="replace a worker that uses more than this (default: 2500)")
    add("--min-free-gb", type=float, help="disk space to leave free (default: 2)")
    add(
        "--seconds-per-round",
        type=float,
        help="minimum time between rounds of one account (default: 20 on the live site)",
    )
    add(
        "--patience",
        dest="patience_s",
        type=float,
        help="seconds to wait for what a page should show (default: the site's)",
    )
    add("--minutes", type=float, help="stop after this many minutes (default: no limit)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
