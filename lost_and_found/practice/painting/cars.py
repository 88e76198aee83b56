"""Cars with number plates, and what the survey car shows of itself."""

from __future__ import annotations

from dataclasses import dataclass

from lost_and_found.practice.draws import Draws
from lost_and_found.practice.painting.canvas import SUPERSAMPLING, Canvas, Point
from lost_and_found.practice.painting.colours import PAINTS, Colour, mix, scale
from lost_and_found.practice.plan import ScenePlan

_BODIES: tuple[Colour, ...] = (
    (232, 232, 230),
    (222, 222, 222),
    (176, 180, 184),
    (120, 124, 130),
    (44, 46, 52),
    (34, 36, 40),
    (160, 32, 34),
    (34, 66, 126),
    (92, 100, 84),
)
_GLASS: Colour = (52, 64, 76)
_TYRE: Colour = (28, 28, 30)
# Plates are drawn half as large again as real ones, which would vanish in a picture 320 pixels wide.
_PLATES_M = {"long": (0.76, 0.19), "short": (0.5, 0.26)}


@dataclass(frozen=True)
class Car:
    """A car on the road or at the kerb.

    Attributes:
        x: middle, metres right of the middle of the road.
        z: end that faces the camera, metres ahead.
        shows_front: whether it comes towards the camera.
    """

    x: float
    z: float
    shows_front: bool

    @property
    def footprint(self) -> list[tuple[float, float]]:
        """Corners on the ground, (x, z)."""
        return [
            (self.x - 0.9, self.z),
            (self.x + 0.9, self.z),
            (self.x + 0.9, self.z + 4.2),
            (self.x - 0.9, self.z + 4.2),
        ]


@dataclass(frozen=True)
class _Body:
    """Measures of a car in metres from the ground and from its near end, and its colour."""

    left: float
    right: float
    near: float
    far: float
    waist: float
    top: float
    hood: float
    trunk: float
    colour: Colour


def paint_car(plan: ScenePlan, canvas: Canvas, car: Car, draws: Draws) -> None:
    """Paint a car as a lower body, a glazed cabin, lights, wheels and a plate."""
    body = _draw_body(car, draws)
    light = canvas.light
    seen_right = canvas.camera.x > car.x
    side_x = body.right if seen_right else body.left
    outline = [(body.left, body.near), (body.right, body.near), (body.right, body.far), (body.left, body.far)]
    canvas.polygon([(x, 0.02, z) for x, z in outline], (34, 34, 36))
    flank = [(0.28, body.near), (0.28, body.far), (body.waist, body.far), (body.waist, body.near)]
    side = light.on(body.colour, (1.0 if seen_right else -1.0, 0, 0))
    canvas.polygon([(side_x, y, z) for y, z in flank], side)
    for wheel in (body.near + 0.75, body.far - 0.8):
        rim = [(0.0, -0.2), (0.0, 0.2), (0.2, 0.36), (0.46, 0.36), (0.64, 0.18)]
        rim += [(0.64, -0.18), (0.46, -0.36), (0.2, -0.36)]
        canvas.polygon([(side_x, y, wheel + z) for y, z in rim], _TYRE)
        canvas.polygon([(side_x, 0.16 + y * 0.5, wheel + z * 0.5) for y, z in rim], (150, 152, 156))
    for left in (body.left, body.right - 0.24):
        canvas.pane((left, 0.0), (left + 0.24, 0.34), body.near, _TYRE)
    _cabin(canvas, car, body)
    face = light.on(body.colour, (0, 0, -1))
    canvas.pane((body.left, 0.26), (body.right, body.waist), body.near, face)
    canvas.pane((body.left, 0.26), (body.right, 0.44), body.near, scale(face, 0.86))
    _lights(canvas, car, (body.right - body.left) / 2)
    _plate(plan, canvas, car, draws)


def _draw_body(car: Car, draws: Draws) -> _Body:
    colour = draws.pick(_BODIES)
    kind = draws.pick(("hatchback", "hatchback", "saloon", "tall"))
    width, waist, top, length = (0.95, 1.08, 1.85, 4.5) if kind == "tall" else (0.88, 0.92, 1.48, 4.2)
    boot = 0.8 if kind == "saloon" else 0.12
    hood, trunk = (1.15, boot) if car.shows_front else (boot, 1.2)
    return _Body(car.x - width, car.x + width, car.z, car.z + length, waist, top, hood, trunk, colour)


def _cabin(canvas: Canvas, car: Car, body: _Body) -> None:
    light, waist, top = canvas.light, body.waist, body.top
    start, end, slope = body.near + body.hood, body.far - body.trunk, 0.55
    inner = (body.right - body.left) * 0.4
    above = light.on(body.colour, (0, 1, 0))
    bonnet = [(body.left, body.near), (body.right, body.near), (body.right, start), (body.left, start)]
    canvas.polygon([(x, waist, z) for x, z in bonnet], above)
    roof = [(-inner, start + slope), (inner, start + slope), (inner, end - 0.3), (-inner, end - 0.3)]
    canvas.polygon([(car.x + x, top, z) for x, z in roof], above)
    glass = light.tinted(mix(_GLASS, light.haze, 0.25))
    sign = 1.0 if canvas.camera.x > car.x else -1.0
    low_x, high_x = (body.right if sign > 0 else body.left), car.x + sign * inner
    windows = [
        (low_x, waist, start),
        (low_x, waist, end),
        (high_x, top, end - 0.3),
        (high_x, top, start + slope),
    ]
    canvas.polygon(windows, scale(glass, 0.85))

    def screen(inset: float) -> list[Point]:
        """The windscreen, smaller by a frame."""
        z0, z1 = start + inset * 0.4, start + slope - inset * 0.6
        low = [(body.left + inset, waist + inset * 0.4, z0), (body.right - inset, waist + inset * 0.4, z0)]
        high = [
            (car.x + inner - inset * 0.7, top - inset * 0.6, z1),
            (car.x - inner + inset * 0.7, top - inset * 0.6, z1),
        ]
        return low + high

    canvas.polygon(screen(0.0), light.on(body.colour, (0, 0.4, -0.9)))
    canvas.polygon(screen(0.12), glass)


