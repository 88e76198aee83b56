"""Trees, palms, shrubs and the like, each painted from blots in screen space."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from lost_and_found.practice.draws import Draws
from lost_and_found.practice.painting.canvas import Canvas
from lost_and_found.practice.painting.colours import Colour, mix, scale
from lost_and_found.practice.plan import ScenePlan

_AUTUMN: tuple[Colour, ...] = ((206, 142, 46), (184, 92, 40), (214, 176, 66), (150, 112, 52))
_BARK: Colour = (96, 78, 62)
# Number and size of the blots of a crown, by detail.
_BLOTS = ((3, 0.6), (8, 0.46), (18, 0.35), (40, 0.27))
_PALE_BARK: Colour = (206, 200, 188)

NATIVE = {
    "tropical": ("palm", "tropical_broadleaf", "tropical_broadleaf", "banana", "bush"),
    "savanna": ("broadleaf", "tropical_broadleaf", "bush", "palm"),
    "desert": ("bush", "bush", "none", "none"),
    "steppe": ("bush", "bush", "poplar", "none"),
    "mediterranean": ("olive", "umbrella_pine", "cypress", "bush", "broadleaf"),
    "subtropical": ("broadleaf", "broadleaf", "pine", "bush", "tropical_broadleaf"),
    "oceanic": ("broadleaf", "broadleaf", "oak", "hedge", "birch", "bush"),
    "highland": ("eucalyptus", "pine", "bush", "broadleaf"),
    "continental": ("broadleaf", "broadleaf", "birch", "spruce", "poplar", "pine"),
    "boreal": ("spruce", "spruce", "birch", "pine"),
    "tundra": ("none", "none", "bush"),
}


@dataclass(frozen=True)
class _Spot:
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
        self.canvas.draw.polygon([(round(self.x + x * self.px), round(self.y - y * self.px)) for x, y in points], colour)

    def trunk(self, height: float, width: float, lean: float = 0.0) -> None:
        """A tapering stem."""
        half = width / 2
        self.shape([(-half, 0), (lean - half * 0.6, height), (lean + half * 0.6, height), (half, 0)], self.bark)

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


def _round(spot: _Spot, height: float, *, width: float = 0.42, stem: float = 0.3) -> None:
    spot.trunk(height * (stem + 0.25), 0.05 * height)
    half = height * (1 - stem) / 2
    spot.crown((0, height - half), height * width, half)


def _broadleaf(spot: _Spot) -> None:
    _round(spot, spot.draws.uniform(6, 12), width=spot.draws.uniform(0.34, 0.48))


def _small_round(spot: _Spot) -> None:
    _round(spot, spot.draws.uniform(3, 5.5), width=0.46, stem=0.28)


def _birch(spot: _Spot) -> None:
    _round(spot, spot.draws.uniform(7, 13), width=0.22, stem=0.22)


def _poplar(spot: _Spot) -> None:
    height = spot.draws.uniform(11, 19)
    spot.trunk(height * 0.3, 0.5)
    for step in range(6):
        share = step / 5
        spot.crown((0, height * (0.2 + 0.72 * share)), height * 0.09 * (1.15 - share * 0.7), height * 0.13)


def _cypress(spot: _Spot) -> None:
    height = spot.draws.uniform(6, 12)
    spot.trunk(height * 0.2, 0.35)
    half = height * 0.085
    outline = [(-half * 0.7, 0.4), (-half, height * 0.35), (-half * 0.6, height * 0.75), (0, height)]
    spot.shape([*outline, (half * 0.6, height * 0.75), (half, height * 0.35), (half * 0.7, 0.4)], spot.dark)
    inner = half * 0.5 * spot.sun_side
    spot.shape([(inner, 0.6), (inner * 2, height * 0.35), (inner * 0.8, height * 0.8), (0, height * 0.3)], spot.mid)


def _conifer(spot: _Spot, *, height: float, width: float, start: float, tiers: int) -> None:
    spot.trunk(height * 0.5, height * 0.035)
    for tier in range(tiers):
        low = start + (1 - start) * tier / tiers
        half = height * width * (1.06 - tier / tiers) * spot.draws.uniform(0.88, 1.1)
        top = min(1.0, low + 1.9 * (1 - start) / tiers)
        spot.shape([(-half, height * low), (0, height * top), (half, height * low), (0, height * (low + 0.03))], spot.dark)
        lit = half * spot.sun_side
        spot.shape([(lit, height * low), (0, height * top), (lit * 0.15, height * (low + 0.03))], spot.mid)


def _spruce(spot: _Spot) -> None:
    _conifer(spot, height=spot.draws.uniform(8, 19), width=0.19, start=0.06, tiers=8)


def _cedar(spot: _Spot) -> None:
    _conifer(spot, height=spot.draws.uniform(12, 20), width=0.13, start=0.2, tiers=9)


def _pine(spot: _Spot) -> None:
    height = spot.draws.uniform(9, 16)
    spot.trunk(height * 0.9, 0.32, spot.draws.uniform(-0.4, 0.4))
    for share, width in ((0.62, 0.17), (0.74, 0.2), (0.85, 0.17), (0.94, 0.1)):
        spot.crown((spot.draws.uniform(-0.6, 0.6), height * share), height * width, height * 0.085)


def _umbrella_pine(spot: _Spot) -> None:
    height = spot.draws.uniform(7, 13)
    spot.trunk(height * 0.85, 0.4, spot.draws.uniform(-0.5, 0.5))
    spot.crown((0, height * 0.88), height * 0.42, height * 0.14)


def _olive(spot: _Spot) -> None:
    height = spot.draws.uniform(3, 5)
    spot.trunk(height * 0.5, 0.5, spot.draws.uniform(-0.3, 0.3))
    spot.crown((0, height * 0.66), height * 0.46, height * 0.34)


def _acacia(spot: _Spot) -> None:
    height = spot.draws.uniform(4.5, 8)
    for lean in (-0.28, 0.05, 0.3):
        spot.trunk(height * 0.85, 0.22, lean * height)
    spot.crown((0, height * 0.88), height * 0.62, height * 0.11)
    spot.crown((height * 0.15, height * 0.98), height * 0.35, height * 0.07)


def _baobab(spot: _Spot) -> None:
    height = spot.draws.uniform(8, 13)
    spot.shape(
        [(-1.5, 0), (-1.25, height * 0.6), (-0.5, height * 0.72), (0.5, height * 0.72), (1.25, height * 0.6), (1.5, 0)],
        spot.bark,
    )
    for lean in (-0.45, -0.25, 0.1, 0.3, 0.5):
        tip = (lean * height, height * spot.draws.uniform(0.82, 0.95))
        spot.shape([(lean * 2 - 0.3, height * 0.6), tip, (lean * 2 + 0.3, height * 0.6)], spot.bark)
        spot.crown(tip, height * 0.13, height * 0.07)


def _eucalyptus(spot: _Spot) -> None:
    height = spot.draws.uniform(9, 17)
    spot.trunk(height * 0.75, 0.45, spot.draws.uniform(-1, 1))
    for _ in range(5):
        at = (spot.draws.uniform(-0.22, 0.22) * height, spot.draws.uniform(0.5, 0.95) * height)
        spot.shape([(-0.12, height * 0.4), at, (0.12, height * 0.4)], spot.bark)
        spot.crown(at, height * 0.15, height * 0.085)


def _fronds(spot: _Spot, top: tuple[float, float], length: float, count: int, droop: float = 0.75) -> None:
    x, y = top
    for number in range(count):
        turn = 6.2832 * (number + spot.draws.uniform(-0.2, 0.2)) / count
        across, rise = math.cos(turn) * length, math.sin(turn) * length * 0.45
        tone = (spot.dark, spot.mid, spot.light)[number % 3]
        bend = (x + across * 0.55, y + rise + length * 0.28)
        tip = (x + across, y + rise - length * droop * 0.6)
        spot.shape([(x, y), (bend[0], bend[1]), tip, (bend[0] * 0.96 + x * 0.04, bend[1] - length * 0.17)], tone)


def _palm(spot: _Spot) -> None:
    height, lean = spot.draws.uniform(6, 12), spot.draws.uniform(-1.6, 1.6)
    steps = [(lean * share * share, height * share) for share in (0.0, 0.25, 0.5, 0.75, 1.0)]
    spot.shape([(x - 0.17, y) for x, y in steps] + [(x + 0.17, y) for x, y in reversed(steps)], spot.bark)
    _fronds(spot, steps[-1], spot.draws.uniform(2.4, 3.4), 13 if spot.near > 1 else 9)


def _sugar_palm(spot: _Spot) -> None:
    height = spot.draws.uniform(9, 15)
    spot.trunk(height, 0.4)
    for number in range(9):
        turn = 6.2832 * number / 9
        spot.blot(math.cos(turn) * 1.0, height + math.sin(turn) * 0.9, 0.75, 0.7, (spot.dark, spot.mid, spot.light)[number % 3])


def _oil_palm(spot: _Spot) -> None:
    height = spot.draws.uniform(3, 6)
    spot.trunk(height, 0.7)
    _fronds(spot, (0, height), 3.6, 17, droop=0.6)


def _banana(spot: _Spot) -> None:
    height = spot.draws.uniform(1.6, 2.8)
    spot.trunk(height, 0.3)
    for number in range(7):
        turn = 0.35 + 2.44 * number / 6
        tip = (math.cos(turn) * 2.1, height + math.sin(turn) * 2.3 - abs(math.cos(turn)) * 0.8)
        side = (math.sin(turn) * 0.34, math.cos(turn) * 0.34)
        middle = (tip[0] * 0.55, height + (tip[1] - height) * 0.62 + 0.2)
        outline = [(0, height), (middle[0] - side[0], middle[1] + side[1]), tip, (middle[0] + side[0], middle[1] - side[1])]
        spot.shape(outline, (spot.mid, spot.light, spot.dark)[number % 3])


def _bamboo(spot: _Spot) -> None:
    for _ in range(6 + 3 * spot.near):
        foot, lean, height = spot.draws.uniform(-1, 1), spot.draws.uniform(-2.2, 2.2), spot.draws.uniform(5, 10)
        tone = spot.draws.pick((spot.mid, spot.light, spot.dark))
        spot.shape([(foot - 0.06, 0), (foot + lean * 0.5, height), (foot + lean, height * 0.96), (foot + 0.06, 0)], tone)
        spot.blot(foot + lean * 0.6, height * 0.85, 0.9, 1.1, tone)


def _bush(spot: _Spot) -> None:
    width = spot.draws.uniform(0.6, 1.6)
    spot.crown((0, width * 0.55), width, width * 0.62)


def _hedge(spot: _Spot) -> None:
    for step in range(-2, 3):
        spot.crown((step * 1.1, 0.8), 0.95, 0.85)


def _agave(spot: _Spot) -> None:
    for number in range(11):
        turn = 0.15 + 2.84 * number / 10
        tip = (math.cos(turn) * 1.2, math.sin(turn) * 1.3)
        side = 0.13
        spot.shape([(-side, 0), tip, (side, 0)], (spot.mid, spot.light, spot.dark)[number % 3])


def _cactus(spot: _Spot) -> None:
    height = spot.draws.uniform(2.2, 5)
    for x, low, high in ((0.0, 0.0, 1.0), (-0.75, 0.42, 0.82), (0.75, 0.34, 0.7)):
        left, right = x - 0.2, x + 0.2
        spot.shape([(left, low * height), (left, high * height), (right, high * height), (right, low * height)], spot.mid)
        spot.blot(x, high * height, 0.2, 0.2, spot.mid)
        lit = x + 0.08 * spot.sun_side
        spot.shape([(lit - 0.05, low * height), (lit - 0.05, high * height), (lit + 0.05, high * height), (lit + 0.05, low * height)], spot.light)
        if x:
            spot.shape([(0, low * height), (0, low * height + 0.35), (x, low * height + 0.35), (x, low * height)], spot.mid)


_Painter = Callable[[_Spot], None]
_GREEN: Colour = (74, 122, 50)

# Painter, colour of the leaves, whether they turn in autumn, and shade they give as (height, width) in metres.
_KINDS: dict[str, tuple[_Painter, Colour, bool]] = {
    "broadleaf": (_broadleaf, (80, 128, 52), True),
    "oak": (_broadleaf, (70, 110, 48), True),
    "linden": (_broadleaf, (86, 136, 54), True),
    "maple": (_broadleaf, (92, 134, 52), True),
    "plane": (_broadleaf, (110, 146, 70), True),
    "walnut": (_broadleaf, (96, 132, 60), True),
    "apple": (_small_round, (88, 130, 58), True),
    "ginkgo": (_broadleaf, (130, 156, 66), True),
    "willow": (_broadleaf, (124, 152, 78), True),
    "birch": (_birch, (108, 148, 66), True),
    "poplar": (_poplar, (96, 138, 60), True),
    "spruce": (_spruce, (42, 78, 52), False),
    "cedar": (_cedar, (46, 84, 50), False),
    "pine": (_pine, (62, 96, 58), False),
    "cypress": (_cypress, (44, 78, 50), False),
    "umbrella_pine": (_umbrella_pine, (62, 100, 52), False),
    "olive": (_olive, (128, 140, 104), False),
    "eucalyptus": (_eucalyptus, (110, 130, 92), False),
    "hedge": (_hedge, (62, 108, 48), False),
    "pasture_hedge": (_hedge, (54, 92, 48), False),
    "bush": (_bush, (100, 116, 64), False),
    "fern": (_bush, (74, 122, 58), False),
    "bamboo": (_bamboo, (120, 158, 66), False),
    "palm": (_palm, (84, 126, 58), False),
    "sugar_palm": (_sugar_palm, (78, 118, 62), False),
    "oil_palm": (_oil_palm, (66, 110, 52), False),
    "banana": (_banana, (112, 166, 62), False),
    "tropical_broadleaf": (_broadleaf, (54, 108, 44), False),
    "rain_tree": (_umbrella_pine, (60, 116, 50), False),
    "acacia": (_acacia, (112, 130, 66), False),
    "baobab": (_baobab, (106, 132, 72), False),
    "agave": (_agave, (128, 154, 136), False),
    "cactus": (_cactus, (90, 130, 80), False),
}
_PALE = ("birch", "eucalyptus", "plane")
_HEIGHT_M = {"bush": 1.2, "fern": 1.2, "agave": 1.0, "hedge": 1.6, "pasture_hedge": 1.6, "banana": 3.5, "apple": 4.5, "olive": 4.0}


def pick_tree(plan: ScenePlan, draws: Draws) -> str:
    """A kind of plant for this place, `none` where nothing grows."""
    signature = plan.facts.trees
    if signature and draws.chance(0.45):
        return draws.pick(signature)
    return draws.pick(NATIVE[plan.biome])


def shade_m(kind: str) -> tuple[float, float]:
    """Height and half width of the shadow's blob, metres."""
    height = _HEIGHT_M.get(kind, 8.0)
    return height * 0.65, height * (0.12 if kind in ("cypress", "poplar") else 0.3)


