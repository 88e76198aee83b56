"""Making one folder of pairs from another, in a way that can be stopped and resumed.

A destination belongs to the step that fills it: a hidden file there holds the step's settings. A pair in it
is finished when both of its files have the modification times of the files they were made from, as with
rsync; so a changed source is noticed, and there is no manifest for a killed process to leave out of date.
Only one process fills a destination at a time, and one that was stopped leaves it marked as unfinished.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from lost_and_found.data_loader import find_pairs
from lost_and_found.errors import InvalidConfig, MissingInput
from lost_and_found.locks import filling
from lost_and_found.samples import (
    ID_PATTERN,
    IMAGE_SUFFIXES,
    Sample,
    most_frequent_reason,
    read_json,
    rejected_by_reason,
    remove_leftovers,
    write_atomically,
    write_table,
)
from lost_and_found.stamps import is_finished


@dataclass(frozen=True)
class Outcome:
    """What became of a folder of pairs.

    Attributes:
        written: pairs made by this run.
        kept: pairs that were finished before.
        removed: pairs of earlier runs made with other settings, or whose source is gone or now rejected.
        rejected: one row for each sample of the source that has no pair in the destination: id, file, reason.
    """

    written: int
    kept: int
    removed: int
    rejected: pd.DataFrame

    def counts(self) -> pd.Series:
        """Numbers of pairs written, kept and removed, and of those rejected by reason, without details."""
        counts = {"written": self.written, "kept from before": self.kept, "removed": self.removed}
        return pd.Series(counts | (rejected_by_reason(self.rejected) or {"rejected": 0}), name="pairs")


@dataclass
class Transfer:
    """What is left to do between a source and a destination, and the outcome."""

    destination: Path
    finished: dict[str, Sample]
    to_do: list[Sample]
    rejected: list[tuple[str, str, str]]
    removed: int

    def reject(self, sample: Sample, reason: str) -> None:
        """Note why a sample gets no pair."""
        self.rejected.append((sample.id, sample.image.name, reason))

    def outcome(self) -> Outcome:
        """The result, once `to_do` is done; writes rejected.csv and removes pairs without a source.

        Raises:
            MissingInput: there is not one pair in the destination.
        """
        rejected_ids = {sample_id for sample_id, _, _ in self.rejected}
        there, halves = find_pairs(self.destination)
        wanted = self.finished.keys() | ({sample.id for sample in self.to_do} - rejected_ids)
        stale = [sample for sample_id, sample in there.items() if sample_id not in wanted]
        remove_pairs(stale)
        remove_halves(self.destination, halves.keys() - wanted)
        rows = pd.DataFrame(sorted(self.rejected), columns=["id", "file", "reason"])
        write_table(self.destination / "rejected.csv", rows)
        written = sum(sample.id not in rejected_ids for sample in self.to_do)
        if not (written or self.finished):
            often = f", most often {most_frequent_reason(rows)!r}" if len(rows) else ""
            raise MissingInput(
                f"none of {len(rows)} samples could be used{often}; see {self.destination / 'rejected.csv'}"
            )
        return Outcome(written, len(self.finished), self.removed + len(stale), rows)


@contextmanager
def transfer_pairs(
    source: Path, destination: Path, *, step: str, settings: Mapping[str, Any], same_images: bool = False
) -> Iterator[Transfer]:
    """Compare a source with what an earlier run left in a destination.

    Within the block the destination is marked as unfinished.

    Args:
        source: a folder of pairs.
        destination: made if absent; pairs made with other settings are removed from it.
        step: name of the step that owns the destination.
        settings: JSON values on which the pairs of the destination depend.
        same_images: pictures are passed on unchanged.

    Raises:
        InvalidConfig: the destination lies in the source, or something else filled it.
        MissingInput: no such source, or none of it could be used.
        FolderInUse: another process fills the destination.
    """
    if destination.resolve().is_relative_to(source.resolve()):
        raise InvalidConfig(f"{destination} lies in its own source {source}; give a folder elsewhere")
    pairs, halves = find_pairs(source)
    with filling(destination, check=lambda: _refuse_others(destination, step)):
        removed = _take_possession(destination, json.dumps({"step": step, **settings}))
        there, _ = find_pairs(destination)
        transfer = Transfer(destination, {}, [], [], removed)
        for half, reason in halves.items():
            there_is = f"{half}.json" if reason == "image missing" else f"{half} (image)"
            transfer.rejected.append((half, there_is, reason))
        for sample_id, sample in sorted(pairs.items()):
            made = there.get(sample_id)
            if not ID_PATTERN.fullmatch(sample_id):
                transfer.reject(sample, "file name is not a sample id (<site>_<mode>_<game>_<round>)")
            elif made and is_finished(sample, made, same_image=same_images):
                transfer.finished[sample_id] = made
            else:
                transfer.to_do.append(sample)
        yield transfer


def remove_pairs(samples: Iterable[Sample]) -> None:
    """Delete samples, the record first, so that an interruption leaves no pair that looks whole."""
    for sample in samples:
        sample.record.unlink(missing_ok=True)
        sample.image.unlink(missing_ok=True)


def remove_halves(folder: Path, ids: Iterable[str]) -> None:
    """Delete the half pairs of killed processes; other files, such as figures, aren't named by an id."""
    for sample_id in filter(ID_PATTERN.fullmatch, ids):
        for ending in (".json", *IMAGE_SUFFIXES):
            (folder / f"{sample_id}{ending}").unlink(missing_ok=True)


def _refuse_others(destination: Path, step: str) -> None:
    marker = destination / ".settings.json"
    if not marker.exists():
        pairs, halves = find_pairs(destination)
        if pairs or any(map(ID_PATTERN.fullmatch, halves)):
            raise InvalidConfig(
                f"{destination} holds {len(pairs) + len(halves)} samples that this step didn't make; "
                "it replaces what it finds, so give it an empty folder"
            )
    elif read_json(marker)["step"] != step:
        raise InvalidConfig(f"{destination} was filled by another step; give another folder")


def _take_possession(destination: Path, settings: str) -> int:
    """Make or reopen a destination; returns how many pairs made with other settings were removed."""
    marker = destination / ".settings.json"
    remove_leftovers(destination)
    removed = 0
    if marker.exists() and marker.read_text() != settings:
        pairs, halves = find_pairs(destination)
        remove_pairs(pairs.values())
        remove_halves(destination, halves)
        removed = len(pairs)
    write_atomically(marker, settings.encode())
    return removed
