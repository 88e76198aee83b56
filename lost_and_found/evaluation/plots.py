"""The figures of a test report. Every function draws on axes or returns a figure; none shows or saves."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lost_and_found.evaluation.metrics import Scores
from lost_and_found.evaluation.predictions import guesses_of
from lost_and_found.evaluation.tables import TIMES, best_and_worst
from lost_and_found.figures import BLUE, GREY, ORANGE, draw_intervals, picture_sheet, short_name, tidy
from lost_and_found.geo.countries import find_country
from lost_and_found.samples import Sample
from lost_and_found.texts import counted

COUNTRIES_AT_EACH_END = 12
COUNTRIES_IN_HEAT_MAP = 12
PICTURES_IN_A_ROW = 4


def plot_report(
    scores: Scores,
    *,
    overall: pd.DataFrame,
    countries: pd.DataFrame,
    country_codes: Sequence[str],
    fewest: int,
) -> Figure:
    """One page: the scores, the best and worst countries, and which ones are confused.

    Args:
        scores: from `score`.
        overall: from `overall_table`.
        countries: from `country_table`.
        country_codes: the label order.
        fewest: countries with fewer samples aren't shown among best and worst.
    """
    figure = plt.figure(figsize=(12, 8.5))
    figure.set_layout_engine("constrained", h_pad=0.1)  # or a title sits on the label of the axis above it
    grid = figure.add_gridspec(2, 2, height_ratios=[1, 1.9], width_ratios=[1.15, 1])
    plot_scores(figure.add_subplot(grid[0, 0]), overall)
    plot_confusions(figure.add_subplot(grid[1, 0]), scores, country_codes)
    plot_countries(figure.add_subplot(grid[:, 1]), countries, fewest=fewest)
    return figure


def plot_scores(axes: Axes, overall: pd.DataFrame) -> None:
    """Bars of the scores with their intervals, and in grey of what needs no skill."""
    table = overall[(overall["metric"] != TIMES) & overall["value"].notna()].iloc[::-1]
    values = 100 * table["value"].to_numpy()
    estimated = table["low"].notna().to_numpy()
    places = np.arange(len(table))
    axes.barh(places, values, height=0.62, color=np.where(estimated, BLUE, GREY))
    draw_intervals(axes, table[estimated], places[estimated], along="x", fmt="none", ecolor="black")
    ends = np.where(estimated, 100 * table["high"].to_numpy(), values)
    for place, value, end in zip(places, values, ends, strict=True):
        axes.text(float(end) + 1.2, float(place), f"{value:.1f}", va="center", fontsize=9)
    axes.set_yticks(places, table["metric"].tolist())
    axes.set_xlim(0, min(108, 1.15 * ends.max() + 5))
    axes.set_xlabel("% of pictures (balanced accuracy: mean over countries)")
    tidy(axes, "Scores with 95 % intervals", grid=True)


def plot_countries(axes: Axes, countries: pd.DataFrame, *, fewest: int) -> None:
    """Recall of the best and worst countries, with intervals and numbers of pictures."""
    tidy(axes, "Best and worst countries", grid=True)
    best, worst = best_and_worst(countries, ends=COUNTRIES_AT_EACH_END, fewest=fewest)
    if worst.empty:
        few = f"fewer than two countries with {counted(fewest, 'picture')}"
        axes.text(0.5, 0.5, few, ha="center", va="center")
        axes.set_axis_off()
        return
    gap = len(best) + len(worst) < int((countries["n"] >= max(fewest, 1)).sum())
    table = pd.concat([worst, best.iloc[::-1]])
    places = np.arange(len(table), dtype=float)
    places[len(worst) :] += gap
    columns = ("recall", "low", "high")
    for colour, rows in ((ORANGE, slice(None, len(worst))), (BLUE, slice(len(worst), None))):
        draw_intervals(axes, table.iloc[rows], places[rows], along="x", columns=columns, color=colour)
    names = zip(table["country"], table["n"], strict=True)
    axes.set_yticks(places, [f"{short_name(name)} ({n:,})" for name, n in names])
    if gap:
        axes.axhline(len(worst), color=GREY, linestyle=":", linewidth=1)
    axes.set_xlim(-4, 104)
    axes.set_ylim(-0.7, places[-1] + 0.7)
    axes.set_xlabel(f"% recognised (countries with {fewest} or more pictures)")


def plot_confusions(axes: Axes, scores: Scores, country_codes: Sequence[str]) -> None:
    """Heat map of confusions among the countries of the most frequent errors."""
    tidy(axes, "Most confused countries")
    chosen: list[int] = []
    for pair in scores.pairs:
        chosen += [one for one in pair if one not in chosen]
    chosen = sorted(chosen[:COUNTRIES_IN_HEAT_MAP], key=lambda one: -scores.support[one])
    if not chosen:
        axes.text(0.5, 0.5, "no errors", ha="center", va="center")
        axes.set_axis_off()
        return
    support = np.maximum(scores.support[chosen], 1)[:, None]
    share = 100 * scores.confusion[np.ix_(chosen, chosen)] / support
    axes.imshow(share, cmap="Blues", vmin=0, vmax=100, aspect="auto")
    for row, column in np.ndindex(*share.shape):
        if share[row, column] >= 0.5:
            colour = "white" if share[row, column] > 55 else "black"
            text = f"{share[row, column]:.0f}"
            axes.text(column, row, text, ha="center", va="center", fontsize=8, color=colour)
    names = [short_name(find_country(country_codes[one]).name) for one in chosen]
    axes.set_xticks(range(len(chosen)), names, rotation=40, ha="right", rotation_mode="anchor")
    counts = scores.support[chosen]
    axes.set_yticks(range(len(chosen)), [f"{name} ({n:,})" for name, n in zip(names, counts, strict=True)])
    axes.set_xlabel("guessed, % of the true country's pictures")
    axes.set_ylabel("true country (pictures)")


def plot_guesses(samples: Sequence[Sample], predictions: pd.DataFrame) -> Figure:
    """Pictures with their true country and the two best guesses.

    Args:
        samples: the pictures to show.
        predictions: from `predictions_table`, with a row for each of them.
    """
    by_id = {row["id"]: row for row in predictions.to_dict("records")}
    shown = [by_id[sample.id] for sample in samples]
    titles = [f"{short_name(find_country(row['truth']).name)}\n{_guesses(row)}" for row in shown]
    figure = picture_sheet(list(zip(samples, titles, strict=True)), PICTURES_IN_A_ROW)
    for axes, row in zip(figure.axes, shown, strict=False):
        axes.title.set_color(BLUE if row["rank"] == 1 else ORANGE)
    return figure


def _guesses(row: Mapping[Hashable, Any]) -> str:
    named = [(short_name(find_country(code).name), share) for code, share in guesses_of(row)[:2]]
    return "\n".join(f"{name} {100 * share:.0f} %" for name, share in named)
