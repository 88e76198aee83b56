"""Sessions at the quiz's page in a real Chromium, played as people play them."""

import re

import pandas as pd
import pytest
from made_quiz import DATASET, RUN, made_quiz, make_workspace
from quiz_page import FIELD, answer, free_port, join, press, served, start, visitor

from lost_and_found import notebooks
from lost_and_found.geo.countries import find_country
from lost_and_found.human_baseline.opening import open_quiz
from lost_and_found.workspace import Workspace


def first_items(quiz, player_id, count):
    return [quiz.deck.items[one] for one in list(quiz.deck.order(player_id))[:count]]


def test_a_session_is_played_by_keyboard_with_a_reload_and_the_notebook_finds_exactly_its_answers(
    on_page, tmp_path
):
    quiz = made_quiz(tmp_path, rounds=4)
    items = first_items(quiz, 1, 4)
    names = [find_country(item.country_code).name for item in items]

    async def play(page):
        await join(page, "Ann")
        await answer(page, names[0])
        assert f"Right first time: {names[0]}" in await page.inner_text(".quiz")
        await press(page, "Enter")
        await answer(page, "antarctica", "swizerland", names[1])
        assert f"Right on guess 3: {names[1]}" in await page.inner_text(".quiz")
        await page.reload()
        await page.get_by_text("Picture 3 of 4").wait_for()
        await answer(page, "antarctica")
        await press(page, "Enter")
        await answer(page, "cote", "turk", "usa", "korea", "zealnd")
        await press(page, "Enter")
        await page.get_by_text("Done, Ann: 1 of 4 right first time").wait_for()

    on_page(play, quiz=quiz)
    quiz.answers.close()

    profile = notebooks.read_profile("5-human-baseline/02-compare-with-model")
    notebooks.run(profile, {"root": str(tmp_path), "dataset": DATASET})
    executed = tmp_path / "executed" / DATASET / "5-human-baseline" / "02-compare-with-model.ipynb"
    assert "1 player; model" in executed.read_text(encoding="utf-8")
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
            with served(again, port=port) as second:
                assert second == first
                await page.reload()
                await page.get_by_text("Picture 2 of 3").wait_for()
                await answer(page, "france")
                assert [one.number for one in again.answers.rounds(again.answers.players()[0])] == [1, 2]
            again.answers.close()

    port = free_port()  # as soon as Gradio's own choice is free, another process chooses it
    demo, first = start(quiz, port=port)
    in_browser(play)


def test_after_a_restart_of_a_server_with_a_password_it_is_asked_for_again_and_the_player_goes_on(
    in_browser, tmp_path
):
    quiz = made_quiz(tmp_path, rounds=3)

    async def log_in(page):
        await page.get_by_label("username").fill("player")
        await page.get_by_label("password").fill("s3same")
        await page.get_by_role("button", name="Login").click()

    async def play(browser):
        async with visitor(browser, first) as page:
            await log_in(page)
            await join(page, "Ann")
            demo.close(verbose=False)
            quiz.answers.close()
            again = open_quiz(Workspace(tmp_path, DATASET), image_size="64x36")
            with served(again, port=port, password="s3same"):
                await page.keyboard.type("france")
                await press(page, "Enter", "Enter")
                await log_in(page)
                await answer(page, "japan")
                assert again.answers.table()["country_code"].tolist() == ["JP"]
            again.answers.close()

    port = free_port()
    demo, first = start(quiz, port=port, password="s3same")
    in_browser(play)


def test_the_leaderboard_counts_an_answer_at_once_also_for_others(in_browser, tmp_path):
    async def play(browser):
        async with visitor(browser, address) as ann, visitor(browser, address) as bob:
            for page, name in ((ann, "Ann"), (bob, "Bob")):
                await join(page, name)
                await page.get_by_text("Leaderboard").click()
                await page.get_by_text("Nobody has answered yet.").wait_for()
                await page.locator(FIELD).focus()
            await answer(ann, "france")
            assert "Ann" in await ann.inner_text(".leaders")
            await answer(bob, "france")
            assert {"Ann", "Bob"} <= set((await bob.inner_text(".leaders")).split())
            await ann.locator("#next").click()
            await ann.get_by_text("Picture 2 of").wait_for()
            assert "Bob" in await ann.inner_text(".leaders")

    with served(made_quiz(tmp_path)) as address:
        in_browser(play)


