"""Painters of trees, palms and shrubs by their habit, each about as tall as the real ones."""

from __future__ import annotations

import math

from lost_and_found.practice.painting.colours import Colour
from lost_and_found.practice.painting.spot import Spot


def round_crown(spot: Spot, height: float, *, width: float, stem: float = 0.3) -> None:
    """A stem with one round crown."""
    spot.trunk(height * (stem + 0.25), 0.05 * height)
    half = height * (1 - stem) / 2
    spot.crown((0, height - half), height * width, half)


def broadleaf(spot: Spot) -> None:
    """A round-crowned tree of 6 to 12 m."""
    round_crown(spot, spot.draws.uniform(6, 12), width=spot.draws.uniform(0.34, 0.48))


def small_round(spot: Spot) -> None:
    """A fruit tree."""
    round_crown(spot, spot.draws.uniform(3, 5.5), width=0.46, stem=0.28)


def birch(spot: Spot) -> None:
    """A slender crown; the kinds that use it have pale bark."""
    round_crown(spot, spot.draws.uniform(7, 13), width=0.22, stem=0.22)


def poplar(spot: Spot) -> None:
    """A column of small crowns."""
    height = spot.draws.uniform(11, 19)
    spot.trunk(height * 0.3, 0.5)
    for step in range(6):
        share = step / 5
        spot.crown((0, height * (0.2 + 0.72 * share)), height * 0.09 * (1.15 - share * 0.7), height * 0.13)


def cypress(spot: Spot) -> None:
    """A narrow dark flame."""
    height = spot.draws.uniform(6, 12)
    spot.trunk(height * 0.2, 0.35)
    half = height * 0.085
    outline = [(-half * 0.7, 0.4), (-half, height * 0.35), (-half * 0.6, height * 0.75), (0, height)]
    spot.shape([*outline, (half * 0.6, height * 0.75), (half, height * 0.35), (half * 0.7, 0.4)], spot.dark)
    inner = half * 0.5 * spot.sun_side
    spot.shape(
        [(inner, 0.6), (inner * 2, height * 0.35), (inner * 0.8, height * 0.8), (0, height * 0.3)], spot.mid
    )


def conifer(spot: Spot, *, height: float, width: float, start: float, tiers: int) -> None:
    """Tiers of drooping triangles, one half lit."""
    spot.trunk(height * 0.5, height * 0.035)
    for tier in range(tiers):
        low = start + (1 - start) * tier / tiers
        half = height * width * (1.06 - tier / tiers) * spot.draws.uniform(0.88, 1.1)
        top = min(1.0, low + 1.9 * (1 - start) / tiers)
        spot.shape(
            [(-half, height * low), (0, height * top), (half, height * low), (0, height * (low + 0.03))],
            spot.dark,
        )
        lit = half * spot.sun_side
        spot.shape([(lit, height * low), (0, height * top), (lit * 0.15, height * (low + 0.03))], spot.mid)


def spruce(spot: Spot) -> None:
    """A pyramid down to the ground."""
    conifer(spot, height=spot.draws.uniform(8, 19), width=0.19, start=0.06, tiers=8)


def cedar(spot: Spot) -> None:
    """A tall narrow conifer with a bare foot."""
    conifer(spot, height=spot.draws.uniform(12, 20), width=0.13, start=0.2, tiers=9)


def pine(spot: Spot) -> None:
    """A bare stem with a few clouds of needles on top."""
    height = spot.draws.uniform(9, 16)
    spot.trunk(height * 0.9, 0.32, spot.draws.uniform(-0.4, 0.4))
    for share, width in ((0.62, 0.17), (0.74, 0.2), (0.85, 0.17), (0.94, 0.1)):
        spot.crown((spot.draws.uniform(-0.6, 0.6), height * share), height * width, height * 0.085)


def umbrella_pine(spot: Spot) -> None:
    """A bare stem under one flat crown."""
    height = spot.draws.uniform(7, 13)
    spot.trunk(height * 0.85, 0.4, spot.draws.uniform(-0.5, 0.5))
    spot.crown((0, height * 0.88), height * 0.42, height * 0.14)


def olive(spot: Spot) -> None:
    """A low grey-green crown on a thick stem."""
    height = spot.draws.uniform(3, 5)
    spot.trunk(height * 0.5, 0.5, spot.draws.uniform(-0.3, 0.3))
    spot.crown((0, height * 0.66), height * 0.46, height * 0.34)


def acacia(spot: Spot) -> None:
    """Forked stems under a flat crown."""
    height = spot.draws.uniform(4.5, 8)
    for lean in (-0.28, 0.05, 0.3):
        spot.trunk(height * 0.85, 0.22, lean * height)
    spot.crown((0, height * 0.88), height * 0.62, height * 0.11)
    spot.crown((height * 0.15, height * 0.98), height * 0.35, height * 0.07)


def baobab(spot: Spot) -> None:
    """A bottle with sparse branches."""
    height = spot.draws.uniform(8, 13)
    spot.shape(
        [
            (-1.5, 0),
            (-1.25, height * 0.6),
            (-0.5, height * 0.72),
            (0.5, height * 0.72),
            (1.25, height * 0.6),
            (1.5, 0),
        ],
        spot.bark,
    )
    for lean in (-0.45, -0.25, 0.1, 0.3, 0.5):
        tip = (lean * height, height * spot.draws.uniform(0.82, 0.95))
        spot.shape([(lean * 2 - 0.3, height * 0.6), tip, (lean * 2 + 0.3, height * 0.6)], spot.bark)
        spot.crown(tip, height * 0.13, height * 0.07)


