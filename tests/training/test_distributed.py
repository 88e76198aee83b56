"""Two processes that train one run, compared with one process that trains it alone."""

import dataclasses
import itertools
import subprocess
import sys
from contextlib import nullcontext

import numpy as np
import pandas as pd
import pytest
import torch
from made_splits import cache_of, write_samples
from made_trainings import same_numbers
from two_processes import run_in_two

from lost_and_found.errors import InvalidConfig
from lost_and_found.training import epochs, trainer
from lost_and_found.training.config import TrainingConfig
from lost_and_found.training.distributed import World
from lost_and_found.training.epochs import Training
from lost_and_found.training.models import InitialWeights
from lost_and_found.training.targets import build_target
from lost_and_found.training.trainer import train_run

# ResNet has no dropout, whose masks would differ; all processes draw the same augmentation.
CONFIG = TrainingConfig(
    dataset="made",
    architecture="resnet18",
    width=64,
    height=40,
    batch_size=6,
    epochs=2,
    device="cpu",
    learning_rate=1e-4,
)
PROGRAM = """
from pathlib import Path
import torch
from lost_and_found.training.config import TrainingConfig
from lost_and_found.training.pixel_cache import read_cache
from lost_and_found.training.trainer import train_run
torch.set_num_threads(1)
train, val = (read_cache(Path(path)) for path in {splits!r})
config = TrainingConfig.from_json({config!r})
run = train_run(config, train=train, val=val, folder=Path({folder!r}), tracking="off")
print(run.id)
"""
# One of the processes gets a signal in the middle of the second epoch.
STOPPED = """
import os, signal
from lost_and_found.training import epochs
from lost_and_found.training.epochs import Training
epochs.LISTEN_EVERY = 1
take_step, taken = Training.take_step, []
def counted(self, *arguments, **more):
    take_step(self, *arguments, **more)
    taken.append(1)
    if len(taken) == 12 and os.environ["RANK"] == "1":
        os.kill(os.getpid(), signal.SIGTERM)
Training.take_step = counted
"""

# Validation batches of two pictures; one of the processes gets a signal in the second epoch's second batch.
STOPPED_IN_VALIDATION = """
import os, signal
from lost_and_found.training import epochs
from lost_and_found.training.targets.country import CountryTarget
epochs.VALIDATION_BATCH_FACTOR = epochs.LISTEN_EVERY = 1
measure, measured = CountryTarget.measure, []
def counted(self, *arguments):
    measured.append(1)
    if len(measured) == {first} + 2 and os.environ["RANK"] == "1":
        os.kill(os.getpid(), signal.SIGTERM)
    return measure(self, *arguments)
CountryTarget.measure = counted
"""

# The one that writes the run finds the disk full after the first epoch.
FULL_DISK = """
from lost_and_found.errors import StorageFull
from lost_and_found.training import runs
def full(*_):
    raise StorageFull("no room for a checkpoint")
runs.save_checkpoint = full
"""

# The loss of one process's share is infinite when it is checked, after each step; the other's isn't yet.
INFINITE_SHARE = """
import os
from lost_and_found.training import epochs
from lost_and_found.training.epochs import Training
epochs.CHECK_EVERY = 1
take_step = Training.take_step
def spoilt(self, *arguments, **more):
    take_step(self, *arguments, **more)
    if os.environ["RANK"] == "1":
        self.loss_sum += float("inf")
Training.take_step = spoilt
"""

# One of the processes reads other labels, as on a machine where a record was corrected.
OTHER_LABELS = """
import os
from lost_and_found.training import pixel_cache
read = pixel_cache.read_cache
def relabelled(place):
    cache = read(place)
    if os.environ["RANK"] == "1":
        cache.table["country_code"] = cache.table["country_code"].to_numpy()[::-1]
    return cache
pixel_cache.read_cache = relabelled
"""


@pytest.fixture(scope="module")
def splits(tmp_path_factory):
    folder = tmp_path_factory.mktemp("splits")
    return [
        cache_of(write_samples(folder / name, count=count), folder=folder / "pixels", split=name)
        for name, count in (("train", 17), ("val", 7))  # which two processes can't share evenly
    ]


