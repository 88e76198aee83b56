"""Figures of a dataset. Each function returns a figure; none shows or saves one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lost_and_found.errors import BrokenSample, MissingInput
from lost_and_found.figures import BLUE, GREY, ORANGE, PICTURE, short_name, tidy
from lost_and_found.geo.countries import find_country
from lost_and_found.preparation.cleaning import Thresholds
from lost_and_found.samples import Sample, read_image

MEASURES = {
    "channel_variance": "largest variance of a channel",
    "laplacian_variance": "variance of the Laplacian",
}
DEFECTS = {"channel_variance": "dark or empty", "laplacian_variance": "blurred"}
QUANTILES = (0.0, 0.01, 0.05, 0.25, 0.5, 0.75, 1.0)


def country_distribution(tables: Mapping[str, pd.DataFrame], *, most: int = 40) -> Figure:
    """Bars of the samples of each country, one panel for each table, all in the order of the first.

    Args:
        tables: rows with country_code, by the title of their panel.
        most: countries shown; the rest is one last bar.
    """
    counts = pd.DataFrame({name: table["country_code"].value_counts() for name, table in tables.items()})
    counts = counts.fillna(0).astype(int)
    counts = counts.sort_values(list(tables), ascending=False, kind="stable")
    shown = counts.head(most)
    labels = [short_name(find_country(str(code)).name) for code in shown.index]
    if len(counts) > most:
        rest = counts.iloc[most:].sum().to_frame().T
        shown = pd.concat([shown, rest])
        labels.append(f"{len(counts) - most} others")
    height = 0.9 + 0.19 * len(shown)
    figure, panels = plt.subplots(
        1, len(tables), figsize=(11, height), sharey=True, squeeze=False, layout="constrained"
    )
    places = np.arange(len(shown))
    for axes, (name, table) in zip(panels[0], tables.items(), strict=True):
        values = shown[name].to_numpy()
        is_rest = np.arange(len(shown)) == most
        axes.barh(places, values, height=0.7, color=np.where(is_rest, GREY, BLUE))
        for place, value in zip(places, values, strict=True):
            text = f" {value:,}  ({value / max(1, len(table)):.1%})" if value else " –"
            axes.text(value, place, text, va="center", fontsize=7, color="black" if value else GREY)
        axes.set_xlim(0, max(1, values.max()) * 1.35)
        present = int((counts[name] > 0).sum())
        tidy(axes, f"{name}: {len(table):,} samples, {present} countries")
        axes.tick_params(axis="x", labelsize=8)
    panels[0, 0].set_yticks(places, labels, fontsize=8)
    panels[0, 0].set_ylim(len(shown) - 0.4, -0.6)
    return figure


def sample_grid(
    samples: Sequence[Sample], table: pd.DataFrame, *, rows: int = 4, columns: int = 5, seed: int = 0
) -> Figure:
    """Some pictures with their country and region, drawn at random.

    Args:
        samples: what to draw from.
        table: a row a sample, in the same order, with country_code and region.
        rows: of the grid.
        columns: of the grid.
        seed: another one shows others.

    Raises:
        MissingInput: no samples.
    """
    if not samples:
        raise MissingInput("there are no samples to show; run the notebooks before this one")
    chosen = np.random.default_rng(seed).permutation(len(samples))[: rows * columns]
    titles = []
    for row in chosen:
        code, region = table["country_code"].iloc[row], table["region"].iloc[row]
        name = find_country(code).name if isinstance(code, str) else "no country"
        titles.append((name, region.split("_")[1] if isinstance(region, str) else ""))
    cells = [
        (samples[row], f"{short_name(name)}\n{short_name(region)}")
        for row, (name, region) in zip(chosen, titles, strict=True)
    ]
    return _grid([cells[first : first + columns] for first in range(0, len(cells), columns)], columns)


def variance_examples(samples: Sequence[Sample], measures: pd.DataFrame) -> Figure:
    """For both measures, the pictures from the lowest value to the highest at a few quantiles."""
    by_id = {sample.id: sample for sample in samples}
    rows, labels = [], []
    for name, title in MEASURES.items():
        ranked = measures.dropna(subset=[name]).sort_values([name, "id"], ignore_index=True)
        places = [round(quantile * (len(ranked) - 1)) for quantile in QUANTILES]
        rows.append(
            [
                (by_id[ranked["id"][place]], f"{quantile:.0%}: {ranked[name][place]:,.0f}")
                for quantile, place in zip(QUANTILES, places, strict=True)
            ]
        )
        labels.append(title)
    return _grid(rows, len(QUANTILES), labels)


def examples_page(
    samples: Sequence[Sample],
    measures: pd.DataFrame,
    thresholds: Thresholds,
    *,
    columns: int = 6,
) -> Figure:
    """The pictures nearest to each threshold, those just removed above those just kept."""
    by_id = {sample.id: sample for sample in samples}
    rows, labels = [], []
    for name, title in MEASURES.items():
        threshold = getattr(thresholds, name)
        ranked = measures.dropna(subset=[name]).sort_values([name, "id"])
        removed = ranked[ranked[name] < threshold].tail(columns)
        kept = ranked[ranked[name] >= threshold].head(columns)
        for part, sign in ((removed, "<"), (kept, "≥")):
            rows.append([(by_id[row.id], f"{getattr(row, name):,.0f}") for row in part.itertuples()])
            labels.append(
                f"{title} {sign} {threshold:g}: {'removed as ' + DEFECTS[name] if sign == '<' else 'kept'}"
            )
    return _grid(rows, columns, labels)


def duplicates_page(
    samples: Sequence[Sample], removed: pd.DataFrame, *, columns: int = 6, seed: int = 0
) -> Figure:
    """Some of the removed duplicates, each above the picture that is kept instead."""
    by_id = {sample.id: sample for sample in samples}
    alike = removed[removed["like"] != ""]
    chosen = alike.sample(min(columns, len(alike)), random_state=np.random.default_rng(seed))
    units = {"same place": "{:.1f} m apart", "same picture": "{:.0f} bits apart"}
    factors = {"same place": 1000.0, "same picture": 1.0}
    top, bottom = [], []
    for one, reason, value, like in chosen[["id", "reason", "value", "like"]].itertuples(
        index=False, name=None
    ):
        top.append((by_id[one], f"{reason}\n{units[reason].format(value * factors[reason])}"))
        bottom.append((by_id[like], "kept"))
    return _grid([top, bottom], columns, ["removed", "kept instead"])


def measure_density(measures: pd.DataFrame, thresholds: Thresholds) -> Figure:
    """How many pictures have which variances, with the thresholds; below and left of them is what goes."""
    both = measures.dropna(subset=list(MEASURES))
    x, y = (np.maximum(both[name].to_numpy(dtype=float), 1) for name in MEASURES)
    figure = plt.figure(figsize=(8, 5.5), layout="constrained")
    axes = figure.add_subplot()
    hexes = axes.hexbin(
        x, y, gridsize=45, xscale="log", yscale="log", bins="log", cmap="Blues", mincnt=1, vmin=0.2
    )
    figure.colorbar(hexes, ax=axes, label="pictures", shrink=0.8)
    axes.axvline(thresholds.channel_variance or np.nan, color=ORANGE, linewidth=1.2)
    axes.axhline(thresholds.laplacian_variance or np.nan, color=ORANGE, linewidth=1.2)
    dark = both["channel_variance"] < thresholds.channel_variance
    blurred = (both["laplacian_variance"] < thresholds.laplacian_variance) & ~dark
    axes.set_xlabel(MEASURES["channel_variance"] + " (levels²)")
    axes.set_ylabel(MEASURES["laplacian_variance"] + " (levels²)")
    tidy(axes, f"{len(both):,} pictures: {dark.sum():,} dark or empty, {blurred.sum():,} more blurred")
    return figure


def _grid(
    rows: Sequence[Sequence[tuple[Sample, str]]], columns: int, labels: Sequence[str] | None = None
) -> Figure:
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
