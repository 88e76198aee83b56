"""The figures of the human baseline. Every function returns a figure; none shows or saves."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lost_and_found.evaluation.metrics import TOP_K
from lost_and_found.figures import BLUE, GREY, GRID, ORANGE, draw_intervals, short_name, tidy
from lost_and_found.texts import counted

COLOURS = {"people": ORANGE, "model": BLUE}
COUNTRIES_SHOWN = 24


def plot_scores(groups: pd.DataFrame, order: pd.DataFrame) -> Figure:
    """People beside the model, and how far people's order can be trusted.

    Args:
        groups: from `scores.group_table`.
        order: from `scores.order_table`.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4.4), layout="constrained", width_ratios=[1.7, 1])
    names = list(dict.fromkeys(groups["group"]))
    for number, group in enumerate(names):
        for who, shift in (("people", -0.1), ("model", 0.1)):
            part = groups[(groups["group"] == group) & (groups["who"] == who)]
            places = number * (len(TOP_K) + 1) + np.arange(len(part)) + shift
            draw_intervals(left, part, places, along="y", color=COLOURS[who])
    ticks = [number * (len(TOP_K) + 1) + place for number in range(len(names)) for place in range(len(TOP_K))]
    left.set_xticks(ticks, [f"top {k}" for _ in names for k in TOP_K])
    for number, group in enumerate(names):
        n = int(groups.loc[groups["group"] == group, "n"].iloc[0])
        left.text(
            number * (len(TOP_K) + 1) + 1, 103, f"{group}, {counted(n, 'answer')}", ha="center", fontsize=9
        )
    _percent_axis(left, "% of answers with the truth among them")
    for who in dict.fromkeys(groups["who"]):
        left.scatter([], [], color=COLOURS[who], label=who)
    _name_colours(figure)
    compared = "People and the model on the same pictures" if "model" in set(groups["who"]) else "People"
    tidy(left, f"{compared}, 95 % intervals\n")
    draw_intervals(right, order, order["place"].to_numpy(dtype=float), along="y", color=ORANGE)
    right.set_xticks(
        order["place"], [f"{place}\n({n:,})" for place, n in zip(order["place"], order["n"], strict=True)]
    )
    right.set_xlim(0.5, len(order) + 0.5)
    right.set_xlabel("place of the guess (answers that have one there)")
    _percent_axis(right, "% in which it is the truth")
    tidy(right, "Do people order their guesses well?\n")
    return figure


def plot_countries(countries: pd.DataFrame, *, fewest: int) -> Figure:
    """First guesses of people and model by country, the hardest for people at the top.

    Args:
        countries: from `scores.country_table`.
        fewest: countries with fewer answers are left out.
    """
    table = countries[countries["n"] >= fewest].head(COUNTRIES_SHOWN).iloc[::-1]
    figure, axes = plt.subplots(figsize=(8, 1.4 + 0.3 * max(len(table), 2)), layout="constrained")
    if table.empty:
        axes.text(0.5, 0.5, f"no country has {fewest} answers", ha="center", va="center", color=GREY)
        axes.set_axis_off()
        return figure
    places = np.arange(len(table))
    for who, shift in (("people", 0.12), ("model", -0.12)):
        if who not in table:
            continue
        columns = (who, f"{who}_low", f"{who}_high")
        style = {"color": COLOURS[who], "label": who, "capsize": 0}
        draw_intervals(axes, table, places + shift, along="x", columns=columns, **style)
    names = zip(table["country"], table["n"], strict=True)
    axes.set_yticks(places, [f"{short_name(name)} ({n:,})" for name, n in names])
    axes.set_xlim(-3, 103)
    axes.set_ylim(-0.6, len(table) - 0.4)
    axes.set_xlabel("% right at the first guess, 95 % intervals")
    _name_colours(figure)
    tidy(axes, f"The hardest countries for people ({fewest} or more answers)", grid=True)
    return figure


def _name_colours(figure: Figure) -> None:
    """Name the colours below everything, where no interval and no title can be."""
    figure.legend(fontsize=9, frameon=False, loc="outside lower left", ncols=2)


def _percent_axis(axes: Axes, label: str) -> None:
    axes.set_ylim(-3, 103)
    axes.set_ylabel(label)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
