"""A moving average of a model's weights, which is often better than the weights themselves."""

from __future__ import annotations

import copy

import torch
from torch import nn


class MovingAverage:
    """An exponential moving average of one model's parameters and batch normalisation statistics.

    Attributes:
        model: holds the average; validated and kept in place of the model that is trained.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = copy.deepcopy(model).requires_grad_(requires_grad=False).eval()
        self._decay = decay
        # The tensors stay the same, only their values change. Counts are of batches, by batch normalisation.
        states = [list(one.state_dict().values()) for one in (self.model, model)]
        self._averages, self._values = ([one for one in state if one.is_floating_point()] for state in states)
        self._kept, self._counts = ([one for one in state if not one.is_floating_point()] for state in states)

    @torch.no_grad()
    def update(self, *, steps: int) -> None:
        """Add the model's weights, after so many steps of training, to the average.

        Early on the average is a short one, or it would hold on to the random initial weights.
        """
        decay = min(self._decay, (1 + steps) / (10 + steps))
        # One kernel for all parameters, where a loop would start hundreds.
        torch._foreach_lerp_(self._averages, self._values, 1 - decay)
        if self._counts:
            torch._foreach_copy_(self._kept, self._counts)
