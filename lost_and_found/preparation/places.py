"""Which samples were taken close to each other."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from lost_and_found.errors import InvalidConfig
from lost_and_found.geo.distances import EARTH_RADIUS_KM, km_to_chord, to_unit_vectors

CELL = 0.577  # side of a cell, across which it is a hair less than 1: its rows are close to each other


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

    They connect the same rows as all such pairs would, but are far fewer where many points are close
    together: ten thousand photos of one place have fifty million pairs. Of several rows at exactly one place
    only the first is compared with the rest; the others are paired with that first one.

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
    pairs = _connecting_pairs(to_unit_vectors(points[one_each]), km_to_chord(distance_km))
    return np.concatenate([one_each[pairs], np.stack([first[again], again], axis=1)])


def _connecting_pairs(xyz: np.ndarray, chord: float) -> np.ndarray:
    """Pairs of rows (m, 2) of unit vectors (n, 3) at most this far apart that connect all which are.

    In a grid so fine that all rows of a cell are close, each is paired with the cell's first. These first
    ones connect most of the cells that are close; only between the others are single rows compared.
    """
    cells = pd.DataFrame(np.floor(xyz / (CELL * chord)) if chord else xyz)
    cell = cells.groupby([0, 1, 2], sort=False).ngroup().to_numpy()
    order, sizes = np.argsort(cell, kind="stable"), np.bincount(cell)
    ends = np.cumsum(sizes)
    members, first = np.split(order, ends)[:-1], order[ends - sizes]
    tree = cKDTree(xyz[first])
    pairs = tree.query_pairs(chord, output_type="ndarray")
    graph = coo_array((np.ones(len(pairs), dtype=bool), tuple(pairs.T)), shape=(len(first), len(first)))
    part = connected_components(graph, directed=False)[1]
    inside = np.stack([first[cell], np.arange(len(xyz))], axis=1)
    found = [first[pairs], inside[inside[:, 0] != inside[:, 1]]]
    for one in np.flatnonzero(sizes > 1):
        around = np.array(tree.query_ball_point(tree.data[one], 3 * chord))  # where cells may have close rows
        if len(apart := around[part[around] != part[one]]):
            others = np.concatenate([members[other] for other in apart])
            chords, nearest = cKDTree(xyz[members[one]]).query(xyz[others])
            connecting = np.stack([members[one][nearest], others], axis=1)
            found.append(connecting[chords <= chord])
    return np.sort(np.concatenate(found), axis=1)