def paint_plant(plan: ScenePlan, canvas: Canvas, kind: str, at: tuple[float, float], draws: Draws) -> None:
    """Paint a plant of a kind at (x, z) metres."""
    anchor = canvas.anchor((at[0], 0.0, at[1]))
    if anchor is None or kind == "none":
        return
    painter, leaves, turns = _KINDS[kind]
    bare = turns and plan.season == "winter"
    if turns and plan.season == "autumn" and draws.chance(0.75):
        leaves = mix(leaves, draws.pick(_AUTUMN), draws.uniform(0.4, 1.0))
    if turns and plan.season == "spring":
        leaves = mix(leaves, (150, 190, 80), 0.3)
    if plan.biome in ("savanna", "steppe", "desert") and kind != "palm":
        leaves = mix(leaves, (150, 140, 90), 0.25)
    leaves = canvas.light.tinted(scale(leaves, draws.uniform(0.85, 1.15)))
    if plan.snow:
        leaves = mix(leaves, (226, 230, 236), 0.35)
    distance = at[1]
    shown = [canvas.light.at(tone, distance) for tone in (scale(leaves, 0.74), leaves, scale(leaves, 1.16))]
    bark = canvas.light.at(canvas.light.tinted(_PALE_BARK if kind in _PALE else _BARK), distance)
    sun_side = 1.0 if canvas.light.towards_sun[0] >= 0 else -1.0
    x, y, px = anchor
    painter(_Spot(canvas, x, y, px, distance, draws, shown[0], shown[1], shown[2], bark, bare, sun_side))
