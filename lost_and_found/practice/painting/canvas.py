"""A perspective camera, light and haze, and a canvas that draws solid shapes through them.

World coordinates are metres along the road: x to the right of the middle of the road, y up, z ahead of the
camera. Shapes are drawn at twice the size of the picture and averaged down.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from lost_and_found.practice.painting.colours import Colour, mix, scale

Point = tuple[float, float, float]

SUPERSAMPLING = 2
NEAR_M = 0.6


@dataclass(frozen=True)
class Camera:
    """A level pinhole camera.

    Attributes:
        width: picture, px.
        height: picture, px.
        focal: focal length, px.
        horizon: row of the horizon, px from the top.
        x: metres right of the middle of the road.
        above_ground: metres.
        turn: (cosine, sine) of the angle to the right of the road's direction.
    """

    width: int
    height: int
    focal: float
    horizon: int
    x: float
    above_ground: float
    turn: tuple[float, float]

    def view(self, point: Point) -> Point:
        """The point with the camera at the origin, looking along z."""
        x, z = point[0] - self.x, point[2]
        cosine, sine = self.turn
        return x * cosine - z * sine, point[1] - self.above_ground, x * sine + z * cosine

    def pixels(self, points: Sequence[Point], *, zoom: float) -> list[tuple[int, int]]:
        """Outline of a polygon in a picture `zoom` times as large; empty when it is behind the camera."""
        return self.flatten(clip_near([self.view(point) for point in points]), zoom=zoom)

    def flatten(self, seen: Sequence[Point], *, zoom: float) -> list[tuple[int, int]]:
        """Pixels of points in camera coordinates, none nearer than the near plane."""
        focal, middle, horizon = self.focal * zoom, self.width * zoom / 2, self.horizon * zoom
        return [(round(middle + x * focal / z), round(horizon - y * focal / z)) for x, y, z in seen]


@dataclass(frozen=True)
class Light:
    """Sun and sky.

    Attributes:
        towards_sun: unit vector (x right, y up, z ahead).
        direct: share of the light that comes from the sun, 0 when overcast.
        tint: colour that white takes on, channel by channel.
        haze: colour of the distance.
        haze_km: distance at which half of a colour is haze.
    """

    towards_sun: Point
    direct: float
    tint: Colour
    haze: Colour
    haze_km: float

    def on(self, colour: Colour, normal: Point) -> Colour:
        """The colour of a face with an outward unit normal."""
        sun = self.towards_sun
        facing = max(0.0, normal[0] * sun[0] + normal[1] * sun[1] + normal[2] * sun[2])
        return self.tinted(scale(colour, 1.0 - self.direct * 0.44 + self.direct * 0.66 * facing))

    def tinted(self, colour: Colour) -> Colour:
        """The colour under this light, whichever way the face looks."""
        tint = self.tint
        return (
            min(255, colour[0] * tint[0] // 255),
            min(255, colour[1] * tint[1] // 255),
            min(255, colour[2] * tint[2] // 255),
        )

    def at(self, colour: Colour, distance_m: float) -> Colour:
        """The colour as seen through the haze."""
        return mix(colour, self.haze, distance_m / (distance_m + self.haze_km * 1000))


class Canvas:
    """Draws world shapes on a picture twice as large as the camera's."""

    def __init__(self, image: Image.Image, camera: Camera, light: Light) -> None:
        self.camera = camera
        self.light = light
        self.draw = ImageDraw.Draw(image)
        self._focal = camera.focal * SUPERSAMPLING
        self._middle = camera.width * SUPERSAMPLING / 2
        self._horizon = camera.horizon * SUPERSAMPLING

    def polygon(self, points: Sequence[Point], colour: Colour) -> None:
        """A filled polygon, its colour already lit; haze is added by its mean distance."""
        seen = [self.camera.view(point) for point in points]
        if any(point[2] < NEAR_M for point in seen):
            seen = clip_near(seen)
            if len(seen) < 3:
                return
        distance = sum(point[2] for point in seen) / len(seen)
        self.draw.polygon(self.camera.flatten(seen, zoom=SUPERSAMPLING), fill=self.light.at(colour, distance))

    def pane(self, low: tuple[float, float], high: tuple[float, float], z: float, colour: Colour) -> None:
        """An upright rectangle across the road between two of its corners, (x, y) metres."""
        (x0, y0), (x1, y1) = low, high
        self.polygon([(x0, y0, z), (x1, y0, z), (x1, y1, z), (x0, y1, z)], colour)

    def line(self, points: Sequence[Point], colour: Colour, width_m: float) -> None:
        """A line through points, at least two supersampled pixels wide."""
        seen = [point for point in map(self.camera.view, points) if point[2] >= NEAR_M]
        if len(seen) < 2:
            return
        distance = sum(point[2] for point in seen) / len(seen)
        width = max(2, round(width_m * self._focal / distance))
        outline = self.camera.flatten(seen, zoom=SUPERSAMPLING)
        self.draw.line(outline, fill=self.light.at(colour, distance), width=width)

    def anchor(self, point: Point) -> tuple[float, float, float] | None:
        """Column and row (supersampled px) of a point and the px of a metre there; None behind the camera."""
        x, y, z = self.camera.view(point)
        if z < NEAR_M * 2:
            return None
        size = self._focal / z
        return self._middle + x * size, self._horizon - y * size, size


def clip_near(seen: Sequence[Point]) -> list[Point]:
    """The part of a polygon in camera coordinates that lies beyond the near plane."""
    kept: list[Point] = []
    for (x0, y0, z0), (x1, y1, z1) in zip(seen, [*seen[1:], seen[0]], strict=True):
        if z0 >= NEAR_M:
            kept.append((x0, y0, z0))
        if (z0 >= NEAR_M) != (z1 >= NEAR_M):
            share = (NEAR_M - z0) / (z1 - z0)
            kept.append((x0 + (x1 - x0) * share, y0 + (y1 - y0) * share, NEAR_M))
    return kept
