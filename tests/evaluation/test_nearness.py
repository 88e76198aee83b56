"""Scores by the distance to the nearest training picture."""

import numpy as np
import pytest
from scipy import stats

from lost_and_found.errors import InvalidConfig
from lost_and_found.evaluation.nearness import RANGES, km_to_nearest, nearness_table, nearness_text
from lost_and_found.geo.distances import haversine_km


def test_the_nearest_picture_is_the_one_that_measuring_all_finds():
    rng = np.random.default_rng(0)
    points, others = (rng.uniform((-90, -180), (90, 180), (count, 2)) for count in (40, 300))
    expected = haversine_km(points[:, None], others[None]).min(axis=1)
    others = np.concatenate([others, [[np.nan, np.nan]]])
    np.testing.assert_allclose(km_to_nearest(points, others), expected, rtol=1e-9)


def test_what_has_no_coordinates_is_near_nothing():
    somewhere, nowhere = np.array([[10.0, 20.0]]), np.array([[np.nan, np.nan]])
    km = km_to_nearest(np.concatenate([somewhere, nowhere]), somewhere)
    np.testing.assert_allclose(km, [0, np.nan], atol=1e-9)
    for others in (nowhere, np.empty((0, 2))):
        table = nearness_table(np.array([True]), km_to_nearest(somewhere, others), groups=[0])
        assert nearness_text(table).startswith("can't be told")


def test_each_range_has_its_pictures_and_the_exact_interval_of_their_share():
    km = np.array([0.0, 1, 1.1, 25, np.nan, 25.1, 200, 200.1, 750, 750.1, 9000, 9999])
    right = np.array([1, 1, 1, 0, 1, 0, 0, 1, 0, 1, 0, 0], dtype=bool)
    table = nearness_table(right, km, groups=np.arange(12))
    rows = table[["nearest", "n", "right"]].to_numpy().tolist()
    expected = [(2, 1), (2, 0.5), (2, 0), (2, 0.5), (3, 1 / 3)]
    assert rows == [[name, *values] for name, values in zip(RANGES, expected, strict=True)]
    one_of_three = stats.binomtest(1, 3).proportion_ci(0.95)
    assert table[["low", "high"]].to_numpy()[4] == pytest.approx([one_of_three.low, one_of_three.high])
    assert nearness_text(table).endswith("33.3 %    0.8 to 90.6 %         3")


def test_pictures_of_one_game_are_one_piece_of_evidence():
    right, km = np.tile([True, True, False, False], 25), np.full(100, 5.0)
    alone, in_games = (
        nearness_table(right, km, groups=groups) for groups in (np.arange(100), np.arange(100) // 2)
    )
    assert in_games["low"][0] < alone["low"][0] < 0.5 < alone["high"][0] < in_games["high"][0]
    with pytest.raises(InvalidConfig, match="resamples is 99"):
        nearness_table(right, km, groups=np.arange(100), resamples=99)


def test_groups_may_be_pairs_as_in_other_scores_and_each_guess_needs_one():
    right, km = np.array([True, False, True, False]), np.array([5.0, np.nan, 5.0, 5.0])
    pairs = nearness_table(right, km, groups=[("game", 1), ("b",), ("game", 1), ("a", 2)], resamples=100)
    assert pairs.equals(nearness_table(right, km, groups=[1, 7, 1, 0], resamples=100))
    with pytest.raises(InvalidConfig, match="3 groups for 4 samples"):
        nearness_table(right, km, groups=[1, 2, 3])
