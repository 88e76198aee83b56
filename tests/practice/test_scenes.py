"""Street scenes: what is planned and what is painted."""

import hashlib
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from lost_and_found.errors import InvalidConfig
from lost_and_found.practice.facts import country_facts
from lost_and_found.practice.painting import ground
from lost_and_found.practice.painting.canvas import Camera, clip_near
from lost_and_found.practice.places import Place
from lost_and_found.practice.plan import plan_scene, sun_position
from lost_and_found.practice.scenes import paint, render

SMALL = (320, 180)
LONDON = Place(51.5, -0.12, "GB", 1.0)
SYDNEY = Place(-33.87, 151.21, "AU", 2.0)


def pixels(place=LONDON, *, heading_deg=90, seed=1, size=SMALL):
    return np.asarray(render(place, heading_deg=heading_deg, seed=seed, size=size))


def test_the_same_place_heading_and_seed_give_the_same_pixels():
    assert np.array_equal(pixels(), pixels())


def test_another_seed_heading_or_place_gives_another_picture():
    pictures = [pixels(), pixels(seed=2), pixels(heading_deg=91), pixels(replace(LONDON, lat=51.6))]
    assert len({picture.tobytes() for picture in pictures}) == 4


def test_a_scene_has_the_size_of_a_street_view():
    picture = render(LONDON, heading_deg=0, seed=0)
    assert (picture.size, picture.mode) == ((1280, 720), "RGB")


@pytest.mark.parametrize("code", sorted(country_facts()))
def test_every_country_can_be_painted(code):
    for seed in range(3):
        picture = pixels(Place(10.0 * seed - 40, 20.0, code, seed * 1.5), seed=seed)
        assert picture.std() > 10


def test_a_country_without_facts_is_named():
    with pytest.raises(InvalidConfig, match="ZZ"):
        render(Place(0, 0, "ZZ", 1), heading_deg=0, seed=0)


@pytest.mark.parametrize(
    ("lat", "declination", "azimuth", "elevation"),
    [(51.5, 23.44, 180, 61.94), (-33.9, 0.0, 0, 56.1), (-33.9, 23.44, 0, 32.66), (10.0, 23.44, 0, 76.56)],
)
def test_the_sun_at_noon(lat, declination, azimuth, elevation):
    got = sun_position(lat, declination, 0.0)
    assert (got[0] - azimuth + 180) % 360 - 180 == pytest.approx(0, abs=1e-6)
    assert got[1] == pytest.approx(elevation, abs=0.01)


def test_the_sun_rises_in_the_east_and_sets_in_the_west():
    assert sun_position(40, 0, -89.9)[0] == pytest.approx(90, abs=0.2)
    assert sun_position(40, 0, 89.9)[0] == pytest.approx(270, abs=0.2)


def test_the_sun_stands_north_in_the_south_and_south_in_the_north():
    for seed in range(30):
        northern = plan_scene(LONDON, heading_deg=0, seed=seed).sun_right_deg
        southern = plan_scene(SYDNEY, heading_deg=0, seed=seed).sun_right_deg
        assert abs(northern) > 60
        assert abs(southern) < 120


def test_turning_the_camera_turns_the_sun_the_other_way():
    ahead = plan_scene(SYDNEY, heading_deg=0, seed=5)
    right = plan_scene(SYDNEY, heading_deg=40, seed=5)
    assert (ahead.sun_right_deg - right.sun_right_deg) % 360 == pytest.approx(40)


def test_the_sky_is_brightest_towards_the_sun():
    gains = []
    for seed in range(20):
        plan = plan_scene(SYDNEY, heading_deg=0, seed=seed)
        clear = replace(plan, cloudiness=0.0)
        towards = np.asarray(paint(replace(clear, sun_right_deg=0.0), size=SMALL))[:60].mean()
        away = np.asarray(paint(replace(clear, sun_right_deg=180.0), size=SMALL))[:60].mean()
        gains.append(towards - away)
    assert np.mean(gains) > 5


