"""The quiz's page in a real Chromium, played as people play it."""

import asyncio
import json
import re
import urllib.request
from contextlib import asynccontextmanager, contextmanager

import httpx
import pandas as pd
import pytest
from made_quiz import DATASET, RUN, made_quiz, make_workspace

from lost_and_found import notebooks
from lost_and_found.errors import InvalidConfig
from lost_and_found.geo.countries import find_country
from lost_and_found.human_baseline.app import build_app, launch
from lost_and_found.human_baseline.opening import open_quiz
from lost_and_found.workspace import Workspace

# Gradio lags behind its own libraries.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
DESKTOP = {"width": 1100, "height": 900}
PHONE = {"width": 360, "height": 740}
FIELD = "#country-input"


def start(quiz, **options):
    """A running app and its address, started in a loop, as Gradio else makes its own."""

    def starting():
        demo = build_app(quiz)
        return demo, launch(demo, **options)

    async def in_a_loop():
        return starting()

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(in_a_loop())
    return starting()


@contextmanager
def served(quiz, **options):
    """The address of a running quiz."""
    demo, address = start(quiz, **options)
    try:
        yield address
    finally:
        demo.close(verbose=False)


@asynccontextmanager
async def visitor(browser, address, **options):
    """A page of somebody new, in which nothing may go wrong."""
    context = await browser.new_context(**{"viewport": DESKTOP} | options)
    page = await context.new_page()
    troubles = []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("dialog", lambda dialog: troubles.append(f"dialog {dialog.message}"))
    await page.goto(address)
    yield page
    assert troubles == []
    await context.close()


async def press(page, *keys):
    for key in keys:
        await page.keyboard.press(key)


async def join(page, name):
    """Enter a name by keyboard alone; the field has the focus already."""
    await page.wait_for_function("document.activeElement.closest('#player-name')")
    await page.keyboard.type(name)
    await press(page, "Enter")
    await page.wait_for_function("document.activeElement.id === 'country-input'")


async def answer(page, *texts):
    """Type each text, take the first proposal, send, by keyboard alone."""
    await page.wait_for_function("document.activeElement.id === 'country-input'")
    for text in texts:
        await page.keyboard.type(text)
        await page.wait_for_selector("[role=option]")
        await press(page, "Enter")
    await press(page, "Enter")
    await page.wait_for_function("document.activeElement.id === 'next'")


def first_items(quiz, player_id, count):
    return [quiz.deck.items[one] for one in list(quiz.deck.order(player_id))[:count]]


def test_a_session_is_played_by_keyboard_with_a_reload_and_the_notebook_finds_exactly_its_answers(
    in_browser, tmp_path
):
    quiz = made_quiz(tmp_path, rounds=4)
    items = first_items(quiz, 1, 4)
    names = [find_country(item.country_code).name for item in items]

    async def play(browser):
        async with visitor(browser, address) as page:
            await join(page, "Ann")
            await answer(page, names[0])
            assert f"Right at once: {names[0]}" in await page.inner_text(".quiz")
            await press(page, "Enter")
            await answer(page, "antarctica", "swizerland", names[1])
            assert f"Right with guess 3: {names[1]}" in await page.inner_text(".quiz")
            await page.reload()
            await page.get_by_text("Picture 3 of 4").wait_for()
            await answer(page, "antarctica")
            await press(page, "Enter")
            await answer(page, "cote", "turk", "usa", "korea", "zealnd")
            await press(page, "Enter")
            await page.get_by_text("Done, Ann: 1 of 4 right at once").wait_for()

    with served(quiz) as address:
        in_browser(play)
    quiz.answers.close()

    profile = notebooks.read_profile("5-human-baseline/02-compare-with-model")
    notebooks.run(profile, {"root": str(tmp_path), "dataset": DATASET})
    folder = tmp_path / "5-human-baseline" / "02-compare-with-model" / DATASET
    written = pd.read_csv(folder / "answers.csv", keep_default_na=False)
    expected = [
        [items[0].country_code],
        ["AQ", "CH", items[1].country_code],
        ["AQ"],
        ["CI", "TR", "US", "KP", "NZ"],
    ]
    assert written["country_code"].tolist() == [code for guesses in expected for code in guesses]
    assert written["order"].tolist() == [1, 2, 2, 2, 3, 4, 4, 4, 4, 4]
    assert list(dict.fromkeys(written["item"])) == [item.id for item in items]
    groups = pd.read_csv(folder / "groups.csv").set_index(["group", "who", "k"])
    top5 = 2 + (items[3].country_code in expected[3])
    assert groups.loc[("amateur", "people", 1), ["n", "value"]].tolist() == [4, 0.25]
    assert groups.loc[("amateur", "people", 5), "value"] == top5 / 4
    model = pd.read_csv(tmp_path / f"4-evaluation/01-test-model/{DATASET}/{RUN}/predictions.csv").set_index(
        "id"
    )
    hits = (model.loc[[item.id for item in items], "rank"] == 1).mean()
    assert groups.loc[("amateur", "model", 1), "value"] == hits
    assert (folder / "scores.png").stat().st_size > 10_000


