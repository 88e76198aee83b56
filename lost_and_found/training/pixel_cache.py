"""Pictures decoded and resized once: a memory-mapped array of 8-bit pixels and a table of labels.

A cache is the folder `<list>-<width>x<height>-<digest of the list>` with `pixels.npy` (uint8, N x 3 x height
x width), `labels.csv` (the records in the same order) and `cache.json` (what it was made of). It gets its
name only once it is complete. Nothing is normalised here: that belongs to the model.
"""

from __future__ import annotations

import functools
import math
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from lost_and_found.data_lists import PinnedList, read_list, refuse_shared
from lost_and_found.data_loader import load_pinned, records_table
from lost_and_found.digests import digest
from lost_and_found.errors import InvalidConfig, ListMismatch, MissingInput, StorageFull
from lost_and_found.locks import sole_writer
from lost_and_found.processes import map_in_processes
from lost_and_found.samples import (
    NO_ROOM,
    Sample,
    read_json,
    table_bytes,
    write_atomically,
    write_json,
    write_table,
)
from lost_and_found.stamps import stamp
from lost_and_found.training.decoding import CHANNELS, RESAMPLING, allocate, write_picture
from lost_and_found.workspace import ENRICH, Workspace

DEGREES = ("lat", "lon")
COPY_SIZE = (320, 180)  # (width, height) of working copies, unless said otherwise
# In the cache's folder: a digest of the sizes and times of the record files that the table was made from, and
# the subfolder of the samples folder that holds all of them.
STAMPS = "records.stamp"


@dataclass(frozen=True, kw_only=True)
class CacheSpec:
    """What a cache is made of: a list (by name and digest) and a picture size in pixels."""

    list_name: str
    list_digest: str
    width: int
    height: int
    resampling: str = RESAMPLING

    @property
    def folder_name(self) -> str:
        """Name of the folder of this cache."""
        return f"{self.list_name}-{self.width}x{self.height}-{self.list_digest[:12]}"


@dataclass(frozen=True)
class PixelCache:
    """The pixels and records of a split.

    Attributes:
        spec: what it was made of.
        pixels: uint8, shape (N, 3, height, width), mapped from the file; RGB, rows from the top.
        table: one record per picture in the same order, with at least the column `id`.
        folder: where it is.
        copy_size: (width, height) of the largest file it was made from. Stage 2's working copies have that
            size unless every photo was smaller.
    """

    spec: CacheSpec
    pixels: np.ndarray
    table: pd.DataFrame
    folder: Path
    copy_size: tuple[int, int] = COPY_SIZE

    @property
    def ids(self) -> list[str]:
        """Ids of the samples, in order."""
        return self.table["id"].tolist()

    def __len__(self) -> int:
        return len(self.pixels)


def cache_splits(
    workspace: Workspace, *, folder: Path, width: int, height: int
) -> tuple[PixelCache, PixelCache, PixelCache]:
    """The caches of train, val and test, each as `cache_split` gives it.

    Raises:
        LeakyList: they share samples.
        MissingInput, ListMismatch, BrokenSample, StorageFull: as in `cache_split`.
    """
    train, val, test = (
        cache_split(workspace, split, folder=folder, width=width, height=height)
        for split in (".train", ".val", ".test")
    )
    refuse_shared({cache.spec.list_name: cache.ids for cache in (train, val, test)})
    return train, val, test


def cache_split(workspace: Workspace, split: str, *, folder: Path, width: int, height: int) -> PixelCache:
    """The cache of a split of the workspace's dataset.

    Where the samples folder is absent, as on a machine to which only pixels were sent, the cache is used as
    it is; it must still be that of the pinned list.

    Args:
        workspace: with the pinned list and the enriched pairs.
        split: ".train", ".val" or ".test".
        folder: where caches are kept.
        width: in pixels.
        height: in pixels.

    Raises:
        MissingInput: no list, or neither samples nor a cache.
        ListMismatch, BrokenSample, StorageFull: as in `cache_list`.
    """
    path = workspace.list_path(split)
    if not workspace.has_output(ENRICH):
        spec = _spec_of(path, read_list(path), width=width, height=height)
        if (folder / spec.folder_name / "cache.json").is_file():
            return read_cache(folder / spec.folder_name, spec=spec)
    samples = workspace.input(ENRICH)
    return cache_list(path, samples_folder=samples, folder=folder, width=width, height=height)


