"""Every misbehaviour strikes when it was asked for, and only then."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from lost_and_found.errors import InvalidConfig
from lost_and_found.practice.game.faults import FAULTS, Faults, parse_fault

HERE = {"lat": 50.0, "lon": 10.0}


def start(client):
    return client.post("/api/games", json={"map": "world"})


def play(client, game_id, rounds=5):
    """The state at the beginning of each round, and after the last."""
    states = [client.get(f"/api/games/{game_id}").json()]
    for _ in range(rounds):
        client.post(f"/api/games/{game_id}/guess", json=HERE).raise_for_status()
        states.append(client.post(f"/api/games/{game_id}/next").raise_for_status().json())
    return states


@given(st.sampled_from(FAULTS), st.integers(1, 20), st.integers(1, 60))
def test_a_fault_strikes_always_once_or_every_so_often(name, number, opportunities):
    struck = {}
    for spec in (name, f"{name}@{number}", f"{name}/{number}"):
        faults = Faults([spec])
        struck[spec] = [turn for turn in range(1, opportunities + 1) if faults.strikes(name)]
        assert faults.struck[name] == len(struck[spec])
    assert struck[name] == list(range(1, opportunities + 1))
    assert struck[f"{name}@{number}"] == [number] * (number <= opportunities)
    assert struck[f"{name}/{number}"] == list(range(number, opportunities + 1, number))


@pytest.mark.parametrize(
    "text", ["", "bad-luck", "log-out@0", "log-out/0", "log-out@", "log-out@-1", "log-out@1/2"]
)
def test_a_text_that_is_not_a_fault_is_refused(text):
    with pytest.raises(InvalidConfig, match="NAME@N"):
        parse_fault(text)


def test_a_black_picture_is_black_and_the_next_is_not(misbehaving, log_in):
    game = misbehaving("black-pictures@2")
    client = log_in(game)
    game_id = start(client).json()["id"]
    blacks = []
    for state in play(client, game_id, rounds=2):
        tile = Image.open(io.BytesIO(client.get(f"{state['scene']}/1-1.png").content))
        preview = Image.open(io.BytesIO(client.get(f"{state['scene']}/0.jpg").content))
        blacks.append([max(high for _, high in image.getextrema()) < 3 for image in (tile, preview)])
    assert blacks == [[False, False], [True, True], [False, False]]


def test_the_tiles_of_a_slow_scene_come_later(misbehaving, log_in):
    game = misbehaving("slow-images@2")
    client = log_in(game)
    waits = []
    for state in play(client, start(client).json()["id"], rounds=2):
        client.get(f"{state['scene']}/0-0.png").raise_for_status()
        showing = game.state.showing(state["scene"].rpartition("/")[2])
        waits.append(showing.slow)
        assert game.state.clock() >= showing.tiles_at
    assert waits == [False, True, False]


def test_a_crash_is_told_once(misbehaving, log_in):
    client = log_in(misbehaving("renderer-crash@2"))
    game_id = start(client).json()["id"]
    assert ["crash" in state for state in play(client, game_id, rounds=3)] == [False, True, False, False]
    assert "crash" not in client.get(f"/api/games/{game_id}").json()


def test_a_rate_limit_holds_for_the_account_until_it_is_over(misbehaving, log_in):
    game = misbehaving("rate-limit@2")
    game.state.clock = lambda: now  # the limit lasts for one second only
    now = 1000.0
    client, other = log_in(game), log_in(game, "ben@example.org")
    game_id = start(client).json()["id"]
    refused = client.post(f"/api/games/{game_id}/guess", json=HERE)
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
    assert "Rate limit" in refused.json()["message"]
    assert client.get("/api/me").status_code == 429
    assert start(other).status_code == 201
    now += 1
    assert client.get("/api/me").status_code == 200
    assert client.post(f"/api/games/{game_id}/guess", json=HERE).json()["phase"] == "result"
    assert game.state.rate_limited == 2


def test_a_server_error_does_nothing_and_passes(misbehaving, log_in):
    client = log_in(misbehaving("server-error@2"))
    game_id = start(client).json()["id"]
    answer = client.post(f"/api/games/{game_id}/guess", json=HERE)
    assert (answer.status_code, answer.json()) == (500, {"message": "Something went wrong"})
    assert client.get(f"/api/games/{game_id}").json()["phase"] == "playing"
    assert client.post(f"/api/games/{game_id}/guess", json=HERE).json()["phase"] == "result"


def test_a_dropped_session_needs_a_new_log_in(misbehaving, log_in):
    game = misbehaving("log-out@2")
    client, other = log_in(game), log_in(game)
    game_id = start(client).json()["id"]
    assert client.post(f"/api/games/{game_id}/guess", json=HERE).status_code == 401
    assert client.get("/api/me").status_code == 401
    assert other.get("/api/me").status_code == 200
    assert other.get(f"/api/games/{game_id}").json()["phase"] == "playing"


def test_the_same_game_is_handed_out_twice(misbehaving, log_in):
    game = misbehaving("same-game@2")
    ann, ben = log_in(game), log_in(game, "ben@example.org")
    ids = [start(client).json()["id"] for client in (ann, ben, ben, ann)]
    assert ids[0] != ids[1] == ids[2] != ids[3]


def test_the_same_battle_is_handed_out_to_an_account_that_is_in_it(misbehaving, log_in):
    client = log_in(misbehaving("same-game"))
    assert len({client.post("/api/battle-royale").json()["id"] for _ in range(3)}) == 1


def test_the_pin_of_one_result_opens_nothing(misbehaving, log_in):
    client = log_in(misbehaving("no-popup/2"))
    last = play(client, start(client).json()["id"])[-1]
    assert [result["popup"] for result in last["results"]] == [True, False, True, False, True]


def test_one_page_has_another_word_on_its_button(misbehaving, log_in):
    client = log_in(misbehaving("renamed-button@2"))
    assert ['"guess": "Submit"' in client.get("/").text for _ in range(3)] == [False, True, False]
    assert '"guess": "Guess"' in client.get("/").text
