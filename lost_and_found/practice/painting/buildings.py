"""Houses in gardens and closed rows of town houses, as boxes with roofs, windows and doors."""

from __future__ import annotations

from dataclasses import dataclass

from lost_and_found.practice.draws import Draws
from lost_and_found.practice.painting.canvas import Canvas, Point
from lost_and_found.practice.painting.colours import ROOFS, WALLS, Colour, mix, scale
from lost_and_found.practice.painting.ground import side_offset
from lost_and_found.practice.plan import ScenePlan

_GLASS: Colour = (70, 84, 98)
_BEAM: Colour = (84, 62, 46)
_UP: Point = (0.0, 1.0, 0.0)
_STOREY_M = 2.9
_FLAT_ROOFS = ("concrete", "white_concrete")


@dataclass(frozen=True)
class House:
    """A house beside the road.

    Attributes:
        side: 1 right of the road, -1 left.
        setback_m: from the middle of the road to the front.
        start_m: near end along the road.
        length_m: along the road.
        depth_m: away from the road.
        storeys: floors.
        closed_row: whether it is part of a closed street front.
    """

    side: int
    setback_m: float
    start_m: float
    length_m: float
    depth_m: float
    storeys: int
    closed_row: bool

    @property
    def eaves_m(self) -> float:
        """Height of the walls."""
        return self.storeys * _STOREY_M + 0.4

    def is_beside(self, side: int, away_m: float, ahead_m: float) -> bool:
        """Whether a point is inside the house or behind it, where only its back yard could be."""
        along = self.start_m - 0.8 < ahead_m < self.start_m + self.length_m + 0.8
        return side == self.side and along and away_m > self.setback_m - 1.5

    def shadow(self, plan: ScenePlan, towards_sun: Point) -> list[Point]:
        """Outline of its shadow on the ground."""
        height = self.eaves_m + 1.0
        reach = min(height / max(0.12, towards_sun[1]), 30.0)
        dx, dz = -towards_sun[0] * reach, -towards_sun[2] * reach
        x0, x1 = self.x_range(plan)
        z0, z1 = self.start_m, self.start_m + self.length_m
        corners = [(x0, z0), (x1, z0), (x1, z1), (x0, z1)]
        return hull(corners + [(x + dx, z + dz) for x, z in corners])

    def x_range(self, plan: ScenePlan) -> tuple[float, float]:
        """Offsets of the front and of the back, front first."""
        middle = side_offset(plan, self.start_m + self.length_m / 2)
        front = middle + self.side * self.setback_m
        return front, front + self.side * self.depth_m


def hull(points: list[tuple[float, float]]) -> list[Point]:
    """Convex hull on the ground (Andrew's monotone chain)."""
    points = sorted(points)
    hull: list[tuple[float, float]] = []
    for run in (points, points[::-1]):
        base = len(hull)
        for x, z in run:
            while len(hull) >= base + 2 and _turn(hull[-2], hull[-1], (x, z)) <= 0:
                hull.pop()
            hull.append((x, z))
        hull.pop()
    return [(x, 0.0, z) for x, z in hull]


