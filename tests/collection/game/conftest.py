"""Fixtures of the collector's tests."""

import pytest
from plays import Player


@pytest.fixture(scope="module")
def player(browser_and_runner):
    """Plays in a browser that the whole module shares."""
    return Player(*browser_and_runner)
