"""What a network is to predict: one object owns labels, loss, decoding and metrics.

Trainer, predictor and evaluator never ask which target they have.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional

from lost_and_found.errors import InvalidConfig, LeakyList, MissingInput
from lost_and_found.training.config import TARGETS, TrainingConfig

# Encoded labels of N samples: tensors whose first dimension is N.
Labels = dict[str, Tensor]
SHOWN = 5


class Target(Protocol):
    """A target.

    Measuring has two steps so that the outputs of a whole split need never be held: `measure` keeps a few
    numbers a sample, and `summarise` makes the metrics from all of them.

    Attributes:
        name: as in the config.
        outputs: how many numbers the network gives for a picture.
        best_metric: the metric, a key of what `summarise` returns, by which epochs are compared.
        higher_is_better: whether a higher `best_metric` is better.
    """

    name: str
    outputs: int
    best_metric: str
    higher_is_better: bool

    def encode(self, table: pd.DataFrame) -> Labels:
        """The labels of these records, on the CPU."""

    def loss(self, outputs: Tensor, labels: Labels) -> Tensor:
        """Mean loss of a batch: outputs (B, outputs) to a scalar."""

    def measure(self, outputs: Tensor, labels: Labels) -> dict[str, Tensor]:
        """What `summarise` needs to know of each sample of a batch: tensors of shape (B,)."""

    def summarise(self, measurements: dict[str, np.ndarray]) -> dict[str, float]:
        """Metrics by name, with "loss" among them, from measurements of shape (N,)."""

    def decode(self, outputs: Tensor) -> Tensor:
        """Predictions from outputs (B, outputs)."""

    def to_json(self) -> dict[str, Any]:
        """All that `target_from_json` needs."""


class CountryTarget:
    """One class for each country, in the order of `country_codes`."""

    name = "country"
    best_metric = "top1"
    higher_is_better = True

    def __init__(self, country_codes: Sequence[str]) -> None:
        self.country_codes = tuple(country_codes)
        self.outputs = len(self.country_codes)
        if self.outputs < 2:
            raise InvalidConfig(f"a country target needs two countries or more, not {list(country_codes)}")
        if len(set(self.country_codes)) < self.outputs:
            raise InvalidConfig("a country target's country codes must differ from each other")

    @classmethod
    def from_table(cls, table: pd.DataFrame) -> CountryTarget:
        """The target whose classes are the country codes of these records, sorted."""
        return cls(sorted(_country_codes(table).unique()))

    def encode(self, table: pd.DataFrame) -> Labels:
        """The index of each record's country: `{"country": int64 (N,)}`.

        Raises:
            MissingInput: a record has no country.
            LeakyList: a record's country isn't among the classes.
        """
        codes = _country_codes(table)
        index = pd.Index(self.country_codes).get_indexer(pd.Index(codes))
        if (index < 0).any():
            strangers = sorted(set(codes[index < 0]))
            raise LeakyList(
                f"{(index < 0).sum()} samples are of countries that the train split lacks "
                f"({', '.join(strangers[:SHOWN])}); split again with 2-data-preparation/05-split-list"
            )
        return {"country": torch.from_numpy(index.astype(np.int64))}

    def loss(self, outputs: Tensor, labels: Labels) -> Tensor:
        """Mean cross-entropy, in nats."""
        return functional.cross_entropy(outputs, labels["country"])

    def measure(self, outputs: Tensor, labels: Labels) -> dict[str, Tensor]:
        """Loss, true country, and its rank among the outputs (0 is best) of each sample.

        Of equal outputs the first ranks first, as with argmax; so saying nothing isn't always right.
        """
        truth = labels["country"][:, None]  # (B, 1)
        of_truth = outputs.gather(1, truth)  # (B, 1)
        earlier = torch.arange(self.outputs, device=outputs.device) < truth  # (B, K)
        ahead = (outputs > of_truth) | ((outputs == of_truth) & earlier)
        return {
            "loss": functional.cross_entropy(outputs, labels["country"], reduction="none"),
            "country": labels["country"],
            "rank": ahead.sum(dim=1),
        }

    def summarise(self, measurements: dict[str, np.ndarray]) -> dict[str, float]:
        """Mean loss, top-1, 3 and 5 accuracy, and the mean recall over the countries that occur."""
        rank, country = measurements["rank"], measurements["country"]
        recalls = [np.mean(rank[country == one] == 0) for one in np.unique(country)]
        return {
            "loss": float(measurements["loss"].mean(dtype=np.float64)),
            **{f"top{k}": float(np.mean(rank < k)) for k in (1, 3, 5)},
            "balanced_accuracy": float(np.mean(recalls)),
        }

    def decode(self, outputs: Tensor) -> Tensor:
        """Probabilities (B, K), float32, of the countries in the order of `country_codes`."""
        return outputs.float().softmax(dim=1)

    def to_json(self) -> dict[str, Any]:
        """Name and label order."""
        return {"target": self.name, "country_codes": list(self.country_codes)}


def build_target(config: TrainingConfig, train_table: pd.DataFrame) -> Target:
    """The config's target for the records of the train split.

    Raises:
        MissingInput: a record lacks the label.
    """
    if config.target == CountryTarget.name:
        return CountryTarget.from_table(train_table)
    raise InvalidConfig(f"target is {config.target!r}; allowed are {', '.join(TARGETS)}")


def target_from_json(values: dict[str, Any]) -> Target:
    """The target that `to_json` described; other keys are left alone."""
    if values.get("target") == CountryTarget.name:
        return CountryTarget(values["country_codes"])
    raise InvalidConfig(f"target is {values.get('target')!r}; allowed are {', '.join(TARGETS)}")


def _country_codes(table: pd.DataFrame) -> pd.Series:
    codes = table["country_code"]
    if codes.isna().any():
        without = table["id"][codes.isna()].tolist()
        raise MissingInput(
            f"{len(without)} samples have no country ({', '.join(without[:SHOWN])}); "
            "2-data-preparation/02-enrich-records gives it, 03-map-to-distribution leaves out who has none"
        )
    return codes
