"""The admin-1 region as one class among those of the train split, with labels smoothed by distance."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from lost_and_found.errors import InvalidConfig, MissingInput, some_of
from lost_and_found.geo.distances import great_circle_km, to_unit_vectors
from lost_and_found.geo.regions import regions
from lost_and_found.training.config import TrainingConfig
from lost_and_found.training.targets.base import (
    DISTANCE_METRICS,
    GEOSCORE_KM,
    TOP_K,
    WITHOUT_COORDINATES,
    Labels,
    distance_metrics,
    distances_km,
    index_of,
    log_prior,
    mean_recall,
    ranks,
    required,
    true_points,
)
from lost_and_found.training.temperature import tempered

ENRICH = "run 2-data-preparation/02-enrich-records"
GUESSES_AT_ONCE = 4096


class RegionTarget:
    """One class for each region, in the order of `region_names`, each of which lies in one country.

    The label of a sample at x is spread over the regions i by the distance of their centroids g_i:
    y_i = exp(-(Hav(g_i, x) - Hav(g_n, x)) / tau). As published, their sum varies from 85 among dense regions
    to 1 among sparse ones, which weights samples for no good reason; g_n is the nearest centroid, so that no
    label is above 1, even if the true region's centroid is farther away. Normalised, the labels sum to one,
    and g_n cancels.

    With labels "exact" the label is the true region alone, and knows nothing of how near the others are.

    The guessed point is the centroid with the highest expected GeoScore, not that of the likeliest region: of
    thousands of regions the likeliest may have 2 %, on one continent, while 60 % lie together on another.

    Source:
        Haas et al., PIGEON: Predicting Image Geolocations (2024), section 3.2.
    """

    name = "region"
    metrics = (
        "loss",
        *(f"top{k}" for k in TOP_K),
        *DISTANCE_METRICS,
        *(f"country_top{k}" for k in TOP_K),
        "country_balanced_accuracy",
    )
    best_metric = "top1"
    best_is_share = True
    temperature = 1.0

    def __init__(
        self,
        table: pd.DataFrame,
        *,
        counts: Sequence[int] | None = None,
        tau_km: float = 75.0,
        labels: str = "normalised",
        logit_adjustment: float = 0.0,
    ) -> None:
        """Make the target.

        Args:
            table: region, country_code, and the centroid's lat and lon in degrees, a row for each class.
            counts: training samples of each; equally many by default.
            tau_km: see `TrainingConfig`.
            labels: one of `config.REGION_LABELS`.
            logit_adjustment: see `TrainingConfig`.

        Raises:
            InvalidConfig: fewer than two regions.
        """
        self._table = table[["region", "country_code", "lat", "lon"]].reset_index(drop=True)
        self.region_names = tuple(self._table["region"])
        self.country_codes = tuple(sorted(set(self._table["country_code"])))
        self.outputs = len(self.region_names)
        if self.outputs < 2:
            raise InvalidConfig(f"a region target needs two regions or more, not {list(self.region_names)}")
        self.counts = list(counts or [1] * self.outputs)
        self.tau_km, self.labels, self.logit_adjustment = tau_km, labels, logit_adjustment
        centroids = self._table[["lat", "lon"]].to_numpy(dtype=float)
        self._centroids = torch.from_numpy(to_unit_vectors(centroids).astype(np.float32))  # (R, 3)
        country = torch.from_numpy(index_of(self._table["country_code"], self.country_codes))
        # (R, K): sums regions to countries as a matrix product, which is the same on every device.
        self._in_country = torch.nn.functional.one_hot(country).float()
        self._log_prior = log_prior(torch.tensor(self.counts, dtype=torch.float32), logit_adjustment)

    @classmethod
    def from_table(cls, table: pd.DataFrame, config: TrainingConfig) -> RegionTarget:
        """The target whose classes are the regions of these records, sorted by name.

        Raises:
            MissingInput: a record has no region, or one that isn't on the map in use.
        """
        names, counts = np.unique(_region_names(table).to_numpy(dtype=str), return_counts=True)
        known = regions().set_index("region")
        if strangers := sorted(set(names) - set(known.index)):
            raise MissingInput(
                f"{len(strangers)} regions are not on the map in use ({some_of(strangers)}); "
                "another map was used for the records: run 2-data-preparation/02-enrich-records again"
            )
        return cls(
            known.loc[names].reset_index(),
            counts=counts.tolist(),
            tau_km=config.tau_km,
            labels=config.region_labels,
            logit_adjustment=config.logit_adjustment,
        )

    def to(self, device: torch.device) -> RegionTarget:
        """This target, with its tensors moved."""
        self._centroids, self._in_country = self._centroids.to(device), self._in_country.to(device)
        self.__dict__.pop("_scores", None)  # computed again, there
        self._log_prior = self._log_prior.to(device)
        return self

    def encode(self, table: pd.DataFrame) -> Labels:
        """Region and country as class numbers int64 (N,), -1 for those that no training sample had; xyz.

        `xyz` is the true point as a unit vector, float32 (N, 3): the label is made from it when needed, since
        labels of all regions for all samples would take gigabytes.

        Raises:
            MissingInput: a record has no region or no coordinates.
        """
        names = _region_names(table)
        xyz = true_points(table)
        codes = required(table, "country_code", what="country", remedy=ENRICH)
        return {
            "region": torch.from_numpy(index_of(names, self.region_names)),
            "country": torch.from_numpy(index_of(codes, self.country_codes)),
            "xyz": xyz,
        }

    def classes(self, labels: Labels) -> Tensor | None:
        """The region of each sample."""
        return labels["region"]

    def smoothed(self, xyz: Tensor) -> Tensor:
        """Haversine-smoothed labels (B, R), float32, of true points given as unit vectors (B, 3)."""
        nearness = -distances_km(xyz, self._centroids) / self.tau_km
        if self.labels == "normalised":
            return nearness.softmax(dim=1)
        return (nearness - nearness.amax(dim=1, keepdim=True)).exp()

    def loss(self, outputs: Tensor, labels: Labels) -> Tensor:
        """Mean cross-entropy, in nats."""
        return self._losses(outputs, labels).mean()

    def measure(self, outputs: Tensor, labels: Labels) -> dict[str, Tensor]:
        """Loss, rank of the true region, km to the true point, and the true country and its rank.

        Distances are from the guessed point to the true one, not to the centroid of its region, which would
        make a model that errs by 48 km look perfect.
        """
        probabilities = self.decode(outputs)
        countries = probabilities @ self._in_country
        return {
            "loss": self._losses(outputs, labels),
            "rank": ranks(outputs, labels["region"]),
            "km": great_circle_km(self._centroids[self.guesses(probabilities)], labels["xyz"]),
            "country": labels["country"],
            "country_rank": ranks(countries, labels["country"]),
        }

    def summarise(self, measurements: dict[str, np.ndarray]) -> dict[str, float]:
        """Loss, top-1/3/5 of regions, distances, and top-1/3/5 and mean recall of countries.

        A region without training samples can't be guessed and counts as missed; so does a country, but the
        mean recall is only over those that can be.
        """
        rank, country_rank = measurements["rank"], measurements["country_rank"]
        known = measurements["country"] >= 0
        return {
            "loss": float(measurements["loss"].mean(dtype=np.float64)),
            **{f"top{k}": float(np.mean(rank < k)) for k in TOP_K},
            **distance_metrics(measurements["km"]),
            **{f"country_top{k}": float(np.mean(country_rank < k)) for k in TOP_K},
            "country_balanced_accuracy": mean_recall(
                country_rank[known] == 0, measurements["country"][known]
            ),
        }

    def decode(self, outputs: Tensor) -> Tensor:
        """Probabilities (B, R), float32, of the regions in the order of `region_names`.

        With `logit_adjustment` t they are as if regions were as frequent as their counts to the power
        1 - t; roughly so, since the labels that they were learned from are spread over neighbours.
        """
        return outputs.float().softmax(dim=1)

    def country_probabilities(self, decoded: np.ndarray) -> np.ndarray:
        """The probabilities of the regions, summed by country, at the target's temperature."""
        return tempered(decoded @ self._in_country.cpu().numpy(), self.temperature)

    def points(self, decoded: np.ndarray) -> np.ndarray | None:
        """The centroids with the highest expected GeoScore."""
        centroids = self._table[["lat", "lon"]].to_numpy(dtype=float)
        parts = torch.from_numpy(decoded).float().split(GUESSES_AT_ONCE)
        chosen = [self.guesses(part.to(self._centroids.device)).cpu() for part in parts]
        found: np.ndarray = centroids[torch.cat(chosen).numpy()]
        return found

    def guesses(self, probabilities: Tensor) -> Tensor:
        """The region (B,) whose centroid has the highest expected GeoScore, from what `decode` gave."""
        return (probabilities @ self._scores).argmax(dim=1)

    def to_json(self) -> dict[str, Any]:
        """Label order with countries and centroids, and what the loss needs."""
        return {
            "target": self.name,
            "regions": self._table.to_dict("list"),
            "train_counts": self.counts,
            "tau_km": self.tau_km,
            "region_labels": self.labels,
            "logit_adjustment": self.logit_adjustment,
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> RegionTarget:
        """The target that `to_json` described."""
        return cls(
            pd.DataFrame(values["regions"]),
            counts=values["train_counts"],
            tau_km=values["tau_km"],
            labels=values["region_labels"],
            logit_adjustment=values["logit_adjustment"],
        )

    @cached_property
    def _scores(self) -> Tensor:
        """GeoScore (R, R), from 0 to 1, of a guess at one centroid where the truth is at another."""
        return (-distances_km(self._centroids, self._centroids) / GEOSCORE_KM).exp()

    def _losses(self, outputs: Tensor, labels: Labels) -> Tensor:
        chances = (outputs.float() + self._log_prior).log_softmax(dim=1)
        if self.labels == "exact":
            # Regions that no training sample had have no class, so the nearest one stands for them.
            nearest = distances_km(labels["xyz"], self._centroids).argmin(dim=1)
            region = torch.where(labels["region"] < 0, nearest, labels["region"])
            return -chances.gather(1, region[:, None])[:, 0]
        return -(self.smoothed(labels["xyz"]) * chances).sum(dim=1)


def _region_names(table: pd.DataFrame) -> pd.Series:
    remedy = f"if they have coordinates, {ENRICH}; if not, {WITHOUT_COORDINATES}"
    return required(table, "region", what="region", remedy=remedy)
