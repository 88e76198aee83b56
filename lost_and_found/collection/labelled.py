"""Import photos with country labels: a `labels.csv`, or a folder for each country."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from lost_and_found import samples
from lost_and_found.collection.imports import (
    Candidate,
    Findings,
    ImportReport,
    Rejection,
    import_findings,
    list_files,
    photo_id,
    told_aside,
)
from lost_and_found.data_loader import read_records
from lost_and_found.errors import BrokenSample, InvalidConfig, UnknownCountry
from lost_and_found.geo.countries import find_country
from lost_and_found.samples import Record, Sample

LABELS_NAME = "labels.csv"
COLUMNS = ("path", "country", "lat", "lon", "city", "region", "group")


def import_labelled(
    source: Path, destination: Path, *, site: str, series: bool = False, workers: int | None = None
) -> ImportReport:
    """Import labelled photos as `<site>_photo_<path and hash>_0`.

    If there is a `labels.csv` (UTF-8; comma, semicolon or tab), its rows are read: `path` and `country`, or
    `path`, `lat` and `lon`; `city` and `region` are kept as text, other columns are ignored. Without one, the
    first folder of a file's path names its country. Records hold `country_code`, `country_name`,
    `coordinates` if given, `group` if there is one, `labels` (what the source said, word for word), `source`
    and `file`.

    Photos of one group, such as frames of a video, stay in one split and count as one piece of evidence. The
    column `group` names it; or, with `series` and without a table, a folder below a country's is one.

    Raises:
        MissingInput: no such folder, or nothing in it could be imported.
        InvalidConfig: `labels.csv` can't be read, or there is one and `series` is set, or the destination
            holds another import.
    """
    files, aside = list_files(source)
    if LABELS_NAME in files:
        if series:
            raise InvalidConfig(
                f"{source} has a {LABELS_NAME}, so series can't be set: folders are groups only where they "
                "name the countries; name the groups in the table's column group"
            )
        findings = _find_by_table(source, files, aside, site)
    else:
        findings = _find_by_folder(source, files, aside, site, series=series)
    return import_findings(findings, source, destination, workers=workers)


def readings(imported: Sequence[Sample]) -> pd.DataFrame:
    """Labels that differ from the name of the country that they were read as.

    Columns said, country, code, pictures; the most frequent first.
    """
    counts = Counter(
        (said, record["country_name"], record["country_code"])
        for record in read_records(imported)
        if (said := record["labels"].get("country")) and said != record["country_name"]
    )
    rows = [(*reading, count) for reading, count in counts.most_common()]
    return pd.DataFrame(rows, columns=["said", "country", "code", "pictures"])


@dataclass(frozen=True, slots=True)
class _Row:
    line: int
    values: dict[str, str]

    @property
    def labels(self) -> dict[str, str]:
        return {name: text for name, text in self.values.items() if name != "path"}

    @property
    def path(self) -> str:
        return unicodedata.normalize("NFC", self.values["path"].replace("\\", "/").removeprefix("./"))


def _find_by_table(source: Path, files: list[str], aside: list[str], site: str) -> Findings:
    rows, rejected, ignored = _read_table(source / LABELS_NAME)
    found = len(rows) + len(rejected)
    # File systems encode accents in two ways, and tables in either.
    actual = {unicodedata.normalize("NFC", file): file for file in (*files, *aside)}
    rows_of: dict[str, list[_Row]] = defaultdict(list)
    for row in rows:
        rows_of[row.path].append(row)
    candidates = []
    for path, same in rows_of.items():
        sample_id = photo_id(site, path)
        file, outcome = actual.get(path), same[0]
        if file is None:
            reason = "no such file"
            if re.match("/|[A-Za-z]:/", path):  # on Windows, too, where the table may be from
                reason = f"path is absolute, not relative to the folder of {LABELS_NAME}"
        elif any(row.labels != outcome.labels for row in same):
            reason = "labelled in several ways"
        else:
            try:
                record = _record(outcome.labels) | {"source": source.resolve().name, "file": file}
                candidates.append(Candidate(sample_id, file, record))
            except (UnknownCountry, BrokenSample) as error:
                reason = error.reason if isinstance(error, BrokenSample) else f"unknown country: {error}"
            else:
                reason, same = "repeats an earlier line", same[1:]
        rejected += [Rejection(sample_id, path, f"{reason} ({LABELS_NAME} line {row.line})") for row in same]
    # Includes the second of two files that differ in that encoding alone.
    named = {actual.get(path) for path in (*rows_of, LABELS_NAME)}
    ignored += told_aside([file for file in aside if file not in named])
    unlisted = [file for file in files if file not in named]
    rejected += [Rejection("", file, f"not named in {LABELS_NAME}") for file in unlisted]
    return Findings("labelled", found + len(unlisted), candidates, rejected, ignored, _read_record)


def _read_table(path: Path) -> tuple[list[_Row], list[Rejection], list[str]]:
    """Rows with as many fields as the header, rejections of the others, and a note on each unused column."""
    text = _decode(path)
    first_line, *_ = text.splitlines() or [""]
    delimiter = max(",;\t", key=first_line.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows, rejected, begins = [], [], 1
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        _check_header(header, path)
        begins = reader.line_num + 1
        for fields in reader:
            begins = reader.line_num + 1
            if not any(field.strip() for field in fields):  # spreadsheets write rows of bare commas
                continue
            if len(fields) == len(header):
                values = {name: field.strip() for name, field in zip(header, fields, strict=True)}
                rows.append(_Row(reader.line_num, {name: values.get(name, "") for name in COLUMNS}))
            else:
                counts = f"{len(fields)} instead of {len(header)}"
                reason = f"wrong number of fields: {counts} ({LABELS_NAME} line {reader.line_num})"
                rejected.append(Rejection("", fields[0], reason))
    except csv.Error as error:
        # Not the line where it was noticed: an unclosed quotation mark takes in all lines that follow.
        problem = f"{error} in the row that begins there; correct it (is there a quotation mark too many?)"
        raise InvalidConfig(f"{path} line {begins}: {problem}") from None
    return rows, rejected, [f"column {name!r} of {LABELS_NAME}" for name in header if name not in COLUMNS]


def _decode(path: Path) -> str:
    data = path.read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise InvalidConfig(f"{path} line {line}: not UTF-8; save the table as CSV in UTF-8") from None


def _check_header(header: list[str], path: Path) -> None:
    known = [name for name in header if name in COLUMNS]
    if len(set(known)) < len(known):
        raise InvalidConfig(f"{path} line 1: a column appears twice: {', '.join(header)}")
    if "path" not in known or not ("country" in known or {"lat", "lon"} <= set(known)):
        raise InvalidConfig(
            f"{path} line 1: the columns are {', '.join(header) or 'none'}; "
            "it needs path and country, or path, lat and lon"
        )


def _find_by_folder(source: Path, files: list[str], aside: list[str], site: str, *, series: bool) -> Findings:
    candidates, rejected = [], []
    for file in files:
        folder, _, rest = file.partition("/")
        if not rest:
            rejected.append(Rejection("", file, f"not in a country's folder, and there is no {LABELS_NAME}"))
            continue
        try:
            below = rest.rpartition("/")[0]
            labels = {"country": folder, "group": f"{folder}/{below}" if series and below else ""}
            record = _record(labels) | {"source": source.resolve().name, "file": file}
            candidates.append(Candidate(photo_id(site, file), file, record))
        except UnknownCountry as error:
            rejected.append(Rejection(photo_id(site, file), file, f"unknown country: {error}"))
    return Findings("labelled", len(files), candidates, rejected, told_aside(aside), _read_record)


def _record(labels: dict[str, str]) -> Record:
    """What the labels say, checked.

    Raises:
        BrokenSample: neither country nor coordinates, or impossible coordinates.
        UnknownCountry: the message suggests similar names.
    """
    record: Record = {"labels": {name: text for name, text in labels.items() if text}}
    if labels.get("group"):
        record["group"] = labels["group"]
    lat, lon = labels.get("lat", ""), labels.get("lon", "")
    if lat or lon:
        numbers = [_number(lat, "lat"), _number(lon, "lon")]
        record["coordinates"] = samples.check_coordinates(numbers, where=LABELS_NAME)
    if labels.get("country"):
        country = find_country(labels["country"])
        record |= {"country_code": country.code, "country_name": country.name}
    elif "coordinates" not in record:
        raise BrokenSample(LABELS_NAME, "neither country nor coordinates")
    return record


def _number(text: str, name: str) -> float:
    try:
        if "_" in text:  # Python reads 1_0.5 as 10.5
            raise ValueError
        return float(text.replace(",", "."))  # a comma inside one field is a decimal comma
    except ValueError:
        raise BrokenSample(LABELS_NAME, f"{name} is not a number ({text!r})") from None


def _read_record(source: Path, candidate: Candidate) -> Record:
    return candidate.record
