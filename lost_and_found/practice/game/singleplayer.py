"""A singleplayer game: five rounds, a guess in each, points by distance."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from lost_and_found.errors import OutOfTurn
from lost_and_found.geo.distances import haversine_km
from lost_and_found.practice.game.pictures import Showing
from lost_and_found.practice.places import Round

MOST_POINTS = 5000
SCALE_KM = 1492.7


def points(km: float) -> int:
    """Points for a guess this far off, 5000 down to 0."""
    return round(MOST_POINTS * math.exp(-km / SCALE_KM))


@dataclass(frozen=True)
class Result:
    """A finished round."""

    round: Round
    guess: tuple[float, float]
    km: float
    opens_popup: bool

    def tell(self) -> dict[str, Any]:
        """What the page is told."""
        return {
            "lat": self.round.place.lat,
            "lon": self.round.place.lon,
            "heading_deg": self.round.heading_deg,
            "guess": list(self.guess),
            "km": round(self.km, 3),
            "points": points(self.km),
            "popup": self.opens_popup,
        }


@dataclass
class SingleplayerGame:
    """A game in progress.

    Attributes:
        id: 16 letters and digits.
        rounds: the true places.
        show: begins to show a round.
        players: e-mail addresses of the accounts that may see it.
        phase: of the round, or `finished`.
        results: of finished rounds.
        showing: the round now shown.
    """

    id: str
    rounds: list[Round]
    show: Callable[[Round], Showing]
    players: set[str] = field(default_factory=set)
    phase: Literal["playing", "result", "finished"] = "playing"
    results: list[Result] = field(default_factory=list)
    showing: Showing = field(init=False)

    def __post_init__(self) -> None:
        self.showing = self.show(self.rounds[0])

    @property
    def turn(self) -> int:
        """Index of the round now shown."""
        return len(self.results) - (self.phase != "playing")

    def tell(self) -> dict[str, Any]:
        """What the page is told: nothing of a round before its guess."""
        told = [result.tell() for result in self.results]
        return {
            "id": self.id,
            "phase": self.phase,
            "round": self.turn,
            "rounds": len(self.rounds),
            "score": sum(result["points"] for result in told),
            "results": told,
            **self.showing.tell(),
        }

    def guess(self, lat: float, lon: float, *, opens_popup: Callable[[], bool]) -> None:
        """Finish the round.

        Raises:
            OutOfTurn: it is finished already.
        """
        if self.phase != "playing":
            raise OutOfTurn(f"round {self.turn} of game {self.id} already has its guess; go on to the next")
        round_ = self.rounds[self.turn]
        km = float(haversine_km([lat, lon], [round_.place.lat, round_.place.lon]))
        self.results.append(Result(round_, (lat, lon), km, opens_popup()))
        self.phase = "result"

    def go_on(self) -> None:
        """Go on to the next round or, after the last, to the end.

        Raises:
            OutOfTurn: this round has no guess yet, or it was the last.
        """
        if self.phase != "result":
            raise OutOfTurn(f"round {self.turn} of game {self.id} is {self.phase}; there is no next one now")
        if len(self.results) == len(self.rounds):
            self.phase = "finished"
            return
        self.phase = "playing"
        self.showing = self.show(self.rounds[self.turn])
