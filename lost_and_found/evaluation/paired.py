"""Two runs on the same validation pictures: in which countries one is better, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from lost_and_found.data_lists import read_list
from lost_and_found.errors import InvalidConfig, ListMismatch, MissingInput
from lost_and_found.evaluation.bootstrap import (
    TAIL,
    count_table,
    effective_samples,
    group_numbers,
    groups_with,
    percentiles,
    ratio,
    resampled_sums,
)
from lost_and_found.evaluation.comparison import ComparedRun
from lost_and_found.evaluation.held_out import cached_by_training
from lost_and_found.geo.countries import find_country
from lost_and_found.preparation.splitting import group_samples, groups_of_list
from lost_and_found.texts import aligned
from lost_and_found.training.pixel_cache import PixelCache, read_cache
from lost_and_found.training.runs import load_run, predict
from lost_and_found.workspace import Workspace

ALL = "all pictures"
COUNTRIES_SHOWN = 12


def compare_pair(
    reference: ComparedRun, candidate: ComparedRun, *, resamples: int = 1000, seed: int = 0
) -> pd.DataFrame:
    """Recalls of both runs and their differences, see `paired_differences`.

    Raises:
        ListMismatch: they were validated with different lists.
        InvalidConfig: a run isn't on this disk or doesn't predict countries, or there are too few resamples.
        MissingInput: the pixel cache of the validation split was deleted.
    """
    if reference.validation_list != candidate.validation_list:
        raise ListMismatch(
            f"{reference.id} was validated with list {reference.validation_list[:12]}, {candidate.id} with "
            f"{candidate.validation_list[:12]}; only runs with the same validation pictures can be compared"
        )
    first, second = validation_guesses(reference), validation_guesses(candidate)
    if not first[["id", "truth"]].equals(second[["id", "truth"]]):
        raise ListMismatch(
            f"the pixel caches of {reference.id} and {candidate.id} don't hold the same pictures and "
            "countries, although they were made from one list; delete them and train again"
        )
    return paired_differences(
        first["right"].to_numpy(),
        second["right"].to_numpy(),
        truth=first["truth"].to_numpy(),
        group=first["group"].to_numpy(),
        resamples=resamples,
        seed=seed,
    )


def validation_guesses(run: ComparedRun) -> pd.DataFrame:
    """A row per picture of the validation split of a run on this disk: id, group, truth, right.

    `group` is that of `groups_of_list`, or of `group_samples` if the list is gone or was made anew; `truth`
    is the country code, `right` whether the run guesses it.

    Raises:
        InvalidConfig: the run isn't on this disk, or doesn't predict countries.
        MissingInput: its pixel cache was deleted, the header of its list was, or a picture has no country.
        ListMismatch: the list was edited.
    """
    if run.folder is None:
        raise InvalidConfig(f"run {run.id} is not on this disk")
    model = load_run(run.folder)
    name = f"{model.config.dataset}.val"
    spec, place = cached_by_training(model, "val", model.list_digests[name])
    cache = read_cache(place, spec=spec)
    if cache.table["country_code"].isna().any():
        raise MissingInput(f"pictures of {name} have no country; run 2-data-preparation/02-enrich-records")
    if not model.target.country_codes:
        raise InvalidConfig(f"run {run.id} predicts {model.target.name}, which says nothing about countries")
    probabilities = model.target.country_probabilities(predict(model, cache.pixels))
    codes = np.asarray(model.target.country_codes, dtype=object)
    truth = cache.table["country_code"]
    return pd.DataFrame(
        {
            "id": cache.table["id"],
            "group": _groups(run.folder, cache),
            "truth": truth,
            "right": codes[probabilities.argmax(axis=1)] == truth,
        }
    )


def _groups(folder: Path, cache: PixelCache) -> np.ndarray:
    path = Workspace(folder.parents[4], folder.parents[1].name).list_path(".val")
    pinned = read_list(path) if path.is_file() else None
    if pinned and pinned.digest == cache.spec.list_digest:
        return groups_of_list(cache.table, pinned)
    return group_samples(cache.table)


def paired_differences(
    reference: np.ndarray,
    candidate: np.ndarray,
    *,
    truth: Sequence[str] | np.ndarray,
    group: Sequence[object] | np.ndarray,
    resamples: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Recall of two runs and the paired difference, for all pictures (the first row) and each country.

    Intervals are 95 %, from a bootstrap over groups, in which both runs are resampled together, so that the
    difficulty of a picture, which is the same for both, cancels out. With few pictures a bootstrap is too
    sure: if the runs agree on all of five, it says that they always do. So each end is at least as far out as
    that of `bonett_price`, which allows for small numbers, for the effective number of pictures.

    How often the interval covered the true difference, in simulated pairs of runs:

    - 95 to 97 % for all pictures and 96 to 99.7 % for single countries, in 400 pairs of each of five kinds
      (equal and unequal, 130 to 500 pictures, groups of one and of five, 10 and 20 countries);
    - 95 to 98 % and 96 to 100 %, in 250 pairs of each of eight kinds in which a country's pictures were of 2
      to 20 places and correlated within them.

    Args:
        reference: whether the first run was right, bool (N,).
        candidate: whether the second was.
        truth: country codes, (N,).
        group: of each picture, (N,), what is resampled as a whole.
        resamples: at least 100.
        seed: of the resampling.

    Returns:
        Columns country_code (empty for all), country, n, reference, candidate (recalls), difference
        (candidate less reference), low, high. Countries with the largest differences come first.

    Raises:
        InvalidConfig: no pictures, too few resamples, or not one group for each picture.
    """
    codes, columns = np.unique(np.asarray(truth, dtype=str), return_inverse=True)
    rows = group_numbers(group, len(columns))
    right, counts, wins, losses = (
        count_table(values, rows, columns, width=len(codes))
        for values in (reference, np.ones_like(reference), candidate & ~reference, reference & ~candidate)
    )
    won, lost = (totals.sum(axis=0) for totals in (wins, losses))
    gained, pictures = resampled_sums([wins - losses, counts], resamples=resamples, seed=seed)
    gains, n, groups = ratio(gained, pictures), pictures[0], groups_with(counts)
    low, high = percentiles(gains, groups)
    spread, variance = (won + lost) / n - gains[0] ** 2, np.nanvar(gains[1:], axis=0)
    effective = effective_samples(spread, variance, n=n, most=n, groups=groups)
    worth = np.where(groups == n, 1, effective / n)
    few_low, few_high = bonett_price(won * worth, lost * worth, n * worth)
    table = pd.DataFrame(
        {
            "country_code": ["", *codes],
            "country": [ALL, *(find_country(code).name for code in codes)],
            "n": n.astype(int),
            "reference": right.sum(axis=0) / n,
            "candidate": (right.sum(axis=0) + won - lost) / n,
            "difference": (won - lost) / n,
            "low": np.minimum(low, few_low).clip(min=-1),
            "high": np.maximum(high, few_high).clip(max=1),
        }
    )
    by_country = table[1:].sort_values("difference", key=abs, ascending=False, kind="stable")
    return pd.concat([table[:1], by_country], ignore_index=True)


