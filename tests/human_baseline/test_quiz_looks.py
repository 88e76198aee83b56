"""What the quiz's page offers to eyes, fingers and screen readers, in a real Chromium."""

import io
import re
from pathlib import Path

import numpy as np
import pytest
from made_quiz import made_quiz
from PIL import Image
from quiz_page import DESKTOP, FIELD, PHONE, answer, join, press, served, visitor

from lost_and_found.human_baseline import app
from lost_and_found.human_baseline.answer_map import answer_map, land_symbols

PROPOSALS = {
    "turk": "Türkiye",
    "cote": "Ivory Coast",
    "côte": "Ivory Coast",
    "usa": "United States",
    "swizerland": "Switzerland",
    "austrlia": "Australia",
    "holland": "Netherlands",
    "burma": "Myanmar",
    "uk": "United Kingdom",
    "são": "São Tomé and Príncipe",
    "st lucia": "Saint Lucia",
    "new zeland": "New Zealand",
    "phillipines": "Philippines",
    "niger": "Niger",
    "oman": "Oman",
    "DE": "Germany",
}


def test_the_type_ahead_finds_what_people_type(on_page):
    async def play(page):
        await join(page, "Ann")
        found = {}
        for text in PROPOSALS:
            await page.fill(FIELD, text)
            found[text] = await page.locator("[role=option]").first.inner_text()
        assert found == PROPOSALS

    on_page(play)


def test_names_of_others_do_nothing_in_the_page(in_browser, tmp_path):
    quiz = made_quiz(tmp_path, rounds=2)
    hostile = "<img src=x onerror=alert(1)>${alert(2)}"

    async def play(browser):
        async with visitor(browser, address) as page:
            await join(page, hostile)
            await answer(page, "france")
        async with visitor(browser, address) as page:
            await page.get_by_text("Leaderboard").click()
            await page.get_by_text(hostile).wait_for()
            await page.wait_for_timeout(200)
            assert await page.locator(".leaders img").count() == 0

    with served(quiz) as address:
        in_browser(play)


# The lowest contrast between a shown colour and what lies behind it.
CONTRAST = """([nodes, property]) => {
  const light = (text) => {
    const parts = text.match(/[\\d.]+/g).slice(0, 3).map((one) => one / 255)
      .map((one) => (one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4));
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
  };
  const behind = (node) => {
    for (; node; node = node.parentElement) {
      const colour = getComputedStyle(node).backgroundColor;
      if (!/rgba\\(.*, 0(\\.\\d+)?\\)|transparent/.test(colour)) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const worst = { ratio: 99 };
  for (const node of document.querySelectorAll(`.quiz :is(${nodes})`)) {
    const text = node.matches("input, textarea") ? node.type : node.textContent.trim();
    if (!node.offsetParent || !text || node.closest(".visually-hidden")) continue;
    const [a, b] = [light(getComputedStyle(node)[property]), light(behind(node))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < worst.ratio) Object.assign(worst, { ratio, text: text.slice(0, 40) });
  }
  return worst;
}"""
TEXTS = "p, h1, h2, h3, li, td, th, label, small, span, caption, button"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_a_phone_and_can_be_read_in_the_dark(on_page, scheme):
    async def play(page):
        await page.wait_for_selector("#player-name")
        await look(page)
        await join(page, f"Ann {scheme}")
        await page.keyboard.type("united")
        await look(page)
        await page.fill(FIELD, "")
        await answer(page, "france", "japan")
        await look(page)

    async def look(page):
        assert await page.evaluate("document.scrollingElement.scrollWidth") == PHONE["width"]
        worst = await page.evaluate(CONTRAST, [TEXTS, "color"])
        assert worst["ratio"] >= 4.5, worst  # WCAG AA for text

    on_page(play, viewport=PHONE, color_scheme=scheme)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_form_fields_have_a_visible_edge_and_a_visible_focus(on_page, scheme):
    async def play(page):
        await page.wait_for_function("document.activeElement.closest('#player-name')")
        assert "solid 3px" in await page.evaluate("getComputedStyle(document.activeElement).outline")
        await press(page, "Tab")
        await page.wait_for_function("!document.activeElement.closest('#player-name')")
        entry = await page.evaluate(CONTRAST, ["input, textarea", "borderTopColor"])
        assert entry["ratio"] >= 3, entry  # WCAG AA for all but text

    on_page(play, color_scheme=scheme, reduced_motion="reduce")


