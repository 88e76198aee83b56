"""The climate of a point: the Köppen class of the nearest of some 390 towns, and its biome."""

from __future__ import annotations

from functools import cache

import numpy as np

from lost_and_found.geo.distances import to_unit_vectors
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
    xyz, classes = _towns()
    # Squared chords: the second town counts only when it is nearly as close as the first.
    squares = ((xyz - to_unit_vectors((lat, lon))) ** 2).sum(axis=1)
    first, second = np.argsort(squares, kind="stable")[:2]
    near, far = squares[first], squares[second]
    koppen = classes[second if waver > 1 - near / (near + far) else first]
    if koppen in ("Cfa", "Cwa") and abs(lat) > _SUBTROPICAL_UP_TO_LAT:
        return "oceanic"
    return _BIOME_OF[koppen]


@cache
def _towns() -> tuple[np.ndarray, list[str]]:
    """Unit vectors (N, 3) and Köppen classes."""
    table = read_table("climates.csv")
    return to_unit_vectors(table[["lat", "lon"]].astype(float).to_numpy()), table["koppen"].tolist()
