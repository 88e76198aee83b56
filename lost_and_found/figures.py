"""The look that all figures share. Knows nothing of stages."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import PolyCollection
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure

from lost_and_found.errors import BrokenSample
from lost_and_found.geo.outlines import country_outlines
from lost_and_found.samples import Sample, read_image, write_atomically

BLUE, ORANGE, GREY = "#2f6f9f", "#c8612c", "#8a8a8a"
LAND, BORDER, GRID = "#eeeeee", "#b5b5b5", "#dddddd"
# Begins where a shaded country can be told from plain land.
SHADES = ListedColormap(plt.get_cmap("Blues")(np.linspace(0.12, 1, 256)))
PICTURE = (320, 180)
LONGEST_NAME = 24
FAR_APART = 50  # times


def save_figure(figure: Figure, path: Path, *, bbox_inches: str | None = None) -> None:
    """Write a figure in the file ending's format: all or nothing, and the same figure as the same bytes."""
    image, ending = io.BytesIO(), path.suffix.removeprefix(".")
    undated = {"Date": None} if ending == "svg" else None  # no other format in use has a date
    with plt.rc_context({"svg.hashsalt": path.name}), warnings.catch_warnings():  # else its ids are random
        # The name of a photo may be in any script; what the font lacks is shown as boxes.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure.savefig(image, format=ending, dpi=120, bbox_inches=bbox_inches, metadata=undated)
    write_atomically(path, image.getvalue())


def short_value(value: object) -> str:
    """A setting's value as a label; of a path, such as that of weights, the end tells most."""
    return f"{value:.3g}" if isinstance(value, float) else short_name(Path(str(value)).name)


def short_name(name: str) -> str:
    """The name, or as much of its beginning as fits beside a bar."""
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1].rstrip() + "…"


def tidy(axes: Axes, title: str, *, grid: bool = False) -> None:
    """A title at the left, small labels and no frame; with `grid`, lines to read horizontal bars by."""
    # A title may hold a file name, in which "$" doesn't start a formula.
    axes.set_title(title, loc="left", fontsize=10, fontweight="bold", parse_math=False)
    axes.tick_params(labelsize=9)
    axes.xaxis.label.set_fontsize(9)
    axes.yaxis.label.set_fontsize(9)
    axes.spines[["top", "right"]].set_visible(False)
    if grid:
        axes.tick_params(length=0)
        axes.spines["left"].set_visible(False)
        axes.grid(axis="x", color=GRID, linewidth=0.8)
        axes.set_axisbelow(True)


def tidy_epochs(axes: Axes, title: str) -> None:
    """`tidy`, with whole epochs on the x axis and lines to read curves by."""
    tidy(axes, title)
    axes.set_xlabel("epoch")
    axes.locator_params("x", integer=True, min_n_ticks=1)
    axes.grid(axis="y", color=GRID, linewidth=0.8)


def compress_losses(axes: Axes) -> None:
    """Losses on a log scale if they are far apart, or one that nearly diverged would flatten all others."""
    drawn = [float(value) for line in axes.lines for value in np.asarray(line.get_ydata())]
    if drawn and 0 < FAR_APART * min(drawn) < max(drawn):
        axes.set_yscale("log")


def draw_intervals(
    axes: Axes,
    table: pd.DataFrame,
    places: np.ndarray,
    *,
    along: Literal["x", "y"],
    columns: tuple[str, str, str] = ("value", "low", "high"),
    **style: object,
) -> None:
    """Points in percent with error bars for their intervals.

    Args:
        axes: to draw on.
        table: with shares from 0 to 1.
        places: of its rows on the other axis.
        along: the axis of the percentages.
        columns: of the value and of the interval's ends.
        style: as `Axes.errorbar` takes it.
    """
    value, low, high = (100 * table[name].to_numpy(dtype=float) for name in columns)
    # Rounding may leave a value beyond the end of its interval by a hair, which matplotlib refuses.
    ends = np.maximum([value - low, high - value], 0)
    options: dict[str, Any] = {"fmt": "o", "elinewidth": 1.4, "capsize": 2.5, f"{along}err": ends, **style}
    axes.errorbar(*((value, places) if along == "x" else (places, value)), **options)


