"""The figures of a comparison of runs. Every function returns a figure; none shows or saves."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from lost_and_found.evaluation.comparison import LOWER_IS_BETTER, ComparedRun, differing_settings
from lost_and_found.figures import (
    BLUE,
    GREY,
    ORANGE,
    compress_losses,
    short_name,
    short_value,
    tidy,
    tidy_epochs,
)

# Most of Okabe and Ito's colours, which colour-blind people can tell apart, too.
COLOURS = (BLUE, ORANGE, "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#222222", "#b8b8b8")
SETTINGS_IN_NAME = 3
COUNTRIES_SHOWN = 24
LETTERS_IN_HALF = 75  # of the smallest text that fit beside a curve's colour in half of the figure
LETTERS_IN_LINE = 95  # of the smallest text that fit between the names of the countries and the edge


def plot_top_curves(table: pd.DataFrame, runs: Sequence[ComparedRun], *, top: int) -> Figure:
    """Best metric and loss on the validation split by epoch, of the top runs; dots mark the epochs kept.

    Each target has a row of its own, because numbers of different targets can't be compared.

    Args:
        table: from `runs_table`, sorted.
        runs: all of them.
        top: at most this many runs of a target, and not more than there are colours.
    """
    by_id = {run.id: run for run in runs}
    groups = table.groupby(["target", "best_metric"], sort=False, dropna=False)["id"]
    figure = plt.figure(figsize=(12, 4.6 * len(groups)), layout="constrained")
    parts = figure.subfigures(len(groups), 1, squeeze=False)[:, 0]
    for part, ((target, metric), ids) in zip(parts, groups, strict=True):
        shown = [by_id[one] for one in ids[: min(top, len(COLOURS))]]
        _draw_curves(part, shown, target=str(target), metric=str(metric))
    return figure


def _draw_curves(figure: SubFigure, runs: Sequence[ComparedRun], *, target: str, metric: str) -> None:
    panels = figure.subplots(1, 2)
    for axes, column in zip(panels, (metric, "loss"), strict=True):
        for colour, name, run in zip(COLOURS, run_names(runs), runs, strict=False):
            _draw_curve(axes, run, f"val/{column}", colour=colour, name=name)
        if column == "loss":
            compress_losses(axes)
        better = "lower" if column in LOWER_IS_BETTER else "higher"
        title = f"{target}: {column.replace('_', ' ')} on the validation split ({better} is better)"
        tidy_epochs(axes, title)
    handles, labels = panels[0].get_legend_handles_labels()
    ncols = 2 if max(map(len, labels), default=0) <= LETTERS_IN_HALF else 1
    figure.legend(handles, labels, loc="outside lower left", ncols=ncols, fontsize=8, frameon=False)


def run_names(runs: Sequence[ComparedRun]) -> list[str]:
    """Short names: architecture, picture size, the settings in which these runs differ, end of the id."""
    settings = [name for name in differing_settings(runs) if name != "seed"][:SETTINGS_IN_NAME]
    if len(runs) > 1 and not settings:
        settings = differing_settings(runs)
    names = []
    for run in runs:
        own = [f"{name} {short_value(run.config.get(name))}" for name in settings]
        size = f"{run.config.get('width')}x{run.config.get('height')}"
        names.append(", ".join([str(run.config.get("architecture")), size, *own]) + f" ({run.id[-8:]})")
    return names


def plot_differences(differences: pd.DataFrame, names: tuple[str, str], *, fewest: int) -> Figure:
    """Recall of the candidate less that of the reference: all pictures, and the countries that differ most.

    Args:
        differences: from `paired_differences`.
        names: of the reference and of the candidate.
        fewest: countries with fewer pictures aren't shown.
    """
    countries = differences[1:][differences["n"][1:] >= fewest][:COUNTRIES_SHOWN]
    table = pd.concat([countries.sort_values("difference", kind="stable"), differences[:1]])
    places = np.arange(len(table), dtype=float)
    places[-1] += 0.5
    figure, axes = plt.subplots(figsize=(9, 1.7 + 0.27 * len(table)), layout="constrained")
    colours = np.where(table["low"] > 0, BLUE, np.where(table["high"] < 0, ORANGE, GREY))
    value, low, high = (100 * table[name].to_numpy() for name in ("difference", "low", "high"))
    axes.axvline(0, color="black", linewidth=0.9)
    axes.hlines(places, low, high, color=colours.tolist(), linewidth=1.6)
    axes.scatter(value, places, color=colours.tolist(), s=36, zorder=3)
    if len(table) > 1:
        axes.axhline(places[-1] - 0.75, color=GREY, linestyle=":", linewidth=1)
    rows = zip(table["country"], table["n"], strict=True)
    axes.set_yticks(places, [f"{short_name(country)} ({n:,})" for country, n in rows])
    axes.get_yticklabels()[-1].set_fontweight("bold")
    limit = 1.05 * max(np.abs(low).max(), np.abs(high).max())
    axes.set_xlim(-limit, limit)
    axes.set_ylim(-0.7, places[-1] + 0.7)
    axes.set_xlabel(f"percentage points of pictures recognised (countries with {fewest} or more pictures)")
    tidy(axes, "Difference on the validation split, with 95 % intervals", grid=True)
    _name_sides(axes, names)
    return figure


def _name_sides(axes: Axes, names: tuple[str, str]) -> None:
    """Say between title and plot which side favours which run."""
    style: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points", "fontsize": 8.5}
    above = 7.0  # points
    for side, colour, name in (("right, blue", BLUE, names[1]), ("left, orange", ORANGE, names[0])):
        text = textwrap.fill(f"{side}: {name} is better", LETTERS_IN_LINE)
        axes.annotate(text, (0, 1), (0, above), color=colour, **style)
        above += 13 * (1 + text.count("\n"))
    axes.set_title(axes.get_title(loc="left"), loc="left", fontsize=10, fontweight="bold", pad=above + 3)


def _draw_curve(axes: Axes, run: ComparedRun, column: str, *, colour: str, name: str) -> None:
    """Draw the curve of a run, unless it lacks the column, as one from W&B may."""
    if column not in run.metrics:
        return
    curve = run.metrics.dropna(subset=[column]).set_index("epoch")[column]
    axes.plot(curve.index, curve, color=colour, linewidth=1.8, label=name)
    kept = curve[curve.index == run.summary.get("best_epoch")]
    axes.plot(kept.index, kept, "o", color=colour, markersize=7)
