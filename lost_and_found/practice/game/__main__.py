"""Serves the practice game: `python -m lost_and_found.practice.game [--port 8765] [--seed 0] ...`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from lost_and_found.commands import WholeNames, command
from lost_and_found.practice.game.accounts import PASSWORD
from lost_and_found.practice.game.faults import FAULTS
from lost_and_found.practice.game.server import GameConfig, serving
from lost_and_found.signals import asked_to_stop


@command()
def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM; returns the exit status."""
    options = _parse(arguments)
    config = GameConfig(seed=options.seed, pace=options.pace, faults=tuple(options.fault), port=options.port)
    stop = asked_to_stop()
    with serving(config) as game:
        # The first line is for programs that start the game.
        print(f"Practice game: {game.url}", flush=True)
        print(f'Log in with any e-mail and the password "{PASSWORD}". Stop with Ctrl-C.', flush=True)
        stop.wait()
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/practice-game",
        description="A local street-view game, to play and to collect from.",
        formatter_class=WholeNames,
    )
    parser.add_argument("--port", type=int, default=8765, help="0 takes any free one (default: 8765)")
    parser.add_argument("--seed", type=int, default=0, help="same seed, same games (default: 0)")
    parser.add_argument("--pace", type=float, default=1.0, help="0.1 is ten times as fast (default: 1)")
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="SPEC",
        help="misbehave: NAME always, NAME@N at the N-th opportunity, NAME/N at every N-th; may be repeated. "
        f"NAME is one of {', '.join(FAULTS)}",
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
