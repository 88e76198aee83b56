"""How the learning rate changes over a training."""

from __future__ import annotations

import math

from lost_and_found.training.config import TrainingConfig


def learning_rate_factor(config: TrainingConfig, epochs: float) -> float:
    """The factor on the peak learning rate after so many epochs, a fraction included.

    Source:
        Loshchilov and Hutter, SGDR: Stochastic gradient descent with warm restarts (2017), for the cosine.
    """
    if epochs < config.warmup_epochs:
        return epochs / config.warmup_epochs
    if config.schedule == "step":
        return float(config.gamma ** math.floor(epochs / config.step_size))
    if config.schedule == "cosine":
        span = max(config.epochs - config.warmup_epochs, 1e-9)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (epochs - config.warmup_epochs) / span)))
    if config.schedule == "constant":
        return 1.0
    raise NotImplementedError(f"config.SCHEDULES names {config.schedule}, whose factor isn't computed here")
