import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lost_and_found.geo.distances import (
    EARTH_RADIUS_KM,
    chord_to_km,
    from_unit_vectors,
    great_circle_km,
    haversine_km,
    km_to_chord,
    to_unit_vectors,
)

HALF_WAY_ROUND = np.pi * EARTH_RADIUS_KM
POINTS = st.tuples(st.floats(-90, 90), st.floats(-180, 180)).map(np.array)


@pytest.mark.parametrize(
    ("a", "b", "distance_km"),
    [
        ((48.8566, 2.3522), (51.5074, -0.1278), 343.6),  # Paris, London
        ((40.7128, -74.0060), (34.0522, -118.2437), 3935.7),  # New York, Los Angeles
        ((-33.8688, 151.2093), (-36.8485, 174.7633), 2155.9),  # Sydney, Auckland
        ((35.6762, 139.6503), (37.7749, -122.4194), 8270.0),  # Tokyo, San Francisco
        ((0.0, 179.5), (0.0, -179.5), 111.195),  # across the antimeridian
        ((0.0, 180.0), (0.0, -180.0), 0.0),
        ((90.0, 0.0), (-90.0, 77.0), HALF_WAY_ROUND),
        ((90.0, 10.0), (90.0, -120.0), 0.0),  # the pole has every longitude
        ((0.0, 0.0), (0.0, 180.0), HALF_WAY_ROUND),
        ((12.0, 34.0), (12.0, 34.0), 0.0),
    ],
)
def test_known_distances(a, b, distance_km):
    assert haversine_km(a, b) == pytest.approx(distance_km, rel=1e-3, abs=1e-9)


def test_leading_axes_broadcast():
    a, b = np.zeros((5, 1, 2)), np.ones((7, 2))
    assert haversine_km(a, b).shape == (5, 7)
    vectors = to_unit_vectors(a), to_unit_vectors(b)
    np.testing.assert_allclose(great_circle_km(*vectors), haversine_km(a, b))


@given(POINTS, POINTS)
def test_distance_is_symmetric_and_at_most_half_way_round(a, b):
    assert haversine_km(a, b) == pytest.approx(haversine_km(b, a), abs=1e-6)
    assert 0 <= haversine_km(a, b) <= HALF_WAY_ROUND + 1e-9


@given(POINTS, POINTS, POINTS)
def test_a_detour_is_never_shorter(a, b, c):
    assert haversine_km(a, c) <= haversine_km(a, b) + haversine_km(b, c) + 1e-6


@given(POINTS)
def test_unit_vectors_come_back_as_the_same_point(point):
    xyz = to_unit_vectors(point)
    assert np.linalg.norm(xyz) == pytest.approx(1)
    assert haversine_km(from_unit_vectors(xyz * 3), point) == pytest.approx(0, abs=1e-6)


@given(POINTS, POINTS)
def test_torch_agrees_with_numpy(a, b):
    tensors = torch.tensor(a), torch.tensor(b)
    assert haversine_km(*tensors).item() == pytest.approx(haversine_km(a, b), abs=1e-6)
    assert to_unit_vectors(tensors[0]).numpy() == pytest.approx(to_unit_vectors(a), abs=1e-12)
    xyz = to_unit_vectors(tensors[0])
    assert from_unit_vectors(xyz).numpy() == pytest.approx(from_unit_vectors(xyz.numpy()), abs=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((12.0, 34.0), (12.0, 34.0)),  # the same point
        ((12.0, 34.0), (-12.0, -146.0)),  # antipodes
        ((90.0, 0.0), (-90.0, 0.0)),
        ((90.0, 0.0), (90.0, 50.0)),
        ((0.0, 180.0), (0.0, -180.0)),
    ],
)
def test_gradients_are_finite_at_coincident_and_opposite_points(a, b, dtype):
    a = torch.tensor(a, dtype=dtype, requires_grad=True)
    b = torch.tensor(b, dtype=dtype, requires_grad=True)
    distance_km = haversine_km(a, b)
    distance_km.backward()
    assert distance_km.dtype == dtype
    assert torch.isfinite(distance_km) and torch.isfinite(a.grad).all() and torch.isfinite(b.grad).all()


