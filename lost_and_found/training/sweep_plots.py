"""The table and the figure of a sweep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lost_and_found.figures import GREY, LONGEST_NAME, short_value
from lost_and_found.texts import counted
from lost_and_found.training.sweep_files import Sweep

COLOURS = "viridis_r"
FEW = 7  # up to so many different values are each marked on their axis
LABEL_HEIGHT = 0.06  # of an axis
# An axis is logarithmic if the largest value is at least so many times the smallest, and the median less than
# this part of the largest: for evenly spread values it is half.
LOG_FROM, LOG_MEDIAN = 30, 0.3
FAR = 5  # times as far from the median metric as the best, on the other side
MARGIN = 0.03
LEAST_WIDTH = 6  # inches, which the title needs


@dataclass(frozen=True)
class Scale:
    """Where the values of a column are on a vertical axis.

    Attributes:
        places: of each row, from 0 at the bottom to 1 at the top; NaN where there is no value.
        ticks: places that are marked.
        labels: of the ticks.
    """

    places: np.ndarray
    ticks: Sequence[float]
    labels: Sequence[str]


def space_table(sweep: Sweep) -> pd.DataFrame:
    """What is searched and what stays the same, one row per parameter."""
    rows = []
    for one in sweep.parameters:
        match one.distribution:
            case "constant" | "categorical":
                what = ", ".join(map(str, one.values))
            case "normal":
                what = f"{one.mu:g} ± {one.sigma:g}"
            case _:
                what = f"{one.low:g} to {one.high:g}"
        rows.append({"parameter": one.name, "distribution": one.distribution, "values": what})
    return pd.DataFrame(rows).set_index("parameter")


def plot_parallel(table: pd.DataFrame, names: Sequence[str], *, metric: str) -> Figure:
    """Parallel coordinates: a line for each trial across the parameters to the metric.

    Lines are coloured by the metric, the best are drawn last and the very best one thick. Failed trials are
    dashed and grey, and end before the metric. Trials far worse than the median are drawn together at the
    worse end of the metric's axis, or all others would look alike.

    Args:
        table: from `trial_log.ranking`, the best first.
        names: columns of parameters, from left to right.
        metric: title of the axis of the column "metric".
    """
    scales = [scale_of(table[name]) for name in names]
    if table["metric"].notna().any():
        scales.append(_metric_scale(table["metric"].to_numpy(dtype=float)))
    width = max(1.5 + 1.9 * len(scales), LEAST_WIDTH)
    figure, axes = pyplot.subplots(figsize=(width, 4.4), layout="constrained")
    for place, (scale, title) in enumerate(zip(scales, [*names, metric], strict=False)):
        _draw_axis(axes, place, scale, title)
    _draw_lines(axes, np.stack([scale.places for scale in scales], axis=1), table["metric"])
    axes.set_xlim(-0.3, len(scales) - 0.75)
    axes.set_ylim(-0.05, 1.13)
    axes.set_axis_off()
    finished = int(table["metric"].notna().sum())
    said = [f"{counted(finished, 'finished trial')}, coloured by {metric}"] if finished else []
    if failed := len(table) - finished:
        said.append(f"{failed} failed, dashed")
    axes.set_title("; ".join(said), loc="left", fontsize=10, fontweight="bold")
    return figure


def scale_of(column: pd.Series) -> Scale:
    """A scale that fits the values.

    Texts and booleans are evenly spaced, in alphabetical order. Numbers that are spread by factors rather
    than by differences are on a log scale, on which 0 has a place of its own below the others.
    """
    values = column.dropna()
    if values.map(lambda value: isinstance(value, str | bool | np.bool_)).any():
        return _categories(column, sorted(values.unique(), key=str))
    numbers = column.astype(float).to_numpy()
    known = np.unique(numbers[np.isfinite(numbers)])
    positive = known[known > 0]
    is_log = (
        len(positive) > 1
        and known[0] >= 0
        and positive[-1] >= LOG_FROM * positive[0]
        and positive[(len(positive) - 1) // 2] < LOG_MEDIAN * positive[-1]
    )
    return _logarithmic(numbers, known, positive) if is_log else _linear(numbers, known)


def _metric_scale(metrics: np.ndarray) -> Scale:
    """A scale for metrics, of which the first is the best."""
    known = metrics[np.isfinite(metrics)]
    best, median = known[0], np.median(known)
    bound = median + FAR * (median - best)
    if best == median or abs(known[-1] - best) <= abs(bound - best):
        return _linear(metrics, np.unique(known), few=0)
    low, high = sorted([best, bound])
    shown = np.clip(metrics, low, high)
    scale = _linear(shown, np.unique(shown[np.isfinite(shown)]), few=0)
    end, sign = (1, "≥") if best < bound else (0, "≤")
    marks = {
        tick: label
        for tick, label in zip(scale.ticks, scale.labels, strict=True)
        if abs(tick - end) > LABEL_HEIGHT
    } | {end: f"{sign} {_texts([bound])[0]}"}
    return Scale(scale.places, [*marks], [*marks.values()])


def _categories(column: pd.Series, choices: Sequence[object]) -> Scale:
    ticks = np.linspace(0, 1, len(choices)) if len(choices) > 1 else np.array([0.5])
    where = {choice: float(tick) for choice, tick in zip(choices, ticks, strict=True)}
    places = column.map(where).to_numpy(dtype=float)
    labels = [short_value(choice) for choice in choices]
    if len(set(labels)) < len(labels):  # as of the weights of several runs, whose files have one name
        texts = [str(choice) for choice in choices]
        labels = [text if len(text) <= LONGEST_NAME else f"…{text[1 - LONGEST_NAME :]}" for text in texts]
    return Scale(places, ticks.tolist(), labels)


def _linear(numbers: np.ndarray, known: np.ndarray, *, few: int = FEW) -> Scale:
    low, high = (known[0], known[-1]) if len(known) else (0.0, 1.0)
    if low == high:
        few, low, high = 1, low - 0.5, high + 0.5

    def place(values: np.ndarray) -> np.ndarray:
        return (values - low) / (high - low)

    round_ones = np.array(mpl.ticker.MaxNLocator(5).tick_values(low, high))
    marks = known if _are_apart(place(known), few) else round_ones[(round_ones >= low) & (round_ones <= high)]
    return Scale(place(numbers), place(marks).tolist(), _texts(marks))


def _logarithmic(numbers: np.ndarray, known: np.ndarray, positive: np.ndarray) -> Scale:
    low, high = np.log10(positive[[0, -1]])
    foot = low - 0.25 * (high - low) if known[0] == 0 else low  # 0, which has no logarithm, stands there

    def place(values: np.ndarray) -> np.ndarray:
        logs = np.log10(np.where(values > 0, values, 10.0**foot))
        return np.where(np.isnan(values), np.nan, (logs - foot) / (high - foot))

    decades = 10.0 ** np.arange(np.ceil(low - 1e-9), np.floor(high + 1e-9) + 1)
    marks = known if _are_apart(place(known), FEW) else np.concatenate([known[known == 0], decades])
    return Scale(place(numbers), place(marks).tolist(), _texts(marks))


def _are_apart(places: np.ndarray, few: int) -> bool:
    """Whether every value can be marked without one label covering another."""
    return 0 < len(places) <= few and bool((np.diff(places) >= LABEL_HEIGHT).all())


def _texts(marks: Sequence[float] | np.ndarray) -> list[str]:
    """As short as they can be without two being alike."""
    texts = [f"{mark:,.0f}" if 1_000 <= abs(mark) < 1e7 else f"{mark:.3g}" for mark in marks]
    for digits in range(4, 17):
        if len(set(texts)) == len(texts):
            break
        texts = [f"{mark:,.{digits}g}" for mark in marks]
    return texts


def _draw_axis(axes: Axes, place: int, scale: Scale, title: str) -> None:
    axes.plot([place, place], [0, 1], color="black", linewidth=0.8, zorder=500)
    axes.text(place, 1.06, title, ha="center", va="bottom", fontsize=9, fontweight="bold", zorder=501)
    halo = {"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.8}
    for tick, label in zip(scale.ticks, scale.labels, strict=True):
        axes.plot([place - MARGIN, place], [tick, tick], color="black", linewidth=0.8, zorder=500)
        axes.text(place - 2 * MARGIN, tick, label, ha="right", va="center", fontsize=8, bbox=halo, zorder=501)


def _draw_lines(axes: Axes, places: np.ndarray, metric: pd.Series) -> None:
    """One line per row of places (trials, axes), the last row first."""
    x = np.arange(places.shape[1])
    values = metric.to_numpy(dtype=float)
    for row in places[np.isnan(values)]:
        axes.plot(x, row, color=GREY, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    known = np.flatnonzero(~np.isnan(values))
    qualities = np.abs(places[known, -1] - places[known[-1:], -1])
    if not qualities.any():  # all are alike, so all are the best
        qualities += 1
    for height, (row, quality) in enumerate(zip(known[::-1], qualities[::-1], strict=True)):
        is_best = row == known[0]
        axes.plot(
            x,
            places[row],
            color=mpl.colormaps[COLOURS](quality),
            linewidth=3.2 if is_best else 1.4,
            alpha=1.0 if is_best else 0.8,
            zorder=2 + height / len(known),  # however many there are, below the axes and their labels
        )
