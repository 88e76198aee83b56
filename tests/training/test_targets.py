import pytest
import torch
from test_region_target import records

from lost_and_found.training.config import TARGETS, TrainingConfig
from lost_and_found.training.targets import _TARGETS, build_target, metrics_of, target_from_json
from lost_and_found.training.targets.base import DISTANCE_METRICS


@pytest.mark.parametrize(
    ("target", "settings"),
    [
        ("country", {"label_smoothing": 0.3, "logit_adjustment": 0.7}),
        ("region", {"tau_km": 33.0, "region_labels": "published", "logit_adjustment": 0.7}),
        ("coordinates", {"coordinate_loss": "mse"}),
    ],
)
def test_a_target_has_the_settings_of_the_config_and_keeps_them_with_the_model(target, settings):
    built = build_target(TrainingConfig(dataset="made", target=target, **settings), records())
    kept = built.to_json()
    assert settings.items() <= kept.items()
    assert sorted(kept.get("train_counts", [1, 2])) == [1, 2]
    assert target_from_json(kept).to_json() == kept


def test_the_settings_name_every_target_and_no_other():
    assert tuple(one.name for one in _TARGETS) == TARGETS


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_names_beforehand_the_metrics_that_it_reports(name):
    target = build_target(TrainingConfig(dataset="made", target=name), records())
    measured = target.measure(torch.rand(3, target.outputs), target.encode(records()))
    assert {tensor.shape for tensor in measured.values()} == {(3,)}
    reported = target.summarise({key: value.numpy() for key, value in measured.items()})
    assert metrics_of(name) == target.metrics == tuple(reported)
    assert target.best_metric in target.metrics
    assert target.best_is_share == (target.best_metric not in DISTANCE_METRICS)
