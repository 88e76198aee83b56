"""Layers that a GPU computes together, in this project's own kernels."""

from __future__ import annotations

import copy
import itertools
import warnings
from functools import cache
from typing import cast

import torch
from torch import nn
from torchvision.ops import SqueezeExcitation

# Pictures, channels, height and width of the input on which the kernels are tried.
TRIED = (6, 24, 9, 7)
ACTIVATION_NAMES = {nn.ReLU: "relu", nn.ReLU6: "relu6", nn.SiLU: "silu", nn.Hardswish: "hardswish"}


def fuse(model: nn.Module, *, precision: torch.dtype | None = None) -> nn.Module:
    """Make a model faster, in place; its parameters, buffers, their names and its results stay the same.

    Batch normalisation absorbs the activation that follows it in an `nn.Sequential` (not in ResNets, which
    call theirs in `forward`), and squeeze-and-excitation makes fewer passes over its input. Where kernels
    can't be compiled, which takes Triton and a C compiler, nothing is changed, and a warning says why.

    Args:
        model: on the device.
        precision: in which the model computes. If given, the kernels are first compared with torch on small
            layers, since there are more kinds of device than anybody can test; if the results differ, nothing
            is changed either.
    """
    device = next(model.parameters()).device
    if problem := _reason_against(model, device, precision):
        warnings.warn(f"layers are computed one by one on {device}, which is slower: {problem}", stacklevel=2)
        return model
    return _replaced(model)


def _reason_against(model: nn.Module, device: torch.device, precision: torch.dtype | None) -> str:
    if problem := problem_of(device):
        return (
            f"Triton can't compute here ({problem}). It comes with torch on Linux, and needs a C compiler "
            "and Python's headers"
        )
    kinds = {type(layer) for layer in model.modules()} & {*ACTIVATION_NAMES, SqueezeExcitation}
    if precision and (mistake := mistake_of(device, precision, frozenset(kinds))):
        return f"this project's kernels give other results than torch here ({mistake})"
    return ""


def _replaced(model: nn.Module) -> nn.Module:
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
    """Whether the kernels can read so many channels: they read eight at once."""
    return channels % 8 == 0


def _is_usual(layer: nn.BatchNorm2d) -> bool:
    """Whether it has weights, and running statistics with a fixed momentum, as in the study's networks."""
    return layer.affine and layer.track_running_stats and layer.momentum is not None


@cache
def problem_of(device: torch.device) -> str:
    """Why a small kernel can't be run on this device; empty if it can."""
    try:
        from lost_and_found.training.fused.excitation import mean_over_pixels

        mean_over_pixels(torch.zeros(1, 8, 1, 1, device=device))
    except Exception as error:  # whatever Triton, a compiler and a driver have to say
        return f"{type(error).__name__}: {error}".splitlines()[0]
    return ""


@cache
def mistake_of(device: torch.device, precision: torch.dtype, kinds: frozenset[type[nn.Module]]) -> str:
    """How the results of small fused layers differ from torch's on this device; empty if they don't.

    Args:
        device: to compute on.
        precision: of the pictures.
        kinds: activations to be fused with batch normalisation, and perhaps `SqueezeExcitation`.
    """
    generator = torch.Generator().manual_seed(0)
    pictures = torch.randn(TRIED, generator=generator).to(device, precision)
    tolerance = max(1e-3, 8 * torch.finfo(precision).eps)
    tried: list[type[nn.Module]] = [nn.Identity, *sorted(kinds, key=lambda one: one.__name__)]
    for kind in tried:
        with torch.random.fork_rng(devices=[]):  # leaves the training's random state alone
            squeezing = kind is SqueezeExcitation
            layers = [kind(TRIED[1], 8)] if squeezing else [nn.BatchNorm2d(TRIED[1]), kind()]
            plain = nn.Sequential(*layers)
        for parameter in plain.parameters():
            parameter.data += torch.randn(parameter.shape, generator=generator) / 4
        plain = plain.to(device)
        try:
            found, wanted = (_trained(one, pictures) for one in (_replaced(copy.deepcopy(plain)), plain))
        except Exception as problem:  # whatever Triton and a driver have to say
            return f"{type(problem).__name__}: {problem}".splitlines()[0]
        for name, value in wanted.items():
            off = ((found[name] - value).norm() / (value.norm() + 1e-6)).item()
            if not off <= tolerance:
                return (
                    f"{name} of {kind.__name__} is {100 * off:.2g} % off, more than {100 * tolerance:.2g} %"
                )
    return ""


def _trained(layers: nn.Module, pictures: torch.Tensor) -> dict[str, torch.Tensor]:
    """Output, gradients and running statistics of a step."""
    pictures = pictures.to(memory_format=torch.channels_last).requires_grad_()
    rounded = pictures.dtype != torch.float32
    with torch.autocast(pictures.device.type, pictures.dtype if rounded else torch.bfloat16, enabled=rounded):
        output = layers(pictures)
    weights = torch.randn(output.shape, generator=torch.Generator().manual_seed(1)).to(output)
    output.backward(weights)
    results = {"the output": output, "the gradient of pictures": pictures.grad}
    results |= {f"the gradient of {name}": value.grad for name, value in layers.named_parameters()}
    results |= dict(layers.named_buffers())
    return {name: value.detach().float() for name, value in results.items()}
