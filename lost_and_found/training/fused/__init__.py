"""Layers that a GPU computes together, in kernels of this project's own."""

from __future__ import annotations

import itertools
import warnings
from functools import cache
from typing import cast

import torch
from torch import nn
from torchvision.ops import SqueezeExcitation

ACTIVATION_NAMES = {nn.ReLU: "relu", nn.ReLU6: "relu6", nn.SiLU: "silu", nn.Hardswish: "hardswish"}


def fuse(model: nn.Module) -> nn.Module:
    """Make a model faster, in place; its parameters and buffers, their names and what it computes stay.

    Batch normalisation takes in the activation that follows it in an `nn.Sequential` (not in ResNets, which
    call theirs by hand), and squeeze-and-excitation goes over its input fewer times. Where kernels can't be
    compiled, which needs Triton and a C compiler, nothing is changed, and a warning says why.
    """
    device = next(model.parameters()).device
    if problem := problem_of(device):
        warnings.warn(
            f"layers are computed one by one on {device}, which is slower: Triton can't compute here "
            f"({problem}). It comes with torch on Linux, and needs a C compiler and Python's headers",
            stacklevel=2,
        )
        return model
    from lost_and_found.training.fused.batch_norm import FusedBatchNorm2d
    from lost_and_found.training.fused.excitation import FusedSqueezeExcitation

    for module in list(model.modules()):
        if type(module) is nn.BatchNorm2d and _is_aligned(module.num_features) and _is_usual(module):
            module.__class__ = FusedBatchNorm2d
        elif type(module) is SqueezeExcitation and _is_aligned(cast(nn.Conv2d, module.fc2).out_channels):
            module.__class__ = FusedSqueezeExcitation
    for sequence in [module for module in model.modules() if isinstance(module, nn.Sequential)]:
        for place, (layer, following) in enumerate(itertools.pairwise(sequence), start=1):
            if isinstance(layer, FusedBatchNorm2d) and type(following) in ACTIVATION_NAMES:
                layer.activation = ACTIVATION_NAMES[type(following)]
                sequence[place] = nn.Identity()
    return model


def _is_aligned(channels: int) -> bool:
    """Whether the kernels can read them: they read eight at once."""
    return channels % 8 == 0


def _is_usual(layer: nn.BatchNorm2d) -> bool:
    """Whether it has weights, and running statistics with a fixed momentum, as in the study's networks."""
    return layer.affine and layer.track_running_stats and layer.momentum is not None


@cache
def problem_of(device: torch.device) -> str:
    """What keeps a small kernel from being computed on this device; empty if nothing does."""
    try:
        from lost_and_found.training.fused.excitation import mean_over_pixels

        mean_over_pixels(torch.zeros(1, 8, 1, 1, device=device))
    except Exception as error:  # whatever Triton, a compiler and a driver have to say
        return f"{type(error).__name__}: {error}".splitlines()[0]
    return ""
