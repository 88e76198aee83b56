"""The map of guess and truth, as SVG in degrees: x is the longitude, y the negative latitude."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from html import escape

import shapely

from lost_and_found.geo.countries import find_country
from lost_and_found.geo.outlines import country_outlines

ASPECT = 16 / 9
WORLD_DEG = (378.0, 198.0)  # a little more than the world, so that a mark at its edge is seen whole
SMALLEST_HEIGHT_DEG = 36.0
MARGIN_DEG = 9.0
FARTHEST_SOUTH = -60.0  # degrees of latitude; a country is not framed farther south
MAIN_PART = 0.5  # of the largest part's area; New Zealand has two such parts, the United States one


@cache
def land_symbols() -> str:
    """Every country's outline, put into the page once; maps then refer to them by `#land-<code>`."""
    paths = "".join(
        f'<path id="land-{outline.code}" d="{_path(outline.polygons)}"/>' for outline in country_outlines()
    )
    names = "".join(f'<use href="#land-{outline.code}"/>' for outline in country_outlines())
    return (
        '<svg width="0" height="0" style="position:absolute" aria-hidden="true" focusable="false">'
        f'<defs>{paths}<g id="land">{names}</g></defs></svg>'
    )


def answer_map(truth: str, guesses: Sequence[str], coordinates: tuple[float, float] | None) -> str:
    """The part of the world where truth and guesses lie, with the guesses numbered.

    Args:
        truth: country code.
        guesses: country codes, the likeliest first.
        coordinates: (lat, lon) of the picture in degrees, where they are known.
    """
    wrong = [(place, code) for place, code in enumerate(guesses, start=1) if code != truth]
    spot = (coordinates[1], coordinates[0]) if coordinates else _centre(truth)
    centres = [(place, _centre(code)) for place, code in wrong]
    around = [spot, *(corner for code in {truth, *guesses} for corner in _corners(code))]
    x, y, width, height = _frame([point for point in around if point])
    unit = height / 100
    shapes = ['<use href="#land" class="land"/>']
    shapes += [f'<use href="#land-{code}" class="guessed"/>' for _, code in reversed(wrong)]
    shapes.append(f'<use href="#land-{truth}" class="truth"/>')
    shapes += [_marker(centre, str(place), "guessed", unit) for place, centre in reversed(centres) if centre]
    if spot:
        shapes.append(_marker(spot, "✓" if truth in guesses else "★", "truth", unit))
    where = "the picture was taken there" if coordinates else "its middle is marked"
    told = "; ".join(f"guess {place}: {find_country(code).name}" for place, code in wrong)
    label = f"Map. {find_country(truth).name} is the answer, {where}. {told or 'No wrong guess'}."
    return (
        f'<svg class="answer-map" role="img" aria-label="{escape(label)}" '
        f'viewBox="{x:.2f} {y:.2f} {width:.2f} {height:.2f}">{"".join(shapes)}</svg>'
    )


def _frame(points: Sequence[tuple[float, float]]) -> tuple[float, float, float, float]:
    """Left, top, width and height of a view of all (lon, lat) points, inside the world if it fits."""
    lons, lats = [lon for lon, _ in points] or [0.0], [lat for _, lat in points] or [0.0]
    tall = max(lats) - min(lats) + 2 * MARGIN_DEG
    wide = max(lons) - min(lons) + 2 * MARGIN_DEG
    width = min(max(wide, ASPECT * tall, ASPECT * SMALLEST_HEIGHT_DEG), WORLD_DEG[0])
    height = width / ASPECT
    middle = ((max(lons) + min(lons)) / 2, -(max(lats) + min(lats)) / 2)
    corner = [
        min(max(centre - side / 2, -world / 2), world / 2 - side) if side < world else -side / 2
        for centre, side, world in zip(middle, (width, height), WORLD_DEG, strict=True)
    ]
    return corner[0], corner[1], width, height


def _marker(point: tuple[float, float], text: str, kind: str, unit: float) -> str:
    lon, lat = point
    return (
        f'<g class="marker {kind}"><circle cx="{lon:.2f}" cy="{-lat:.2f}" r="{4.2 * unit:.2f}"/>'
        f'<text x="{lon:.2f}" y="{-lat:.2f}" font-size="{5.6 * unit:.2f}" dy="0.36em">{text}</text></g>'
    )


@cache
def _main_parts(code: str) -> list[shapely.Polygon]:
    """The largest part of a country and those about as large; none for a country that the map lacks."""
    outline = next((one for one in country_outlines() if one.code == code), None)
    parts = [shapely.Polygon(ring) for ring in outline.polygons] if outline else []
    return [part for part in parts if part.area >= MAIN_PART * parts[0].area]


@cache
def _centre(code: str) -> tuple[float, float] | None:
    """(lon, lat) well inside the largest part of a country; None for a country that the map lacks."""
    parts = _main_parts(code)
    if not parts:
        return None
    middle = shapely.maximum_inscribed_circle(parts[0], tolerance=0.2)
    lon, lat = middle.coords[0]
    return float(lon), float(lat)


def _corners(code: str) -> list[tuple[float, float]]:
    parts = _main_parts(code)
    if not parts:
        return []
    west, south, east, north = shapely.MultiPolygon(parts).bounds
    return [(west, max(south, FARTHEST_SOUTH)), (east, north)]


def _path(polygons: Sequence[Sequence[tuple[float, float]]]) -> str:
    """Closed rings in tenths of a degree; points that coincide are drawn once."""
    rings = []
    for polygon in polygons:
        points = list(dict.fromkeys(f"{lon:.1f} {-lat:.1f}" for lon, lat in polygon))
        rings.append(f"M{'L'.join(points)}Z")
    return "".join(rings)
