"""The page in a real browser, as a person uses it."""

import asyncio
import io
import re

import pytest
from PIL import Image, ImageChops
from playwright.async_api import expect
from visitors import LONG_NAME, PACE, PHONE, follow, player, press, set_pin, start_game, visitor

from lost_and_found.practice.game.accounts import PASSWORD
from lost_and_found.practice.game.server import GameConfig, serving
from lost_and_found.practice.game.shell import VIEWER_CLASS

SIDEWAYS = PHONE | {"viewport": {"width": 844, "height": 390}}
ONLY_VIEWER = f"* {{visibility: hidden}} .{VIEWER_CLASS} {{visibility: visible}}"


@pytest.fixture(scope="module")
def game():
    with serving(GameConfig(pace=PACE)) as running:
        yield running


def test_a_newcomer_is_asked_about_cookies_and_logs_in(in_browser, game):
    async def play(browser):
        async with visitor(browser, game) as page:
            await page.goto("/")
            await expect(page.get_by_role("dialog", name="Cookies")).to_be_visible()
            await press(page, "Accept all")
            await follow(page, "Log in")
            await page.get_by_label("Email").fill("ann@example.org")
            await page.get_by_label("Password").fill("wrong")
            await press(page, "Log in")
            await expect(page.get_by_text("Wrong email or password")).to_be_visible()
            await page.get_by_label("Password").fill(PASSWORD)
            await press(page, "Log in")
            await expect(page.get_by_role("link", name="Classic Maps")).to_be_visible()
            await page.reload()
            await expect(page.get_by_text("Hello, ann")).to_be_visible()
            await expect(page.get_by_role("dialog")).to_have_count(0)
            await page.get_by_text("ann", exact=True).click()
            await expect(page.get_by_role("button", name="Log out")).to_be_visible()
            await page.keyboard.press("Escape")
            await expect(page.get_by_role("button", name="Log out")).to_be_hidden()
            await page.keyboard.press("Enter")
            await press(page, "Log out")
            await expect(page.get_by_role("link", name="Log in")).to_be_visible()

    in_browser(play)


def test_whoever_is_not_logged_in_comes_back_to_the_same_page_after_it(in_browser, game):
    async def play(browser):
        async with visitor(browser, game) as page:
            asked = asyncio.Event()

            async def hold(route):
                await asked.wait()
                await route.continue_()

            await page.route("**/api/me", hold)
            await page.goto("/maps/world")
            await press(page, "Manage choices")
            asked.set()
            await page.wait_for_url("**/signin?**")
            await press(page, "Save choices")
            await page.get_by_label("Email").fill("ann@example.org")
            await page.get_by_label("Password").fill(PASSWORD)
            await page.keyboard.press("Enter")
            await expect(page.get_by_role("button", name="Play", exact=True)).to_be_visible()
            assert "consent=needed" in await page.evaluate("document.cookie")

    in_browser(play)


def test_a_person_plays_five_rounds_by_what_can_be_read(in_browser, game):
    async def play(browser):
        async with player(browser, game) as page:
            await page.goto("/")
            await follow(page, "Classic Maps")
            await press(page, "Play")
            for turn in range(5):
                await expect(page.get_by_text(f"Round {turn + 1} / 5")).to_be_visible()
                await expect(page.get_by_role("button", name="Place your pin on the map")).to_be_disabled()
                await set_pin(page, x=0.2 + turn / 7)
                await press(page, "Guess")
                await expect(page.get_by_text(re.compile(r"Your guess is off by [\d,.]+ km"))).to_be_visible()
                await expect(page.get_by_text("of 5,000 points")).to_be_visible()
                async with page.expect_popup() as opened:
                    await press(page, "Location")
                popup = await opened.value
                place = game.state.truth(f"practice_singleplayer_{page.url[-16:]}_{turn}").place
                assert f"cbll={place.lat},{place.lon}&" in popup.url
                await popup.close()
                await press(page, "Next" if turn < 4 else "View results")
            await expect(page.get_by_text("Breakdown")).to_be_visible()
            results = game.state.singleplayer.get(page.url[-16:]).tell()
            assert await page.get_by_role("row").count() == 6
            await expect(page.get_by_text(f"{results['score']:,}", exact=True).first).to_be_visible()
            await press(page, "Play again")
            await expect(page.get_by_text("Round 1 / 5")).to_be_visible()

    in_browser(play)


# Reports sizes a third of a second later than an idle browser.
LATE = """{
  const Prompt = ResizeObserver;
  window.ResizeObserver = class extends Prompt {
    constructor(tell) { super((...sizes) => setTimeout(() => tell(...sizes), 300)); }
  };
}"""


