"""Misbehaviour on demand.

A fault is given as `NAME` (at every opportunity), `NAME@N` (at the N-th, counted from 1) or `NAME/N` (at
every N-th). What counts as an opportunity:

| fault | what happens | opportunities |
|---|---|---|
| `slow-images` | the tiles take ten seconds longer | rounds |
| `black-pictures` | the scene is black | rounds |
| `renderer-crash` | the page is told to use up its memory | rounds |
| `rate-limit` | 429 with Retry-After, for the account, until it is over | moves |
| `server-error` | 500, nothing done | moves |
| `log-out` | the session ends, nothing done | moves |
| `same-game` | the game last handed out is handed out again | requests for a game, after the first |
| `no-popup` | the answer's pin opens nothing | singleplayer guesses |
| `renamed-button` | "Guess" reads "Submit" | pages loaded |

Moves are the requests that begin a game or change one: play, guess, next, spectate. Opportunities are counted
over all accounts.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from lost_and_found.errors import InvalidConfig

MOVE_FAULTS = ("rate-limit", "server-error", "log-out")
FAULTS = (
    "slow-images",
    "black-pictures",
    "renderer-crash",
    *MOVE_FAULTS,
    "same-game",
    "no-popup",
    "renamed-button",
)


@dataclass(frozen=True)
class Fault:
    """One fault and the opportunities at which it strikes: the `only`-th, or every `every`-th."""

    name: str
    only: int | None = None
    every: int = 1

    def takes(self, opportunity: int) -> bool:
        """Whether it strikes at this opportunity, counted from 1."""
        return opportunity == self.only if self.only else opportunity % self.every == 0


def parse_fault(text: str) -> Fault:
    """The fault that a text like `rate-limit@3` asks for.

    Raises:
        InvalidConfig: an unknown name, or another form.
    """
    match = re.fullmatch(r"(?P<name>[a-z-]+)(?:(?P<how>[@/])(?P<number>[1-9]\d*))?", text)
    if not match or match["name"] not in FAULTS:
        raise InvalidConfig(
            f"{text!r} is not a fault; give NAME, NAME@N or NAME/N; NAME is one of {', '.join(FAULTS)}"
        )
    number = int(match["number"] or 1)
    return Fault(match["name"], only=number) if match["how"] == "@" else Fault(match["name"], every=number)


class Faults:
    """The faults asked for, and how often each had an opportunity.

    Attributes:
        opportunities: how many there were so far, by name.
        struck: at how many of them the fault struck, by name.
    """

    def __init__(self, texts: Sequence[str] = ()) -> None:
        self._faults = [parse_fault(text) for text in texts]
        self.opportunities: Counter[str] = Counter()
        self.struck: Counter[str] = Counter()

    def strikes(self, name: str) -> bool:
        """Count an opportunity, and return whether the fault strikes at it."""
        self.opportunities[name] += 1
        strikes = any(fault.takes(self.opportunities[name]) for fault in self._faults if fault.name == name)
        self.struck[name] += strikes
        return strikes
