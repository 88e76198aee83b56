"""Layers that a GPU computes together, in this project's own kernels."""

from __future__ import annotations

import copy
import itertools
import warnings
from functools import cache
from typing import NamedTuple, cast

import torch
from torch import nn
from torchvision.ops import SqueezeExcitation

# Pictures, channels, height and width of the input on which the kernels are tried.
TRIED = (6, 24, 9, 7)
ACTIVATION_NAMES = {nn.ReLU: "relu", nn.ReLU6: "relu6", nn.SiLU: "silu", nn.Hardswish: "hardswish"}


class Depthwise(NamedTuple):
    """A kind of depthwise convolution.

    Attributes:
        size: of the filter's sides.
        stride: 1 or 2.
    """

    size: int
    stride: int


Kind = type[nn.Module] | Depthwise


def fuse(model: nn.Module, *, precision: torch.dtype | None = None) -> nn.Module:
    """Make a model faster, in place; its parameters, buffers, their names and its results stay the same.

    Batch normalisation absorbs the activation that follows it in an `nn.Sequential` (not in ResNets, which
    call theirs in `forward`), squeeze-and-excitation makes fewer passes over its input, and depthwise
    convolutions read theirs fewer times. Where kernels can't be compiled, which takes Triton and a C
    compiler, nothing is changed, and a warning says why.

    Args:
        model: on the device.
        precision: in which the model computes. If given, the kernels are first compared with torch on small
            layers, since there are more kinds of device than anybody can test; if the results differ, these
            layers aren't changed either.
    """
    device = next(model.parameters()).device
    if problem := problem_of(device):
        _warn(
            device,
            f"Triton can't compute here ({problem}). It comes with torch on Linux, and needs a C compiler "
            "and Python's headers",
        )
        return model
    layers = list(model.modules())
    normalising = {type(layer) for layer in layers} & {*ACTIVATION_NAMES, SqueezeExcitation}
    depthwise = {form for layer in layers if (form := _depthwise(layer))}
    for kinds, replace in (({nn.Identity, *normalising}, _normalise), (depthwise, _convolve)):
        if precision and (mistake := mistake_of(device, precision, frozenset(kinds))):
            _warn(device, f"this project's kernels give other results than torch here ({mistake})")
        else:
            replace(model)
    return model


def _warn(device: torch.device, problem: str) -> None:
    warnings.warn(f"layers are computed one by one on {device}, which is slower: {problem}", stacklevel=3)


def _normalise(model: nn.Module) -> None:
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


def _convolve(model: nn.Module, *, may_choose: bool = True) -> None:
    from lost_and_found.training.fused.depthwise import DepthwiseConv2d

    for module in list(model.modules()):
        if _depthwise(module):
            module.__class__ = DepthwiseConv2d
            cast(DepthwiseConv2d, module).may_choose = may_choose


def _depthwise(layer: nn.Module) -> Depthwise | None:
    """What kind of depthwise convolution this is; None for other layers, and for forms without kernels."""
    if type(layer) is not nn.Conv2d or not layer.in_channels == layer.out_channels == layer.groups:
        return None
    (size, _), (stride, _) = layer.kernel_size, layer.stride
    form = (layer.kernel_size, layer.stride, layer.padding, layer.dilation, layer.padding_mode)
    usual = form == ((size, size), (stride, stride), (size // 2, size // 2), (1, 1), "zeros")
    known = size in (3, 5) and stride in (1, 2) and layer.bias is None and _is_aligned(layer.groups)
    return Depthwise(size, stride) if usual and known else None


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
def mistake_of(device: torch.device, precision: torch.dtype, kinds: frozenset[Kind]) -> str:
    """How the results of small layers differ from torch's on this device; empty if they don't.

    Args:
        device: to compute on.
        precision: of the pictures.
        kinds: activations to be fused with batch normalisation (`Identity`: none), `SqueezeExcitation`,
            depthwise convolutions.
    """
    generator = torch.Generator().manual_seed(0)
    pictures = torch.randn(TRIED, generator=generator).to(device, precision)
    tolerance = max(1e-3, 8 * torch.finfo(precision).eps)
    for kind in sorted(kinds, key=_name):
        with torch.random.fork_rng(devices=[]):  # leaves the training's random state alone
            plain = nn.Sequential(*_small_layers(kind))
        for parameter in plain.parameters():
            parameter.data += torch.randn(parameter.shape, generator=generator) / 4
        plain = plain.to(device)
        quick = copy.deepcopy(plain)
        try:
            _normalise(quick)
            _convolve(quick, may_choose=False)
            found, wanted = (_trained(one, pictures) for one in (quick, plain))
        except Exception as problem:  # whatever Triton and a driver have to say
            return f"{type(problem).__name__}: {problem}".splitlines()[0]
        for name, value in wanted.items():
            off = ((found[name] - value).norm() / (value.norm() + 1e-6)).item()
            if not off <= tolerance:
                return f"{name} of {_name(kind)} is {100 * off:.2g} % off, more than {100 * tolerance:.2g} %"
    return ""


def _small_layers(kind: Kind) -> list[nn.Module]:
    channels = TRIED[1]
    if isinstance(kind, Depthwise):
        size, stride = kind
        return [nn.Conv2d(channels, channels, size, stride, size // 2, groups=channels, bias=False)]
    if kind is SqueezeExcitation:
        return [SqueezeExcitation(channels, 8)]
    return [nn.BatchNorm2d(channels), kind()]


def _name(kind: Kind) -> str:
    if isinstance(kind, Depthwise):
        return f"a depthwise convolution of {kind.size}x{kind.size} with stride {kind.stride}"
    return kind.__name__


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
