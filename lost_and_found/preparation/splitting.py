"""Dividing a list into train, val and test so that results on test mean something.

Every class is in every split in about the same share, and whatever looks alike stays together: the rounds of
one game, and pictures taken within a short distance of each other, directly or by way of others between them.

Such chains are a trap. Games have rounds all over the world, so with many pictures and a long distance they
connect nearly everything. Simulated for 332,786 pictures, scattered by 2 km around towns, five to a game and
as many from each country as in the published collection:

| distance | pictures in the largest group |
|---|---|
| 0.05 km | 0.006 % |
| 0.1 km | 0.03 % |
| 0.25 km | 2 % |
| 0.5 km | 9 % |
| 1 km | 85 % |

Hence the default of 0.1 km, which is ten times the spacing of street views along a road.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from lost_and_found.data_lists import PinnedList, pin, sublist
from lost_and_found.errors import InvalidConfig, LeakyList, UnknownCountry, UnsplittableClass, some_of
from lost_and_found.geo.countries import find_country
from lost_and_found.geo.distances import km_to_chord, to_unit_vectors
from lost_and_found.preparation.places import close_pairs

NAMES = ("train", "val", "test")
RATIOS = (0.7, 0.2, 0.1)
PLACE_KM = 0.1
# A group is too large if it exceeds both: a share of all samples, and a number that small lists may reach.
LARGEST_SHARE = 0.05
LARGEST_IN_SMALL_LISTS = 50
LARGE_SHARE = 0.002
REFINING_PASSES = 10


def split(
    table: pd.DataFrame, *, ratios: Sequence[float] = RATIOS, seed: int = 0, place_km: float = PLACE_KM
) -> dict[str, list[str]]:
    """Ids for "train", "val" and "test", each in a random order.

    Groups are dealt out class by class, the rarest class first, each to the split that lacks most of it; then
    single groups move where that brings shares closer to the ratios. The order of the rows doesn't matter.

    Args:
        table: from `records_table`; columns id, game, country_code, lat and lon (NaN when absent).
        ratios: shares of the three splits, which add up to 1.
        seed: of all random choices.
        place_km: pictures at most this far apart stay together.

    Raises:
        UnsplittableClass: a class has fewer groups than there are splits.
        InvalidConfig: no samples, impossible ratios, a negative seed, samples without a class, or a place_km
            that chains too many together.

    Source: Sechidis et al., "On the Stratification of Multi-Label Data" (2011), algorithm 1, with groups in
        the place of samples that have several labels.
    """
    if len(ratios) != len(NAMES) or min(ratios) <= 0 or not abs(sum(ratios) - 1) <= 1e-9:  # refuses NaN, too
        raise InvalidConfig(
            f"ratios must be three numbers above 0 that add up to 1 (train, val, test), not {tuple(ratios)}"
        )
    if seed < 0:
        raise InvalidConfig(f"seed {seed} must be at least 0")
    if table.empty:
        raise InvalidConfig("there are no samples to split")
    table = table.sort_values("id", ignore_index=True)
    if unlabelled := table.loc[table["country_code"].isna(), "id"].tolist():
        raise InvalidConfig(
            f"{len(unlabelled)} samples have no country_code ({some_of(unlabelled)}); "
            "2-data-preparation/02-enrich-records gives them one"
        )
    groups = group_samples(table, place_km=place_km)
    _check_group_sizes(table, groups, place_km)
    rng = np.random.default_rng(seed)
    counts = _count_classes(table, groups)
    deal = _Deal(counts, np.asarray(ratios))
    deal.deal_large_groups()
    deal.deal(rng.permutation(len(deal.contents)))
    deal.repair()
    deal.refine()
    split_of_row = deal.split_of_group[groups]
    shuffled = rng.permutation(len(table))
    ids = table["id"].to_numpy(dtype=object)
    return {
        name: ids[shuffled[split_of_row[shuffled] == number]].tolist() for number, name in enumerate(NAMES)
    }


def without(table: pd.DataFrame, countries: str) -> pd.DataFrame:
    """The rows of all other countries.

    Args:
        table: as for `split`.
        countries: names or codes, separated by commas; may be empty.

    Raises:
        InvalidConfig: an unknown country, or one that the table doesn't have.
    """
    try:
        codes = {find_country(name).code for name in countries.split(",") if name.strip()}
    except UnknownCountry as error:
        raise InvalidConfig(f"leave_out {countries!r}: {error}; separate countries by commas") from None
    if strangers := sorted(codes - set(table["country_code"])):
        raise InvalidConfig(f"leave_out {countries!r}: the list has no {', '.join(strangers)}")
    return table[~table["country_code"].isin(codes)].reset_index(drop=True)


def group_samples(table: pd.DataFrame, *, place_km: float = PLACE_KM) -> np.ndarray:
    """A group number (n,) for each row; those of one game or of close places, even by a chain, share it."""
    rows = np.arange(len(table))
    numbers = table["game"].factorize()[0]
    games = np.where(numbers < 0, rows, numbers + len(table))  # without a game, a sample is a group itself
    pairs = close_pairs(table[["lat", "lon"]].to_numpy(dtype=float), place_km)
    edges = np.concatenate([np.stack([rows, games], axis=1), pairs])
    nodes = 2 * len(table)
    graph = coo_matrix((np.ones(len(edges), dtype=bool), (edges[:, 0], edges[:, 1])), shape=(nodes, nodes))
    labels = connected_components(graph, directed=False)[1][: len(table)]
    return pd.factorize(labels)[0]


def groups_of_list(table: pd.DataFrame, pinned: PinnedList) -> np.ndarray:
    """A group number (n,) for each row, as in the split that made the list, with its `place_km`."""
    return group_samples(table, place_km=pinned.parameters.get("place_km", PLACE_KM))


def audit(
    table: pd.DataFrame, splits: Mapping[str, Sequence[str]], *, place_km: float = PLACE_KM
) -> pd.DataFrame:
    """Samples of each class in each split and their shares, once the splits are found to be sound.

    It uses none of the code that makes splits.

    Returns:
        One row per class, the most frequent first: country_code, total, count and share of each split, and
        unlocated: its samples without coordinates, for which it is unknown whether splits share a place.

    Raises:
        LeakyList: an id is in the splits twice, in none, or not in the table; splits share a game or a place;
            a class is missing from one. The message lists all of these.
    """
    in_table = set(table["id"])
    all_ids = pd.Series([one for ids in splits.values() for one in ids], dtype=object)
    twice = all_ids[all_ids.duplicated()].unique().tolist()
    missing = sorted(in_table.difference(all_ids))
    strangers = sorted(set(all_ids) - in_table)
    problems = [
        f"{len(ids)} samples are {what}: {some_of(ids)}"
        for ids, what in (
            (twice, "in the splits twice"),
            (missing, "in no split"),
            (strangers, "not in the list that was split"),
        )
        if ids
    ]
    split_of = {one: name for name, ids in splits.items() for one in ids}
    rows = table.assign(split=table["id"].map(split_of)).dropna(subset=["split"])
    problems += _shared_games(rows) + _shared_places(rows, place_km)
    counts = pd.crosstab(rows["country_code"], rows["split"]).reindex(columns=list(splits), fill_value=0)
    problems += [
        f"{name} lacks {some_of(counts.index[counts[name] == 0].tolist())}"
        for name in splits
        if (counts[name] == 0).any()
    ]
    if problems:
        raise LeakyList(
            "; ".join(problems) + ". Make the splits again with 2-data-preparation/05-split-list."
        )
    report = counts.assign(total=counts.sum(axis=1)).sort_values(["total"], ascending=False, kind="stable")
    for name in splits:
        report[f"{name}_share"] = report[name] / report["total"]
    report["unlocated"] = rows[["lat", "lon"]].isna().any(axis=1).groupby(rows["country_code"]).sum()
    return report.reset_index().rename_axis(columns=None)


def pin_splits(
    parent: Path, splits: Mapping[str, Sequence[str]], table: pd.DataFrame, *, parameters: Mapping[str, Any]
) -> dict[str, PinnedList]:
    """Pin each split as a list beside its parent: `<name>.train.txt` and so on.

    Args:
        parent: the list that was split, `data-lists/<name>.txt`.
        splits: from `split`.
        table: the rows that were split, with id and country_code.
        parameters: seed, ratios and distance, for the headers.

    Raises:
        ListMismatch: another split of this list exists already, even just one part of it, or the parent was
            edited; nothing is written.
    """
    country = table.set_index("id")["country_code"]
    paths = {name: parent.with_name(f"{parent.stem}.{name}.txt") for name in splits}
    lists = {
        name: sublist(parent, ids, "split", parameters=parameters, country_codes=country.loc[list(ids)])
        for name, ids in splits.items()
    }
    # Existing lists first: a new one beside a list of another split would share its samples.
    for name in sorted(paths, key=lambda name: not paths[name].exists()):
        lists[name] = pin(paths[name], lists[name])
    return lists


def _count_classes(table: pd.DataFrame, groups: np.ndarray) -> pd.DataFrame:
    """One row for each class in each group: columns class_number, name, group, samples."""
    numbers, names = pd.factorize(table["country_code"], sort=True)
    rows = pd.DataFrame({"class_number": numbers, "group": groups})
    counts = rows.groupby(["class_number", "group"]).size().reset_index(name="samples")
    counts["name"] = np.asarray(names, dtype=object)[counts["class_number"]]
    too_small = counts.groupby("name").agg(samples=("samples", "sum"), groups=("group", "size"))
    too_small = too_small[too_small["groups"] < len(NAMES)]
    if len(too_small):
        listed = [f"{row.Index!s} ({row.samples} in {row.groups})" for row in too_small.itertuples()]
        way_out = f", or set leave_out to {','.join(map(str, too_small.index))!r} to split the others"
        raise UnsplittableClass(
            f"{len(too_small)} classes have fewer than {len(NAMES)} groups of games and places and can't be "
            f"in every split: {', '.join(listed)} (samples in groups). "
            f"Collect more of them{way_out if len(too_small) < len(names) else ''}."
        )
    return counts


class _Deal:
    """The assignment of groups to splits, as it is made.

    Attributes:
        contents: for each group, the (classes, samples of each) in it.
        totals: samples of each class.
        needs: (classes, splits) samples that each split still lacks.
        present: (classes, splits) groups of each class that each split has so far.
        split_of_group: -1 while a group is undecided.
    """

    def __init__(self, counts: pd.DataFrame, ratios: np.ndarray) -> None:
        class_numbers = counts["class_number"]
        self.members = {number: counts[class_numbers == number] for number in range(class_numbers.max() + 1)}
        by_group = counts.sort_values("group", kind="stable")
        columns = by_group[["class_number", "samples"]].to_numpy()
        ends = np.cumsum(np.bincount(by_group["group"]))
        self.contents = [(rows[:, 0], rows[:, 1]) for rows in np.split(columns, ends[:-1])]
        self.totals = np.bincount(class_numbers, weights=counts["samples"])
        self.needs = self.totals[:, None] * ratios
        self.present = np.zeros(self.needs.shape, dtype=int)
        self.split_of_group = np.full(len(self.contents), -1)

    def give(self, group: int, split_number: int) -> None:
        """Put a group into a split, taking it out of its current one."""
        classes, samples = self.contents[group]
        if (giver := self.split_of_group[group]) >= 0:
            self.needs[classes, giver] += samples
            self.present[classes, giver] -= 1
        self.needs[classes, split_number] -= samples
        self.present[classes, split_number] += 1
        self.split_of_group[group] = split_number

    def deal_large_groups(self) -> None:
        """Deal those that could fill a small split first, each to the split with the greatest total need."""
        sizes = np.array([samples.sum() for _, samples in self.contents])
        large = np.flatnonzero(sizes > max(LARGEST_IN_SMALL_LISTS / 2, LARGE_SHARE * sizes.sum()))
        for group in large[np.argsort(-sizes[large], kind="stable")]:
            self.give(group, int(self.needs.sum(axis=0).argmax()))

    def deal(self, luck: np.ndarray) -> None:
        """Deal class by class, the rarest first, each group to the split that needs the class most."""
        waiting = set(self.members)
        left = self.totals.copy()
        for group in np.flatnonzero(self.split_of_group >= 0):
            left[self.contents[group][0]] -= self.contents[group][1]
        while waiting:
            rarest = min(waiting, key=lambda number: (left[number], number))
            waiting.remove(rarest)
            rows = self.members[rarest]
            rows = rows[self.split_of_group[rows["group"]] < 0]
            order = np.lexsort((luck[rows["group"]], -rows["samples"].to_numpy()))
            for position, group in enumerate(rows["group"].to_numpy()[order]):
                lacking = self.present[rarest] == 0
                # The last groups of a class are for the splits that have none of it yet.
                forced = len(rows) - position <= lacking.sum()
                rank = np.where(lacking | (not forced), self.needs[rarest], -np.inf)
                best = np.flatnonzero(rank == rank.max())
                self.give(group, int(best[self.needs.sum(axis=0)[best].argmax()]))
                left[self.contents[group][0]] -= self.contents[group][1]

    def refine(self) -> None:
        """Move single groups as long as the sum of squared needs, each over its class's size, decreases."""
        for _ in range(REFINING_PASSES):
            moves = 0
            for group, (classes, samples) in enumerate(self.contents):
                giver = self.split_of_group[group]
                if (self.present[classes, giver] == 1).any():
                    continue
                # How the sum changes when a split gets the group, and when the giver loses it.
                weights = samples / self.totals[classes]
                gains = weights @ (samples[:, None] - 2 * self.needs[classes])
                loss = weights @ (samples + 2 * self.needs[classes, giver])
                taker = int(gains.argmin())
                if gains[taker] + loss < -1e-9:
                    self.give(group, taker)
                    moves += 1
            if not moves:
                break

    def repair(self) -> None:
        """Bring classes back into splits that lack them because rarer classes decided where groups went.

        Raises:
            UnsplittableClass: that would take another class out of a split.
        """
        for class_number, lacking in np.argwhere(self.present == 0):
            rows = self.members[class_number].sort_values(["samples", "group"])
            for group in rows["group"]:
                if self.present[class_number, lacking]:
                    break
                classes, _ = self.contents[group]
                if (self.present[classes, self.split_of_group[group]] > 1).all():
                    self.give(group, int(lacking))
            if not self.present[class_number, lacking]:
                raise UnsplittableClass(
                    f"class {rows['name'].iloc[0]} can't be in every split, because its {len(rows)} groups "
                    "of games and places also hold the last samples of other classes. Collect more of it, or "
                    f"set leave_out to {rows['name'].iloc[0]!s} to split the others."
                )


