"""From image files to rows of pixels: what the worker processes of the pixel cache do.

Kept apart from the cache, and without pandas and torch, because every worker has to import this first.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from PIL import Image

from lost_and_found.errors import BrokenSample
from lost_and_found.samples import Sample, read_image

CHANNELS = 3
# Pillow widens this filter when it shrinks, so fine patterns are averaged and don't alias.
RESAMPLING = "bilinear"


def decode(path: Path, *, width: int, height: int) -> np.ndarray:
    """The picture as uint8 of shape (3, height, width), shrunk with antialiasing, its sides stretched to fit.

    Raises:
        BrokenSample: it can't be read.
    """
    try:
        image = read_image(path, at_least=(width, height))
    except BrokenSample as error:
        advice = "; 2-data-preparation/04-clean-list leaves such pictures out of the list"
        raise BrokenSample(error.where, error.reason + advice) from None
    return np.asarray(image.resize((width, height), Image.Resampling[RESAMPLING.upper()])).transpose(2, 0, 1)


def allocate(file: Path, shape: tuple[int, ...]) -> int:
    """Make the file of a uint8 array that has yet to be filled; the offset in bytes of its first value."""
    with file.open("wb") as stream:
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(stream, header)
        offset = stream.tell()
        stream.truncate(offset + math.prod(shape))
    return offset


def write_picture(
    item: tuple[int, Sample], *, file: Path, offset: int, shape: tuple[int, ...]
) -> tuple[int, int]:
    """Decode one picture into its row of an array (N, 3, height, width) that `allocate` made.

    Written as a file and not through a memory map, where a full disk kills the process instead of raising.

    Args:
        item: row and sample.
        file: the array's.
        offset: of its first value, in bytes.
        shape: of the array.

    Returns:
        (width, height) of the picture's file.
    """
    row, sample = item
    _, _, height, width = shape
    picture = decode(sample.image, width=width, height=height)
    with file.open("r+b") as stream:  # buffered: a raw stream may write only a part without raising
        stream.seek(offset + row * picture.size)
        stream.write(picture.tobytes())
    with Image.open(sample.image) as header:
        return header.size
