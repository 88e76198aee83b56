"""Comparison of runs on validation pictures: a table of all, and two of them country by country.

The test split is for the one run that is chosen in the end, so nothing here looks at it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from lost_and_found.errors import InvalidConfig
from lost_and_found.samples import read_json
from lost_and_found.training import tracking
from lost_and_found.training.runs import complete_runs, read_metrics
from lost_and_found.workspace import TRAIN, Workspace

# All other settings are the recipe, and shown where runs differ in them; the last two exist in W&B only.
NO_RECIPE = ("dataset", "target", "architecture", "width", "height", "epochs", "test_split", "test_split_run")
LOWER_IS_BETTER = ("loss", "mean_km", "median_km")
DISK, WANDB = "this disk", "W&B"


@dataclass(frozen=True)
class ComparedRun:
    """What a comparison needs to know about a run; its model isn't loaded.

    Attributes:
        id: the name of its folder.
        config: its settings.
        summary: metrics of the best epoch and more.
        metrics: one row per epoch.
        folder: where it lies; None for one that is in W&B only.
    """

    id: str
    config: Mapping[str, Any]
    summary: Mapping[str, Any]
    metrics: pd.DataFrame
    folder: Path | None = None

    @property
    def best_metric(self) -> str:
        """The metric by which its epochs were compared, without "val/"; empty if it isn't known."""
        return str(self.summary.get("best_metric", "")).removeprefix("val/")

    @property
    def country_top1(self) -> float | None:
        """Share of validation pictures whose country it guessed in its best epoch; None if it isn't known."""
        name = "top1" if self.config.get("target") == "country" else "country_top1"
        return self.summary.get(f"val/{name}")

    @property
    def labels(self) -> dict[str, Any]:
        """Content of `labels.json`: label order, lists and more; empty if it isn't on this disk."""
        return read_json(self.folder / "labels.json") if self.folder else {}

    @cached_property
    def validation_list(self) -> str:
        """Digest of the list that it was validated with; empty if that isn't known."""
        lists = self.labels.get("lists", {})
        return next((digest for name, digest in lists.items() if name.endswith(".val")), "")


def runs_on_disk(root: Path, datasets: Sequence[str]) -> list[ComparedRun]:
    """All complete runs of these datasets.

    Raises:
        MissingInput: one of the datasets has none.
    """
    folders = [Workspace(root, dataset).input(TRAIN) / "runs" for dataset in datasets]
    return [read_compared(path) for folder in folders for path in complete_runs(folder)]


def read_compared(folder: Path) -> ComparedRun:
    """The run in a folder.

    Raises:
        MissingInput: one of its files is damaged.
    """
    return ComparedRun(
        id=folder.name,
        config=read_json(folder / "config.json"),
        summary=read_json(folder / "summary.json"),
        metrics=read_metrics(folder),
        folder=folder,
    )


def runs_elsewhere(datasets: Sequence[str], known: Sequence[ComparedRun]) -> tuple[list[ComparedRun], str]:
    """Runs of these datasets in the W&B project that aren't among `known`, and a line about them."""
    if not tracking.has_key():
        return (
            [],
            "W&B was not asked for further runs: there is no WANDB_API_KEY in the environment or in .env",
        )
    ids = {run.id for run in known}
    answers = [one for dataset in datasets for one in tracking.online_runs(dataset) if one["id"] not in ids]
    found = [ComparedRun(**{**one, "metrics": pd.DataFrame(one["metrics"])}) for one in answers]
    return found, f"runs in W&B that aren't on this disk: {len(found)}"


def runs_table(runs: Sequence[ComparedRun]) -> pd.DataFrame:
    """One row per run: what it is, the settings in which runs differ, its best epoch's metrics, its cost.

    Metrics have the names of `metrics.csv` without "val/"; `best` is the one named by `best_metric`.
    """
    settings = differing_settings(runs)
    return pd.DataFrame([_row(run, settings) for run in runs])


def seeds_table(runs: Sequence[ComparedRun]) -> pd.DataFrame:
    """What the seed alone changes: a row for each recipe of which there are runs with several seeds.

    Only of runs on this disk, since of others it isn't known what they were trained on. Columns are
    best_metric, the number of runs, mean, sd (of the sample), lowest and highest, followed by those of
    `runs_table` that say what the runs are. In each target the best mean comes first.
    """
    here = [run for run in runs if run.folder]
    if not here:
        return pd.DataFrame()
    settings = [name for name in differing_settings(here) if name != "seed"]
    recipe = ["best_metric", *settings, "dataset", "target", "architecture", "size"]
    # The table doesn't show all in which runs differ: lists and labels, initial weights, epochs asked for.
    whole = [
        str((run.labels, *map(run.summary.get, ("weights_used", "weights_digest")), run.config.get("epochs")))
        for run in here
    ]
    table = runs_table(here).assign(seed=pd.Series([run.config.get("seed") for run in here]))
    found = table.groupby(
        [*(table[name] for name in recipe), pd.Series(whole)], dropna=False, sort=False
    ).agg(
        runs=("best", "size"),
        mean=("best", "mean"),
        sd=("best", "std"),
        lowest=("best", "min"),
        highest=("best", "max"),
        seeds=("seed", "nunique"),
    )
    numbers = ["runs", "mean", "sd", "lowest", "highest"]
    seeds = found.query("seeds > 1").reset_index()[["best_metric", *numbers, *recipe[1:]]]
    return _best_first(seeds, seeds["mean"])


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """The table with significant digits only, and nothing where there is no value."""
    return table.map(_readable)


