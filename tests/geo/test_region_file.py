import numpy as np
import pandas as pd
import pytest
import shapely

from lost_and_found.errors import MissingInput
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


def test_a_region_file_with_a_changed_byte_is_whole_or_refused(tmp_path):
    path = tmp_path / "new" / "square.npz"
    table = pd.DataFrame({"region": ["A_b_c"], "country_code": ["FR"]})
    write_region_file(path, table=table, geometries=np.array([shapely.box(0, 0, 1, 1)]), title="a square")
    content, whole = path.read_bytes(), read_region_file(path)
    rng = np.random.default_rng(0)
    for place in rng.integers(len(content), size=500):
        changed = bytearray(content)
        changed[place] ^= rng.integers(1, 256)
        path.write_bytes(changed)
        try:
            found = read_region_file(path)
        except MissingInput:
            continue
        assert found.table.equals(whole.table) and found.title == whole.title
        assert (found.geometries == whole.geometries).all()


def test_a_region_file_that_is_not_there_is_named_with_what_makes_it(tmp_path):
    with pytest.raises(MissingInput, match=r"absent\.npz is missing; scripts/build-regions makes it"):
        read_region_file(tmp_path / "absent.npz")
