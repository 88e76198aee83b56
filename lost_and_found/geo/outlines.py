"""Outlines of the countries, simple enough to be drawn in a browser."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import shapely

from lost_and_found.geo.countries import find_country
from lost_and_found.geo.region_file import SHIPPED, read_region_file

TOLERANCE_DEG = 0.2
SMALLEST_ISLAND = 0.03  # square degrees; a country's largest part is always kept


@dataclass(frozen=True)
class Outline:
    """A country on a map.

    Attributes:
        code: alpha-2.
        name: as it is shown.
        polygons: closed rings of (lon, lat) in degrees, the largest first.
    """

    code: str
    name: str
    polygons: tuple[tuple[tuple[float, float], ...], ...]


@cache
def country_outlines() -> tuple[Outline, ...]:
    """All countries, about 17,000 points in all.

    Lakes and enclaves are not cut out; to be seen and clicked, a country inside another must be drawn after
    it, so larger ones come first.
    """
    file = read_region_file(SHIPPED)
    rows_of = file.table.groupby("country_code").indices
    whole = [shapely.coverage_union_all(file.geometries[rows]) for rows in rows_of.values()]
    # All at once, so that two neighbours keep the same border.
    simple = shapely.coverage_simplify(whole, TOLERANCE_DEG)
    by_size = sorted(zip(rows_of, simple, strict=True), key=lambda pair: (-shapely.area(pair[1]), pair[0]))
    return tuple(
        Outline(str(code), find_country(str(code)).name, _polygons(shape)) for code, shape in by_size
    )


def _polygons(shape: shapely.Geometry) -> tuple[tuple[tuple[float, float], ...], ...]:
    parts = sorted(shapely.get_parts(shape), key=shapely.area, reverse=True)
    kept = [part for rank, part in enumerate(parts) if rank == 0 or shapely.area(part) > SMALLEST_ISLAND]
    return tuple(tuple((round(lon, 2), round(lat, 2)) for lon, lat in part.exterior.coords) for part in kept)