def cache_list(path: Path, *, samples_folder: Path, folder: Path, width: int, height: int) -> PixelCache:
    """The cache of a pinned list.

    Pictures are checked when they are decoded and not looked at again: training uses the pixels that were
    pinned, whatever has happened to the files since. Records are read again only if one of their files has
    changed: checking takes seconds, reading minutes.

    Args:
        path: `data-lists/<name>.txt`.
        samples_folder: where its samples are.
        folder: where caches are kept.
        width: in pixels.
        height: in pixels.

    Raises:
        MissingInput: there is no such list.
        ListMismatch: samples are missing or changed, or the existing cache isn't made from them.
        BrokenSample: a picture or record can't be read.
        StorageFull: no room.
    """
    pinned = read_list(path)
    spec = _spec_of(path, pinned, width=width, height=height)
    place = folder / spec.folder_name
    if _is_warm(place, samples_folder, pinned.ids):
        cache = read_cache(place, spec=spec)
        if cache.ids == pinned.ids:
            return cache
    samples = load_pinned(samples_folder, path)
    folders = {os.path.relpath(one, samples_folder) for one in {sample.folder for sample in samples}}
    inner = folders.pop() if len(folders) == 1 else None
    # Taken before the records are read, so that a change meanwhile is seen the next time.
    stamps = _stamps(samples_folder, inner, pinned.ids) if inner else ""
    cache = cache_pixels(samples, records_table(samples), folder=folder, spec=spec)
    (place / STAMPS).unlink(missing_ok=True)
    if inner:
        write_atomically(place / STAMPS, f"{stamps}\n{inner}\n".encode())
    return cache


def _is_warm(place: Path, samples_folder: Path, ids: Sequence[str]) -> bool:
    """Whether the record files are still those that the cache's table was made from."""
    try:
        stamps, _, inner = (place / STAMPS).read_text().partition("\n")
        return _stamps(samples_folder, inner.strip(), ids) == stamps
    except (FileNotFoundError, NotADirectoryError):  # no stamps, or a record is gone: the loader says which
        return False


def _stamps(samples_folder: Path, inner: str, ids: Sequence[str]) -> str:
    # By name, without a walk through the folder, which would take longer than all the rest.
    base = f"{samples_folder}/{inner}"
    return digest("\n".join(stamp(f"{base}/{one}.json") for one in ids).encode())


def _spec_of(path: Path, pinned: PinnedList, *, width: int, height: int) -> CacheSpec:
    return CacheSpec(list_name=path.stem, list_digest=pinned.digest, width=width, height=height)


def cache_pixels(
    samples: Sequence[Sample], table: pd.DataFrame, *, folder: Path, spec: CacheSpec
) -> PixelCache:
    """The cache of these samples, made now unless it exists already.

    Args:
        samples: in the order of the list.
        table: one row per sample in the same order, with the column `id`. It replaces a stored one that
            differs, so labels can be corrected without decoding again.
        folder: where caches are kept.
        spec: the list, which must be the one that the samples were loaded with, and the size.

    Raises:
        InvalidConfig: there are no samples.
        BrokenSample: a picture can't be read; the message names it.
        ListMismatch: the existing cache isn't made from these samples, or is damaged.
        StorageFull: no room; nothing that looks like a cache is left.
    """
    ids = [sample.id for sample in samples]
    if not ids:
        raise InvalidConfig(f"list {spec.list_name!r} is empty: there is nothing to cache")
    if table["id"].tolist() != ids:
        raise ListMismatch(
            f"list {spec.list_name!r}: the table's ids are not the samples' ids in their order"
        )
    place = folder / spec.folder_name
    with sole_writer(place, wait=True):
        if not place.is_dir():
            _build(samples, table, place=place, spec=spec)
        cache = read_cache(place, spec=spec)
        if cache.ids != ids:
            raise ListMismatch(f"{place} holds other samples than the list; delete it and run again")
        if table_bytes(table) != (place / "labels.csv").read_bytes():
            write_table(place / "labels.csv", table)
            cache = read_cache(place, spec=spec)
    return cache