def test_after_a_restart_of_the_server_the_same_page_goes_on(in_browser, tmp_path):
    quiz = made_quiz(tmp_path, rounds=3)

    async def play(browser):
        async with visitor(browser, first) as page:
            await join(page, "Ann")
            await answer(page, "france")
            demo.close(verbose=False)
            quiz.answers.close()
            again = open_quiz(Workspace(tmp_path, DATASET), image_size="64x36")
            with served(again, port=int(first.rstrip("/").rpartition(":")[2])) as second:
                assert second == first
                await page.reload()
                await page.get_by_text("Picture 2 of 3").wait_for()
                await answer(page, "france")
                assert [one.number for one in again.answers.rounds(again.answers.players()[0])] == [1, 2]
            again.answers.close()

    demo, first = start(quiz)
    in_browser(play)


def test_two_tabs_of_one_player_are_one_session(in_browser, tmp_path):
    quiz = made_quiz(tmp_path, rounds=3)

    async def play(browser):
        async with visitor(browser, address) as page:
            await join(page, "Ann")
            other = await page.context.new_page()
            await other.goto(address)
            await other.get_by_text("Picture 1 of 3").wait_for()
            await answer(page, "france")
            await other.bring_to_front()
            await answer(other, "japan")
            assert "You had answered this picture already" in await other.inner_text(".quiz")
            await press(other, "Enter")
            await other.get_by_text("Picture 2 of 3").wait_for()

    with served(quiz) as address:
        in_browser(play)
    assert quiz.answers.table()["country_code"].tolist() == ["FR"]


def test_double_clicks_and_the_back_button_count_nothing_twice(in_browser, tmp_path):
    quiz = made_quiz(tmp_path, rounds=3)

    async def play(browser):
        async with visitor(browser, address) as page:
            await join(page, "Ann")
            await page.keyboard.type("france")
            await press(page, "Enter")
            await page.dblclick(".guess-button")
            await page.wait_for_selector(".answer-map")
            await page.dblclick("#next")
            await page.get_by_text("Picture 2 of 3").wait_for()
            await page.goto("about:blank")
            await page.go_back()
            await page.get_by_text("Picture 2 of 3").wait_for()

    with served(quiz) as address:
        in_browser(play)
    rounds = quiz.answers.rounds(quiz.answers.players()[0])
    assert [(one.number, one.guesses) for one in rounds] == [(1, ("FR",)), (2, ())]


