"""The climate of a point: the Köppen class of the nearest of some 390 towns, and its biome."""

from __future__ import annotations

import heapq
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
# Beyond this latitude a humid "subtropical" town (Milan, Belgrade) looks like central Europe.
_SUBTROPICAL_UP_TO_LAT = 41.0


def biome_at(lat: float, lon: float, *, waver: float = 0.5) -> str:
    """The biome at a point in degrees, one of the keys of `BIOMES`.

    Args:
        lat: degrees.
        lon: degrees.
        waver: in [0, 1], 0.5 for the plain answer; a random number makes the belt between two
            climates gradual.
    """
    x, y, z = _unit_vector(lat, lon)
    # Squared chords: the second town counts only when it is nearly as close as the first.
    ranked = heapq.nsmallest(2, ((2 - 2 * (x * u + y * v + z * w), koppen) for u, v, w, koppen in _towns()))
    (near, first), (far, second) = ranked
    koppen = second if waver > 1 - near / (near + far) else first
    if koppen in ("Cfa", "Cwa") and abs(lat) > _SUBTROPICAL_UP_TO_LAT:
        return "oceanic"
    return _BIOME_OF[koppen]


def _unit_vector(lat: float, lon: float) -> tuple[float, float, float]:
    phi, lam = math.radians(lat), math.radians(lon)
    return math.cos(phi) * math.cos(lam), math.cos(phi) * math.sin(lam), math.sin(phi)


@cache
def _towns() -> tuple[tuple[float, float, float, str], ...]:
    table = read_table("climates.csv")
    points = zip(table["lat"].astype(float), table["lon"].astype(float), table["koppen"], strict=True)
    return tuple((*_unit_vector(lat, lon), koppen) for lat, lon, koppen in points)
