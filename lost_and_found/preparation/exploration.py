"""Figures of a dataset. Each function returns a figure; none shows or saves one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lost_and_found.figures import BLUE, GREY, ORANGE, picture_grid, picture_sheet, short_name, tidy
from lost_and_found.geo.countries import find_country
from lost_and_found.preparation.cleaning import DEFECTS, Thresholds
from lost_and_found.samples import Sample
from lost_and_found.texts import counted

MEASURES = {
    "channel_variance": "largest variance of a channel",
    "laplacian_variance": "variance of the Laplacian",
}
PICTURES_IN_A_ROW = 6
QUANTILES = (0.0, 0.01, 0.05, 0.25, 0.5, 0.75, 1.0)


def country_distribution(tables: Mapping[str, pd.DataFrame], *, most: int = 40) -> Figure:
    """Bars of the samples of each country, one panel for each table, all in the order of the first.

    Args:
        tables: rows with country_code, by the title of their panel.
        most: countries shown; the others are summed in a last row, without a bar, which may be far longer.
    """
    counts = pd.DataFrame({name: table["country_code"].value_counts() for name, table in tables.items()})
    counts = counts.fillna(0).astype(int)
    counts = counts.sort_values(list(tables), ascending=False, kind="stable")
    shown = counts.head(most)
    labels = [short_name(find_country(str(code)).name) for code in shown.index]
    if len(counts) > most:
        rest = counts.iloc[most:].sum().to_frame().T
        shown = pd.concat([shown, rest])
        labels.append(counted(len(counts) - most, "other"))
    height = 0.9 + 0.19 * len(shown)
    figure, panels = plt.subplots(
        1, len(tables), figsize=(11, height), sharey=True, squeeze=False, layout="constrained"
    )
    places = np.arange(len(shown))
    for axes, (name, table) in zip(panels[0], tables.items(), strict=True):
        values = shown[name].to_numpy()
        lengths = np.where(np.arange(len(shown)) < most, values, 0)
        axes.barh(places, lengths, height=0.7, color=BLUE)
        for place, value, length in zip(places, values, lengths, strict=True):
            text = f" {value:,}  ({100 * value / max(1, len(table)):.1f} %)" if value else " –"
            axes.text(length, place, text, va="center", fontsize=7, color="black" if value else GREY)
        # Narrow panels need more space beside the longest bar.
        axes.set_xlim(0, max(1, lengths.max()) * (1 + 0.18 * max(2, len(tables))))
        axes.xaxis.get_major_locator().set_params(integer=True, nbins=5)
        axes.xaxis.set_major_formatter("{x:,.0f}")
        size = counted(len(table), "sample")
        present = counted(int((counts[name] > 0).sum()), "country", "countries")
        between = "\n" if len(tables) > 2 else ": "
        also = "\n" if len(tables) > 3 else ", "  # six digits would overlap the next title
        tidy(axes, f"{name}{between}{size}{also}{present}")
        axes.tick_params(axis="x", labelsize=8)
    panels[0, 0].set_yticks(places, labels, fontsize=8)
    panels[0, 0].set_ylim(len(shown) - 0.4, -0.6)
    return figure


def sample_grid(samples: Sequence[Sample], table: pd.DataFrame, *, seed: int) -> Figure:
    """Twenty pictures with their country and region, drawn at random.

    Args:
        samples: what to draw from.
        table: a row per sample, in the same order, with country_code and region.
        seed: for the draw.
    """
    cells = []
    for row in np.random.default_rng(seed).permutation(len(samples))[:20]:
        code, region = table["country_code"].iloc[row], table["region"].iloc[row]
        name = find_country(code).name if isinstance(code, str) else "no country"
        place = region.split("_")[1] if isinstance(region, str) else ""
        cells.append((samples[row], f"{short_name(name)}\n{short_name(place)}"))
    return picture_sheet(cells, columns=5)


def variance_examples(samples: Sequence[Sample], measures: pd.DataFrame) -> Figure:
    """For each measure, the pictures at a few quantiles, from the lowest value to the highest."""
    by_id = {sample.id: sample for sample in samples}
    rows, labels = [], []
    for name, title in MEASURES.items():
        ranked = measures.dropna(subset=[name]).sort_values([name, "id"], ignore_index=True)
        places = [round(quantile * (len(ranked) - 1)) for quantile in QUANTILES]
        rows.append(
            [
                (by_id[ranked["id"][place]], f"{100 * quantile:.0f} %: {ranked[name][place]:,.0f}")
                for quantile, place in zip(QUANTILES, places, strict=True)
            ]
        )
        labels.append(title)
    return picture_grid(rows, len(QUANTILES), labels)


def examples_page(samples: Sequence[Sample], measures: pd.DataFrame, thresholds: Thresholds) -> Figure:
    """The pictures nearest to each threshold, those just removed above those just kept.

    As in `clean`, pictures that the first threshold removes are not removed by the second, and only those
    that pass both are kept.
    """
    by_id = {sample.id: sample for sample in samples}
    rows, labels = [], []
    limits = {name: getattr(thresholds, name) for name in MEASURES}
    left = measures.dropna(subset=list(MEASURES))
    good = left[(left[list(MEASURES)] >= list(limits.values())).all(axis=1)]
    for name, title in MEASURES.items():
        threshold = limits[name]
        is_below = left[name] < threshold
        removed = left[is_below].sort_values([name, "id"]).tail(PICTURES_IN_A_ROW)
        kept = good.sort_values([name, "id"]).head(PICTURES_IN_A_ROW)
        left = left[~is_below]
        for part, sign in ((removed, "<"), (kept, "≥")):
            rows.append(
                [(by_id[one], f"{value:,.0f}") for one, value in zip(part["id"], part[name], strict=True)]
            )
            labels.append(
                f"{title} {sign} {threshold:g}: {'removed as ' + DEFECTS[name] if sign == '<' else 'kept'}"
            )
    return picture_grid(rows, PICTURES_IN_A_ROW, labels)


def duplicates_page(samples: Sequence[Sample], removed: pd.DataFrame) -> Figure:
    """Some of the removed duplicates, each above the picture that is kept instead."""
    by_id = {sample.id: sample for sample in samples}
    alike = removed[removed["like"] != ""]
    chosen = alike.sample(min(PICTURES_IN_A_ROW, len(alike)), random_state=np.random.default_rng(0))
    top, bottom = [], []
    for one, reason, value, like in chosen[["id", "reason", "value", "like"]].itertuples(
        index=False, name=None
    ):
        apart = f"{1000 * value:.1f} m" if reason == "same place" else f"{value:.0f} bits"
        top.append((by_id[one], f"{reason}\n{apart} apart"))
        bottom.append((by_id[like], "kept"))
    return picture_grid([top, bottom], PICTURES_IN_A_ROW, ["removed", "kept instead"])


def measure_density(measures: pd.DataFrame, thresholds: Thresholds) -> Figure:
    """Density of pictures over both variances, and the thresholds; those below or left of one are removed."""
    both = measures.dropna(subset=list(MEASURES))
    x, y = (np.maximum(both[name].to_numpy(dtype=float), 1) for name in MEASURES)
    figure = plt.figure(figsize=(8, 5.5), layout="constrained")
    axes = figure.add_subplot()
    hexes = axes.hexbin(
        x, y, gridsize=45, xscale="log", yscale="log", bins="log", cmap="Blues", mincnt=1, vmin=0.2
    )
    counts = np.asarray(hexes.get_array(), dtype=int)
    most = max(2, counts.max(initial=0))  # in one hexagon; from 1 to 1 there is no scale
    hexes.set_clim(vmax=most)
    steps = [step * 10**power for power in range(len(str(most))) for step in (1, 2, 5)]
    whole = [count for count in steps if count <= most]
    scale = figure.colorbar(hexes, ax=axes, label="pictures", shrink=0.8)
    scale.set_ticks(whole, labels=[f"{count:,}" for count in whole])
    scale.minorticks_off()
    scale.ax.set_ylim(1, most)  # no hexagon holds less than one picture
    axes.axvline(thresholds.channel_variance or np.nan, color=ORANGE, linewidth=1.2)
    axes.axhline(thresholds.laplacian_variance or np.nan, color=ORANGE, linewidth=1.2)
    dark = both["channel_variance"] < thresholds.channel_variance
    blurred = (both["laplacian_variance"] < thresholds.laplacian_variance) & ~dark
    axes.set_xlabel(MEASURES["channel_variance"] + " (levels²)")
    axes.set_ylabel(MEASURES["laplacian_variance"] + " (levels²)")
    pictures = counted(len(both), "picture")
    tidy(axes, f"{pictures}: {dark.sum():,} dark or empty, another {blurred.sum():,} blurred")
    return figure
