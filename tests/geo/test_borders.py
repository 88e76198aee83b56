import numpy as np
import pytest
import shapely

from lost_and_found.geo.borders import Borders
from lost_and_found.geo.distances import to_unit_vectors


def test_a_shared_border_is_indexed_once_and_a_cut_is_not():
    squares = shapely.box([179, 178, -180], 0, [180, 179, -179], 1)
    borders = Borders(squares)
    distance_km, region = borders.nearest(to_unit_vectors([[0.5, 180.0], [0.5, 179.01], [0.5, -179.01]]))
    assert distance_km == pytest.approx([55.6, 1.11, 1.11], rel=0.01)
    assert region[1:].tolist() == [0, 2]


def test_a_border_that_repeats_a_point_has_the_same_distances():
    borders = Borders(np.array([shapely.Polygon([(0, 0), (1, 0), (1, 0), (1, 1), (0, 1)])]))
    assert borders.nearest(to_unit_vectors([[0.0, 1.01]]))[0] == pytest.approx(1.11, rel=0.01)
