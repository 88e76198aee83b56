"""How long everything takes in the practice game."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lost_and_found.errors import InvalidConfig

Mode = Literal["singleplayer", "multiplayer"]
MOST_BATTLE_ROUNDS = 8


@dataclass(frozen=True)
class Pace:
    """Scripted delays in seconds at pace 1; `factor` scales all of them.

    Attributes:
        factor: 0.1 is ten times as fast.
        loading: from Play to the first round.
        tiles: from the first request for a tile of a scene to the first tile.
        slow_tiles: what the fault slow-images adds to that.
        result: from Guess to the result.
        next: from Next to the next round.
        lobby: how long a battle royale waits for players.
        countdown: from then to its first round.
        answer: how long the right answer is shown.
        battle_round: shortest and longest round of a battle royale.
        rate_limit: how long a rate limit lasts; scaled by no less than 0.5, since Retry-After is in whole
            seconds.
    """

    factor: float = 1.0
    loading: float = 0.8
    tiles: float = 1.5
    slow_tiles: float = 10.0
    result: float = 1.2
    next: float = 0.8
    lobby: float = 3.0
    countdown: float = 3.0
    answer: float = 3.0
    battle_round: tuple[float, float] = (4.0, 9.0)
    rate_limit: float = 2.0

    def __post_init__(self) -> None:
        if not 0 < self.factor <= 100:
            raise InvalidConfig(f"pace {self.factor} must be above 0 and at most 100; 1 is the real site's")

    def scaled(self, seconds: float) -> float:
        """Seconds at this pace."""
        return seconds * self.factor

    @property
    def rate_limit_s(self) -> float:
        """How long a rate limit lasts."""
        return self.rate_limit * max(self.factor, 0.5)
