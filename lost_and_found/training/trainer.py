"""Training, to be read from top to bottom: the run, its epochs, an epoch, a batch."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.optim import AdamW
from torch.optim.lr_scheduler import StepLR
from tqdm.auto import tqdm

from lost_and_found.errors import InvalidConfig, NotFinite
from lost_and_found.training import runs
from lost_and_found.training.config import NORMALISATIONS, TrainingConfig
from lost_and_found.training.models import (
    InitialWeights,
    Normalisation,
    build_model,
    initial_weights,
    parameter_groups,
    pick_device,
)
from lost_and_found.training.pixel_cache import PixelCache
from lost_and_found.training.targets import Target, build_target
from lost_and_found.training.tracking import Tracker, tracked

# Part of a GPU's free memory that a split may fill; the rest is for the network.
RESIDENT_SHARE = 0.5
VALIDATION_BATCH_FACTOR = 4


def train_run(
    config: TrainingConfig, *, train: PixelCache, val: PixelCache, folder: Path, tracking: str = "auto"
) -> runs.Run:
    """The run of this config on these splits: trained now, or loaded when it is there already.

    Args:
        config: the settings.
        train: the split to learn from.
        val: the split that decides which epoch was best and when to stop.
        folder: where runs lie.
        tracking: one of `tracking.MODES`.

    Raises:
        InvalidConfig: caches of another picture size, a device or weights that this machine lacks.
        FolderInUse: another process trains this very run.
        NotFinite: the loss became NaN or infinite.
        StorageFull: no room for the run; there is none then.
    """
    caches = {"train": train, "val": val}
    for name, cache in caches.items():
        if (cache.spec.width, cache.spec.height) != (config.width, config.height):
            size = f"{cache.spec.width}x{cache.spec.height}"
            raise InvalidConfig(
                f"the {name} cache is {size}, but the config says {config.width}x{config.height}"
            )
    weights = initial_weights(config)
    place = folder / runs.run_id(config, weights, caches)
    if not runs.is_complete(place):
        training = Training(config, build_target(config, train.table), weights)
        with (
            runs.new_run_folder(place) as partial,
            tracked(tracking, run_id=place.name, config=config.to_json(), folder=partial) as tracker,
        ):
            training.fit(train, val, folder=partial, tracker=tracker)
    (place / "summary.json").touch()  # the run asked for last is the one that is tested by default
    return runs.load_run(place, device=config.device)


class Split:
    """Pixels and encoded labels of a split, given out in batches on the device."""

    def __init__(self, cache: PixelCache, target: Target, device: torch.device) -> None:
        self.device = device
        self.pixels = torch.from_numpy(cache.pixels)  # uint8 (N, 3, H, W), still in the file
        if (
            device.type == "cuda"
            and cache.pixels.nbytes < RESIDENT_SHARE * torch.cuda.mem_get_info(device)[0]
        ):
            self.pixels = self.pixels.to(device)
        self.labels = {name: label.to(device) for name, label in target.encode(cache.table).items()}

    def __len__(self) -> int:
        return len(self.pixels)

    def batch(self, rows: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Pixels uint8 (B, 3, H, W) and labels of these rows, on the device."""
        pixels = self.pixels[rows.to(self.pixels.device)].to(self.device)
        return pixels, {name: label[rows.to(self.device)] for name, label in self.labels.items()}