def test_nothing_and_nonsense_are_not_counted_and_say_why(in_browser, tmp_path):
    quiz = made_quiz(tmp_path, rounds=3)

    async def play(browser):
        async with visitor(browser, address) as page:
            await join(page, "Ann")
            message = page.locator(".picker-message")
            await press(page, "Enter")
            assert await message.inner_text() == (
                "Not counted: name at least one country. Type a few letters and press Enter."
            )
            await page.keyboard.type("qqqq")
            await press(page, "Enter")
            assert await message.inner_text() == "Not counted: no country is like “qqqq”."
            await page.fill(FIELD, "")
            for text in ("france", "japan", "brazil", "chile", "peru", "kenya"):
                await page.keyboard.type(text)
                await press(page, "Enter")
            assert await message.inner_text() == "5 countries are the most. Take one back first."
            await page.fill(FIELD, "")
            await press(page, "Backspace", "Backspace")
            assert await page.locator(".chosen li span").all_inner_texts() == [
                "1. France",
                "2. Japan",
                "3. Brazil",
            ]

    with served(quiz) as address:
        in_browser(play)
    assert quiz.answers.table().empty


def test_what_is_typed_and_not_yet_added_is_added_and_not_lost(in_browser, tmp_path):
    quiz = made_quiz(tmp_path, rounds=3)

    async def play(browser):
        async with visitor(browser, address) as page:
            await join(page, "Ann")
            message = page.locator(".picker-message")
            await page.keyboard.type("france")
            await press(page, "Escape", "Enter")
            assert "France is guess 1" in await message.inner_text()
            await page.keyboard.type("france")
            await press(page, "Enter")
            assert await message.inner_text() == "France is already guess 1."
            await page.fill(FIELD, "japan")
            await page.click(".guess-button")
            assert "Japan is guess 2" in await message.inner_text()
            # A key that is held adds one country and doesn't send it.
            await page.keyboard.type("kenya")
            await page.keyboard.down("Enter")
            await page.keyboard.down("Enter")
            await page.keyboard.down("Enter")
            await page.keyboard.up("Enter")
            assert await page.locator(".chosen li span").all_inner_texts() == [
                "1. France",
                "2. Japan",
                "3. Kenya",
            ]
            await page.click(".guess-button")
            await page.wait_for_selector(".answer-map")

    with served(quiz) as address:
        in_browser(play)
    assert quiz.answers.table()["country_code"].tolist() == ["FR", "JP", "KE"]


def test_somebody_else_can_play_in_the_same_browser(in_browser, tmp_path):
    quiz = made_quiz(tmp_path, rounds=1)

    async def play(browser):
        async with visitor(browser, address) as page:
            await join(page, "Ann")
            await answer(page, "france")
            await press(page, "Enter")
            await page.get_by_role("button", name="Let somebody else play").click()
            await page.wait_for_function("document.activeElement.closest('#player-name')")
            await page.reload()
            await join(page, "Bob")
            await answer(page, "japan")

    with served(quiz) as address:
        in_browser(play)
    assert quiz.answers.table()[["player", "country_code"]].values.tolist() == [["Ann", "FR"], ["Bob", "JP"]]


def test_a_tab_that_was_open_before_somebody_joined_in_another_goes_on_with_them(in_browser, tmp_path):
    quiz = made_quiz(tmp_path, rounds=3)

    async def play(browser):
        async with visitor(browser, address) as page:
            other = await page.context.new_page()
            await other.goto(address)
            await other.wait_for_selector("#player-name")
            await page.bring_to_front()
            await join(page, "Ann")
            await other.get_by_text("Picture 1 of 3").wait_for()

    with served(quiz) as address:
        in_browser(play)
    assert [player.name for player in quiz.answers.players()] == ["Ann"]


def test_a_longer_session_can_be_played(in_browser, tmp_path):
    quiz = made_quiz(tmp_path, rounds=1)

    async def play(browser):
        async with visitor(browser, address) as page:
            await join(page, "Ann")
            await answer(page, "france")
            await press(page, "Enter")
            await page.wait_for_function("document.activeElement.id === 'again'")
            await press(page, "Enter")
            await page.get_by_text("Picture 2 of 2").wait_for()
            await answer(page, "japan")

    with served(quiz) as address:
        in_browser(play)
    assert len(quiz.answers.table()) == 2


