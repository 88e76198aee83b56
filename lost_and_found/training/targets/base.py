"""What all targets have in common, and the steps that several share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from lost_and_found.errors import MissingInput, some_of
from lost_and_found.geo.distances import chord_to_km, to_unit_vectors
from lost_and_found.training.config import TrainingConfig

# Encoded labels of N samples: tensors whose first dimension is N.
Labels = dict[str, Tensor]
WITHOUT_COORDINATES = "train with target country, or on a dataset whose records have coordinates"
TOP_K = (1, 3, 5)
# Distances by which the field reports accuracy, in km: street, city, region, country, continent.
WITHIN_KM = (1, 25, 200, 750, 2500)
DISTANCE_METRICS = ("mean_km", "median_km", "geoscore", *(f"within_{limit}_km" for limit in WITHIN_KM))
GEOSCORE_KM = 1492.7


class Target(Protocol):
    """A target, which says something about countries, or guesses points, or both.

    Measuring has two steps so that the outputs of a whole split need never be kept: `measure` keeps a few
    numbers per sample, and `summarise` computes the metrics from all of them.

    Attributes:
        name: as in the config.
        outputs: how many numbers the network gives for a picture.
        country_codes: of `country_probabilities`; empty if this target says nothing about countries, else its
            labels hold, as "country", each sample's index among them, or -1 for another country.
        metrics: the keys of what `summarise` returns; "country_top1", the share of right countries, is among
            them if it says something about countries ("top1" of the target country itself).
        best_metric: the metric by which epochs are compared.
        best_is_share: whether that is a share of pictures, the higher the better; else it is a distance.
        temperature: of `country_probabilities`, see `temperature.py`; a finished run's, 1 in training.
    """

    name: str
    outputs: int
    country_codes: tuple[str, ...]
    metrics: tuple[str, ...]
    best_metric: str
    best_is_share: bool
    temperature: float

    @classmethod
    def from_table(cls, table: pd.DataFrame, config: TrainingConfig) -> Target:
        """The config's target for the records of the train split."""

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Target:
        """The target that `to_json` described; other keys are ignored."""

    def to(self, device: torch.device) -> Target:
        """This target, with its tensors moved to the device of outputs and labels."""

    def encode(self, table: pd.DataFrame) -> Labels:
        """The labels of these records, on the CPU."""

    def classes(self, labels: Labels) -> Tensor | None:
        """The class (N,) of each sample, by which sampling is balanced; None if there are no classes."""

    def loss(self, outputs: Tensor, labels: Labels) -> Tensor:
        """Mean loss of a batch: outputs (B, outputs) to a scalar."""

    def measure(self, outputs: Tensor, labels: Labels) -> dict[str, Tensor]:
        """What `summarise` needs to know of each sample of a batch: tensors of shape (B,)."""

    def summarise(self, measurements: dict[str, np.ndarray]) -> dict[str, float]:
        """Metrics by name, with "loss" among them, from measurements of shape (N,)."""

    def decode(self, outputs: Tensor) -> Tensor:
        """Predictions from outputs (B, outputs)."""

    def country_probabilities(self, decoded: np.ndarray) -> np.ndarray:
        """Probabilities (N, K) of `country_codes` from what `decode` gave for N samples."""

    def points(self, decoded: np.ndarray) -> np.ndarray | None:
        """Guessed (lat, lon) (N, 2) in degrees from what `decode` gave; None if there is no point."""

    def to_json(self) -> dict[str, Any]:
        """All that `from_json` needs, and the name as "target"."""


def ranks(outputs: Tensor, truth: Tensor) -> Tensor:
    """The place (B,) of the true class among the outputs (B, K), 0 for the first.

    A class of -1 is beyond all of them, and beyond any k that is reported even if they are few. Of equal
    outputs the first ranks first, as with argmax, so that constant outputs aren't always right.
    """
    known = truth >= 0
    own = truth.clamp(min=0)[:, None]  # (B, 1)
    of_truth = outputs.gather(1, own)  # (B, 1)
    earlier = torch.arange(outputs.shape[1], device=outputs.device) < own  # (B, K)
    ahead = (outputs > of_truth) | ((outputs == of_truth) & earlier)
    return torch.where(known, ahead.sum(dim=1), max(outputs.shape[1], TOP_K[-1]))


def distances_km(xyz: Tensor, others: Tensor) -> Tensor:
    """Great-circle distances (B, R) in km between unit vectors (B, 3) and (R, 3); no gradients are needed.

    Computed from differences, not by a matrix product, which in float32 errs by kilometres for near points.
    """
    km: Tensor = chord_to_km(torch.cdist(xyz, others, compute_mode="donot_use_mm_for_euclid_dist"))
    return km


def distance_metrics(km: np.ndarray) -> dict[str, float]:
    """Mean and median distance, GeoScore, and the shares within the field's distances.

    Args:
        km: from each guess to the true point, (N,).

    Source:
        GeoScore 5000 exp(-d / 1492.7 km): Haas et al., PIGEON: Predicting Image Geolocations (2024).
    """
    return {
        "mean_km": float(km.mean(dtype=np.float64)),
        "median_km": float(np.median(km)),
        "geoscore": float((5000 * np.exp(-km.astype(np.float64) / GEOSCORE_KM)).mean()),
        **{f"within_{limit}_km": float(np.mean(km <= limit)) for limit in WITHIN_KM},
    }


def mean_recall(right: np.ndarray, classes: np.ndarray) -> float:
    """The share of samples that are right in each class that occurs, averaged over these; 0 if none occurs.

    Args:
        right: whether each sample is right, or the share of several tries in which it is, (N,).
        classes: their true class numbers, (N,).
    """
    if not len(classes):
        return 0.0
    counts = np.bincount(classes)
    hits = np.bincount(classes, right)
    return float((hits[counts > 0] / counts[counts > 0]).mean())


def required(table: pd.DataFrame, column: str, *, what: str, remedy: str) -> pd.Series:
    """A column without gaps.

    Raises:
        MissingInput: a record has no such value; the message names the first ones and the remedy.
    """
    without = table["id"][table[column].isna()].tolist() if column in table else table["id"].tolist()
    if without:
        raise MissingInput(f"{len(without)} samples have no {what} ({some_of(without)}); {remedy}")
    return table[column]


def true_points(table: pd.DataFrame) -> Tensor:
    """The coordinates of these records as unit vectors, float32 (N, 3).

    Raises:
        MissingInput: a record has none.
    """
    points = [
        required(table, axis, what="coordinates", remedy=WITHOUT_COORDINATES) for axis in ("lat", "lon")
    ]
    xyz = to_unit_vectors(np.stack([axis.to_numpy(dtype=float) for axis in points], axis=1))
    return torch.from_numpy(xyz.astype(np.float32))


def index_of(values: pd.Series, classes: Sequence[str]) -> np.ndarray:
    """The index of each value in `classes`, int64 (N,); -1 for those that aren't there."""
    found: np.ndarray = pd.Index(classes).get_indexer(pd.Index(values)).astype(np.int64)
    return found


def log_prior(counts: Tensor, strength: float) -> Tensor:
    """Log frequency (K,) of each class times `strength`, to be added to the outputs in the loss.

    Source:
        Menon et al., Long-tail learning via logit adjustment (2021), equation 10.
    """
    return strength * (counts / counts.sum()).log()
