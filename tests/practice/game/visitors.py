"""People who visit the page of the practice game with a real browser."""

import re
from contextlib import asynccontextmanager

from playwright.async_api import expect

from lost_and_found.practice.game.accounts import PASSWORD
from lost_and_found.practice.game.shell import VIEWER_CLASS

expect.set_options(timeout=30_000)  # as Playwright waits for elsewhere; a busy machine may need it

PACE = 0.02
LONG_NAME = "maria.schmidt-mueller-lindenbaum"
VIEWPORT = {"width": 1280, "height": 720}
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
MARKS = "Array.from(document.querySelectorAll('*'), one => [...one.classList, one.id])"


@asynccontextmanager
async def visitor(browser, game, **options):
    """A page of a new visitor; nothing may go wrong in it, and nothing may be found by class or id."""
    context = await browser.new_context(base_url=game.url, **{"viewport": VIEWPORT} | options)
    page = await context.new_page()
    troubles = []
    page.on("pageerror", lambda error: troubles.append(error.stack))
    page.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
    yield page
    # Chromium itself logs every response that is not a success, and some here are none on purpose.
    assert [text for text in troubles if not text.startswith("Failed to load resource")] == []
    marks = {mark for marks in await page.evaluate(MARKS) for mark in marks if mark}
    assert {mark for mark in marks if not re.fullmatch("c[0-9a-f]{10}", mark)} <= {VIEWER_CLASS}
    await context.close()


@asynccontextmanager
async def player(browser, game, email="ann@example.org", **options):
    """A page of a visitor who is logged in and has answered the question about cookies."""
    async with visitor(browser, game, **options) as page:
        await page.context.add_cookies([{"name": "consent", "value": "all", "url": game.url}])
        await page.request.post("/api/login", data={"email": email, "password": PASSWORD})
        yield page


async def press(page, text):
    await page.get_by_role("button", name=text, exact=True).click()


async def follow(page, text):
    await page.get_by_role("link", name=re.compile(text)).click()


async def set_pin(page, *, x, y=0.4):
    """Click on the guess map, at these parts of its width and height."""
    world = page.get_by_role("img", name="Map of the world")
    await world.hover()
    box = await world.bounding_box()
    await world.click(position={"x": box["width"] * x, "y": box["height"] * y})


async def join_battle(page):
    await page.goto("/multiplayer")
    await press(page, "Got it")
    await page.get_by_text("Unranked").click()
    await page.get_by_text("Countries", exact=True).click()
    await page.wait_for_url("**/battle-royale/*")


async def start_game(page):
    await page.goto("/maps/world")
    await press(page, "Play")
    await page.wait_for_url("**/game/*")
