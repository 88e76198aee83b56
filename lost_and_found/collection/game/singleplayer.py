"""The flow of a singleplayer game: five rounds, each with the coordinates of its answer."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from random import Random

from lost_and_found.collection.game.answers import coordinates
from lost_and_found.collection.game.capture import Camera
from lost_and_found.collection.game.guessing import set_pin
from lost_and_found.collection.game.rounds import CollectedRound, SkippedRound
from lost_and_found.collection.game.screens import Visit
from lost_and_found.collection.game.sites import Phrase
from lost_and_found.errors import AnswerMissing, BlankPicture
from lost_and_found.samples import SampleId

PICTURE_GONE = "answered before an interruption, so its picture is gone"


async def start(visit: Visit) -> None:
    """From the home page into a new game."""
    texts = visit.site.texts
    await visit.click(texts.classic)
    # A list of maps leads to the map's own page, which has the button.
    if await visit.click(texts.play, texts.world) == texts.world:
        await visit.click(texts.play)
    await visit.first(texts.place_pin, texts.guess, texts.next_round, texts.view_results, texts.play_again)


async def rounds(visit: Visit, camera: Camera, game: str) -> AsyncIterator[CollectedRound | SkippedRound]:
    """The remaining rounds of the game on the screen, up to its summary."""
    texts = visit.site.texts
    playing, results = (texts.place_pin, texts.guess), (texts.next_round, texts.view_results)
    while True:
        shown = await visit.first(*playing, *results, texts.play_again, texts.no_such_game)
        if shown.sign in (texts.play_again, texts.no_such_game):
            return
        number = int((await visit.first(texts.round_number)).groups[1])
        round_id = str(SampleId(visit.site.name, "singleplayer", game, number - 1))
        if shown.sign in playing:
            yield await _play(visit, camera, round_id)
        else:
            yield SkippedRound(round_id, PICTURE_GONE)
        await visit.click(*results)
        await visit.first(Phrase(rf"Round\s+{number + 1}\b"), texts.play_again)


async def _play(visit: Visit, camera: Camera, round_id: str) -> CollectedRound | SkippedRound:
    """Play the round on the screen up to its result."""
    texts, began = visit.site.texts, time.monotonic()
    image, trouble = b"", ""
    # The pin first: the picture loads meanwhile.
    await set_pin(visit, Random(round_id))
    try:
        image = await camera.street_view()
    except BlankPicture as error:
        trouble = str(error)
    duration = round(time.monotonic() - began, 1)
    await visit.click(texts.guess)
    await visit.first(texts.next_round, texts.view_results)
    if trouble:
        return SkippedRound(round_id, trouble)
    try:
        place = await coordinates(visit)
    except AnswerMissing as error:
        return SkippedRound(round_id, str(error))
    record = {"coordinates": place, "duration": duration, "source": visit.site.name}
    return CollectedRound(round_id, image, record)
