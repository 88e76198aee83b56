"""Which plants grow at a place, their colours through the year, and their shadows."""

from __future__ import annotations

from collections.abc import Callable

from lost_and_found.practice.draws import Draws
from lost_and_found.practice.painting import trees
from lost_and_found.practice.painting.canvas import Canvas
from lost_and_found.practice.painting.colours import Colour, mix, scale
from lost_and_found.practice.painting.spot import Spot
from lost_and_found.practice.plan import ScenePlan

_AUTUMN: tuple[Colour, ...] = ((206, 142, 46), (184, 92, 40), (214, 176, 66), (150, 112, 52))
_BARK: Colour = (96, 78, 62)
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


_Painter = Callable[[Spot], None]

# Painter, colour of the leaves, and whether they turn in autumn.
_KINDS: dict[str, tuple[_Painter, Colour, bool]] = {
    "broadleaf": (trees.broadleaf, (80, 128, 52), True),
    "oak": (trees.broadleaf, (70, 110, 48), True),
    "linden": (trees.broadleaf, (86, 136, 54), True),
    "maple": (trees.broadleaf, (92, 134, 52), True),
    "plane": (trees.broadleaf, (110, 146, 70), True),
    "walnut": (trees.broadleaf, (96, 132, 60), True),
    "apple": (trees.small_round, (88, 130, 58), True),
    "ginkgo": (trees.broadleaf, (130, 156, 66), True),
    "willow": (trees.broadleaf, (124, 152, 78), True),
    "birch": (trees.birch, (108, 148, 66), True),
    "poplar": (trees.poplar, (96, 138, 60), True),
    "spruce": (trees.spruce, (42, 78, 52), False),
    "cedar": (trees.cedar, (46, 84, 50), False),
    "pine": (trees.pine, (62, 96, 58), False),
    "cypress": (trees.cypress, (44, 78, 50), False),
    "umbrella_pine": (trees.umbrella_pine, (62, 100, 52), False),
    "olive": (trees.olive, (128, 140, 104), False),
    "eucalyptus": (trees.eucalyptus, (110, 130, 92), False),
    "hedge": (trees.hedge, (62, 108, 48), False),
    "pasture_hedge": (trees.hedge, (54, 92, 48), False),
    "bush": (trees.bush, (100, 116, 64), False),
    "fern": (trees.bush, (74, 122, 58), False),
    "bamboo": (trees.bamboo, (120, 158, 66), False),
    "palm": (trees.palm, (84, 126, 58), False),
    "sugar_palm": (trees.sugar_palm, (78, 118, 62), False),
    "oil_palm": (trees.oil_palm, (66, 110, 52), False),
    "banana": (trees.banana, (112, 166, 62), False),
    "tropical_broadleaf": (trees.broadleaf, (54, 108, 44), False),
    "rain_tree": (trees.umbrella_pine, (60, 116, 50), False),
    "acacia": (trees.acacia, (112, 130, 66), False),
    "baobab": (trees.baobab, (106, 132, 72), False),
    "agave": (trees.agave, (128, 154, 136), False),
    "cactus": (trees.cactus, (90, 130, 80), False),
}
LOW = ("bush", "fern", "agave", "hedge", "pasture_hedge", "cactus", "bamboo")
_PALE = ("birch", "eucalyptus", "plane")
_HEIGHT_M = {
    "bush": 1.2,
    "fern": 1.2,
    "agave": 1.0,
    "hedge": 1.6,
    "pasture_hedge": 1.6,
    "banana": 3.5,
    "apple": 4.5,
    "olive": 4.0,
}


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
    if anchor is None:
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
    painter(Spot(canvas, x, y, px, distance, draws, shown[0], shown[1], shown[2], bark, bare, sun_side))
