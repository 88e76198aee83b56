"""Fixtures of the collector's tests."""

from functools import lru_cache

import pytest
from plays import Player

from lost_and_found.practice.game import pictures


@pytest.fixture(scope="session", autouse=True)
def scenes_drawn_once():
    """All games have the same few scenes, and drawing them takes much of a test's time.

    What a page shows is still compared with a scene drawn anew.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pictures, "encoded", lru_cache(64)(pictures.encoded))
        yield


@pytest.fixture(scope="module")
def player(browser_and_runner):
    """Plays in a browser that the whole module shares."""
    return Player(*browser_and_runner)
