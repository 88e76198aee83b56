"""Everything the running game knows: accounts, games, pictures, and the truth about every round."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from PIL import Image

from lost_and_found.errors import InvalidConfig
from lost_and_found.practice.game import world_map
from lost_and_found.practice.game.accounts import Accounts
from lost_and_found.practice.game.battle_royale import BattleRoyale
from lost_and_found.practice.game.faults import Faults
from lost_and_found.practice.game.pace import MOST_BATTLE_ROUNDS, Mode, Pace
from lost_and_found.practice.game.pictures import Pictures, Showing, picture, show
from lost_and_found.practice.game.recent import Recent
from lost_and_found.practice.game.singleplayer import SingleplayerGame
from lost_and_found.practice.places import ROUNDS_PER_GAME, Round, draw_game
from lost_and_found.samples import parse_id

GAMES_KEPT = 200
_ROUNDS: dict[Mode, int] = {"singleplayer": ROUNDS_PER_GAME, "multiplayer": MOST_BATTLE_ROUNDS}
_RENDERERS = 2


@dataclass(frozen=True)
class GameConfig:
    """How the practice game is run.

    Attributes:
        seed: same seed, same games.
        pace: 1 is about the real site's, less is faster.
        faults: `NAME`, `NAME@N` or `NAME/N`, see `faults`.
        port: to listen on; 0 is any free one.
    """

    seed: int = 0
    pace: float = 1.0
    faults: tuple[str, ...] = ()
    port: int = 0

    def __post_init__(self) -> None:
        Pace(self.pace)
        Faults(self.faults)
        if not 0 <= self.port <= 65535:
            raise InvalidConfig(f"port {self.port} is not from 0 to 65535")


class GameState:
    """The games, which tests inspect; threads other than the server's may call only `truth` and `scene`.

    Attributes:
        pace: the delays.
        faults: what goes wrong, and how often it did.
        accounts: who is logged in.
        rate_limited: requests answered with 429 so far.
        singleplayer: the latest games by id.
        battles: the latest battle royales by id.
        pictures: scenes rendered ahead.
        outlines: a future of the world map as JSON.
    """

    def __init__(self, config: GameConfig, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.pace = Pace(config.pace)
        self.faults = Faults(config.faults)
        self.accounts = Accounts()
        self.clock = clock
        self.rate_limited = 0
        self.singleplayer: Recent[SingleplayerGame] = Recent(GAMES_KEPT)
        self.battles: Recent[BattleRoyale] = Recent(GAMES_KEPT)
        self._seed = config.seed
        # Of every game, since a game is drawn again from its number whenever its truth is asked for.
        self._numbers: dict[str, tuple[Mode, int]] = {}
        self._last: dict[Mode, str] = {}
        self._count: Counter[Mode] = Counter()
        self._showings: Recent[Showing] = Recent(GAMES_KEPT * 2)
        self._pool = ThreadPoolExecutor(_RENDERERS, thread_name_prefix="renderer")
        self.pictures = Pictures(self._pool)
        self.outlines = self._pool.submit(world_map.outlines)
        self._prepare_next("singleplayer")
        self._prepare_next("multiplayer")

    @property
    def game_ids(self) -> list[str]:
        """Ids of all games handed out, in that order."""
        return list(self._numbers)

    def truth(self, sample_id: str) -> Round:
        """The truth about a round of any game handed out so far.

        Args:
            sample_id: `practice_<mode>_<game>_<round>`.

        Raises:
            InvalidConfig: no such round was handed out.
        """
        part = parse_id(sample_id)
        if part.game not in self._numbers:
            raise InvalidConfig(f"no game {part.game} was handed out")
        mode, number = self._numbers[part.game]
        found = [round_ for round_ in self._draw(mode, number) if round_.id == sample_id]
        if not found:
            raise InvalidConfig(f"game {part.game} has no round {sample_id}; it is {mode}")
        return found[0]

    def scene(self, sample_id: str) -> Image.Image:
        """The picture of a round, rendered anew: as the page gets it, unless it was made black."""
        return picture(self.truth(sample_id))

    def start_singleplayer(self, email: str) -> SingleplayerGame:
        """A new game for an account, or under the fault same-game the last one."""
        game = self.singleplayer.get(self._last.get("singleplayer", ""))
        if game is None or not self.faults.strikes("same-game"):
            game_id, rounds = self._new_game("singleplayer")
            game = SingleplayerGame(game_id, rounds, partial(self._show, rounds))
            self.singleplayer.put(game_id, game)
        game.players.add(email)
        return game

    def join_battle(self, email: str, name: str) -> BattleRoyale:
        """A battle royale whose lobby is open and that the account isn't in yet, else a new one.

        Under the fault same-game it is the last one in any case.
        """
        now = self.clock()
        game = self.battles.get(self._last.get("multiplayer", ""))
        if game:
            game.advance(now)
        if game is None or not (
            self.faults.strikes("same-game") or (game.phase == "lobby" and not game.player_of(email))
        ):
            game_id, rounds = self._new_game("multiplayer")
            show_ = partial(self._show, rounds)
            game = BattleRoyale(game_id, rounds, pace=self.pace, show=show_, now=now)
            self.battles.put(game_id, game)
        game.join(email, name)
        return game

    def showing(self, token: str) -> Showing | None:
        """The scene that was handed out under a token."""
        return self._showings.get(token)

    def close(self) -> None:
        """Stop rendering."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _new_game(self, mode: Mode) -> tuple[str, list[Round]]:
        number = self._count[mode]
        rounds = self._draw(mode, number)
        game_id = parse_id(rounds[0].id).game
        self._numbers[game_id] = mode, number
        self._last[mode] = game_id
        self._count[mode] += 1
        self._prepare_next(mode)
        return game_id, rounds

    def _prepare_next(self, mode: Mode) -> None:
        """Render the first scene of the next game in advance."""
        self.pictures.prepare(self._draw(mode, self._count[mode])[0])

    def _draw(self, mode: Mode, number: int) -> list[Round]:
        return draw_game(number, seed=self._seed, mode=mode, rounds=_ROUNDS[mode])

    def _show(self, rounds: list[Round], round_: Round) -> Showing:
        """Begin to show a round of a game, and render the one after it."""
        showing = show(round_, self.faults)
        following = rounds.index(round_) + 1
        for upcoming in rounds[following - 1 : following + 1]:
            self.pictures.prepare(upcoming)
        return self._showings.put(showing.token, showing)
