"""What all imports share: pictures from elsewhere become pairs in one folder, or rows of `rejected.csv`.

An import is a function from the files of a source to candidates; this module verifies each candidate's
picture, writes its pair, and keeps the counts. It can be stopped and run again: pairs that are up to date are
left alone. A copy has the modification time of its original, so a changed original is noticed.
"""

from __future__ import annotations

import io
import json
import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pandas as pd

from lost_and_found import samples
from lost_and_found.data_loader import check_link
from lost_and_found.digests import digest
from lost_and_found.errors import BrokenSample, InvalidConfig, MissingInput
from lost_and_found.locks import filling
from lost_and_found.processes import map_in_processes
from lost_and_found.samples import Record, Sample, rejected_by_reason
from lost_and_found.stamps import mark_finished
from lost_and_found.texts import printable

KEPT_FORMATS = {"JPEG": ".jpg", "MPO": ".jpg", "PNG": ".png"}  # an MPO is a JPEG followed by more pictures
JPEG_MAGIC, PNG_MAGIC = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"
REPORT_NAME = "import.json"
REJECTED_NAME = "rejected.csv"
LONGEST_SLUG = 60
LONGEST_ID = 200  # bytes; file systems allow names of 255, and a file that is being written has a longer one
PREVIEWS = ("@eaDir", "__MACOSX", "Thumbs.db")
VERIFY_AT = (64, 64)  # JPEG decodes the whole stream at any scale, so a small one shows the same damage


@dataclass(frozen=True, slots=True)
class Candidate:
    """A picture that may become a sample.

    Attributes:
        id: the sample id it will get.
        file: its path relative to the source, with forward slashes.
        record: what is known of it before the file is opened.
    """

    id: str
    file: str
    record: Record = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rejection:
    """A row of `rejected.csv`; `id` is empty where none could be made."""

    id: str
    file: str
    reason: str


@dataclass(frozen=True)
class Findings:
    """What a source holds.

    Attributes:
        kind: which import looked.
        found: files and rows in the source; each becomes a pair or a rejection.
        candidates: pictures to verify.
        rejected: what was refused without opening a picture.
        ignored: files and columns that are not part of the data, in words.
        read_record: completes a candidate's record from the files; must be picklable; may raise BrokenSample.
    """

    kind: str
    found: int
    candidates: list[Candidate]
    rejected: list[Rejection]
    ignored: list[str]
    read_record: Callable[[Path, Candidate], Record]


@dataclass(frozen=True)
class ImportReport:
    """What became of a source.

    Attributes:
        found: files and rows in the source; equals `imported` plus the rows of `rejected`.
        imported: pairs in the destination.
        written: how many of them were written this time.
        removed: files of earlier pairs whose original is gone or now rejected.
        rejected: columns id, file, reason.
        ignored: files and columns that are not part of the data, in words.
    """

    found: int
    imported: int
    written: int
    removed: int
    rejected: pd.DataFrame
    ignored: list[str]

    def counts(self) -> pd.Series:
        """How many were found, imported and removed, and rejected by reason, without the reasons' details."""
        head = {"found": self.found, "imported": self.imported}
        head |= {"files of earlier pairs removed": self.removed} if self.removed else {}
        return pd.Series(head | rejected_by_reason(self.rejected), name="count")


def import_findings(
    findings: Findings, source: Path, destination: Path, *, workers: int | None
) -> ImportReport:
    """Turn what a source holds into pairs; those that are up to date are left alone.

    Raises:
        InvalidConfig: the destination holds the import of another source, or something else.
        MissingInput: not one picture could be imported (`rejected.csv` says why), or most of what was
            imported before is gone from the source. What was imported before stays.
        FolderInUse: another process is filling the destination.
    """
    here, there = source.resolve(), destination.resolve()
    if there == here or here in there.parents:
        raise InvalidConfig(f"destination {there} lies inside the source {here}; choose another `root`")
    claim = {"kind": findings.kind, "source": here.name, "source_digest": _path_digest(source)}

    def check() -> None:
        _refuse_others(destination, claim)
        listed = {candidate.id for candidate in findings.candidates}
        _refuse_lost(_imported_ids(destination), listed, source, destination)

    with filling(destination, check=check):
        return _fill(findings, source, destination, claim=claim, workers=workers)


