"""A moving average of a model's weights, which is often better than the weights themselves."""

from __future__ import annotations

import copy

import torch
from torch import nn


class MovingAverage:
    """An exponential moving average of parameters and of batch normalisation's statistics.

    Attributes:
        model: holds the average; validated and kept in place of the model that is trained.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = copy.deepcopy(model).requires_grad_(requires_grad=False).eval()
        self._decay = decay

    @torch.no_grad()
    def update(self, model: nn.Module, *, steps: int) -> None:
        """Take in the weights after so many steps of the training.

        At the start the average is short, or it would hold on to the random weights of the beginning.
        """
        decay = min(self._decay, (1 + steps) / (10 + steps))
        averages, values = [], []
        for average, value in zip(self.model.state_dict().values(), model.state_dict().values(), strict=True):
            if value.is_floating_point():
                averages.append(average)
                values.append(value)
            else:
                average.copy_(value)
        # One kernel for all parameters, where a loop would start hundreds.
        torch._foreach_lerp_(averages, values, 1 - decay)
