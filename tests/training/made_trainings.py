"""Trainings on small splits: whole, stopped half-way, or step by step."""

import os
import signal
from pathlib import Path

import pandas as pd
import pytest
import torch

from lost_and_found.training.config import TrainingConfig
from lost_and_found.training.epochs import Training
from lost_and_found.training.models import InitialWeights
from lost_and_found.training.pixel_cache import PixelCache
from lost_and_found.training.runs import Run
from lost_and_found.training.splits import Split
from lost_and_found.training.targets import build_target
from lost_and_found.training.trainer import train_run


def train(config: TrainingConfig, split: PixelCache, folder: Path) -> Run:
    """The run of a config, validated on the split that it learns."""
    return train_run(config, train=split, val=split, folder=folder, tracking="off")


def interrupted_training(
    config: TrainingConfig,
    split: PixelCache,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    steps: int,
    number: signal.Signals = signal.SIGINT,
) -> None:
    """Send a signal after so many steps."""
    taken = []
    take_step = Training.take_step

    def counted(self, *arguments, **more):
        take_step(self, *arguments, **more)
        taken.append(1)
        if len(taken) == steps:
            os.kill(os.getpid(), number)

    with monkeypatch.context() as patch, pytest.raises((KeyboardInterrupt, SystemExit)):
        patch.setattr(Training, "take_step", counted)
        train(config, split, folder)
    assert len(taken) == steps


def same_numbers(run: Run, other: Run) -> None:
    """Check that two runs have the same metrics and weights, to the last bit."""
    left, right = (one.metrics.drop(columns="images/s") for one in (run, other))
    pd.testing.assert_frame_equal(left, right, check_exact=True)
    ours, theirs = (one.model.state_dict() for one in (run, other))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def begun(config: TrainingConfig, split: PixelCache) -> Training:
    """A training from random weights that has yet to take its first step."""
    return Training(config, build_target(config, split.table), InitialWeights("none", "asked for"))


def take_step(training: Training, split: PixelCache, *, count: int) -> None:
    """Learn from the first pictures of a split."""
    training.stepping.train()
    ((pixels, labels),) = Split(split, training.target, training.device).batches([torch.arange(count)])
    training.take_step(pixels, labels, count=count, progress=1.0)
