"""Which country and admin-1 region a point lies in, how far the border is, and which regions are nearby.

The regions are Natural Earth's. A simplified set ships with the package; `scripts/download-regions` puts the
full 10m set in the cache folder ($LOST_AND_FOUND_CACHE, else ~/.cache/lost-and-found), and from then on that
is used. `natural_earth.py` says how regions are named and which country disputed land goes to.

Longitudes must be in [-180, 180]; 180 and -180 are the same. Others are refused rather than wrapped,
since they mean a mistake (swapped axes, metres) at least as often as another convention.
"""

from __future__ import annotations

import os
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely
from scipy.spatial import cKDTree

from lost_and_found.digests import digest
from lost_and_found.errors import BrokenSample
from lost_and_found.geo.borders import Borders
from lost_and_found.geo.distances import to_unit_vectors
from lost_and_found.geo.region_file import SHIPPED, RegionFile, read_region_file

FULL_RESOLUTION = "regions-10m.npz"
ROWS_AT_ONCE = 1 << 15  # bounds the memory of the border search to some 100 MB


def locate(lat: npt.ArrayLike, lon: npt.ArrayLike) -> pd.DataFrame:
    """Country, region and distance to the border of each point, a row per point.

    Columns:
        country_code: alpha-2 or XK of the region.
        region: the region that contains the point; outside every polygon (at sea, or on a coast that the
            map simplifies away), the nearest one by great-circle distance.
        inside: whether the region contains the point.
        border_km: distance to the nearest border or coast of that region, from inside or from outside.

    Args:
        lat: degrees in [-90, 90], a number or shape (n,).
        lon: degrees in [-180, 180], a number or shape (n,).

    Raises:
        BrokenSample: a coordinate is out of range; the message names the row.
        MissingInput: the map in use is damaged.
    """
    points = checked_points(lat, lon)
    world = _world()
    index, inside, border_km = world.locate(points)
    table = world.file.table.iloc[index].reset_index(drop=True)
    return table[["country_code", "region"]].assign(inside=inside, border_km=border_km)


def nearest_regions(lat: npt.ArrayLike, lon: npt.ArrayLike) -> np.ndarray:
    """Rows of `regions()`, shape (n, 5), with the nearest centroids by great circle, nearest first.

    Args and errors are those of `locate`.
    """
    xyz = to_unit_vectors(checked_points(lat, lon))
    return np.asarray(_world().centroids.query(xyz, k=5, workers=-1)[1])


def regions() -> pd.DataFrame:
    """All regions: region, country_code and the centroid's lat and lon in degrees.

    Raises:
        MissingInput: the map in use is damaged.
    """
    return _world().file.table.copy()


def region_source() -> str:
    """Which map is in use: its title, number of regions and digest, the same wherever the file lies."""
    file = _world().file
    return f"{file.title}, {len(file.table):,} regions, {digest(_path().read_bytes())[:12]}"


def cache_folder() -> Path:
    """Where downloaded maps are kept."""
    return Path(os.environ.get("LOST_AND_FOUND_CACHE") or Path.home() / ".cache" / "lost-and-found")


def checked_points(lat: npt.ArrayLike, lon: npt.ArrayLike) -> np.ndarray:
    """Points (n, 2) as (lat, lon) in degrees, with the longitude 180 where -180 was given.

    Args:
        lat: degrees, a number or shape (n,).
        lon: degrees, of the same shape.

    Raises:
        BrokenSample: shapes differ, or a coordinate is out of range; the message names the row.
    """
    lats, lons = (np.atleast_1d(np.asarray(axis, dtype=np.float64)) for axis in (lat, lon))
    if lats.shape != lons.shape or lats.ndim != 1:
        raise BrokenSample("points", f"lat has shape {lats.shape} and lon {lons.shape}; both must be (n,)")
    wrong = ~((np.abs(lats) <= 90) & (np.abs(lons) <= 180))  # NaN compares as wrong
    if wrong.any():
        row = int(wrong.argmax())
        raise BrokenSample(
            f"point {row} (lat {lats[row]}, lon {lons[row]})",
            "latitude must be in [-90, 90] and longitude in [-180, 180]; "
            f"{int(wrong.sum())} of {len(lats)} are not",
        )
    return np.stack([lats, np.where(lons == -180, 180.0, lons)], axis=1)


class _World:
    """The regions with the indexes over them, each made when it is first needed."""

    def __init__(self, file: RegionFile) -> None:
        self.file = file

    @cached_property
    def borders(self) -> Borders:
        return Borders(self.file.geometries)

    @cached_property
    def centroids(self) -> cKDTree:
        return cKDTree(to_unit_vectors(self.file.table[["lat", "lon"]].to_numpy()))

    @cached_property
    def _parts(self) -> tuple[np.ndarray, np.ndarray, shapely.STRtree]:
        # Single polygons have tight boxes, where Chukotka or Fiji as a whole would span every longitude.
        parts, region = shapely.get_parts(self.file.geometries, return_index=True)
        shapely.prepare(parts)
        return parts, region, shapely.STRtree(parts)

    def containing(self, points: np.ndarray) -> np.ndarray:
        """Index (n,) of the first region that contains each point or has it on its edge, or -1."""
        parts, region, tree = self._parts
        lat, lon = points.T
        row, part = tree.query(shapely.points(lon, lat))
        hit = shapely.intersects_xy(parts[part], lon[row], lat[row])
        found = np.full(len(points), len(self.file.table))
        np.minimum.at(found, row[hit], region[part[hit]])
        return np.where(found == len(self.file.table), -1, found)

    def locate(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Region index, whether it contains the point, and km to its border, each (n,).

        Regions don't overlap, so the way out of one reaches its own border before any other: the nearest
        border is always that of the containing region.
        """
        index, border_km = self.containing(points), np.empty(len(points))
        inside = index >= 0
        for first in range(0, len(points), ROWS_AT_ONCE):
            rows = slice(first, first + ROWS_AT_ONCE)
            border_km[rows], nearest = self.borders.nearest(to_unit_vectors(points[rows]))
            index[rows] = np.where(inside[rows], index[rows], nearest)
        return index, inside, border_km


def _path() -> Path:
    full = cache_folder() / FULL_RESOLUTION
    return full if full.is_file() else SHIPPED


def _world() -> _World:
    path = _path()
    return _load(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=1)
def _load(path: Path, modified_ns: int) -> _World:
    """The map at a path; its modification time is an argument so that a new file is read again."""
    del modified_ns
    return _World(read_region_file(path))
