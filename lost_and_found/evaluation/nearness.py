"""Whether a run does better near its training pictures; a random split puts test pictures among them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from lost_and_found.evaluation.bootstrap import group_numbers, shares_by_column
from lost_and_found.geo.distances import chord_to_km, to_unit_vectors
from lost_and_found.texts import aligned

# Street, city, region and country, as in the scores of distances.
LIMITS_KM = (1, 25, 200, 750)
RANGES = ("within 1 km", "1 to 25 km", "25 to 200 km", "200 to 750 km", "farther than 750 km")
COLUMNS = ["nearest", "n", "right", "low", "high"]


def km_to_nearest(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Great-circle km (N,) from each point to the nearest of the others; NaN where one has no coordinates.

    Args:
        points: (N, 2) latitudes and longitudes in degrees.
        others: (M, 2) the same.
    """
    km = np.full(len(points), np.nan)
    known, others = ~np.isnan(points).any(axis=1), others[~np.isnan(others).any(axis=1)]
    if len(others):
        chords, _ = cKDTree(to_unit_vectors(others)).query(to_unit_vectors(points[known]))
        km[known] = chord_to_km(chords)
    return km


def nearness_table(
    right: np.ndarray, km: np.ndarray, *, groups: Sequence[object], resamples: int = 1000, seed: int = 0
) -> pd.DataFrame:
    """The share of right guesses by the distance to the nearest training picture.

    Args:
        right: bool (N,), whether each guess is right.
        km: (N,) from `km_to_nearest`; pictures without it are left out.
        groups: (N,) what is resampled as a whole, for example from `groups_of_list`.
        resamples: at least 100.
        seed: of the resampling.

    Returns:
        Columns nearest (one of `RANGES`), n, right, low, high (the 95 % interval); ranges without pictures
        are left out.

    Raises:
        InvalidConfig: no guesses, too few resamples, or not one group for each guess.
    """
    numbers, known = group_numbers(groups, len(km)), ~np.isnan(km)
    if not known.any():
        return pd.DataFrame(columns=COLUMNS)
    numbers = np.unique(numbers[known], return_inverse=True)[1]
    places = np.digitize(km[known], LIMITS_KM, right=True)
    n, share = shares_by_column(
        right[known], numbers, places, width=len(RANGES), resamples=resamples, seed=seed
    )
    table = pd.DataFrame({"n": n.astype(int), "right": share.value, "low": share.low, "high": share.high})
    return table[1:].assign(nearest=RANGES).query("n > 0")[COLUMNS].reset_index(drop=True)


def nearness_text(table: pd.DataFrame) -> str:
    """The table as text with aligned columns."""
    if table.empty:
        return "can't be told: there are no coordinates, or the pixels of the train split were deleted"
    lines = [("nearest training picture", "right", "95 % interval", "pictures")]
    for row in table.to_dict("records"):
        interval = f"{100 * row['low']:.1f} to {100 * row['high']:.1f} %"
        lines.append((row["nearest"], f"{100 * row['right']:.1f} %", interval, f"{row['n']:,}"))
    return aligned(lines)
