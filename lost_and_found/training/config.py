"""The settings of a run, as in the training notebook's parameters cell, checked."""

from __future__ import annotations

import dataclasses
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lost_and_found.errors import InvalidConfig, MissingWeights

TARGETS = ("country", "region", "coordinates")
ARCHITECTURES = (
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "mobilenet_v2",
    "mobilenet_v3_small",
    "mobilenet_v3_large",
    "efficientnet_b1",
    "efficientnet_b3",
    "efficientnet_b4",
    "efficientnet_b7",
)
# Mean and standard deviation of red, green, blue, for pixels scaled to 0..1.
NORMALISATIONS = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "half": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
}
AUGMENTATIONS = ("none", "light", "study", "strong")
SCHEDULES = ("constant", "step", "cosine")
SAMPLINGS = ("natural", "balanced")
REGION_LABELS = ("normalised", "published", "exact")
COORDINATE_LOSSES = ("mse", "angular")
PRECISIONS = ("auto", "float32", "bfloat16", "float16")
COMPILES = ("auto", "on", "off")
CHOICES = {
    "target": TARGETS,
    "architecture": ARCHITECTURES,
    "normalisation": tuple(NORMALISATIONS),
    "augmentation": AUGMENTATIONS,
    "schedule": SCHEDULES,
    "sampling": SAMPLINGS,
    "region_labels": REGION_LABELS,
    "coordinate_loss": COORDINATE_LOSSES,
    "precision": PRECISIONS,
    "compile": COMPILES,
}
# By the names in annotations. Numpy calls a type of its own "bool" too, which no JSON file can hold.
TYPES = {"str": str, "int": int, "float": float, "bool": bool}
DEVICES = re.compile(r"auto|cpu|cuda(:\d+)?")
# Smallest allowed value, and whether that value itself is allowed.
LOWER_BOUNDS: dict[str, tuple[float, bool]] = {
    "width": (32, True),  # the networks halve the picture five times
    "height": (32, True),
    "upsampling": (1, True),
    "batch_size": (2, True),  # batch normalisation needs two pictures
    "epochs": (1, True),
    "learning_rate": (0, False),
    "backbone_factor": (0, True),
    "weight_decay": (0, True),
    "warmup_epochs": (0, True),
    "step_size": (1, True),
    "gamma": (0, False),
    "label_smoothing": (0, True),
    "logit_adjustment": (0, True),
    "ema_decay": (0, True),
    "clip_norm": (0, True),
    "tau_km": (0, False),
    "patience": (1, True),
    "seed": (0, True),
}
UPPER_BOUNDS: dict[str, float] = {
    "upsampling": 4,
    "batch_size": 10**9,  # torch counts no further than 64 bits
    "backbone_factor": 1,
    "gamma": 1,
    "label_smoothing": 0.9,
    "logit_adjustment": 3,
    "ema_decay": 0.99999,
    "seed": 2**63 - 1,
}
# The recipe of the published study; fields not listed here (targets, sizes, seeds) aren't part of a recipe.
STUDY: dict[str, str | int | float | bool] = {
    "normalisation": "half",
    "upsampling": 1.0,
    "augmentation": "none",  # its own was drawn once, before caching, so every epoch saw the same pictures
    "batch_size": 200,
    "learning_rate": 1e-3,
    "backbone_factor": 0.1,
    "weight_decay": 1e-2,
    "schedule": "step",
    "warmup_epochs": 0.0,
    "step_size": 10,
    "gamma": 0.1,
    "label_smoothing": 0.0,
    "logit_adjustment": 0.0,
    "sampling": "natural",
    "ema_decay": 0.0,
    "clip_norm": 0.0,
    "patience": 11,
    "region_labels": "published",
    "tau_km": 75.0,
    "coordinate_loss": "mse",
    "precision": "float32",
    "compile": "off",
}
# What `weights` may be other than the path of a state dict.
WEIGHTS = ("none", "default", "auto")
PRESETS = {"study": STUDY}


