"""Where samples can be fetched from: whatever fsspec opens, read-only.

This may be a folder, flat or nested (`/data/streets`), a file server with a directory listing
(`http://host:8000/streets/`) and an archive (`zip://::/data/streets.zip`, `tar://::/data/streets.tar`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import fsspec
from fsspec.archive import AbstractArchiveFileSystem

from lost_and_found.bars import progress_bar
from lost_and_found.errors import StoreError, some_of
from lost_and_found.samples import ID_PATTERN, IMAGE_SUFFIXES, write_atomically

THREADS = 16
TRIES = 3
PAUSE_S = 0.5


class Store:
    """Files by name, wherever they are below one location."""

    def __init__(self, location: str) -> None:
        """Open a location; see the module for the forms it may have.

        Raises:
            StoreError: nothing can be opened there.
        """
        self.location = location
        try:
            self._filesystem, self._root = fsspec.core.url_to_fs(location)
        except Exception as error:  # each of fsspec's back ends raises its own
            raise StoreError(f"{location} can't be opened ({error}); check the address") from error
        is_archive = isinstance(self._filesystem, AbstractArchiveFileSystem)
        # Members of an archive are read through one file, whose position threads would move under each other.
        self._turn: AbstractContextManager[object] = threading.Lock() if is_archive else nullcontext()
        self._is_quoted = location.startswith(("http://", "https://"))

    def pairs(self) -> dict[str, tuple[str, str]]:
        """The paths in the store of each pair's (picture, record), by id; halves of pairs are left out.

        Hidden files and everything in hidden folders are left out too.

        Raises:
            StoreError: the store can't be listed, holds no picture or record, or two of one id.
        """
        images: dict[str, str] = {}
        records: dict[str, str] = {}
        twice: dict[str, str] = {}
        for path in sorted(self._paths()):
            below = path.removeprefix(self._root)
            *folders, name = (unquote(below) if self._is_quoted else below).split("/")
            if not name.endswith((*IMAGE_SUFFIXES, ".json")) or any(
                one[:1] == "." for one in (*folders, name)
            ):
                continue
            stem, _, ending = name.rpartition(".")
            kind, paths = ("record", records) if ending == "json" else ("picture", images)
            if stem in paths:
                twice[stem] = f"a {kind} of {stem} twice: {paths[stem]} and {path}"
            paths[stem] = path
        for stem, what in twice.items():
            if stem in images or ID_PATTERN.fullmatch(stem):  # not import.json, which all imports have
                raise StoreError(f"{self.location} holds {what}")
        if not (images or records):
            raise StoreError(f"{self.location} holds no pictures and no records; check the address")
        return {one: (path, records[one]) for one, path in images.items() if one in records}

    def _paths(self) -> Iterator[str]:
        """All files; fsspec's own walk silently leaves out what it can't list."""
        folders, seen = [self._root], {self._root}
        while folders:
            for entry in self._listed(folders.pop()):
                if entry["type"] != "directory":
                    yield entry["name"]
                elif entry["name"] not in seen:
                    seen.add(entry["name"])
                    folders.append(entry["name"])

    def _listed(self, folder: str) -> list[dict[str, Any]]:
        problem: Exception | None = None
        for attempt in range(TRIES):
            time.sleep(PAUSE_S * attempt)
            try:
                found: list[dict[str, Any]] = self._filesystem.ls(folder, detail=True)
                return found
            except Exception as error:  # each of fsspec's back ends raises its own
                problem = error
        raise StoreError(
            f"{self.location} can't be listed ({folder}: {type(problem).__name__} {problem}); "
            "is it there and running?"
        ) from problem

    def fetch(self, wanted: Mapping[str, Path], *, verify: Callable[[Path, bytes], str | None]) -> None:
        """Download files in parallel, each to a temporary name first.

        Files that arrived are kept when others fail, so a second call only has to fetch the rest.

        Args:
            wanted: where to put each file, by its path in the store.
            verify: gets the destination and the content; returns what is wrong with it, or None.

        Raises:
            StoreError: some files couldn't be fetched, after three tries each.
        """
        problems: list[str] = []
        with (
            ThreadPoolExecutor(THREADS) as pool,
            progress_bar(total=len(wanted), desc=f"fetch from {self.location}", unit=" files") as bar,
        ):
            jobs = [pool.submit(self._fetch_one, path, target, verify) for path, target in wanted.items()]
            try:
                for job in as_completed(jobs):
                    if problem := job.result():
                        problems.append(problem)
                    bar.update()
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        if problems:
            raise StoreError(
                f"{len(problems)} of {len(wanted)} files couldn't be fetched from {self.location}: "
                f"{some_of(sorted(problems), between='; ')}. The others are kept; run again to fetch them."
            )

    def _fetch_one(self, path: str, target: Path, verify: Callable[[Path, bytes], str | None]) -> str | None:
        problem = ""
        for attempt in range(TRIES):
            time.sleep(PAUSE_S * attempt)
            try:
                with self._turn:
                    content = self._filesystem.cat_file(path)
            except FileNotFoundError:
                return f"{path} does not exist"
            except Exception as error:  # each of fsspec's back ends raises its own
                problem = f"{path}: {type(error).__name__} {error}"
                continue
            if wrong := verify(target, content):
                problem = f"{path} {wrong}"
                continue
            write_atomically(target, content)
            return None
        return problem
