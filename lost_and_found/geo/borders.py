"""Distance to the nearest border among hundreds of thousands of edges, exact to within 1 %."""

from __future__ import annotations

import numpy as np
import shapely
from scipy.spatial import cKDTree

from lost_and_found.geo.distances import EARTH_RADIUS_KM, chord_to_km, to_unit_vectors

LONGEST_PIECE_KM = 4.0
TOLERANCE = 0.01
FEW, MANY = 8, 512  # pieces looked at first, and at most


class Borders:
    """Every edge of every region, cut into short straight pieces in space, indexed by their midpoints.

    A border of two regions is stored once. The cuts along the antimeridian and at the south pole, which maps
    need and the Earth doesn't have, are left out.
    """

    def __init__(self, geometries: np.ndarray) -> None:
        """Index the edges of (lon, lat) multipolygons; a piece belongs to the first region that has it."""
        start, end, region = _edges(geometries)
        xyz_start, xyz_end, self._region = _cut(start, end, region)
        self._start, self._step = xyz_start, xyz_end - xyz_start
        self._step_squared = np.maximum((self._step**2).sum(axis=1), np.finfo(float).tiny)
        self._reach = np.sqrt(self._step_squared.max()) / 2
        # An unbalanced tree searches as fast here and is built three times as fast.
        self._middles = cKDTree(xyz_start + self._step / 2, balanced_tree=False, compact_nodes=False)

    def nearest(self, xyz: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Kilometres (n,) from unit vectors (n, 3) to the nearest border, and the index (n,) of its region.

        The piece with the nearest midpoint need not be the nearest piece, so several are measured, and more
        as long as an unmeasured one could be nearer by more than the tolerance.
        """
        chord, region = np.empty(len(xyz)), np.empty(len(xyz), dtype=np.intp)
        open_rows, count = np.arange(len(xyz)), min(FEW, self._middles.n)
        while len(open_rows):
            to_middle, piece = self._middles.query(xyz[open_rows], k=np.arange(1, count + 1), workers=-1)
            to_piece = self._chord(xyz[open_rows, None], piece)
            best = to_piece.argmin(axis=1)
            rows = np.arange(len(open_rows))
            chord[open_rows], region[open_rows] = to_piece[rows, best], self._region[piece[rows, best]]
            unseen = to_middle[:, -1] - self._reach
            if count >= min(MANY, self._middles.n):
                break
            open_rows = open_rows[unseen < chord[open_rows] * (1 - TOLERANCE)]
            count = min(count * 4, self._middles.n)
        return chord_to_km(chord), region

    def _chord(self, xyz: np.ndarray, piece: np.ndarray) -> np.ndarray:
        """Straight distances through space of points (n, 1, 3) to pieces (n, k)."""
        step, offset = self._step[piece], xyz - self._start[piece]
        along = np.clip(np.einsum("nkx,nkx->nk", offset, step) / self._step_squared[piece], 0, 1)
        offset -= along[..., None] * step
        return np.sqrt(np.einsum("nkx,nkx->nk", offset, offset))


def _edges(geometries: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Both ends (lat, lon) of each distinct edge, and the first region that has it."""
    parts, region_of_part = shapely.get_parts(geometries, return_index=True)
    rings, part_of_ring = shapely.get_rings(parts, return_index=True)
    xy, ring = shapely.get_coordinates(rings, return_index=True)
    start, end = xy[:-1, ::-1], xy[1:, ::-1]
    region = region_of_part[part_of_ring[ring[:-1]]]
    along_seam = (np.abs(start[:, 1]) == 180) & (start[:, 1] == end[:, 1])
    along_pole = (np.abs(start[:, 0]) == 90) & (start[:, 0] == end[:, 0])
    keep = (ring[:-1] == ring[1:]) & ~along_seam & ~along_pole
    start, end, region = start[keep], end[keep], region[keep]
    swap = (start[:, 0] > end[:, 0]) | ((start[:, 0] == end[:, 0]) & (start[:, 1] > end[:, 1]))
    start, end = np.where(swap[:, None], end, start), np.where(swap[:, None], start, end)
    order = np.lexsort((region, end[:, 1], end[:, 0], start[:, 1], start[:, 0]))
    both = np.hstack([start, end])[order]
    first = np.append(True, (both[1:] != both[:-1]).any(axis=1))
    return both[first, :2], both[first, 2:], region[order][first]


def _cut(start: np.ndarray, end: np.ndarray, region: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Unit vectors of both ends of pieces up to `LONGEST_PIECE_KM` long, along the map's straight edges."""
    span = np.deg2rad(end - start)
    span[:, 1] *= np.cos(np.deg2rad(start[:, 0]))
    length_km = np.hypot(span[:, 0], span[:, 1]) * EARTH_RADIUS_KM
    pieces = np.maximum(np.ceil(length_km / LONGEST_PIECE_KM), 1).astype(np.intp)
    edge = np.repeat(np.arange(len(start)), pieces)
    nth = np.arange(len(edge)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    fraction = np.stack([nth, nth + 1], axis=1) / pieces[edge, None]
    ends = start[edge, None] + fraction[..., None] * (end - start)[edge, None]
    xyz = to_unit_vectors(ends)
    return xyz[:, 0], xyz[:, 1], region[edge]