def test_without_pictures_the_player_is_told_and_goes_on_when_they_are_back(in_browser, tmp_path, capsys):
    quiz = made_quiz(tmp_path, rounds=3)
    folder = quiz.deck.items[quiz.deck.ids[0]].path.parent

    async def play(browser):
        async with visitor(browser, address) as page:
            await join(page, "Ann")
            await answer(page, "france")
            hidden = folder.rename(folder.with_name("unmounted"))
            await press(page, "Enter")
            alert = page.get_by_role("alert")
            await alert.wait_for()
            assert "Tell whoever runs it" in await alert.inner_text()
            assert str(tmp_path) not in await page.content()
            hidden.rename(folder)
            await page.click("#next")
            await page.get_by_text("Picture 2 of 3").wait_for()

    with served(quiz) as address:
        in_browser(play)
    assert "5 pictures in a row can't be read" in capsys.readouterr().err


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


def test_the_type_ahead_finds_what_people_type(in_browser, tmp_path):
    quiz = made_quiz(tmp_path)

    async def play(browser):
        async with visitor(browser, address) as page:
            await join(page, "Ann")
            found = {}
            for text in PROPOSALS:
                await page.fill(FIELD, text)
                found[text] = await page.locator("[role=option]").first.inner_text()
            return found

    with served(quiz) as address:
        assert in_browser(play) == PROPOSALS


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


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_a_phone_and_can_be_read_in_the_dark(in_browser, tmp_path, scheme):
    quiz = made_quiz(tmp_path, rounds=2)
    contrast = """() => {
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
      const texts = "p, h1, h2, h3, li, td, th, label, small, span, caption, button";
      for (const node of document.querySelectorAll(`.quiz :is(${texts})`)) {
        if (!node.offsetParent || !node.textContent.trim() || node.closest(".visually-hidden")) continue;
        const [a, b] = [light(getComputedStyle(node).color), light(behind(node))].sort((x, y) => y - x);
        const ratio = (a + 0.05) / (b + 0.05);
        if (ratio < worst.ratio) Object.assign(worst, { ratio, text: node.textContent.slice(0, 40) });
      }
      return worst;
    }"""

    async def play(browser):
        async with visitor(browser, address, viewport=PHONE, color_scheme=scheme) as page:
            found = []
            await page.wait_for_selector("#player-name")
            found.append(await look(page))
            await join(page, f"Ann {scheme}")
            await page.keyboard.type("united")
            found.append(await look(page))
            await page.fill(FIELD, "")
            await answer(page, "france", "japan")
            found.append(await look(page))
            return found

    async def look(page):
        width = await page.evaluate("document.scrollingElement.scrollWidth")
        return width, await page.evaluate(contrast)

    with served(quiz) as address:
        looks = in_browser(play)
    assert [width for width, _ in looks] == [PHONE["width"]] * 3
    for _, worst in looks:
        assert worst["ratio"] >= 4.5, worst  # WCAG AA for text


def test_everything_has_a_name_for_screen_readers(in_browser, tmp_path):
    quiz = made_quiz(tmp_path, rounds=2)

    async def play(browser):
        async with visitor(browser, address) as page:
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
                "France is guess 1. 4 more possible."
            )
            await page.get_by_role("button", name="Take back France").wait_for()
            await page.get_by_role("img", name="Street picture 1 of 2, to be located").wait_for()
            await press(page, "Enter")
            await page.get_by_role("img", name=re.compile(r"^Map\. .* is the answer")).wait_for()
            verdict = await page.locator("#verdict").inner_text()
            await page.wait_for_function(
                "document.activeElement.getAttribute('aria-describedby') === 'verdict'"
            )
            assert verdict.startswith(("It was", "Right"))

    with served(quiz) as address:
        in_browser(play)


# -- what goes over the wire --


def call(address, event, *data):
    """What the server answers to an event, as the page gets it."""
    done = httpx.post(f"{address}gradio_api/run/{event}", json={"data": list(data)}, timeout=60)
    done.raise_for_status()
    return done.json()["data"]


