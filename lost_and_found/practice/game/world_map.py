"""Outlines of the countries for the maps that one guesses on."""

from __future__ import annotations

import json
from functools import cache

import shapely

from lost_and_found.geo.countries import find_country
from lost_and_found.geo.region_file import SHIPPED, read_region_file

TOLERANCE_DEG = 0.2
SMALLEST_ISLAND = 0.03  # square degrees; a country's largest part is always kept


@cache
def outlines() -> bytes:
    """JSON, about 260 kB: [{"code", "name", "polygons": [[[lon, lat], ...], ...]}, ...].

    Lakes and enclaves are not cut out; to be seen and clicked, a country inside another must be drawn later,
    so larger ones come first.
    """
    file = read_region_file(SHIPPED)
    rows_of = file.table.groupby("country_code").indices
    whole = [shapely.coverage_union_all(file.geometries[rows]) for rows in rows_of.values()]
    # All at once, so that two neighbours keep the same border.
    simple = shapely.coverage_simplify(whole, TOLERANCE_DEG)
    by_size = sorted(zip(rows_of, simple, strict=True), key=lambda pair: (-shapely.area(pair[1]), pair[0]))
    countries = [
        {"code": code, "name": find_country(str(code)).name, "polygons": _polygons(shape)}
        for code, shape in by_size
    ]
    return json.dumps(countries, ensure_ascii=False, separators=(",", ":")).encode()


@cache
def country_codes() -> frozenset[str]:
    """Codes of the countries on the map."""
    return frozenset(country["code"] for country in json.loads(outlines()))


def _polygons(shape: shapely.Geometry) -> list[list[list[float]]]:
    parts = sorted(shapely.get_parts(shape), key=shapely.area, reverse=True)
    kept = [part for rank, part in enumerate(parts) if rank == 0 or shapely.area(part) > SMALLEST_ISLAND]
    return [[[round(lon, 2), round(lat, 2)] for lon, lat in part.exterior.coords] for part in kept]
