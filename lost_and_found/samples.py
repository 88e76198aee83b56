"""The data point: one place on Earth as `<id>.png|jpg` beside `<id>.json`.

An id is `<site>_<mode>_<game>_<round>`, for example `geoguessr_singleplayer_00AH3Et9ehwdPYL8_0`. A record is
a dict that may hold `coordinates` ([lat, lon] in degrees), `country_code` (alpha-2, XK for Kosovo),
`country_name`, `region`, `regions`, `place`, `border_km`, `duration` (s), `source` and `group` (of pictures
that belong together). Files whose names begin with a dot are not samples: files have such names while they
are being written.
"""

from __future__ import annotations

import errno
import io
import json
import math
import os
import re
import struct
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import ExifTags, Image, ImageFile, ImageOps, UnidentifiedImageError

from lost_and_found.errors import BrokenSample, InvalidConfig, MissingInput, StorageFull
from lost_and_found.texts import printable

if TYPE_CHECKING:
    import pandas as pd

IMAGE_SUFFIXES = (".png", ".jpg")
SIDEWAYS = (5, 6, 7, 8)  # EXIF orientations in which width and height are exchanged
# What Pillow's decoders raise on damaged files; found by changing bytes at random.
DAMAGE = (
    *(OSError, SyntaxError, ValueError, EOFError, TypeError, LookupError, OverflowError, struct.error),
    *(RuntimeError, MemoryError),  # of AVIF, and of JPEG 2000 that claims to be larger than any memory
)
# Pillow warns of damaged metadata, without which a picture is whole, and of an attack from half the pixels on
# that it refuses, which phones' photos and panoramas have.
warnings.filterwarnings("ignore", module=r"PIL\.")
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
# What no id may contain: lists hold one per line, in UTF-8.
_NEVER = r"/\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff"
ID_PATTERN = re.compile(
    rf"(?P<site>[^_{_NEVER}]+)_(?P<mode>[^_{_NEVER}]+)_(?P<game>[^{_NEVER}]+)_(?P<round>\d+)"
)

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Sample:
    """A pair on disk, in one folder, with the id as stem of both files.

    The paths are made on demand: 300,000 samples would otherwise hold 600,000 Path objects.
    """

    id: str
    folder: str
    suffix: str

    @property
    def image(self) -> Path:
        """The picture, `<id>.png` or `<id>.jpg`."""
        return Path(self.folder, self.image_name)

    @property
    def image_name(self) -> str:
        """File name of the picture."""
        return self.id + self.suffix

    @property
    def record(self) -> Path:
        """The record, `<id>.json`."""
        return Path(self.folder, f"{self.id}.json")


@dataclass(frozen=True, slots=True)
class SampleId:
    """The four parts of an id."""

    site: str
    mode: str
    game: str
    round: int

    def __str__(self) -> str:
        return f"{self.site}_{self.mode}_{self.game}_{self.round}"


def parse_id(text: str) -> SampleId:
    """The parts of an id.

    Raises:
        InvalidConfig: the text doesn't have the form `<site>_<mode>_<game>_<round>`.
    """
    match = ID_PATTERN.fullmatch(text)
    if not match:
        raise InvalidConfig(f"{text!r} is not a sample id; it should look like <site>_<mode>_<game>_<round>")
    return SampleId(match["site"], match["mode"], match["game"], int(match["round"]))


def read_record(path: Path) -> Record:
    """The record in a JSON file, its coordinates checked and converted to floats.

    Raises:
        BrokenSample: no file, no JSON object, a NaN, coordinates that can't be a photo's, or a country or
            region that isn't a text.
    """
    try:
        record = json.loads(path.read_bytes(), parse_constant=_refuse_constant)
    except FileNotFoundError:
        raise BrokenSample(path, "record missing") from None
    except (ValueError, RecursionError) as error:  # covers JSONDecodeError and UnicodeDecodeError
        raise BrokenSample(path, f"record is not valid JSON ({error})") from None
    if not isinstance(record, dict):
        raise BrokenSample(path, f"record is a JSON {type(record).__name__}, not an object")
    if record.get("coordinates") is not None:
        record["coordinates"] = check_coordinates(record["coordinates"], where=path)
    for name in ("country_code", "country_name", "region"):
        if not isinstance(record.get(name), str | None):
            raise BrokenSample(path, f"{name} is not a text: {record[name]!r}")
    return record