@dataclass
class Training:
    """The state of a training."""

    config: TrainingConfig
    target: Target
    weights: InitialWeights
    epoch: int = 0
    best_epoch: int = 0
    best_metrics: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0

    def __post_init__(self) -> None:
        """Build model, optimizer and schedule, all random numbers from the config's seed."""
        config = self.config
        self.device = pick_device(config.device)
        torch.manual_seed(config.seed)
        self.order = torch.Generator().manual_seed(config.seed)
        model = build_model(config.architecture, self.target.outputs, self.weights)
        self.model = model.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.normalisation = Normalisation(*NORMALISATIONS[config.normalisation]).to(self.device)
        # Random features have nothing to lose, so they learn at the full rate.
        factor = config.backbone_factor if self.weights.state is not None else 1.0
        groups = parameter_groups(
            self.model,
            learning_rate=config.learning_rate,
            backbone_learning_rate=config.learning_rate * factor,
        )
        self.learning_rates = {group["name"]: group["lr"] for group in groups}
        self.optimizer = AdamW(groups, weight_decay=config.weight_decay)
        self.schedule = StepLR(self.optimizer, config.step_size, config.gamma)

    def fit(self, train: PixelCache, val: PixelCache, *, folder: Path, tracker: Tracker) -> None:
        """Train until the last epoch or until patience is lost, and fill the run folder along the way.

        `metrics.csv` grows with every epoch; `model.safetensors` is that of the best epoch so far.
        """
        digests = runs.list_digests({"train": train, "val": val})
        runs.write_settings(
            folder, config=self.config, target=self.target, digests=digests, device=self.device
        )
        train_split = Split(train, self.target, self.device)
        val_split = Split(val, self.target, self.device)
        with tqdm(total=self.config.epochs * len(train_split), unit=" images") as bar:
            while self.epoch < self.config.epochs and self.epoch - self.best_epoch < self.config.patience:
                metrics = self.run_epoch(train_split, val_split, bar=bar)
                runs.append_metrics(folder / "metrics.csv", metrics)
                tracker.log(metrics)
                if self.is_best(metrics):
                    self.best_epoch, self.best_metrics = self.epoch, metrics
                    runs.save_weights(folder / "model.safetensors", self.model)
        summary = {**self.summary(), "train_count": len(train), "val_count": len(val)}
        runs.write_json(folder / "summary.json", summary)
        tracker.summarise(summary)

    def run_epoch(self, train: Split, val: Split, *, bar: tqdm) -> dict[str, float]:
        """One pass over the train split, then the metrics of both splits."""
        self.epoch += 1
        bar.set_description(f"epoch {self.epoch}/{self.config.epochs}")
        learning_rate = self.optimizer.param_groups[-1]["lr"]
        started = time.perf_counter()
        train_loss = self.learn(train, bar=bar)
        train_seconds = time.perf_counter() - started
        validation = self.validate(val)
        self.seconds += time.perf_counter() - started
        self.schedule.step()
        metrics = {
            "epoch": self.epoch,
            "train/loss": train_loss,
            **{f"val/{name}": value for name, value in validation.items()},
            "lr": learning_rate,
            "images/s": round(len(train) / train_seconds, 1),
        }
        self.check_finite(metrics)
        bar.set_postfix(
            {name: f"{metrics[name]:.3g}" for name in ("train/loss", "val/loss", self.best_metric)}
        )
        return metrics

    def learn(self, split: Split, *, bar: tqdm) -> float:
        """Take a step for each batch of the shuffled split; the mean loss along the way."""
        self.model.train()
        total = torch.zeros((), device=self.device)
        order = torch.randperm(len(split), generator=self.order)
        for rows in batches(order, self.config.batch_size):
            pixels, labels = split.batch(rows)
            loss = self.target.loss(self.model(self.normalisation(pixels)), labels)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            total += loss.detach() * len(rows)  # stays on the device: reading it would wait for every batch
            bar.update(len(rows))
        return total.item() / len(split)

    @torch.inference_mode()
    def validate(self, split: Split) -> dict[str, float]:
        """The target's metrics of a split."""
        self.model.eval()
        parts = []
        for rows in batches(torch.arange(len(split)), self.config.batch_size * VALIDATION_BATCH_FACTOR):
            pixels, labels = split.batch(rows)
            parts.append(self.target.measure(self.model(self.normalisation(pixels)), labels))
        return self.target.summarise(
            {name: torch.cat([part[name] for part in parts]).cpu().numpy() for name in parts[0]}
        )

    @property
    def best_metric(self) -> str:
        """Column of `metrics.csv` by which epochs are compared."""
        return f"val/{self.target.best_metric}"

    def is_best(self, metrics: dict[str, float]) -> bool:
        """Whether this epoch beats all before it."""
        if not self.best_metrics:
            return True
        gain = metrics[self.best_metric] - self.best_metrics[self.best_metric]
        return gain > 0 if self.target.higher_is_better else gain < 0

    def check_finite(self, metrics: dict[str, float]) -> None:
        """Raise NotFinite when a loss is NaN or infinite, which no later epoch can mend."""
        if not (math.isfinite(metrics["train/loss"]) and math.isfinite(metrics["val/loss"])):
            raise NotFinite(
                f"epoch {self.epoch}: the loss is {metrics['train/loss']} in training and "
                f"{metrics['val/loss']} in validation; "
                f"try a learning_rate below {self.config.learning_rate:g}"
            )

    def summary(self) -> dict[str, Any]:
        """What came out."""
        return {
            "best_epoch": self.best_epoch,
            "best_metric": self.best_metric,
            **{
                name: value
                for name, value in self.best_metrics.items()
                if name.startswith(("train/", "val/"))
            },
            "epochs": self.epoch,
            "stopped_early": self.epoch < self.config.epochs,
            "weights_used": self.weights.used,
            "weights_reason": self.weights.reason,
            "weights_digest": self.weights.digest,
            "learning_rates": self.learning_rates,
            "parameters": sum(parameter.numel() for parameter in self.model.parameters()),
            "seconds": round(self.seconds, 1),
        }


def batches(order: Tensor, batch_size: int) -> tuple[Tensor, ...]:
    """The rows in as few batches as hold at most `batch_size`, of nearly equal size.

    A batch of one picture would upset batch normalisation, so there is none unless there is but one row: an
    odd number of rows in batches of two makes one batch of three.
    """
    return order.tensor_split(max(1, min(math.ceil(len(order) / batch_size), len(order) // 2)))
