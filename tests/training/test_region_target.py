import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lost_and_found.errors import InvalidConfig, MissingInput
from lost_and_found.geo.distances import haversine_km, to_unit_vectors
from lost_and_found.geo.regions import regions
from lost_and_found.training.config import TrainingConfig
from lost_and_found.training.targets import RegionTarget, build_target, target_from_json

# Three centroids on the equator, 1 degree (111.19 km) and 10 degrees from the first.
ON_THE_EQUATOR = pd.DataFrame(
    {"region": ["a", "b", "c"], "country_code": ["AA", "AA", "BB"], "lat": [0.0, 0, 0], "lon": [0.0, 1, 10]}
)
DEGREE_KM = 6371 * np.pi / 180


def xyz(*points):
    return torch.from_numpy(to_unit_vectors(np.array(points, dtype=float)).astype(np.float32))


def labels(*points, region=0, country=0):
    count = len(points)
    return {
        "xyz": xyz(*points),
        "region": torch.full((count,), region),
        "country": torch.full((count,), country),
    }


def test_published_labels_are_the_worked_example():
    target = RegionTarget(ON_THE_EQUATOR, tau_km=75, labels="published")
    (smoothed,) = target.smoothed(xyz((0, 0.25))).double()
    # From a quarter degree: 0.25, 0.75 and 9.75 degrees; the nearest has 1, the next exp(-0.5 deg / 75 km).
    expected = [1, np.exp(-0.5 * DEGREE_KM / 75), np.exp(-9.5 * DEGREE_KM / 75)]
    np.testing.assert_allclose(smoothed, expected, rtol=1e-4)


def test_normalised_labels_are_the_published_ones_over_their_sum():
    published, normalised = (
        RegionTarget(ON_THE_EQUATOR, labels=labels).smoothed(xyz((0, 0.25), (40, -100)))
        for labels in ("published", "normalised")
    )
    torch.testing.assert_close(normalised, published / published.sum(dim=1, keepdim=True))


@pytest.mark.parametrize("form", ["normalised", "published"])
@pytest.mark.parametrize("adjustment", [0.0, 0.5])
def test_the_loss_and_its_gradient_are_those_worked_out_in_float64(form, adjustment):
    counts = [6, 3, 1]
    target = RegionTarget(ON_THE_EQUATOR, counts=counts, tau_km=75, labels=form, logit_adjustment=adjustment)
    outputs = torch.tensor([[1.0, 2.0, -1.0]], requires_grad=True)
    loss = target.loss(outputs, labels((0, 0.25)))
    loss.backward()
    weights = np.exp(-np.array([0.25, 0.75, 9.75]) * DEGREE_KM / 75)
    weights /= weights.sum() if form == "normalised" else weights.max()
    adjusted = np.exp([1.0, 2.0, -1.0]) * (np.array(counts) / 10) ** adjustment
    probabilities = adjusted / adjusted.sum()
    assert loss.item() == pytest.approx(-(weights * np.log(probabilities)).sum(), rel=1e-5)
    np.testing.assert_allclose(outputs.grad[0], weights.sum() * probabilities - weights, atol=1e-5)


def test_published_labels_weigh_samples_by_how_dense_regions_are_and_normalised_ones_do_not():
    known = regions()
    found = {}
    for form in ("published", "normalised"):
        target = RegionTarget(known, labels=form)
        found[form] = target.smoothed(xyz((46.05, 14.5), (-25.0, 134.0))).sum(dim=1)  # Ljubljana, Australia
    assert found["published"][0] > 40
    assert found["published"][1] < 2
    torch.testing.assert_close(found["normalised"], torch.ones(2))


def test_exact_labels_are_the_true_region_or_the_nearest_if_that_has_no_class():
    target = RegionTarget(ON_THE_EQUATOR, counts=[1, 2, 7], labels="exact", logit_adjustment=0.5)
    outputs = torch.tensor([[3.0, 2, 1], [1, 2, 4], [0, 1, 0.9]])
    truth = {"xyz": xyz((0, 0), (0, 10), (0, 10)), "region": torch.tensor([1, 0, -1])}
    adjusted = outputs + 0.5 * torch.log(torch.tensor([0.1, 0.2, 0.7]))
    nearest = haversine_km(ON_THE_EQUATOR[["lat", "lon"]].to_numpy(), np.array([0, 10])).argmin()
    expected = torch.nn.functional.cross_entropy(adjusted, torch.tensor([1, 0, int(nearest)]))
    torch.testing.assert_close(target.loss(outputs, truth), expected)


