"""The flow of a battle royale of countries: rounds with a country but no coordinates, until someone wins."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from random import Random

from lost_and_found.collection.game.capture import Camera
from lost_and_found.collection.game.guessing import set_pin
from lost_and_found.collection.game.rounds import CollectedRound, SkippedRound
from lost_and_found.collection.game.screens import Shown, Visit
from lost_and_found.collection.game.sites import Phrase, Sign
from lost_and_found.errors import BlankPicture, UnknownCountry
from lost_and_found.geo.countries import find_country
from lost_and_found.samples import SampleId

# Other players may take their time, and so may a lobby to fill.
PATIENCE_S = 300.0


async def start(visit: Visit) -> None:
    """From the home page into the lobby of a game."""
    texts = visit.site.texts
    await visit.click(texts.multiplayer)
    if await visit.click(texts.got_it, texts.unranked) == texts.got_it:
        await visit.click(texts.unranked)
    await visit.click(texts.countries)
    await visit.first(texts.waiting, texts.guesses_made, texts.play_again)


async def rounds(visit: Visit, camera: Camera, game: str) -> AsyncIterator[CollectedRound | SkippedRound]:
    """The remaining rounds of the game on the screen, to its end; as a spectator once eliminated."""
    texts, number = visit.site.texts, 0
    over = (texts.play_again, texts.no_such_game)
    while True:
        shown = await _first(visit, *over, texts.guesses_made, unless=(texts.right_answer,))
        if shown.sign in over:
            return
        told, last = await visit.now(texts.round_number), number
        number = int(told.groups[1]) if told else last + 1
        for missed in range(last + 1, number) if last else ():
            yield SkippedRound(_id(visit, game, missed), "over before it could be seen")
        yield await _play(visit, camera, _id(visit, game, number), number)


def _id(visit: Visit, game: str, number: int) -> str:
    return str(SampleId(visit.site.name, "multiplayer", game, number - 1))


async def _play(visit: Visit, camera: Camera, round_id: str, number: int) -> CollectedRound | SkippedRound:
    """Play the round on the screen until its answer is shown."""
    texts, began = visit.site.texts, time.monotonic()
    if await visit.now(texts.place_pin):
        await set_pin(visit, Random(round_id))
    image, trouble = b"", ""
    try:
        image = await camera.street_view()
    except BlankPicture as error:
        trouble = str(error)
    duration = round(time.monotonic() - began, 1)
    guess = await visit.now(texts.guess)
    if guess:
        await visit.press(guess)
    # Later rounds are looked for first: an answer shown together with their number belongs to them.
    later = Phrase(rf"Round\s+(?!{number}\b)\d")
    shown = await _first(visit, later, texts.right_answer, texts.play_again)
    if shown.sign != texts.right_answer:
        trouble = trouble or "the right answer was gone before it could be read"
    if trouble:
        return SkippedRound(round_id, trouble)
    try:
        country = find_country(shown.groups[1])
    except UnknownCountry as error:
        return SkippedRound(round_id, str(error))
    record = {"country_code": country.code, "country_name": country.name, "duration": duration}
    return CollectedRound(round_id, image, {**record, "source": visit.site.name})


async def _first(visit: Visit, *signs: Sign, unless: tuple[Sign, ...] = ()) -> Shown:
    """Like `visit.first`, with more patience for other players; goes on as a spectator once eliminated."""
    spectate, deadline = visit.site.texts.spectate, time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        shown = await visit.first(spectate, *signs, unless=unless, within_s=PATIENCE_S)
        if shown.sign != spectate:
            return shown
        if await visit.press(shown):
            return await visit.first(*signs, unless=(*unless, spectate), within_s=PATIENCE_S)
    raise await visit.changed(spectate, *signs)
