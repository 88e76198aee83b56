"""The training loop, to be read from top to bottom: the whole run, one epoch, one step."""

from __future__ import annotations

import math
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from tqdm import tqdm

from lost_and_found.bars import progress_bar
from lost_and_found.errors import NotFinite
from lost_and_found.samples import write_json, write_table
from lost_and_found.signals import caught_signals
from lost_and_found.training import runs
from lost_and_found.training.augmentation import Augmentation
from lost_and_found.training.averaging import MovingAverage
from lost_and_found.training.backends import autocast_for, is_compiled, precision_for, scaler_for
from lost_and_found.training.checkpoints import restore, state_of
from lost_and_found.training.config import NORMALISATIONS, TrainingConfig
from lost_and_found.training.distributed import World, share_batch_norm
from lost_and_found.training.fused import fuse
from lost_and_found.training.models import InitialWeights, Normalisation, build_model, pick_device
from lost_and_found.training.optimizer import (
    build_optimizer,
    highest_rates,
    learning_rate_of,
    set_learning_rates,
)
from lost_and_found.training.pixel_cache import PixelCache
from lost_and_found.training.recording import RecordedSteps
from lost_and_found.training.schedules import learning_rate_factor
from lost_and_found.training.splits import Split, batches, epoch_order, read_splits
from lost_and_found.training.targets import Labels, Target
from lost_and_found.training.temperature import ENOUGH, best_temperature
from lost_and_found.training.tracking import Tracker

VALIDATION_BATCH_FACTOR = 4
# Reading the loss makes a GPU wait, so it is checked only every so many steps.
CHECK_EVERY = 50
# Asking all processes whether a signal came makes a GPU wait as well.
LISTEN_EVERY = 10
SEED_STEP = 1_000_003


