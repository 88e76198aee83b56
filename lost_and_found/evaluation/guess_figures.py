"""Figures of guesses for photos: the photo, the likeliest countries, and a map of the probability."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lost_and_found.bars import progress_bar
from lost_and_found.evaluation.photos import PhotoGuesses, point_text, without_dots
from lost_and_found.evaluation.predictions import GUESSES
from lost_and_found.figures import BLUE, ORANGE, plot_world, save_figure, short_name, tidy
from lost_and_found.geo.countries import find_country
from lost_and_found.preparation.pictures import fit
from lost_and_found.samples import read_image
from lost_and_found.texts import printable
from lost_and_found.training.runs import Run


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
        path = folder / photo.relative_to(within).with_name(f"{photo.name}.png")
        figure = plot_photo_guess(guess, shares, copy_size=run.copy_size)
        path.parent.mkdir(parents=True, exist_ok=True)
        save_figure(figure, path)
        plt.close(figure)
        written.append(path)
    return written


def country_shares(run: Run, decoded: np.ndarray) -> list[dict[str, float]]:
    """For each photo the probability of each country by alpha-2 code; empty for a run that has none."""
    codes = run.target.country_codes
    if not codes:
        return [{} for _ in decoded]
    return [
        dict(zip(codes, shares, strict=True)) for shares in run.target.country_probabilities(decoded).tolist()
    ]


def plot_photo_guess(guess: pd.Series, shares: Mapping[str, float], *, copy_size: tuple[int, int]) -> Figure:
    """The photo as it is cropped for the model, the likeliest countries, and the world with the guess.

    Args:
        guess: a row without a problem of `PhotoGuesses.table`.
        shares: the probability of each country by alpha-2 code; empty for a run that has none.
        copy_size: (width, height) of the working copies.
    """
    figure, panels = plt.subplot_mosaic(
        "pw;cw" if shares else "pw",  # photo, world, countries
        figsize=(12, 4),
        width_ratios=[1, 2.2],
        height_ratios=[1.5, 1] if shares else [1],
        layout="constrained",
    )
    path, photo, world = Path(guess["photo"]), panels["p"], panels["w"]
    photo.imshow(fit(read_image(path, at_least=copy_size), copy_size))
    photo.set_axis_off()
    photo.set_anchor("N")
    tidy(photo, printable(path.name))
    if shares:
        plot_likeliest(panels["c"], shares)
    plot_guess_map(world, guess, shares)
    tidy(world, point_text(guess) if "place" in guess else "Where it may have been taken")
    return figure


def plot_guess_map(axes: Axes, guess: pd.Series, shares: Mapping[str, float]) -> None:
    """The world shaded by probability, with a star at the guessed point where there is one."""
    plot_world(axes, shares)
    if "place" in guess:
        axes.plot(guess["lon"], guess["lat"], "*", markersize=16, color=ORANGE, markeredgecolor="white")


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
