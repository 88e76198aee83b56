"""A singleplayer game over the server's API."""

import io

import httpx
import numpy as np
import pytest
from PIL import Image, ImageChops

from lost_and_found.geo.countries import find_country
from lost_and_found.geo.distances import haversine_km
from lost_and_found.practice.game.server import GameConfig, serving
from lost_and_found.practice.game.singleplayer import points

HERE = {"lat": 50.0, "lon": 10.0}


def start(client):
    return client.post("/api/games", json={"map": "world"}).raise_for_status().json()["id"]


def tiles(client, scene):
    return {
        (x, y): client.get(f"{scene}/{x}-{y}.png").raise_for_status().content
        for x in range(4)
        for y in range(2)
    }


def test_a_game_has_five_rounds_and_adds_up_their_points(game, log_in):
    client = log_in(game)
    game_id = start(client)
    for turn in range(5):
        state = client.get(f"/api/games/{game_id}").json()
        assert (state["phase"], state["round"], len(state["results"])) == ("playing", turn, turn)
        state = client.post(f"/api/games/{game_id}/guess", json=HERE).json()
        truth = game.state.truth(f"practice_singleplayer_{game_id}_{turn}")
        result = state["results"][turn]
        assert (state["phase"], state["round"]) == ("result", turn)
        assert (result["lat"], result["lon"]) == (truth.place.lat, truth.place.lon)
        assert result["km"] == pytest.approx(haversine_km([50, 10], [result["lat"], result["lon"]]), abs=1e-3)
        assert result["points"] == points(result["km"])
        state = client.post(f"/api/games/{game_id}/next").json()
    assert (state["phase"], state["round"]) == ("finished", 4)
    assert state["score"] == sum(result["points"] for result in state["results"])


def test_nothing_tells_the_answer_before_the_guess(game, log_in):
    client = log_in(game)
    game_id = start(client)
    told = [client.get(path) for path in ("/", "/static/game.js", "/static/game.css", "/api/me")]
    for turn in range(5):
        state = client.get(f"/api/games/{game_id}")
        scene = state.json()["scene"]
        told += [state, client.get(f"/game/{game_id}"), client.get(f"{scene}/0.jpg")]
        told += [client.get(f"{scene}/{x}-{y}.png") for x in range(4) for y in range(2)]
        place = game.state.truth(f"practice_singleplayer_{game_id}_{turn}").place
        secrets = [f"{place.lat:.4f}"[:-1], f"{place.lon:.4f}"[:-1], find_country(place.country_code).name]
        for response in told:
            everything = str(response.headers).encode() + response.content
            assert not [secret for secret in secrets if secret.encode() in everything], response.url
        client.post(f"/api/games/{game_id}/guess", json=HERE)
        told = [client.post(f"/api/games/{game_id}/next")]


def test_the_tiles_are_the_scene_pixel_by_pixel(game, log_in):
    client = log_in(game)
    game_id = start(client)
    scene = client.get(f"/api/games/{game_id}").json()["scene"]
    whole = Image.new("RGB", (1280, 720))
    for (x, y), data in tiles(client, scene).items():
        tile = Image.open(io.BytesIO(data))
        assert (tile.size, tile.mode, tile.info) == ((320, 360), "RGB", {})
        whole.paste(tile, (x * 320, y * 360))
    truth = game.state.scene(f"practice_singleplayer_{game_id}_0")
    assert ImageChops.difference(whole, truth).getbbox() is None


def test_the_preview_is_small_and_blurred(game, log_in):
    client = log_in(game)
    game_id = start(client)
    scene = client.get(f"/api/games/{game_id}").json()["scene"]
    preview = np.asarray(Image.open(io.BytesIO(client.get(f"{scene}/0.jpg").content)).convert("L"), float)
    truth = game.state.scene(f"practice_singleplayer_{game_id}_0").convert("L").resize((320, 180))
    assert preview.shape == (180, 320)
    assert np.abs(np.diff(preview)).mean() < 0.7 * np.abs(np.diff(np.asarray(truth, float))).mean()