def test_two_tabs_of_one_player_are_one_session(on_page):
    async def play(page):
        await join(page, "Ann")
        other = await page.context.new_page()
        await other.goto(page.url)
        await other.get_by_text("Picture 1 of 3").wait_for()
        await answer(page, "france")
        await other.bring_to_front()
        await answer(other, "japan")
        assert "You have already answered this picture" in await other.inner_text(".quiz")
        await press(other, "Enter")
        await other.get_by_text("Picture 2 of 3").wait_for()

    quiz = on_page(play, rounds=3)
    assert quiz.answers.table()["country_code"].tolist() == ["FR"]


def test_double_clicks_and_the_back_button_count_nothing_twice(on_page):
    async def play(page):
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

    quiz = on_page(play, rounds=3)
    rounds = quiz.answers.rounds(quiz.answers.players()[0])
    assert [(one.number, one.guesses) for one in rounds] == [(1, ("FR",)), (2, ())]


def test_nothing_and_nonsense_are_not_counted_and_say_why(on_page):
    async def play(page):
        await join(page, "Ann")
        message = page.locator(".picker-message")
        await press(page, "Enter")
        assert await message.inner_text() == (
            "Not counted: name at least one country. Type a few letters and press Enter."
        )
        await page.keyboard.type("qqqq")
        await press(page, "Enter")
        assert await message.inner_text() == "Not counted: no country matches “qqqq”."
        await page.fill(FIELD, "")
        for text in ("france", "japan", "brazil", "chile", "peru", "kenya"):
            await page.keyboard.type(text)
            await press(page, "Enter")
        assert await message.inner_text() == "At most 5 countries. Remove one first."
        await page.fill(FIELD, "")
        await press(page, "Backspace", "Backspace")
        assert await page.locator(".chosen li span").all_inner_texts() == [
            "1. France",
            "2. Japan",
            "3. Brazil",
        ]

    quiz = on_page(play, rounds=3)
    assert quiz.answers.table().empty


def test_what_is_typed_and_not_yet_added_is_added_and_not_lost(on_page):
    async def play(page):
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

    quiz = on_page(play, rounds=3)
    assert quiz.answers.table()["country_code"].tolist() == ["FR", "JP", "KE"]


def test_guesses_stay_as_they_were_sent_and_are_sent_again_while_the_first_try_hangs(on_page):
    tries = []

    async def hang_once(route):
        sent = '"round"' in (route.request.post_data or "")
        tries.extend([route] * sent)
        if not sent or len(tries) > 1:
            await route.continue_()

    async def play(page):
        await join(page, "Ann")
        await page.clock.install()
        await page.route("**/run/predict", hang_once)
        for text in ("spain", "italy"):
            await page.keyboard.type(text)
            await press(page, "Enter")
        await press(page, "Enter")
        await page.locator(".guess-button:disabled").wait_for()
        await page.click("[data-code=IT]")
        await page.fill(FIELD, "peru")
        await press(page, "Enter")
        assert await page.locator(".chosen li span").all_inner_texts() == ["1. Spain", "2. Italy"]
        await page.fill(FIELD, "")
        await page.clock.fast_forward("01:00")
        await page.get_by_text("Press Enter to send your guesses again.").wait_for()
        await press(page, "Enter")
        await page.wait_for_selector(".answer-map")

    quiz = on_page(play, rounds=3)
    assert len(tries) == 2
    assert quiz.answers.table()["country_code"].tolist() == ["ES", "IT"]


def test_nobody_is_taken_for_an_amateur_who_has_not_said_so(on_page):
    async def play(page):
        await page.wait_for_function("document.activeElement.closest('#player-name')")
        await page.keyboard.type("Ann")
        await press(page, "Enter")
        await page.get_by_text("Say how experienced you are.").wait_for()
        assert await page.get_by_role("radio", checked=True).count() == 0
        await page.get_by_role("radio", name=re.compile("Advanced")).click()
        await page.get_by_role("button", name="Start").click()
        await page.get_by_text("Picture 1 of 1").wait_for()

    quiz = on_page(play, rounds=1)
    assert [player.experience for player in quiz.answers.players()] == ["advanced"]


