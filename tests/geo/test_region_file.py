import numpy as np
import pandas as pd
import pytest
import shapely

from lost_and_found.geo.region_file import centroids, read_region_file, write_region_file


def test_centroids_are_right_across_the_antimeridian_at_the_pole_and_around_holes():
    across = shapely.MultiPolygon([shapely.box(170, -5, 180, 5), shapely.box(-180, -5, -170, 5)])
    cap = shapely.box(-180, -90, 180, -80)
    ring = shapely.box(0, 0, 4, 4).difference(shapely.box(1, 1, 3, 3))
    centre = centroids(np.array([across, cap, ring]))
    assert abs(centre[0, 1]) == pytest.approx(180) and centre[0, 0] == pytest.approx(0, abs=1e-6)
    assert centre[1, 0] == pytest.approx(-90, abs=1e-6)
    assert centre[2] == pytest.approx([2, 2], abs=0.01)


def test_what_rounding_leaves_of_a_spike_is_cut_off(tmp_path):
    spike = shapely.Polygon([(0, 0), (1, 0), (1, 1), (0.500001, 1), (0.5, 2), (0.499999, 1), (0, 1)])
    table = pd.DataFrame({"region": ["A"], "country_code": ["FR"]})
    write_region_file(tmp_path / "spike.npz", table=table, geometries=np.array([spike]), title="")
    (geometry,) = read_region_file(tmp_path / "spike.npz").geometries
    assert shapely.is_valid(geometry)
    assert shapely.bounds(geometry).tolist() == [0, 0, 1, 1]
