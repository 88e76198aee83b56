"""The country as one class among those of the train split."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional

from lost_and_found.errors import InvalidConfig, LeakyList, some_of
from lost_and_found.training.config import TrainingConfig
from lost_and_found.training.targets.base import (
    TOP_K,
    Labels,
    index_of,
    log_prior,
    mean_recall,
    ranks,
    required,
)
from lost_and_found.training.temperature import tempered


class CountryTarget:
    """One class for each country, in the order of `country_codes`."""

    name = "country"
    metrics = ("loss", *(f"top{k}" for k in TOP_K), "balanced_accuracy")
    best_metric = "top1"
    best_is_share = True
    temperature = 1.0

    def __init__(
        self,
        country_codes: Sequence[str],
        *,
        counts: Sequence[int] | None = None,
        label_smoothing: float = 0.0,
        logit_adjustment: float = 0.0,
    ) -> None:
        """Make the target.

        Args:
            country_codes: alpha-2 or XK, the label order.
            counts: training samples of each; equally many by default.
            label_smoothing: see `TrainingConfig`.
            logit_adjustment: see `TrainingConfig`.

        Raises:
            InvalidConfig: fewer than two countries.
        """
        self.country_codes = tuple(country_codes)
        self.outputs = len(self.country_codes)
        if self.outputs < 2:
            raise InvalidConfig(f"a country target needs two countries or more, not {list(country_codes)}")
        self.counts = list(counts or [1] * self.outputs)
        self.label_smoothing = label_smoothing
        self.logit_adjustment = logit_adjustment
        self._log_prior = log_prior(torch.tensor(self.counts, dtype=torch.float32), logit_adjustment)

    @classmethod
    def from_table(cls, table: pd.DataFrame, config: TrainingConfig) -> CountryTarget:
        """The target whose classes are the country codes of these records, sorted."""
        codes, counts = np.unique(_country_codes(table).to_numpy(dtype=str), return_counts=True)
        return cls(
            codes.tolist(),
            counts=counts.tolist(),
            label_smoothing=config.label_smoothing,
            logit_adjustment=config.logit_adjustment,
        )

    def to(self, device: torch.device) -> CountryTarget:
        """This target, with its tensors moved."""
        self._log_prior = self._log_prior.to(device)
        return self

    def encode(self, table: pd.DataFrame) -> Labels:
        """The index of each record's country: `{"country": int64 (N,)}`.

        Raises:
            MissingInput: a record has no country.
            LeakyList: a record's country isn't among the classes.
        """
        codes = _country_codes(table)
        index = index_of(codes, self.country_codes)
        if (index < 0).any():
            strangers = sorted(set(codes[index < 0]))
            raise LeakyList(
                f"{(index < 0).sum()} samples are of countries that the train split lacks "
                f"({some_of(strangers)}); split again with 2-data-preparation/05-split-list"
            )
        return {"country": torch.from_numpy(index)}

    def classes(self, labels: Labels) -> Tensor | None:
        """The country of each sample."""
        return labels["country"]

    def loss(self, outputs: Tensor, labels: Labels) -> Tensor:
        """Mean cross-entropy, in nats, of the smoothed labels under the adjusted outputs."""
        return functional.cross_entropy(
            self._adjusted(outputs), labels["country"], label_smoothing=self.label_smoothing
        )

    def measure(self, outputs: Tensor, labels: Labels) -> dict[str, Tensor]:
        """Loss (of the plain label), true country, and its rank among the outputs of each sample."""
        return {
            "loss": functional.cross_entropy(self._adjusted(outputs), labels["country"], reduction="none"),
            "country": labels["country"],
            "rank": ranks(outputs, labels["country"]),
        }

    def summarise(self, measurements: dict[str, np.ndarray]) -> dict[str, float]:
        """Mean loss, top-1, 3 and 5 accuracy, and the mean recall over the countries that occur."""
        rank = measurements["rank"]
        return {
            "loss": float(measurements["loss"].mean(dtype=np.float64)),
            **{f"top{k}": float(np.mean(rank < k)) for k in TOP_K},
            "balanced_accuracy": mean_recall(rank == 0, measurements["country"]),
        }

    def decode(self, outputs: Tensor) -> Tensor:
        """Probabilities (B, K), float32, of the countries in the order of `country_codes`, as learned.

        With `logit_adjustment` t they are as if countries were as frequent as their counts to the power
        1 - t.
        """
        return outputs.float().softmax(dim=1)

    def country_probabilities(self, decoded: np.ndarray) -> np.ndarray:
        """What was decoded, at the target's temperature."""
        return tempered(decoded, self.temperature)

    def points(self, decoded: np.ndarray) -> np.ndarray | None:
        """None: a country isn't a point."""
        del decoded
        return None

    def to_json(self) -> dict[str, Any]:
        """Label order, and what the loss needs."""
        return {
            "target": self.name,
            "country_codes": list(self.country_codes),
            "train_counts": self.counts,
            "label_smoothing": self.label_smoothing,
            "logit_adjustment": self.logit_adjustment,
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> CountryTarget:
        """The target that `to_json` described."""
        return cls(
            values["country_codes"],
            counts=values.get("train_counts"),  # older runs have none of these
            label_smoothing=values.get("label_smoothing", 0.0),
            logit_adjustment=values.get("logit_adjustment", 0.0),
        )

    def _adjusted(self, outputs: Tensor) -> Tensor:
        return outputs.float() + self._log_prior


def _country_codes(table: pd.DataFrame) -> pd.Series:
    return required(
        table,
        "country_code",
        what="country",
        remedy="02-enrich-records gives it, 03-map-to-distribution leaves out who has none",
    )