@pytest.mark.parametrize(("code", "sign"), [("GB", 1), ("JP", 1), ("US", -1), ("DE", -1)])
def test_the_middle_of_the_road_is_on_the_drivers_side(code, sign):
    """Where traffic keeps left, the centre line is to the right of the camera, and vice versa."""
    middles = []
    for seed in range(12):
        plan = plan_scene(Place(45.0, 8.0, code, 3.0), heading_deg=0, seed=seed)
        assert plan.keeps_right == (sign < 0)
        lane = plan.road_width_m / 4 * (1 if plan.keeps_right else -1)
        camera = Camera(320, 180, 178.0, 90, lane, 2.5, (1.0, 0.0))
        middles.append(camera.pixels([(0.0, 0.0, 5.0)], zoom=1)[0][0] - 160)
    assert all(middle * sign > 0 for middle in middles)


@pytest.mark.parametrize(("code", "sign"), [("GB", 1), ("IE", 1), ("FR", -1), ("CA", -1)])
def test_the_driving_side_shows_in_the_pixels(code, sign):
    """Seen from the car's own lane, more of the tarmac is on the side of the oncoming lane."""
    offsets = []
    for seed in range(20):
        place = Place(48.0, 4.0, code, 4.0)
        plan = plan_scene(place, heading_deg=180, seed=seed)
        if plan.surface not in ("asphalt_dark", "asphalt_grey") or plan.setting != "country" or plan.snow:
            continue
        rows = pixels(place, heading_deg=180, seed=seed)[130:150].astype(int)
        grey = (rows.max(axis=2) - rows.min(axis=2)) < 22
        offsets.append((grey * (np.arange(320) - 160)).sum() / max(1, grey.sum()))
    assert len(offsets) > 3
    assert np.mean(offsets) * sign > 0


def test_the_colour_of_the_centre_line_is_painted():
    plan = plan_scene(Place(52.0, 10.0, "NO", 4.0), heading_deg=90, seed=3)
    plan = replace(plan, surface="asphalt_dark", snow=False)
    yellow, white = (
        np.asarray(paint(replace(plan, centre_line=f"{colour}_double"), size=SMALL)).astype(int)
        for colour in ("yellow", "white")
    )
    changed = np.abs(yellow - white).max(axis=2) > 40
    assert changed.sum() > 100
    assert (yellow[changed][:, 0] - yellow[changed][:, 2]).mean() > 80


def test_snow_lies_only_in_winter():
    plans = [plan_scene(Place(62.0, 25.0, "FI", 3.0), heading_deg=0, seed=seed) for seed in range(200)]
    assert {plan.season for plan in plans if plan.snow} == {"winter"}
    white = next(seed for seed, plan in enumerate(plans) if plan.snow)
    assert min(ground.grass_colour(plans[white])) > 180


def test_what_is_behind_the_camera_is_cut_off():
    square = [(-1.0, 0.0, -5.0), (1.0, 0.0, -5.0), (1.0, 0.0, 5.0), (-1.0, 0.0, 5.0)]
    assert min(z for _, _, z in clip_near(square)) > 0
    assert clip_near([(0.0, 0.0, -1.0), (1.0, 0.0, -2.0), (2.0, 0.0, -1.0)]) == []


DIGEST = """
import hashlib
from lost_and_found.practice.places import draw_places
from lost_and_found.practice.scenes import render
digest = hashlib.sha256()
for r in draw_places(10, seed=7):
    digest.update(render(r.place, heading_deg=r.heading_deg, seed=r.seed, size=(320, 180)).tobytes())
print(digest.hexdigest())
"""


def test_pixels_do_not_depend_on_the_processor():
    """Numpy picks its kernels by the processor; without them the pixels are the same."""
    features = np._core._multiarray_umath.__cpu_dispatch__
    digests = set()
    for disabled in ("", " ".join(features)):
        environment = {**os.environ, "NPY_DISABLE_CPU_FEATURES": disabled, "PYTHONHASHSEED": "7"}
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", DIGEST],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        digests.add(done.stdout)
    assert len(digests) == 1
    assert len(digests.pop().strip()) == len(hashlib.sha256().hexdigest())
