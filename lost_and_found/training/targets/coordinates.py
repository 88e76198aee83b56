"""The place itself, as a point on the unit sphere."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional

from lost_and_found.geo.distances import EARTH_RADIUS_KM, from_unit_vectors, great_circle_km
from lost_and_found.training.config import TrainingConfig
from lost_and_found.training.targets.base import DISTANCE_METRICS, Labels, distance_metrics, true_points


class CoordinatesTarget:
    """A vector of three numbers, whose direction from the Earth's centre is the guess."""

    name = "coordinates"
    outputs = 3
    country_codes: tuple[str, ...] = ()
    metrics = ("loss", *DISTANCE_METRICS)
    best_metric = "median_km"
    best_is_share = False
    temperature = 1.0

    def __init__(self, loss: str = "angular") -> None:
        """Make the target.

        Args:
            loss: "mse", the mean squared error of the vector itself against the unit vector of the true
                point, so that an unsure guess is short; or "angular", the great-circle distance in radians,
                which doesn't weight large errors more.
        """
        self._loss = loss

    @classmethod
    def from_table(cls, table: pd.DataFrame, config: TrainingConfig) -> CoordinatesTarget:
        """The target with the config's loss; the records aren't needed."""
        del table
        return cls(config.coordinate_loss)

    def to(self, device: torch.device) -> CoordinatesTarget:
        """This target, which has no tensors to move."""
        del device
        return self

    def encode(self, table: pd.DataFrame) -> Labels:
        """The true points as unit vectors: `{"xyz": float32 (N, 3)}`.

        Raises:
            MissingInput: a record has no coordinates.
        """
        return {"xyz": true_points(table)}

    def classes(self, labels: Labels) -> Tensor | None:
        """None: places aren't classes."""
        del labels
        return None

    def loss(self, outputs: Tensor, labels: Labels) -> Tensor:
        """Mean squared error of the components, or mean angle in radians."""
        return self._losses(outputs, labels).mean()

    def measure(self, outputs: Tensor, labels: Labels) -> dict[str, Tensor]:
        """Loss, and km from the guess to the true point, of each sample."""
        return {"loss": self._losses(outputs, labels), "km": self._km(outputs, labels)}

    def summarise(self, measurements: dict[str, np.ndarray]) -> dict[str, float]:
        """Mean loss and distances."""
        return {
            "loss": float(measurements["loss"].mean(dtype=np.float64)),
            **distance_metrics(measurements["km"]),
        }

    def decode(self, outputs: Tensor) -> Tensor:
        """(lat, lon) (B, 2) in degrees, float32."""
        degrees: Tensor = from_unit_vectors(outputs.float())
        return degrees

    def country_probabilities(self, decoded: np.ndarray) -> np.ndarray:
        """No column: this target says nothing about countries."""
        return np.empty((len(decoded), 0), np.float32)

    def points(self, decoded: np.ndarray) -> np.ndarray | None:
        """What was decoded."""
        return decoded

    def to_json(self) -> dict[str, Any]:
        """Name and loss."""
        return {"target": self.name, "coordinate_loss": self._loss}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> CoordinatesTarget:
        """The target that `to_json` described."""
        return cls(values["coordinate_loss"])

    def _losses(self, outputs: Tensor, labels: Labels) -> Tensor:
        if self._loss == "mse":
            return (outputs.float() - labels["xyz"]).square().mean(dim=1)
        return self._km(outputs, labels) / EARTH_RADIUS_KM

    def _km(self, outputs: Tensor, labels: Labels) -> Tensor:
        km: Tensor = great_circle_km(functional.normalize(outputs.float(), dim=1), labels["xyz"])
        return km
