"""A moving average of a model's weights, which is often better than the weights themselves."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn


class MovingAverage:
    """An exponential moving average of one model's parameters and batch normalisation statistics.

    Attributes:
        model: holds the average; validated and kept in place of the model that is trained.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = copy.deepcopy(model).requires_grad_(requires_grad=False).eval()
        self._decay = decay
        self._averages: list[Tensor] = []
        self._values: list[Tensor] = []
        self._counts: tuple[list[Tensor], list[Tensor]] = ([], [])

    @torch.no_grad()
    def update(self, model: nn.Module, *, steps: int) -> None:
        """Add the model's weights, after so many steps of training, to the average; always the same model.

        Early on the average is a short one, or it would hold on to the random initial weights.
        """
        if not self._averages:  # once: the tensors stay the same, only their values change
            self._pair_with(model)
        decay = min(self._decay, (1 + steps) / (10 + steps))
        # One kernel for all parameters, where a loop would start hundreds.
        torch._foreach_lerp_(self._averages, self._values, 1 - decay)
        if self._counts[0]:  # of batches, which only batch normalisation has
            torch._foreach_copy_(*self._counts)

    def _pair_with(self, model: nn.Module) -> None:
        averages, values = (one.state_dict(keep_vars=False) for one in (self.model, model))
        for name, value in values.items():
            if value.is_floating_point():
                self._averages.append(averages[name])
                self._values.append(value)
            else:
                self._counts[0].append(averages[name])
                self._counts[1].append(value)