class Training:
    """A training run in progress.

    Attributes:
        config: the settings.
        target: what is learned.
        model: the network that learns it.
        stepping: the same weights, as a step calls them: distributed, perhaps compiled.
        average: the moving average of the weights; None without `ema_decay`.
        epoch: number of finished epochs.
        step: number of finished batches of the current epoch.
        steps: number of finished batches of all epochs.
        seconds: of training and validation so far, those before a resume included.
        rate: pictures per second in the latest epoch, since it was begun or resumed.
        loss_sum: the loss times the pictures, summed over the current epoch; this process's share of it.
        train_loss: per picture, of the last epoch.
        history: the metrics of each finished epoch.
        best_epoch: the epoch whose weights are kept; 0 before the first.
        best_weights: those weights, in the process that writes the run.
        resumed: whether it continues from an earlier process's checkpoint.
        signals: those that have asked this process to stop; `fit` fills it.
    """

    def __init__(
        self, config: TrainingConfig, target: Target, weights: InitialWeights, world: World | None = None
    ) -> None:
        """Build model, optimizer and augmentation, with all random numbers from the config's seed."""
        self.config, self.weights = config, weights
        self.world = world or World(pick_device(config.device))
        self.device = self.world.device
        self.target = target.to(self.device)
        torch.manual_seed(config.seed)
        model = build_model(config.architecture, target.outputs, weights)
        model = model.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = MovingAverage(model, config.ema_decay) if config.ema_decay else None
        self.model = share_batch_norm(model, self.world)
        self.stepping = self.world.wrap(self.model)
        self.recorded: RecordedSteps | None = None
        mean, std = NORMALISATIONS[config.normalisation]
        self.normalisation = Normalisation(mean, std, upsampling=config.upsampling).to(self.device)
        self.augmentation = Augmentation(config.augmentation, device=self.device, seed=config.seed)
        pretrained = weights.state is not None
        self.optimizer = build_optimizer(self.model, config, pretrained=pretrained, device=self.device)
        self.scaler = scaler_for(config, self.device)
        torch.manual_seed(config.seed + self.world.rank)  # for dropout
        self.epoch = self.step = self.steps = self.best_epoch = 0
        self.resumed = False
        self.signals: list[int] = []
        self.history: list[dict[str, float]] = []
        self.best_weights: dict[str, Tensor] = {}
        self.loss_sum = torch.zeros((), device=self.device)
        self.seconds = self.rate = self.train_loss = 0.0

    # -- the run --

    def fit(self, train: PixelCache, val: PixelCache, *, folder: Path | None, tracker: Tracker) -> None:
        """Train until the last epoch or until patience runs out, and fill the run folder along the way.

        After every epoch the folder holds `metrics.csv`, the best `model.safetensors` so far and a
        checkpoint, from which the next call resumes exactly. After SIGINT, SIGTERM or SIGHUP the current
        batch is finished and a checkpoint written before the signal has its usual effect.

        Args:
            train: the split to learn from.
            val: the split that decides which epoch was best.
            folder: the run's folder; None in processes that don't write it.
            tracker: gets the metrics of every epoch, those before a resume included.
        """
        parts = batches(torch.arange(len(train)), self.config.batch_size)
        self.world.check_enough(batch=min(map(len, parts)), val=len(val))
        digests = runs.list_digests({"train": train, "val": val})
        self.resume(folder)
        if folder:
            runs.write_settings(
                folder,
                config=self.config,
                target=self.target,
                digests=digests,
                copy_size=train.copy_size,
            )
            runs.write_environment(folder, device=self.device, resumed=self.resumed)
        tracker.catch_up(self.history)
        train_split, val_split = read_splits((train, val), self.target, self.device)
        self.speed_up(images=len(train))
        stopped = False
        with caught_signals() as self.signals, self.progress(len(train)) as bar:
            while not (stopped or self.is_done):
                if self.learn(train_split, bar=bar) and self.finish_epoch(
                    val_split, folder=folder, tracker=tracker
                ):
                    shown = ("train/loss", "val/loss", self.best_metric)
                    bar.set_postfix({name: f"{self.history[-1][name]:.3g}" for name in shown})
                    stopped = self.is_stopped()
                else:
                    self.save(folder)
                    stopped = True
        if stopped:  # the process that received the signal has ended by now
            raise SystemExit(128 + signal.SIGTERM)
        if folder:
            temperature = self.fit_temperature(val_split, runs.load_weights(folder / "model.safetensors"))
            summary = {**self.summary(), **temperature, "train_count": len(train), "val_count": len(val)}
            write_json(folder / "summary.json", summary)
            tracker.summarise(summary)

    def speed_up(self, *, images: int) -> None:
        """Compile or fuse the network and record the steps to come, depending on the config and device.

        Must follow `resume`: the tensors that a recorded step reads and writes must not be replaced.

        Args:
            images: pictures per epoch, which decide whether compiling pays.
        """
        # Processes wait for each other within a step, which fused layers and recordings can't do. Compiled,
        # steps of processes whose shares differ by a row may not even wait equally often.
        if self.world.size > 1:
            return
        may_fuse_and_record = self.device.type == "cuda" and self.config.compile != "off"
        if is_compiled(self.config, self.device, images=images):
            self.stepping.compile(dynamic=False)  # batches have two sizes at most
        elif may_fuse_and_record:
            for model in {self.model, self.validated_model}:
                fuse(model, precision=precision_for(self.config, self.device))
        if may_fuse_and_record:
            self.recorded = RecordedSteps(self.device)

    def finish_epoch(self, val: Split, *, folder: Path | None, tracker: Tracker) -> bool:
        """Validate after an epoch and write the results; False if a signal interrupted it."""
        started = time.perf_counter()
        validation = self.validate(val)
        self.seconds += time.perf_counter() - started
        if validation is None:
            return False
        self.epoch, self.step = self.epoch + 1, 0
        metrics = {
            "epoch": self.epoch,
            "train/loss": self.train_loss,
            **{f"val/{name}": value for name, value in validation.items()},
            "lr": learning_rate_of(self.optimizer),
            "images/s": round(self.rate, 1),
        }
        self.check_finite(metrics["val/loss"], where="validation")
        self.history.append(metrics)
        if self.is_best(count=len(val)):
            self.best_epoch = self.epoch
            if folder:
                self.best_weights = runs.weights_of(self.validated_model)
                runs.save_weights(folder / "model.safetensors", self.best_weights)
        tracker.log(metrics)
        if folder:
            write_table(folder / "metrics.csv", pd.DataFrame(self.history))
        self.save(folder)
        return True

    # -- an epoch --

    def learn(self, split: Split, *, bar: tqdm) -> bool:
        """Take a step for each remaining batch of the epoch; False if a signal interrupted it."""
        config = self.config
        bar.set_description(f"epoch {self.epoch + 1}/{config.epochs}")
        self.stepping.train()
        order = epoch_order(
            split,
            self.target.classes(split.labels),
            sampling=config.sampling,
            generator=torch.Generator().manual_seed((config.seed * SEED_STEP + self.epoch) % 2**63),
        )
        parts = batches(order, config.batch_size)
        started, remaining, first = time.perf_counter(), parts[self.step :], self.step
        if not first:
            self.loss_sum.zero_()
        shares = [rows[self.world.share] for rows in remaining]
        for rows, (pixels, labels) in zip(remaining, split.batches(shares), strict=True):
            self.take_step(
                pixels, labels, count=len(rows), progress=self.epoch + (self.step + 0.5) / len(parts)
            )
            self.step, self.steps = self.step + 1, self.steps + 1
            bar.update(len(rows))
            if self.step % CHECK_EVERY == 0:
                # Of all processes: one that went on would wait for another that has ended.
                self.check_finite(self.world.sum(self.loss_sum.clone()).item(), where="training")
            if (self.world.size == 1 or self.step % LISTEN_EVERY == 0) and self.is_stopped():
                break
        self.train_loss = self.world.sum(self.loss_sum.clone()).item() / len(order)
        self.seconds += (elapsed := time.perf_counter() - started)
        if self.step > first:
            self.rate = sum(map(len, parts[first : self.step])) / elapsed
        self.check_finite(self.train_loss, where="training")
        return self.step == len(parts)

    def take_step(self, pixels: Tensor, labels: Labels, *, count: int, progress: float) -> None:
        """Learn from one batch.

        Args:
            pixels: uint8 (B, 3, H, W), this process's share of the batch.
            labels: of the same pictures.
            count: number of pictures in the whole batch.
            progress: epochs done by the middle of this step, a fraction included.
        """
        set_learning_rates(self.optimizer, learning_rate_factor(self.config, progress))
        drawn = self.augmentation.draw(count)[self.world.share]
        if self.recorded:
            self.recorded.take(self.compute, pixels, drawn, labels)
        else:
            self.compute(pixels, drawn, labels, count)
        if self.average:
            self.average.update(steps=self.steps)

    def compute(self, pixels: Tensor, drawn: Tensor, labels: Labels, count: int) -> None:
        """The part of a step that can be recorded: whatever changes between steps comes in tensors."""
        self.optimizer.zero_grad()
        images = self.augmentation.change(pixels, drawn, share=self.world.share, batch_size=count)
        outputs = self.outputs(self.stepping, images)
        loss = self.target.loss(outputs, labels) * self.world.weight(count)
        self.scaler.scale(loss).backward()
        if self.config.clip_norm:
            self.scaler.unscale_(self.optimizer)
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        # Stays on the device: reading it would wait for every batch.
        self.loss_sum += loss.detach() * (count / self.world.size)

    def outputs(self, model: torch.nn.Module, pixels: Tensor) -> Tensor:
        """What a network says (B, outputs) of these pixels (B, 3, H, W), in the config's precision."""
        with autocast_for(self.config, self.device):
            outputs: Tensor = model(self.normalisation(pixels))
        return outputs

    @torch.inference_mode()
    def validate(self, split: Split) -> dict[str, float] | None:
        """The target's metrics on a split, or None if a signal interrupted it.

        Each picture is measured by one process.
        """
        model = self.validated_model.eval()
        rows = torch.arange(len(split))[self.world.share]
        measured: list[dict[str, Tensor]] = []
        size = self.config.batch_size * VALIDATION_BATCH_FACTOR
        of_all = len(split) // self.world.size // size  # batches that every process has
        for number, (pixels, labels) in enumerate(split.batches(rows.split(size))):
            listens = self.world.size == 1 or (number % LISTEN_EVERY == 0 and number < of_all)
            if number and listens and self.is_stopped():
                return None
            measured.append(self.target.measure(self.outputs(model, pixels), labels))
        own = {name: torch.cat([one[name] for one in measured]).cpu() for name in measured[0]}
        shares = self.world.from_all(own)
        return self.target.summarise({name: torch.cat([one[name] for one in shares]).numpy() for name in own})

    @torch.inference_mode()
    def fit_temperature(self, split: Split, weights: dict[str, Tensor]) -> dict[str, float]:
        """The temperature that suits these weights and this split; empty if the target has no countries."""
        if not self.target.country_codes:
            return {}
        model = self.validated_model.eval()
        model.load_state_dict(weights)
        rows = torch.arange(len(split))[:: math.ceil(len(split) / ENOUGH)]
        found, truth = [], []
        for pixels, labels in split.batches(rows.split(self.config.batch_size * VALIDATION_BATCH_FACTOR)):
            decoded = self.target.decode(self.outputs(model, pixels)).cpu().numpy()
            found.append(self.target.country_probabilities(decoded))
            truth.append(labels["country"].cpu().numpy())
        return {"temperature": best_temperature(np.concatenate(found), np.concatenate(truth))}

    # -- what the loops above ask --

    @property
    def is_done(self) -> bool:
        """Whether all epochs are finished, or patience has run out."""
        return self.epoch >= self.config.epochs or self.epoch - self.best_epoch >= self.config.patience

    @property
    def validated_model(self) -> torch.nn.Module:
        """The moving average where there is one, else the model itself."""
        return self.average.model if self.average else self.model

    @property
    def best_metric(self) -> str:
        """Column of `metrics.csv` by which epochs are compared."""
        return f"val/{self.target.best_metric}"

    def progress(self, images: int) -> tqdm:
        """A bar over all pictures of all epochs; what earlier processes did counts as done."""
        parts = batches(torch.arange(images), self.config.batch_size)
        done = self.epoch * images + sum(map(len, parts[: self.step]))
        total = self.config.epochs * images
        return progress_bar(total=total, initial=done, unit=" images", disable=not self.world.is_main)

    def is_best(self, *, count: int) -> bool:
        """Whether this epoch, the last of `history`, replaces the best one before it.

        With a few hundred pictures, which epoch has the highest accuracy is mostly luck; the loss is less
        noisy. So among epochs within one standard error of the highest accuracy yet, the lowest loss wins.
        Only one epoch's weights are kept: one that has lost doesn't come back when the winner falls behind.

        Args:
            count: how many pictures an epoch is validated on.

        Source:
            The one-standard-error rule of Breiman et al., Classification and Regression Trees (1984), ch. 3.
        """
        if not self.best_epoch:
            return True
        new, kept, name = self.history[-1], self.history[self.best_epoch - 1], self.best_metric
        if not self.target.best_is_share:
            return new[name] < kept[name]
        highest = max(epoch[name] for epoch in self.history)
        enough = highest - math.sqrt(highest * (1 - highest) / count)
        if new[name] < enough or kept[name] < enough:
            return new[name] >= enough
        return new["val/loss"] < kept["val/loss"]

    def is_stopped(self) -> bool:
        """Whether any of the processes received a signal."""
        if self.world.size == 1:
            return bool(self.signals)
        return bool(self.world.sum(torch.tensor(len(self.signals), device=self.device)).item())

    def check_finite(self, loss: float, *, where: str) -> None:
        """Raise NotFinite if a loss is NaN or infinite, from which no later epoch recovers."""
        if math.isfinite(loss):
            return
        remedies = [f"a learning_rate below {self.config.learning_rate:g}"]
        if not 0 < self.config.clip_norm <= 1:
            remedies.append("clip_norm 1")
        if precision_for(self.config, self.device) != torch.float32:
            remedies.append("precision float32")
        kept = f"; the weights of epoch {self.best_epoch} are kept in the run's .partial folder"
        raise NotFinite(
            f"epoch {self.epoch if where == 'validation' else self.epoch + 1}: the loss is {loss} in "
            f"{where}; try {', or '.join(remedies)}" + (kept if self.best_epoch else "")
        )

    # -- stopping and resuming --

    def save(self, folder: Path | None) -> None:
        """Write a checkpoint from which `resume` continues exactly."""
        state = state_of(self)
        if folder:
            runs.save_checkpoint(folder / runs.CHECKPOINT, state)

    def resume(self, folder: Path | None) -> None:
        """Continue from the checkpoint in the folder, if there is one."""
        state = self.world.from_main(runs.load_checkpoint(folder / runs.CHECKPOINT) if folder else None)
        if state is not None:
            restore(self, state)
            self.resumed = True
            # A killed process may have written a later epoch's weights; that epoch may differ this time. And
            # if no epoch is left, nothing else would write the metrics, should they be gone.
            if folder and self.best_weights:
                runs.save_weights(folder / "model.safetensors", self.best_weights)
                write_table(folder / "metrics.csv", pd.DataFrame(self.history))

    def summary(self) -> dict[str, Any]:
        """What `summary.json` says of the finished run."""
        best = self.history[self.best_epoch - 1]
        return {
            "best_epoch": self.best_epoch,
            "best_metric": self.best_metric,
            **{name: value for name, value in best.items() if name.startswith(("train/", "val/"))},
            "epochs": self.epoch,
            "stopped_early": self.epoch < self.config.epochs,
            "resumed": self.resumed,
            "weights_used": self.weights.used,
            "weights_reason": self.weights.reason,
            "weights_digest": self.weights.digest,
            "learning_rates": highest_rates(self.optimizer),
            "parameters": sum(parameter.numel() for parameter in self.model.parameters()),
            "processes": self.world.size,
            "seconds": round(self.seconds, 1),
        }
