"""Import photos whose EXIF says where they were taken."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from PIL import ExifTags, Image

from lost_and_found import samples
from lost_and_found.collection.imports import (
    Candidate,
    Findings,
    ImportReport,
    import_findings,
    list_files,
    photo_id,
    told_aside,
)
from lost_and_found.errors import BrokenSample
from lost_and_found.samples import Record


def import_geotagged(
    source: Path, destination: Path, *, site: str, workers: int | None = None
) -> ImportReport:
    """Import every picture below `source` that has a position, as `<site>_photo_<path and hash>_0`.

    Records hold `coordinates`, `taken` (local time, ISO 8601, where known), `source` and `file`.

    Raises:
        MissingInput: no such folder, or nothing in it could be imported.
        InvalidConfig: the destination holds another import.
    """
    files, aside = list_files(source)
    candidates = [
        Candidate(photo_id(site, file), file, {"source": source.resolve().name, "file": file})
        for file in files
    ]
    findings = Findings("geotagged", len(files), candidates, [], told_aside(aside), _read_record)
    return import_findings(findings, source, destination, workers=workers)


def read_exif(path: Path) -> tuple[list[float], str | None]:
    """Position ([lat, lon] in degrees) and local time (ISO 8601 or None) of a photo.

    Raises:
        BrokenSample: not an image, or no credible position; the reason says which part is at fault.
    """
    try:
        # Pillow drops damaged tags; missing ones are handled below.
        with Image.open(path) as image:
            exif = image.getexif()
            gps = exif.get_ifd(ExifTags.IFD.GPSInfo)
            taken = exif.get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.DateTimeOriginal)
            times = (taken, exif.get(ExifTags.Base.DateTime))
    except (*samples.DAMAGE, Image.DecompressionBombError):
        samples.read_image(path)  # raises with the reason if the picture itself is at fault
        raise BrokenSample(path, "EXIF is damaged") from None
    if not gps:
        raise BrokenSample(path, "no GPS in the EXIF")
    lat = _degrees(gps, ExifTags.GPS.GPSLatitude, "NS", path)
    lon = _degrees(gps, ExifTags.GPS.GPSLongitude, "EW", path)
    return samples.check_coordinates([lat, lon], where=path), next(filter(None, map(_iso_time, times)), None)


def _degrees(gps: Mapping[int, object], tag: ExifTags.GPS, signs: str, path: Path) -> float:
    """Signed degrees from degrees, minutes, seconds and a letter; `signs` holds the positive letter first."""
    name = "latitude" if signs == "NS" else "longitude"
    parts = gps.get(tag)
    if parts is None:
        raise BrokenSample(path, f"no GPS {name} in the EXIF")
    try:
        degrees, minutes, seconds = map(float, parts)  # type: ignore[call-overload]
    except (TypeError, ValueError, ZeroDivisionError):
        raise BrokenSample(path, f"GPS {name} is not degrees, minutes and seconds: {parts!r}") from None
    if not all(map(math.isfinite, (degrees, minutes, seconds))):
        raise BrokenSample(path, f"GPS {name} has a number that is undefined (zero denominator)")
    if min(degrees, minutes, seconds) < 0 or max(minutes, seconds) > 60:
        raise BrokenSample(path, f"GPS {name} is out of range: {degrees:g}° {minutes:g}' {seconds:g}\"")
    letter = str(gps.get(tag - 1, "")).strip("\0 ").upper()  # the tag before a coordinate is its letter
    if len(letter) != 1 or letter not in signs:
        raise BrokenSample(path, f"GPS {name} does not say {signs[0]} or {signs[1]}")
    return (degrees + minutes / 60 + seconds / 3600) * (1 if letter == signs[0] else -1)


def _iso_time(text: object) -> str | None:
    """Local time without zone; None for the zeros or blanks that cameras without a clock write."""
    try:
        return datetime.strptime(str(text).strip("\0 "), "%Y:%m:%d %H:%M:%S").isoformat()
    except ValueError:
        return None


def _read_record(source: Path, candidate: Candidate) -> Record:
    coordinates, taken = read_exif(source / candidate.file)
    return candidate.record | {"coordinates": coordinates} | ({"taken": taken} if taken else {})
