"""Which samples were taken close to each other."""

import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from lost_and_found.errors import InvalidConfig
from lost_and_found.geo.distances import haversine_km
from lost_and_found.preparation.places import close_pairs, first_at_same_place


def groups(rows, others, count):
    """The first row that each row is connected with, directly or through others."""
    edges = coo_array((np.ones(len(rows)), (rows, others)), shape=(count, count))
    _, labels = connected_components(edges, directed=False)
    return (labels[:, None] == labels).argmax(axis=1)


@pytest.mark.parametrize("distance", [0, 1.2, 40])
@pytest.mark.parametrize("seed", range(5))
def test_close_pairs_connect_what_all_pairs_within_the_distance_connect(distance, seed):
    rng, count = np.random.default_rng(seed), 40
    # In meshes of 1.1 km around the meridian of 180°, which has two numbers; some are unknown.
    lat = rng.choice([-0.03, -0.01, 0, 0.01, 0.03, 5, np.nan], count)
    lon = rng.choice([-179.96, -179.99, -180, 180, 179.99, 179.97, np.nan], count)
    points = np.column_stack([lat, lon])
    apart = haversine_km(points[:, None], points[None])
    wanted = groups(*np.nonzero(apart <= distance + 1e-6), count)
    pairs = close_pairs(points, distance)
    assert (pairs[:, 0] < pairs[:, 1]).all()
    assert groups(*pairs.T, count).tolist() == wanted.tolist()
    assert len(set(wanted)) < count
    if distance == 0:
        assert first_at_same_place(points).tolist() == wanted.tolist()


@pytest.mark.parametrize("spread", [0.3, 1, 3, 9])  # from all in one grid cell to most alone in theirs
@pytest.mark.parametrize("around", [(47, 8), (90, 0), (0, 180)])
def test_crowds_are_connected_like_all_of_their_pairs_too(spread, around):
    points = around + np.random.default_rng(0).normal(0, spread / 111, (150, 2))
    points[::3] = around + (points[::3] - around) / 20
    points = np.column_stack([points[:, 0].clip(-90, 90), (points[:, 1] + 180) % 360 - 180])
    apart = haversine_km(points[:, None], points[None])
    pairs = close_pairs(points, 1)
    assert groups(*pairs.T, 150).tolist() == groups(*np.nonzero(apart <= 1), 150).tolist()
    assert (apart[*pairs.T] <= 1).all()


def test_thousands_of_close_places_need_few_pairs():
    points = np.random.default_rng(0).normal(
        [47, 8], 0.0003, (3000, 2)
    )  # of some 30 m, not all within 0.1 km
    assert len(close_pairs(points, 0.1)) < 10 * 3000


@pytest.mark.parametrize("distance", [-1, 6400, float("nan")])
def test_a_distance_that_no_two_places_have_is_refused(distance):
    with pytest.raises(InvalidConfig, match="at least 0 and below"):
        close_pairs(np.zeros((2, 2)), distance)
