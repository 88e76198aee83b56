"""Removal of pictures that show nothing, and of near-duplicates."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from lost_and_found.errors import InvalidConfig, some_of
from lost_and_found.geo.distances import haversine_km, km_to_chord, to_unit_vectors

# What is wrong with a picture that is below the threshold of a measure.
DEFECTS = {"channel_variance": "dark or empty", "laplacian_variance": "blurred"}
REMOVED_COLUMNS = ["id", "reason", "value", "like"]
HASH_BITS = 64
MAXIMUM_HASH_DISTANCE = 6
PAIRS_AT_ONCE = 4_000_000
OFF = -1


@dataclass(frozen=True)
class Thresholds:
    """Limits by which pictures are kept or removed.

    Attributes:
        channel_variance: minimum for the largest variance of a channel, in squared levels of 0 to 255.
        laplacian_variance: minimum for the variance of the Laplacian, in squared levels.
        duplicate_km: pictures at most this far apart show the same place; -1 keeps them all.
        hash_distance: pictures whose hashes differ in at most this many of 64 bits are the same; -1 keeps
            them all. Among 3.7 million pairs of street views, those up to 6 bits apart showed the same scene
            and those 10 or more bits apart different ones, whose number grew fivefold with every two bits;
            so among 332,786 pictures a distance of 2 takes some hundreds for others, and 4 some thousands.

    Raises:
        InvalidConfig: a threshold is out of range.
    """

    channel_variance: float = 300.0
    laplacian_variance: float = 30.0
    duplicate_km: float = 0.005
    hash_distance: int = 2

    def __post_init__(self) -> None:
        """Refuse values that would keep or remove everything by mistake."""
        if not (self.channel_variance >= 0 and self.laplacian_variance >= 0):
            raise InvalidConfig(f"variance thresholds can't be negative, as in {self}; 0 keeps every picture")
        if self.duplicate_km != OFF and not 0 <= self.duplicate_km <= 10:
            raise InvalidConfig(f"duplicate_km {self.duplicate_km} must be in 0 to 10 km, or {OFF} for off")
        if self.hash_distance not in (OFF, *range(MAXIMUM_HASH_DISTANCE + 1)):
            raise InvalidConfig(
                f"hash_distance {self.hash_distance} must be a whole number in 0 to {MAXIMUM_HASH_DISTANCE}, "
                f"or {OFF} for off"
            )
        object.__setattr__(self, "hash_distance", int(self.hash_distance))  # 2.0 is whole, too


def clean(
    table: pd.DataFrame, measures: pd.DataFrame, thresholds: Thresholds = Thresholds()
) -> tuple[list[str], pd.DataFrame]:
    """The ids to keep, in order, and one row for each removed one: id, reason, value, like.

    Of similar pictures, the first in the order of the table is kept, and `like` names it. Pictures are only
    compared with kept ones, so none is removed as a duplicate of a removed one.

    Args:
        table: columns id, lat and lon (NaN when absent).
        measures: from `measure_images`, for at least the ids of the table.
        thresholds: see `Thresholds`.

    Raises:
        InvalidConfig: ids without measures, duplicate ids, or nothing left to keep.
    """
    rows = _joined(table, measures)
    removed: dict[int, tuple[str, float, str]] = {}
    ids = rows["id"].tolist()
    for row in np.flatnonzero(rows["problem"] != "").tolist():
        removed[row] = (f"unreadable: {rows['problem'].iloc[row]}", np.nan, "")
    for name, reason in DEFECTS.items():
        values = rows[name].to_numpy(dtype=float)
        for row in np.flatnonzero(values < getattr(thresholds, name)).tolist():
            removed.setdefault(row, (reason, float(values[row]), ""))
    left = rows.drop(index=list(removed))
    for row, (reason, value, like) in _duplicates(left, thresholds).items():
        removed[row] = (reason, value, ids[like])
    kept = [one for row, one in enumerate(ids) if row not in removed]
    listed = pd.DataFrame([(ids[row], *removed[row]) for row in sorted(removed)], columns=REMOVED_COLUMNS)
    if not kept:
        reasons = [f"{count} {reason}" for reason, count in listed["reason"].value_counts().items()]
        raise InvalidConfig(
            f"none of {len(ids)} pictures would be left ({some_of(reasons)}); lower the thresholds, or get "
            "other pictures"
        )
    return kept, listed


def contradictions(removed: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """Removed pictures whose country differs from that of the picture kept instead; one of the two is wrong.

    Where one of the two countries is unknown, nothing contradicts.

    Args:
        removed: from `clean`.
        table: columns id and country_code.

    Returns:
        Columns id, country_code, like, country_of_like, reason, value.
    """
    country = table.set_index("id")["country_code"]
    alike = removed[removed["like"] != ""]
    alike = alike.assign(country_code=alike["id"].map(country), country_of_like=alike["like"].map(country))
    columns = ["id", "country_code", "like", "country_of_like", "reason", "value"]
    differ = alike["country_code"] != alike["country_of_like"]
    return alike.loc[differ & alike["country_code"].notna() & alike["country_of_like"].notna(), columns]


@dataclass
class _Likeness:
    """One kind of similarity: pictures are alike if their classes are the same or near each other.

    Attributes:
        reason: why the later one is removed.
        classes: the class of each row.
        near: gives the classes near a class, with their distances. It is asked for kept rows alone, of which
            few are in one place: thousands of photos taken at home have millions of pairs.
        kept: for each class, the first kept row that is similar to its rows, and its distance.
    """

    reason: str
    classes: dict[int, int]
    near: Callable[[int], Iterable[tuple[int, float]]]
    kept: dict[int, tuple[int, float]] = field(default_factory=dict)

    def kept_like(self, row: int) -> tuple[int, float] | None:
        """The first kept row that is similar to this one, and its distance; None if there is none."""
        return self.kept.get(self.classes.get(row, -1))

    def keep(self, row: int) -> None:
        """Note that a row, which is similar to no kept one, is kept."""
        if row in self.classes:
            own = self.classes[row]
            for one, apart in [(own, 0.0), *self.near(own)]:
                self.kept.setdefault(one, (row, apart))


def _duplicates(rows: pd.DataFrame, thresholds: Thresholds) -> dict[int, tuple[str, float, int]]:
    """For each row to remove: the reason, the distance to the row kept instead, and that row."""
    likenesses = []
    if thresholds.duplicate_km != OFF:
        located = rows.dropna(subset=["lat", "lon"]).replace({"lon": {-180.0: 180.0}})  # one meridian
        points, classes = np.unique(
            located[["lat", "lon"]].to_numpy(dtype=float), axis=0, return_inverse=True
        )
        near = _near_places(points, thresholds.duplicate_km)
        likenesses.append(_Likeness("same place", _classes(located.index, classes), near))
    if thresholds.hash_distance != OFF:
        hashes, classes = np.unique(
            np.array([int(one, 16) for one in rows["perceptual_hash"]], dtype=np.uint64), return_inverse=True
        )
        near = _near_hashes(hashes, thresholds.hash_distance)
        likenesses.append(_Likeness("same picture", _classes(rows.index, classes), near))
    removed: dict[int, tuple[str, float, int]] = {}
    for row in rows.index:
        for one in likenesses:
            if found := one.kept_like(row):
                removed[row] = (one.reason, found[1], found[0])
                break
        else:
            for one in likenesses:
                one.keep(row)
    return removed


def _classes(rows: pd.Index, classes: np.ndarray) -> dict[int, int]:
    return dict(zip(rows.tolist(), classes.ravel().tolist(), strict=True))


def _near_places(points: np.ndarray, distance_km: float) -> Callable[[int], Iterable[tuple[int, float]]]:
    """For a row of distinct points (n, 2) in degrees, the others at most this far away, and how far."""
    tree = cKDTree(to_unit_vectors(points))
    chord = km_to_chord(distance_km)
    # Whether the second nearest, after itself, is too far away; most are alone, and this tells it quickly.
    alone = np.isinf(tree.query(tree.data, k=[2], distance_upper_bound=1.001 * chord + 1e-15)[0][:, 0])

    def near(one: int) -> Iterable[tuple[int, float]]:
        if alone[one]:
            return ()
        others = [other for other in tree.query_ball_point(tree.data[one], chord) if other != one]
        return zip(others, haversine_km(points[one], points[others]).tolist(), strict=True)

    return near


def _near_hashes(hashes: np.ndarray, distance: int) -> Callable[[int], Iterable[tuple[int, float]]]:
    """For a row of distinct hashes, the others at most this many bits apart, and how many."""
    near: dict[int, list[tuple[int, float]]] = {}
    pairs = similar_hashes(hashes, distance)
    bits_apart = np.bitwise_count(hashes[pairs[:, 0]] ^ hashes[pairs[:, 1]])
    for (one, other), bits in zip(pairs.tolist(), bits_apart.tolist(), strict=True):
        near.setdefault(one, []).append((other, float(bits)))
        near.setdefault(other, []).append((one, float(bits)))
    return lambda one: near.get(one, ())


def similar_hashes(hashes: np.ndarray, distance: int) -> np.ndarray:
    """Pairs of rows (m, 2) of distinct uint64 hashes at most `distance` bits apart, the earlier row first.

    Candidates agree in one of distance + 1 bands of bits, as `distance` bits can't differ in all of them.
    """
    pairs = [np.empty((0, 2), dtype=np.intp)]
    edges = np.linspace(0, HASH_BITS, distance + 2).astype(int) if distance else np.array([0])
    for low, high in itertools.pairwise(edges):
        band = (hashes >> np.uint64(low)) & np.uint64((1 << int(high - low)) - 1)
        order = np.argsort(band, kind="stable")
        starts = np.concatenate([[0], np.flatnonzero(np.diff(band[order])) + 1, [len(order)]])
        for start, size in zip(starts[:-1], np.diff(starts), strict=True):
            if size > 1:
                pairs.extend(_near_in_bucket(hashes, order[start : start + size], distance))
    return np.unique(np.concatenate(pairs), axis=0)


def _near_in_bucket(hashes: np.ndarray, bucket: np.ndarray, distance: int) -> Iterator[np.ndarray]:
    """Pairs of rows (k, 2) from one bucket of ascending rows, in blocks to bound the memory use."""
    values = hashes[bucket]
    step = max(1, PAIRS_AT_ONCE // len(bucket))
    for start in range(0, len(bucket), step):
        near = np.bitwise_count(values[start : start + step, None] ^ values[None, start:]) <= distance
        left, right = np.nonzero(near)
        different = left < right
        yield bucket[start + np.stack([left[different], right[different]], axis=1)]


def _joined(table: pd.DataFrame, measures: pd.DataFrame) -> pd.DataFrame:
    for name, ids in (("list", table["id"]), ("measures", measures["id"])):
        if ids.duplicated().any():
            raise InvalidConfig(f"the {name} names {ids[ids.duplicated()].iloc[0]} twice")
    rows = table[["id", "lat", "lon"]].merge(measures, on="id", how="left", validate="one_to_one")
    if (lacking := rows["problem"].isna()).any():
        raise InvalidConfig(
            f"{lacking.sum()} samples have no measures, such as {rows['id'][lacking].iloc[0]}; measure them"
        )
    return rows
