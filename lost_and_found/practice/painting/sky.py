"""Sky, clouds, sun, and the hills on the horizon."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image

from lost_and_found.practice.painting import textures
from lost_and_found.practice.painting.canvas import SUPERSAMPLING, Camera, Canvas, Light
from lost_and_found.practice.painting.colours import Colour, mix, scale
from lost_and_found.practice.plan import ScenePlan

_QUARTER = 4

_HILL_COLOURS: dict[str, Colour] = {
    "tropical": (58, 104, 58),
    "savanna": (112, 122, 66),
    "desert": (176, 142, 104),
    "steppe": (158, 142, 98),
    "mediterranean": (116, 122, 80),
    "subtropical": (76, 112, 62),
    "oceanic": (94, 128, 72),
    "highland": (124, 122, 76),
    "continental": (78, 108, 66),
    "boreal": (56, 82, 62),
    "tundra": (112, 110, 88),
}


@lru_cache(maxsize=4)
def light_of(plan: ScenePlan) -> Light:
    """The light of a scene."""
    elevation, turn = math.radians(plan.sun_elevation_deg), math.radians(plan.sun_right_deg)
    towards_sun = (
        math.sin(turn) * math.cos(elevation),
        math.sin(elevation),
        math.cos(turn) * math.cos(elevation),
    )
    low = max(0.0, 1.0 - plan.sun_elevation_deg / 28.0) * (1.0 - plan.cloudiness)
    tint = mix(mix((255, 250, 240), (255, 216, 168), low), (226, 231, 238), plan.cloudiness)
    return Light(towards_sun, 1.0 - 0.9 * plan.cloudiness, tint, sky_colours(plan)[1], plan.haze_km)


def sky_colours(plan: ScenePlan) -> tuple[Colour, Colour]:
    """Colours at the zenith and at the horizon."""
    draws = plan.draws("sky")
    deep = draws.uniform(0.0, 1.0)
    zenith = mix((92, 150, 214), (44, 104, 186), deep)
    horizon = mix((206, 224, 236), (182, 208, 232), deep)
    if plan.biome in ("desert", "savanna", "steppe"):
        horizon = mix(horizon, (232, 218, 190), draws.uniform(0.2, 0.8))
    if plan.biome in ("tropical", "subtropical"):
        zenith = mix(zenith, (150, 188, 218), draws.uniform(0.1, 0.5))
    if plan.biome == "highland" or plan.biome == "tundra":
        zenith = mix(zenith, (34, 82, 164), 0.4)
    low = max(0.0, 1.0 - plan.sun_elevation_deg / 25.0)
    horizon = mix(horizon, (246, 206, 158), low * 0.75)
    grey = max(0.0, plan.cloudiness - 0.55) / 0.45
    return mix(zenith, (176, 184, 194), grey), mix(horizon, (210, 214, 218), grey)


def paint_sky(plan: ScenePlan, camera: Camera) -> Image.Image:
    """The sky above the horizon at the size of the picture (width x horizon)."""
    height, width = -(-camera.horizon // _QUARTER), camera.width // _QUARTER
    zenith, horizon = sky_colours(plan)
    rows = (np.arange(height, dtype=np.float64) / height)[:, None]
    share = rows * rows * (1.4 - 0.4 * rows)
    sky = textures.plane(zenith) * (1.0 - share) + textures.plane(horizon) * share
    column, row = sun_pixel(plan, camera)
    away = ((np.arange(width) - column / _QUARTER) ** 2)[None, :] + (
        (np.arange(height) - row / _QUARTER) ** 2
    )[:, None]
    # The sun's halo: wide and weak plus narrow and strong, rational functions, the same on every machine.
    focal = camera.focal / _QUARTER
    strength = 1.0 - 0.8 * plan.cloudiness
    halo = strength * (0.55 / (1 + away / (focal * 0.45) ** 2) + 0.9 / (1 + away / (focal * 0.06) ** 2))
    if plan.cloudiness < 0.8:
        halo = halo + (away < (focal * 0.032) ** 2)
    sky = sky + (textures.plane((255, 244, 218)) - sky) * np.minimum(halo, 1.0)
    alpha, shade = _clouds(plan, camera, height, width)
    cloud = textures.plane(scale(light_of(plan).tint, 0.99)) - shade * textures.plane((92, 84, 72))
    small = textures.to_image(sky + (cloud - sky) * alpha)
    return small.resize((camera.width, camera.horizon), Image.Resampling.BILINEAR)


def sun_pixel(plan: ScenePlan, camera: Camera) -> tuple[int, int]:
    """Column and row of the sun, px; far outside when it is behind the camera."""
    right = math.radians(plan.sun_right_deg)
    # The camera is turned from the road, and the heading is the road's.
    right -= math.atan2(-camera.turn[1], camera.turn[0])
    ahead = math.cos(right)
    if ahead < 0.05:
        return (-5000 if right < 0 else 5000 + camera.width), -5000
    column = camera.width / 2 + camera.focal * math.sin(right) / ahead
    row = camera.horizon - camera.focal * math.tan(math.radians(plan.sun_elevation_deg)) / ahead
    return round(column), round(row)


def _clouds(
    plan: ScenePlan, camera: Camera, height: int, width: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Opacity and darkness of the clouds, (height, width) each, from noise on a plane overhead."""
    draws = plan.draws("clouds")
    tile = textures.clouds()
    rise = (height - np.arange(height)) * _QUARTER / camera.focal
    far = 1.0 / (rise + 0.09)
    size = draws.uniform(26, 60)
    across = (np.arange(width) - width / 2) * _QUARTER / camera.focal
    u = (across[None, :] * far[:, None] * size + draws.uniform(0, 512)).astype(np.int64) % textures.TILE
    v = (far[:, None] * size * 1.3 + draws.uniform(0, 512)).astype(np.int64) % textures.TILE
    noise = tile[v, u].astype(np.float64) / 255
    threshold = 1.02 - 0.95 * plan.cloudiness
    alpha = np.clip((noise - threshold) * 3.2, 0, 1) * np.minimum(1.0, rise * 6 + 0.15)[:, None]
    darker = 0.35 + 0.5 * plan.cloudiness
    shade = np.clip((noise - threshold) * 1.5, 0, 1) * darker
    if plan.cloudiness >= 1.0:
        alpha, shade = np.full_like(noise, 0.85), 0.15 + 0.45 * noise
    return alpha, shade