def _fill(
    findings: Findings, source: Path, destination: Path, *, claim: dict[str, str], workers: int | None
) -> ImportReport:
    report_path = destination / REPORT_NAME
    if not report_path.exists():
        samples.write_json(report_path, claim)
    samples.remove_leftovers(destination)
    before = _imported_ids(destination)
    candidates, rejected = _unique(findings.candidates)
    rejected = findings.rejected + rejected
    work = partial(_import_one, source=source, destination=destination, read_record=findings.read_record)
    kept: set[str] = set()
    written = 0
    for outcome in map_in_processes(work, candidates, description="Importing pictures", workers=workers):
        if isinstance(outcome, Rejection):
            rejected.append(outcome)
        else:
            sample, is_new = outcome
            kept.update((sample.image_name, sample.record.name))
            written += is_new
    if kept:  # the source was there when it was listed, but a disk can disappear at any time
        _refuse_lost(before, {Path(name).stem for name in kept}, source, destination)
    report = ImportReport(
        found=findings.found,
        imported=len(kept) // 2,
        written=written,
        removed=_remove_pairs_but(kept, destination) if kept else 0,
        rejected=pd.DataFrame(
            [(row.id, printable(row.file), printable(row.reason)) for row in rejected],
            columns=["id", "file", "reason"],
        ),
        ignored=[printable(one) for one in findings.ignored],
    )
    _write_report(report, claim, destination)
    return report


def source_folder(root: Path, source: str) -> Path:
    """The folder to import; `source` is relative to `root`, and ~ is the home folder.

    Raises:
        InvalidConfig: `source` is empty.
        MissingInput: there is no such folder.
    """
    if not source:
        raise InvalidConfig("parameter `source` is empty; give the folder that holds the pictures")
    folder = (root / Path(source).expanduser()).resolve()
    if not folder.is_dir():
        raise MissingInput(f"source {folder} is not a folder; give the folder that holds the pictures")
    return folder


def list_files(source: Path) -> tuple[list[str], list[str]]:
    """The files below a folder, and those set aside, as sorted relative paths with forward slashes.

    Links are followed. Set aside are hidden files, including deleted ones in hidden trash folders, and the
    previews that systems store next to photos.

    Raises:
        MissingInput: there is no such folder, or one below it can't be read.
        InvalidConfig: a link leads back to a folder that contains it.
    """
    if not source.is_dir():
        raise MissingInput(f"source {source} is not a folder; give the folder that holds the pictures")

    def stop(error: OSError) -> None:
        raise MissingInput(
            f"{error.filename} can't be read ({error.strerror}); make it readable, or move it elsewhere"
        )

    files: list[str] = []
    for folder, below, names in os.walk(source, followlinks=True, onerror=stop):
        here = Path(folder)
        for name in below:
            if (here / name).is_symlink():
                check_link(here / name)
        files += [(here / name).relative_to(source).as_posix() for name in names]
    aside = {file for file in files if any(map(_is_aside, file.split("/")))}
    return sorted(set(files) - aside), sorted(aside)


def told_aside(aside: Sequence[str]) -> list[str]:
    """What was set aside, in words."""
    return [f"{len(aside)} hidden files and previews, such as {printable(aside[0])}"] if aside else []


def _is_aside(name: str) -> bool:
    return name.startswith(".") or name in PREVIEWS


def photo_id(site: str, file: str) -> str:
    """`<site>_photo_<readable part of the path>-<hash of the path>_0`.

    The hash tells apart paths with the same readable part, such as names that differ only in accents.
    """
    hexdigits = digest(unicodedata.normalize("NFC", file).encode(errors="surrogateescape"))
    readable = _slug(file.rpartition(".")[0] or file)[-LONGEST_SLUG:].strip("-")
    return f"{_slug(site) or 'photos'}_photo_{readable}{'-' if readable else ''}{hexdigits[:8]}_0"


