"""The practice game's pages and its JSON API as a Starlette application."""

from __future__ import annotations

import asyncio
import html
import json
import math
import re
from typing import Any, NoReturn

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from lost_and_found.errors import OutOfTurn
from lost_and_found.geo.outlines import country_outlines
from lost_and_found.practice.game.accounts import Account
from lost_and_found.practice.game.battle_royale import BattleRoyale
from lost_and_found.practice.game.faults import MOVE_FAULTS
from lost_and_found.practice.game.pictures import Showing
from lost_and_found.practice.game.shell import Shell
from lost_and_found.practice.game.singleplayer import SingleplayerGame
from lost_and_found.practice.game.state import GameState

PAGES = (
    "/",
    "/signin",
    "/maps/world",
    "/game/{id}",
    "/results/{id}",
    "/multiplayer",
    "/battle-royale/{id}",
)
ROBOTS = "User-agent: *\nDisallow: /api/admin\n"
LONGEST_POLL_S = 10.0
SESSION = "session"
SESSION_DAYS = 30
# Games change and the tokens of scenes are used once: nothing is worth caching.
_NOT_KEPT = {"Cache-Control": "no-store"}
_NUMBER = r"-?\d+(?:\.\d+)?"


def app(state: GameState) -> Starlette:
    """The application that serves a state."""
    api = _Api(state)
    page = [Route(path, api.page) for path in PAGES]
    calls = [
        Route("/static/{name}", api.static),
        Route("/robots.txt", api.robots),
        Route("/maps", api.maps),
        Route("/scenes/{token}/0.jpg", api.preview),
        Route("/scenes/{token}/{x:int}-{y:int}.png", api.tile),
        Route("/api/world", api.world),
        Route("/api/me", api.me),
        Route("/api/login", api.log_in, methods=["POST"]),
        Route("/api/logout", api.log_out, methods=["POST"]),
        Route("/api/games", api.start_game, methods=["POST"]),
        Route("/api/games/{id}", api.game),
        Route("/api/games/{id}/guess", api.guess, methods=["POST"]),
        Route("/api/games/{id}/next", api.next_round, methods=["POST"]),
        Route("/api/battle-royale", api.join_battle, methods=["POST"]),
        Route("/api/battle-royale/{id}", api.battle),
        Route("/api/battle-royale/{id}/guess", api.guess_country, methods=["POST"]),
        Route("/api/battle-royale/{id}/spectate", api.spectate, methods=["POST"]),
    ]
    return Starlette(
        routes=[*page, *calls],
        exception_handlers={HTTPException: _refusal, OutOfTurn: _out_of_turn},
    )


