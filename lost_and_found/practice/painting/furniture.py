"""Poles with wires, bollards, signs, fences: what stands beside the road."""

from __future__ import annotations

from dataclasses import dataclass

from lost_and_found.practice.draws import Draws
from lost_and_found.practice.painting.canvas import Canvas, Point
from lost_and_found.practice.painting.colours import PAINTS, Colour, mix, scale
from lost_and_found.practice.painting.ground import side_offset
from lost_and_found.practice.plan import ScenePlan

_WOOD: Colour = (112, 88, 66)
_CONCRETE: Colour = (178, 174, 166)
_STEEL: Colour = (150, 154, 158)
_WIRE: Colour = (44, 46, 50)
_POLE_M = 8.4


def upright(
    canvas: Canvas, at: tuple[float, float], low: float, high: float, width: float, colour: Colour
) -> None:
    """A post that faces the camera, between two heights at (x, z)."""
    x, z, half = at[0], at[1], width / 2
    canvas.pane((x - half, low), (x + half, high), z, colour)


def paint_pole(
    plan: ScenePlan, canvas: Canvas, at: tuple[float, float], draws: Draws, *, lamp_side: int
) -> None:
    """A utility pole with its cross-arm; a lamp over the road when `lamp_side` is not 0."""
    kind, light = plan.pole, canvas.light
    side_light = 0.9 + 0.2 * light.direct * (1 if light.towards_sun[2] < 0 else -0.5)
    material = {"wood": _WOOD, "metal": _STEEL, "lattice": _STEEL}.get(kind, _CONCRETE)
    colour = light.tinted(scale(material, side_light))
    width = {"wood": 0.28, "metal": 0.18, "lattice": 0.62, "concrete_holey": 0.5}.get(kind, 0.32)
    if kind in ("lattice", "concrete_holey"):
        _ladder(canvas, at, width, colour, steps=9 if kind == "concrete_holey" else 6)
    else:
        upright(canvas, at, 0, _POLE_M, width, colour)
        upright(canvas, (at[0] + width * 0.3, at[1]), 0, _POLE_M, width * 0.36, scale(colour, 0.8))
    if kind == "concrete_striped":
        for step in range(6):
            paint = PAINTS["yellow"] if step % 2 else PAINTS["black"]
            upright(canvas, at, 0.3 + step * 0.28, 0.58 + step * 0.28, width * 1.08, light.tinted(paint))
    arm = scale(colour, 0.78)
    upright(canvas, at, _POLE_M - 0.75, _POLE_M - 0.6, 1.9, arm)
    for x in (-0.85, 0.0, 0.85):
        upright(canvas, (at[0] + x, at[1]), _POLE_M - 0.6, _POLE_M - 0.35, 0.1, light.tinted((120, 130, 130)))
    if kind in ("concrete_striped", "concrete_round", "wood") and draws.chance(0.25):
        upright(
            canvas, (at[0] + 0.32, at[1]), _POLE_M - 2.4, _POLE_M - 1.3, 0.55, light.tinted((150, 156, 156))
        )
    if lamp_side:
        reach = at[0] + lamp_side * 1.7
        canvas.line([(at[0], _POLE_M - 1.6, at[1]), (reach, _POLE_M - 1.1, at[1])], scale(colour, 0.9), 0.08)
        upright(canvas, (reach, at[1]), _POLE_M - 1.22, _POLE_M - 1.08, 0.6, light.tinted((214, 214, 206)))


def _ladder(canvas: Canvas, at: tuple[float, float], width: float, colour: Colour, *, steps: int) -> None:
    """Two uprights with rungs, open in between."""
    for x in (-width / 2, width / 2):
        upright(canvas, (at[0] + x, at[1]), 0, _POLE_M, width * 0.3, colour)
    for step in range(steps + 1):
        low = _POLE_M * step / steps
        upright(canvas, at, low - 0.22, low + 0.22 if step < steps else low, width, scale(colour, 0.92))


def paint_wires(canvas: Canvas, feet: list[tuple[float, float]]) -> None:
    """Sagging wires from pole to pole, far ones first."""
    for (x0, z0), (x1, z1) in zip(feet[1:], feet, strict=False):
        for across, height in ((-0.85, 0.0), (0.0, 0.0), (0.85, 0.0), (0.1, -1.5)):
            points: list[Point] = []
            for step in range(9):
                share = step / 8
                sag = 4 * share * (1 - share) * 0.7
                x, z = x0 + (x1 - x0) * share, z0 + (z1 - z0) * share
                points.append((x + across, _POLE_M - 0.35 + height - sag, z))
            canvas.line(points, _WIRE, 0.025)


