"""Practice games to talk to."""

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
    clients = []

    def logged_in(game, email="ann@example.org"):
        client = httpx.Client(base_url=game.url, timeout=60)
        clients.append(client)
        client.post("/api/login", json={"email": email, "password": PASSWORD}).raise_for_status()
        return client

    yield logged_in
    for client in clients:
        client.close()


@pytest.fixture
def misbehaving():
    """Starts a game with faults."""
    running = []

    def start(*faults):
        running.append(serving(GameConfig(pace=PACE, faults=faults)))
        return running[-1].__enter__()

    yield start
    for context in running:
        context.__exit__(None, None, None)