def test_a_game_can_be_played_from_the_keyboard_alone_by_somebody_quicker_than_the_browser(in_browser, game):
    async def play(browser):
        async with player(browser, game) as page:
            await page.add_init_script(LATE)
            await start_game(page)
            for turn in range(5):
                await expect(page.get_by_text(f"Round {turn + 1} / 5")).to_be_visible()
                for key in ("ArrowUp", "+", "ArrowLeft", "Shift+ArrowDown", "Enter"):
                    await page.keyboard.press(key)
                await expect(page.get_by_text("of 5,000 points")).to_be_visible()
                await page.keyboard.press("Space")
            await expect(page.get_by_text("Breakdown")).to_be_visible()
            results = game.state.singleplayer.get(page.url[-16:]).results
            # The first arrow sets the pin in the middle of the map, the others move it.
            assert all(-10 < result.guess[1] < 0 < result.guess[0] < 50 for result in results)

    in_browser(play)


def test_the_canvas_shows_exactly_the_scene_that_was_drawn(in_browser, game):
    async def play(browser):
        async with player(browser, game) as page:
            await start_game(page)
            sample_id = f"practice_singleplayer_{page.url[-16:]}_0"
            scene = await asyncio.to_thread(game.state.scene, sample_id)
            viewer = page.locator(f".{VIEWER_CLASS}")
            await viewer.wait_for()
            await page.add_style_tag(content=ONLY_VIEWER)
            for _ in range(100):
                shot = Image.open(io.BytesIO(await viewer.screenshot())).convert("RGB")
                if shot == scene:
                    break
                await page.wait_for_timeout(50)
            assert shot.size == scene.size == (1280, 720)
            assert ImageChops.difference(shot, scene).getbbox() is None

    in_browser(play)


def test_a_reload_continues_the_game(in_browser, game):
    async def play(browser):
        async with player(browser, game) as page:
            await start_game(page)
            await set_pin(page, x=0.5, y=0.5)
            await press(page, "Guess")
            await expect(page.get_by_text("of 5,000 points")).to_be_visible()
            # What the middle of the map shows at first.
            guess = game.state.singleplayer.get(page.url[-16:]).results[0].guess
            assert guess == pytest.approx((33.2, 0.0), abs=2)
            await page.reload()
            await expect(page.get_by_text("of 5,000 points")).to_be_visible()
            await press(page, "Next")
            await expect(page.get_by_text("Round 2 / 5")).to_be_visible()
            await page.reload()
            await expect(page.get_by_text("Round 2 / 5")).to_be_visible()
            await page.go_back()
            await expect(page.get_by_role("button", name="Play", exact=True)).to_be_visible()
            await page.go_forward()
            await expect(page.get_by_text("Round 2 / 5")).to_be_visible()

    in_browser(play)


def test_a_tab_in_which_another_one_has_guessed_already_shows_the_result(in_browser, game):
    async def play(browser):
        async with player(browser, game) as page:
            await start_game(page)
            other = await page.context.new_page()
            await other.goto(page.url)
            for tab in (page, other):
                await tab.bring_to_front()
                await set_pin(tab, x=0.5)
                await press(tab, "Guess")
                await expect(tab.get_by_text("of 5,000 points")).to_be_visible()

    in_browser(play)


def test_a_guess_counts_only_for_the_picture_that_its_tab_shows(in_browser, game):
    async def play(browser):
        async with player(browser, game) as page:
            await start_game(page)
            other = await page.context.new_page()
            await other.goto(page.url)
            await set_pin(other, x=0.5)
            await press(other, "Guess")
            await press(other, "Next")
            await expect(other.get_by_text("Round 2 / 5")).to_be_visible()
            await page.bring_to_front()
            await set_pin(page, x=0.5)
            await press(page, "Guess")
            await expect(page.get_by_text("Round 2 / 5")).to_be_visible()
            assert len(game.state.singleplayer.get(page.url[-16:]).results) == 1

    in_browser(play)


def test_an_error_is_shown_and_can_be_recovered_from(in_browser):
    async def play(browser):
        faults = ("rate-limit@1", "server-error@2", "log-out@3")
        with serving(GameConfig(pace=PACE, faults=faults)) as game:
            async with player(browser, game) as page:
                await page.goto("/maps/world")
                await press(page, "Play")
                await expect(page.get_by_text("Rate limit reached")).to_be_visible()
                await press(page, "Try again")
                await press(page, "Play")
                await expect(page.get_by_text("Something went wrong")).to_be_visible()
                await press(page, "Try again")
                await press(page, "Play")
                await page.wait_for_url("**/signin?*")
                await page.goto("/game/none")
                await page.request.post("/api/login", data={"email": "ann@example.org", "password": PASSWORD})
                await page.goto("/game/none")
                await expect(page.get_by_text("This game does not exist")).to_be_visible()

    in_browser(play)


def test_it_can_be_played_on_a_phone(in_browser, game):
    async def play(browser):
        async with player(browser, game, **PHONE) as page:
            await start_game(page)
            world = page.get_by_role("img", name="Map of the world")
            await world.tap()
            await page.get_by_role("button", name="Guess", exact=True).tap()
            await expect(page.get_by_text("of 5,000 points")).to_be_visible()
            await page.get_by_role("button", name="Next", exact=True).tap()
            await expect(page.get_by_text("Round 2 / 5")).to_be_visible()
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")

    in_browser(play)


