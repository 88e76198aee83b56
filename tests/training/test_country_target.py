import numpy as np
import pandas as pd
import pytest
import torch

from lost_and_found.errors import InvalidConfig, LeakyList, MissingInput
from lost_and_found.training.config import TrainingConfig
from lost_and_found.training.targets import CountryTarget, build_target, target_from_json


def table(*codes):
    return pd.DataFrame({"id": [f"a_b_c{number}_0" for number in range(len(codes))], "country_code": codes})


def test_labels_are_the_sorted_countries_of_the_train_split():
    target = build_target(TrainingConfig(dataset="made"), table("JP", "FR", "NA", "FR"))
    assert target.country_codes == ("FR", "JP", "NA")
    assert target.to_json()["train_counts"] == [2, 1, 1]
    assert target.encode(table("NA", "FR"))["country"].tolist() == [2, 0]


def test_a_target_that_does_not_exist_is_refused():
    with pytest.raises(InvalidConfig, match="allowed are country"):
        target_from_json({"target": "planet"})


def test_a_country_that_the_train_split_lacks_is_refused():
    with pytest.raises(LeakyList, match=r"2 samples .*\(BR, XK\).*05-split-list"):
        CountryTarget(["FR", "JP"]).encode(table("XK", "FR", "BR"))


def test_a_sample_without_country_is_refused():
    with pytest.raises(MissingInput, match=r"1 samples have no country \(a_b_c1_0\)"):
        CountryTarget.from_table(table("FR", None, "JP"), TrainingConfig(dataset="made"))


def test_a_target_needs_two_countries():
    with pytest.raises(InvalidConfig, match="needs two countries or more"):
        CountryTarget(["FR"])


def test_the_metrics_are_those_worked_out_by_hand():
    target = CountryTarget(["A", "B", "C", "D"])
    outputs = torch.tensor(
        [
            [4.0, 3.0, 2.0, 1.0],  # A: rank 0
            [4.0, 3.0, 2.0, 1.0],  # B: rank 1
            [4.0, 3.0, 2.0, 1.0],  # D: rank 3
            [1.0, 2.0, 0.0, 0.0],  # B: rank 0
            [1.0, 5.0, 0.0, 0.0],  # B: rank 0
        ]
    )
    labels = {"country": torch.tensor([0, 1, 3, 1, 1])}
    measured = {name: value.numpy() for name, value in target.measure(outputs, labels).items()}
    assert measured["rank"].tolist() == [0, 1, 3, 0, 0]
    metrics = target.summarise(measured)
    log_sum = np.log(np.exp(outputs.numpy().astype(float)).sum(axis=1))
    assert metrics["loss"] == pytest.approx(np.mean(log_sum - [4, 3, 1, 2, 5]), abs=1e-6)
    assert metrics["top1"] == pytest.approx(3 / 5)
    assert metrics["top3"] == pytest.approx(4 / 5)
    assert metrics["top5"] == 1
    assert metrics["balanced_accuracy"] == pytest.approx((1 + 2 / 3 + 0) / 3)  # C doesn't occur
    assert target.loss(outputs, labels).item() == pytest.approx(metrics["loss"], abs=1e-6)


def test_equal_outputs_are_right_only_where_argmax_is():
    target = CountryTarget(["A", "B", "C"])
    measured = target.measure(torch.zeros(3, 3), {"country": torch.tensor([0, 1, 2])})
    assert measured["rank"].tolist() == [0, 1, 2]


def test_decoding_gives_probabilities():
    probabilities = CountryTarget(["A", "B"]).decode(torch.tensor([[0.0, np.log(3)], [1000.0, 0.0]]))
    assert probabilities.dtype == torch.float32
    np.testing.assert_allclose(probabilities, [[0.25, 0.75], [1, 0]], atol=1e-6)


def test_label_smoothing_and_logit_adjustment_change_the_loss_as_their_papers_say():
    counts = [90, 10]
    outputs = torch.tensor([[1.0, 2.0]], requires_grad=True)
    target = CountryTarget(["A", "B"], counts=counts, label_smoothing=0.2, logit_adjustment=1)
    target.loss(outputs, {"country": torch.tensor([0])}).backward()
    adjusted = np.array([1.0, 2.0]) + np.log([0.9, 0.1])
    probabilities = np.exp(adjusted) / np.exp(adjusted).sum()
    np.testing.assert_allclose(outputs.grad[0], probabilities - [0.9, 0.1], atol=1e-6)


def test_logit_adjustment_leaves_predictions_of_the_outputs_alone():
    target = CountryTarget(["A", "B"], counts=[90, 10], logit_adjustment=1)
    assert target.measure(torch.tensor([[1.0, 2.0]]), {"country": torch.tensor([1])})["rank"].item() == 0
    assert target.decode(torch.tensor([[1.0, 2.0]])).argmax() == 1