def paint_hills(plan: ScenePlan, canvas: Canvas) -> None:
    """Silhouettes along the horizon, the farther the paler."""
    draws = plan.draws("hills")
    camera, light = canvas.camera, canvas.light
    ridges = {
        "flat": [(0.004, 6.0), (0.008, 2.5)],
        "hilly": [(0.055, 9.0), (0.045, 4.0), (0.03, 1.8)],
        "mountainous": [(0.2, 14.0), (0.13, 7.0), (0.07, 3.0)],
    }[plan.relief]
    base = _HILL_COLOURS[plan.biome]
    if plan.snow:
        base = mix(base, (226, 230, 236), 0.6)
    for steepness, distance_km in ridges:
        height = camera.focal * steepness * draws.uniform(0.6, 1.25)
        skyline = _skyline(draws.uniform(0, 512), height, camera, rough=plan.relief == "mountainous")
        shown = light.at(light.tinted(scale(base, draws.uniform(0.85, 1.1))), distance_km * 80)
        _fill_under(canvas, skyline, shown)
        cold = plan.biome in ("boreal", "tundra", "highland") or abs(plan.lat) > 40
        if steepness > 0.1 and cold and height > camera.focal * 0.13:
            _snow_caps(canvas, skyline, light.at((244, 246, 250), distance_km * 50))


def _skyline(start: float, height: float, camera: Camera, *, rough: bool) -> list[tuple[int, int]]:
    """Heights of a ridge along the picture, px: (column, height above the horizon)."""
    tile = textures.clouds()[int(start) % textures.TILE].astype(int)
    fine = textures.clouds()[int(start + 97) % textures.TILE].astype(int)
    columns = range(0, camera.width + 16, 8 if rough else 16)
    step, wobble = (5, 0.5) if rough else (11, 0.12)
    return [
        (
            column,
            round(
                height
                * (
                    0.12
                    + 0.88 * float(tile[int(start + column // step) % textures.TILE]) / 255
                    + wobble * (float(fine[int(start + column * 2 // step) % textures.TILE]) / 255 - 0.5)
                )
            ),
        )
        for column in columns
    ]


def _fill_under(canvas: Canvas, skyline: list[tuple[int, int]], colour: Colour) -> None:
    horizon, k = canvas.camera.horizon, SUPERSAMPLING
    outline = [(column * k, (horizon - max(height, 0)) * k) for column, height in skyline]
    outline += [(outline[-1][0], horizon * k), (0, horizon * k)]
    canvas.draw.polygon(outline, fill=colour)


def _snow_caps(canvas: Canvas, skyline: list[tuple[int, int]], colour: Colour) -> None:
    """White above two thirds of the highest summit, with a ragged lower edge."""
    horizon, k = canvas.camera.horizon, SUPERSAMPLING
    line = max(height for _, height in skyline) * 0.6
    edge = [line * (1 + 0.07 * (number * 37 % 11 - 5) / 5) for number in range(len(skyline))]
    for number in range(len(skyline) - 1):
        (left, first), (right, second) = skyline[number], skyline[number + 1]
        low, high = min(first, edge[number]), min(second, edge[number + 1])
        if first > low or second > high:
            corners = [(left, first), (right, second), (right, high), (left, low)]
            canvas.draw.polygon([(x * k, round((horizon - y) * k)) for x, y in corners], fill=colour)