def test_before_the_guess_the_answer_is_nowhere_in_the_traffic(tmp_path):
    quiz = made_quiz(tmp_path, rounds=3)
    with served(quiz) as address:
        told = {}
        for number in range(1, 7):
            token, *rest = call(address, "join", "", f"player {number}", "amateur")
            item = quiz.deck.items[next(quiz.deck.order(number))]
            text = json.dumps(rest)
            assert item.id not in text
            told[item.country_code] = re.sub(r"base64,[A-Za-z0-9+/=]+", "base64,", text)
            assert token not in told[item.country_code]
            again = json.dumps([call(address, event, token) for event in ("load", "go_on")])
            assert item.id not in again
        # The answers differ, and what was sent differs in pixels alone.
        assert len(told) > 1
        assert len(set(told.values())) == 1
        sent = [httpx.get(address).text, httpx.get(f"{address}config").text]
    for item in quiz.deck.items:
        assert all(item not in page for page in sent)


@pytest.mark.parametrize(
    "name", ["data-lists/made.test.txt", "5-human-baseline/01-play-quiz/made/made.test.sqlite"]
)
def test_files_of_the_project_can_not_be_fetched(tmp_path, name):
    quiz = made_quiz(tmp_path)
    with served(quiz) as address:
        assert (tmp_path / name).is_file()
        for route in ("gradio_api/file=", "file="):
            assert httpx.get(f"{address}{route}{tmp_path / name}").status_code in (403, 404)


def test_strangers_tokens_and_forged_rounds_change_nothing(tmp_path):
    quiz = made_quiz(tmp_path, rounds=3)
    with served(quiz) as address:
        call(address, "join", "", "Ann", "amateur")
        for token, picked in (("forged", {"round": 1, "guesses": ["FR"]}), ("", {}), ("' OR 1=1", None)):
            done = httpx.post(f"{address}gradio_api/run/answer", json={"data": [token, picked]}, timeout=60)
            assert done.status_code == 500
    assert quiz.answers.table().empty


def test_the_page_listens_to_this_machine_alone(tmp_path):
    quiz = made_quiz(tmp_path)
    with served(quiz) as address:
        assert address.startswith("http://127.0.0.1:")
        assert urllib.request.urlopen(address, timeout=30).status == 200


@pytest.mark.parametrize("options", [{"share": True}, {"host": "0.0.0.0"}])
def test_others_than_this_machine_are_never_let_in_without_a_password(tmp_path, options):
    with pytest.raises(InvalidConfig, match="needs a password"):
        start(made_quiz(tmp_path), **options)


def test_nothing_can_be_uploaded(tmp_path):
    with served(made_quiz(tmp_path)) as address:
        done = httpx.post(f"{address}gradio_api/upload", files={"files": ("x.bin", b"x" * 5000)}, timeout=60)
        assert done.status_code >= 400


def test_with_a_password_nothing_is_shown_before_it(tmp_path):
    quiz = made_quiz(tmp_path)
    with served(quiz, password="s3same") as address, httpx.Client(base_url=address, timeout=60) as client:
        assert client.post("gradio_api/run/join", json={"data": ["", "Ann", "amateur"]}).status_code == 401
        assert client.post("login", data={"username": "player", "password": "wrong"}).status_code == 400
        client.post("login", data={"username": "player", "password": "s3same"}).raise_for_status()
        assert client.post("gradio_api/run/join", json={"data": ["", "Ann", "amateur"]}).status_code == 200


def test_a_quiz_without_predictions_is_played_without_a_model(in_browser, tmp_path):
    workspace = make_workspace(tmp_path, predictions=False)
    with pytest.warns(UserWarning, match="no model to compare people with"):
        quiz = open_quiz(workspace, image_size="64x36", rounds=1)

    async def play(browser):
        async with visitor(browser, address) as page:
            await join(page, "Ann")
            await answer(page, "france")
            assert "Model" not in await page.inner_text(".quiz")

    with served(quiz) as address:
        in_browser(play)
