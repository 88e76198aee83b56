"""What a network is to predict: one object owns labels, loss, decoding and metrics.

Trainer, predictor and evaluator never ask which target they have.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from lost_and_found.errors import InvalidConfig
from lost_and_found.training.config import TARGETS, TrainingConfig
from lost_and_found.training.targets.base import Labels, Target
from lost_and_found.training.targets.coordinates import CoordinatesTarget
from lost_and_found.training.targets.country import CountryTarget
from lost_and_found.training.targets.region import RegionTarget

__all__ = [
    "CoordinatesTarget",
    "CountryTarget",
    "Labels",
    "RegionTarget",
    "Target",
    "build_target",
    "metrics_of",
    "target_from_json",
]

# A list, as of one mypy says which class lacks something.
_TARGETS: list[type[Target]] = [CountryTarget, RegionTarget, CoordinatesTarget]
_CLASSES = {one.name: one for one in _TARGETS}


def build_target(config: TrainingConfig, train_table: pd.DataFrame) -> Target:
    """The config's target for the records of the train split.

    Raises:
        MissingInput: a record lacks the label.
    """
    return _CLASSES[config.target].from_table(train_table, config)


def metrics_of(target: str) -> tuple[str, ...]:
    """The names of a target's metrics."""
    return _CLASSES[target].metrics


def target_from_json(values: dict[str, Any]) -> Target:
    """The target that `to_json` described; other keys are ignored.

    Raises:
        InvalidConfig: no such target.
    """
    if values.get("target") not in _CLASSES:
        raise InvalidConfig(f"target is {values.get('target')!r}; allowed are {', '.join(TARGETS)}")
    return _CLASSES[values["target"]].from_json(values)
