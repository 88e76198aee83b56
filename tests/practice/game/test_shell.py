"""The page that every path serves, and the map that it draws."""

import json
import re

import httpx
import pytest
from shapely.geometry import Point, Polygon

from lost_and_found.practice.facts import country_facts
from lost_and_found.practice.game.api import PAGES
from lost_and_found.practice.game.faults import Faults
from lost_and_found.practice.game.pace import Pace
from lost_and_found.practice.game.shell import VIEWER_CLASS, Shell
from lost_and_found.practice.game.world_map import outlines


def config_of(page):
    return json.loads(re.search(r'<script type="application/json">(.*?)</script>', page, re.DOTALL)[1])


def test_every_page_is_the_same_shell(game):
    with httpx.Client(base_url=game.url, timeout=60) as client:
        pages = {client.get(path.replace("{id}", "0AbC")).raise_for_status().text for path in PAGES}
        assert len(pages) == 1
        assert client.get("/other").status_code == 404
        assert client.get("/static/other.js").status_code == 404
        assert client.get("/static/shell.html").status_code == 404


def test_class_names_are_new_at_each_start():
    shells = [Shell(Pace(0.5)) for _ in range(2)]
    assert not set(shells[0].classes.values()) & set(shells[1].classes.values())
    for shell in shells:
        config = config_of(shell.page(Faults()))
        assert (config["classes"], config["pace"], config["viewer"]) == (shell.classes, 0.5, VIEWER_CLASS)
        assert "__" not in re.sub(VIEWER_CLASS, "", shell.files["game.css"])
        assert all(f".{hashed}" in shell.files["game.css"] for hashed in shell.classes.values())


def test_texts_are_in_the_table_alone():
    shell = Shell(Pace())
    texts = config_of(shell.page(Faults()))["texts"]
    assert texts["guess"] == "Guess"
    scripts = " ".join(text for name, text in shell.files.items() if name.endswith(".js"))
    for key in set(re.findall(r'say\("(\w+)"', scripts)):
        assert key in texts


@pytest.fixture(scope="module")
def world():
    return {country["code"]: country for country in json.loads(outlines())}


def test_the_map_is_small_and_has_every_country_of_the_practice_world(world):
    assert len(outlines()) < 400_000
    assert set(country_facts()) <= set(world)
    assert all(country["polygons"] for country in world.values())


@pytest.mark.parametrize(
    ("code", "name", "lat", "lon"),
    [("FR", "France", 46.5, 2.5), ("US", "United States", 39.0, -98.0), ("NZ", "New Zealand", -43.5, 171.5),
     ("SG", "Singapore", 1.35, 103.82), ("LS", "Lesotho", -29.5, 28.25), ("RU", "Russia", 66.5, -172.0)],
)  # fmt: skip
def test_countries_are_where_they_should_be(world, code, name, lat, lon):
    country = world[code]
    assert country["name"] == name
    assert any(Polygon(polygon).contains(Point(lon, lat)) for polygon in country["polygons"])


def test_a_country_inside_another_comes_later(world):
    codes = list(world)
    assert codes.index("ZA") < codes.index("LS")
    assert codes.index("IT") < codes.index("SM")
