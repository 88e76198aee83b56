"""The temperature of a run's probabilities."""

import dataclasses

import numpy as np
import pytest
import torch
from made_splits import located, ten_times
from made_trainings import begun, train
from test_region_target import records

from lost_and_found.evaluation.calibration import calibration_table
from lost_and_found.training import epochs
from lost_and_found.training.config import TrainingConfig
from lost_and_found.training.runs import load_run, predict, weights_of
from lost_and_found.training.splits import Split
from lost_and_found.training.targets import build_target
from lost_and_found.training.targets.base import index_of
from lost_and_found.training.temperature import best_temperature, tempered
from lost_and_found.training.trainer import train_run

CONFIG = TrainingConfig(
    dataset="made",
    architecture="mobilenet_v3_small",
    width=64,
    height=40,
    batch_size=8,
    epochs=6,
    learning_rate=0.004,
    device="cpu",
)


def made_up(count, *, classes=5, seed=0):
    """Probabilities, and true classes drawn with them."""
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.ones(classes), count).astype(np.float32)
    truth = (rng.random(count)[:, None] > probabilities.cumsum(axis=1)).sum(axis=1).clip(max=classes - 1)
    return probabilities, truth


@pytest.mark.parametrize("temperature", [0.4, 1.0, 3.0])
def test_a_model_that_is_too_sure_or_not_sure_enough_is_put_right(temperature):
    right, truth = made_up(20_000)
    given = tempered(right, 1 / temperature)  # what a model says that divided by too little
    found = best_temperature(given, truth)
    assert found == pytest.approx(temperature, rel=0.05)
    whole = calibration_table(tempered(given, found), truth, resamples=100).iloc[0]
    assert whole["probability"] == pytest.approx(whole["right"], abs=0.01)


def test_probabilities_keep_their_order_and_sum_to_one():
    given = made_up(50)[0]
    for temperature in (0.05, 0.5, 2, 20):
        changed = tempered(given, temperature)
        assert changed.dtype == np.float32
        np.testing.assert_allclose(changed.sum(axis=1), 1, rtol=1e-5)
        assert (changed.argsort(axis=1)[:, -1] == given.argmax(axis=1)).all()
        assert (np.diff(np.take_along_axis(changed, given.argsort(axis=1), axis=1)) >= 0).all()
    assert (tempered(given, 1.0) == given).all()


def test_a_few_pictures_move_the_temperature_little():
    sure = np.tile(np.float32([0.9, 0.1]), (3, 1))
    logarithms = np.linspace(-1, 1, 20_001)
    expected = -((logarithms / 0.5) ** 2) / 2  # how probable each is before any picture was seen
    odds = 9 ** np.exp(-logarithms)
    for truth, likely in ((0, odds / (1 + odds)), (1, 1 / (1 + odds))):
        wanted = logarithms[(3 * np.log(likely) + expected).argmax()]
        found = best_temperature(sure, np.full(3, truth))
        assert np.log(found) == pytest.approx(wanted, abs=0.001)
        assert 0.8 < found < 2
    assert best_temperature(sure[:0], np.zeros(0, int)) == pytest.approx(1, abs=1e-3)


def test_even_a_model_that_excludes_the_truth_gets_a_temperature():
    certain = np.tile(np.float32([1, 0]), (100, 1))
    found = best_temperature(certain, np.ones(100, int))
    assert 0.05 <= found <= 20


def test_pictures_of_unknown_countries_do_not_count():
    given, truth = made_up(200)
    more = np.concatenate([given, given])
    assert best_temperature(more, np.append(truth, np.full(200, -1))) == best_temperature(given, truth)


def test_a_runs_countries_have_the_temperature_that_suits_its_validation_pictures(eight_pictures, tmp_path):
    run = train_run(
        CONFIG, train=ten_times(eight_pictures), val=eight_pictures, folder=tmp_path, tracking="off"
    )
    decoded = predict(run, eight_pictures.pixels)
    truth = index_of(eight_pictures.table["country_code"], run.target.country_codes)
    wanted = best_temperature(decoded, truth)
    assert wanted != pytest.approx(1, abs=0.01)
    assert run.summary["temperature"] == run.target.temperature == pytest.approx(wanted, rel=1e-3)
    np.testing.assert_allclose(
        load_run(run.folder).target.country_probabilities(decoded), tempered(decoded, wanted), rtol=1e-3
    )


def test_a_temperature_is_fitted_to_the_best_epochs_weights_and_pictures_of_the_whole_split(
    eight_pictures, monkeypatch
):
    config = dataclasses.replace(CONFIG, ema_decay=0.0)
    training, best = begun(config, eight_pictures), begun(config, eight_pictures)
    head = list(best.model.parameters())[-1]
    head.data += torch.arange(len(head))
    noted = []
    monkeypatch.setattr(epochs, "ENOUGH", 3)
    monkeypatch.setattr(epochs, "best_temperature", lambda *given: noted.extend(given) or 2.0)
    split = Split(eight_pictures, training.target, training.device)
    assert training.fit_temperature(split, weights_of(best.model)) == {"temperature": 2.0}
    with torch.inference_mode():
        outputs = best.model.eval()(best.normalisation(split.pixels[[0, 3, 6]]))
    np.testing.assert_allclose(noted[0], outputs.softmax(dim=1), rtol=1e-4)
    assert noted[1].tolist() == split.labels["country"][[0, 3, 6]].tolist()


def test_a_coordinates_run_has_none(eight_pictures, tmp_path):
    config = dataclasses.replace(CONFIG, target="coordinates", epochs=1)
    run = train(config, located(eight_pictures, range(8)), tmp_path)
    assert "temperature" not in run.summary


def test_a_temperature_changes_neither_regions_nor_points_only_how_sure_the_countries_are():
    target = build_target(TrainingConfig(dataset="made", target="region"), records())
    decoded = np.random.default_rng(0).dirichlet(np.ones(target.outputs), 20).astype(np.float32)
    before, points = target.country_probabilities(decoded), target.points(decoded)
    target.temperature = 2.0
    after = target.country_probabilities(decoded)
    np.testing.assert_allclose(after, tempered(before, 2.0))
    assert after.max(axis=1).mean() < before.max(axis=1).mean()
    assert (target.points(decoded) == points).all()
