"""Depthwise convolutions of channels-last pictures, on a GPU.

An output needs only a few products, so their time goes into reading inputs, which neighbouring outputs share.
A program computes strips of a few outputs, one above the other, for some channels: each input that it reads
serves all outputs of the strip. Sums are in float32 and in the same order every time.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from lost_and_found.training.fused.tiles import SUMMING, processors
from lost_and_found.training.fused.timing import is_faster

HIGHEST = 5  # outputs in a strip, at most
# Strips and channels that a program works on at a time; elsewhere groups of eight channels of a strip.
SUMMED = {"STRIPS": 32, "CHANNELS": 32}
WRITTEN = {"GROUPS": 128}
SIZES = ["strips", "height", "width", "other_height", "other_width"]
SIZES += ["channels", "strips_each", "groups", "blocks"]


@triton.jit
def _divided(number, by):
    """Quotient and remainder; no number is negative, which is faster to divide."""
    quotient = (number.to(tl.uint32) // by.to(tl.uint32)).to(tl.int32)
    return quotient, number - quotient * by


@triton.jit
def _places(strip, height, width, HIGH: tl.constexpr):
    """The picture of each strip, and the row and column of its upper end."""
    line, column = _divided(strip, width)
    picture, strips_above = _divided(line, tl.cdiv(height, HIGH))
    return picture, strips_above * HIGH, column


@triton.jit
def _strips_and_channels(strips, groups, blocks, GROUPS: tl.constexpr):
    """A program's strips, each with eight of its channels, and whether they exist.

    Neighbouring programs have the same strips where there are several blocks of channels.
    """
    part, block = _divided(tl.program_id(0), blocks)
    strip, group = _divided(part * GROUPS + tl.arange(0, GROUPS), groups)
    channel = (block * groups + group)[:, None] * 8 + tl.arange(0, 8)[None, :]
    return strip, channel, (strip < strips)[:, None]


@triton.jit
def _addresses(picture, row, column, height, width, channel, channels):
    pixel = (picture * height + row).to(tl.int64) * width + column
    return pixel[:, None] * channels + channel


@triton.jit
def _within(place, end):
    return (place.to(tl.uint32) < end.to(tl.uint32))[:, None]  # nor below 0, in one comparison


@triton.jit
def _load(x, at, known):
    """The values at these places; 0 for those that aren't known to lie within the pictures."""
    return tl.load(x + at, known, other=0).to(tl.float32)


@triton.jit
def _factors(weights, kx, channel, channels, SIZE: tl.constexpr):
    """The weights in a column of the filter, from top to bottom."""
    factors = ()
    for ky in tl.static_range(SIZE):
        factors += (tl.load(weights + (ky * SIZE + kx) * channels + channel),)  # type: ignore[assignment]
    return factors