def paint_bollard(plan: ScenePlan, canvas: Canvas, at: tuple[float, float]) -> None:
    """A delineator post."""
    kind, light = plan.bollard, canvas.light
    reflector = light.tinted(PAINTS[plan.facts.reflector])
    if kind.startswith("striped"):
        dark = PAINTS["black"] if kind == "striped_black" else PAINTS["red"]
        for step in range(5):
            paint = dark if step % 2 else PAINTS["white"]
            upright(canvas, at, step * 0.22, step * 0.22 + 0.22, 0.24, light.tinted(paint))
        return
    body = {"slim_yellow": PAINTS["yellow"], "flat_grey_band": (226, 226, 222)}.get(kind, PAINTS["white"])
    width = {"round_white": 0.22, "wedge_black": 0.19, "wedge_cap": 0.19}.get(kind, 0.15)
    upright(canvas, at, 0, 1.05, width, light.tinted(body))
    if kind.startswith("wedge"):
        x, z, half = at[0], at[1], width / 2
        band = [(x - half, 0.62, z), (x + half, 0.7, z), (x + half, 0.98, z), (x - half, 0.9, z)]
        canvas.polygon(band, light.tinted(PAINTS["black"]))
        if kind == "wedge_cap":
            upright(canvas, at, 0.98, 1.08, width, light.tinted((150, 34, 34)))
    if kind == "flat_grey_band":
        upright(canvas, at, 0.7, 0.98, width, light.tinted((90, 92, 96)))
    if kind == "round_white":
        upright(canvas, at, 0.74, 0.94, width, reflector)
        return
    upright(canvas, at, 0.74, 0.9, width * (1.0 if kind == "flat_red_band" else 0.55), reflector)


def paint_sign(plan: ScenePlan, canvas: Canvas, at: tuple[float, float], draws: Draws) -> None:
    """A warning, speed or direction sign on a post, facing the camera."""
    kind = draws.pick(("warning", "warning", "speed", "direction", "direction"))
    post = canvas.light.tinted(_WOOD if plan.facts.code in ("US", "CA", "IS") else _STEEL)
    if kind == "direction":
        _direction_sign(plan, canvas, at, draws, post)
        return
    upright(canvas, at, 0, 2.7, 0.09, post)
    if kind == "warning":
        _warning_sign(canvas, at, draws.pick(plan.facts.warning_sign))
    else:
        _speed_sign(canvas, at, draws.pick(plan.facts.speed_sign))


def _warning_sign(canvas: Canvas, at: tuple[float, float], style: str) -> None:
    (x, z), light, y = at, canvas.light, 2.5
    black = light.tinted(PAINTS["black"])
    if style == "yellow_diamond":
        for half, colour in ((0.62, black), (0.57, light.tinted((248, 196, 24)))):
            canvas.polygon([(x - half, y, z), (x, y - half, z), (x + half, y, z), (x, y + half, z)], colour)
    else:
        field = PAINTS["yellow"] if style.endswith("yellow") else PAINTS["white"]
        for half, low, colour in ((0.6, 0.42, PAINTS["red"]), (0.4, 0.3, field)):
            canvas.polygon(
                [(x - half, y - low, z), (x + half, y - low, z), (x, y + half * 1.05, z)],
                light.tinted(colour),
            )
    upright(canvas, at, y - 0.22, y + 0.12, 0.1, black)


def _speed_sign(canvas: Canvas, at: tuple[float, float], style: str) -> None:
    light, y = canvas.light, 2.45
    if style == "white_rectangle":
        upright(canvas, at, y - 0.46, y + 0.46, 0.74, light.tinted(PAINTS["black"]))
        upright(canvas, at, y - 0.42, y + 0.42, 0.66, light.tinted(PAINTS["white"]))
        upright(canvas, at, y - 0.3, y + 0.06, 0.34, light.tinted((60, 60, 60)))
        return
    anchor = canvas.anchor((at[0], y, at[1]))
    if anchor is None:
        return
    u, v, px = anchor
    field = PAINTS["yellow"] if style.endswith("yellow") else PAINTS["white"]
    for radius, colour in ((0.42, PAINTS["red"]), (0.3, field)):
        box = (round(u - radius * px), round(v - radius * px), round(u + radius * px), round(v + radius * px))
        canvas.draw.ellipse(box, fill=light.at(light.tinted(colour), at[1]))
    upright(canvas, at, y - 0.13, y + 0.13, 0.3, light.tinted((40, 40, 40)))


