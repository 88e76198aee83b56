"""Plays games in a real Chromium, in one event loop for all tests of a module."""

import dataclasses
import io

import numpy as np
from PIL import Image

from lost_and_found.collection.game.play import play_game
from lost_and_found.collection.game.screens import Visit
from lost_and_found.collection.game.session import Account, signed_in
from lost_and_found.collection.game.sites import practice_site
from lost_and_found.errors import LostAndFoundError
from lost_and_found.practice.game.accounts import PASSWORD

URL = "http://practice.test"
ANN = Account("ann@example.org", PASSWORD)


class Player:
    """Runs coroutines with one browser."""

    def __init__(self, browser, runner):
        self.run = runner.run
        self.browser = browser

    def signed_in(self, game, folder, account=ANN, **changes):
        """A signed-in visit; `changes` are to the site."""
        site = dataclasses.replace(practice_site(game.url), **changes)
        storage, screenshots = folder / ".auth" / "ann.json", folder / "screenshots"
        return signed_in(self.browser, site, account, storage=storage, screenshots=screenshots)

    def on_page(self, html, act, folder, **changes):
        """What `act` returns on a page with this HTML; it gets the visit before the page is opened."""

        async def run():
            page = await self.browser.new_page(viewport={"width": 1280, "height": 720})
            try:
                site = dataclasses.replace(practice_site(URL), **changes)
                visit = Visit(page, await page.context.new_cdp_session(page), site, folder)
                visit.entered = True
                await page.route("**/*", lambda route: route.fulfill(body=html, content_type="text/html"))
                return await act(visit)
            finally:
                await page.close()

        return self.run(run())

    def play(self, game, folder, mode="singleplayer", claim=lambda _: True, resume=None, saved=(), **changes):
        """All rounds of a game up to its end or to an error, and the error."""
        rounds = []

        async def play():
            async with self.signed_in(game, folder, **changes) as visit:
                async for round_ in play_game(visit, mode, claim, resume=resume, saved=saved):
                    rounds.append(round_)

        try:
            self.run(play())
        except LostAndFoundError as error:
            return rounds, error
        return rounds, None


def is_the_scene(game, round_):
    """Whether a picture has exactly the pixels that the game drew."""
    picture = Image.open(io.BytesIO(round_.image))
    assert picture.format == "PNG"
    return np.array_equal(np.asarray(picture.convert("RGB")), np.asarray(game.state.scene(round_.id)))


def numbers(rounds):
    return [int(round_.id.rsplit("_", 1)[1]) for round_ in rounds]