def test_the_proposals_come_into_a_low_window_and_leave_the_field_there(on_page):
    async def play(page):
        await join(page, "Ann")
        await page.keyboard.type("isl")
        await page.get_by_role("option").nth(7).wait_for()
        boxes = [await page.get_by_role(role).bounding_box() for role in ("combobox", "listbox")]
        # Pages scroll by whole pixels.
        assert all(0 <= box["y"] < box["y"] + box["height"] < 651 for box in boxes), boxes

    on_page(play, viewport={"width": 1366, "height": 650})


def test_why_a_country_is_not_added_is_not_hidden_below_the_proposals(on_page):
    async def play(page):
        message = page.locator(".picker-message")

        async def is_seen():
            return await message.evaluate(
                """message => {
                  const box = message.getBoundingClientRect();
                  return document.elementFromPoint(box.x + 5, box.y + box.height / 2) === message;
                }"""
            )

        await join(page, "Ann")
        for text in ("guinea", "guinea"):
            await page.keyboard.type(text)
            await press(page, "Enter")
        assert await message.inner_text() == "Guinea is already guess 1." and await is_seen()
        await page.fill(FIELD, "guinea")
        await press(page, "ArrowDown", "Enter")  # another one that was chosen is meant
        assert await message.inner_text() == "Equatorial Guinea is guess 2. You can add 3 more."
        for text in ("japan", "kenya", "peru", "sa"):
            await page.keyboard.type(text)
            await press(page, "Enter")
        assert await message.inner_text() == "At most 5 countries. Remove one first." and await is_seen()

    on_page(play)


def test_the_marked_proposal_is_seen_in_high_contrast(on_page):
    async def play(page):
        await join(page, "Ann")
        await page.keyboard.type("fr")
        await page.get_by_role("option").nth(1).wait_for()
        shots = [await page.get_by_role("option").nth(place).screenshot() for place in (0, 1)]
        marked, other = (Image.open(io.BytesIO(shot)).getpixel((200, 8)) for shot in shots)
        assert marked != other  # where no letter is

    on_page(play, forced_colors="active")


def test_the_page_is_read_out_in_its_own_language(on_page):
    async def play(page):
        await join(page, "Ann")
        await page.wait_for_function("document.documentElement.lang === 'en'")

    on_page(play, locale="de-DE")


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_pictures_and_buttons_are_in_line(on_page, viewport):
    async def play(page):
        await join(page, "Ann")
        boxes = [await page.locator(one).bounding_box() for one in (".picture", ".guess-button")]
        await answer(page, "france")
        boxes += [await page.locator(one).bounding_box() for one in (".pair", "#next")]
        assert len({(box["x"], box["width"]) for box in boxes}) == 1
        (right,) = {box["x"] + box["width"] for box in boxes}
        world = await page.locator(".answer-map").bounding_box()
        assert world["x"] + world["width"] <= right

    on_page(play, viewport=viewport)


def test_on_a_phone_held_sideways_the_picture_is_seen_whole(on_page):
    async def play(page):
        await join(page, "Ann")
        assert (await page.locator(".picture").bounding_box())["height"] < 0.8 * 390
        assert await page.locator(".picture").evaluate("one => getComputedStyle(one).objectFit") == "contain"

    on_page(play, viewport={"width": 844, "height": 390})