def test_the_smoothed_label_peaks_at_the_nearest_of_the_worlds_regions():
    # The published loss took km for degrees and peaked at the right region for one sample in a hundred.
    known = regions()
    target = RegionTarget(known)
    points = known[["lat", "lon"]].to_numpy()
    peaks = target.smoothed(xyz(*points)).argmax(dim=1).numpy()
    distances = haversine_km(points[peaks], points)
    assert distances.max() < 0.01


@settings(max_examples=30)
@given(lat=st.floats(-90, 90), lon=st.floats(-180, 180), tau=st.floats(20, 500))
def test_labels_agree_with_float64_everywhere(lat, lon, tau):
    known = regions().iloc[::40].reset_index(drop=True)
    (smoothed,) = RegionTarget(known, tau_km=tau).smoothed(xyz((lat, lon)))
    exponents = -haversine_km(known[["lat", "lon"]].to_numpy(), np.array([lat, lon])) / tau
    exact = np.exp(exponents - exponents.max())
    np.testing.assert_allclose(smoothed, exact / exact.sum(), atol=1e-4)


def test_the_metrics_are_those_worked_out_by_hand():
    target = RegionTarget(ON_THE_EQUATOR)
    outputs = torch.tensor([[3.0, 2, 1], [1, 2, 4], [0, 1, 0.9]])
    given_labels = {
        "xyz": xyz((0, 0), (0, 0), (0, 10)),
        "region": torch.tensor([0, 1, 2]),
        "country": torch.tensor([0, 0, 1]),
    }
    measured = {name: one.numpy() for name, one in target.measure(outputs, given_labels).items()}
    metrics = target.summarise(measured)
    assert metrics["loss"] == pytest.approx(target.loss(outputs, given_labels).item(), rel=1e-6)
    assert metrics["top1"] == pytest.approx(1 / 3)
    assert metrics["top3"] == 1
    km = [0, 10 * DEGREE_KM, 9 * DEGREE_KM]
    assert metrics["mean_km"] == pytest.approx(np.mean(km), rel=1e-4)
    assert metrics["median_km"] == pytest.approx(km[2], rel=1e-4)
    assert metrics["geoscore"] == pytest.approx(np.mean(5000 * np.exp(-np.array(km) / 1492.7)), rel=1e-4)
    assert metrics["within_1_km"] == pytest.approx(1 / 3)
    # Sums: the second says BB; the third says AA, as a and b together outweigh c.
    assert metrics["country_top1"] == pytest.approx(1 / 3)
    assert metrics["country_balanced_accuracy"] == pytest.approx((1 / 2 + 0) / 2)


def test_the_mean_recall_of_countries_is_over_those_that_can_be_guessed():
    measured = {
        "loss": np.zeros(5),
        "km": np.zeros(5),
        "rank": np.zeros(5),
        "country": np.array([0, 0, 0, 1, -1]),
        "country_rank": np.array([0, 0, 1, 0, 5]),
    }
    metrics = RegionTarget(ON_THE_EQUATOR).summarise(measured)
    assert metrics["country_balanced_accuracy"] == pytest.approx((2 / 3 + 1) / 2)
    assert metrics["country_top1"] == pytest.approx(3 / 5)


def test_where_no_country_can_be_guessed_their_mean_recall_is_zero():
    measured = {"loss": np.zeros(2), "km": np.zeros(2), "rank": np.full(2, 5), "country": np.array([-1, -1])}
    metrics = RegionTarget(ON_THE_EQUATOR).summarise(measured | {"country_rank": np.full(2, 5)})
    assert metrics["country_balanced_accuracy"] == metrics["country_top1"] == 0


def test_decoding_gives_each_picture_its_own_probabilities():
    outputs = torch.tensor([[1.0, 2, 4], [3, 3, 3]]).log()
    decoded = RegionTarget(ON_THE_EQUATOR).decode(outputs)
    np.testing.assert_allclose(decoded, [[1 / 7, 2 / 7, 4 / 7], [1 / 3] * 3], atol=1e-6)


