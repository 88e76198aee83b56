"""Import the published dataset: pairs `location_NNNNNN.png|json`, in `data/` or directly in the folder."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path, PurePosixPath

from lost_and_found import samples
from lost_and_found.collection.imports import (
    Candidate,
    Findings,
    ImportReport,
    Rejection,
    import_findings,
    list_files,
    told_aside,
)
from lost_and_found.errors import BrokenSample
from lost_and_found.samples import ID_PATTERN, Record

# Label orders of the published models; a run here stores its own.
INDEX_FILES = {
    "country_to_index.json",
    "country_to_index_mapped.json",
    "region_index_to_country_index.json",
    "region_index_to_country_index_mapped.json",
    "region_index_to_middle_point.json",
    "region_to_index.json",
}


def import_published(source: Path, destination: Path, *, workers: int | None = None) -> ImportReport:
    """Import pairs as `published_location_NNNNNN_0`; pairs that already have a sample id keep it.

    Records are kept as they are, with `source` added; enrichment later replaces their country and regions.
    The six index files are ignored.

    Raises:
        MissingInput: no such folder, or nothing in it could be imported.
        InvalidConfig: the destination holds another import.
    """
    return import_findings(_find(source), source, destination, workers=workers)


def _find(source: Path) -> Findings:
    files, aside = list_files(source)
    ignored = told_aside(aside)
    halves: dict[PurePosixPath, set[str]] = defaultdict(set)
    for file in map(PurePosixPath, files):
        if file.name in INDEX_FILES:
            ignored.append(f"index file {file}")
        else:
            halves[file.with_suffix("")].add(file.suffix)
    candidates, rejected = [], []
    for stem, suffixes in halves.items():
        sample_id = _id_for(stem.name)
        images = sorted(suffixes - {".json"})
        name = f"{stem}{(images or ['.json'])[0]}"
        if reason := _reason_against(sample_id, stem, images, has_record=".json" in suffixes):
            rejected.append(Rejection(sample_id, name, reason))
        else:
            candidates.append(Candidate(sample_id, name))
    return Findings("published", len(halves), candidates, rejected, ignored, _read_record)


def _reason_against(sample_id: str, stem: PurePosixPath, images: list[str], *, has_record: bool) -> str:
    if str(stem.parent) not in (".", "data"):
        return "lies neither in data/ nor directly in the folder"
    if not sample_id:
        return "name is neither location_NNNNNN nor a sample id"
    if not images:
        return "image missing"
    if not has_record:
        return "record missing"
    return f"more than one image: {', '.join(images)}" if len(images) > 1 else ""


def _id_for(stem: str) -> str:
    word, _, number = stem.partition("_")
    if word == "location" and number.isascii() and number.isdigit():
        return f"published_location_{number}_0"
    return stem if ID_PATTERN.fullmatch(stem) else ""


def _read_record(source: Path, candidate: Candidate) -> Record:
    path = (source / candidate.file).with_suffix(".json")
    record = samples.read_record(path)
    if record.get("coordinates") is None and not (record.get("country_code") or record.get("country_name")):
        raise BrokenSample(path, "record has neither coordinates nor a country")
    return record | {"source": "published"}