def eucalyptus(spot: Spot) -> None:
    """Loose clumps of leaves along pale branches."""
    height = spot.draws.uniform(9, 17)
    spot.trunk(height * 0.75, 0.45, spot.draws.uniform(-1, 1))
    for _ in range(5):
        at = (spot.draws.uniform(-0.22, 0.22) * height, spot.draws.uniform(0.5, 0.95) * height)
        spot.shape([(-0.12, height * 0.4), at, (0.12, height * 0.4)], spot.bark)
        spot.crown(at, height * 0.15, height * 0.085)


def fronds(spot: Spot, top: tuple[float, float], length: float, count: int, droop: float = 0.75) -> None:
    """A rosette of drooping leaves."""
    x, y = top
    for number in range(count):
        turn = 6.2832 * (number + spot.draws.uniform(-0.2, 0.2)) / count
        across, rise = math.cos(turn) * length, math.sin(turn) * length * 0.45
        tone = (spot.dark, spot.mid, spot.light)[number % 3]
        bend = (x + across * 0.55, y + rise + length * 0.28)
        tip = (x + across, y + rise - length * droop * 0.6)
        spot.shape(
            [(x, y), (bend[0], bend[1]), tip, (bend[0] * 0.96 + x * 0.04, bend[1] - length * 0.17)], tone
        )


def palm(spot: Spot) -> None:
    """A leaning coconut palm."""
    height, lean = spot.draws.uniform(6, 12), spot.draws.uniform(-1.6, 1.6)
    steps = [(lean * share * share, height * share) for share in (0.0, 0.25, 0.5, 0.75, 1.0)]
    spot.shape([(x - 0.17, y) for x, y in steps] + [(x + 0.17, y) for x, y in reversed(steps)], spot.bark)
    fronds(spot, steps[-1], spot.draws.uniform(2.4, 3.4), 13 if spot.near > 1 else 9)


def sugar_palm(spot: Spot) -> None:
    """A straight stem with a ball of fans."""
    height = spot.draws.uniform(9, 15)
    spot.trunk(height, 0.4)
    for number in range(9):
        turn = 6.2832 * number / 9
        spot.blot(
            math.cos(turn) * 1.0,
            height + math.sin(turn) * 0.9,
            0.75,
            0.7,
            (spot.dark, spot.mid, spot.light)[number % 3],
        )


def oil_palm(spot: Spot) -> None:
    """A short thick stem with many fronds."""
    height = spot.draws.uniform(3, 6)
    spot.trunk(height, 0.7)
    fronds(spot, (0, height), 3.6, 17, droop=0.6)


def banana(spot: Spot) -> None:
    """Large leaves that stand up and fold over."""
    height = spot.draws.uniform(1.6, 2.8)
    spot.trunk(height, 0.3)
    for number in range(7):
        turn = 0.35 + 2.44 * number / 6
        tip = (math.cos(turn) * 2.1, height + math.sin(turn) * 2.3 - abs(math.cos(turn)) * 0.8)
        side = (math.sin(turn) * 0.34, math.cos(turn) * 0.34)
        middle = (tip[0] * 0.55, height + (tip[1] - height) * 0.62 + 0.2)
        outline = [
            (0, height),
            (middle[0] - side[0], middle[1] + side[1]),
            tip,
            (middle[0] + side[0], middle[1] - side[1]),
        ]
        spot.shape(outline, (spot.mid, spot.light, spot.dark)[number % 3])


def bamboo(spot: Spot) -> None:
    """A clump of bent canes."""
    for _ in range(6 + 3 * spot.near):
        foot, lean, height = (
            spot.draws.uniform(-1, 1),
            spot.draws.uniform(-2.2, 2.2),
            spot.draws.uniform(5, 10),
        )
        tone = spot.draws.pick((spot.mid, spot.light, spot.dark))
        spot.shape(
            [(foot - 0.06, 0), (foot + lean * 0.5, height), (foot + lean, height * 0.96), (foot + 0.06, 0)],
            tone,
        )
        spot.blot(foot + lean * 0.6, height * 0.85, 0.9, 1.1, tone)


def bush(spot: Spot) -> None:
    """A low round shrub."""
    width = spot.draws.uniform(0.6, 1.6)
    spot.crown((0, width * 0.55), width, width * 0.62)


def hedge(spot: Spot) -> None:
    """A row of shrubs."""
    for step in range(-2, 3):
        spot.crown((step * 1.1, 0.8), 0.95, 0.85)


def agave(spot: Spot) -> None:
    """A rosette of stiff blades."""
    for number in range(11):
        turn = 0.15 + 2.84 * number / 10
        tip = (math.cos(turn) * 1.2, math.sin(turn) * 1.3)
        side = 0.13
        spot.shape([(-side, 0), tip, (side, 0)], (spot.mid, spot.light, spot.dark)[number % 3])


def cactus(spot: Spot) -> None:
    """A column with two arms."""
    height = spot.draws.uniform(2.2, 5)

    def bar(left: float, right: float, low: float, high: float, colour: Colour) -> None:
        spot.shape([(left, low), (left, high), (right, high), (right, low)], colour)

    for x, low, high in ((0.0, 0.0, 1.0), (-0.75, 0.42, 0.82), (0.75, 0.34, 0.7)):
        foot, top, lit = low * height, high * height, x + 0.08 * spot.sun_side
        bar(x - 0.2, x + 0.2, foot, top, spot.mid)
        spot.blot(x, top, 0.2, 0.2, spot.mid)
        bar(lit - 0.05, lit + 0.05, foot, top, spot.light)
        if x:
            bar(0, x, foot, foot + 0.35, spot.mid)
