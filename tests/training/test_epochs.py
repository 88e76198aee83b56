"""What training's steps and epochs do, and which epoch is kept."""

import dataclasses
import json

import pandas as pd
import pytest
import torch
from made_splits import located, make_split, ten_times
from made_trainings import begun, same_numbers, take_step, train
from test_training_state import CONFIG

from lost_and_found.errors import InvalidConfig
from lost_and_found.training import runs
from lost_and_found.training.averaging import MovingAverage
from lost_and_found.training.distributed import World
from lost_and_found.training.epochs import Training
from lost_and_found.training.targets.country import CountryTarget
from lost_and_found.training.tracking import Tracker
from lost_and_found.training.trainer import train_run


def shown(split, monkeypatch, **settings):
    """Which pictures each epoch takes, in order."""
    config, taken = dataclasses.replace(CONFIG, epochs=2, **settings), {1: [], 2: []}

    def note(self, pixels, labels, **more):
        taken[self.epoch + 1] += pixels.sum(dim=(1, 2, 3)).tolist()

    training = begun(config, split)
    with monkeypatch.context() as patch:
        patch.setattr(Training, "take_step", note)
        training.fit(split, split, folder=None, tracker=Tracker())
    return taken.values()


def test_every_epoch_and_every_seed_has_an_order_of_its_own(split, monkeypatch):
    first, second = shown(split, monkeypatch)
    other, _ = shown(split, monkeypatch, seed=1)
    assert len(set(first)) == len(split)
    assert sorted(first) == sorted(second) == sorted(other)
    assert first != second != other != first


def test_the_learning_rate_of_a_step_is_that_of_its_middle(split, monkeypatch):
    noted = []
    monkeypatch.setattr(Training, "take_step", lambda *_, progress, **__: noted.append(6 * progress))
    begun(dataclasses.replace(CONFIG, epochs=2), split).fit(split, split, folder=None, tracker=Tracker())
    assert noted == pytest.approx([1, 3, 5, 7, 9, 11])


def test_every_seed_begins_with_weights_of_its_own(split):
    one, same, other = (
        runs.weights_of(begun(dataclasses.replace(CONFIG, seed=seed), split).model) for seed in (0, 0, 1)
    )
    drawn = [name for name, value in one.items() if value.dim() > 1]
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not any(torch.equal(one[name], other[name]) for name in drawn)


def test_balanced_sampling_shows_some_pictures_twice(split, monkeypatch):
    first, _ = shown(split, monkeypatch, sampling="balanced", logit_adjustment=0.0)
    assert len(set(first)) < len(first) == len(split)


def test_the_bar_of_a_resumed_training_counts_what_was_done_before(split):
    training = begun(dataclasses.replace(CONFIG, batch_size=5), split)  # in three batches of four
    training.epoch, training.step = 1, 2
    with training.progress(len(split)) as bar:
        assert (bar.initial, bar.total) == (12 + 2 * 4, 3 * 12)


def test_the_train_loss_is_per_picture_however_many_a_batch_has(split, monkeypatch):
    sums, loss = [], CountryTarget.loss

    def note(self, outputs, labels):
        value = loss(self, outputs, labels)
        sums.append(value.item() * len(outputs))
        return value

    monkeypatch.setattr(CountryTarget, "loss", note)
    train = dataclasses.replace(split, pixels=split.pixels[:11], table=split.table[:11])  # four, four, three
    training = begun(dataclasses.replace(CONFIG, epochs=2), train)
    training.fit(train, split, folder=None, tracker=Tracker())
    losses = [epoch["train/loss"] for epoch in training.history]
    assert losses == pytest.approx([sum(sums[:3]) / 11, sum(sums[3:6]) / 11], rel=1e-5)


def weights_after_a_step(split, **settings):
    config = dataclasses.replace(CONFIG, **settings)
    training = begun(config, split)
    take_step(training, split, count=4)
    return torch.cat([parameter.detach().flatten() for parameter in training.model.parameters()])


@pytest.mark.parametrize(
    "settings",
    [
        {"seed": 1},
        {"learning_rate": 2e-3},
        {"weight_decay": 0.5},
        {"warmup_epochs": 2.0},
        {"augmentation": "none"},
        {"normalisation": "half"},
        {"label_smoothing": 0.5},
        {"precision": "bfloat16"},
    ],
    ids=str,
)
def test_a_step_depends_on_every_setting_and_repeats_with_the_same_ones(split, settings):
    before = weights_after_a_step(split)
    assert torch.equal(before, weights_after_a_step(split))
    assert not torch.equal(before, weights_after_a_step(split, **settings))


@pytest.mark.parametrize("clip_norm", [0.0, 1.0])
def test_a_step_whose_gradients_are_too_large_for_float16_changes_no_weights(split, clip_norm):
    config = dataclasses.replace(CONFIG, precision="float16", clip_norm=clip_norm)
    training = begun(config, split)
    training.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**40)  # float16 only reaches 65504
    before = [parameter.clone() for parameter in training.model.parameters()]

    def changed():
        take_step(training, split, count=4)
        pairs = zip(before, training.model.parameters(), strict=True)
        return any(not torch.equal(one, other) for one, other in pairs)

    assert not changed()
    assert training.scaler.get_scale() == 2.0**39
    training.scaler = torch.amp.GradScaler("cpu", init_scale=2.0)
    assert changed()


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_gradients_are_clipped_to_the_norm_of_the_config(split, precision):
    config = dataclasses.replace(CONFIG, precision=precision, clip_norm=0.01)
    training = begun(config, split)
    training.scaler = torch.amp.GradScaler("cpu", init_scale=8.0, enabled=precision == "float16")
    take_step(training, split, count=4)
    norms = torch.stack([parameter.grad.norm() for parameter in training.model.parameters()])
    assert norms.norm().item() == pytest.approx(0.01, rel=0.01)


