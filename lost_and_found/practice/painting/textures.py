"""Tileable noise, made once per process from integers alone."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt
from PIL import Image

from lost_and_found.practice.draws import Draws
from lost_and_found.practice.painting.colours import Colour

Bytes = npt.NDArray[np.uint8]
TILE = 512
GROUND_LEVEL = 208


@cache
def clouds() -> Bytes:
    """Soft noise of many sizes, (TILE, TILE), tileable, with a mean of about 128."""
    return _fractal((4, 8, 16, 32, 64, 128), "clouds")


@cache
def grain() -> Bytes:
    """Fine noise, (TILE, TILE), tileable, for grass and gravel."""
    return _fractal((64, 128, 256, 512), "grain", falling=False)


@cache
def film(width: int, height: int, variant: int) -> Image.Image:
    """Film noise from 0 to 7 for a whole picture."""
    generator = Draws("film", variant).generator
    grey = generator.integers(0, 6, (height, width, 1), dtype=np.uint8)
    return Image.fromarray(grey + generator.integers(0, 3, (height, width, 3), dtype=np.uint8))


@cache
def ground(width: int, focal: int) -> Image.Image:
    """Brightness of the ground in perspective, about 208 of 255; row 0 touches the horizon."""
    tile = grain().astype(np.int32)
    rows = np.arange(width)
    # Distance in camera heights times focal length; beyond some 30 m the grain would only flicker.
    depth = 2000 * focal // (rows + 8)
    across = (np.arange(width) - width // 2)[None, :] * depth[:, None] // focal
    near = tile[(depth[:, None] // 9) % TILE, (across // 9) % TILE]
    coarse = tile[(depth[:, None] // 40) % TILE, (across // 40) % TILE]
    strength = np.minimum(256, 40 + rows * 2)[:, None]
    mixed = ((near * 3 + coarse * 2) // 5 - 128) * strength // 256
    return Image.fromarray((GROUND_LEVEL + np.clip(mixed, -128, 128) // 4).astype(np.uint8))


def plane(colour: Colour) -> npt.NDArray[np.float64]:
    """A colour to compute with, shape (3, 1, 1)."""
    return np.array(colour, dtype=np.float64)[:, None, None]


def to_image(planes: npt.NDArray[np.float64]) -> Image.Image:
    """A picture from colours of shape (3, height, width), the order that numpy is faster in."""
    rounded = np.clip(np.rint(planes), 0, 255).astype(np.uint8)
    return Image.fromarray(np.ascontiguousarray(np.moveaxis(rounded, 0, 2)))


def _fractal(sizes: tuple[int, ...], name: str, *, falling: bool = True) -> Bytes:
    generator = Draws("texture", name).generator
    total = np.zeros((TILE, TILE), dtype=np.int64)
    for octave, size in enumerate(sizes):
        cell = TILE // size
        coarse = generator.integers(0, 4096, (size, size), dtype=np.int64)
        layer = np.repeat(np.repeat(coarse, cell, axis=0), cell, axis=1)
        for axis in (0, 1, 0, 1):
            layer = _blur(layer, cell, axis)
        total += layer >> octave if falling else layer
    low, high = int(np.percentile(total, 1)), int(np.percentile(total, 99))
    return np.clip((total - low) * 255 // (high - low), 0, 255).astype(np.uint8)


def _blur(layer: npt.NDArray[np.int64], width: int, axis: int) -> npt.NDArray[np.int64]:
    """Running mean that wraps around."""
    layer = np.moveaxis(layer, axis, 0)
    sums = np.cumsum(np.concatenate([layer[-width:], layer]), axis=0)
    return np.moveaxis((sums[width:] - sums[:-width]) // width, 0, axis)
