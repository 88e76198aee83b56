"""Logging in once, and being remembered."""

import json
import stat

import pytest
from plays import ANN

from lost_and_found.collection.game.session import Account
from lost_and_found.errors import LoginRefused
from lost_and_found.practice.game.server import GameConfig, serving


@pytest.fixture
def game():
    with serving(GameConfig(pace=0.01)) as game:
        yield game


@pytest.fixture
def enter(player, game, tmp_path):
    """Signs in and returns what the browser shows then."""

    async def look(account):
        async with player.signed_in(game, tmp_path, account) as visit:
            page = visit.page
            return {
                "url": page.url,
                "agent": await page.evaluate("navigator.userAgent"),
                "window": await page.evaluate("[innerWidth, innerHeight, devicePixelRatio]"),
                "consent": await page.evaluate("document.cookie"),
                "asks for consent": await page.get_by_text("cookies").is_visible(),
            }

    return lambda account=ANN: player.run(look(account))


def test_the_first_visit_accepts_cookies_logs_in_and_is_at_home(enter, game):
    seen = enter()
    assert seen["url"] == f"{game.url}/"
    assert "consent=all" in seen["consent"]
    assert not seen["asks for consent"]
    assert game.state.accounts.log_ins == 1


def test_the_session_is_kept_for_its_owner_alone_and_makes_the_next_visit_without_a_log_in(
    enter, game, tmp_path
):
    enter()
    storage = tmp_path / ".auth" / "ann.json"
    assert stat.S_IMODE(storage.stat().st_mode) == 0o600
    assert list(storage.parent.iterdir()) == [storage]
    before = storage.read_bytes()
    assert not enter()["asks for consent"]
    assert game.state.accounts.log_ins == 1
    assert storage.read_bytes() == before


def test_a_session_that_the_site_has_forgotten_is_replaced(enter, game, tmp_path):
    enter()
    storage = tmp_path / ".auth" / "ann.json"
    state = json.loads(storage.read_bytes())
    for cookie in state["cookies"]:
        cookie["value"] = "forgotten" if cookie["name"] == "session" else cookie["value"]
    storage.write_text(json.dumps(state))
    enter()
    assert game.state.accounts.log_ins == 2
    assert "forgotten" not in storage.read_text()


@pytest.mark.parametrize("damage", [b"", b'{"cookies": [', b"[]", b'{"cookies": 3}', b"\xff"])
def test_a_damaged_session_file_only_costs_a_log_in(enter, game, tmp_path, damage):
    storage = tmp_path / ".auth" / "ann.json"
    storage.parent.mkdir()
    storage.write_bytes(damage)
    enter()
    assert game.state.accounts.log_ins == 1


def test_a_wrong_password_is_refused_after_exactly_one_try(enter, game, tmp_path):
    with pytest.raises(LoginRefused, match=r"ann@example\.org") as refusal:
        enter(Account("ann@example.org", "guessed"))
    assert "guessed" not in str(refusal.value)
    assert (game.state.accounts.refused_log_ins, game.state.accounts.log_ins) == (1, 0)
    assert not (tmp_path / ".auth").exists()


def test_the_password_is_not_shown():
    assert "practice" not in repr(ANN)


def test_the_browser_says_who_it_is_and_has_the_size_of_the_pictures(enter):
    seen = enter()
    assert "LostAndFound/" in seen["agent"]
    assert "Chrome/" in seen["agent"]
    assert seen["window"] == [1280, 720, 1]
