"""Whether probabilities are calibrated: of first guesses with 70 %, seven in ten should be right."""

from __future__ import annotations

import math
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lost_and_found.evaluation.bootstrap import group_numbers, shares_by_column
from lost_and_found.evaluation.metrics import truth_ranks
from lost_and_found.figures import BLUE, GREY, draw_intervals, tidy
from lost_and_found.texts import counted

FEWEST_IN_BIN = 10
MOST_BINS = 10
COLUMNS = ["bin", "n", "lowest", "highest", "probability", "right", "low", "high"]


def calibration_table(
    probabilities: np.ndarray,
    truth: np.ndarray,
    *,
    groups: Sequence[object] | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """How sure the model is of its first guesses, and how many of them are right.

    The first row is for all samples, the others are for bins of equal size, from the least to the most sure:
    ten bins, or as many as leave ten samples in each.

    Args:
        probabilities: (N, K), rows sum to one.
        truth: (N,) class numbers.
        groups: (N,) what is resampled as a whole, see `score`.
        resamples: at least 100.
        seed: of the resampling.

    Returns:
        Columns bin ("all", "1", ...), n, lowest, highest and mean probability of the first guess (the mean as
        `probability`), right (the share that is right), low, high (the 95 % interval of that share).

    Raises:
        InvalidConfig: see `truth_ranks`; too few resamples, or not one group for each sample.

    Source:
        Niculescu-Mizil and Caruana, Predicting good probabilities with supervised learning (2005), with bins
        of equal size, as few samples have high probabilities.
    """
    right = truth_ranks(probabilities, truth) == 1
    sure = probabilities.max(axis=1)
    bins = min(MOST_BINS, max(1, len(sure) // FEWEST_IN_BIN))
    places = np.argsort(np.argsort(sure, kind="stable"), kind="stable") * bins // len(sure)
    numbers = group_numbers(groups, len(truth))
    _, share = shares_by_column(right, numbers, places, width=bins, resamples=resamples, seed=seed)
    rows = np.concatenate([np.zeros_like(places), 1 + places])
    by_bin = pd.Series(np.tile(sure.astype(float), 2)).groupby(rows)
    table = by_bin.agg(n="size", lowest="min", highest="max", mean="mean").reset_index(drop=True)
    names = ["all", *map(str, range(1, 1 + bins))]
    ends = {"right": share.value, "low": share.low, "high": share.high}
    return table.assign(**ends).rename(columns={"mean": "probability"}).assign(bin=names)[COLUMNS]


def calibration_text(table: pd.DataFrame) -> str:
    """The first row as a sentence on two lines; single bins may be off where the mean is not."""
    whole = table.iloc[0]
    verdict = "on average it shows neither over- nor underconfidence"
    if not whole["low"] <= whole["probability"] <= whole["high"]:
        too_sure = whole["probability"] > whole["high"]
        verdict = f"on average it is {'over' if too_sure else 'under'}confident"
    shares = (f"{100 * whole[name]:.1f}" for name in ("probability", "right", "low", "high"))
    return (
        "the model gives its first guesses {} % on average, and {} % of them are right ({} to {} %):\n{}"
    ).format(*shares, verdict)


def plot_calibration(table: pd.DataFrame) -> Figure:
    """Share right against probability, bin by bin, with the line of perfect calibration."""
    figure, axes = plt.subplots(figsize=(5.2, 4.8), layout="constrained")
    bins = table[1:]
    axes.plot([0, 100], [0, 100], color=GREY, linewidth=1, linestyle=":", label="perfectly calibrated")
    sure = 100 * bins["probability"].to_numpy()
    columns = ("right", "low", "high")
    draw_intervals(axes, bins, sure, along="y", columns=columns, color=BLUE, markersize=5, clip_on=False)
    # Not always to 100: the bins of a weak model lie close together.
    most = min(100, 10 * math.ceil(0.11 * max(sure.max(), 100 * bins["high"].max())))
    axes.set(xlim=(0, most), ylim=(0, most), aspect="equal")
    figure.legend(fontsize=8, frameon=False, loc="outside lower left")  # where no interval can be
    axes.set_xlabel("probability of the first guess, %")
    axes.set_ylabel("right, %, with 95 % intervals")
    tidy(axes, f"Calibration, {counted(int(bins['n'].sum()), 'picture')}")
    return figure
