"""The region file: admin-1 polygons and their names in one small compressed numpy archive.

Coordinates are whole hundred-thousandths of a degree (about 1 m), so that a border has the same numbers on
both sides and stays shared; they are stored as differences, which compress well. The same map gives
the same bytes.

    python -m lost_and_found.geo.region_file world_map.gpkg      # writes the file inside the package
"""

from __future__ import annotations

import argparse
import io
import sys
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import shapely

from lost_and_found.commands import command
from lost_and_found.errors import MissingInput
from lost_and_found.geo.distances import from_unit_vectors, to_unit_vectors
from lost_and_found.samples import write_atomically

SHIPPED = Path(__file__).parent / "data" / "regions.npz"
UNITS_PER_DEGREE = 100_000


@dataclass(frozen=True)
class RegionFile:
    """What the file holds.

    Attributes:
        table: a row per region: region, country_code, lat, lon (its centroid on the globe).
        geometries: multipolygons of the same rows, coordinates (lon, lat) in degrees.
        title: where the polygons come from.
    """

    table: pd.DataFrame
    geometries: np.ndarray
    title: str


def read_region_file(path: Path) -> RegionFile:
    """Read what `write_region_file` wrote.

    Raises:
        MissingInput: no file, or a damaged one.
    """
    try:
        with path.open("rb") as handle, np.load(handle) as stored:
            units = np.stack([stored[axis].cumsum(dtype=np.int32) for axis in "xy"], axis=1)
            levels = ("points_in_ring", "rings_in_polygon", "polygons_in_region")
            offsets = tuple(np.concatenate([[0], np.cumsum(stored[level])]) for level in levels)
            table = pd.DataFrame({name: stored[name] for name in ("region", "country_code", "lat", "lon")})
            title = str(stored["title"])
    except FileNotFoundError:
        raise MissingInput(f"{path} is missing; scripts/build-regions makes it") from None
    # A byte that changed may also claim an encrypted file or an unknown compression.
    except (OSError, ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise MissingInput(f"{path} is not a region file ({error}); delete it and make it again") from None
    kind = shapely.GeometryType.MULTIPOLYGON
    return RegionFile(table, shapely.from_ragged_array(kind, units / UNITS_PER_DEGREE, offsets), title)


def write_region_file(path: Path, *, table: pd.DataFrame, geometries: np.ndarray, title: str) -> None:
    """Round the polygons to the file's units and write them with names, countries and centroids.

    Args:
        path: replaced if it exists.
        table: columns region and country_code.
        geometries: polygons or multipolygons of the same rows, (lon, lat) in degrees.
        title: where they come from.
    """
    coarse = shapely.transform(geometries, lambda xy: np.round(xy * UNITS_PER_DEGREE) / UNITS_PER_DEGREE)
    broken = ~shapely.is_valid(coarse)
    coarse[broken] = _polygons_only(shapely.make_valid(coarse[broken]))
    whole = [shapely.MultiPolygon(list(shapely.get_parts(geometry))) for geometry in coarse]
    _, xy, offsets = shapely.to_ragged_array(whole)
    steps = np.diff(np.round(xy * UNITS_PER_DEGREE).astype(np.int32), axis=0, prepend=np.int32(0))
    centre = np.round(centroids(coarse), 6)
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        x=np.ascontiguousarray(steps[:, 0]),
        y=np.ascontiguousarray(steps[:, 1]),
        points_in_ring=np.diff(offsets[0]).astype(np.int32),
        rings_in_polygon=np.diff(offsets[1]).astype(np.int32),
        polygons_in_region=np.diff(offsets[2]).astype(np.int32),
        region=table.region.to_numpy(dtype=np.str_),
        country_code=table.country_code.to_numpy(dtype=np.str_),
        lat=centre[:, 0],
        lon=centre[:, 1],
        title=np.array(title),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, buffer.getvalue())


def centroids(geometries: np.ndarray) -> np.ndarray:
    """Centroids (n, 2) on the globe as (lat, lon), correct across the antimeridian and around the poles.

    The integral of the position over a spherical polygon is half the sum, over its edges, of the edge's angle
    times the unit normal of the edge's plane. Edges shared by two parts of a region (the cut along the
    antimeridian) cancel. Edges are cut to at most a tenth of a degree first, because the map's straight lines
    are not great circles.

    Source: Brock, J. E., "Centroid and inertia tensor for a spherical triangle", Naval Postgraduate School,
    1974.
    """
    dense = shapely.segmentize(shapely.orient_polygons(geometries), 0.1)
    parts, region_of_part = shapely.get_parts(dense, return_index=True)
    rings, part_of_ring = shapely.get_rings(parts, return_index=True)
    xy, ring_of_point = shapely.get_coordinates(rings, return_index=True)
    xyz = to_unit_vectors(xy[:, ::-1])
    normal = np.cross(xyz[:-1], xyz[1:])
    sine = np.linalg.norm(normal, axis=1, keepdims=True)
    normal *= np.divide(np.arcsin(np.minimum(sine, 1)), sine, out=np.ones_like(sine), where=sine > 0)
    normal[ring_of_point[:-1] != ring_of_point[1:]] = 0
    region = region_of_part[part_of_ring[ring_of_point[:-1]]]
    total = np.stack([np.bincount(region, normal[:, axis], len(geometries)) for axis in range(3)], axis=1)
    return np.asarray(from_unit_vectors(total))


def _polygons_only(geometries: np.ndarray) -> np.ndarray:
    """The areas of repaired shapes, without the loose lines that repairing leaves behind."""
    areas = [[part for part in shapely.get_parts(shape) if shapely.area(part) > 0] for shape in geometries]
    return np.array([shapely.union_all(parts) for parts in areas], dtype=object)


@command()
def main(arguments: Sequence[str] | None = None) -> int:
    """Build a region file from a Natural Earth map."""
    # Not above: it imports geopandas, which readers of the file don't need.
    from lost_and_found.geo.natural_earth import read_natural_earth

    parser = argparse.ArgumentParser(prog="scripts/build-regions", description=main.__doc__)
    parser.add_argument(
        "map",
        type=Path,
        help="QGIS's world_map.gpkg (scripts/build-regions' default) or the official admin-1 file",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=SHIPPED,
        help="where to write it (default: the file that the package ships)",
    )
    title = "Natural Earth 4.1 admin-1, simplified for QGIS"
    parser.add_argument("--title", default=title, help=f"what the file says it is (default: {title})")
    options = parser.parse_args(arguments)
    table, geometries = read_natural_earth(options.map)
    write_region_file(options.output, table=table, geometries=geometries, title=options.title)
    print(f"{options.output}: {len(table):,} regions, {options.output.stat().st_size / 1e6:.2f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