def read_cache(place: Path, *, spec: CacheSpec | None = None) -> PixelCache:
    """The cache in a folder.

    Args:
        place: folder that `cache_pixels` made.
        spec: what it must be made of; if None, any cache will do.

    Raises:
        MissingInput: there is no cache, or its description is damaged.
        ListMismatch: it was made of something else, or its files don't fit each other.
        OSError: its files can't be read, though they may be intact.
    """
    if not (place / "cache.json").is_file():
        first = "delete it and " if place.exists() else ""
        raise MissingInput(
            f"{place} is not a pixel cache; {first}run 3-training/01-train-model.ipynb to make it"
        )
    content = read_json(place / "cache.json")
    try:
        copy_size = tuple(content.pop("copy_size", COPY_SIZE))
        found = CacheSpec(**content)
    except TypeError as error:
        raise MissingInput(
            f"{place / 'cache.json'} is damaged ({error}); delete {place} and run again"
        ) from None
    if spec is not None and found != spec:
        raise ListMismatch(f"{place} was made of {found}, but {spec} is wanted; delete it and run again")
    try:
        table = _from_csv(place / "labels.csv")
        # Read-only: for a writable mapping, even a copy-on-write one, Linux demands that much free memory.
        pixels = np.load(place / "pixels.npy", mmap_mode="r")
    except (FileNotFoundError, EOFError, ValueError) as error:
        raise ListMismatch(f"{place} is damaged ({error}); delete it and run again") from None
    if pixels.shape != (len(table), CHANNELS, found.height, found.width) or pixels.dtype != np.uint8:
        raise ListMismatch(
            f"{place} is damaged (pixels {pixels.dtype} {pixels.shape} for {len(table)} records of "
            f"{found.width}x{found.height}); delete it and run again"
        )
    return PixelCache(found, pixels, table, place, copy_size)


def _build(samples: Sequence[Sample], table: pd.DataFrame, *, place: Path, spec: CacheSpec) -> None:
    """Fill a hidden folder, then give it its name."""
    unfinished = place.with_name(f".{place.name}.tmp")
    shutil.rmtree(unfinished, ignore_errors=True)  # left by a killed process: only the sole writer gets here
    unfinished.mkdir(parents=True)
    try:
        write_table(unfinished / "labels.csv", table)
        shape = (len(samples), CHANNELS, spec.height, spec.width)
        offset = allocate(unfinished / "pixels.npy", shape)
        write = functools.partial(write_picture, file=unfinished / "pixels.npy", offset=offset, shape=shape)
        items = list(enumerate(samples))
        sizes = map_in_processes(write, items, description=f"caching {spec.list_name}")
        copy_size = np.max(list(sizes), axis=0).tolist()
        write_json(unfinished / "cache.json", {**asdict(spec), "copy_size": copy_size})
        unfinished.rename(place)
    except OSError as error:
        if error.errno in NO_ROOM:
            needed = math.prod(shape)
            raise StorageFull(
                f"{place}: no room for {needed:,} bytes; free some space and run again"
            ) from error
        raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _from_csv(path: Path) -> pd.DataFrame:
    """The table as it was written; "NA" is Namibia here, not a missing value."""
    table = pd.read_csv(path, keep_default_na=False, dtype=object)
    for name in table:
        present = table[name] != ""
        if name in DEGREES:  # Python's own conversion restores every bit
            table[name] = table[name].where(present, "nan").map(float).astype(float)
        else:
            table[name] = table[name].where(present, None)
    return table
