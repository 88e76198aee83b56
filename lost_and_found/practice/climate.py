"""The climate of a point: the Köppen class of the nearest of some 390 towns, and the biome that goes with it."""

from __future__ import annotations

import math
from functools import cache

from lost_and_found.practice.facts import read_table

BIOMES = {
    "tropical": ("Af", "Am"),
    "savanna": ("Aw", "As"),
    "desert": ("BWh", "BWk"),
    "steppe": ("BSh", "BSk"),
    "mediterranean": ("Csa", "Csb"),
    "subtropical": ("Cfa", "Cwa"),
    "oceanic": ("Cfb",),
    "highland": ("Cwb",),
    "continental": ("Dfa", "Dfb", "Dwa", "Dwb"),
    "boreal": ("Dfc", "Dfd", "Dwc"),
    "tundra": ("ET", "Cfc"),
}
_BIOME_OF = {koppen: biome for biome, classes in BIOMES.items() for koppen in classes}
# Beyond this latitude a humid "subtropical" town (Milan, Belgrade) has the trees and meadows of central Europe.
_SUBTROPICAL_UP_TO_LAT = 41.0


def biome_at(lat: float, lon: float, *, waver: float = 0.5) -> str:
    """The biome at a point in degrees, one of the keys of `BIOMES`.

    Args:
        lat: degrees.
        lon: degrees.
        waver: in [0, 1], 0.5 for the plain answer; a random number makes the belt between two climates gradual.
    """
    ranked = sorted((_closeness(lat, lon, row), row[2]) for row in _towns())
    (near, first), (far, second) = ranked[0], ranked[1]
    # Squared half chords: the second town counts only when it is nearly as close as the first.
    koppen = second if waver > 0.5 + near / (near + far + 1e-12) else first
    if koppen in ("Cfa", "Cwa") and abs(lat) > _SUBTROPICAL_UP_TO_LAT:
        return "oceanic"
    return _BIOME_OF[koppen]


def _closeness(lat: float, lon: float, town: tuple[float, float, str]) -> float:
    half_lat, half_lon = math.radians(lat - town[0]) / 2, math.radians(lon - town[1]) / 2
    east = math.cos(math.radians(lat)) * math.cos(math.radians(town[0])) * math.sin(half_lon) ** 2
    return math.sin(half_lat) ** 2 + east


@cache
def _towns() -> tuple[tuple[float, float, str], ...]:
    table = read_table("climates.csv")
    return tuple(zip(table["lat"].astype(float), table["lon"].astype(float), table["koppen"], strict=True))