def _check_group_sizes(table: pd.DataFrame, groups: np.ndarray, place_km: float) -> None:
    # Games and declared groups may be of any size; only chains of them are refused.
    games = table["game"].value_counts()
    largest = np.bincount(groups).max()
    limit = max(LARGEST_IN_SMALL_LISTS, LARGEST_SHARE * len(table), games.max())
    if largest <= limit:
        return
    smaller_km = place_km / 2
    while smaller_km > 1e-3 and np.bincount(group_samples(table, place_km=smaller_km)).max() > limit:
        smaller_km /= 2
    advice = (
        f"place_km={smaller_km:.3g} works, and lets pictures that are farther apart be in two splits"
        if smaller_km > 1e-3
        else "no place_km helps, because games of one place hold that many; if they belong together, import "
        "them with one group for all"
    )
    raise InvalidConfig(
        f"at place_km={place_km} games and nearby places chain {largest:,} of {len(table):,} samples into "
        f"one group, which goes to one split as a whole; at most {int(limit):,} are reasonable: {advice}"
    )


def _shared_games(rows: pd.DataFrame) -> list[str]:
    spread = rows.groupby("game")["split"].nunique()
    games = spread.index[spread > 1].tolist()
    return [f"{len(games)} games are in two splits: {some_of(games)}"] if games else []


def _shared_places(rows: pd.DataFrame, place_km: float) -> list[str]:
    problems = []
    located = rows.dropna(subset=["lat", "lon"])
    parts = dict(iter(located.groupby("split", sort=False)))
    trees = {name: cKDTree(to_unit_vectors(part[["lat", "lon"]].to_numpy())) for name, part in parts.items()}
    # The query excludes the bound itself, and 0 km must still find the same place.
    reach = km_to_chord(place_km) + 1e-15
    for name, other in combinations(parts, 2):
        nearest, where = trees[other].query(trees[name].data, distance_upper_bound=reach)
        close = np.flatnonzero(np.isfinite(nearest))
        if len(close):
            pairs = [f"{parts[name]['id'].iloc[i]} / {parts[other]['id'].iloc[where[i]]}" for i in close]
            what = f"{len(close)} samples of {name!s} are within {place_km} km of {other!s}"
            problems.append(f"{what}: {some_of(pairs)}")
    return problems
