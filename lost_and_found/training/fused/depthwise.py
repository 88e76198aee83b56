"""Depthwise convolutions of channels-last pictures, on a GPU.

An output needs only a few products, so their time goes into reading inputs, which neighbouring outputs share.
A program computes strips of four outputs, one above the other, for some channels: each input that it reads
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

HIGH = tl.constexpr(4)  # outputs in a strip
# Strips and channels that a program works on at a time.
TILE = {"STRIPS": 32, "CHANNELS": 32}
SIZES = ["strips", "height", "width", "other_height", "other_width", "channels", "strips_each"]


@triton.jit
def _places(strip, height, width):
    """The picture of each strip, and the row and column of its upper end."""
    strips_high = tl.cdiv(height, HIGH)
    line = strip // width
    return line // strips_high, line % strips_high * HIGH, strip % width


@triton.jit
def _addresses(picture, row, column, height, width, channel, channels):
    pixel = (picture * height + row).to(tl.int64) * width + column
    return pixel[:, None] * channels + channel[None, :]


@triton.jit
def _load(x, at, row, column, height, width, known):
    """The values at a row and column of each picture; 0 outside the pictures."""
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    return tl.load(x + at, inside[:, None] & known, other=0).to(tl.float32)


@triton.jit
def _factors(weights, kx, channel, channels, SIZE: tl.constexpr):
    """The weights in a column of the filter, from top to bottom."""
    factors = ()
    for ky in tl.static_range(SIZE):
        of_row = weights + (ky * SIZE + kx) * channels + channel
        factors += (tl.load(of_row, channel < channels, other=0).to(tl.float32)[None, :],)  # type: ignore[assignment]
    return factors


@triton.jit
def _zeros(COUNT: tl.constexpr, STRIPS: tl.constexpr, CHANNELS: tl.constexpr):
    sums = ()
    for _ in tl.static_range(COUNT):
        sums += (tl.zeros((STRIPS, CHANNELS), tl.float32),)  # type: ignore[assignment]
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
    for place in tl.static_range(HIGH):
        inside = (row + place < height)[:, None] & known
        tl.store(y + at + place * width * channels, sums[place].to(y.dtype.element_ty), inside)


@triton.jit(do_not_specialize=SIZES)
def _convolve(
    x, weights, y, strips, height, width, other_height, other_width, channels,
    SIZE: tl.constexpr, STRIDE: tl.constexpr, STRIPS: tl.constexpr, CHANNELS: tl.constexpr
):  # fmt: skip
    """y, of height and width, from x, of the others."""
    PAD: tl.constexpr = SIZE // 2
    channels = channels // 8 * 8  # tells the compiler to read eight at once
    strip = tl.program_id(0) * STRIPS + tl.arange(0, STRIPS)
    channel = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    known = (strip < strips)[:, None] & (channel < channels)[None, :]
    picture, row, column = _places(strip, height, width)
    x_row, x_column = row * STRIDE, column * STRIDE
    at = _addresses(picture, x_row, x_column, other_height, other_width, channel, channels)
    sums = _zeros(HIGH, STRIPS, CHANNELS)
    for kx in range(SIZE):
        factors = _factors(weights, kx, channel, channels, SIZE)
        for down in tl.static_range(-PAD, STRIDE * (HIGH - 1) + PAD + 1):
            away = (down * other_width + kx - PAD) * channels
            value = _load(
                x, at + away, x_row + down, x_column + kx - PAD, other_height, other_width, known
            )  # fmt: skip
            sums = _add(sums, value, factors, down + PAD, -STRIDE)
    at = _addresses(picture, row, column, height, width, channel, channels)
    _store(y, sums, at, row, height, width, channels, known)


@triton.jit(do_not_specialize=SIZES)
def _input_gradient(
    dy, weights, dx, strips, height, width, other_height, other_width, channels,
    SIZE: tl.constexpr, STRIDE: tl.constexpr, STRIPS: tl.constexpr, CHANNELS: tl.constexpr
):  # fmt: skip
    """dx, of height and width, from dy, of the others."""
    PAD: tl.constexpr = SIZE // 2
    channels = channels // 8 * 8  # tells the compiler to read eight at once
    strip = tl.program_id(0) * STRIPS + tl.arange(0, STRIPS)
    channel = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    known = (strip < strips)[:, None] & (channel < channels)[None, :]
    picture, row, column = _places(strip, height, width)
    dy_row = row // STRIDE  # exactly, as strips begin at multiples of four
    sums = _zeros(HIGH, STRIPS, CHANNELS)
    for kx in range(SIZE):
        factors = _factors(weights, kx, channel, channels, SIZE)
        across = column + PAD - kx
        dy_column = tl.where(across % STRIDE == 0, across // STRIDE, -1)
        at = _addresses(picture, dy_row, dy_column, other_height, other_width, channel, channels)
        for down in tl.static_range(-(PAD // STRIDE), (HIGH - 1 + PAD) // STRIDE + 1):
            away = down * other_width * channels
            value = _load(dy, at + away, dy_row + down, dy_column, other_height, other_width, known)
            sums = _add(sums, value, factors, PAD - STRIDE * down, 1)
    at = _addresses(picture, row, column, height, width, channel, channels)
    _store(dx, sums, at, row, height, width, channels, known)


@triton.jit(do_not_specialize=SIZES)
def _weight_gradient(
    x, dy, sums, strips, height, width, other_height, other_width, channels, strips_each,
    SIZE: tl.constexpr, STRIDE: tl.constexpr, STRIPS: tl.constexpr, CHANNELS: tl.constexpr
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
        picture, row, column = _places(strip, height, width)
        at = _addresses(picture, row, column, height, width, channel, channels)
        slopes = ()
        for place in tl.static_range(HIGH):
            away = place * width * channels
            slopes += (_load(dy, at + away, row + place, column, height, width, known),)  # type: ignore[assignment]
        x_row, x_column = row * STRIDE, column * STRIDE + kx - PAD
        at = _addresses(picture, x_row, x_column, other_height, other_width, channel, channels)
        for down in tl.static_range(-PAD, STRIDE * (HIGH - 1) + PAD + 1):
            away = down * other_width * channels
            value = _load(x, at + away, x_row + down, x_column, other_height, other_width, known)
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
    _convolve[_grid(y)](x, _by_pixel(weight, x.dtype), y, *_sizes(y, x), *_form(weight, stride), **TILE)
    return y


def gradients(x: Tensor, dy: Tensor, weight: Tensor, stride: int) -> tuple[Tensor, Tensor]:
    """The gradients of x and of the weight from that of the output, dy, channels last."""
    form, dx = _form(weight, stride), torch.empty_like(x)
    _input_gradient[_grid(dx)](dy, _by_pixel(weight, x.dtype), dx, *_sizes(dx, dy), *form, **TILE)
    strips, columns = _strips(dy), triton.cdiv(x.shape[1], TILE["CHANNELS"])
    parts = max(1, SUMMING * processors(x.device) // (columns * form[0]))
    strips_each = triton.cdiv(triton.cdiv(strips, parts), TILE["STRIPS"]) * TILE["STRIPS"]
    parts = triton.cdiv(strips, strips_each)
    sums = x.new_empty((parts, form[0] ** 2, x.shape[1]), dtype=torch.float32)
    _weight_gradient[form[0], parts, columns](x, dy, sums, *_sizes(dy, x), strips_each, *form, **TILE)
    return dx, sums.sum(0).t().reshape(weight.shape).to(weight.dtype)


def _by_pixel(weight: Tensor, dtype: torch.dtype) -> Tensor:
    """The weights (size * size, C), so that those of neighbouring channels can be read at once."""
    return weight.to(dtype).flatten(1).t().contiguous()


def _form(weight: Tensor, stride: int) -> tuple[int, int]:
    return weight.shape[2], stride


def _strips(pictures: Tensor) -> int:
    count, _, height, width = pictures.shape
    return count * triton.cdiv(height, HIGH.value) * width


def _grid(written: Tensor) -> tuple[int, int]:
    return triton.cdiv(_strips(written), TILE["STRIPS"]), triton.cdiv(written.shape[1], TILE["CHANNELS"])


def _sizes(walked: Tensor, other: Tensor) -> tuple[int, ...]:
    """The sizes that are passed to a program that walks over the strips of the first pictures."""
    return _strips(walked), *walked.shape[2:], *other.shape[2:], walked.shape[1]


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