def _direction_sign(
    plan: ScenePlan, canvas: Canvas, at: tuple[float, float], draws: Draws, post: Colour
) -> None:
    name = draws.pick_first_likely(plan.facts.direction_sign)
    paint = canvas.light.tinted(PAINTS[name])
    text = canvas.light.tinted(PAINTS["black"] if name in ("white", "yellow") else PAINTS["white"])
    width, (x, z) = draws.uniform(1.5, 2.4), at
    for foot in (-width * 0.35, width * 0.35):
        upright(canvas, (x + foot, z), 0, 2.0, 0.1, post)
    for row in range(1 + draws.index(2)):
        low = 1.9 + row * 0.68
        tip = width / 2 + 0.35
        outline = [
            (x - width / 2, low, z),
            (x + width / 2, low, z),
            (x + tip, low + 0.3, z),
            (x + width / 2, low + 0.6, z),
        ]
        canvas.polygon([*outline, (x - width / 2, low + 0.6, z)], text)
        inner = [
            (x - width / 2 + 0.05, low + 0.05, z),
            (x + width / 2 - 0.03, low + 0.05, z),
            (x + tip - 0.09, low + 0.3, z),
        ]
        canvas.polygon(
            [*inner, (x + width / 2 - 0.03, low + 0.55, z), (x - width / 2 + 0.05, low + 0.55, z)], paint
        )
        for word in range(2):
            left = x - width * 0.4 + word * width * 0.45
            right = left + width * draws.uniform(0.2, 0.38)
            canvas.pane((left, low + 0.2), (right, low + 0.4), z, text)


@dataclass(frozen=True)
class Fence:
    """A garden wall, hedge, picket, wooden or wire fence.

    Attributes:
        side: 1 right of the road, -1 left.
        away_m: from the middle of the road.
        height_m: above the ground.
        style: `wall`, `hedge`, `picket`, `wood` or `wire`.
        colour: before light.
    """

    side: int
    away_m: float
    height_m: float
    style: str
    colour: Colour


def draw_fence(plan: ScenePlan, draws: Draws, side: int) -> Fence:
    """A fence that suits the place."""
    style = _fence_style(plan, draws)
    away_m = plan.road_width_m / 2 + draws.uniform(2.8, 3.6)
    if style == "wall":
        colour = draws.pick(((206, 196, 178), (176, 166, 150), (190, 120, 90), (224, 220, 210)))
        return Fence(side, away_m, draws.uniform(0.9, 1.9), style, colour)
    if style == "hedge":
        colour = mix((62, 104, 48), (232, 236, 240), 0.5 if plan.snow else 0.0)
        return Fence(side, away_m, draws.uniform(0.9, 1.8), style, colour)
    colours: dict[str, Colour] = {"picket": (232, 230, 224), "wood": (128, 100, 74), "wire": (142, 130, 116)}
    return Fence(side, away_m, 1.1, style, colours[style])


def paint_fence(plan: ScenePlan, canvas: Canvas, fence: Fence, ends: tuple[float, float]) -> None:
    """A panel of a fence between two distances ahead."""
    x0, x1 = (fence.side * fence.away_m + side_offset(plan, z) for z in ends)
    z0, z1 = ends
    light, height = canvas.light, fence.height_m
    if fence.style in ("wall", "hedge"):
        out = fence.side * 0.3
        face, top = (
            light.on(fence.colour, (-fence.side, 0, 0)),
            light.on(scale(fence.colour, 1.06), (0, 1, 0)),
        )
        end = light.on(fence.colour, (0, 0, -1))
        canvas.polygon(
            [(x0, height, z0), (x1, height, z1), (x1 + out, height, z1), (x0 + out, height, z0)], top
        )
        canvas.pane((x0, 0), (x0 + out, height), z0, end)
        canvas.polygon([(x0, 0, z0), (x1, 0, z1), (x1, height, z1), (x0, height, z0)], face)
        return
    colour = light.tinted(fence.colour)
    for rail in (0.45, 0.9):
        canvas.line([(x0, rail, z0), (x1, rail, z1)], colour, 0.03 if fence.style == "wire" else 0.1)
    posts = 1 if fence.style == "wire" else 3
    for post in range(posts):
        at = (x0 + (x1 - x0) * post / posts, z0 + (z1 - z0) * post / posts)
        upright(canvas, at, 0, height, 0.2 if fence.style == "picket" else 0.12, colour)


def _fence_style(plan: ScenePlan, draws: Draws) -> str:
    if plan.setting == "country":
        return "wire" if draws.chance(0.7) else "wood"
    code = plan.facts.code
    if code in ("GB", "IE", "NL", "BE", "FR", "DK"):
        return draws.pick(("hedge", "hedge", "wall", "wood"))
    if plan.biome in ("tropical", "savanna", "desert", "steppe", "mediterranean", "highland"):
        return draws.pick(("wall", "wall", "wall", "wire"))
    return draws.pick(("picket", "wood", "hedge", "wall"))