def _readable(value: object) -> str:
    if value is None or value != value:
        return ""
    if isinstance(value, float) and abs(value) < 1000:
        return f"{value:.4g}"
    return f"{value:,.0f}" if isinstance(value, float | int) and not isinstance(value, bool) else str(value)


def differing_settings(runs: Sequence[ComparedRun]) -> list[str]:
    """Names of the recipe's settings that aren't the same in all runs."""
    names = dict.fromkeys(name for run in runs for name in run.config if name not in NO_RECIPE)
    # Compared as values, because W&B returns 1.0 as 1.
    return [name for name in names if any(run.config.get(name) != runs[0].config.get(name) for run in runs)]


def _row(run: ComparedRun, settings: Sequence[str]) -> dict[str, Any]:
    config, summary = run.config, run.summary
    metrics = {name.removeprefix("val/"): summary[name] for name in summary if name.startswith("val/")}
    return {
        "id": run.id,
        **{name: config.get(name) for name in ("dataset", "target", "architecture")},
        "size": f"{config.get('width')}x{config.get('height')}",
        **{name: config.get(name) for name in settings},
        "best_metric": run.best_metric,
        "best": metrics.get(run.best_metric),
        **metrics,
        "best_epoch": summary.get("best_epoch"),
        "epochs": summary.get("epochs"),
        "seconds": summary.get("seconds"),
        "parameters": summary.get("parameters"),
        "lies_on": DISK if run.folder else WANDB,
    }


def select_rows(table: pd.DataFrame, where: str) -> pd.DataFrame:
    """The rows for which an expression of column names holds, such as `"epochs > 3"`; all if it is empty.

    Raises:
        InvalidConfig: it can't be evaluated, isn't true or false for each row (the message lists the
            columns), or holds for none.
    """
    if not where.strip():
        return table
    problem = "it is not true or false for each run"
    try:
        chosen = table.eval(where, engine="python")
    except Exception as error:  # pandas lets through whatever Python raises in an expression
        chosen, problem = None, str(error)
    if not (isinstance(chosen, pd.Series) and chosen.dtype == bool and set(chosen.index) == set(table.index)):
        raise InvalidConfig(f"where is {where!r}, but {problem}; columns are {', '.join(map(str, table))}")
    if not chosen.any():
        raise InvalidConfig(f"where is {where!r}, which holds for none of the {len(table)} runs")
    return table[chosen]


def sort_rows(table: pd.DataFrame, by: str) -> pd.DataFrame:
    """The rows by a column, the best first; "best" or an empty text is by target, then by its best metric.

    Lower is better for losses and distances, higher for all other numbers. Empty cells come last.

    Raises:
        InvalidConfig: there is no such column; the message lists them.
    """
    if by and by not in table:
        raise InvalidConfig(f"sort_by is {by!r}; columns are {', '.join(map(str, table))}")
    if by not in ("", "best"):
        rising = by in LOWER_IS_BETTER or not pd.api.types.is_numeric_dtype(table[by])
        return table.sort_values(by, ascending=rising, kind="stable", na_position="last")
    return _best_first(table, table["best"])


def _best_first(table: pd.DataFrame, best: pd.Series) -> pd.DataFrame:
    """The rows by target, and then by these values of `best_metric`."""
    sign = table["best_metric"].isin(LOWER_IS_BETTER).map({True: 1.0, False: -1.0})
    key = pd.DataFrame({"target": table["target"], "best": sign * best.astype(float)})
    return table.loc[key.sort_values(["target", "best"], kind="stable", na_position="last").index]


def choose_pair(
    table: pd.DataFrame, runs: Sequence[ComparedRun], *, reference: str = "", candidate: str = ""
) -> tuple[ComparedRun, ComparedRun] | None:
    """The reference and the candidate to compare; None if no two runs can be.

    Args:
        table: from `runs_table`, sorted; a run that isn't named is the first row that fits.
        runs: all of them.
        reference: id of the run to compare with; by default the best other one that was validated with the
            candidate's list.
        candidate: id of the run to compare; by default the best that has a reference.

    Raises:
        InvalidConfig: no such run, one in W&B only, one that doesn't predict countries, or twice the same.
    """
    by_id = {run.id: run for run in runs}
    for name in filter(None, (reference, candidate)):
        _check_comparable(name, by_id)
    if reference and reference == candidate:
        raise InvalidConfig(f"reference and candidate are both {reference}; choose two different runs")
    named = {reference, candidate}
    ranked = [by_id[one] for one in table["id"] if one not in named and not _why_not(by_id[one])]
    both_named = bool(reference and candidate)
    candidates = [by_id[candidate]] if candidate else ranked
    references = [by_id[reference]] if reference else ranked
    pairs = (
        (other, one)
        for one in candidates
        for other in references
        if other is not one and (both_named or other.validation_list == one.validation_list)
    )
    return next(pairs, None)


def _check_comparable(name: str, by_id: Mapping[str, ComparedRun]) -> None:
    if name not in by_id:
        raise InvalidConfig(f"there is no run {name!r}; there are {', '.join(by_id)}")
    if reason := _why_not(by_id[name]):
        raise InvalidConfig(f"run {name} can't be compared by country: {reason}")


def _why_not(run: ComparedRun) -> str:
    """Why a run can't be compared by country; empty if it can."""
    if run.folder is None:
        return f"it is in {WANDB} only, and its model is needed here"
    if run.country_top1 is None:
        return f"it guesses {run.config.get('target')} instead of countries; compare distances in the table"
    return ""
