"""Fixtures of the collector's tests."""

import pytest
from plays import chromium


@pytest.fixture(scope="module")
def player():
    """Plays in a browser that the whole module shares."""
    with chromium() as player:
        yield player
