"""A spot on the picture where a plant is painted from blots and polygons in metres."""

from __future__ import annotations

import math
from dataclasses import dataclass

from lost_and_found.practice.draws import Draws
from lost_and_found.practice.painting.canvas import Canvas
from lost_and_found.practice.painting.colours import Colour

# Number and size of the blots of a crown, by detail.
_BLOTS = ((3, 0.6), (8, 0.44), (20, 0.32), (46, 0.25))


@dataclass(frozen=True)
class Spot:
    """Where and how a plant is painted: foot (px), px per metre, and the colours of its leaves."""

    canvas: Canvas
    x: float
    y: float
    px: float
    distance: float
    draws: Draws
    dark: Colour
    mid: Colour
    light: Colour
    bark: Colour
    bare: bool
    sun_side: float

    def blot(self, x: float, y: float, rx: float, ry: float, colour: Colour) -> None:
        """An ellipse with its centre `x`, `y` metres from the foot."""
        left, top = self.x + (x - rx) * self.px, self.y - (y + ry) * self.px
        right, bottom = self.x + (x + rx) * self.px, self.y - (y - ry) * self.px
        self.canvas.draw.ellipse((round(left), round(top), round(right), round(bottom)), fill=colour)

    def shape(self, points: list[tuple[float, float]], colour: Colour) -> None:
        """A polygon in metres from the foot."""
        self.canvas.draw.polygon(
            [(round(self.x + x * self.px), round(self.y - y * self.px)) for x, y in points], colour
        )

    def trunk(self, height: float, width: float, lean: float = 0.0) -> None:
        """A tapering stem."""
        half = width / 2
        self.shape(
            [(-half, 0), (lean - half * 0.6, height), (lean + half * 0.6, height), (half, 0)], self.bark
        )

    @property
    def near(self) -> int:
        """Detail, from 3 close by to 0 in the distance."""
        return 3 if self.distance < 17 else 2 if self.distance < 40 else 1 if self.distance < 85 else 0

    def crown(self, centre: tuple[float, float], rx: float, ry: float) -> None:
        """A leafy mass of blots: dark below, light towards the sun."""
        x, y = centre
        if self.bare:
            self._twigs(x, y, rx, ry)
            return
        big = min(rx, ry)
        count, size = _BLOTS[self.near]
        self.blot(x, y, rx * 0.82, ry * 0.8, self.dark)
        numbers = iter(self.draws.generator.random(count * 3).tolist())
        for number in range(count):
            share = number / count
            turn, reach = 6.2832 * next(numbers), math.sqrt(0.15 + 0.85 * next(numbers))
            close = reach * (1 - share * 0.3)
            # Lighter leaves lie towards the sun and the sky.
            shift = (share - 0.34) * 0.42
            dx = math.cos(turn) * close * (rx - big * size * 0.6) + shift * rx * self.sun_side
            dy = math.sin(turn) * close * (ry - big * size * 0.6) + shift * ry
            tone = self.dark if share < 0.34 else self.mid if share < 0.72 else self.light
            radius = big * size * (0.7 + 0.6 * next(numbers)) * (1.25 - 0.5 * share)
            self.blot(x + dx, y + dy, radius, radius * 0.85, tone)

    def _twigs(self, x: float, y: float, rx: float, ry: float) -> None:
        """Bare branches, the lower the longer."""
        stem = 0.03 * ry + 0.03
        self.shape([(x - stem, y - ry), (x, y + ry * 0.9), (x + stem, y - ry)], self.bark)
        for number in range((6, 10, 18, 26)[self.near]):
            up = self.draws.uniform(0.0, 0.75)
            foot = y - ry + 2 * ry * up
            across = rx * (1 - up * 0.6) * self.draws.uniform(0.4, 1.0) * (1 if number % 2 else -1)
            tip = foot + ry * self.draws.uniform(0.35, 0.8)
            self.shape([(x, foot - stem * 0.6), (x + across, tip), (x, foot + stem * 0.6)], self.bark)
            fork = (x + across * 0.5, (foot + tip) / 2)
            self.shape([fork, (fork[0] + across * 0.2, tip + ry * 0.2), (fork[0] + stem, fork[1])], self.bark)
