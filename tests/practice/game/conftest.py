"""Practice games to talk to."""

from contextlib import ExitStack

import httpx
import pytest

from lost_and_found.practice.game.accounts import PASSWORD
from lost_and_found.practice.game.server import GameConfig, serving

PACE = 0.01


@pytest.fixture
def game():
    """A game of its own, without faults."""
    with serving(GameConfig(pace=PACE)) as running:
        yield running


@pytest.fixture
def log_in():
    """Logs an account in at a game; its client is closed after the test."""
    with ExitStack() as clients:

        def logged_in(game, email="ann@example.org"):
            client = clients.enter_context(httpx.Client(base_url=game.url, timeout=60))
            client.post("/api/login", json={"email": email, "password": PASSWORD}).raise_for_status()
            return client

        yield logged_in


@pytest.fixture
def misbehaving():
    """Starts a game with faults."""
    with ExitStack() as running:
        yield lambda *faults: running.enter_context(serving(GameConfig(pace=PACE, faults=faults)))