def _lights(canvas: Canvas, car: Car, width: float) -> None:
    colour: Colour = (250, 248, 232) if car.shows_front else (196, 28, 30)
    for middle in (car.x - width + 0.2, car.x + width - 0.2):
        canvas.pane((middle - 0.17, 0.66), (middle + 0.17, 0.83), car.z, colour)
    if car.shows_front:
        grille = [
            (car.x - 0.4, 0.6, car.z),
            (car.x + 0.4, 0.6, car.z),
            (car.x + 0.36, 0.78, car.z),
            (car.x - 0.36, 0.78, car.z),
        ]
        canvas.polygon(grille, (40, 42, 46))


def _plate(plan: ScenePlan, canvas: Canvas, car: Car, draws: Draws) -> None:
    facts, light = plan.facts, canvas.light
    name = draws.pick(facts.plate_front if car.shows_front else facts.plate_rear)
    across, height = _PLATES_M[facts.plate_shape]
    middle = 0.48 if car.shows_front else 0.55

    def block(left: float, right: float, low: float, high: float, colour: Colour) -> None:
        """A part of the plate in shares of its size."""
        x0, x1 = car.x - across / 2 + across * left, car.x - across / 2 + across * right
        y0, y1 = middle - height / 2 + height * low, middle - height / 2 + height * high
        canvas.pane((x0, y0), (x1, y1), car.z, light.tinted(colour))

    block(-0.04, 1.04, -0.12, 1.12, (50, 50, 52))
    block(0, 1, 0, 1, PAINTS[name])
    ink = PAINTS["white"] if name in ("black", "red") else (60, 60, 66)
    for letter in range(6 if car.z < 25 else 0):
        left = 0.16 + letter * 0.115
        block(left, left + 0.07, 0.25, 0.75, ink)
    bands: dict[str, tuple[tuple[float, float, float, float, str], ...]] = {
        "eu": ((0, 0.12, 0, 1, "blue"),),
        "norway": ((0, 0.1, 0, 1, "blue"),),
        "eu_both": ((0, 0.11, 0, 1, "blue"), (0.89, 1, 0, 1, "blue")),
        "eu_yellow_right": ((0, 0.11, 0, 1, "blue"), (0.89, 1, 0, 1, "yellow")),
        "ukraine": ((0, 0.11, 0.5, 1, "blue"), (0, 0.11, 0, 0.5, "yellow")),
        "mercosur": ((0, 1, 0.76, 1, "blue"),) if name == "white" else (),
        "region_box": ((0.8, 0.82, 0, 1, "black"),),
    }
    for left, right, low, high, paint in bands.get(facts.plate_band, ()):
        block(left, right, low, high, PAINTS[paint])


def paint_survey_car(plan: ScenePlan, canvas: Canvas) -> None:
    """What the street-view car shows of itself at the edges of the picture."""
    kind = plan.facts.survey_car
    if kind == "none" or not plan.draws("survey car").chance(0.6):
        return
    width, height = canvas.camera.width * SUPERSAMPLING, canvas.camera.height * SUPERSAMPLING
    draw, unit = canvas.draw, width / 100
    dark, metal = (26, 27, 30), (148, 152, 156)

    def box(left: float, top: float, right: float, bottom: float, colour: Colour) -> None:
        """A rounded bar in hundredths of the width, rows counted from the bottom."""
        corners = (
            round(left * unit),
            round(height - top * unit),
            round(right * unit),
            round(height - bottom * unit),
        )
        draw.rounded_rectangle(corners, radius=round(unit * 0.7), fill=colour)

    if kind == "snorkel":
        box(84, 13, 86.4, -2, dark)
        box(83.4, 15.5, 87.2, 12, dark)
    elif kind in ("bars", "black_tape"):
        box(18, 4.2, 82, 2.6, metal)
        for x in (24, 74):
            box(x, 4.2, x + 2, -2, metal)
        if kind == "black_tape":
            box(66, 4.8, 71, 2.0, dark)
    elif kind == "mirrors":
        for x in (14, 82):
            box(x, 6.5, x + 5, 2.5, dark)
    elif kind == "pickup_bed":
        box(30, 5, 70, -2, (222, 222, 220))
        box(33, 3.2, 67, -2, (60, 62, 66))
    elif kind == "camping_gear":
        for number, colour in enumerate(((62, 78, 58), (122, 104, 70), (58, 66, 84), (104, 62, 54))):
            box(32 + number * 9, 2.6 + number % 2, 42 + number * 9, -2, colour)
            box(36 + number * 9, 2.9 + number % 2, 37 + number * 9, -2, dark)
    elif kind == "escort":
        box(38, 2.6, 62, -2, (216, 218, 220))