def test_a_target_needs_two_regions():
    with pytest.raises(InvalidConfig, match="needs two regions or more"):
        RegionTarget(ON_THE_EQUATOR[:1])


def test_country_probabilities_are_sums_over_the_countrys_regions():
    target = RegionTarget(ON_THE_EQUATOR)
    summed = target.country_probabilities(np.array([[0.3, 0.3, 0.4]], np.float32))
    np.testing.assert_allclose(summed, [[0.6, 0.4]], atol=1e-6)


def test_the_guess_is_the_centroid_with_the_best_expected_geoscore_and_not_of_the_likeliest_region():
    target = RegionTarget(ON_THE_EQUATOR)
    # b: 0.3 exp(-111 / 1493) + 0.3 + 0.4 exp(-1001 / 1493) = 0.78; a has 0.77, and c, the likeliest, 0.70.
    np.testing.assert_allclose(target.points(np.array([[0.3, 0.3, 0.4]])), [[0, 1]])
    np.testing.assert_allclose(target.points(np.array([[0.1, 0.1, 0.8]])), [[0, 10]])
    measured = target.measure(torch.tensor([[0.3, 0.3, 0.4]]).log(), labels((0, 0), region=2))
    assert measured["km"].item() == pytest.approx(DEGREE_KM, rel=1e-4)
    assert measured["rank"].item() == 0


def test_guesses_are_those_of_float64_for_any_number_of_pictures(monkeypatch):
    monkeypatch.setattr("lost_and_found.training.targets.region.GUESSES_AT_ONCE", 7)
    known = regions().iloc[::40].reset_index(drop=True)
    probabilities = np.random.default_rng(0).dirichlet(np.full(len(known), 0.05), size=20)
    centroids = known[["lat", "lon"]].to_numpy()
    scores = np.exp(-haversine_km(centroids[:, None], centroids) / 1492.7)
    best = (probabilities @ scores).argmax(axis=1)
    assert (best != probabilities.argmax(axis=1)).any()
    points = RegionTarget(known).points(probabilities.astype(np.float32))
    np.testing.assert_allclose(points, centroids[best])


def test_a_region_that_no_training_sample_had_counts_as_missed():
    target = RegionTarget(ON_THE_EQUATOR)
    unknown = labels((0, 0), region=-1, country=-1)
    measured = target.measure(torch.tensor([[3.0, 2, 1]]), unknown)
    assert torch.isfinite(measured["loss"]).all()
    # There are only three regions and two countries, and it isn't among the first five of them either.
    assert measured["rank"].item() >= 5
    assert measured["country_rank"].item() >= 5


def records(**columns):
    known = regions().iloc[[5, 900, 900]].reset_index(drop=True)
    return known.assign(**{"id": ["a_b_c1_0", "a_b_c2_0", "a_b_c3_0"], **columns})


CONFIG = TrainingConfig(dataset="made", target="region", tau_km=50)


def test_the_classes_are_the_regions_of_the_train_split_and_survive_json():
    target = build_target(CONFIG, records())
    assert target.outputs == 2
    assert (
        target.encode(records())["region"].tolist().count(target.region_names.index(records()["region"][1]))
        == 2
    )
    loaded = target_from_json(target.to_json())
    assert loaded.to_json() == target.to_json()
    outputs, given_labels = torch.tensor([[1.0, -1.0]] * 3), target.encode(records())
    assert loaded.loss(outputs, given_labels) == target.loss(outputs, given_labels)


@pytest.mark.parametrize(
    ("columns", "hint"),
    [
        ({"region": [None, "x", "x"]}, "1 samples have no region"),
        ({"region": "Atlantis"}, r"not on the map in use \(Atlantis\)"),
    ],
)
def test_records_without_a_region_of_the_map_are_refused(columns, hint):
    with pytest.raises(MissingInput, match=hint):
        build_target(CONFIG, records(**columns))


def test_records_without_coordinates_are_refused():
    target = build_target(CONFIG, records())
    with pytest.raises(MissingInput, match=r"1 samples have no coordinates \(a_b_c2_0\)"):
        target.encode(records(lat=[1.0, np.nan, 2.0]))
