"""Which samples were taken close to each other."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from lost_and_found.errors import InvalidConfig
from lost_and_found.geo.distances import EARTH_RADIUS_KM, km_to_chord, to_unit_vectors


def first_at_same_place(points: np.ndarray) -> np.ndarray:
    """For each row of points (n, 2) in degrees, the first row with exactly the same coordinates, shape (n,).

    For rows without coordinates (NaN) it is the row itself.
    """
    rows = np.arange(len(points))
    known = rows[~np.isnan(points).any(axis=1)]
    here = pd.DataFrame(points[known]).replace({1: {-180.0: 180.0}})
    # Grouping by hash is five times faster here than numpy's sorting of rows.
    groups = here.groupby([0, 1], sort=False).ngroup().to_numpy()
    _, first = np.unique(groups, return_index=True)
    rows[known] = known[first[groups]]
    return rows


def close_pairs(points: np.ndarray, distance_km: float) -> np.ndarray:
    """Pairs of rows (m, 2) of points (n, 2) in degrees at most this far apart, the earlier row first.

    Of several rows at exactly one place only the first is compared with the rest, as a thousand pictures of
    one webcam would give half a million pairs; the others are paired with that first one. So these pairs
    connect the same rows as all of the pairs would.

    Raises:
        InvalidConfig: a distance below 0, or not below the Earth's radius.
    """
    if not 0 <= distance_km < EARTH_RADIUS_KM:
        raise InvalidConfig(
            f"a distance of {distance_km} km between places must be at least 0 and below the Earth's radius"
        )
    first = first_at_same_place(points)
    rows = np.arange(len(points))
    again = rows[first != rows]
    one_each = rows[(first == rows) & ~np.isnan(points).any(axis=1)]
    tree = cKDTree(to_unit_vectors(points[one_each]))
    pairs = tree.query_pairs(km_to_chord(distance_km), output_type="ndarray")
    return np.concatenate([one_each[pairs], np.stack([first[again], again], axis=1)])