def check_coordinates(value: object, *, where: object) -> list[float]:
    """[lat, lon] in degrees as floats.

    Raises:
        BrokenSample: not two finite numbers, out of range, or exactly (0, 0), devices' value for "unknown".
    """
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise BrokenSample(where, f"coordinates are not [lat, lon]: {value!r}")
    if not all(isinstance(part, int | float) and not isinstance(part, bool) for part in value):
        raise BrokenSample(where, f"coordinates are not numbers: {value!r}")
    try:
        lat, lon = map(float, value)
    except OverflowError:
        raise BrokenSample(where, "coordinates are far out of range") from None
    if not (math.isfinite(lat) and math.isfinite(lon)):
        raise BrokenSample(where, f"coordinates are not finite: {value!r}")
    if abs(lat) > 90:
        raise BrokenSample(where, f"latitude beyond ±90: {lat}")
    if abs(lon) > 180:
        raise BrokenSample(where, f"longitude beyond ±180: {lon}")
    if lat == 0 and lon == 0:
        raise BrokenSample(where, "coordinates are (0, 0), which means no position")
    return [lat, lon]


def read_image(path: Path, *, at_least: tuple[int, int] | None = None) -> Image.Image:
    """The whole picture, upright, as 8-bit RGB.

    Transparency is put on black and 16-bit grey is scaled to 8 bits.

    Args:
        path: any format that Pillow reads.
        at_least: (width, height) in pixels that the caller needs; lets JPEG decode at 1/2, 1/4 or 1/8 of
            its size if that is no smaller. The decoder's scaling is antialiased, and several times faster.

    Raises:
        BrokenSample: the file is missing, empty, cut off or not an image.
    """
    try:
        if path.stat().st_size == 0:
            raise BrokenSample(path, "image file is empty")
        with opened(path) as image:
            if image.mode == "F":
                raise BrokenSample(path, "image has floating-point levels; save it with 8 bits per channel")
            if at_least:
                lies_on_its_side = image.getexif().get(ExifTags.Base.Orientation) in SIDEWAYS
                image.draft(None, at_least[::-1] if lies_on_its_side else at_least)
            image.load()
            exif = image.getexif()
            for tag in set(exif) - {ExifTags.Base.Orientation}:
                del exif[tag]  # Pillow writes the EXIF anew, which fails at tags of an unusual type
            ImageOps.exif_transpose(image, in_place=True)
            return _as_rgb(image)
    except FileNotFoundError:
        raise BrokenSample(path, "image missing") from None
    except UnidentifiedImageError:
        is_heic = path.suffix.lower() in (".heic", ".heif")  # from phones; Pillow would need a plugin
        raise BrokenSample(
            path, "HEIC can't be read; save it as JPEG" if is_heic else "not an image"
        ) from None
    except Image.DecompressionBombError:
        raise BrokenSample(path, "image has too many pixels") from None
    except DAMAGE as error:
        if isinstance(error, OSError) and error.filename:  # it can't be opened; decoders' errors name no file
            raise BrokenSample(path, f"image can't be read ({error.strerror})") from None
        raise BrokenSample(path, f"image is damaged ({str(error) or type(error).__name__})") from None


def damage(content: bytes, suffix: str) -> str | None:
    """What is wrong with the bytes of a picture or record that has just arrived, or None.

    Args:
        content: of the file.
        suffix: of its name.
    """
    try:
        if suffix == ".json":
            return None if isinstance(json.loads(content), dict) else "is not a record"
        with opened(io.BytesIO(content)) as image:
            image.load()
    except (*DAMAGE, Image.DecompressionBombError) as error:
        return f"is damaged ({error})"
    return None


def opened(file: Path | io.BytesIO) -> ImageFile.ImageFile:
    """The picture in a file, to be closed; not one in PostScript."""
    image = Image.open(file)
    if image.format == "EPS":  # a program in PostScript, which Pillow would have Ghostscript run
        image.close()
        raise UnidentifiedImageError("PostScript is not a picture")
    if image.format == "TIFF":
        # By its name, Pillow maps an uncompressed file, and scrambles one that is stored on its side.
        image.filename = ""
    return image


