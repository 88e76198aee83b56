"""How the work on a layer's output is divided among a GPU's programs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import torch
import triton.language as tl
from torch import Tensor

# Rows and columns that a program works on at a time.
ROWS, COLUMNS = 32, 64
TILE = {"ROWS": ROWS, "COLUMNS": COLUMNS}
# Tiles in a loop's pipeline: the one being computed, and those being read meanwhile.
STAGES = tl.constexpr(3)
# Programs per multiprocessor: as many as it runs at once where sums have to be added up afterwards; more
# elsewhere, so that no multiprocessor waits long for the last program.
SUMMING, WRITING = 4, 8


@dataclass(frozen=True)
class Tiling:
    """A layer's output as a matrix, its rows divided into parts.

    A row holds several pixels where that makes it a whole number of tiles wide.

    Attributes:
        rows: of the matrix.
        columns: of the matrix: the number of channels times that of pixels in a row.
        channels: of the output.
        rows_each: rows in a part; the last may have fewer.
    """

    rows: int
    columns: int
    channels: int
    rows_each: int

    @property
    def parts(self) -> int:
        """How many parts there are."""
        return -(-self.rows // self.rows_each)

    @property
    def sums_each(self) -> int:
        """How many sums there are for each channel, with one for each part and column."""
        return self.parts * self.columns // self.channels

    @property
    def grid(self) -> tuple[int, int]:
        """A program for each part and each tile's width of columns."""
        return self.parts, -(-self.columns // COLUMNS)

    @property
    def sizes(self) -> tuple[int, int, int, int]:
        """The sizes that are passed to the programs."""
        return self.rows, self.columns, self.channels, self.rows_each


def tiling_of(x: Tensor, *, each: int) -> Tiling:
    """The tiling of pictures (B, C, H, W), channels last, for `each` programs per multiprocessor."""
    channels = x.shape[1]
    pixels = x.numel() // channels
    folded = math.gcd(pixels, COLUMNS // math.gcd(channels, COLUMNS))
    rows, columns = pixels // folded, channels * folded
    parts = max(1, each * processors(x.device) // -(-columns // COLUMNS))
    return Tiling(rows, columns, channels, -(-rows // (ROWS * parts)) * ROWS)


@cache
def processors(device: torch.device) -> int:
    """How many multiprocessors a GPU has; another device counts as a small GPU."""
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).multi_processor_count
    return 2
