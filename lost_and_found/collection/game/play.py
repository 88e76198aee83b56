"""One game from start to end: every round as a picture and what is known of its place."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Container, Mapping
from types import ModuleType

from lost_and_found.collection.game import multiplayer, singleplayer
from lost_and_found.collection.game.capture import Camera
from lost_and_found.collection.game.rounds import CollectedRound, SkippedRound
from lost_and_found.collection.game.screens import Visit
from lost_and_found.collection.game.sites import Mode
from lost_and_found.errors import GameTaken

FLOWS: Mapping[Mode, ModuleType] = {"singleplayer": singleplayer, "multiplayer": multiplayer}


async def play_game(
    visit: Visit,
    mode: Mode,
    claim: Callable[[str], bool],
    *,
    resume: str | None = None,
    saved: Container[str] = frozenset(),
) -> AsyncIterator[CollectedRound | SkippedRound]:
    """Each round of one game as soon as its answer is known, before the next one begins.

    Stop iterating (and `aclose()`) to leave after the current round.

    Args:
        visit: from `session.signed_in`; the same one serves for game after game.
        mode: "singleplayer" (five rounds with coordinates) or "multiplayer" (countries, until the game ends).
        claim: called once with the id of a new game; False leaves the game to whoever has it.
        resume: id of a game that was claimed before and is not finished, instead of a new one.
        saved: ids of rounds that are stored already; they are left out.

    Raises:
        GameTaken: `claim` said no.
        RateLimited, LoggedOut, SiteError: wait, log in, try again; then `resume` the game.
        PageCrashed: `resume` it in a fresh context.
        BrowserLost: `resume` it in another browser.
        SiteChanged: a person should look at the screenshot.
    """
    flow, camera = FLOWS[mode], Camera(visit)
    with visit.translating():
        if resume:
            await visit.goto(visit.site.address_of(mode, resume))
            game = resume
        else:
            game = await _new_game(visit, mode, claim)
        async for round_ in flow.rounds(visit, camera, game):
            if round_.id not in saved:
                yield round_


async def _new_game(visit: Visit, mode: Mode, claim: Callable[[str], bool]) -> str:
    """The id of a game that has just begun and is ours."""
    home = visit.site.url
    if visit.page.url.rstrip("/") != home:
        await visit.goto(home)
    await FLOWS[mode].start(visit)
    game = visit.site.game_id(visit.page.url)
    if game is None:
        raise await visit.changed(f"the id of a game in the address {visit.page.url}")
    if not claim(game):
        await visit.goto(home)
        raise GameTaken(f"{visit.page.url}: game {game} is another worker's or was played before")
    return game
