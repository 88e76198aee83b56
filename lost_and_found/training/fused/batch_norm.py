"""Batch normalisation and the activation after it, computed together on a GPU.

Both do almost no arithmetic: their time goes into reading and writing the layer's output. Separately, forward
and backward passes go over it thirteen times; fused, eight times, and the activation's input isn't kept.
With channels last, an output is a matrix with a row for each pixel of each picture; a program takes some of
its rows and columns. Sums are in float32 and in the same order every time.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from lost_and_found.training.fused.tiles import STAGES, SUMMING, TILE, WRITING, tiling_of

# Sums and channels that are merged at a time.
MERGED = {"SUMS": 64, "CHANNELS": 16}
SIZES = ["rows", "columns", "channels", "rows_each"]  # compiled once for any values of these


@triton.jit
def _activate(z, ACTIVATION: tl.constexpr):
    # Not by tl.minimum and tl.maximum, which don't pass on a NaN.
    if ACTIVATION == "silu":
        z = z * tl.sigmoid(z)
    elif ACTIVATION == "hardswish":
        z = z * tl.where(z < -3, 0, tl.where(z > 3, 6, z + 3)) / 6
    elif ACTIVATION == "relu":
        z = tl.where(z < 0, 0, z)
    elif ACTIVATION == "relu6":
        z = tl.where(z < 0, 0, tl.where(z > 6, 6, z))
    return z


@triton.jit
def _slope(z, ACTIVATION: tl.constexpr):
    """The activation's derivative; at its kinks, the one that torch takes."""
    slope = tl.full(z.shape, 1, tl.float32)
    if ACTIVATION == "silu":
        sigmoid = tl.sigmoid(z)
        slope = sigmoid * (1 + z * (1 - sigmoid))
    elif ACTIVATION == "hardswish":
        slope = tl.where(z <= -3, 0, tl.where(z < 3, z / 3 + 0.5, 1))
    elif ACTIVATION == "relu":
        slope = tl.where(z > 0, 1.0, 0.0)
    elif ACTIVATION == "relu6":
        slope = tl.where((z > 0) & (z < 6), 1.0, 0.0)
    return slope


@triton.jit
def _scales(mean, var, weight, bias, eps, channel, known):
    """For each channel: centre, 1 / standard deviation, factor and offset for distances from the centre."""
    centre = tl.load(mean + channel, known, other=0)
    scale = 1 / tl.sqrt(tl.load(var + channel, known, other=1) + eps)
    factor = scale * tl.load(weight + channel, known, other=0)
    return centre, scale, factor, tl.load(bias + channel, known, other=0)


@triton.jit
def _before_activation(x, at, inside, centre, factor, offset):
    """Distances from the centre, and the activation's input."""
    distance = tl.load(x + at, inside, other=0).to(tl.float32) - centre[None, :]
    return distance, distance * factor[None, :] + offset[None, :]


@triton.jit(do_not_specialize=SIZES)
def _statistics(
    x, sums, squares, rows, columns, channels, rows_each, ROWS: tl.constexpr, COLUMNS: tl.constexpr
):  # fmt: skip
    """For each part: sums, and sums of squares, of distances from the first pixel.

    With squares of the values themselves, rounding would swamp a variance that is small beside their mean.
    """
    columns, channels = columns // 8 * 8, channels // 8 * 8  # tells the compiler to read eight at once
    part = tl.program_id(0)
    first = part * rows_each
    row, column = first + tl.arange(0, ROWS), tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    last, known = tl.minimum(first + rows_each, rows), column < columns
    origin = tl.load(x + column % channels, known, other=0).to(tl.float32)
    total = tl.zeros((ROWS, COLUMNS), tl.float32)
    square = tl.zeros((ROWS, COLUMNS), tl.float32)
    at = first.to(tl.int64) * columns + tl.arange(0, ROWS)[:, None] * columns + column[None, :]
    for _ in tl.range(0, rows_each, ROWS, num_stages=STAGES):
        inside = (row < last)[:, None] & known[None, :]
        distance = tl.load(x + at, inside, other=0).to(tl.float32) - origin[None, :]
        distance = tl.where(inside, distance, 0)
        total += distance
        square += distance * distance
        row += ROWS
        at += ROWS * columns
    to = part * columns + column
    tl.store(sums + to, tl.sum(total, 0), known)
    tl.store(squares + to, tl.sum(square, 0), known)


