"""What the page shows: hostile texts are shown as texts, and nothing reveals the answer early."""

import re
from html.parser import HTMLParser

import pytest
from made_quiz import made_quiz, play

from lost_and_found.human_baseline import views
from lost_and_found.human_baseline.app import search_index

HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "\"><script>alert('x')</script>",
    "${alert(1)}{{7*7}}",
    "'; DROP TABLE x;--",
]


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.text = [], ""

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        self.text += data


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_shown_and_does_nothing(tmp_path, name):
    quiz = made_quiz(tmp_path, rounds=2)
    player = play(quiz, name, lambda item: ["FR"])
    for page in (
        views.leaderboard(quiz.leaderboard()),
        views.summary(quiz.standing(player)),
        views.notice(f"Somebody is already playing as {name}."),
    ):
        seen = Tags()
        seen.feed(page)
        assert name in seen.text
        assert not {"script", "img"} & set(seen.tags)


def test_the_introduction_to_one_picture_speaks_of_one():
    said = views.intro(pictures=1, rounds=1, countries=1, model=False)
    assert "You will see 1 street picture out of 1, from 1 country. Name" in said


def test_a_question_shows_its_place_and_a_neutral_text(tmp_path):
    quiz = made_quiz(tmp_path, rounds=3)
    player = quiz.answers.player(quiz.join("Ann", "amateur"))
    page = views.question(quiz.question(player))
    assert 'alt="Street picture 1 of 3, to be located"' in page
    assert page.count("src=") == 1
    assert re.search(r'src="data:image/png;base64,[A-Za-z0-9+/=]+"', page)
    for item in quiz.deck.items:
        assert item not in page


@pytest.mark.parametrize(
    ("guesses", "verdict"),
    [
        (lambda item: [item.country_code], "Right first time: "),
        (lambda item: ["AQ", item.country_code], "Right on guess 2: "),
        (lambda item: ["AQ"], "The answer: "),
    ],
)
def test_the_verdict_says_which_guess_was_right(tmp_path, guesses, verdict):
    quiz = made_quiz(tmp_path, rounds=1)
    player = play(quiz, "Ann", guesses)
    page = views.outcome(quiz.outcome(player, 1))
    assert verdict in page
    assert "Model: " in page
    assert "70 %" in page


def test_an_answer_given_twice_says_that_the_first_counts(tmp_path):
    quiz = made_quiz(tmp_path, rounds=1)
    player = play(quiz, "Ann", lambda item: ["FR"])
    assert "your first answer counts" in views.outcome(quiz.answer(player, 1, ["JP"]))


def test_the_summary_compares_people_with_the_model(tmp_path):
    quiz = made_quiz(tmp_path, rounds=12)
    player = play(quiz, "Ann", lambda item: [item.country_code])
    assert "12 of 12 right first time, 6 more than the model" in views.summary(quiz.standing(player))


def test_a_name_written_from_right_to_left_leaves_the_numbers_after_it_in_their_place(tmp_path):
    quiz = made_quiz(tmp_path, rounds=2)
    player = play(quiz, "שלום עולם", lambda item: ["FR"])
    assert "Done, <bdi>שלום עולם</bdi>: " in views.summary(quiz.standing(player))


def test_a_long_leaderboard_is_cut_and_says_so(tmp_path):
    quiz = made_quiz(tmp_path, rounds=1)
    for number in range(views.LEADERS + 3):
        play(quiz, f"player {number}", lambda item: ["FR"])
    page = views.leaderboard(quiz.leaderboard())
    assert page.count("<tr>") == views.LEADERS + 1
    assert "and 3 more" in page


def test_the_type_ahead_knows_every_country_by_name_and_other_names():
    index = {one["code"]: one for one in search_index()}
    assert len(index) == 250
    assert index["TR"]["name"] == "Türkiye"
    assert "Turkey" in index["TR"]["others"]
    assert "USA" in index["US"]["others"]
