"""Street scenes: the picture that a street-view car would take at a place."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from PIL import Image, ImageChops

from lost_and_found.practice.painting import buildings, cars, furniture, ground, plants, sky, textures
from lost_and_found.practice.painting.canvas import SUPERSAMPLING, Camera, Canvas, Light, Point
from lost_and_found.practice.places import Place
from lost_and_found.practice.plan import ScenePlan, plan_scene

SIZE = (1280, 720)
FIELD_OF_VIEW_DEG = 84.0
FILMS = 3


def render(place: Place, *, heading_deg: float, seed: int, size: tuple[int, int] = SIZE) -> Image.Image:
    """The scene at a place as an RGB picture; same arguments, same pixels.

    Args:
        place: where; its country needs a row in the table of facts.
        heading_deg: direction of the road ahead, clockwise from north.
        seed: another seed is another day on another stretch of road.
        size: width and height in pixels, drawn at that size rather than scaled.

    Raises:
        InvalidConfig: the country has no row in the table of facts.
    """
    return paint(plan_scene(place, heading_deg=heading_deg, seed=seed), size=size)


def paint(plan: ScenePlan, *, size: tuple[int, int] = SIZE) -> Image.Image:
    """The picture of a plan."""
    camera, light = _camera(plan, size), sky.light_of(plan)
    things = _Things(plan)
    image = _backdrop(plan, camera, light, things)
    image = image.resize((size[0] * SUPERSAMPLING, size[1] * SUPERSAMPLING), Image.Resampling.NEAREST)
    canvas = Canvas(image, camera, light)
    sky.paint_hills(plan, canvas)
    things.paint(canvas)
    cars.paint_survey_car(plan, canvas)
    return _expose(plan, image.reduce(SUPERSAMPLING))


def _camera(plan: ScenePlan, size: tuple[int, int]) -> Camera:
    draws = plan.draws("camera")
    width, height = size
    lane = plan.road_width_m / 4 + draws.uniform(-0.25, 0.25)
    turn = math.radians(draws.uniform(-9, 9))
    return Camera(
        width=width,
        height=height,
        focal=width / 2 / math.tan(math.radians(FIELD_OF_VIEW_DEG / 2)),
        horizon=round(height * draws.uniform(0.46, 0.55)),
        x=lane if plan.keeps_right else -lane,
        above_ground=draws.uniform(2.2, 2.7),
        turn=(math.cos(turn), math.sin(turn)),
    )


def _backdrop(plan: ScenePlan, camera: Camera, light: Light, things: _Things) -> Image.Image:
    """Sky, hills, ground and road with their texture, at the size of the picture."""
    # The part below the horizon is drawn and averaged down on its own: the sky needs no second pass.
    earth = ground.paint_earth(plan, camera, light)
    earth = earth.resize(
        (earth.width * SUPERSAMPLING, earth.height * SUPERSAMPLING), Image.Resampling.NEAREST
    )
    canvas = Canvas(earth, replace(camera, horizon=0), light)
    ground.paint_fields(plan, canvas)
    ground.paint_road(plan, canvas)
    outlines = things.shadows(light) if plan.cloudiness < 0.8 else []
    shadows = ground.shadow_mask(camera, outlines) if outlines else None
    image = Image.new("RGB", (camera.width, camera.height))
    image.paste(sky.paint_sky(plan, camera), (0, 0))
    earth = ground.add_grain(
        earth.reduce(SUPERSAMPLING), shadows, depth=0.5 * light.direct, focal=camera.focal
    )
    image.paste(earth, (0, camera.horizon))
    return image


def _expose(plan: ScenePlan, image: Image.Image) -> Image.Image:
    """The picture as a camera stores it: exposure, contrast, film noise."""
    draws = plan.draws("exposure")
    gain, contrast = draws.uniform(0.86, 1.1), draws.uniform(0.88, 1.1)
    warmth = draws.uniform(-0.03, 0.03)
    table = []
    for channel_gain in (gain + warmth, gain, gain - warmth):
        table += [
            max(0, min(247, round((level * channel_gain - 128) * contrast + 124))) for level in range(256)
        ]
    film = textures.film(image.width, image.height, draws.index(FILMS))
    # The sum stays within 8 bits, so the fast addition, which wraps around on overflow, will do.
    return ImageChops.add_modulo(image.point(table), film)


_Painter = Callable[[Canvas], None]
_Shadow = Callable[[Point], list[Point]]  # its outline, for a direction towards the sun


class _Things:
    """Everything that stands on the ground, laid out along the road before it is painted."""

    def __init__(self, plan: ScenePlan) -> None:
        self.plan = plan
        # One stream for all, in the order of painting: one for each would take a tenth of the time.
        self._draws = plan.draws("things")
        self._painters: list[tuple[float, _Painter]] = []
        self._houses: list[buildings.House] = []
        self._shadows: list[_Shadow] = []
        for side in (-1, 1):
            self._lay_houses(side)
            self._lay_plants(side)
            self._lay_fences(side)
        self._lay_poles()
        self._lay_bollards_and_signs()
        self._lay_cars()

    def paint(self, canvas: Canvas) -> None:
        """Paint all things, far ones first."""
        for _, painter in sorted(self._painters, key=lambda entry: -entry[0]):
            painter(canvas)

    def shadows(self, light: Light) -> list[list[Point]]:
        """Ground outlines of the shadows."""
        return [shadow(light.towards_sun) for shadow in self._shadows]

    def _add(self, ahead_m: float, painter: _Painter, shadow: _Shadow | None = None) -> None:
        self._painters.append((ahead_m, painter))
        if shadow:
            self._shadows.append(shadow)

    def _lay_houses(self, side: int) -> None:
        plan = self.plan
        draws = plan.draws(f"houses {side}")
        half = plan.road_width_m / 2
        z = draws.uniform(2, 14) if plan.setting != "country" else draws.uniform(12, 160)
        if plan.setting == "country" and draws.chance(0.45):
            return
        while z < 170:
            row = plan.setting == "street"
            length = draws.uniform(6, 13) if row else draws.uniform(8, 15)
            storeys = 2 + draws.index(3) if row else 1 + draws.chance(0.4)
            setback = half + (2.4 + draws.uniform(0, 0.5) if row else draws.uniform(6.5, 12))
            if plan.setting == "country":
                setback += draws.uniform(2, 25)
            house = buildings.House(side, setback, z, length, draws.uniform(7, 10), storeys, row)
            self._houses.append(house)
            # What stands next to a house is nearer to the road, so it is painted after it.
            self._add(
                z + length,
                partial(buildings.paint_house, plan, house=house, draws=self._draws),
                partial(house.shadow, plan) if z < 60 else None,
            )
            gap = draws.uniform(0, 0.2) if row and draws.chance(0.85) else draws.uniform(4, 14)
            z += length + (gap if plan.setting != "country" else draws.uniform(25, 120))

    def _lay_plants(self, side: int) -> None:
        plan = self.plan
        draws = plan.draws(f"plants {side}")
        half = plan.road_width_m / 2
        wooded = {"tropical": 1.5, "boreal": 1.7, "continental": 1.1, "oceanic": 1.0, "subtropical": 1.1}
        sparse = {"desert": 0.3, "tundra": 0.15, "steppe": 0.35, "savanna": 0.7, "highland": 0.6}
        density = {**wooded, **sparse}.get(plan.biome, 0.8) * draws.uniform(0.3, 1.5)
        count = round({"street": 5, "suburb": 14, "country": 34}[plan.setting] * density)
        forest = plan.setting == "country" and plan.biome in wooded and draws.chance(0.4)
        lead = plants.pick_tree(plan, draws)
        for _ in range(count * (2 if forest else 1)):
            kind = lead if draws.chance(0.4) else plants.pick_tree(plan, draws)
            z = 5 + 150 * draws.uniform() ** (1.3 if not forest else 1.0)
            nearest = half + {"street": 1.6, "suburb": 3.0, "country": 3.4}[plan.setting]
            spread = {"street": 0.4, "suburb": 16.0, "country": 26.0 if forest else 60.0}[plan.setting]
            away = nearest + spread * draws.uniform() ** 1.5
            low = plan.setting == "street" and kind in plants.LOW
            if kind == "none" or low or any(house.is_beside(side, away, z) for house in self._houses):
                continue
            at = (side * away + ground.side_offset(plan, z), z)
            self._add(
                z,
                partial(plants.paint_plant, plan, kind=kind, at=at, draws=self._draws),
                partial(_blob_shadow, at, plants.shade_m(kind)) if z < 60 else None,
            )

    def _lay_fences(self, side: int) -> None:
        plan = self.plan
        draws = plan.draws(f"fences {side}")
        z = draws.uniform(1, 12)
        while z < 90 and plan.setting != "street":
            length = draws.uniform(8, 26)
            if draws.chance(0.5 if plan.setting == "suburb" else 0.3):
                # In panels, so that what stands before one end is not hidden by the other.
                panels = max(1, round(length / 4))
                fence = furniture.draw_fence(plan, draws, side)
                for panel in range(panels):
                    ends = (z + length * panel / panels, z + length * (panel + 1) / panels)
                    self._add(sum(ends) / 2, partial(furniture.paint_fence, plan, fence=fence, ends=ends))
            z += length + draws.uniform(2, 10)

    def _lay_poles(self) -> None:
        plan = self.plan
        draws = plan.draws("poles")
        if plan.pole == "none" or draws.chance(0.25):
            return
        side = draws.pick((-1, 1))
        away = plan.road_width_m / 2 + (1.0 if plan.setting == "street" else draws.uniform(2.2, 6.0))
        spacing, z = draws.uniform(24, 42), draws.uniform(-18, 12)
        lamp_side = -side if plan.setting != "country" and draws.chance(0.6) else 0
        feet = []
        while z < 230:
            feet.append((side * away + ground.side_offset(plan, z), z))
            z += spacing
        for at in feet:
            if at[1] >= 2:
                self._add(
                    at[1],
                    partial(furniture.paint_pole, plan, at=at, draws=self._draws, lamp_side=lamp_side),
                    partial(_post_shadow, at, 8.0) if at[1] < 40 else None,
                )
        if plan.pole != "metal" or draws.chance(0.4):
            # Wires pass over everything that is nearer than the pole they come from.
            self._add(3.0, partial(furniture.paint_wires, feet=feet))

    def _lay_bollards_and_signs(self) -> None:
        plan = self.plan
        draws = plan.draws("bollards")
        edge = plan.road_width_m / 2 + 0.8
        if plan.bollard != "none":
            spacing = draws.uniform(12, 26)
            for side in (-1, 1):
                z = draws.uniform(6, 14)
                while z < 120:
                    at = (side * edge + ground.side_offset(plan, z), z)
                    self._add(z, partial(furniture.paint_bollard, plan, at=at))
                    z += spacing
        for _ in range(draws.index(3)):
            z = draws.uniform(9, 42)
            side = 1 if plan.keeps_right else -1
            at = (side * (edge + draws.uniform(0.4, 1.0)) + ground.side_offset(plan, z), z)
            self._add(
                z,
                partial(furniture.paint_sign, plan, at=at, draws=self._draws),
                partial(_post_shadow, at, 2.6),
            )

    def _lay_cars(self) -> None:
        plan = self.plan
        draws = plan.draws("cars")
        own = plan.road_width_m / 4 * (1 if plan.keeps_right else -1)
        if draws.chance(0.4):
            self._add_car(own, draws.uniform(9, 40), shows_front=False)
        if draws.chance(0.55):
            self._add_car(-own, draws.uniform(7, 45), shows_front=True)
        if plan.setting != "country":
            for side in (-1, 1):
                for z in (draws.uniform(8, 16), draws.uniform(20, 30), draws.uniform(34, 50)):
                    if draws.chance(0.3):
                        kerb = side * (plan.road_width_m / 2 + 0.85)
                        self._add_car(kerb, z, shows_front=(side > 0) != plan.keeps_right)

    def _add_car(self, x: float, z: float, *, shows_front: bool) -> None:
        plan = self.plan
        car = cars.Car(x + ground.side_offset(plan, z), z, shows_front)
        self._add(
            z,
            partial(cars.paint_car, plan, car=car, draws=self._draws),
            partial(_box_shadow, car.footprint, 1.3),
        )


def _slide(height: float, sun: Point) -> tuple[float, float]:
    """How far the shadow of a point at a height lies from its foot, (x, z) metres."""
    reach = min(height / max(0.1, sun[1]), 28.0)
    return -sun[0] * reach, -sun[2] * reach


def _blob_shadow(at: tuple[float, float], shade: tuple[float, float], sun: Point) -> list[Point]:
    (x, z), (height, across) = at, shade
    dx, dz = _slide(height, sun)
    along = math.hypot(dx, dz) * 0.4 + across
    norm = math.hypot(dx, dz) or 1.0
    ux, uz = dx / norm, dz / norm
    outline: list[Point] = []
    for step in range(12):
        turn = 6.2832 * step / 12
        a, b = math.cos(turn) * along, math.sin(turn) * across
        outline.append((x + dx + ux * a - uz * b, 0.0, z + dz + uz * a + ux * b))
    return outline


def _post_shadow(at: tuple[float, float], height: float, sun: Point) -> list[Point]:
    (x, z), (dx, dz) = at, _slide(height, sun)
    half = 0.12
    return [
        (x - half, 0.0, z),
        (x + half, 0.0, z),
        (x + dx + half, 0.0, z + dz),
        (x + dx - half, 0.0, z + dz),
    ]


def _box_shadow(footprint: list[tuple[float, float]], height: float, sun: Point) -> list[Point]:
    dx, dz = _slide(height, sun)
    return buildings.hull(footprint + [(x + dx, z + dz) for x, z in footprint])