@triton.jit(do_not_specialize=["count", "pixels", "channels"])
def _merge(
    x, sums, squares, mean, var, running_mean, running_var, batches, momentum, count, pixels, channels,
    SUMS: tl.constexpr, CHANNELS: tl.constexpr
):  # fmt: skip
    """Mean and variance from `count` sums for each channel; updates the running ones too."""
    channel = tl.program_id(0) * CHANNELS + tl.arange(0, CHANNELS)
    known = channel < channels
    total = tl.zeros((SUMS, CHANNELS), tl.float32)
    square = tl.zeros((SUMS, CHANNELS), tl.float32)
    for first in range(0, count, SUMS):
        number = first + tl.arange(0, SUMS)
        inside = (number < count)[:, None] & known[None, :]
        at = number[:, None] * channels + channel[None, :]
        total += tl.load(sums + at, inside, other=0)
        square += tl.load(squares + at, inside, other=0)
    distance = tl.sum(total, 0) / pixels
    spread = tl.sum(square, 0) / pixels - distance * distance
    spread = tl.where(spread < 0, 0, spread)  # negative by rounding; a NaN stays
    centre = tl.load(x + channel, known, other=0).to(tl.float32) + distance
    tl.store(mean + channel, centre, known)
    tl.store(var + channel, spread, known)
    old = tl.load(running_mean + channel, known, other=0)
    tl.store(running_mean + channel, old + momentum * (centre - old), known)
    old = tl.load(running_var + channel, known, other=0)
    unbiased = spread * (pixels.to(tl.float32) / (pixels - 1))
    tl.store(running_var + channel, old + momentum * (unbiased - old), known)
    if tl.program_id(0) == 0:
        tl.store(batches, tl.load(batches) + 1)


@triton.jit(do_not_specialize=SIZES)
def _normalise(
    x, y, mean, var, weight, bias, eps, rows, columns, channels, rows_each,
    ACTIVATION: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr
):  # fmt: skip
    columns, channels = columns // 8 * 8, channels // 8 * 8  # tells the compiler to read eight at once
    first = tl.program_id(0) * rows_each
    row, column = first + tl.arange(0, ROWS), tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    last, known = tl.minimum(first + rows_each, rows), column < columns
    centre, _, factor, offset = _scales(mean, var, weight, bias, eps, column % channels, known)
    at = first.to(tl.int64) * columns + tl.arange(0, ROWS)[:, None] * columns + column[None, :]
    for _ in tl.range(0, rows_each, ROWS, num_stages=STAGES):
        inside = (row < last)[:, None] & known[None, :]
        _, z = _before_activation(x, at, inside, centre, factor, offset)
        tl.store(y + at, _activate(z, ACTIVATION).to(y.dtype.element_ty), inside)
        row += ROWS
        at += ROWS * columns


@triton.jit(do_not_specialize=SIZES)
def _parameter_gradients(
    x, dy, mean, var, weight, bias, dweight, dbias, eps, rows, columns, channels, rows_each,
    ACTIVATION: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr
):  # fmt: skip
    """Gradients of weight and bias from each part of the rows."""
    columns, channels = columns // 8 * 8, channels // 8 * 8  # tells the compiler to read eight at once
    part = tl.program_id(0)
    first = part * rows_each
    row, column = first + tl.arange(0, ROWS), tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    last, known = tl.minimum(first + rows_each, rows), column < columns
    centre, scale, factor, offset = _scales(mean, var, weight, bias, eps, column % channels, known)
    of_weight = tl.zeros((ROWS, COLUMNS), tl.float32)
    of_bias = tl.zeros((ROWS, COLUMNS), tl.float32)
    at = first.to(tl.int64) * columns + tl.arange(0, ROWS)[:, None] * columns + column[None, :]
    for _ in tl.range(0, rows_each, ROWS, num_stages=STAGES):
        inside = (row < last)[:, None] & known[None, :]
        distance, z = _before_activation(x, at, inside, centre, factor, offset)
        dz = tl.load(dy + at, inside, other=0).to(tl.float32) * _slope(z, ACTIVATION)
        of_weight += dz * distance
        of_bias += dz
        row += ROWS
        at += ROWS * columns
    to = part * columns + column
    tl.store(dweight + to, tl.sum(of_weight, 0) * scale, known)
    tl.store(dbias + to, tl.sum(of_bias, 0), known)


