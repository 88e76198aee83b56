"""A battle royale of countries: whoever names the country in time stays in, and the last one in wins.

The game runs on a schedule: `advance` does everything that is due by then, in order. Nothing runs in the
background, and the same seed and the same guesses at the same times give the same game.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

from lost_and_found.errors import OutOfTurn
from lost_and_found.geo.countries import find_country
from lost_and_found.practice.draws import Draws
from lost_and_found.practice.facts import country_facts
from lost_and_found.practice.game.pace import Pace
from lost_and_found.practice.game.pictures import Showing
from lost_and_found.practice.places import Round

HEARTS = 3
# Of a computer player in a round, one of these numbers at random: a game then takes three to eight rounds.
_WRONG_GUESSES = (0, 0, 0, 0, 1, 1, 2)
FEWEST_COMPUTERS, MOST_COMPUTERS = 3, 5
_NAMES = (
    "Atlas", "Bollard", "Compass", "Delta", "Equator", "Fjord", "Globe", "Harbour", "Isobar", "Junction",
    "Kilometre", "Legend", "Meridian", "Nomad", "Outback", "Plateau", "Quarry", "Reef", "Savanna", "Tundra",
)  # fmt: skip


@dataclass
class Player:
    """Somebody in the game.

    Attributes:
        name: as the others see it.
        email: of the account, or None for a computer player.
        skill: probability that a computer player finds the country.
        hearts: how many are left; with none, the player is out.
        right: whether the country of this round was found.
        found: countries found in the whole game.
        lasted: index of the last round that cost a heart.
        spectating: whether the player still watches after being out.
    """

    name: str
    email: str | None = None
    skill: float = 0.0
    hearts: int = HEARTS
    right: bool = False
    found: int = 0
    lasted: int = 0
    spectating: bool = False

    @property
    def out(self) -> bool:
        """Whether no heart is left."""
        return self.hearts == 0

    def tell(self) -> dict[str, Any]:
        """What everybody is told."""
        return {"name": self.name, "hearts": self.hearts, "out": self.out, "right": self.right}


@dataclass(frozen=True)
class _Guess:
    player: Player
    code: str


@dataclass(order=True)
class _Event:
    at: float
    number: int
    happen: Callable[[], None] = field(compare=False)


class BattleRoyale:
    """A game from its lobby to its winner.

    Attributes:
        id: 16 letters and digits.
        rounds: the true places, as many as there can be rounds.
        phase: the stage that the game is in.
        turn: index of the round, -1 before the first.
        players: in the order in which they joined.
        version: grows with every change.
        winner: once the game is finished.
    """

    def __init__(
        self, game_id: str, rounds: list[Round], *, pace: Pace, show: Callable[[Round], Showing], now: float
    ) -> None:
        """Open the lobby; `now` and all other times are of one clock, in seconds."""
        self.id = game_id
        self.rounds = rounds
        self.phase: Literal["lobby", "countdown", "playing", "answer", "finished"] = "lobby"
        self.turn = -1
        self.players: list[Player] = []
        self.version = 1
        self.winner: Player | None = None
        self.showing: Showing | None = None
        self._pace, self._show = pace, show
        self._wrong: list[_Guess] = []
        self._phase_ends: float | None = None
        self._events: list[_Event] = []
        self._count = itertools.count()
        self._changed = asyncio.Event()
        self._open_lobby(now)

    def join(self, email: str, name: str) -> None:
        """Add an account: as a player while the lobby is open, afterwards as a spectator."""
        if self.player_of(email):
            return
        taken = {player.name for player in self.players} | set(_NAMES)
        free = (f"{name} {number}" if number > 1 else name for number in itertools.count(1))
        player = Player(next(name for name in free if name not in taken), email)
        if self.phase != "lobby":
            player.hearts, player.spectating = 0, True
        self._admit(player)

    def player_of(self, email: str) -> Player | None:
        """The account's player; None if it has not joined."""
        return next((player for player in self.players if player.email == email), None)

    def guess(self, email: str, code: str) -> None:
        """Name a country; a wrong one costs a heart.

        Raises:
            OutOfTurn: no round is being played, or the player is out or has found the country.
        """
        player = self._player(email)
        if self.phase != "playing" or player.out or player.right:
            why = "out" if player.out else "right already" if player.right else f"in phase {self.phase}"
            raise OutOfTurn(f"{player.name} is {why} in game {self.id} and can't guess")
        self._take_guess(_Guess(player, code))

    def spectate(self, email: str) -> None:
        """Keep watching after being out.

        Raises:
            OutOfTurn: the player isn't out.
        """
        player = self._player(email)
        if not player.out:
            raise OutOfTurn(f"{player.name} is still in game {self.id}")
        player.spectating = True
        self._touch()

    def advance(self, now: float) -> None:
        """Do everything that is due."""
        while self._events and self._events[0].at <= now:
            heapq.heappop(self._events).happen()

    async def wait(self, since: int, *, clock: Callable[[], float], longest_s: float) -> None:
        """Wait until the version is above `since`, or for `longest_s`."""
        deadline = clock() + longest_s
        while True:
            now = clock()
            self.advance(now)
            if self.version > since or now >= deadline:
                return
            until = min([deadline, *(event.at for event in self._events[:1])])
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), until - now)

    def tell(self, email: str, *, now: float) -> dict[str, Any]:
        """What an account's page is told: the country only after the round."""
        you = self._player(email)
        shows_answer = self.showing is not None and self.phase in ("answer", "finished")
        left_s = None if self._phase_ends is None else round(max(0.0, self._phase_ends - now), 3)
        return {
            "id": self.id,
            "version": self.version,
            "phase": self.phase,
            "round": max(0, self.turn),
            "rounds": len(self.rounds),
            "starts_in_s": None if self.phase == "playing" else left_s,
            "ends_in_s": left_s if self.phase == "playing" else None,
            "heading_deg": None,
            "scene": None,
            **(self.showing.tell() if self.showing else {}),
            "players": [player.tell() for player in self.players],
            "you": {**you.tell(), "spectating": you.spectating},
            "guesses": [{"player": guess.player.name, **_country(guess.code)} for guess in self._wrong],
            "answer": _country(self._answer) if shows_answer else None,
            "winner": self.winner.name if self.winner else None,
        }

    @property
    def _answer(self) -> str:
        return self.rounds[self.turn].place.country_code

    def _player(self, email: str) -> Player:
        player = self.player_of(email)
        if player is None:
            raise OutOfTurn(f"{email} has not joined game {self.id}")
        return player

    def _admit(self, player: Player) -> None:
        self.players.append(player)
        self._touch()

    def _open_lobby(self, now: float) -> None:
        draws = Draws("lobby", self.id)
        closes_at = now + self._pace.scaled(self._pace.lobby)
        names = draws.generator.permutation(_NAMES).tolist()
        for name in names[: FEWEST_COMPUTERS + draws.index(MOST_COMPUTERS - FEWEST_COMPUTERS + 1)]:
            computer = Player(name, skill=draws.uniform(0.6, 0.98))
            self._at(draws.uniform(now, closes_at), partial(self._admit, computer))
        self._phase_ends = closes_at
        self._at(closes_at, partial(self._begin_countdown, closes_at))

    def _begin_countdown(self, at: float) -> None:
        self._enter("countdown", at + self._pace.scaled(self._pace.countdown), self._begin_round)

    def _begin_round(self, at: float) -> None:
        self.turn += 1
        self._wrong = []
        for player in self.players:
            player.right = False
        self.showing = self._show(self.rounds[self.turn])
        draws = Draws("battle", self.id, self.turn)
        length_s = self._pace.scaled(draws.uniform(*self._pace.battle_round))
        named = {self._answer}
        for player in self.players:
            if player.email is None and not player.out:
                self._plan_guesses(player, draws, named, (at + length_s / 5, at + length_s))
        self._enter("playing", at + length_s, self._end_round)

    def _plan_guesses(
        self, player: Player, draws: Draws, named: set[str], within: tuple[float, float]
    ) -> None:
        """Schedule a computer's guesses: up to two wrong ones that no other names, then perhaps the right."""
        guesses = []
        for _ in range(draws.pick(_WRONG_GUESSES)):
            code = draws.pick([code for code in country_facts() if code not in named])
            named.add(code)
            guesses.append(code)
        if draws.chance(player.skill):
            guesses.append(self._answer)
        times = sorted(draws.uniform(*within) for _ in guesses)
        for at, code in zip(times, guesses, strict=True):
            self._at(at, partial(self._take_guess, _Guess(player, code)))

    def _take_guess(self, guess: _Guess) -> None:
        player = guess.player
        if player.out:
            return
        if guess.code == self._answer:
            player.right = True
            player.found += 1
        else:
            self._wrong.append(guess)
            self._take_heart(player)
        self._touch()

    def _take_heart(self, player: Player) -> None:
        player.hearts -= 1
        player.lasted = self.turn

    def _end_round(self, at: float) -> None:
        for player in self.players:
            if not player.out and not player.right:
                self._take_heart(player)
        is_last = sum(not player.out for player in self.players) <= 1 or self.turn + 1 == len(self.rounds)
        then = self._finish if is_last else self._begin_round
        self._enter("answer", at + self._pace.scaled(self._pace.answer), then)

    def _finish(self, at: float) -> None:
        del at
        self.winner = max(self.players, key=lambda player: (player.hearts, player.lasted, player.found))
        self.phase, self._phase_ends = "finished", None
        self._touch()

    def _enter(
        self, phase: Literal["countdown", "playing", "answer"], until: float, then: Callable[[float], None]
    ) -> None:
        self.phase, self._phase_ends = phase, until
        self._at(until, partial(then, until))
        self._touch()

    def _at(self, at: float, happen: Callable[[], None]) -> None:
        heapq.heappush(self._events, _Event(at, next(self._count), happen))

    def _touch(self) -> None:
        self.version += 1
        self._changed.set()
        self._changed = asyncio.Event()


def _country(code: str) -> dict[str, str]:
    return {"code": code, "name": find_country(code).name}