@triton.jit
def _zeros(COUNT: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    sums = ()
    for _ in tl.static_range(COUNT):
        sums += (tl.zeros((ROWS, COLUMNS), tl.float32),)  # type: ignore[assignment]
    return sums


@triton.jit
def _add(sums, value, factors, FIRST: tl.constexpr, STEP: tl.constexpr, EVERY: tl.constexpr = 1):
    """Adds to the i-th sum the value times the factor number (FIRST + STEP i) / EVERY, if there is one."""
    added = ()
    for place in tl.static_range(len(sums)):
        if (
            FIRST + STEP * place >= 0
            and (FIRST + STEP * place) % EVERY == 0
            and FIRST + STEP * place < EVERY * len(factors)
        ):
            added += (sums[place] + value * factors[(FIRST + STEP * place) // EVERY],)  # type: ignore[assignment]
        else:
            added += (sums[place],)  # type: ignore[assignment]
    return added


@triton.jit
def _store(y, sums, at, row, height, width, channels, known):
    for place in tl.static_range(len(sums)):
        inside = (row + place < height)[:, None] & known
        tl.store(y + at + place * width * channels, sums[place].to(y.dtype.element_ty), inside)


@triton.jit(do_not_specialize=SIZES)
def _convolve(
    x, weights, y, strips, height, width, other_height, other_width, groups, blocks,
    SIZE: tl.constexpr, STRIDE: tl.constexpr, HIGH: tl.constexpr, GROUPS: tl.constexpr
):  # fmt: skip
    """y, of height and width, from x, of the others."""
    PAD: tl.constexpr = SIZE // 2
    strip, channel, known = _strips_and_channels(strips, groups, blocks, GROUPS)
    channels = groups * blocks * 8
    picture, row, column = _places(strip, height, width, HIGH)
    x_row, x_column = row * STRIDE, column * STRIDE
    at = _addresses(picture, x_row, x_column, other_height, other_width, channel, channels)
    sums = _zeros(HIGH, GROUPS, 8)
    for kx in range(SIZE):
        factors = _factors(weights, kx, channel, channels, SIZE)
        beside = _within(x_column + kx - PAD, other_width) & known
        for down in tl.static_range(-PAD, STRIDE * (HIGH - 1) + PAD + 1):
            away = (down * other_width + kx - PAD) * channels
            value = _load(x, at + away, _within(x_row + down, other_height) & beside)
            sums = _add(sums, value, factors, down + PAD, -STRIDE)
    at = _addresses(picture, row, column, height, width, channel, channels)
    _store(y, sums, at, row, height, width, channels, known)


@triton.jit(do_not_specialize=SIZES)
def _input_gradient(
    dy, weights, dx, strips, height, width, other_height, other_width, groups, blocks,
    SIZE: tl.constexpr, STRIDE: tl.constexpr, HIGH: tl.constexpr, GROUPS: tl.constexpr
):  # fmt: skip
    """dx, of height and width, from dy, of the others."""
    PAD: tl.constexpr = SIZE // 2
    strip, channel, known = _strips_and_channels(strips, groups, blocks, GROUPS)
    channels = groups * blocks * 8
    picture, row, column = _places(strip, height, width, HIGH)
    dy_row = row // STRIDE  # exactly, as HIGH is a multiple of the stride
    sums = _zeros(HIGH, GROUPS, 8)
    for kx in range(SIZE):
        factors = _factors(weights, kx, channel, channels, SIZE)
        across = column + PAD - kx
        dy_column = tl.where(across % STRIDE == 0, across // STRIDE, -1)
        beside = _within(dy_column, other_width) & known
        at = _addresses(picture, dy_row, dy_column, other_height, other_width, channel, channels)
        for down in tl.static_range(-(PAD // STRIDE), (HIGH - 1 + PAD) // STRIDE + 1):
            away = down * other_width * channels
            value = _load(dy, at + away, _within(dy_row + down, other_height) & beside)
            sums = _add(sums, value, factors, PAD - STRIDE * down, 1)
    at = _addresses(picture, row, column, height, width, channel, channels)
    _store(dx, sums, at, row, height, width, channels, known)


@triton.jit(do_not_specialize=SIZES)
def _weight_gradient(
    x, dy, sums, strips, height, width, other_height, other_width, channels, strips_each,
    SIZE: tl.constexpr, STRIDE: tl.constexpr, HIGH: tl.constexpr, STRIPS: tl.constexpr, CHANNELS: tl.constexpr
):  # fmt: skip
    """Sums over each part of the strips of dy, of height and width, with x, of the others.

    A program has one column of the filter.
    """
    PAD: tl.constexpr = SIZE // 2
    channels = channels // 8 * 8  # tells the compiler to read eight at once
    kx, part = tl.program_id(0), tl.program_id(1)
    channel = tl.program_id(2) * CHANNELS + tl.arange(0, CHANNELS)
    last = tl.minimum((part + 1) * strips_each, strips)
    totals = _zeros(SIZE, STRIPS, CHANNELS)
    for first in range(part * strips_each, last, STRIPS):
        strip = first + tl.arange(0, STRIPS)
        known = (strip < last)[:, None] & (channel < channels)[None, :]
        picture, row, column = _places(strip, height, width, HIGH)
        at = _addresses(picture, row, column, height, width, channel[None, :], channels)
        slopes = ()
        for place in tl.static_range(HIGH):
            away = place * width * channels
            slopes += (_load(dy, at + away, _within(row + place, height) & known),)  # type: ignore[assignment]
        x_row, x_column = row * STRIDE, column * STRIDE + kx - PAD
        beside = _within(x_column, other_width) & known
        at = _addresses(picture, x_row, x_column, other_height, other_width, channel[None, :], channels)
        for down in tl.static_range(-PAD, STRIDE * (HIGH - 1) + PAD + 1):
            away = down * other_width * channels
            value = _load(x, at + away, _within(x_row + down, other_height) & beside)
            totals = _add(totals, value, slopes, down + PAD, -1, STRIDE)
    for ky in tl.static_range(SIZE):
        to = (part * SIZE * SIZE + ky * SIZE + kx) * channels + channel
        tl.store(sums + to, tl.sum(totals[ky], 0), channel < channels)


def convolved(x: Tensor, weight: Tensor, stride: int) -> Tensor:
    """The convolution (B, C, ceil(H / stride), ceil(W / stride)) of x (B, C, H, W), channels last.

    Args:
        x: the input.
        weight: (C, 1, size, size), of an odd size; x is padded with size // 2 zeros on each side.
        stride: 1 or 2.
    """
    shape = (*x.shape[:2], *(triton.cdiv(side, stride) for side in x.shape[2:]))
    y = torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=torch.channels_last)
    _write(_convolve, x, weight, y, stride, high=_high(y))
    return y


def gradients(x: Tensor, dy: Tensor, weight: Tensor, stride: int) -> tuple[Tensor, Tensor]:
    """The gradients of x and of the weight from that of the output, dy, channels last."""
    dx = torch.empty_like(x)
    _write(_input_gradient, dy, weight, dx, stride, high=_high(dx) if stride == 1 else 4)
    size, channels, high = weight.shape[2], x.shape[1], _high(dy)
    strips, columns = _strips(dy, high), triton.cdiv(channels, SUMMED["CHANNELS"])
    parts = max(1, SUMMING * processors(x.device) // (columns * size))
    strips_each = triton.cdiv(triton.cdiv(strips, parts), SUMMED["STRIPS"]) * SUMMED["STRIPS"]
    parts = triton.cdiv(strips, strips_each)
    sums = x.new_empty((parts, size**2, channels), dtype=torch.float32)
    _weight_gradient[size, parts, columns](
        x, dy, sums, strips, *dy.shape[2:], *x.shape[2:], channels, strips_each, size, stride, high, **SUMMED
    )
    return dx, sums.sum(0).t().reshape(weight.shape).to(weight.dtype)


def _write(kernel: Any, source: Tensor, weight: Tensor, written: Tensor, stride: int, *, high: int) -> None:
    # Rounded as torch would, but read in a type that needn't be converted; those of neighbours side by side.
    rounded = weight.to(source.dtype).flatten(1).t()
    weights = rounded.new_empty(rounded.shape, dtype=torch.float32).copy_(rounded)
    strips, groups = _strips(written, high), written.shape[1] // 8
    # A program has a few channels of many strips, which share inputs, but reads at least 64 bytes at a place.
    each = next((each for each in range(4, groups, 2) if groups % each == 0), groups)
    programs = triton.cdiv(strips * each, WRITTEN["GROUPS"]) * (groups // each)
    kernel[(programs,)](
        source, weights, written, strips, *written.shape[2:], *source.shape[2:], each, groups // each,
        weight.shape[2], stride, high, **WRITTEN
    )  # fmt: skip


def _high(walked: Tensor) -> int:
    """How many outputs a strip has, so that few of them lie below the pictures."""
    height = walked.shape[2]
    return triton.cdiv(height, triton.cdiv(height, HIGHEST))


def _strips(walked: Tensor, high: int) -> int:
    count, _, height, width = walked.shape
    return count * triton.cdiv(height, high) * width


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride = stride
        return convolved(x, weight, stride)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, Tensor, None]:
        x, weight = ctx.saved_tensors
        dy = dy.contiguous(memory_format=torch.channels_last)
        return *gradients(x, dy, weight, ctx.stride), None


class DepthwiseConv2d(nn.Conv2d):
    """A depthwise convolution, by this project's kernels or, where that is faster, by torch.

    Attributes:
        may_choose: whether torch's way is considered.
    """

    may_choose: bool = True

    def forward(self, input: Tensor) -> Tensor:
        """What `nn.Conv2d` would give."""
        x, device = input, input.device.type
        if torch.is_autocast_enabled(device):
            x = x.to(torch.get_autocast_dtype(device))
        x = x.contiguous(memory_format=torch.channels_last)
        if self.may_choose and not self._is_faster(x):
            return super().forward(x)
        y: Tensor = _Convolution.apply(x, self.weight, self.stride[0])
        return y

    def _is_faster(self, x: Tensor) -> bool:
        """Whether the kernels are faster than torch for pictures of this size, however many they are."""
        weight, stride, channels = self.weight, self.stride, x.shape[1]

        def ours() -> None:
            gradients(x, convolved(x, weight, stride[0]), weight, stride[0])

        def theirs() -> None:
            rounded = weight.to(x.dtype)
            y = self._conv_forward(x, rounded, None)
            torch.ops.aten.convolution_backward(
                y, x, rounded, None, stride, self.padding, self.dilation, transposed=False,
                output_padding=(0, 0), groups=channels, output_mask=(True, True, False),
            )  # fmt: skip

        return is_faster((x.device, x.dtype, *x.shape[1:], weight.shape, stride), ours, theirs)