@triton.jit(do_not_specialize=SIZES)
def _input_gradient(
    x, dy, dx, mean, var, weight, bias, dweight, dbias, eps, rows, columns, channels, rows_each,
    ACTIVATION: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr
):  # fmt: skip
    columns, channels = columns // 8 * 8, channels // 8 * 8  # tells the compiler to read eight at once
    first = tl.program_id(0) * rows_each
    row, column = first + tl.arange(0, ROWS), tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    last, known = tl.minimum(first + rows_each, rows), column < columns
    channel, pixels = column % channels, rows * (columns // channels)
    centre, scale, factor, offset = _scales(mean, var, weight, bias, eps, channel, known)
    # Components that only shift the mean or scale the deviation are removed: normalising undoes both.
    common = tl.load(dbias + channel, known, other=0) / pixels
    along = tl.load(dweight + channel, known, other=0) * scale / pixels
    at = first.to(tl.int64) * columns + tl.arange(0, ROWS)[:, None] * columns + column[None, :]
    for _ in tl.range(0, rows_each, ROWS, num_stages=STAGES):
        inside = (row < last)[:, None] & known[None, :]
        distance, z = _before_activation(x, at, inside, centre, factor, offset)
        dz = tl.load(dy + at, inside, other=0).to(tl.float32) * _slope(z, ACTIVATION)
        change = (dz - common[None, :] - distance * along[None, :]) * factor[None, :]
        tl.store(dx + at, change.to(dx.dtype.element_ty), inside)
        row += ROWS
        at += ROWS * columns


class _BatchNorm(torch.autograd.Function):
    """Normalises over the batch, then activates."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, module: FusedBatchNorm2d) -> Tensor:
        channels, tiling = x.shape[1], tiling_of(x, each=SUMMING)
        sums = x.new_empty((2, tiling.sums_each, channels), dtype=torch.float32)
        mean, var = x.new_empty((2, channels), dtype=torch.float32)
        _statistics[tiling.grid](x, *sums, *tiling.sizes, **TILE)
        _merge[(triton.cdiv(channels, MERGED["CHANNELS"]),)](
            x, *sums, mean, var, module.running_mean, module.running_var, module.num_batches_tracked,
            module.momentum, tiling.sums_each, x.numel() // channels, channels, **MERGED
        )  # fmt: skip
        ctx.save_for_backward(x, mean, var, weight, bias)
        ctx.module = module
        return _normalised(x, mean, var, module)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        x, *state = ctx.saved_tensors
        eps, activation = ctx.module.eps, ctx.module.activation
        dy, dx = dy.contiguous(memory_format=torch.channels_last), torch.empty_like(x)
        tiling = tiling_of(x, each=SUMMING)
        sums = x.new_empty((2, tiling.sums_each, x.shape[1]), dtype=torch.float32)
        _parameter_gradients[tiling.grid](x, dy, *state, *sums, eps, *tiling.sizes, activation, **TILE)
        dweight, dbias = sums.sum(1)
        tiling = tiling_of(x, each=WRITING)
        _input_gradient[tiling.grid](
            x, dy, dx, *state, dweight, dbias, eps, *tiling.sizes, activation, **TILE
        )  # fmt: skip
        return dx, dweight, dbias, None


def _normalised(x: Tensor, mean: Tensor, var: Tensor, module: FusedBatchNorm2d) -> Tensor:
    y, tiling = torch.empty_like(x), tiling_of(x, each=WRITING)
    _normalise[tiling.grid](
        x, y, mean, var, module.weight, module.bias, module.eps, *tiling.sizes, module.activation, **TILE
    )
    return y


class FusedBatchNorm2d(nn.BatchNorm2d):
    """Batch normalisation with an activation, for channels-last pictures.

    Attributes:
        activation: "none", or the name in `torch.nn.functional`.
    """

    activation: str = "none"
    running_mean: Tensor
    running_var: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """What `nn.BatchNorm2d` and the activation would give, rounded once instead of twice."""
        x = x.contiguous(memory_format=torch.channels_last)
        if self.training and x.numel() > x.shape[1]:
            y: Tensor = _BatchNorm.apply(x, self.weight, self.bias, self)
            return y
        if self.training or torch.is_grad_enabled():
            z = super().forward(x)
            return z if self.activation == "none" else getattr(functional, self.activation)(z)
        return _normalised(x, self.running_mean, self.running_var, self)