class _Api:
    """The endpoints; those that begin or change a game are moves, at which faults may strike."""

    def __init__(self, state: GameState) -> None:
        self._state = state
        self._shell = Shell(state.pace)

    async def page(self, request: Request) -> Response:
        del request
        return HTMLResponse(self._shell.page(self._state.faults), headers=_NOT_KEPT)

    async def static(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in self._shell.files:
            raise HTTPException(404, f"there is no file {name}")
        kind = "text/css" if name.endswith(".css") else "text/javascript"
        return Response(self._shell.files[name], media_type=kind, headers=_NOT_KEPT)

    async def robots(self, request: Request) -> Response:
        del request
        return PlainTextResponse(ROBOTS)

    async def maps(self, request: Request) -> Response:
        """Stands in for the maps service: shows the link's coordinates."""
        match = re.fullmatch(rf"({_NUMBER}),({_NUMBER})", request.query_params.get("cbll", ""))
        if not match:
            raise HTTPException(400, "cbll is not LAT,LON")
        where = html.escape(f"{match[1]}, {match[2]}")
        return HTMLResponse(
            f'<!doctype html><title>{where}</title><link rel="icon" href="data:,"><h1>{where}</h1>'
        )

    async def preview(self, request: Request) -> Response:
        encoded = await self._state.pictures.of(self._showing(request))
        return Response(encoded.preview, media_type="image/jpeg", headers=_NOT_KEPT)

    async def tile(self, request: Request) -> Response:
        showing, pace, now = self._showing(request), self._state.pace, self._state.clock()
        if showing.tiles_at is None:
            wait_s = pace.tiles + (pace.slow_tiles if showing.slow else 0)
            showing.tiles_at = now + pace.scaled(wait_s)
        await asyncio.sleep(showing.tiles_at - now)
        tiles = (await self._state.pictures.of(showing)).tiles
        at = request.path_params["x"], request.path_params["y"]
        if at not in tiles:
            raise HTTPException(404, f"there is no tile {at}")
        return Response(tiles[at], media_type="image/png", headers=_NOT_KEPT)

    async def world(self, request: Request) -> Response:
        del request
        outlines = await asyncio.shield(asyncio.wrap_future(self._state.outlines))
        return Response(outlines, media_type="application/json", headers={"Cache-Control": "max-age=3600"})

    async def me(self, request: Request) -> Response:
        account = self._account(request)
        return _answer({"email": account.email, "name": account.name})

    async def log_in(self, request: Request) -> Response:
        asked = await _asked(request)
        session = self._state.accounts.log_in(str(asked.get("email", "")), str(asked.get("password", "")))
        if session is None:
            raise HTTPException(401, "Wrong email or password")
        answer = _answer({})
        days = SESSION_DAYS * 24 * 3600
        answer.set_cookie(SESSION, session, max_age=days, httponly=True, samesite="lax")
        return answer

    async def log_out(self, request: Request) -> Response:
        self._state.accounts.log_out(request.cookies.get(SESSION))
        return _answer({})

    async def start_game(self, request: Request) -> Response:
        account = self._mover(request)
        if (await _asked(request)).get("map") != "world":
            raise HTTPException(400, 'the only map is "world"')
        await self._pause(self._state.pace.loading)
        return _answer({"id": self._state.start_singleplayer(account.email).id}, status=201)

    async def game(self, request: Request) -> Response:
        return _answer(self._singleplayer(request, self._account(request)).tell())

    async def guess(self, request: Request) -> Response:
        game = self._singleplayer(request, self._mover(request))
        asked = await _asked(request)
        lat, lon = _point(asked)
        await self._pause(self._state.pace.result)
        if asked.get("round", game.turn) != game.turn:
            raise OutOfTurn(f"game {game.id} has gone on to round {game.turn} in another tab")
        game.guess(lat, lon, opens_popup=lambda: not self._state.faults.strikes("no-popup"))
        return _answer(game.tell())

    async def next_round(self, request: Request) -> Response:
        game = self._singleplayer(request, self._mover(request))
        await self._pause(self._state.pace.next)
        game.go_on()
        return _answer(game.tell())

    async def join_battle(self, request: Request) -> Response:
        account = self._mover(request)
        await self._pause(self._state.pace.loading)
        return _answer({"id": self._state.join_battle(account.email, account.name).id}, status=201)

    async def battle(self, request: Request) -> Response:
        account = self._account(request)
        game, since = self._battle(request, account), request.query_params.get("since", "")
        if since.isdecimal():
            await game.wait(int(since), clock=self._state.clock, longest_s=LONGEST_POLL_S)
        return self._tell(game, account)

    async def guess_country(self, request: Request) -> Response:
        account = self._mover(request)
        game, code = self._battle(request, account), (await _asked(request)).get("code")
        if code not in [outline.code for outline in country_outlines()]:
            raise HTTPException(400, f"{code!r} is not a country on the map")
        game.guess(account.email, code)
        return self._tell(game, account)

    async def spectate(self, request: Request) -> Response:
        account = self._mover(request)
        game = self._battle(request, account)
        game.spectate(account.email)
        return self._tell(game, account)

    def _account(self, request: Request) -> Account:
        account = self._state.accounts.of(request.cookies.get(SESSION))
        if account is None:
            raise HTTPException(401, "Not logged in")
        left_s = account.limited_until - self._state.clock()
        if left_s > 0:
            self._refuse_rate(left_s)
        return account

    def _mover(self, request: Request) -> Account:
        """The account that makes a move, unless a fault prevents it."""
        account, state = self._account(request), self._state
        # Every fault counts this move as an opportunity, whichever strikes.
        struck = [name for name in MOVE_FAULTS if state.faults.strikes(name)]
        match struck:
            case ["rate-limit", *_]:
                account.limited_until = state.clock() + state.pace.rate_limit_s
                self._refuse_rate(state.pace.rate_limit_s)
            case ["server-error", *_]:
                raise HTTPException(500, "Something went wrong")
            case ["log-out"]:
                state.accounts.log_out(request.cookies.get(SESSION))
                raise HTTPException(401, "Not logged in")
        return account

    def _refuse_rate(self, left_s: float) -> NoReturn:
        self._state.rate_limited += 1
        seconds = math.ceil(left_s)
        raise HTTPException(429, "Rate limit reached", {"Retry-After": str(seconds)})

    def _singleplayer(self, request: Request, account: Account) -> SingleplayerGame:
        game = self._state.singleplayer.get(request.path_params["id"])
        if game is None or account.email not in game.players:
            raise HTTPException(404, "This game does not exist")
        return game

    def _battle(self, request: Request, account: Account) -> BattleRoyale:
        game = self._state.battles.get(request.path_params["id"])
        if game is None or game.player_of(account.email) is None:
            raise HTTPException(404, "This game does not exist")
        game.advance(self._state.clock())
        return game

    def _showing(self, request: Request) -> Showing:
        showing = self._state.showing(request.path_params["token"])
        if showing is None:
            raise HTTPException(404, "This scene does not exist")
        return showing

    def _tell(self, game: BattleRoyale, account: Account) -> Response:
        return _answer(game.tell(account.email, now=self._state.clock()))

    async def _pause(self, seconds: float) -> None:
        await asyncio.sleep(self._state.pace.scaled(seconds))


def _answer(content: dict[str, Any], *, status: int = 200) -> JSONResponse:
    return JSONResponse(content, status, headers=_NOT_KEPT)


async def _refusal(request: Request, error: Exception) -> Response:
    del request
    assert isinstance(error, HTTPException)
    return JSONResponse({"message": error.detail}, error.status_code, headers=error.headers)


async def _out_of_turn(request: Request, error: Exception) -> Response:
    del request
    return JSONResponse({"message": str(error)}, 409)


async def _asked(request: Request) -> dict[str, Any]:
    """The JSON object in a request's body."""
    try:
        asked = json.loads(await request.body() or b"{}")
        json.dumps(asked, ensure_ascii=False).encode()  # half a surrogate pair could not be told to anybody
    except (ValueError, RecursionError):
        asked = None
    if not isinstance(asked, dict):
        raise HTTPException(400, "the body is not a JSON object")
    return asked


def _point(asked: dict[str, Any]) -> tuple[float, float]:
    match asked:
        case {"lat": int() | float() as lat, "lon": int() | float() as lon} if (
            abs(lat) <= 90 and abs(lon) <= 180
        ):
            return float(lat), float(lon)
    raise HTTPException(400, "lat must be in [-90, 90] and lon in [-180, 180]")