def plot_world(axes: Axes, shares: Mapping[str, float]) -> None:
    """A world map in degrees, with countries darker the likelier they are, and a scale of probabilities.

    Args:
        axes: to draw on.
        shares: by alpha-2 code, from 0 to 1; countries without one stay plain. If empty, there is no scale.
    """
    highest = max(shares.values(), default=1.0)
    rings: list[Sequence[tuple[float, float]]] = []
    colours: list[Any] = []
    for outline in country_outlines():  # larger ones first, so that enclaves are seen
        rings += outline.polygons
        colour = SHADES(shares[outline.code] / highest) if outline.code in shares else LAND
        colours += [colour] * len(outline.polygons)
    axes.add_collection(PolyCollection(rings, facecolors=colours, edgecolors=BORDER, linewidths=0.3))
    axes.set(xlim=(-180, 180), ylim=(-58, 84), aspect="equal", anchor="N", xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    if shares:
        scale = axes.figure.colorbar(
            ScalarMappable(Normalize(0, 100 * highest), SHADES),
            ax=axes,
            orientation="horizontal",
            shrink=0.4,
            aspect=40,
            pad=0.02,
            format="{x:g} %",
        )
        scale.outline.set_visible(False)
        scale.ax.tick_params(labelsize=8, length=0)


def show_latitudes(axes: Axes, latitudes: np.ndarray) -> None:
    """Make a world map taller where points lie beyond the latitudes that it shows, as in Antarctica."""
    south, north = axes.get_ylim()
    axes.set_ylim(min(south, latitudes.min() - 3), max(north, latitudes.max() + 3))


def picture_sheet(pictures: Sequence[tuple[Sample, str]], columns: int) -> Figure:
    """`picture_grid` of (sample, title) pairs that fill one row after another."""
    rows = [pictures[first : first + columns] for first in range(0, len(pictures), columns)]
    return picture_grid(rows or [[]], columns)


def picture_grid(
    rows: Sequence[Sequence[tuple[Sample, str]]], columns: int, labels: Sequence[str] | None = None
) -> Figure:
    """Rows of pictures with their titles; a picture that can't be read is replaced by the reason.

    Args:
        rows: (sample, title) for each picture.
        columns: pictures in a full row.
        labels: one above each row.
    """
    lines = max((title.count("\n") + 1 for row in rows for _, title in row), default=1)
    above = 0.17 * lines + (0.24 if labels else 0) + 0.05  # inches
    height = 11 / columns * PICTURE[1] / PICTURE[0] + above + 0.08
    figure = plt.figure(figsize=(11, len(rows) * height))
    parts = figure.subfigures(len(rows), 1, squeeze=False)[:, 0]
    for number, (part, row) in enumerate(zip(parts, rows, strict=True)):
        if labels:
            part.text(0.01, 1 - 0.04 / height, labels[number], fontsize=9, va="top", fontweight="bold")
        panels = part.subplots(1, columns, squeeze=False)[0]
        part.subplots_adjust(left=0.01, right=0.99, bottom=0.08 / height, top=1 - above / height, wspace=0.04)
        for axes in panels:
            axes.set_axis_off()
        for axes, (sample, title) in zip(panels, row, strict=False):
            _draw(axes, sample)
            axes.set_title(title, fontsize=8, pad=3)
        if not row:
            part.text(0.01, 0.4, "none", fontsize=9, color=GREY)
    return figure


def _draw(axes: Axes, sample: Sample) -> None:
    try:
        axes.imshow(read_image(sample.image, at_least=PICTURE), aspect="equal")
    except BrokenSample as error:
        axes.text(0.5, 0.5, error.reason, ha="center", va="center", fontsize=7, wrap=True)