def differences_text(differences: pd.DataFrame, *, fewest: int) -> str:
    """All pictures, and the countries with the largest differences, in aligned columns of per cent.

    Args:
        differences: from `paired_differences`.
        fewest: countries with fewer pictures aren't shown.
    """
    enough = differences[1:][differences["n"][1:] >= fewest][:COUNTRIES_SHOWN]
    shown = pd.concat([differences[:1], enough])
    columns = ("reference", "candidate", "difference", "low", "high")
    lines = [("", *columns, "pictures")]
    for row in shown.to_dict("records"):
        lines.append((row["country"], *(f"{100 * row[name]:z.1f}" for name in columns), f"{row['n']:,}"))
    return aligned(lines)


def bonett_price(
    wins: np.ndarray | float, losses: np.ndarray | float, n: np.ndarray | float
) -> tuple[np.ndarray, np.ndarray]:
    """Ends of the 95 % interval of (wins - losses) / n, with one win and one loss added to those seen.

    Source:
        Bonett and Price, Adjusted Wald confidence interval for a difference of binomial proportions based
        on paired data (2012).
    """
    win, loss = (wins + 1) / (n + 2), (losses + 1) / (n + 2)
    half = stats.norm.ppf(1 - TAIL) * np.sqrt((win + loss - (win - loss) ** 2) / (n + 2))
    return np.maximum(win - loss - half, -1), np.minimum(win - loss + half, 1)
