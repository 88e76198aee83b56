"""Figures of guesses for photos: the photo, what speaks for the guess, the likeliest countries, and a map."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Mapping
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lost_and_found.bars import progress_bar
from lost_and_found.digests import digest
from lost_and_found.evaluation.evidence import evidence_maps, evidence_unit
from lost_and_found.evaluation.evidence_plots import evidence_text, overlay
from lost_and_found.evaluation.photos import (
    PhotoGuesses,
    guesses_table,
    photo_pixels,
    point_text,
    without_dots,
)
from lost_and_found.evaluation.predictions import GUESSES
from lost_and_found.figures import BLUE, ORANGE, plot_world, save_figure, short_name, show_latitudes, tidy
from lost_and_found.geo.countries import find_country
from lost_and_found.preparation.pictures import fit
from lost_and_found.samples import read_image
from lost_and_found.texts import printable
from lost_and_found.training.runs import Run, predict

LONGEST_FILE_NAME = 230  # bytes; file systems allow 255, and a figure that is being written has up to 17 more
LETTERS_IN_TITLE = 64  # that fit above the map
LONGEST_SHOWN = 40  # letters of a file name


def write_guess_figures(
    folder: Path,
    run: Run,
    guesses: PhotoGuesses,
    *,
    within: Path,
    limit: int | None = None,
) -> list[Path]:
    """Write a PNG for each photo that could be read, and return their paths.

    Args:
        folder: where they go, in the same subfolders as the photos.
        run: whose guesses they are.
        guesses: from `guess_photos`.
        within: the `common_folder` of all photos.
        limit: only for this many photos, the first ones; None for all.
    """
    read = guesses.table[guesses.table["problem"] == ""][:limit]
    rows = zip(read.iterrows(), country_shares(run, guesses.decoded[:limit]), strict=True)
    written = []
    for (_, guess), shares in progress_bar(rows, desc="figures", total=len(read), unit=" photos"):
        photo = without_dots(Path(guess["photo"]))
        path = folder / photo.relative_to(within).with_name(f"{_fitting(photo.name)}.png")
        figure = plot_photo_guess(run, guess, shares)
        path.parent.mkdir(parents=True, exist_ok=True)
        save_figure(figure, path)
        plt.close(figure)
        written.append(path)
    return written


def _fitting(name: str) -> str:
    """The name, or its beginning and a digest of it where that of the figure would be too long."""
    text = os.fsencode(name)
    if len(text) <= LONGEST_FILE_NAME:
        return name
    return f"{text[: LONGEST_FILE_NAME - 9].decode(errors='ignore')}-{digest(text)[:8]}"


def country_shares(run: Run, decoded: np.ndarray) -> list[dict[str, float]]:
    """For each photo the probability of each country by alpha-2 code; empty for a run that has none."""
    codes = run.target.country_codes
    if not codes:
        return [{} for _ in decoded]
    return [
        dict(zip(codes, shares, strict=True)) for shares in run.target.country_probabilities(decoded).tolist()
    ]


def photo_evidence(run: Run, photo: Path) -> tuple[np.ndarray, str]:
    """The photo as the model gets it with its evidence, uint8 (H, W, 3), and a title.

    Args:
        run: whose guess it is.
        photo: path of the photo.

    Raises:
        BrokenSample: it can't be read.
    """
    size = {"width": run.config.width, "height": run.config.height}
    pixels = photo_pixels(photo, copy_size=run.copy_size, **size)[None]
    (evidence,) = evidence_maps(run, pixels)
    (country,) = guesses_table(run, predict(run, pixels))["guess_1"]
    return overlay(pixels[0], evidence), evidence_text(evidence, unit=evidence_unit(run), country=country)


def plot_photo_guess(run: Run, guess: pd.Series, shares: Mapping[str, float]) -> Figure:
    """The photo as it is cropped, what speaks for the guess, the likeliest countries, and the world.

    Args:
        run: whose guess it is.
        guess: a row without a problem of `PhotoGuesses.table`.
        shares: the probability of each country by alpha-2 code; empty for a run that has none.
    """
    figure, panels = plt.subplot_mosaic(
        "pw;ew;ec" if shares else "pw;ew",  # photo, world, evidence, countries
        figsize=(12, 5),
        width_ratios=[1, 2.2],
        height_ratios=[1, 0.5, 0.5] if shares else [1, 1],
        layout="constrained",
    )
    path = Path(guess["photo"])
    photo = np.asarray(fit(read_image(path, at_least=run.copy_size), run.copy_size))
    plot_picture(panels["p"], photo, _short(printable(path.name)))
    plot_picture(panels["e"], *photo_evidence(run, path))
    if shares:
        plot_likeliest(panels["c"], shares)
    plot_guess_map(panels["w"], guess, shares)
    where = point_text(guess) if "place" in guess else "Where it may have been taken"
    tidy(panels["w"], textwrap.fill(where, LETTERS_IN_TITLE))
    return figure


def _short(name: str) -> str:
    """The name of a file, or so much of its beginning and end that it doesn't push the map aside."""
    return name if len(name) <= LONGEST_SHOWN else f"{name[:24]}…{name[-15:]}"


def plot_picture(axes: Axes, picture: np.ndarray, title: str) -> None:
    """A picture (H, W, 3) at the top of its panel."""
    axes.imshow(picture, interpolation="bicubic")
    axes.set_axis_off()
    axes.set_anchor("NW")
    tidy(axes, title)


def plot_guess_map(axes: Axes, guess: pd.Series, shares: Mapping[str, float]) -> None:
    """The world shaded by probability, with a star at the guessed point where there is one."""
    plot_world(axes, shares)
    if "place" in guess:
        (star,) = axes.plot(guess["lon"], guess["lat"], "*", color=ORANGE, markeredgecolor="white")
        star.set(markersize=16, clip_on=False)
        show_latitudes(axes, np.array([guess["lat"]]))


def plot_likeliest(axes: Axes, shares: Mapping[str, float]) -> None:
    """Bars of the likeliest countries, the first at the top."""
    likeliest = sorted(shares, key=lambda code: -shares[code])[:GUESSES]
    values = [100 * shares[code] for code in likeliest]
    axes.barh(range(len(likeliest)), values, height=0.66, color=BLUE)
    for place, value in enumerate(values):
        axes.text(value, place, f" {value:.1f} %", va="center", fontsize=9)
    axes.set_yticks(range(len(likeliest)), [short_name(find_country(code).name) for code in likeliest])
    axes.invert_yaxis()
    axes.set(xlim=(0, 1.3 * values[0]), xticks=[])
    axes.spines["bottom"].set_visible(False)
    axes.tick_params(length=0)
    tidy(axes, "")
