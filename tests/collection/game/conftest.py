"""Fixtures of the collector's tests."""

import pytest
from plays import Player

from tests.drawn_scenes import scenes_drawn_once  # noqa: F401 - used by all tests


@pytest.fixture(scope="module")
def player(browser_and_runner):
    """Plays in a browser that the whole module shares."""
    return Player(*browser_and_runner)