def test_the_experience_is_chosen_with_the_arrow_keys_too(on_page):
    async def play(page):
        await page.wait_for_function("document.activeElement.closest('#player-name')")
        await press(page, "Tab", "Space")
        for key, chosen in (("ArrowDown", "advanced"), ("ArrowRight", "amateur"), ("ArrowUp", "advanced")):
            await press(page, key)
            await page.wait_for_function(
                """chosen => {
                  const [one, ...others] = document.querySelectorAll("[type=radio]:checked");
                  return one === document.activeElement && one.value === chosen && !others.length;
                }""",
                arg=chosen,
            )

    on_page(play)


def test_somebody_else_can_play_in_the_same_browser(on_page):
    async def play(page):
        await join(page, "Ann")
        await answer(page, "france")
        await press(page, "Enter")
        await page.get_by_role("button", name="Let somebody else play").click()
        await page.wait_for_function("document.activeElement.closest('#player-name')")
        await page.reload()
        await join(page, "Bob")
        await answer(page, "japan")

    quiz = on_page(play, rounds=1)
    assert quiz.answers.table()[["player", "country_code"]].values.tolist() == [["Ann", "FR"], ["Bob", "JP"]]


def test_a_tab_that_was_open_before_somebody_joined_in_another_goes_on_with_them(on_page):
    async def play(page):
        other = await page.context.new_page()
        await other.goto(page.url)
        await other.wait_for_selector("#player-name")
        await page.bring_to_front()
        await join(page, "Ann")
        await other.get_by_text("Picture 1 of 3").wait_for()

    quiz = on_page(play, rounds=3)
    assert [player.name for player in quiz.answers.players()] == ["Ann"]


def test_a_longer_session_can_be_played(on_page):
    async def play(page):
        await join(page, "Ann")
        await answer(page, "france")
        await press(page, "Enter")
        await page.wait_for_function("document.activeElement.id === 'again'")
        await press(page, "Enter")
        await page.get_by_text("Picture 2 of 2").wait_for()
        await answer(page, "japan")

    quiz = on_page(play, rounds=1)
    assert len(quiz.answers.table()) == 2


def test_a_button_is_busy_until_the_next_picture_is_there(on_page):
    async def play(page):
        await join(page, "Ann")
        await answer(page, "france")
        await page.route("**/run/predict", lambda _: None)
        await press(page, "Enter")
        await page.locator("#next[aria-busy=true]").wait_for()
        await page.unroute("**/run/predict")  # and what was held goes on
        await answer(page, "japan")
        assert await page.locator("[aria-busy]").count() == 0

    on_page(play, rounds=3)


def test_when_no_picture_is_left_the_focus_is_on_the_button_for_somebody_else(on_page, tmp_path):
    async def play(page):
        await join(page, "Ann")
        await answer(page, "france")
        await press(page, "Enter")
        await page.wait_for_function("document.activeElement.id === 'leave'")
        await page.get_by_role("button", name="Let somebody else play", description="Done, Ann").wait_for()

    on_page(play, quiz=open_quiz(make_workspace(tmp_path, count=1), image_size="64x36", rounds=1))


def test_without_pictures_the_player_is_told_and_goes_on_when_they_are_back(on_page, tmp_path, capsys):
    quiz = made_quiz(tmp_path, rounds=3)
    folder = next(iter(quiz.deck.items.values())).path.parent

    async def play(page):
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

    on_page(play, quiz=quiz)
    assert "where the pictures were, is gone; bring it back" in capsys.readouterr().err


def test_a_quiz_without_predictions_is_played_without_a_model(on_page, tmp_path):
    workspace = make_workspace(tmp_path, predictions=False)
    with pytest.warns(UserWarning, match="no model to compare people with"):
        quiz = open_quiz(workspace, image_size="64x36", rounds=1)

    async def play(page):
        await join(page, "Ann")
        await answer(page, "france")
        assert "Model" not in await page.inner_text(".quiz")

    on_page(play, quiz=quiz)
