"""Figures of evidence: pictures in grey, orange where something speaks for the guess, blue where against."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize, to_rgb
from matplotlib.figure import Figure

from lost_and_found.evaluation.predictions import guesses_of
from lost_and_found.figures import BLUE, ORANGE, short_name, tidy
from lost_and_found.geo.countries import find_country
from lost_and_found.training.augmentation import LUMA
from lost_and_found.training.runs import Run

STRONGEST, FADING = 0.85, 1.3  # opacity of a picture's strongest evidence, and how fast it fades
FAINTEST = 0.1  # points or km; colours are never scaled to less, or rounding errors would shine
COLUMNS = 2
LETTERS_IN_TITLE = 54  # that fit above a picture and beside the numbers of its evidence
AGAINST_AND_FOR = LinearSegmentedColormap.from_list("evidence", [BLUE, "#ffffff", ORANGE])


def overlay(pixels: np.ndarray, evidence: np.ndarray) -> np.ndarray:
    """A picture in grey with its evidence in colour, the more opaque the stronger: uint8 (H, W, 3).

    Args:
        pixels: uint8 (3, H, W), RGB.
        evidence: (H, W), one of `evidence_maps`; its highest absolute value is shown strongest, unless it is
            below `FAINTEST`.
    """
    grey = np.tensordot(LUMA, pixels.astype(float), axes=1)[..., None]
    strength = np.abs(evidence) / max(np.abs(evidence).max(), FAINTEST)
    opacity = STRONGEST * strength[..., None] ** FADING
    colour = 255 * np.where(evidence[..., None] > 0, to_rgb(ORANGE), to_rgb(BLUE))
    return ((1 - opacity) * grey + opacity * colour).round().astype(np.uint8)


def evidence_text(evidence: np.ndarray, *, unit: str, country: str) -> str:
    """A title that says how high the evidence of a picture (H, W) is.

    Args:
        evidence: one of `evidence_maps`.
        unit: from `evidence_unit`.
        country: code of the first guess.
    """
    of = "What moves the guess" if unit == "km" else f"What speaks for {_name(country)}"
    return f"{of}: up to {max(evidence.max(), 0):,.1f} {unit}"


def explanation(run: Run) -> str:
    """What the colours of `overlay` mean, in a sentence."""
    if run.target.country_codes:
        return "Blurring what is orange weakens the first guess, blurring what is blue strengthens it."
    return "Blurring what is orange moves the guessed point."


def example_titles(guesses: pd.DataFrame, country_codes: Sequence[str]) -> list[str]:
    """For each picture the true country, the first guess if it is another, and its probability if known.

    Args:
        guesses: from `guesses_table`.
        country_codes: (N,) alpha-2 codes of the truth.
    """
    titles = []
    for (_, row), code in zip(guesses.iterrows(), country_codes, strict=True):
        guessed, share = guesses_of(row)[0]
        found = [] if guessed == code else [f"taken for {_name(guessed)}"]
        sure = [] if np.isnan(share) else [f"{100 * share:.0f} %"]
        titles.append(": ".join(filter(None, [_name(code), " ".join(found + sure)])))
    return titles


def plot_examples(pixels: np.ndarray, maps: np.ndarray, titles: Sequence[str], *, unit: str) -> Figure:
    """Pictures, two in a row, each as the model gets it and with its evidence.

    Args:
        pixels: uint8 (N, 3, H, W), RGB.
        maps: (N, H, W), from `evidence_maps`.
        titles: of each picture.
        unit: from `evidence_unit`.
    """
    rows = -(-len(pixels) // COLUMNS)
    gap = 0.06  # between pairs, of a picture's width, or a title runs on from the numbers before it
    height, width = pixels.shape[2:]
    figure, panels = plt.subplots(
        rows,
        3 * COLUMNS - 1,
        width_ratios=[1, 1, *(COLUMNS - 1) * [gap, 1, 1]],
        figsize=(11, rows * (11 / (2 * COLUMNS) * height / width + 0.3)),
        layout="constrained",
        squeeze=False,
    )
    for axes in panels.flat:
        axes.set_axis_off()
    pairs = np.delete(panels, np.s_[2::3], axis=1).reshape(-1, 2)
    for picture, evidence, title, (left, right) in zip(pixels, maps, titles, pairs, strict=False):
        left.imshow(picture.transpose(1, 2, 0), interpolation="bicubic")
        text = textwrap.fill(title, LETTERS_IN_TITLE)
        left.set_title(text, fontsize=9, loc="left", parse_math=False)
        right.imshow(overlay(picture, evidence), interpolation="bicubic")
        low, high = float(evidence.min()), float(evidence.max())
        right.set_title(f"{low:z,.1f} to {high:z,.1f} {unit}", fontsize=8, loc="right")  # never -0.0
    return figure


def plot_frame(pixels: np.ndarray, maps: np.ndarray, *, unit: str) -> Figure:
    """Where in the frame the evidence lies: the mean of all pictures, and the mean of their maps.

    Args:
        pixels: uint8 (N, 3, H, W), RGB.
        maps: (N, H, W), from `evidence_maps`.
        unit: from `evidence_unit`.
    """
    mean = maps.mean(axis=0)
    limit = max(np.abs(mean).max(), FAINTEST)
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 3.6), layout="constrained")
    left.imshow(pixels.mean(axis=0).transpose(1, 2, 0) / 255, interpolation="bicubic")
    tidy(left, f"The mean of {len(pixels):,} pictures")
    right.imshow(mean, cmap=AGAINST_AND_FOR, vmin=-limit, vmax=limit)
    tidy(right, "The mean of their evidence")
    for axes in (left, right):
        axes.set_axis_off()
    scale = figure.colorbar(ScalarMappable(Normalize(-limit, limit), AGAINST_AND_FOR), ax=right, shrink=0.8)
    if limit > FAINTEST:
        scale.ax.set_ylim(min(mean.min(), 0), max(mean.max(), 0))
    scale.set_label("km" if unit == "km" else "points of probability")
    scale.outline.set_visible(False)
    scale.ax.tick_params(labelsize=8, length=0)
    return figure


def _name(country: str) -> str:
    return short_name(find_country(country).name)