def _turn(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def paint_house(plan: ScenePlan, canvas: Canvas, house: House, draws: Draws) -> None:
    """Paint a house: the end that faces the camera, the front, the roof."""
    facts, light = plan.facts, canvas.light
    shape = draws.pick_first_likely(facts.roof_shape)
    roof_name = draws.pick_first_likely(facts.roof_colour)
    wall_name = draws.pick_first_likely(facts.wall)
    if shape == "yurt":
        _paint_yurt(plan, canvas, house)
        return
    if roof_name in _FLAT_ROOFS:
        shape = "flat"
    elif shape == "flat" and roof_name == "thatch":
        shape = "hip"
    elif shape == "flat":
        roof_name = "concrete"
    if house.closed_row and house.storeys > 3 and draws.chance(0.6):
        shape, roof_name = "flat", "concrete"
    wall = scale(draws.pick(WALLS[wall_name]), draws.uniform(0.92, 1.06))
    box = _Box(plan, canvas, house, draws)
    end_wall = light.on(wall, (0.0, 0.0, -1.0))
    front_wall = light.on(wall, (-house.side, 0.0, 0.0))
    box.quad_end(0, 1, 0, house.eaves_m, end_wall)
    box.quad_front(0, 1, 0, house.eaves_m, front_wall)
    box.timbers(wall_name, end_wall, front_wall)
    box.windows(mix(wall, (240, 240, 236), 0.6))
    roof = scale(ROOFS[roof_name], draws.uniform(0.88, 1.1))
    if plan.snow:
        roof = mix(roof, (236, 240, 244), 0.8)
    if shape == "flat":
        box.flat_roof(roof, front_wall, end_wall)
    else:
        box.pitched_roof(shape, roof, end_wall, front_wall)


@dataclass(frozen=True)
class _Slopes:
    """Edges of a pitched roof: x of front and back, z of near and far end, heights of eaves and ridge."""

    front: float
    back: float
    near: float
    far: float
    low: float
    ridge: float


class _Box:
    """The visible faces of one house."""

    def __init__(self, plan: ScenePlan, canvas: Canvas, house: House, draws: Draws) -> None:
        self.plan, self.canvas, self.house, self.draws = plan, canvas, house, draws
        self.front, self.back = house.x_range(plan)
        self.z0, self.z1 = house.start_m, house.start_m + house.length_m
        # Seen from the road the far end of a row is hidden by its front, so detail may stop early.
        self.detailed = house.start_m < 80

    def quad_end(self, left: float, right: float, low: float, high: float, colour: Colour) -> None:
        """Part of the end wall, in shares of its width from the front, and metres of height."""
        span = self.back - self.front
        x0, x1 = self.front + span * left, self.front + span * right
        self.canvas.pane((x0, low), (x1, high), self.z0, colour)

    def quad_front(self, near: float, far: float, low: float, high: float, colour: Colour) -> None:
        """Part of the front wall, in shares of its length, and metres of height."""
        x, span = self.front, self.z1 - self.z0
        z0, z1 = self.z0 + span * near, self.z0 + span * far
        self.canvas.polygon([(x, low, z0), (x, low, z1), (x, high, z1), (x, high, z0)], colour)

    def timbers(self, wall_name: str, end_wall: Colour, front_wall: Colour) -> None:
        """Beams of half-timbered houses, boards of wooden ones, courses of brick."""
        if not self.detailed:
            return
        height = self.house.eaves_m
        if wall_name == "half_timbered":
            beam = self.canvas.light.tinted(_BEAM)
            for share in (0.0, 0.24, 0.48, 0.72, 0.97):
                self.quad_front(share, share + 0.03, 0, height, beam)
                self.quad_end(share, share + 0.03, 0, height, beam)
            for level in range(1, self.house.storeys + 1):
                self.quad_front(0, 1, level * _STOREY_M - 0.1, level * _STOREY_M + 0.12, beam)
                self.quad_end(0, 1, level * _STOREY_M - 0.1, level * _STOREY_M + 0.12, beam)
        elif wall_name.startswith(("siding", "wood", "brick", "blocks")) and self.house.start_m < 26:
            step = 0.5
            for level in range(1, int(height / step)):
                low = level * step
                self.quad_front(0, 1, low, low + 0.05, scale(front_wall, 0.92))
                self.quad_end(0, 1, low, low + 0.05, scale(end_wall, 0.92))

    def windows(self, frame: Colour) -> None:
        """Rows of windows, with a door or a shop on the ground floor."""
        if not self.detailed:
            return
        light, house, draws = self.canvas.light, self.house, self.draws
        frame_front, frame_end = light.on(frame, (-house.side, 0, 0)), light.on(frame, (0, 0, -1))
        glass = light.tinted(mix(_GLASS, light.haze, draws.uniform(0.05, 0.4)))
        shop = house.closed_row and draws.chance(0.55)
        door = draws.pick(((92, 62, 44), (54, 78, 92), (120, 44, 40), (70, 86, 62), (186, 180, 170)))
        columns = max(2, round(house.length_m / 2.9))
        for storey in range(house.storeys):
            low = storey * _STOREY_M + 1.1
            if storey == 0 and shop:
                self._shop(glass)
            else:
                self._window_row(columns, low, frame_front, glass, door=None if storey else door)
            # In a closed row the neighbour hides the end wall.
            for left in (0.2, 0.62) if not house.closed_row or house.start_m < 25 else ():
                self.quad_end(left, left + 0.17, low - 0.06, low + 1.36, frame_end)
                self.quad_end(left + 0.015, left + 0.155, low, low + 1.3, glass)

    def _window_row(
        self, columns: int, low: float, frame: Colour, glass: Colour, *, door: Colour | None
    ) -> None:
        door_at = self.draws.index(columns) if door else -1
        for column in range(columns):
            near, far = (column + 0.28) / columns, (column + 0.72) / columns
            if column == door_at and door:
                self.quad_front(near, far - 0.1 / columns, 0.0, 2.2, self.canvas.light.tinted(door))
                continue
            edge = 0.035 / columns
            if self.house.start_m < 50:
                self.quad_front(near - edge, far + edge, low - 0.08, low + 1.38, frame)
            self.quad_front(near, far, low, low + 1.3, glass)
            if self.house.start_m < 25:
                middle = (near + far) / 2
                self.quad_front(middle - edge / 2, middle + edge / 2, low, low + 1.3, frame)

    def _shop(self, glass: Colour) -> None:
        light, side = self.canvas.light, self.house.side
        self.quad_front(0.08, 0.92, 0.3, 2.3, scale(glass, 0.8))
        sign = self.draws.pick(
            ((186, 46, 40), (38, 92, 156), (236, 186, 48), (44, 124, 82), (230, 228, 220), (60, 60, 66))
        )
        self.quad_front(0.04, 0.96, 2.35, 2.95, light.on(sign, (-side, 0, 0)))
        if self.draws.chance(0.5):
            awning = light.on(scale(sign, 1.1), _UP)
            x, out = self.front, self.front - side * 1.2
            self.canvas.polygon(
                [
                    (x, 2.5, self.z0 + 0.3),
                    (x, 2.5, self.z1 - 0.3),
                    (out, 2.1, self.z1 - 0.3),
                    (out, 2.1, self.z0 + 0.3),
                ],
                awning,
            )

    def flat_roof(self, roof: Colour, front_wall: Colour, end_wall: Colour) -> None:
        """A parapet, and sometimes a water tank."""
        top = self.house.eaves_m
        self.quad_end(-0.02, 1.0, top, top + 0.55, scale(end_wall, 0.94))
        self.quad_front(-0.01, 1.01, top, top + 0.55, scale(front_wall, 0.94))
        rim = self.canvas.light.on(roof, _UP)
        self.quad_end(-0.03, 1.0, top + 0.55, top + 0.68, rim)
        self.quad_front(-0.01, 1.01, top + 0.55, top + 0.68, rim)
        warm = self.plan.biome not in ("boreal", "continental", "oceanic", "tundra")
        if warm and self.draws.chance(0.35) and self.detailed:
            self._tank(top + 0.6)

    def _tank(self, foot: float) -> None:
        colour = self.canvas.light.tinted(
            self.draws.pick(((40, 42, 46), (58, 104, 160), (232, 232, 228), (206, 170, 120)))
        )
        x = self.front + (self.back - self.front) * 0.4
        z = self.z0 + self.house.length_m * 0.3
        anchor = self.canvas.anchor((x, foot, z))
        if anchor:
            u, v, px = anchor
            box = (round(u - 0.6 * px), round(v - 1.5 * px), round(u + 0.6 * px), round(v))
            self.canvas.draw.rounded_rectangle(
                box, radius=max(1, round(0.3 * px)), fill=self.canvas.light.at(colour, z)
            )

    def pitched_roof(self, shape: str, roof: Colour, end_wall: Colour, front_wall: Colour) -> None:
        """A gable along or across the road, or a hipped roof; then perhaps a chimney."""
        house, over = self.house, 0.45
        rise = min(house.depth_m, house.length_m) * (0.62 if shape == "steep_gable" else 0.36)
        slopes = _Slopes(
            front=self.front - house.side * over,
            back=self.back + house.side * over,
            near=self.z0 - over,
            far=self.z1 + over,
            low=house.eaves_m - 0.15,
            ridge=house.eaves_m + rise,
        )
        lit_road = self.canvas.light.on(roof, (-house.side * 0.6, 0.8, 0.0))
        lit_camera = self.canvas.light.on(roof, (0.0, 0.8, -0.6))
        if shape == "hip":
            self._hip(slopes, lit_road, lit_camera)
        elif self.draws.chance(0.25 if shape == "steep_gable" else 0.6):
            self._gable_along(slopes, lit_road, end_wall)
        else:
            self._gable_across(slopes, lit_camera, front_wall)
        cold = self.plan.biome in ("oceanic", "continental", "boreal", "mediterranean", "tundra")
        if self.detailed and cold and self.draws.chance(0.6):
            self._chimney((slopes.front + slopes.back) / 2, slopes.ridge)

    def _hip(self, slopes: _Slopes, lit_road: Colour, lit_camera: Colour) -> None:
        front, back, low, ridge = slopes.front, slopes.back, slopes.low, slopes.ridge
        x, z = (front + back) / 2, (slopes.near + slopes.far) / 2
        inset = min(self.house.depth_m, self.house.length_m) * 0.45
        near, far = min(slopes.near + inset, z), max(slopes.far - inset, z)
        self.canvas.polygon(
            [(front, low, slopes.near), (back, low, slopes.near), (x, ridge, near)], lit_camera
        )
        outline = [(front, low, slopes.near), (x, ridge, near), (x, ridge, far), (front, low, slopes.far)]
        self.canvas.polygon(outline, lit_road)

    def _gable_along(self, slopes: _Slopes, lit: Colour, wall: Colour) -> None:
        front, back, near, far, low = slopes.front, slopes.back, slopes.near, slopes.far, slopes.low
        x, z0, eaves, top = (front + back) / 2, self.z0, self.house.eaves_m, slopes.ridge + 0.1
        self.canvas.polygon([(self.front, eaves, z0), (self.back, eaves, z0), (x, slopes.ridge, z0)], wall)
        self.canvas.polygon([(front, low, near), (x, top, near), (x, top, far), (front, low, far)], lit)
        # The edge of the far slope is seen as a thin band along the gable.
        band = [(back, low, near), (x, top, near), (x, top - 0.22, near), (back, low - 0.2, near)]
        self.canvas.polygon(band, scale(lit, 0.8))
        if self.house.start_m <= 45:
            for step in range(1, 8):
                share = step / 8
                course_x, course_y = front + (x - front) * share, low + (top - low) * share
                ends = [(course_x, course_y + 0.05, near), (course_x, course_y + 0.05, far)]
                self.canvas.line(ends, scale(lit, 0.93), 0.06)

    def _gable_across(self, slopes: _Slopes, lit: Colour, wall: Colour) -> None:
        front, back, near, far, low = slopes.front, slopes.back, slopes.near, slopes.far, slopes.low
        z, x0, eaves, top = (near + far) / 2, self.front, self.house.eaves_m, slopes.ridge + 0.1
        self.canvas.polygon([(x0, eaves, self.z0), (x0, eaves, self.z1), (x0, slopes.ridge, z)], wall)
        self.canvas.polygon([(front, low, near), (back, low, near), (back, top, z), (front, top, z)], lit)
        band = [(front, low, far), (front, top, z), (front, top - 0.22, z), (front, low - 0.2, far)]
        self.canvas.polygon(band, scale(lit, 0.8))

    def _chimney(self, x: float, ridge: float) -> None:
        z = self.z0 + self.house.length_m * self.draws.uniform(0.3, 0.7)
        colour = self.canvas.light.on((150, 96, 78), (0, 0, -1))
        self.canvas.pane((x - 0.32, ridge - 0.5), (x + 0.32, ridge + 0.9), z, colour)


def _paint_yurt(plan: ScenePlan, canvas: Canvas, house: House) -> None:
    """A round felt tent."""
    front, back = house.x_range(plan)
    z = house.start_m + 3
    anchor = canvas.anchor(((front + back) / 2, 0.0, z))
    if anchor is None:
        return
    x, y, px = anchor
    wall = canvas.light.at(canvas.light.tinted((238, 236, 230)), z)
    roof = canvas.light.at(canvas.light.tinted((214, 212, 206)), z)
    canvas.draw.rectangle((round(x - 3 * px), round(y - 1.7 * px), round(x + 3 * px), round(y)), fill=wall)
    top = [(-3.1, 1.65), (-0.6, 2.8), (0.6, 2.8), (3.1, 1.65)]
    canvas.draw.polygon([(round(x + dx * px), round(y - dy * px)) for dx, dy in top], fill=roof)
    door = canvas.light.at(canvas.light.tinted((196, 92, 40)), z)
    canvas.draw.rectangle(
        (round(x - 0.5 * px), round(y - 1.5 * px), round(x + 0.5 * px), round(y)), fill=door
    )