def test_gradients_agree_with_finite_differences():
    generator = torch.Generator().manual_seed(0)
    half_range = torch.tensor([80.0, 170.0], dtype=torch.float64)
    a, b = (torch.rand(2, 6, 2, dtype=torch.float64, generator=generator) * 2 - 1) * half_range
    assert torch.autograd.gradcheck(haversine_km, (a.requires_grad_(), b.requires_grad_()), atol=1e-4)
    assert torch.autograd.gradcheck(to_unit_vectors, (a,))


@pytest.mark.parametrize("b", [(48.8566, 2.3523), (-48.8566, -177.6478)])
def test_float32_is_good_to_ten_metres_near_and_at_the_antipode(b):
    a = (48.8566, 2.3522)
    single = haversine_km(torch.tensor(a), torch.tensor(b)).item()
    assert single == pytest.approx(haversine_km(a, b), abs=0.01)


def test_a_numpy_partner_of_a_tensor_becomes_a_tensor():
    distance_km = haversine_km(torch.zeros(3, 2), np.ones(2))
    assert isinstance(distance_km, torch.Tensor) and distance_km.shape == (3,)


@pytest.mark.parametrize("whole", [torch.tensor([48, 9]), torch.tensor([48.0, 9.0])])
def test_whole_degrees_in_a_tensor_do_not_round_those_of_its_partner(whole):
    distance_km = haversine_km((47.3, 8.5), (48, 9))
    for partner in (np.array([47.3, 8.5]), torch.tensor([47.3, 8.5])):
        assert haversine_km(whole, partner).item() == pytest.approx(distance_km, rel=1e-5)


@pytest.mark.parametrize("swapped", [(139.65, 35.68), [(35.68, 139.65), (-122.42, 37.77)]])
def test_swapped_axes_are_refused_where_they_show(swapped):
    message = r"latitude -?1\d\d.\d+ is beyond ±90; a point is \(lat, lon\)"
    with pytest.raises(ValueError, match=message):
        haversine_km((35.0, 139.0), swapped)
    with pytest.raises(ValueError, match=message):
        to_unit_vectors(swapped)


def test_degrees_are_not_taken_for_unit_vectors():
    for function in (lambda points: great_circle_km(points, points), from_unit_vectors):
        with pytest.raises(ValueError, match=r"shape \(4, 2\); the last axis must be \(x, y, z\)"):
            function(np.zeros((4, 2)))


def test_points_without_a_pair_of_degrees_are_refused():
    with pytest.raises(ValueError, match=r"last axis must be \(lat, lon\)"):
        haversine_km(np.zeros((2, 3)), np.zeros((2, 3)))


def test_numpy_users_do_not_pay_for_torch():
    code = "import sys, lost_and_found.geo.distances; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_unit_vectors_and_chords_give_the_distances_that_degrees_give():
    generator = np.random.default_rng(0)
    a, b = (generator.uniform((-90, -180), (90, 180), (100, 2)) for _ in range(2))
    b[0], b[1] = a[0], (-a[1, 0], a[1, 1] - 180 * np.sign(a[1, 1]))  # the same place, and the antipode
    km, vectors = haversine_km(a, b), (to_unit_vectors(a), to_unit_vectors(b))
    np.testing.assert_allclose(great_circle_km(*vectors), km, rtol=1e-9, atol=1e-6)
    chords = np.linalg.norm(vectors[0] - vectors[1], axis=1)
    np.testing.assert_allclose(chord_to_km(chords), km, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose([km_to_chord(one) for one in km], chords, rtol=1e-9, atol=1e-9)


def test_a_chord_that_rounding_makes_longer_than_the_globe_is_wide_reaches_half_way_round():
    assert chord_to_km(np.nextafter(2, 3)) == pytest.approx(HALF_WAY_ROUND)


@pytest.mark.parametrize("kind", [np.asarray, torch.tensor])
def test_the_distance_of_an_unknown_place_is_unknown_and_not_zero(kind):
    places = kind([[np.nan, np.nan], [1.0, np.nan], [1.0, 2.0]])
    unknown = [True, True, False]
    assert np.isnan(np.asarray(haversine_km(places, kind([1.0, 2.0])))).tolist() == unknown
    vectors = to_unit_vectors(places)
    assert np.isnan(np.asarray(great_circle_km(vectors, vectors[2]))).tolist() == unknown
    assert np.isnan(np.asarray(from_unit_vectors(vectors))).all(axis=1).tolist() == unknown
