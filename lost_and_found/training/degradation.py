"""Pictures as a poor camera, a small file or a bad link would have left them: coarser, blurred, JPEG-like.

Each kind of damage affects a fixed part of the batch. As the order of a batch is random, so is the choice of
pictures, and the device never waits for the CPU to learn which they are.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from lost_and_found.training.constants import on_device

SHARE = 0.3
MOST_SHRINKING = 3.0
SIGMA_PIXELS = (0.3, 1.2)
JPEG_QUALITY = (25.0, 90.0)
BLOCK = 8
# Quantisation steps for luma and for chroma at quality 50: ITU-T T.81, annex K.1.
LUMA_STEPS = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
CHROMA_STEPS = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *((99,) * BLOCK,) * 4,
)
# JFIF's colour space, around a chroma of zero.
TO_YCBCR = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))
FROM_YCBCR = tuple(tuple(row) for row in np.linalg.inv(TO_YCBCR).tolist())
# The orthonormal cosine transform of a line of a block.
COSINES = tuple(
    tuple(
        math.sqrt((2 if wave else 1) / BLOCK) * math.cos(math.pi / BLOCK * (place + 0.5) * wave)
        for place in range(BLOCK)
    )
    for wave in range(BLOCK)
)


def degrade(images: Tensor, drawn: Tensor, *, share: slice, batch_size: int) -> Tensor:
    """Some of the pictures shrunk and enlarged again, some blurred, some JPEG-compressed, the rest unchanged.

    Args:
        images: (B, 3, H, W) floats from 0 to 255.
        drawn: (B, 3) uniform in 0..1: how much each is shrunk, blurred and compressed.
        share: which rows of the whole batch these are.
        batch_size: of the whole batch.
    """
    part = round(SHARE * batch_size)
    limits = [len(range(*share.indices(number * part))) for number in (1, 2, 3)]
    shrunk, blurred, pressed, spared = images.tensor_split(limits)
    factors, sigmas, qualities = (
        some[:, number] for number, some in enumerate(drawn.tensor_split(limits)[:3])
    )
    low, high = SIGMA_PIXELS
    worst, best = JPEG_QUALITY
    return torch.cat(
        [
            shrink(shrunk, 1 + (MOST_SHRINKING - 1) * factors),
            blur(blurred, low + (high - low) * sigmas),
            press(pressed, worst + (best - worst) * qualities),
            spared,
        ]
    )


def blur(images: Tensor, sigmas: Tensor) -> Tensor:
    """Each picture blurred by a Gaussian of its own.

    Args:
        images: (B, 3, H, W).
        sigmas: (B,) in pixels.
    """
    rows, columns = (_gaussian_weights(size, sigmas) for size in images.shape[2:])
    return rows[:, None] @ images @ columns[:, None].mT


def shrink(images: Tensor, factors: Tensor) -> Tensor:
    """Each picture shrunk by its factor through averaging, and enlarged again by linear interpolation.

    Args:
        images: (B, 3, H, W).
        factors: (B,) of width and of height, at least 1.
    """
    rows, columns = (_shrinking_weights(size, factors) for size in images.shape[2:])
    return rows[:, None] @ images @ columns[:, None].mT


def press(images: Tensor, qualities: Tensor) -> Tensor:
    """Each picture after JPEG's quantisation in blocks of 8 x 8, without chroma subsampling.

    Args:
        images: (B, 3, H, W) from 0 to 255.
        qualities: (B,) from 1 to 100, as in libjpeg.
    """
    height, width = images.shape[2:]
    to_ycbcr, from_ycbcr = on_device(TO_YCBCR, images.device), on_device(FROM_YCBCR, images.device)
    middle = on_device((128.0, 0.0, 0.0), images.device).view(3, 1, 1)
    padding = (0, -width % BLOCK, 0, -height % BLOCK)
    padded = functional.pad(images, padding, mode="replicate")
    colours = torch.einsum("ij,bjhw->bihw", to_ycbcr, padded) - middle
    batch, _, high, wide = colours.shape
    blocks = colours.view(batch, 3, high // BLOCK, BLOCK, wide // BLOCK, BLOCK).transpose(3, 4)
    cosines = on_device(COSINES, images.device)
    steps = _steps(qualities)[:, :, None, None]  # (B, 3, 1, 1, 8, 8)
    rounded = ((cosines @ blocks @ cosines.T) / steps).round() * steps
    colours = (cosines.T @ rounded @ cosines).transpose(3, 4).reshape(batch, 3, high, wide)
    rgb = torch.einsum("ij,bjhw->bihw", from_ycbcr, colours + middle)
    return rgb[:, :, :height, :width].clamp(0, 255)


def _gaussian_weights(size: int, sigmas: Tensor) -> Tensor:
    """(B, size, size) weights of the old pixels of a line in each new one, which sum to one."""
    places = torch.arange(size, device=sigmas.device)
    distances = (places[:, None] - places).square()
    return (-distances / (2 * sigmas.square())[:, None, None]).softmax(dim=2)


def _shrinking_weights(size: int, factors: Tensor) -> Tensor:
    """(B, size, size) weights of the old pixels of a line in each new one, which sum to one.

    Cells that are `factor` pixels wide average the old pixels that they cover; a new pixel is interpolated
    between the centres of two cells. The last cell may hang over the edge.
    """
    places = torch.arange(size, device=factors.device)
    width = factors[:, None, None]
    cells = places[:, None]  # as many as for a factor of 1; those beyond the edge cover nothing
    covered = torch.minimum((cells + 1) * width, places + 1.0) - torch.maximum(cells * width, places + 0.0)
    covered = covered.clamp(min=0)  # (B, cells, old)
    filled = covered.sum(dim=2)  # (B, cells)
    centres = (cells + 0.5) * width
    near = (1 - (places + 0.5 - centres).abs() / width).clamp(min=0) * (filled > 0)[:, :, None]
    near = near / near.sum(dim=1, keepdim=True)  # (B, cells, new)
    return near.mT @ (covered / filled.clamp(min=1e-6)[:, :, None])


def _steps(qualities: Tensor) -> Tensor:
    """(B, 3, 8, 8) quantisation steps, scaled for the quality as libjpeg does."""
    tables = on_device((LUMA_STEPS, CHROMA_STEPS, CHROMA_STEPS), qualities.device)
    scale = torch.where(qualities < 50, 5000 / qualities, 200 - 2 * qualities)[:, None, None, None]
    return ((tables * scale + 50) / 100).floor().clamp(1, 255)