def program(config, splits, folder):
    places = [str(split.folder) for split in splits]
    return PROGRAM.format(config=config.to_json(), splits=places, folder=str(folder / "runs"))


def train_in_two(config, splits, folder, *, before=""):
    folder.mkdir(exist_ok=True)
    return run_in_two(before + program(config, splits, folder), folder)


def train_or_load(config, splits, folder):
    """The run of one process, or of those that have trained it there."""
    train, val = splits
    return train_run(config, train=train, val=val, folder=folder / "runs", tracking="off")


def test_two_processes_of_torchrun_train_the_run_that_one_trains(splits, tmp_path):
    alone = train_or_load(CONFIG, splits, tmp_path / "alone")
    script = tmp_path / "script.py"
    script.write_text(program(CONFIG, splits, tmp_path))
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run([*launcher, script], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{alone.id}\n"  # one process wrote the run and continued, the other ended
    together = train_or_load(CONFIG, splits, tmp_path)
    assert (together.summary["processes"], alone.summary["processes"]) == (2, 1)
    assert (together.summary["train_count"], together.summary["val_count"]) == (17, 7)
    # Sums in another order round differently, which AdamW's division by tiny gradients amplifies from step to
    # step, until the guess for a picture may flip.
    losses = ["train/loss", "val/loss"]
    np.testing.assert_allclose(together.metrics[losses], alone.metrics[losses], rtol=0.01)
    np.testing.assert_allclose(together.metrics.loc[0, losses], alone.metrics.loc[0, losses], rtol=1e-3)
    shares = [name for name in alone.metrics if name not in ("images/s", *losses)]
    np.testing.assert_allclose(together.metrics[shares], alone.metrics[shares], rtol=1e-6, atol=0.25)
    ours, theirs = together.model.state_dict(), alone.model.state_dict()
    for name, value in ours.items():
        torch.testing.assert_close(value, theirs[name], rtol=0.02, atol=2e-3)


def test_a_signal_to_one_process_stops_all_and_they_go_on_exactly(splits, tmp_path):
    # With dropout, whose masks differ between the processes.
    config = dataclasses.replace(
        CONFIG, architecture="mobilenet_v3_small", augmentation="strong", batch_size=2
    )
    whole = train_in_two(config, splits, tmp_path / "whole")
    assert whole.statuses == [0, 0], whole.stderr
    stopped = train_in_two(config, splits, tmp_path / "parts", before=STOPPED)
    assert 0 not in stopped.statuses
    (partial,) = (tmp_path / "parts" / "runs").glob(".*.partial")
    assert len(pd.read_csv(partial / "metrics.csv")) == 1
    assert not [path for path in partial.parent.iterdir() if not path.name.startswith(".")]
    resumed = train_in_two(config, splits, tmp_path / "parts")
    assert resumed.statuses == [0, 0], resumed.stderr
    one, two = (train_or_load(config, splits, tmp_path / name) for name in ("whole", "parts"))
    assert (one.summary["resumed"], two.summary["resumed"]) == (False, True)
    same_numbers(one, two)


def test_a_signal_to_one_process_is_heard_while_they_validate(splits, tmp_path):
    more_to_validate = splits[::-1]  # nine and eight pictures, in five and four batches
    config = dataclasses.replace(CONFIG, batch_size=2)
    ends = {"whole": STOPPED_IN_VALIDATION.format(first=99), "parts": STOPPED_IN_VALIDATION.format(first=4)}
    for name, before in ends.items():
        done = train_in_two(config, more_to_validate, tmp_path / name, before=before)
        assert (0 in done.statuses) == (name == "whole"), done.stderr
    (partial,) = (tmp_path / "parts" / "runs").glob(".*.partial")
    assert len(pd.read_csv(partial / "metrics.csv")) == 1
    resumed = train_in_two(config, more_to_validate, tmp_path / "parts", before=ends["whole"])
    assert resumed.statuses == [0, 0], resumed.stderr
    one, two = (
        pd.read_csv(next((tmp_path / name / "runs").glob("made-*/metrics.csv"))).drop(columns="images/s")
        for name in ends
    )
    pd.testing.assert_frame_equal(one, two, check_exact=True)


@pytest.mark.parametrize(
    ("batch", "val", "said"),
    [(3, 4, "a batch; start fewer, or raise batch_size"), (4, 3, "the val split; start fewer")],
)
def test_more_processes_than_pictures_are_refused(batch, val, said):
    world = World(torch.device("cpu"), 0, 4)
    world.check_enough(batch=4, val=4)
    with pytest.raises(InvalidConfig, match=f"4 processes can't share the 3 pictures of {said}$"):
        world.check_enough(batch=batch, val=val)


def test_an_error_in_a_distributed_training_ends_all_processes_with_its_reason(splits, tmp_path):
    config = dataclasses.replace(
        CONFIG, learning_rate=1e30, clip_norm=0.0, schedule="constant", warmup_epochs=0
    )
    done = train_in_two(config, splits, tmp_path)
    assert 0 not in done.statuses
    assert "NotFinite" in done.stderr


def test_processes_that_were_given_different_labels_are_refused(splits, tmp_path):
    done = train_in_two(CONFIG, splits, tmp_path, before=OTHER_LABELS)
    assert 0 not in done.statuses
    assert done.stderr.count("process 1 was given another run than process 0") == 2, done.stderr
    assert not (tmp_path / "runs").exists()


def test_a_loss_that_is_infinite_in_one_process_ends_all_in_the_same_step(splits, tmp_path):
    done = train_in_two(CONFIG, splits, tmp_path, before=INFINITE_SHARE)
    assert 0 not in done.statuses
    # On GPUs, a process that went on would wait for one that has ended.
    assert done.stderr.count("NotFinite: epoch 1: the loss is inf in training") == 2, done.stderr


def test_several_processes_compile_nothing(splits, monkeypatch, tmp_path):
    two = World(torch.device("cpu"), rank=0, size=2)
    monkeypatch.setattr(epochs, "is_compiled", lambda *_, **__: True)  # as for long trainings on GPUs
    monkeypatch.setattr(World, "wrap", lambda world, model: model)
    target = build_target(CONFIG, splits[0].table)
    training = Training(CONFIG, target, InitialWeights("none", "asked for"), two)
    training.speed_up(images=17)
    assert training.stepping._compiled_call_impl is None
    monkeypatch.setattr(World, "from_main", lambda world, value: value)
    monkeypatch.setattr(World, "from_all", lambda world, value: [value])
    monkeypatch.setattr(trainer, "joined", lambda _: nullcontext(two))
    with pytest.raises(InvalidConfig, match="compile is 'on', but 2 processes can't train a compiled net"):
        train_or_load(dataclasses.replace(CONFIG, compile="on"), splits, tmp_path)


def test_the_reason_why_one_process_stopped_is_not_buried_by_what_the_others_say(splits, tmp_path):
    done = train_in_two(CONFIG, splits, tmp_path, before=FULL_DISK)
    assert 0 not in done.statuses
    assert done.stderr.count("StorageFull: no room for a checkpoint") == 1, done.stderr
    assert "stopped, because another process of this training has ended" in done.stderr
    assert "RuntimeError" not in done.stderr


@pytest.mark.parametrize(("count", "size"), [(7, 2), (6, 3), (5, 4)])
def test_shares_take_every_row_once_and_weigh_as_the_whole(count, size):
    worlds = [World(torch.device("cpu"), rank, size) for rank in range(size)]
    rows = [list(range(count))[world.share] for world in worlds]
    assert sorted(itertools.chain(*rows)) == list(range(count))
    losses = torch.rand(count, dtype=torch.float64)
    of_shares = [losses[world.share].mean() * world.weight(count) for world in worlds]
    assert (sum(of_shares) / size).item() == pytest.approx(losses.mean().item())


def test_two_processes_compute_in_bfloat16_too(splits, tmp_path):
    config = dataclasses.replace(CONFIG, precision="bfloat16", epochs=1)
    done = train_in_two(config, splits, tmp_path)
    assert done.statuses == [0, 0], done.stderr
    alone = train_or_load(config, splits, tmp_path / "alone")
    together = train_or_load(config, splits, tmp_path)
    assert together.metrics["val/loss"][0] == pytest.approx(alone.metrics["val/loss"][0], rel=0.1)
