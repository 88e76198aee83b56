"""From a folder of samples to verified paths: list, filter, pair, sort, shuffle, limit, fetch, pin.

The order, the shuffle and the limit depend only on the ids, never on where or how files are stored.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from lost_and_found.data_lists import check_samples, new_list, pin, read_list
from lost_and_found.digests import digest
from lost_and_found.errors import InvalidConfig, ListMismatch, MissingInput, some_of
from lost_and_found.geo.countries import all_countries
from lost_and_found.processes import map_in_processes
from lost_and_found.samples import ID_PATTERN, IMAGE_SUFFIXES, Record, Sample, damage, parse_id, read_record
from lost_and_found.stores import Store

READ_IN_PROCESSES_FROM = 5_000
COLUMNS = ["id", "game", "lat", "lon", "country_code", "country_name", "region"]

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Selection:
    """Which samples, and in which order.

    Attributes:
        text: a substring of the id.
        mode: the id's mode, for example "singleplayer".
        countries: alpha-2 codes, one of which the record must have; empty for any.
        predicate: gets the sample and its record; true to keep it. Its name is written to the pinned list.
        shuffle_seed: shuffles the sorted ids; None leaves them sorted.
        limit: how many to keep, from the front, after the shuffle.

    Raises:
        InvalidConfig: a limit below 1 or a seed below 0, a country that is no alpha-2 code, or a predicate
            without a name.
    """

    text: str = ""
    mode: str = ""
    countries: frozenset[str] = frozenset()
    predicate: Callable[[Sample, Record], bool] | None = None
    shuffle_seed: int | None = None
    limit: int | None = None

    def __post_init__(self) -> None:
        """Refuse what would silently select nothing."""
        if self.predicate is not None and not hasattr(self.predicate, "__qualname__"):
            raise InvalidConfig(
                f"predicate {self.predicate!r} has no name to write to the pinned list; wrap it in a function"
            )
        for name, least, none in (("shuffle_seed", 0, "sorted"), ("limit", 1, "all")):
            if (value := getattr(self, name)) is None:
                continue
            if not isinstance(value, Integral) or value < least:
                raise InvalidConfig(
                    f"{name} {value!r} must be a whole number from {least} on, or None for {none} samples"
                )
            object.__setattr__(self, name, int(value))  # numpy's can't be written to a list's header
        known = {country.code for country in all_countries()} if self.countries else set()
        if wrong := sorted({*self.countries} - known):
            raise InvalidConfig(
                f"countries {wrong} are not alpha-2 codes; find_country(name).code gives them"
            )

    @property
    def needs_records(self) -> bool:
        """Whether records must be read, which takes far longer than listing names."""
        return bool(self.countries or self.predicate)

    def as_parameters(self) -> dict[str, Any]:
        """The JSON values that describe this selection in the header of a pinned list."""
        return {
            "text": self.text,
            "mode": self.mode,
            "countries": sorted(self.countries),
            "predicate": self.predicate and self.predicate.__qualname__,
            "seed": self.shuffle_seed,
            "limit": self.limit,
        }

    def names(self, ids: Sequence[str]) -> list[str]:
        """The ids that match `mode` and `text`."""
        if self.mode:
            ids = [one for one in ids if f"_{self.mode}_" in one and parse_id(one).mode == self.mode]
        return [one for one in ids if self.text in one]

    def accepts(self, sample: Sample, record: Record) -> bool:
        """Whether the record matches `countries` and `predicate`."""
        if self.countries and record.get("country_code") not in self.countries:
            return False
        return self.predicate is None or bool(self.predicate(sample, record))

    def order(self, ids: Sequence[str]) -> list[str]:
        """The ids sorted, then shuffled if there is a seed, and cut off at the limit."""
        ordered = sorted(ids)
        if self.shuffle_seed is not None:
            permutation = np.random.default_rng(self.shuffle_seed).permutation(len(ordered))
            ordered = [ordered[place] for place in permutation]
        return ordered[: self.limit]


def load_samples(
    folder: Path | str,
    *,
    selection: Selection = Selection(),
    pinned: Path | None = None,
    store: Store | Path | str | None = None,
) -> list[Sample]:
    """The selected samples in their pinned order, each with both files in `folder`.

    Args:
        folder: where samples are, flat or nested, and where fetched ones are put.
        selection: applies when the list is made; a list on disk decides for itself.
        pinned: path of the list, `data-lists/<name>.txt`. Written at the first run; every later run gets
            exactly these samples in this order, or an error.
        store: where missing files are fetched from, for example "http://host:8000/"; None to fetch nothing.

    Raises:
        MissingInput: no folder, or nothing in it that matches.
        ListMismatch: samples of the list are missing or changed, it was edited or made with another
            selection, or an id occurs twice in the folder.
        InvalidConfig: as for `find_pairs` and `pin`, or a list's predicate is a lambda: all have one name.
        StoreError: files couldn't be fetched.
        BrokenSample: the selection needs a record that can't be read.
    """
    if pinned and getattr(selection.predicate, "__name__", "") == "<lambda>":
        raise InvalidConfig(
            f"{pinned} would keep the predicate's name, by which one lambda can't be told from another; make "
            "it a function with a name"
        )
    folder, store = _opened(folder, store)
    if pinned and pinned.exists():
        return _load_pinned(folder, pinned, selection, store)
    samples = _select(folder, selection, store)
    if pinned:
        parameters = selection.as_parameters()
        pin(pinned, new_list(samples, "load_samples", parameters=parameters))
    return samples


def load_pinned(folder: Path | str, path: Path, *, store: Store | Path | str | None = None) -> list[Sample]:
    """The samples of a list that is there, in its order, each with both files in `folder`.

    Args:
        folder: as for `load_samples`.
        path: of the list, `data-lists/<name>.txt`, which is never made here.
        store: as for `load_samples`.

    Raises:
        MissingInput: no such list, or no folder.
        ListMismatch: the list was edited, samples of it are missing or changed, or an id occurs twice.
        InvalidConfig: as for `find_pairs`.
        StoreError: files couldn't be fetched.
    """
    folder, store = _opened(folder, store)
    return _load_pinned(folder, path, Selection(), store)


def find_pairs(folder: Path | str) -> tuple[dict[str, Sample], dict[str, str]]:
    """All pairs below a folder by id, and by id what half pairs lack: "image missing" or "record missing".

    Raises:
        MissingInput: no such folder.
        ListMismatch: an id occurs twice.
        InvalidConfig: a link leads back to a folder that contains it.
    """
    if not Path(folder).is_dir():
        raise MissingInput(f"{folder} is not a folder; run the notebook that writes it, or correct the path")
    images: dict[str, Sample] = {}
    records: dict[str, str] = {}
    twice: dict[str, str] = {}
    for parent, name in _files(str(folder)):
        stem, dot, ending = name.rpartition(".")
        if ending == "json":
            if stem in records:
                twice[stem] = parent
            records[stem] = parent
        elif dot + ending in IMAGE_SUFFIXES:
            if stem in images:
                twice[stem] = parent
            images[stem] = Sample(stem, parent, dot + ending)
    for stem, parent in twice.items():
        # Files such as import.json, which every folder of an import has, are no records.
        if stem in images or ID_PATTERN.fullmatch(stem):
            raise ListMismatch(f"{parent}: two files below have the id {stem}; ids must be unique")
    pairs = {stem: image for stem, image in images.items() if records.get(stem) == image.folder}
    halves = {stem: "record missing" for stem in images if stem not in pairs}
    halves |= {stem: "image missing" for stem in records if stem not in pairs and ID_PATTERN.fullmatch(stem)}
    return pairs, halves


def read_records(samples: Sequence[Sample]) -> list[Record]:
    """The record of each sample, in order.

    Raises:
        BrokenSample: a record can't be read.
    """
    return _read(read_record, [sample.record for sample in samples])


def records_table(samples: Sequence[Sample]) -> pd.DataFrame:
    """One row per sample, in order: id, game, lat, lon, country_code, country_name, region.

    Samples that belong together have the same `game`: the id without its round, or the record's `group` if
    there is one. Missing degrees are NaN, missing texts None.

    Raises:
        BrokenSample: a record can't be read.
    """
    table = pd.DataFrame(_read(_row, samples), columns=COLUMNS, dtype=object)
    return table.astype({"id": str, "game": str, "lat": float, "lon": float})


def _read(function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    workers = None if len(items) >= READ_IN_PROCESSES_FROM else 1
    return list(map_in_processes(function, items, description="records", workers=workers, chunk_size=500))


def _row(sample: Sample) -> tuple[object, ...]:
    """A row of `records_table`; made by the worker, as whole records are slow to send between processes."""
    record = read_record(sample.record)
    lat, lon = record.get("coordinates") or (np.nan, np.nan)
    texts = (record.get(name) for name in ("country_code", "country_name", "region"))
    return (sample.id, _game(sample.id, record), lat, lon, *texts)


def _game(sample_id: str, record: Record) -> str:
    group = record.get("group")
    if group in (None, ""):  # the first of numbered groups is 0
        return sample_id.rpartition("_")[0]
    return f"{parse_id(sample_id).site}_group_{group}"


def check_link(link: Path) -> None:
    """Refuse a link to a folder that contains the link itself, directly or through other links.

    Raises:
        InvalidConfig: it is one, and following it would never end.
    """
    target = link.resolve()
    if any(folder.resolve().is_relative_to(target) for folder in link.absolute().parents):
        raise InvalidConfig(f"{link} links to a folder that contains it; remove the link")


def _files(folder: str) -> Iterator[tuple[str, str]]:
    """(Folder, name) of each file below, hidden ones left out; strings, as Path objects cost seconds.

    Raises:
        InvalidConfig: a link leads back to a folder that contains it.
    """
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                if entry.is_symlink():
                    check_link(Path(entry.path))
                yield from _files(entry.path)
            else:
                yield folder, entry.name


def _opened(folder: Path | str, store: Store | Path | str | None) -> tuple[Path, Store | None]:
    """Both as objects; the folder is made if there is a store to fill it from."""
    store = Store(str(store)) if isinstance(store, str | Path) else store
    if store:
        Path(folder).mkdir(parents=True, exist_ok=True)
    return Path(folder), store


def _select(folder: Path, selection: Selection, store: Store | None) -> list[Sample]:
    pairs, halves = find_pairs(folder)
    remote = store.pairs() if store else {}
    away = {sample_id: paths for sample_id, paths in remote.items() if sample_id not in pairs}
    if left_out := sorted(halves.keys() - away.keys()):
        shown = some_of([f"{one} ({halves[one]})" for one in left_out])
        warnings.warn(f"{folder}: {len(left_out)} halves of pairs left out: {shown}", stacklevel=3)
    samples = pairs | _places(folder, away, halves)
    ids = selection.names(list(samples))
    if selection.needs_records:
        if store:
            _fetch(store, {away[one][1]: samples[one].record for one in ids if one in away}, {})
        candidates = [samples[one] for one in sorted(ids)]
        records = read_records(candidates)
        ids = [
            sample.id
            for sample, record in zip(candidates, records, strict=True)
            if selection.accepts(sample, record)
        ]
    chosen = selection.order(ids)
    if not chosen:
        raise MissingInput(
            f"{folder} holds {len(pairs)} pairs, none of which matches {selection.as_parameters()}"
        )
    if store:
        _fetch_pairs(store, {one: away[one] for one in chosen if one in away}, samples, {})
    return [samples[one] for one in chosen]


def _load_pinned(folder: Path, path: Path, selection: Selection, store: Store | None) -> list[Sample]:
    pinned, wanted = read_list(path), selection.as_parameters()
    if selection != Selection() and wanted != {key: pinned.parameters.get(key) for key in wanted}:
        raise ListMismatch(
            f"{path} was pinned with {dict(pinned.parameters)}, not with {wanted}; choose another name"
        )
    pairs, halves = find_pairs(folder)
    missing = [one for one in pinned.digests if one not in pairs]
    if missing and store:
        remote = store.pairs()
        away = {one: remote[one] for one in missing if one in remote}
        pairs |= _places(folder, away, halves)
        _fetch_pairs(store, away, pairs, pinned.digests)
        missing = [one for one in missing if one not in away]
    if missing:
        shown = some_of([f"{one} ({halves.get(one, 'both files missing')})" for one in missing])
        where = f" nor in {store.location}" if store else ""
        raise ListMismatch(
            f"{path} names {len(pinned)} samples; {len(missing)} are not in {folder}{where}: {shown}. "
            "Bring them back, give a store that has them, or remove the list to make a new one."
        )
    samples = [pairs[one] for one in pinned.digests]
    check_samples(pinned, samples, where=path)
    return samples


def _places(
    folder: Path, away: Mapping[str, tuple[str, str]], halves: Mapping[str, str]
) -> dict[str, Sample]:
    """Where fetched pairs go: into the folder, or beside a half that is already in a folder below."""
    # One walk for all of them: a killed download can leave as many halves as there are samples.
    walk = _files(str(folder)) if halves.keys() & away.keys() else ()
    beside = {name.rpartition(".")[0]: parent for parent, name in walk}
    return {
        sample_id: Sample(sample_id, beside.get(sample_id, str(folder)), Path(image).suffix)
        for sample_id, (image, _) in away.items()
    }


def _fetch_pairs(
    store: Store,
    away: Mapping[str, tuple[str, str]],
    samples: Mapping[str, Sample],
    digests: Mapping[str, str],
) -> None:
    """Download images first, then records, so that a killed download leaves half pairs and no bad ones."""
    _fetch(store, {image: samples[one].image for one, (image, _) in away.items()}, digests)
    _fetch(store, {record: samples[one].record for one, (_, record) in away.items()}, {})


def _fetch(store: Store, wanted: Mapping[str, Path], digests: Mapping[str, str]) -> None:
    def verify(target: Path, content: bytes) -> str | None:
        if expected := digests.get(target.stem):
            return None if expected == digest(content) else "is not the image that was pinned"
        return damage(content, target.suffix)

    still_missing = {path: target for path, target in wanted.items() if not target.exists()}
    if still_missing:
        store.fetch(still_missing, verify=verify)