def test_the_moving_average_is_what_is_kept(split, tmp_path, monkeypatch):
    noted, update = [], MovingAverage.update

    def note(self, *, steps):
        noted.append(steps)
        update(self, steps=steps)

    monkeypatch.setattr(MovingAverage, "update", note)
    monkeypatch.setattr(Training, "is_best", lambda _, *, count: count == 9)
    config = dataclasses.replace(CONFIG, ema_decay=0.9)
    training = begun(config, split)
    val = dataclasses.replace(split, pixels=split.pixels[:9], table=split.table[:9])
    training.fit(split, val, folder=tmp_path, tracker=Tracker())
    assert noted == list(range(9))
    kept = runs.load_run(tmp_path, device="cpu").model.state_dict()
    own = training.model.state_dict()
    assert any(not torch.equal(kept[name], own[name]) for name in kept)
    average = training.average.model.state_dict()
    assert all(torch.equal(kept[name], average[name]) for name in kept)


def test_the_tracker_gets_what_the_run_folder_gets(split, tmp_path):
    class Noting(Tracker):
        rows, summaries = [], []

        def log(self, metrics):
            self.rows.append(metrics)

        def summarise(self, summary):
            self.summaries.append(summary)

    config = dataclasses.replace(CONFIG, epochs=2)
    training = begun(config, split)
    training.fit(split, split, folder=tmp_path, tracker=Noting())
    pd.testing.assert_frame_equal(pd.DataFrame(Noting.rows), pd.read_csv(tmp_path / "metrics.csv"))
    assert Noting.summaries == [json.loads((tmp_path / "summary.json").read_text())]


def test_a_validation_split_with_fewer_pictures_than_processes_is_refused(split):
    training = begun(CONFIG, split)
    training.world = World(training.device, 0, 2)
    val = dataclasses.replace(split, pixels=split.pixels[:1], table=split.table[:1])
    with pytest.raises(InvalidConfig, match=r"can't share the 1 picture of the val split; start fewer$"):
        training.fit(split, val, folder=None, tracker=Tracker())


@pytest.mark.parametrize(
    ("target", "count", "scores", "losses", "kept"),
    [
        ("country", 479, [0.3236, 0.3194, 0.3132, 0.3152, 0.3173], [2.47, 2.36, 2.333, 2.334, 2.35], 3),
        ("country", 66_000, [0.3236, 0.3194, 0.3132, 0.3152, 0.3173], [2.47, 2.36, 2.333, 2.334, 2.35], 1),
        ("country", 66_000, [0.60, 0.70, 0.71], [1.5, 1.2, 1.3], 3),
        ("country", 400, [0.30, 0.32, 0.34, 0.36, 0.345], [2.0, 2.1, 2.2, 2.3, 2.25], 3),
        ("country", 479, [0.30, 0.30, 0.30], [2.0, 2.0, 2.0], 1),
        ("country", 400, [0.36, 0.345, 0.325], [2.2, 2.1, 2.0], 2),
        ("country", 100, [0.0, 0.0, 0.0], [5.0, 4.0, 3.0], 3),
        ("country", 100, [0.99, 1.0, 1.0], [0.2, 0.3, 0.4], 2),
        ("coordinates", 479, [900.0, 850.0, 860.0], [0.5, 0.4, 0.3], 2),
        ("coordinates", 479, [900.0, 900.0], [0.5, 0.4], 1),
    ],
)
def test_of_epochs_that_differ_by_chance_alone_the_lowest_loss_is_kept(
    split, target, count, scores, losses, kept
):
    config = dataclasses.replace(CONFIG, target=target)
    training = begun(config, split)
    for epoch, (score, loss) in enumerate(zip(scores, losses, strict=True), start=1):
        training.history.append({training.best_metric: score, "val/loss": loss})
        if training.is_best(count=count):
            training.best_epoch = epoch
    assert training.best_epoch == kept


def test_numbers_of_a_deterministic_training_repeat(split, tmp_path):
    config = dataclasses.replace(CONFIG, deterministic=True, epochs=1)
    one, two = (train(config, split, tmp_path / name) for name in "ab")
    same_numbers(one, two)
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize("target", ["region", "coordinates"])
def test_every_target_learns_eight_pictures_and_is_loaded_again(tmp_path, target):
    split = located(make_split(tmp_path, count=8), [10, 900, 2000, 4000] * 2)
    config = dataclasses.replace(
        CONFIG, target=target, augmentation="none", epochs=14, batch_size=8, learning_rate=2e-3
    )
    run = train_run(config, train=ten_times(split), val=split, folder=tmp_path, tracking="off")
    assert run.summary["val/within_750_km"] == 1
    assert runs.measure(run, split)["median_km"] == pytest.approx(
        run.summary["val/median_km"], rel=0.01, abs=1
    )
    points = run.target.points(runs.predict(run, split.pixels))
    assert points.shape == (8, 2)
    if target == "region":
        assert run.summary["val/country_top1"] == 1