def test_unknown_tiles_and_scenes_are_not_found(game, log_in):
    client = log_in(game)
    scene = client.get(f"/api/games/{start(client)}").json()["scene"]
    assert client.get(f"{scene}/4-0.png").status_code == 404
    assert client.get("/scenes/0/0-0.png").status_code == 404


def test_moves_out_of_turn_change_nothing(game, log_in):
    client = log_in(game)
    game_id = start(client)
    before = client.get(f"/api/games/{game_id}").json()
    assert client.post(f"/api/games/{game_id}/next").status_code == 409
    assert client.get(f"/api/games/{game_id}").json() == before
    after = client.post(f"/api/games/{game_id}/guess", json=HERE).json()
    assert client.post(f"/api/games/{game_id}/guess", json=HERE).status_code == 409
    assert client.get(f"/api/games/{game_id}").json() == after


@pytest.mark.parametrize("body", [b"", b"[", b"[]", b'{"lat": 91, "lon": 0}', b'{"lat": "1", "lon": 2}'])
def test_a_guess_that_is_not_a_point_is_refused(game, log_in, body):
    client = log_in(game)
    answer = client.post(f"/api/games/{start(client)}/guess", content=body)
    assert answer.status_code == 400
    assert answer.json()["message"]


@pytest.mark.parametrize(
    "body",
    [b'{"email": "\\ud800@example.org", "password": "practice"}', b"[" * 100_000],
    ids=["half-a-pair", "deep"],
)
def test_a_body_that_no_answer_could_repeat_is_refused(game, body):
    answer = httpx.post(f"{game.url}/api/login", content=body)
    assert answer.status_code == 400
    assert answer.json()["message"]


def test_a_game_is_seen_by_its_players_alone(game, log_in):
    game_id = start(log_in(game))
    assert log_in(game, "ben@example.org").get(f"/api/games/{game_id}").status_code == 404


def test_the_same_seed_gives_the_same_games(log_in):
    ids = []
    for seed in (5, 5, 6):
        with serving(GameConfig(seed=seed, pace=0.01)) as game:
            client = log_in(game)
            ids.append([start(client) for _ in range(2)])
            assert game.state.game_ids == ids[-1]
    assert ids[0] == ids[1] != ids[2]
    assert all(len(game_id) == 16 and game_id.isalnum() for game_id in ids[0])


def test_logging_out_in_the_middle_leaves_the_game_where_it_was(game, log_in):
    client = log_in(game)
    game_id = start(client)
    before = client.get(f"/api/games/{game_id}").json()
    client.post("/api/logout")
    assert client.get(f"/api/games/{game_id}").status_code == 401
    assert client.post(f"/api/games/{game_id}/guess", json=HERE).status_code == 401
    assert log_in(game).get(f"/api/games/{game_id}").json() == before


def test_a_wrong_password_is_refused_and_counted(game, log_in):
    with httpx.Client(base_url=game.url, timeout=60) as client:
        answer = client.post("/api/login", json={"email": "ann@example.org", "password": "guess"})
        assert (answer.status_code, answer.json()) == (401, {"message": "Wrong email or password"})
        assert client.get("/api/me").status_code == 401
    assert (game.state.accounts.log_ins, game.state.accounts.refused_log_ins) == (0, 1)
    assert log_in(game).get("/api/me").json() == {"email": "ann@example.org", "name": "ann"}


def test_the_session_is_out_of_reach_of_scripts(game, log_in):
    answer = log_in(game).post("/api/login", json={"email": "ann@example.org", "password": "practice"})
    assert "HttpOnly" in answer.headers["set-cookie"]


def test_the_maps_page_shows_what_its_link_says(game):
    with httpx.Client(base_url=game.url, timeout=60) as client:
        page = client.get("/maps?q&layer=c&cbll=-12.5,130.25&cbp=11,77,0,0,0")
        assert "-12.5, 130.25" in page.text
        assert client.get("/maps?q&layer=c&cbll=<b>,1").status_code == 400


def test_robots_may_see_all_but_the_administration(game):
    with httpx.Client(base_url=game.url, timeout=60) as client:
        assert client.get("/robots.txt").text == "User-agent: *\nDisallow: /api/admin\n"