def test_a_drag_shows_the_rest_of_a_picture_that_the_window_is_too_narrow_or_too_low_for(in_browser, game):
    async def shown(page):
        return await page.locator(f".{VIEWER_CLASS}").evaluate("one => getComputedStyle(one).objectPosition")

    async def play(browser):
        for options, after in ((PHONE, "0% 50%"), ({}, "50% 50%"), (SIDEWAYS, "50% 0%")):
            async with player(browser, game, **options) as page:
                await start_game(page)
                await page.get_by_text("Round 1 / 5").wait_for()
                assert await shown(page) == "50% 50%"
                await page.mouse.move(10, 200)
                await page.mouse.down()
                await page.mouse.move(380, 300, steps=5)
                await page.mouse.up()
                assert await shown(page) == after

    in_browser(play)


def test_on_a_phone_held_sideways_the_open_map_leaves_the_report_flag_free(in_browser, game):
    async def play(browser):
        async with player(browser, game, **SIDEWAYS) as page:
            await start_game(page)
            await page.get_by_role("img", name="Map of the world").tap()
            await expect(page.get_by_role("button", name="Guess", exact=True)).to_be_enabled()
            await page.get_by_role("button", name="Report").tap(timeout=5000)
            await expect(page.get_by_text("nothing is sent anywhere")).to_be_visible()

    in_browser(play)


def test_a_long_name_is_cut_on_a_phone_and_does_not_grow_tall(in_browser, game):
    async def play(browser):
        async with player(browser, game, f"{LONG_NAME}@example.org", **PHONE) as page:
            await page.goto("/")
            box = await page.get_by_text(LONG_NAME, exact=True).bounding_box()
            assert box["height"] < 30
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")

    in_browser(play)


def test_a_dialog_that_is_left_open_does_not_follow_to_the_page_before(in_browser, game):
    async def play(browser):
        async with player(browser, game) as page:
            await page.goto("/")
            await page.get_by_text("Against others").click()
            await page.get_by_role("button", name="Got it").wait_for()
            await page.go_back()
            await expect(page.get_by_text("Hello, ann")).to_be_visible()
            await expect(page.get_by_role("dialog")).to_have_count(0)

    in_browser(play)


def test_keys_do_nothing_before_the_question_about_cookies_is_answered(in_browser, game):
    async def play(browser):
        async with player(browser, game) as page:
            await start_game(page)
            await page.context.clear_cookies(name="consent")
            await page.reload()
            await expect(page.get_by_text("Round 1 / 5")).to_be_visible()
            await page.get_by_text("We use cookies").click()
            for key in ("ArrowUp", "Enter"):
                await page.keyboard.press(key)
            await press(page, "Accept all")
            await expect(page.get_by_role("button", name="Place your pin on the map")).to_be_visible()

    in_browser(play)


def test_a_notice_gives_way_to_the_next_one_and_to_clicks(in_browser, game):
    async def play(browser):
        async with player(browser, game) as page:
            await start_game(page)
            for _ in range(2):
                await press(page, "Report")
            notice = page.get_by_role("status").filter(has_text="nothing is sent anywhere")
            await expect(notice).to_have_count(1)
            assert await notice.evaluate("""one => {
              const { left, top } = one.getBoundingClientRect();
              return !one.contains(document.elementFromPoint(left + 30, top + 10));
            }""")

    in_browser(play)


# Where latitudes and longitudes of the Sahara lie on the globe that doesn't turn, and what is drawn there.
DESERT = """canvas => {
  const context = canvas.getContext("2d"), radius = canvas.width * 0.495, tilt = 0.35, found = [];
  for (let lat = 14; lat <= 29; lat++) for (let lon = 0; lon <= 31; lon++) {
    const [phi, lambda] = [lat * Math.PI / 180, lon * Math.PI / 180];
    const [x, y, z] = [Math.cos(phi) * Math.sin(lambda), Math.sin(phi), Math.cos(phi) * Math.cos(lambda)];
    const up = y * Math.cos(tilt) - z * Math.sin(tilt);
    const spot = [canvas.width / 2 + x * radius, canvas.width / 2 - up * radius].map(Math.round);
    const colour = [...context.getImageData(...spot, 1, 1).data.slice(0, 3)];
    found.push("#" + colour.map((one) => one.toString(16)).join(""));
  }
  return found;
}"""


def test_the_globe_on_the_first_page_has_no_sea_in_the_desert(in_browser, game):
    async def play(browser):
        async with visitor(browser, game, reduced_motion="reduce") as page:
            await page.goto("/")
            globe = page.get_by_role("img", name="A turning globe")
            await expect(globe).to_be_visible()
            await page.wait_for_function("one => one.width > 300", arg=await globe.element_handle())
            found = await globe.evaluate(DESERT)
            assert found.count("#8fb08a") >= 0.97 * len(found)

    in_browser(play)
