"""A page to play on."""

import pytest
from made_quiz import made_quiz
from quiz_page import served, visitor

from lost_and_found.human_baseline.deck import encode_picture


@pytest.fixture(autouse=True)
def _forget_pictures():
    """The next test may get a folder of the same name, since those of passed tests are deleted."""
    yield
    encode_picture.cache_clear()


@pytest.fixture
def on_page(in_browser, tmp_path):
    """Runs a scenario at the page of a quiz, by default a made one, in a real browser; returns the quiz."""

    def run(scenario, *, quiz=None, rounds=3, **options):
        quiz = quiz or made_quiz(tmp_path, rounds=rounds)

        async def play(browser):
            async with visitor(browser, address, **options) as page:
                await scenario(page)

        with served(quiz) as address:
            in_browser(play)
        return quiz

    return run
