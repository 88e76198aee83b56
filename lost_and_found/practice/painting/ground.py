"""The ground: grass and soil in patches, fields, the road and its lines, shadows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from lost_and_found.practice.draws import Draws
from lost_and_found.practice.painting import textures
from lost_and_found.practice.painting.canvas import Camera, Canvas, Light, Point
from lost_and_found.practice.painting.colours import PAINTS, SOILS, SURFACES, Colour, mix, scale
from lost_and_found.practice.plan import ScenePlan

FAR_M = 260.0
_STATIONS_M = (0.4, 2.0, 4.0, 7.0, 11.0, 17.0, 26.0, 40.0, 62.0, 95.0, 150.0, FAR_M)
_LINE_M = 0.17


@dataclass(frozen=True)
class _Cover:
    """Grass green and dry, and the share of bare soil (0 to 1)."""

    green: Colour
    dry: Colour
    bare: float
    crops: tuple[str, ...]


_COVERS = {
    "tropical": _Cover((70, 124, 46), (112, 138, 62), 0.25, ("rice", "palm_rows")),
    "savanna": _Cover((124, 142, 62), (184, 164, 92), 0.45, ("stubble", "green")),
    "desert": _Cover((176, 160, 112), (206, 184, 140), 0.9, ()),
    "steppe": _Cover((150, 148, 82), (190, 170, 108), 0.5, ("stubble", "ploughed")),
    "mediterranean": _Cover((126, 136, 66), (186, 166, 98), 0.4, ("vines", "stubble", "ploughed")),
    "subtropical": _Cover((96, 142, 58), (142, 152, 78), 0.15, ("green", "rice", "maize")),
    "oceanic": _Cover((86, 142, 54), (120, 152, 70), 0.05, ("green", "rapeseed", "wheat", "ploughed")),
    "highland": _Cover((124, 140, 70), (170, 156, 94), 0.3, ("green", "stubble", "ploughed")),
    "continental": _Cover((96, 138, 60), (146, 150, 80), 0.12, ("wheat", "green", "ploughed", "maize")),
    "boreal": _Cover((98, 122, 62), (136, 134, 80), 0.15, ("green",)),
    "tundra": _Cover((116, 122, 72), (140, 130, 92), 0.35, ()),
}
_CROPS: dict[str, Colour] = {
    "rice": (128, 178, 62),
    "palm_rows": (62, 112, 48),
    "stubble": (206, 180, 108),
    "green": (104, 160, 58),
    "ploughed": (120, 90, 66),
    "vines": (104, 132, 62),
    "maize": (86, 138, 52),
    "rapeseed": (232, 208, 44),
    "wheat": (212, 186, 98),
}
_SNOW: Colour = (232, 236, 242)


def side_offset(plan: ScenePlan, ahead_m: float) -> float:
    """Metres that the middle of the road has moved to the right at a distance ahead."""
    return plan.bend_per_m * ahead_m * ahead_m / 2


@lru_cache(maxsize=4)
def grass_colour(plan: ScenePlan) -> Colour:
    """Colour of the verges of a scene."""
    cover = _COVERS[plan.biome]
    dryness = plan.draws("grass").uniform(0.0, 0.8) + {"autumn": 0.25, "winter": 0.45}.get(plan.season, 0.0)
    return mix(mix(cover.green, cover.dry, min(1.0, dryness)), _SNOW, 0.9 if plan.snow else 0.0)


@lru_cache(maxsize=4)
def soil_colour(plan: ScenePlan) -> Colour:
    """Colour of bare earth."""
    return mix(SOILS[plan.soil], _SNOW, 0.75 if plan.snow else 0.0)


@lru_cache(maxsize=4)
def road_colour(plan: ScenePlan) -> Colour:
    """Colour of the road surface; a dirt road is made of the soil."""
    colour = soil_colour(plan) if plan.surface == "dirt" else SURFACES[plan.surface]
    return scale(mix(colour, _SNOW, 0.35 if plan.snow else 0.0), plan.draws("surface").uniform(0.9, 1.12))


def paint_earth(plan: ScenePlan, camera: Camera, light: Light) -> Image.Image:
    """Grass and soil below the horizon (width x rows below it), hazed towards the horizon."""
    rows, width, step = camera.height - camera.horizon, camera.width, 4
    depth = camera.focal * camera.above_ground / (np.arange(0, rows, step) + 2.0)
    across = (np.arange(0, width, step) - width / 2) / camera.focal
    draws = plan.draws("earth")
    east = (across[None, :] * depth[:, None] * 5 + draws.uniform(0, 512)).astype(np.int64) % textures.TILE
    ahead = (depth[:, None] * 3 + draws.uniform(0, 512)).astype(np.int64) % textures.TILE
    noise = textures.clouds()[ahead, east].astype(np.float64) / 255
    bare = min(0.95, _COVERS[plan.biome].bare + draws.uniform(-0.15, 0.15))
    soil = np.clip((noise - (1.0 - bare)) * 4 + 0.3 * bare, 0, 1)
    grass, earth = textures.plane(grass_colour(plan)), textures.plane(soil_colour(plan))
    lit = (grass + (earth - grass) * soil) * (0.9 + 0.2 * noise) * (textures.plane(light.tint) / 255)
    hazed = (depth / (depth + light.haze_km * 1000))[:, None]
    small = textures.to_image(lit + (textures.plane(light.haze) - lit) * hazed)
    return small.resize((width, rows), Image.Resampling.BILINEAR)


def add_grain(earth: Image.Image, shadows: Image.Image | None, *, depth: float, focal: float) -> Image.Image:
    """The ground with the texture of grass, gravel and asphalt, and with shadows.

    Args:
        earth: what is below the horizon, road included.
        shadows: from `shadow_mask`; None under an overcast sky.
        depth: share of light that a shadow takes away, 0 to 1.
        focal: of the camera, px.
    """
    grain = textures.ground(earth.width, round(focal)).crop((0, 0, earth.width, earth.height))
    # The grain is below 255 throughout, so that it can brighten as well as darken.
    brighter = [min(255, level * 255 // textures.GROUND_LEVEL) for level in range(256)]
    if shadows is not None:
        lit = shadows.point([255 - round(level * depth) for level in range(256)])
        grain = ImageChops.multiply(grain, lit)
    return ImageChops.multiply(earth.point(brighter * 3), Image.merge("RGB", (grain, grain, grain)))


def paint_fields(plan: ScenePlan, canvas: Canvas) -> None:
    """Parcels of crops on both sides of a country road."""
    crops = _COVERS[plan.biome].crops
    draws = plan.draws("fields")
    if plan.setting != "country" or not crops or plan.snow:
        return
    for side in (-1, 1):
        start = draws.uniform(9, 16)
        while start < 200 and draws.chance(0.75):
            end = start * draws.uniform(1.5, 2.6)
            if draws.chance(0.62):
                near, far = plan.road_width_m / 2 + draws.uniform(4, 9), draws.uniform(60, 160)
                _paint_field(plan, canvas, draws.pick(crops), _Parcel(side, near, far, start, end))
            start = end + draws.uniform(1, 12)


@dataclass(frozen=True)
class _Parcel:
    side: int
    near: float
    far: float
    start: float
    end: float


def _paint_field(plan: ScenePlan, canvas: Canvas, crop: str, parcel: _Parcel) -> None:
    colour = canvas.light.tinted(soil_colour(plan) if crop == "ploughed" else _CROPS[crop])
    if crop == "ploughed":
        colour = scale(colour, 0.8)
    corners = [
        (parcel.near, parcel.start),
        (parcel.far, parcel.start),
        (parcel.far, parcel.end),
        (parcel.near, parcel.end),
    ]
    canvas.polygon([(x * parcel.side + side_offset(plan, z), 0.0, z) for x, z in corners], colour)
    furrow = scale(colour, 0.84)
    for number in range(14):
        x = (parcel.near + number * number * 0.22 + number * 0.9) * parcel.side
        if abs(x) > parcel.far:
            break
        ends = [(x + side_offset(plan, z), 0.0, z) for z in (parcel.start, parcel.end)]
        canvas.line(ends, furrow, 0.3)


def strip(
    plan: ScenePlan, left: float, right: float, *, start: float = 0.4, end: float = FAR_M
) -> list[Point]:
    """Outline of a band along the road between two offsets from its middle."""
    stations = [start, *(z for z in _STATIONS_M if start < z < end), end]
    outline = [(left + side_offset(plan, z), 0.0, z) for z in stations]
    return outline + [(right + side_offset(plan, z), 0.0, z) for z in reversed(stations)]


def paint_road(plan: ScenePlan, canvas: Canvas) -> None:
    """The road with its shoulders or pavements, and the lines on it."""
    half, light = plan.road_width_m / 2, canvas.light
    draws = plan.draws("road")
    if plan.setting == "country":
        verge = mix(soil_colour(plan), grass_colour(plan), draws.uniform(0.1, 0.7))
        canvas.polygon(strip(plan, -half - 1.3, half + 1.3), light.tinted(verge))
    else:
        _paint_pavements(plan, canvas, draws)
    tarmac = light.tinted(road_colour(plan))
    canvas.polygon(strip(plan, -half, half), tarmac)
    for lane in (-0.5, 0.5):  # wheels polish two tracks in each lane
        for track in (-0.75, 0.75):
            x = lane * half + track
            canvas.polygon(
                strip(plan, x - 0.22, x + 0.22), scale(tarmac, 0.94 if plan.surface != "dirt" else 1.08)
            )
    if plan.surface == "dirt":
        canvas.polygon(strip(plan, -0.3, 0.3), mix(tarmac, light.tinted(grass_colour(plan)), 0.4))
        return
    _paint_patches(plan, canvas, draws, tarmac)
    _paint_line(plan, canvas, plan.centre_line, 0.0)
    for side in (-1, 1):
        _paint_line(plan, canvas, plan.edge_line, side * (half - 0.3))


def _paint_pavements(plan: ScenePlan, canvas: Canvas, draws: Draws) -> None:
    half, light = plan.road_width_m / 2, canvas.light
    width = 2.9 if plan.setting == "street" else draws.uniform(1.4, 2.6)
    paving = draws.pick(((170, 166, 158), (186, 180, 168), (158, 140, 126), (148, 146, 142)))
    if plan.surface == "dirt" or (plan.setting == "suburb" and draws.chance(0.35)):
        paving = mix(soil_colour(plan), grass_colour(plan), 0.35)
    for side in (-1, 1):
        inner, outer = side * half, side * (half + width)
        canvas.polygon(strip(plan, inner, outer), light.tinted(paving))
        canvas.polygon(strip(plan, inner, inner + side * 0.22), light.tinted(scale(paving, 1.14)))


def _paint_patches(plan: ScenePlan, canvas: Canvas, draws: Draws, tarmac: Colour) -> None:
    """Repairs in the asphalt."""
    half = plan.road_width_m / 2
    for _ in range(draws.index(5)):
        z, x = draws.uniform(4, 45), draws.uniform(-half + 0.6, half - 1.4)
        outline = strip(plan, x, x + draws.uniform(0.5, 1.6), start=z, end=z + draws.uniform(1, 7))
        canvas.polygon(outline, scale(tarmac, draws.pick((0.84, 0.9, 1.08))))


def _paint_line(plan: ScenePlan, canvas: Canvas, style: str, x: float) -> None:
    if style == "none":
        return
    colour_name, pattern = style.split("_")
    worn = plan.draws(f"paint {x:.2f}").uniform(0.0, 0.4)
    colour = canvas.light.tinted(mix(PAINTS[colour_name], road_colour(plan), worn))
    half = _LINE_M / 2
    if pattern == "dashed":
        z = 1.0 + plan.draws("dashes").uniform(0, 4)
        while z < 110:
            canvas.polygon(strip(plan, x - half, x + half, start=z, end=z + 3.0), colour)
            z += 7.5
        return
    for middle in (x,) if pattern == "solid" else (x - 0.17, x + 0.17):
        canvas.polygon(strip(plan, middle - half, middle + half), colour)


def shadow_mask(camera: Camera, outlines: Sequence[Sequence[Point]]) -> Image.Image:
    """Where ground outlines lie in shade: 255 inside, soft at the rims, (width x rows below the horizon)."""
    rows = camera.height - camera.horizon
    mask = Image.new("L", (camera.width // 2, -(-rows // 2)))
    draw = ImageDraw.Draw(mask)
    for outline in outlines:
        pixels = camera.pixels(outline, zoom=0.5)
        if len(pixels) > 2:
            draw.polygon([(x, y - camera.horizon // 2) for x, y in pixels], fill=255)
    return mask.filter(ImageFilter.BoxBlur(1)).resize((camera.width, rows), Image.Resampling.BILINEAR)
