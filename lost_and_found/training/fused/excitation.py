"""Squeeze and excitation with fewer passes over a layer's output, on a GPU.

The output is averaged over each picture's pixels; from the averages comes a factor for each channel of each
picture, by which the output is multiplied. Its gradient has two terms, one through the product and one
through the average; separately they would be written, read and added, here one kernel writes their sum.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable
from torchvision.ops import SqueezeExcitation

from lost_and_found.training.fused.tiles import COLUMNS, STAGES

PICTURE_TILE = {"PIXELS": 16, "CHANNELS": COLUMNS}


@triton.jit(do_not_specialize=["pixels", "channels"])
def _sum(
    x, other, sums, divisor, pixels, channels, PIXELS: tl.constexpr, CHANNELS: tl.constexpr
):  # fmt: skip
    """The sum of x, or of x times `other` if there is one, over a picture's pixels, over the divisor."""
    channels = channels // 8 * 8  # tells the compiler to read eight at once
    picture = tl.program_id(0).to(tl.int64)
    pixel, channel = tl.arange(0, PIXELS), tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    known = channel < channels
    total = tl.zeros((PIXELS, CHANNELS), tl.float32)
    at = picture * pixels * channels + pixel[:, None] * channels + channel[None, :]
    for _ in tl.range(0, pixels, PIXELS, num_stages=STAGES):
        inside = (pixel < pixels)[:, None] & known[None, :]
        values = tl.load(x + at, inside, other=0).to(tl.float32)
        if other is not None:
            values *= tl.load(other + at, inside, other=0).to(tl.float32)
        total += values
        pixel += PIXELS
        at += PIXELS * channels
    sums_of = tl.sum(total, 0) / divisor
    tl.store(sums + picture * channels + channel, sums_of.to(sums.dtype.element_ty), known)


@triton.jit(do_not_specialize=["pixels", "channels"])
def _scale(x, factor, summand, y, pixels, channels, PIXELS: tl.constexpr, CHANNELS: tl.constexpr):
    """Every pixel times its picture's factor, plus the summand, if any, over the number of pixels."""
    channels = channels // 8 * 8  # tells the compiler to read eight at once
    picture = tl.program_id(0).to(tl.int64)
    pixel, channel = tl.arange(0, PIXELS), tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    known = channel < channels
    of_picture = picture * channels + channel
    scale = tl.load(factor + of_picture, known, other=0).to(tl.float32)
    shift = tl.zeros((CHANNELS,), tl.float32)
    if summand is not None:
        shift = tl.load(summand + of_picture, known, other=0).to(tl.float32) / pixels
    at = picture * pixels * channels + pixel[:, None] * channels + channel[None, :]
    for _ in tl.range(0, pixels, PIXELS, num_stages=STAGES):
        inside = (pixel < pixels)[:, None] & known[None, :]
        values = tl.load(x + at, inside, other=0).to(tl.float32) * scale[None, :] + shift[None, :]
        tl.store(y + at, values.to(y.dtype.element_ty), inside)
        pixel += PIXELS
        at += PIXELS * channels


def _grid(x: Tensor) -> tuple[tuple[int, int], tuple[int, int]]:
    """The grid, a program for each picture and tile of channels, and the sizes: pixels and channels."""
    pictures, channels, height, width = x.shape
    return (pictures, triton.cdiv(channels, PICTURE_TILE["CHANNELS"])), (height * width, channels)


def mean_over_pixels(x: Tensor) -> Tensor:
    """Means (B, C, 1, 1) of x (B, C, H, W), which is channels last."""
    grid, sizes = _grid(x)
    means = x.new_empty((*x.shape[:2], 1, 1))
    _sum[grid](x, None, means, sizes[0], *sizes, **PICTURE_TILE)
    return means


def scaled(x: Tensor, factor: Tensor) -> Tensor:
    """The product of x (B, C, H, W), which is channels last, and the factor (B, C, 1, 1)."""
    grid, sizes = _grid(x)
    y = torch.empty_like(x)
    _scale[grid](x, factor, None, y, *sizes, **PICTURE_TILE)
    return y


class _Exchange:
    """Carries the factor from the product's backward pass to the average's, which adds up both terms."""

    factor: Tensor | None = None


class _Average(torch.autograd.Function):
    """The average over pixels, and x itself, which must be used by `_Product` and nothing else."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, exchange: _Exchange) -> tuple[Tensor, Tensor]:
        ctx.exchange = exchange
        return mean_over_pixels(x), x.view_as(x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_mean: Tensor, dy: Tensor) -> tuple[Tensor, None]:
        factor, ctx.exchange.factor = ctx.exchange.factor, None
        dx = torch.empty_like(dy)
        grid, sizes = _grid(dy)
        _scale[grid](dy, factor, of_mean.contiguous(), dx, *sizes, **PICTURE_TILE)
        return dx, None


class _Product(torch.autograd.Function):
    """The product of x and a factor; passes the gradient on unchanged, for `_Average` to multiply."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, factor: Tensor, exchange: _Exchange) -> Tensor:
        ctx.save_for_backward(x, factor)
        ctx.exchange = exchange
        return scaled(x, factor)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, Tensor, None]:
        x, factor = ctx.saved_tensors
        dy = dy.contiguous(memory_format=torch.channels_last)
        ctx.exchange.factor = factor
        of_factor = torch.empty_like(factor)
        grid, sizes = _grid(x)
        _sum[grid](dy, x, of_factor, 1, *sizes, **PICTURE_TILE)
        return dy, of_factor, None


class FusedSqueezeExcitation(SqueezeExcitation):
    """Squeeze and excitation for channels-last pictures; the factor is computed as by torchvision."""

    def forward(self, input: Tensor) -> Tensor:
        """What `SqueezeExcitation` would give."""
        x = input.contiguous(memory_format=torch.channels_last)
        if not torch.is_grad_enabled():
            return scaled(x, self._factor(mean_over_pixels(x)))
        exchange = _Exchange()
        means, same = _Average.apply(x, exchange)
        y: Tensor = _Product.apply(same, self._factor(means), exchange)
        return y

    def _factor(self, means: Tensor) -> Tensor:
        factor: Tensor = self.scale_activation(self.fc2(self.activation(self.fc1(means))))
        return factor.contiguous()
