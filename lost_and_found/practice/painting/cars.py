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
# Plates are drawn a half larger than they are: at 320 pixels across a true one would vanish.
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
        return [(self.x - 0.9, self.z), (self.x + 0.9, self.z), (self.x + 0.9, self.z + 4.2), (self.x - 0.9, self.z + 4.2)]


def paint_car(plan: ScenePlan, canvas: Canvas, car: Car, draws: Draws) -> None:
    """Paint a car as a lower body, a glazed cabin, lights, wheels and a plate."""
    light = canvas.light
    body = draws.pick(_BODIES)
    kind = draws.pick(("hatchback", "saloon", "tall", "pickup" if plan.biome in ("savanna", "steppe", "desert") else "hatchback"))
    width, waist, top, length = (0.88, 0.92, 1.48, 4.2) if kind != "tall" else (0.95, 1.08, 1.85, 4.5)
    left, right, near, far = car.x - width, car.x + width, car.z, car.z + length
    side_x = right if canvas.camera.x > car.x else left
    facing = 1.0 if side_x == right else -1.0
    side = light.on(body, (facing, 0, 0))
    front = light.on(body, (0, 0, -1))
    tyre: Colour = (28, 28, 30)
    canvas.polygon([(left, 0.02, near), (right, 0.02, near), (right, 0.02, far), (left, 0.02, far)], (34, 34, 36))
    canvas.polygon([(side_x, 0.28, near), (side_x, 0.28, far), (side_x, waist, far), (side_x, waist, near)], side)
    for wheel in (near + 0.75, far - 0.8):
        corners: list[Point] = [(side_x, 0.0, wheel - 0.3), (side_x, 0.0, wheel + 0.3), (side_x, 0.48, wheel + 0.36)]
        canvas.polygon([*corners, (side_x, 0.62, wheel), (side_x, 0.48, wheel - 0.36)], tyre)
    for wheel_x in (left, right - 0.24):
        canvas.polygon([(wheel_x, 0.0, near), (wheel_x + 0.24, 0.0, near), (wheel_x + 0.24, 0.34, near), (wheel_x, 0.34, near)], tyre)
    _cabin(canvas, car, (kind, width, waist, top, length), body)
    canvas.polygon([(left, 0.26, near), (right, 0.26, near), (right, waist, near), (left, waist, near)], front)
    bumper = scale(front, 0.86)
    canvas.polygon([(left, 0.26, near), (right, 0.26, near), (right, 0.44, near), (left, 0.44, near)], bumper)
    _lights(canvas, car, width)
    _plate(plan, canvas, car, draws)


def _cabin(canvas: Canvas, car: Car, measures: tuple[str, float, float, float, float], body: Colour) -> None:
    kind, width, waist, top, length = measures
    light = canvas.light
    hood = 1.15 if car.shows_front else {"saloon": 0.8, "pickup": 1.6}.get(kind, 0.12)
    rear = 0.25 if car.shows_front else 1.2
    left, right = car.x - width, car.x + width
    z0, z1, slope = car.z + hood, car.z + length - rear, 0.55
    inner = width * 0.8
    canvas.polygon([(left, waist, car.z), (right, waist, car.z), (right, waist, z0), (left, waist, z0)], light.on(body, (0, 1, 0)))
    roof = [(car.x - inner, top, z0 + slope), (car.x + inner, top, z0 + slope), (car.x + inner, top, z1 - 0.3), (car.x - inner, top, z1 - 0.3)]
    canvas.polygon(roof, light.on(body, (0, 1, 0)))
    glass = light.tinted(mix(_GLASS, light.haze, 0.25))
    sign = 1.0 if canvas.camera.x > car.x else -1.0
    bottom_x, top_x = car.x + sign * width, car.x + sign * inner
    canvas.polygon([(bottom_x, waist, z0), (bottom_x, waist, z1), (top_x, top, z1 - 0.3), (top_x, top, z0 + slope)], scale(glass, 0.85))
    canvas.polygon([(left, waist, z0), (right, waist, z0), (car.x + inner, top, z0 + slope), (car.x - inner, top, z0 + slope)], light.on(body, (0, 0.4, -0.9)))
    canvas.polygon(
        [
            (left + 0.12, waist + 0.04, z0 + 0.04),
            (right - 0.12, waist + 0.04, z0 + 0.04),
            (car.x + inner - 0.08, top - 0.07, z0 + slope - 0.06),
            (car.x - inner + 0.08, top - 0.07, z0 + slope - 0.06),
        ],
        glass,
    )


def _lights(canvas: Canvas, car: Car, width: float) -> None:
    colour: Colour = (250, 248, 232) if car.shows_front else (196, 28, 30)
    for middle in (car.x - width + 0.2, car.x + width - 0.2):
        corners = [(middle - 0.17, 0.66, car.z), (middle + 0.17, 0.66, car.z), (middle + 0.17, 0.83, car.z)]
        canvas.polygon([*corners, (middle - 0.17, 0.83, car.z)], colour)
    if car.shows_front:
        grille = [(car.x - 0.4, 0.6, car.z), (car.x + 0.4, 0.6, car.z), (car.x + 0.36, 0.78, car.z), (car.x - 0.36, 0.78, car.z)]
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
        canvas.polygon([(x0, y0, car.z), (x1, y0, car.z), (x1, y1, car.z), (x0, y1, car.z)], light.tinted(colour))

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
        corners = (round(left * unit), round(height - top * unit), round(right * unit), round(height - bottom * unit))
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
