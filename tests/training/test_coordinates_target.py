import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lost_and_found.errors import MissingInput
from lost_and_found.geo.distances import haversine_km, to_unit_vectors
from lost_and_found.training.targets import CoordinatesTarget

PLACES = {"Zürich": (47.37, 8.54), "Sydney": (-33.87, 151.21), "Suva": (-18.14, 178.44), "pole": (90.0, 0.0)}
TABLE = pd.DataFrame(
    {
        "id": [f"a_b_c{number}_0" for number in range(len(PLACES))],
        "lat": [lat for lat, _ in PLACES.values()],
        "lon": [lon for _, lon in PLACES.values()],
    }
)


def test_labels_are_unit_vectors_of_lat_and_lon():
    xyz = CoordinatesTarget().encode(TABLE)["xyz"]
    torch.testing.assert_close(xyz.norm(dim=1), torch.ones(4))
    np.testing.assert_allclose(xyz[3], [0, 0, 1], atol=1e-7)
    np.testing.assert_allclose(xyz[0, 2], np.sin(np.radians(47.37)), atol=1e-6)


@pytest.mark.parametrize("loss", ["mse", "angular"])
def test_a_guess_of_the_true_direction_is_no_error_whatever_its_length(loss):
    target = CoordinatesTarget(loss)
    labels = target.encode(TABLE)
    np.testing.assert_allclose(target.decode(3 * labels["xyz"])[:3], TABLE[["lat", "lon"]][:3], atol=1e-4)
    measured = target.measure(3 * labels["xyz"], labels)
    assert measured["km"].max() < 2
    if loss == "angular":
        assert measured["loss"].max() < 3e-4


def test_the_published_loss_is_the_mean_squared_error_of_the_components():
    target = CoordinatesTarget("mse")
    outputs = torch.tensor([[0.5, 0, 0]], requires_grad=True)
    loss = target.loss(outputs, {"xyz": torch.tensor([[0.0, 1, 0]])})
    loss.backward()
    assert loss.item() == pytest.approx((0.25 + 1) / 3)
    np.testing.assert_allclose(outputs.grad[0], [1 / 3, -2 / 3, 0], atol=1e-6)


def test_the_angular_loss_is_the_great_circle_in_radians():
    target = CoordinatesTarget("angular")
    labels = target.encode(TABLE)
    outputs = torch.tensor([[1.0, 0, 0]] * 4)  # (0, 0)
    km = haversine_km(TABLE[["lat", "lon"]].to_numpy(), np.array([0.0, 0.0]))
    np.testing.assert_allclose(target.measure(outputs, labels)["km"], km, rtol=1e-5)
    assert target.loss(outputs, labels).item() == pytest.approx(km.mean() / 6371, rel=1e-5)


@given(
    lat=st.floats(-90, 90), lon=st.floats(-180, 180), scale=st.floats(0.01, 10), sign=st.sampled_from([1, -1])
)
def test_gradients_are_finite_at_the_true_point_and_at_its_antipode(lat, lon, scale, sign):
    xyz = torch.from_numpy(to_unit_vectors(np.array([[lat, lon]])))
    outputs = (sign * scale * xyz).requires_grad_(requires_grad=True)
    CoordinatesTarget("angular").loss(outputs, {"xyz": xyz.float()}).backward()
    assert torch.isfinite(outputs.grad).all()


def test_the_gradient_of_the_angular_loss_is_that_of_float64():
    xyz = torch.tensor([[0.6, 0.0, 0.8]])
    outputs = torch.tensor([[0.3, 1.1, -0.2]], requires_grad=True)
    CoordinatesTarget("angular").loss(outputs, {"xyz": xyz}).backward()
    exact = torch.tensor([[0.3, 1.1, -0.2]], dtype=torch.float64, requires_grad=True)
    cosine = (exact / exact.norm() * xyz.double()).sum()
    torch.arccos(cosine).backward()
    torch.testing.assert_close(outputs.grad.double(), exact.grad, rtol=1e-4, atol=1e-6)


def test_the_metrics_are_distances():
    metrics = CoordinatesTarget().summarise(
        {"loss": np.array([1.0, 3]), "km": np.array([0.5, 1492.7], np.float32)}
    )
    assert metrics["loss"] == 2
    assert metrics["median_km"] == metrics["mean_km"] == pytest.approx(746.6)
    assert metrics["geoscore"] == pytest.approx((5000 * np.exp(-0.5 / 1492.7) + 5000 / np.e) / 2, rel=1e-5)
    assert [metrics[f"within_{km}_km"] for km in (1, 25, 200, 750, 2500)] == [0.5, 0.5, 0.5, 0.5, 1]


@pytest.mark.parametrize("loss", ["mse", "angular"])
@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_network_that_has_diverged_is_not_taken_for_a_perfect_one(loss, number):
    target, labels = CoordinatesTarget(loss), {"xyz": torch.tensor([[0.6, 0.0, 0.8]])}
    outputs = torch.full((1, 3), number)
    assert not torch.isfinite(target.loss(outputs, labels))
    measured = {name: one.numpy() for name, one in target.measure(outputs, labels).items()}
    metrics = target.summarise(measured)
    assert not np.isfinite(metrics["loss"]) and np.isnan(metrics["median_km"])


def test_it_has_no_countries():
    assert CoordinatesTarget().country_probabilities(np.zeros((4, 2))).shape == (4, 0)


def test_records_without_coordinates_are_refused():
    with pytest.raises(MissingInput, match=r"1 samples have no coordinates \(a_b_c0_0\)"):
        CoordinatesTarget().encode(TABLE.assign(lat=[np.nan, 1, 2, 3]))
