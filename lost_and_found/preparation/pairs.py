"""Turning a folder of pairs into another one, so that it can be stopped and taken up again.

A destination belongs to the step that fills it: a hidden file there holds the step's settings. A pair in it
is finished when both of its files bear the modification times of the files they were made from, as with
rsync; so a changed source is noticed, and there is no manifest that a killed process could leave wrong.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from lost_and_found.data_loader import find_pairs
from lost_and_found.errors import InvalidConfig
from lost_and_found.preparation.stamps import is_finished
from lost_and_found.samples import ID_PATTERN, IMAGE_SUFFIXES, Sample, remove_leftovers, write_atomically

REJECTED_COLUMNS = ["id", "file", "reason"]


@dataclass(frozen=True)
class Outcome:
    """What became of a folder of pairs.

    Attributes:
        written: pairs made by this run.
        kept: pairs that were finished before.
        removed: pairs of earlier runs whose source is gone, changed its settings, or is now rejected.
        rejected: one row for each sample of the source that has no pair in the destination: id, file, reason.
    """

    written: int
    kept: int
    removed: int
    rejected: pd.DataFrame

    def counts(self) -> pd.Series:
        """How many pairs were written, kept, removed and rejected."""
        counts = {"written": self.written, "kept from before": self.kept, "removed": self.removed}
        return pd.Series(counts | {"rejected": len(self.rejected)}, name="pairs")


@dataclass
class Transfer:
    """What is left to do between a source and a destination, and what comes of it."""

    destination: Path
    finished: dict[str, Sample]
    to_do: list[Sample]
    rejected: list[tuple[str, str, str]]
    removed: int

    def reject(self, sample: Sample, reason: str) -> None:
        """Note why a sample gets no pair."""
        self.rejected.append((sample.id, sample.image.name, reason))

    def outcome(self) -> Outcome:
        """The result, once `to_do` is done; writes rejected.csv and removes pairs without a source."""
        rejected_ids = {sample_id for sample_id, _, _ in self.rejected}
        there, halves = find_pairs(self.destination)
        wanted = self.finished.keys() | ({sample.id for sample in self.to_do} - rejected_ids)
        stale = [sample for sample_id, sample in there.items() if sample_id not in wanted]
        remove_pairs(stale)
        remove_halves(self.destination, halves.keys() - wanted)
        rows = pd.DataFrame(sorted(self.rejected), columns=REJECTED_COLUMNS)
        write_table(self.destination / "rejected.csv", rows)
        written = sum(sample.id not in rejected_ids for sample in self.to_do)
        return Outcome(written, len(self.finished), self.removed + len(stale), rows)


def begin_transfer(source: Path, destination: Path, *, step: str, settings: Mapping[str, Any]) -> Transfer:
    """Compare a source with what an earlier run left in the destination.

    Args:
        source: a folder of pairs.
        destination: made if absent; pairs made with other settings are removed from it.
        step: name of the step that owns the destination.
        settings: JSON values on which the pairs of the destination depend.

    Raises:
        InvalidConfig: the destination lies in the source, or another hand filled it.
        MissingInput: no such source.
    """
    source, destination = Path(source), Path(destination)
    source_pairs, halves = find_pairs(source)
    if destination.resolve().is_relative_to(source.resolve()):
        raise InvalidConfig(f"{destination} lies in its own source {source}; give a folder elsewhere")
    removed = _take_possession(destination, json.dumps({"step": step, **settings}))
    there, _ = find_pairs(destination)
    rejected = [(one, _half_name(one, reason), reason) for one, reason in halves.items()]
    finished: dict[str, Sample] = {}
    to_do = []
    for sample_id in sorted(source_pairs):
        sample = source_pairs[sample_id]
        if not ID_PATTERN.fullmatch(sample_id):
            reason = "file name is no sample id (<site>_<mode>_<game>_<round>)"
            rejected.append((sample_id, sample.image.name, reason))
        elif sample_id in there and is_finished(sample, there[sample_id]):
            finished[sample_id] = there[sample_id]
        else:
            to_do.append(sample)
    return Transfer(destination, finished, to_do, rejected, removed)


def remove_pairs(samples: Iterable[Sample]) -> None:
    """Delete samples, the record first, so that a stop in between leaves no pair that looks whole."""
    for sample in samples:
        sample.record.unlink(missing_ok=True)
        sample.image.unlink(missing_ok=True)


def remove_halves(folder: Path, ids: Iterable[str]) -> None:
    """Delete what killed processes left of samples; other files, such as figures, have no id for a name."""
    for sample_id in filter(ID_PATTERN.fullmatch, ids):
        for ending in (".json", *IMAGE_SUFFIXES):
            (folder / f"{sample_id}{ending}").unlink(missing_ok=True)


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write a CSV file without half-written states."""
    write_atomically(path, table.to_csv(index=False, lineterminator="\n").encode())


def _take_possession(destination: Path, settings: str) -> int:
    """Make or reopen a destination; returns how many pairs of other settings were removed."""
    destination.mkdir(parents=True, exist_ok=True)
    marker = destination / ".settings.json"
    if not marker.exists():
        pairs, halves = find_pairs(destination)
        if pairs or any(map(ID_PATTERN.fullmatch, halves)):
            raise InvalidConfig(
                f"{destination} holds {len(pairs) + len(halves)} samples that this step didn't make; "
                "it replaces what it finds, so give it an empty folder"
            )
    elif json.loads(marker.read_text())["step"] != json.loads(settings)["step"]:
        raise InvalidConfig(f"{destination} was filled by another step; give another folder")
    remove_leftovers(destination)
    removed = 0
    if marker.exists() and marker.read_text() != settings:
        pairs, halves = find_pairs(destination)
        remove_pairs(pairs.values())
        remove_halves(destination, halves)
        removed = len(pairs)
    write_atomically(marker, settings.encode())
    return removed


def _half_name(sample_id: str, reason: str) -> str:
    return f"{sample_id}.json" if reason == "image missing" else f"{sample_id} (image)"
