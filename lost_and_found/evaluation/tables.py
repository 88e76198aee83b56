"""The tables of a test report, with countries by name, and their plain text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from lost_and_found.evaluation.metrics import Estimate, Scores
from lost_and_found.geo.countries import find_country
from lost_and_found.samples import write_atomically, write_table
from lost_and_found.texts import aligned, counted

TIMES = "top-1 in multiples of chance"


def overall_table(scores: Scores, *, subset_name: str = "") -> pd.DataFrame:
    """One row per score: metric, value, low, high (the 95 % interval, NaN for what isn't estimated), n.

    Values are shares, except in the last row.
    """
    classes = len(scores.support)
    present = int((scores.support > 0).sum())
    rows = [_row(f"top-{k} accuracy", estimate, scores.samples) for k, estimate in scores.top_k.items()]
    found = counted(present, "country", "countries")
    rows.append(_row(f"balanced accuracy, {found}", scores.balanced, scores.samples))
    if scores.balanced_subset is not None:
        support = scores.support[list(scores.subset)]
        name = f"balanced accuracy, {(support > 0).sum()} of {subset_name or 'the subset'}"
        rows.append(_row(name, scores.balanced_subset, int(support.sum())))
    for name, value in (
        (f"chance, 1 in {classes}", scores.chance),
        ("always the most frequent country", scores.majority),
    ):
        rows.append({"metric": name, "value": value, "low": np.nan, "high": np.nan, "n": scores.samples})
    top1 = scores.top_k[1]
    times = Estimate(*(end / scores.chance for end in (top1.value, top1.low, top1.high)))
    rows.append(_row(TIMES, times, scores.samples))
    return pd.DataFrame(rows)


def country_table(scores: Scores, country_codes: Sequence[str]) -> pd.DataFrame:
    """One row per country, the best found first: country, code, n, recall, low, high, guessed, precision ...

    `n` counts the country's samples, `guessed` how often it was the first guess. Recall is NaN without
    samples, precision without guesses.
    """
    table = pd.DataFrame(
        {
            "country": [find_country(code).name for code in country_codes],
            "code": list(country_codes),
            "n": scores.support,
            "recall": scores.recall.value,
            "low": scores.recall.low,
            "high": scores.recall.high,
            "guessed": scores.predicted,
            "precision": scores.precision.value,
            "precision_low": scores.precision.low,
            "precision_high": scores.precision.high,
        }
    )
    return table.sort_values(["recall", "n"], ascending=False, kind="stable", ignore_index=True)


def best_and_worst(countries: pd.DataFrame, *, ends: int, fewest: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The `ends` best and as many of the worst rows, among countries with at least `fewest` samples.

    With a sample or two a recall is 0 or 1 by luck, and such countries would fill both ends. If there are
    fewer than twice `ends` countries, each is at one end only. No country found as rarely as one of the worst
    is among the best, unless all are.
    """
    enough = countries[countries["n"] >= max(fewest, 1)]  # without samples there is no recall
    count = min(ends, len(enough) // 2)
    best, worst = enough.head(min(ends, len(enough) - count)), enough.tail(count)
    better = best["recall"] > worst["recall"].max()
    if better.any():
        worst = enough[enough["recall"] <= worst["recall"].max()].tail(ends)
        best = best[better]
    return best, worst.iloc[::-1]


def confusion_table(scores: Scores, country_codes: Sequence[str]) -> pd.DataFrame:
    """The most frequent errors: truth, guess, count, and share of the truth's samples with low and high."""
    names = [find_country(code).name for code in country_codes]
    return pd.DataFrame(
        {
            "truth": [names[true] for true, _ in scores.pairs],
            "guess": [names[guess] for _, guess in scores.pairs],
            "count": [int(scores.confusion[pair]) for pair in scores.pairs],
            "share": scores.pair_share.value,
            "low": scores.pair_share.low,
            "high": scores.pair_share.high,
        }
    )


def write_tables(folder: Path, **tables: pd.DataFrame) -> None:
    """Write each table as CSV, by its argument's name."""
    for name, table in tables.items():
        write_table(folder / f"{name}.csv", table)


def write_report(folder: Path, *, run_id: str, overall: pd.DataFrame, **others: pd.DataFrame) -> None:
    """Write each table as CSV, by its argument's name, and `test-table.txt` for reading."""
    write_tables(folder, overall=overall, **others)
    write_atomically(folder / "test-table.txt", f"{run_id}\n{overall_text(overall)}\n".encode())


def overall_text(overall: pd.DataFrame) -> str:
    """The table of scores as text with aligned columns."""
    lines = [("", "value", "95 % interval", "pictures")]
    for row in overall.to_dict("records"):
        times = row["metric"] == TIMES
        scale, unit = (1, "x") if times else (100, " %")
        interval = (
            "" if np.isnan(row["low"]) else f"{scale * row['low']:.1f} to {scale * row['high']:.1f}{unit}"
        )
        value = "none" if np.isnan(row["value"]) else f"{scale * row['value']:.1f}{unit}"
        lines.append((row["metric"], value, interval, f"{row['n']:,}"))
    return aligned(lines)


def country_text(countries: pd.DataFrame) -> str:
    """Recall of countries as text with aligned columns."""
    if countries.empty:
        return "no (other) country has enough pictures to be ranked"
    lines = [("", "found", "95 % interval", "pictures")]
    for row in countries.to_dict("records"):
        interval = f"{100 * row['low']:.0f} to {100 * row['high']:.0f} %"
        lines.append((row["country"], f"{100 * row['recall']:.0f} %", interval, f"{row['n']:,}"))
    return aligned(lines)


def confusion_text(confusions: pd.DataFrame) -> str:
    """The most frequent errors as text with aligned columns, of which the last is like "3 of 12"."""
    if confusions.empty:
        return "no errors"
    lines = [("", "share", "95 % interval", "pictures")]
    for row in confusions.to_dict("records"):
        interval = f"{100 * row['low']:.0f} to {100 * row['high']:.0f} %"
        name = f"{row['truth']} taken for {row['guess']}"
        pictures = f"{row['count']:,} of {row['count'] / row['share']:,.0f}"
        lines.append((name, f"{100 * row['share']:.0f} %", interval, pictures))
    return aligned(lines)


def _row(name: str, estimate: Estimate, n: int) -> dict[str, object]:
    ends = {"value": estimate.value, "low": estimate.low, "high": estimate.high}
    return {"metric": name, **{key: float(end) for key, end in ends.items()}, "n": n}
