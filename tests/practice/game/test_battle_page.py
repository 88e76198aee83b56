"""Battle royale's page in a real browser, as a person uses it."""

import asyncio
import itertools

from playwright.async_api import expect
from visitors import LONG_NAME, PACE, join_battle, player, press

from lost_and_found.practice.game.pace import Pace
from lost_and_found.practice.game.server import GameConfig, serving

# Remembers all texts that came and went.
WATCH = """
  window.seen = [];
  new MutationObserver(changes => changes.forEach(({addedNodes}) => {
    for (const node of addedNodes) seen.push(node.textContent ?? "");
  })).observe(document, {subtree: true, childList: true});
"""

BOTTOM = "one => one.getBoundingClientRect().bottom"


def test_a_battle_royale_goes_on_until_somebody_has_won(in_browser):
    async def name_countries_then_watch(page):
        won, guess = page.get_by_text("won the game"), page.get_by_role("button", name="Guess", exact=True)
        spectate = page.get_by_role("button", name="Spectate")
        while not await won.is_visible():
            if await spectate.is_visible():
                await spectate.click()
                await expect(page.get_by_text("Spectating").or_(won)).to_be_visible()
            elif await guess.is_visible():
                await page.keyboard.press("Enter")
            elif await page.get_by_text("Place your pin on the map").is_visible():
                await page.keyboard.press("ArrowLeft")

    async def play(browser):
        with serving(GameConfig(pace=PACE)) as game:
            # Long enough for a slow browser to join in time, and to be out of the game before it is over.
            game.state.pace = Pace(0.1, lobby=25, countdown=15, answer=10, battle_round=(20, 30))
            async with player(browser, game) as page:
                await page.add_init_script(WATCH)
                await join_battle(page)
                await asyncio.wait_for(name_countries_then_watch(page), 120)
                battle = game.state.battles.get(page.url[-16:])
                await expect(page.get_by_text(f"{battle.winner.name} won the game")).to_be_visible()
                seen = "\n".join(await page.evaluate("seen"))
                for text in (
                    "Waiting for players",
                    "Game starting in 1",
                    "Already made guesses",
                    "The right answer was ",
                    "Next round starts in 1",
                    "You are out",
                    "Spectating",
                ):
                    assert text in seen
                await press(page, "Play again")
                await expect(page.get_by_text("Waiting for players")).to_be_visible()

    in_browser(play)


def test_a_click_that_ends_in_the_next_phase_of_a_battle_is_not_lost(in_browser):
    async def play(browser):
        with serving(GameConfig(pace=PACE)) as game:
            game.state.pace = Pace(0.1, lobby=25, countdown=15, answer=300, battle_round=(40, 50))
            async with player(browser, game) as page:
                await join_battle(page)
                game.state.battles.get(page.url[-16:]).player_of("ann@example.org").hearts = 0
                await page.get_by_role("button", name="Spectate").hover()
                await page.mouse.down()
                await page.get_by_text("The right answer was").wait_for()
                await page.mouse.up()
                await page.get_by_text("Spectating").wait_for()

    in_browser(play)


def test_in_a_battle_nothing_lies_over_the_players_their_guesses_and_the_map(in_browser):
    windows = [(1280, 720), (1000, 560), (390, 664), (320, 454), (844, 390), (568, 320), (480, 320)]
    email = f"{LONG_NAME}@example.org"

    async def play(browser):
        with serving(GameConfig(pace=PACE)) as game:
            game.state.pace = Pace(0.1, lobby=25, countdown=15, answer=1200, battle_round=(40, 50))
            async with player(browser, game, email, has_touch=True, reduced_motion="reduce") as page:
                await join_battle(page)
                world = page.get_by_role("img", name="Map of the world")
                await world.tap()  # the map grows, and stays large
                battle = game.state.battles.get(page.url[-16:])
                battle.player_of(email).hearts = 9
                for code in ("BA", "CF", "PG", "TT", "AE", "US"):
                    await page.request.post(f"/api/battle-royale/{battle.id}/guess", data={"code": code})
                answer = page.get_by_role("status").filter(has_text="The right answer was")
                await answer.wait_for()
                panel = page.get_by_role("list", name="Players")
                await panel.get_by_text("(you)", exact=True).wait_for()
                guesses = page.get_by_text("Already made guesses").locator("..")
                own = page.get_by_role("img", name="hearts left").last
                latest = guesses.get_by_role("listitem").last
                lowest, bottom = [await one.evaluate(BOTTOM) for one in (latest, guesses)]
                assert lowest <= bottom
                for width, height in windows:
                    await page.set_viewport_size({"width": width, "height": height})
                    right = await panel.evaluate("panel => panel.getBoundingClientRect().right")
                    for hearts in await panel.get_by_role("img", name="hearts left").all():
                        box = await hearts.bounding_box()
                        assert box["x"] + box["width"] <= right
                    boxes = [await part.bounding_box() for part in (answer, panel, guesses, own, world)]
                    for box in boxes:
                        assert box["x"] >= 0 and box["x"] + box["width"] <= width
                        assert box["y"] >= 0 and box["y"] + box["height"] <= height
                    for one, other in itertools.combinations(boxes, 2):
                        assert any(
                            one[side] + one[size] <= other[side] or other[side] + other[size] <= one[side]
                            for side, size in (("x", "width"), ("y", "height"))
                        ), (width, height, one, other)

    in_browser(play)
