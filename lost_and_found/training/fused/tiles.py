"""How the work on a layer's output is dealt to a GPU's programs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import torch
import triton.language as tl
from torch import Tensor

# Rows and columns that a program has in hand at a time.
ROWS, COLUMNS = 32, 64
TILE = {"ROWS": ROWS, "COLUMNS": COLUMNS}
# Of the tiles of a loop, those that are read while another one is computed, and this one.
STAGES = tl.constexpr(3)
# Programs for each of the GPU's processors: as many as it runs at once where sums have to be added up
# afterwards, more where not, so that none waits long for the last.
SUMMING, WRITING = 4, 8


@dataclass(frozen=True)
class Tiling:
    """A layer's output as a matrix, its rows in parts.

    A row holds several pixels where that makes it a whole number of tiles wide.

    Attributes:
        rows: of the matrix.
        columns: of the matrix, the channels one or more times.
        channels: of the output.
        rows_each: of a part; the last may have fewer.
    """

    rows: int
    columns: int
    channels: int
    rows_each: int

    @property
    def parts(self) -> int:
        """How many parts the rows are in."""
        return -(-self.rows // self.rows_each)

    @property
    def sums_each(self) -> int:
        """How many sums there are of each channel, where each part and column has one."""
        return self.parts * self.columns // self.channels

    @property
    def grid(self) -> tuple[int, int]:
        """A program for each part and each tile's width of columns."""
        return self.parts, -(-self.columns // COLUMNS)

    @property
    def sizes(self) -> tuple[int, int, int, int]:
        """What the programs must know of it."""
        return self.rows, self.columns, self.channels, self.rows_each


def tiling_of(x: Tensor, *, each: int) -> Tiling:
    """Pictures (B, C, H, W), channels last, in so many programs for each of the GPU's processors."""
    channels = x.shape[1]
    pixels = x.numel() // channels
    folded = math.gcd(pixels, COLUMNS // math.gcd(channels, COLUMNS))
    rows, columns = pixels // folded, channels * folded
    parts = max(1, each * processors(x.device) // -(-columns // COLUMNS))
    return Tiling(rows, columns, channels, -(-rows // (ROWS * parts)) * ROWS)


@cache
def processors(device: torch.device) -> int:
    """Of the GPU; another device is taken for a small one."""
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).multi_processor_count
    return 2
