"""Random changes to the training pictures, on the device, drawn anew for every batch and epoch.

Crop and rotation are one resampling, and all of the colour jitter is one matrix per picture, so a batch costs
a few kernels whatever the set. Pictures are never mirrored: the side on which cars drive is a clue to the
country.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from lost_and_found.training.constants import on_device
from lost_and_found.training.degradation import degrade

# Weights of red, green and blue in grey: ITU-R BT.601.
LUMA = (0.299, 0.587, 0.114)
TO_YIQ = (LUMA, (0.596, -0.274, -0.322), (0.211, -0.523, 0.312))
FROM_YIQ = tuple(tuple(row) for row in np.linalg.inv(TO_YIQ).tolist())
NUMBERS = 12  # drawn for each picture


@dataclass(frozen=True)
class AugmentationSet:
    """How far pictures are changed; every value is drawn uniformly for each picture.

    Attributes:
        least_area: smallest area of the crop, as part of the picture's; the largest is 1. So that stretched
            and rotated it still lies within the picture, it is shrunk further where it must be.
        most_stretch: largest factor, either way, between the aspect ratios of the crop and the picture.
        degrees: largest rotation to either side.
        brightness: factors from 1 - x to 1 + x.
        contrast: the same.
        saturation: the same.
        hue: largest shift to either side, in turns of the colour circle.
        degrades: whether resolution, JPEG quality and blur change too; see `degradation.py`.
    """

    least_area: float = 1.0
    most_stretch: float = 1.0
    degrees: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0
    degrades: bool = False


# The ranges of the study: its training notebook has 0.5 to 1.5 for each of the factors, and a hue of 0.1.
STUDY_SET = AugmentationSet(
    least_area=0.75, most_stretch=4 / 3, degrees=10, brightness=0.5, contrast=0.5, saturation=0.5, hue=0.1
)
LIGHT_SET = AugmentationSet(
    least_area=0.8, most_stretch=1.1, degrees=3, brightness=0.15, contrast=0.15, saturation=0.15, hue=0.02
)
SETS = {
    "none": None,
    "light": LIGHT_SET,
    "study": STUDY_SET,
    "strong": dataclasses.replace(STUDY_SET, least_area=0.5, degrades=True),
}


class Augmentation:
    """One named set with its own random numbers.

    What is drawn for a batch depends only on the generator and the batch size, so processes that share a
    batch draw the same numbers and each takes its part.
    """

    def __init__(self, name: str, *, device: torch.device, seed: int) -> None:
        self._set = SETS[name]
        self.generator = torch.Generator(device).manual_seed(seed)

    def __call__(self, pixels: Tensor) -> Tensor:
        """Changed pictures of a whole batch (B, 3, H, W), see `change`."""
        return self.change(pixels, self.draw(len(pixels)), share=slice(None), batch_size=len(pixels))

    def draw(self, count: int) -> Tensor:
        """Random numbers (count, 12) from 0 to 1 for `change`, none for the set "none"."""
        numbers = NUMBERS if self._set else 0
        return torch.rand(count, numbers, generator=self.generator, device=self.generator.device)

    def change(self, pixels: Tensor, drawn: Tensor, *, share: slice, batch_size: int) -> Tensor:
        """The pictures changed by these numbers: of the same shape and size, float32 from 0 to 255.

        With the set "none" the values stay as they are.

        Args:
            pixels: (B, 3, H, W) uint8, RGB.
            drawn: (B, 12) or (B, 0), rows from `draw`.
            share: which rows of the whole batch these are.
            batch_size: of the whole batch.
        """
        images = pixels.float()
        if self._set is None:
            return images
        images = crop_and_rotate(images, drawn[:, :5], self._set)
        images = jitter_colours(images, drawn[:, 5:9], self._set)
        if not self._set.degrades:
            return images
        return degrade(images, drawn[:, 9:], share=share, batch_size=batch_size)


def crop_and_rotate(images: Tensor, drawn: Tensor, ranges: AugmentationSet) -> Tensor:
    """A random part of each picture, turned a little and stretched to the picture's size.

    The part is made small enough for all of its corners to lie within the picture, so no corner is black.

    Args:
        images: (B, 3, H, W) floats.
        drawn: (B, 5) uniform in 0..1: area, proportions, angle, and where the part lies.
        ranges: how far to go.
    """
    height, width = images.shape[2:]
    area = ranges.least_area + (1 - ranges.least_area) * drawn[:, 0]
    stretch = math.log(ranges.most_stretch) * (2 * drawn[:, 1] - 1)
    angle = math.radians(ranges.degrees) * (2 * drawn[:, 2] - 1)
    # Half the sides in pixels, and half those of the upright box around the turned part.
    half_width = width / 2 * area.sqrt() * (stretch / 2).exp()
    half_height = height / 2 * area.sqrt() * (-stretch / 2).exp()
    cosine, sine = angle.cos(), angle.sin()
    box_width = half_width * cosine + half_height * sine.abs()
    box_height = half_width * sine.abs() + half_height * cosine
    fit = torch.minimum(width / 2 / box_width, height / 2 / box_height).clamp(max=1)
    slack_x = 1 - fit * box_width / (width / 2)
    slack_y = 1 - fit * box_height / (height / 2)
    scale_x, scale_y = fit * half_width, fit * half_height
    # Where each new pixel comes from, in the old picture's -1..1 coordinates, in which pixels aren't square.
    column, row = _centres(width, images.device), _centres(height, images.device)[:, None]
    scale_x, scale_y, cosine, sine = (one[:, None, None] for one in (scale_x, scale_y, cosine, sine))
    from_x, from_y = ((2 * one - 1)[:, None, None] for one in (drawn[:, 3], drawn[:, 4]))
    x = (cosine * scale_x * column - sine * scale_y * row) / (width / 2) + slack_x[:, None, None] * from_x
    y = (sine * scale_x * column + cosine * scale_y * row) / (height / 2) + slack_y[:, None, None] * from_y
    grid = torch.stack([x, y], dim=3)
    # Rounding may put a corner just outside; there the border's value is as good as any.
    return functional.grid_sample(images, grid, padding_mode="border", align_corners=False)


def _centres(count: int, device: torch.device) -> Tensor:
    """The centres of `count` pixels, in -1..1."""
    return (2 * torch.arange(count, device=device) + 1) / count - 1


def jitter_colours(images: Tensor, drawn: Tensor, ranges: AugmentationSet) -> Tensor:
    """The pictures with brightness, contrast, saturation and hue changed, by one matrix for each picture.

    Args:
        images: (B, 3, H, W) floats from 0 to 255.
        drawn: (B, 4) uniform in 0..1.
        ranges: how far to go.
    """
    spread = 2 * drawn - 1
    brightness = 1 + ranges.brightness * spread[:, 0]
    contrast = 1 + ranges.contrast * spread[:, 1]
    saturation = 1 + ranges.saturation * spread[:, 2]
    colours = _hue_matrices(2 * math.pi * ranges.hue * spread[:, 3]) @ _saturation_matrices(saturation)
    colours = colours * brightness[:, None, None]  # (B, 3, 3)
    # Contrast scales the distance of every pixel from the mean grey of the picture as changed so far.
    means = images.mean(dim=(2, 3))  # (B, 3)
    luma = on_device(LUMA, images.device)
    grey = torch.einsum("bij,bj,i->b", colours, means, luma)
    shift = ((1 - contrast) * grey)[:, None, None]
    pixels = (colours * contrast[:, None, None]) @ images.flatten(2) + shift
    return pixels.clamp(0, 255).view(images.shape)


def _saturation_matrices(factors: Tensor) -> Tensor:
    """(B, 3, 3): between the grey picture at 0 and the picture itself at 1."""
    grey = on_device((LUMA,) * 3, factors.device)
    own = on_device(((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)), factors.device)
    return grey + factors[:, None, None] * (own - grey)


def _hue_matrices(angles: Tensor) -> Tensor:
    """(B, 3, 3): turn colours about the grey axis, in YIQ, which leaves luma as it is."""
    to_yiq, from_yiq = (on_device(values, angles.device) for values in (TO_YIQ, FROM_YIQ))
    cosine, sine, zero, one = angles.cos(), angles.sin(), torch.zeros_like(angles), torch.ones_like(angles)
    turns = torch.stack([one, zero, zero, zero, cosine, -sine, zero, sine, cosine], dim=1).view(-1, 3, 3)
    return from_yiq @ turns @ to_yiq