def _slug(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")


def _import_one(
    candidate: Candidate,
    *,
    source: Path,
    destination: Path,
    read_record: Callable[[Path, Candidate], Record],
) -> tuple[Sample, bool] | Rejection:
    """The pair and whether it has been written now, or why there is none."""
    try:
        candidate.file.encode()
    except UnicodeEncodeError:
        return Rejection(candidate.id, candidate.file, "file name is not UTF-8; rename the file")
    if len(candidate.id.encode()) > LONGEST_ID:
        reason = f"id is longer than {LONGEST_ID} bytes; give the file or the dataset a shorter name"
        return Rejection(candidate.id, candidate.file, reason)
    path = source / candidate.file
    if path.exists() and not path.is_file():  # reading a pipe would block
        return Rejection(candidate.id, candidate.file, "is not a regular file")
    try:
        record = read_record(source, candidate)
        made = _up_to_date(candidate.id, path, record, destination)
        if made:
            return made, False
        image, suffix = _verified_bytes(path)
        sample = samples.write_pair(destination, candidate.id, image=image, suffix=suffix, record=record)
    except BrokenSample as error:
        return Rejection(candidate.id, candidate.file, error.reason)
    mark_finished(path, sample.image)
    return sample, True


def _up_to_date(sample_id: str, path: Path, record: Record, destination: Path) -> Sample | None:
    """The pair if neither its original nor its record has changed since; else None."""
    try:
        if json.loads((destination / f"{sample_id}.json").read_bytes()) != record:
            return None
        for suffix in samples.IMAGE_SUFFIXES:
            made = Sample(sample_id, str(destination), suffix)
            if made.image.is_file():
                return made if _is_made_from(path, made.image) else None
    except (OSError, ValueError):
        return None
    return None


def _is_made_from(original: Path, image: Path) -> bool:
    one, other = original.stat(), image.stat()
    if one.st_mtime_ns != other.st_mtime_ns:
        return False
    if one.st_size == other.st_size:
        return True
    # Sizes may differ only where the original was converted to PNG; JPEG and PNG are copied as they are.
    with original.open("rb", buffering=0) as file:
        return not file.read(len(PNG_MAGIC)).startswith((JPEG_MAGIC, PNG_MAGIC))


def _verified_bytes(path: Path) -> tuple[bytes, str]:
    """The bytes of a JPEG or PNG as they are, of other images converted to PNG; and the suffix to match."""
    samples.read_image(path, at_least=VERIFY_AT)
    with samples.opened(path) as image:
        suffix = KEPT_FORMATS.get(image.format or "")
    if suffix:
        return path.read_bytes(), suffix
    converted = io.BytesIO()
    samples.read_image(path).save(converted, format="PNG")
    return converted.getvalue(), ".png"


def _unique(candidates: Iterable[Candidate]) -> tuple[list[Candidate], list[Rejection]]:
    first: dict[str, Candidate] = {}
    rejected = []
    for candidate in candidates:
        if first.setdefault(candidate.id, candidate) is not candidate:
            reason = f"has the same id as another file: {first[candidate.id].file}"
            rejected.append(Rejection(candidate.id, candidate.file, reason))
    return list(first.values()), rejected


def _refuse_others(destination: Path, claim: dict[str, str]) -> None:
    """Refuse a folder that another import or anything else filled, since pairs in it are replaced."""
    report = destination / REPORT_NAME
    if not report.exists():
        if strangers := sorted(path.name for path in destination.glob("[!.]*")):
            raise InvalidConfig(
                f"{destination} holds {len(strangers)} files that no import wrote ({strangers[0]}, ...); "
                "choose another `dataset`, or move them elsewhere"
            )
        return
    before = samples.read_json(report)
    if any(before.get(key) != value for key, value in claim.items()):
        raise InvalidConfig(
            f"{destination} holds the {before.get('kind')} import of another folder, "
            f"{before.get('source')}; choose another `dataset` for this one, "
            "or remove the destination if its source has moved"
        )


def _imported_ids(destination: Path) -> set[str]:
    return {path.stem for path in destination.glob("*.json") if samples.ID_PATTERN.fullmatch(path.stem)}


def _refuse_lost(before: set[str], now: set[str], source: Path, destination: Path) -> None:
    """Refuse a source that lost most pictures, such as an unmounted disk: their pairs would be removed."""
    gone = before - now
    if 2 * len(gone) > len(before):
        raise MissingInput(
            f"{len(gone)} of the {len(before)} pictures that were imported from {source} before can't be "
            "imported any more, and their pairs would be removed. Is the folder complete? If it is, remove "
            f"{destination} and import again"
        )


def _path_digest(source: Path) -> str:
    """Tells apart two sources with the same name, without revealing where they are."""
    return digest(str(source.resolve()).encode(errors="surrogateescape"))[:16]


def _remove_pairs_but(kept: set[str], destination: Path) -> int:
    """Remove pairs whose source is gone or is now rejected: the next stage would use them."""
    stale = [
        path
        for path in destination.iterdir()
        if path.name not in kept
        and path.suffix in (".json", *samples.IMAGE_SUFFIXES)
        and samples.ID_PATTERN.fullmatch(path.stem)
        and path.is_file()
    ]
    for path in stale:
        path.unlink()
    return len(stale)


def _write_report(report: ImportReport, claim: dict[str, str], destination: Path) -> None:
    samples.write_table(destination / REJECTED_NAME, report.rejected)
    counts = {"found": report.found, "imported": report.imported, "rejected": len(report.rejected)}
    samples.write_json(destination / REPORT_NAME, claim | counts | {"ignored": report.ignored})
    if not report.imported:
        why = ""
        if len(report.rejected):
            often = samples.most_frequent_reason(report.rejected)
            why = f", most often rejected as {often!r}; see {destination / REJECTED_NAME}"
        raise MissingInput(
            f"nothing could be imported from {claim['source']}: {report.found} files and rows found{why}"
            + "".join(f"; ignored: {one}" for one in report.ignored)
        )