def test_a_long_name_and_the_words_on_the_leaderboard_are_cut_nowhere_on_a_phone(on_page):
    async def play(page):
        await join(page, 40 * "W")
        await answer(page, "france")
        await press(page, "Enter")
        await page.get_by_text("Leaderboard").click()
        for text in ("Done, ", "Right answers, ranked"):
            words = page.get_by_text(text)
            await words.wait_for()
            assert await words.evaluate("one => one.scrollWidth <= one.clientWidth")
            assert await words.evaluate("one => one.getBoundingClientRect().right < innerWidth")

    on_page(play, rounds=1, viewport=PHONE)


def test_a_long_name_leaves_the_scores_on_the_leaderboard_in_sight_on_a_phone(on_page):
    async def play(page):
        await join(page, 40 * "W")
        await answer(page, "france")
        await page.get_by_text("Leaderboard").click()
        score = page.locator(".leaders tbody td").nth(1)
        await score.wait_for()
        row = await page.locator(".wide").bounding_box()
        box = await score.bounding_box()
        assert box["x"] + box["width"] <= row["x"] + row["width"]

    on_page(play, rounds=1, viewport={"width": 360, "height": 740})


def test_borders_stay_thin_where_the_answer_map_is_zoomed_in(in_browser):
    style = (Path(app.__file__).parent / "quiz.css").read_text()

    async def draw(browser):
        page = await browser.new_page(viewport={"width": 320, "height": 180})
        await page.set_content(f"<style>{style}</style>{land_symbols()}{answer_map('FR', ['IE'], None)}")
        shot = await page.locator(".answer-map").screenshot()
        await page.close()
        return np.asarray(Image.open(io.BytesIO(shot)).convert("RGB"))

    borders = (in_browser(draw) == (0x8D, 0x9A, 0xA3)).all(axis=-1)
    assert borders.mean() < 0.03


def test_a_finger_that_scrolls_the_proposals_adds_none_and_a_tap_adds_one(on_page):
    async def play(page):
        await join(page, "Ann")
        await page.keyboard.type("an")
        option = page.get_by_role("option").nth(2)
        box = await option.bounding_box()
        finger = await page.context.new_cdp_session(page)

        async def touch(kind, up=None):
            points = [{"x": box["x"] + 40, "y": box["y"] + 10 - up}] if up is not None else []
            await finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

        await touch("touchStart", 0)
        for up in range(10, 100, 10):
            await touch("touchMove", up)
        await touch("touchEnd")
        await page.wait_for_timeout(300)
        assert await page.locator("[data-code]").count() == 0
        assert await option.is_visible()
        await page.get_by_role("option").last.tap()
        await page.wait_for_selector("[data-code]")
        assert await page.locator("[data-code]").count() == 1

    on_page(play, viewport=PHONE, has_touch=True)


def test_everything_has_a_name_for_screen_readers(on_page):
    async def play(page):
        await page.get_by_role("textbox", name="Your name").wait_for()
        assert await page.get_by_role("radio", name=re.compile("Amateur|Advanced")).count() == 2
        await join(page, "Ann")
        field = page.get_by_role("combobox", name="Which country? Up to five, the likeliest first.")
        await field.press_sequentially("fran")
        assert await field.get_attribute("aria-expanded") == "true"
        active = await field.get_attribute("aria-activedescendant")
        assert await page.locator(f"#{active}").inner_text() == "France"
        await press(page, "Enter")
        assert await page.locator("[role=status].picker-message").inner_text() == (
            "France is guess 1. You can add 4 more."
        )
        await page.get_by_role("button", name="Remove France").wait_for()
        await page.get_by_role("img", name="Street picture 1 of 2, to be located").wait_for()
        await press(page, "Enter")
        await page.get_by_role("img", name=re.compile(r"^Map\. .* is the answer")).wait_for()
        verdict = await page.locator("#verdict").inner_text()
        await page.wait_for_function("document.activeElement.getAttribute('aria-describedby') === 'verdict'")
        assert verdict.startswith(("The answer: ", "Right"))

    on_page(play, rounds=2)