def no_weights(path: Path) -> MissingWeights:
    """The error that there is no file of initial weights at a path."""
    return MissingWeights(
        f"no weights at {path.absolute()}; give the path of a state dict, or 'default', 'none' or 'auto'"
    )


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """One run's settings; the defaults are those of the notebook's parameters cell.

    Attributes:
        dataset: name of the pinned lists.
        target: what is predicted, one of `TARGETS`.
        architecture: one of `ARCHITECTURES`.
        weights: the backbone's initial ones: "default" (torchvision's), "none" (random), "auto" (default if
            available, else none with a warning), or the path of a state dict.
        normalisation: one of `NORMALISATIONS`; should be the one that the weights were trained with.
        width: of the pictures, in pixels.
        height: of the pictures, in pixels.
        upsampling: the network sees the pictures enlarged by this factor, without further detail; its time
            grows with the square.
        augmentation: one of `AUGMENTATIONS`, drawn anew for every batch; see `augmentation.py`.
        batch_size: most pictures per step; with 2, one step of an epoch may take three.
        epochs: most passes over the train split.
        learning_rate: the head's peak rate.
        backbone_factor: a pretrained backbone learns at this fraction of the head's rate, so that its
            features aren't lost; a backbone that starts from random weights learns at the full rate.
        weight_decay: AdamW's.
        schedule: "constant"; "step", times `gamma` after every `step_size` epochs; or "cosine", down to zero
            at the last epoch.
        warmup_epochs: epochs over which the learning rate rises from zero; may be a fraction.
        step_size: see `schedule`.
        gamma: see `schedule`.
        label_smoothing: part of a country's label that is shared among all countries.
        logit_adjustment: how far class frequencies are kept out of what is learned: 0 not at all, 1 entirely,
            so that rare classes are found as often as frequent ones; balanced sampling does so already.
        sampling: "natural", each picture once per epoch; or "balanced", classes equally often, drawn with
            replacement.
        ema_decay: of the moving average of the weights, which is what is validated and kept; 0 for none.
        clip_norm: largest norm of the gradient over all parameters; 0 for no limit.
        patience: training stops after this many epochs without a better validation result.
        region_labels: Haversine-smoothed labels that sum to one ("normalised"), or as in the study
            ("published"), whose sum is larger the denser the regions are; or "exact", the true region alone,
            to compare them with.
        tau_km: how far region labels are smoothed, in km.
        coordinate_loss: "mse" on unit vectors, as published; or "angular", the great-circle distance.
        precision: "float32", "bfloat16" or "float16" (autocast), or "auto": bfloat16 on GPUs from Ampere on,
            float16 on Volta and Turing (Colab's T4), float32 elsewhere.
        compile: "on" compiles the network with `torch.compile`; "auto" does so on a GPU if training is long,
            and fuses layers if it isn't; on a GPU both also replay recorded steps; "off" does none of this,
            nor do several processes, for which "on" is an error.
        deterministic: use only algorithms that give the same bits each time; slower on a GPU.
        seed: of weights, order, augmentation and dropout.
        device: "auto", "cpu", "cuda" or "cuda:<number>".

    Raises:
        InvalidConfig: a value is not allowed; the message says which are.
    """

    dataset: str
    target: str = "country"
    architecture: str = "resnet18"
    weights: str = "none"
    normalisation: str = "imagenet"
    width: int = 130
    height: int = 80
    upsampling: float = 1.0
    augmentation: str = "light"
    batch_size: int = 32
    epochs: int = 6
    learning_rate: float = 1e-3
    backbone_factor: float = 0.5
    weight_decay: float = 1e-2
    schedule: str = "cosine"
    warmup_epochs: float = 0.5
    step_size: int = 10
    gamma: float = 0.1
    label_smoothing: float = 0.0
    logit_adjustment: float = 0.25
    sampling: str = "natural"
    ema_decay: float = 0.99
    clip_norm: float = 1.0
    patience: int = 11
    region_labels: str = "normalised"
    tau_km: float = 75.0
    coordinate_loss: str = "angular"
    precision: str = "auto"
    compile: str = "auto"
    deterministic: bool = False
    seed: int = 0
    device: str = "auto"

    def __post_init__(self) -> None:
        """Check every field; whole floats in integer fields are refused rather than rounded."""
        for field in dataclasses.fields(self):
            self._check_type(field.name, str(field.type))
        for name, allowed in CHOICES.items():
            if (value := getattr(self, name)) not in allowed:
                raise InvalidConfig(f"{name} is {value!r}; allowed are {', '.join(allowed)}")
        if not DEVICES.fullmatch(self.device):
            raise InvalidConfig(f"device is {self.device!r}; allowed are auto, cpu, cuda, cuda:<number>")
        if not self.weights:
            raise InvalidConfig(
                "weights is empty; allowed are default, none, auto, or the path of a state dict"
            )
        if not self.dataset or "/" in self.dataset:
            raise InvalidConfig(f"dataset is {self.dataset!r}; it must be a plain name such as 'practice'")
        for name, (lowest, included) in LOWER_BOUNDS.items():
            self._check_bounds(name, lowest, UPPER_BOUNDS.get(name, math.inf), included=included)
        if self.warmup_epochs > self.epochs:
            raise InvalidConfig(
                f"warmup_epochs is {self.warmup_epochs:g}, more than the {self.epochs} epochs there are: the "
                f"learning rate would never reach {self.learning_rate:g}"
            )
        if self.label_smoothing and self.target != "country":
            raise InvalidConfig(
                f"label_smoothing is {self.label_smoothing:g}, which does nothing for the target "
                f"{self.target}; set it to 0"
            )
        if self.sampling == "balanced" and self.target == "coordinates":
            raise InvalidConfig(
                "sampling is 'balanced', but the target coordinates has no classes to balance"
            )
        if self.sampling == "balanced" and self.logit_adjustment:
            raise InvalidConfig(
                "sampling is 'balanced', which already evens out the class frequencies; set "
                f"logit_adjustment to 0 instead of {self.logit_adjustment:g}"
            )

    def _check_type(self, name: str, kind: str) -> None:
        value = getattr(self, name)
        if kind == "float" and isinstance(value, int) and not isinstance(value, bool):
            object.__setattr__(self, name, float(value))  # 1 and 1.0 are one setting and one digest
        elif type(value) is not TYPES[kind]:
            raise InvalidConfig(
                f"{name} is {value!r}, a {type(value).__name__}; it must be of type {kind}, Python's own"
            )

    def _check_bounds(self, name: str, lowest: float, highest: float, *, included: bool) -> None:
        value = getattr(self, name)
        high_enough = value >= lowest if included else value > lowest
        if not (high_enough and value <= highest and math.isfinite(value)):
            least = f"at least {lowest:g}" if included else f"more than {lowest:g}"
            most = f" and at most {highest:g}" if math.isfinite(highest) else ""
            raise InvalidConfig(f"{name} is {value!r}; it must be {least}{most}")

    def check_processes(self, count: int) -> None:
        """Refuse to compile the network of several processes.

        Args:
            count: processes that are to train together.

        Raises:
            InvalidConfig: more than one, and `compile` is "on".
        """
        if self.compile == "on" and count > 1:
            raise InvalidConfig(
                f"compile is 'on', but {count} processes can't train a compiled network together; "
                "set it to 'auto', or start one process"
            )

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON-serialisable values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> TrainingConfig:
        """The config that `to_json` wrote; fields that it lacks, as in older runs, have their defaults.

        Raises:
            InvalidConfig: an unknown field, no dataset, or a value that is not allowed.
        """
        known = {field.name for field in dataclasses.fields(cls)}
        if unknown := sorted(set(values) - known):
            raise InvalidConfig(
                f"unknown settings {', '.join(unknown)}; known are {', '.join(sorted(known))}"
            )
        if "dataset" not in values:
            raise InvalidConfig("the settings name no dataset")
        return cls(**values)