def _as_rgb(image: Image.Image) -> Image.Image:
    if image.mode in ("I;16", "I;16L", "I;16B", "I"):
        return image.convert("I").point(lambda level: level / 257).convert("L").convert("RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        on_black = Image.new("RGBA", image.size, (0, 0, 0, 255))
        return Image.alpha_composite(on_black, image).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def write_pair(folder: Path, sample_id: str, *, image: bytes, suffix: str, record: Record) -> Sample:
    """Write both files of a sample; where there is a record, the image is complete.

    The record is written last, so a process killed in between leaves only an image, which loaders count as
    half a pair and a second run completes.

    Args:
        folder: exists already.
        sample_id: `<site>_<mode>_<game>_<round>`.
        image: an encoded picture.
        suffix: `.png` or `.jpg`.
        record: JSON-serialisable, without NaN.

    Raises:
        InvalidConfig: no such id or suffix.
        BrokenSample: the record can't be written; neither file is.
        StorageFull: no room.
    """
    parse_id(sample_id)
    if suffix not in IMAGE_SUFFIXES:
        raise InvalidConfig(f"{sample_id}: image suffix {suffix!r} is not one of {IMAGE_SUFFIXES}")
    sample = Sample(sample_id, str(folder), suffix)
    text = record_bytes(record, where=sample.record)
    write_atomically(sample.image, image)
    write_atomically(sample.record, text)
    return sample


def record_bytes(record: Record, *, where: Path) -> bytes:
    """The record as JSON.

    Raises:
        BrokenSample: a value can be read as JSON but not written, such as 1e999, which is infinite.
    """
    try:
        return json.dumps(record, ensure_ascii=False, allow_nan=False).encode()
    except ValueError as error:
        raise BrokenSample(where, f"record can't be written as JSON ({error})") from None


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Where to write a file that is renamed to `path` at the end of the block, or removed if that fails.

    There is no fsync: this guards against killed processes, not power cuts, and a sync for each of 300,000
    small files would take longer than all other work.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file completely or not at all, even if the process is killed.

    Raises:
        StorageFull: no room; nothing is left behind.
    """
    try:
        with replacing(path) as temporary:
            temporary.write_bytes(data)
    except OSError as error:
        if error.errno in NO_ROOM:
            raise StorageFull(
                f"{path}: no room for {len(data):,} bytes ({error.strerror}); free some space and run again, "
                "finished files are kept"
            ) from error
        raise


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write a JSON file that people can read too, as `write_atomically` does."""
    write_atomically(
        path, (json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()
    )


def read_json(path: Path) -> dict[str, Any]:
    """The object that `write_json` wrote.

    Raises:
        MissingInput: the file is damaged, for instance by an interrupted copy or a power cut.
    """
    try:
        values = json.loads(path.read_bytes())
    except ValueError as error:
        raise MissingInput(f"{path} is damaged ({error}); copy {path.parent} anew or delete it") from None
    if not isinstance(values, dict):
        raise MissingInput(f"{path} is damaged (it holds no object); copy {path.parent} anew or delete it")
    return values


def table_bytes(table: pd.DataFrame) -> bytes:
    """The table as CSV in UTF-8 with LF, without its index; the same on every system."""
    # Readers take a bare "\r" in a text (macOS has files named "Icon\r") for the end of a line, and Python
    # only quotes such texts if lines end in "\r\n". This turns a "\r\n" within a text into "\n".
    return printable(table.to_csv(index=False, lineterminator="\r\n").replace("\r\n", "\n")).encode()


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write a CSV file as `write_atomically` does."""
    write_atomically(path, table_bytes(table))


def rejected_by_reason(rejected: pd.DataFrame) -> dict[str, int]:
    """How many rows a `rejected.csv` has for each "rejected: reason", details left out."""
    reasons = _without_details(rejected["reason"]).value_counts()
    return {f"rejected: {reason}": int(n) for reason, n in reasons.items()}


def most_frequent_reason(rejected: pd.DataFrame) -> str:
    """The reason that a `rejected.csv` has most often, details not compared; with those of its first row."""
    reasons = _without_details(rejected["reason"])
    return str(rejected["reason"][reasons == reasons.mode()[0]].iloc[0])


def examples(rejected: pd.DataFrame) -> pd.DataFrame:
    """Up to twenty rows of a `rejected.csv` with different reasons, beginning with one of each kind."""
    rows = rejected.drop_duplicates("reason")
    nth_of_its_kind = rows.groupby(_without_details(rows["reason"])).cumcount()
    return rows.loc[nth_of_its_kind.sort_values(kind="stable").index].head(20)


def _without_details(reasons: pd.Series) -> pd.Series:
    return reasons.str.replace(r"(: | \((?!0, 0)).*", "", regex=True)


def remove_leftovers(folder: Path) -> None:
    """Remove killed processes' temporary files from a folder that nobody else writes to."""
    for leftover in list(folder.glob(".*.tmp")):
        leftover.unlink(missing_ok=True)


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")
