"""Imports of geotagged photos."""

import os
import struct
from pathlib import Path

import pytest
from PIL import ExifTags, Image
from PIL.TiffImagePlugin import IFDRational

from lost_and_found.collection.geotagged import import_geotagged, read_exif
from lost_and_found.errors import BrokenSample
from tests.collection.made_photos import assert_books_balance, picture, reasons, records, write


def degrees(*parts):
    return tuple(IFDRational(round(part * 1000), 1000) for part in parts)


def geotagged(gps, taken=None):
    exif = Image.Exif()
    if gps is not None:
        exif.get_ifd(ExifTags.IFD.GPSInfo).update(gps)
    if taken:
        exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = taken
    return picture(exif=exif)


GOOD = {1: "N", 2: degrees(48, 51.5, 0), 3: "E", 4: degrees(2, 21, 3.6)}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, [48.858333, 2.351]),
        ({1: "S"}, [-48.858333, 2.351]),
        ({3: "w"}, [48.858333, -2.351]),
        ({1: "N\0", 3: " e "}, [48.858333, 2.351]),
        ({2: degrees(0, 0, 0)}, [0.0, 2.351]),
        ({4: degrees(179, 59, 60)}, [48.858333, 180.0]),
    ],
)
def test_a_position_in_the_exif_is_read_with_its_sign(tmp_path, changes, expected):
    write(tmp_path / "a.jpg", geotagged(GOOD | changes))
    assert read_exif(tmp_path / "a.jpg")[0] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("gps", "reason"),
    [
        (None, "no GPS in the EXIF"),
        ({1: "N", 3: "E"}, "no GPS latitude in the EXIF"),
        ({1: "N", 2: degrees(1, 2, 3), 3: "E"}, "no GPS longitude in the EXIF"),
        (GOOD | {1: "E"}, "GPS latitude does not say N or S"),
        (GOOD | {3: ""}, "GPS longitude does not say E or W"),
        ({2: GOOD[2], 3: "E", 4: GOOD[4]}, "GPS latitude does not say N or S"),
        (GOOD | {2: degrees(48, 51)}, "GPS latitude is not degrees, minutes and seconds"),
        (GOOD | {2: (IFDRational(48), IFDRational(51), IFDRational(0, 0))}, "zero denominator"),
        (GOOD | {4: degrees(2, 61, 0)}, "GPS longitude is out of range"),
        (GOOD | {4: degrees(2, 21, 61)}, "GPS longitude is out of range"),
        (GOOD | {2: degrees(91, 0, 0)}, "latitude beyond ±90"),
        (GOOD | {4: degrees(181, 0, 0)}, "longitude beyond ±180"),
        ({1: "N", 2: degrees(0, 0, 0), 3: "E", 4: degrees(0, 0, 0)}, "no position"),
    ],
)
def test_a_position_that_can_not_be_trusted_is_refused_with_the_reason(tmp_path, gps, reason):
    write(tmp_path / "a.jpg", geotagged(gps))
    with pytest.raises(BrokenSample, match=r".") as caught:
        read_exif(tmp_path / "a.jpg")
    assert reason in caught.value.reason


def test_a_photo_in_the_format_of_phones_says_what_to_do(tmp_path):
    write(tmp_path / "in/IMG_1.HEIC", b"\0\0\0\x18ftypheic")
    write(tmp_path / "in/good.jpg", geotagged(GOOD))
    report = import_geotagged(tmp_path / "in", tmp_path / "out", site="phone", workers=1)
    assert reasons(report) == {"IMG_1.HEIC": "HEIC can't be read; save it as JPEG"}


def test_a_header_that_promises_too_many_pixels_is_a_row_with_a_reason(tmp_path):
    bitmap = bytearray(picture("BMP"))
    bitmap[18:26] = struct.pack("<ii", 50_000, 50_000)
    write(tmp_path / "in/huge.bmp", bytes(bitmap))
    write(tmp_path / "in/good.jpg", geotagged(GOOD))
    report = import_geotagged(tmp_path / "in", tmp_path / "out", site="phone", workers=1)
    assert reasons(report) == {"huge.bmp": "image has too many pixels"}


@pytest.mark.parametrize(
    ("text", "taken"),
    [("2011:01:13 14:33:39", "2011-01-13T14:33:39"), ("0000:00:00 00:00:00", None), (None, None)],
)
def test_the_time_is_read_where_it_is_one(tmp_path, text, taken):
    write(tmp_path / "a.jpg", geotagged(GOOD, taken=text))
    assert read_exif(tmp_path / "a.jpg")[1] == taken


def test_geotagged_photos_import_from_nested_folders(tmp_path):
    write(tmp_path / "in/2024/summer/a.jpg", geotagged(GOOD, taken="2024:07:01 10:00:00"))
    write(tmp_path / "in/2024/b.jpg", geotagged(None))
    write(tmp_path / "in/readme.md", "hello")
    os.mkfifo(tmp_path / "in/pipe.jpg")
    report = import_geotagged(tmp_path / "in", tmp_path / "out", site="phone", workers=1)
    (record,) = records(tmp_path / "out").values()
    assert record == {
        "coordinates": [pytest.approx(48.858333), pytest.approx(2.351)],
        "taken": "2024-07-01T10:00:00",
        "source": "in",
        "file": "2024/summer/a.jpg",
    }
    assert reasons(report) == {
        "2024/b.jpg": "no GPS in the EXIF",
        "pipe.jpg": "is not a regular file",
        "readme.md": "not an image",
    }
    assert_books_balance(report, tmp_path / "out")


# Worked out by hand from the degrees, minutes and seconds that the files hold.
REAL_POSITIONS = {
    "drew__Apple-iPhone-4": (41.853, 12.488833),
    "drew__FujiFilm-FinePixS1Pro-(1)": (54.989667, -1.914167),
    "drew__FujiFilm-FinePixS1Pro-(2)": (51.846667, -3.337833),
    "drew__FujiFilm-FinePixS1Pro-(3)": (55.104833, -1.8845),
    "drew__FujiFilm-FinePixS1Pro-(4)": (54.9135, -1.588833),
    "drew__FujiFilm-FinePixS1Pro-(5)": (50.723167, -1.962833),
    "drew__FujiFilm-FinePixS2Pro": (48.857833, 2.297),
    "drew__HTC-Desire": (45.500667, 9.110333),
    "drew__Issue-173-(dotnet)": (43.687394, -85.483519),
    "drew__Issue-508": (43.859469, 15.503283),
    "drew__Sony-DSC-HX5V-(2)": (51.778615, 8.365638),
    "ianare__67-0_length_string": (51.025, 7.591944),
    "ianare__87_OSError": (43.785594, 11.234619),
    "ianare__DSCN0010": (43.467448, 11.885127),
    "ianare__DSCN0012": (43.467157, 11.885395),
    "ianare__DSCN0021": (43.467082, 11.884538),
    "ianare__DSCN0025": (43.468365, 11.881635),
    "ianare__DSCN0027": (43.468442, 11.881515),
    "ianare__DSCN0029": (43.468243, 11.880172),
    "ianare__DSCN0038": (43.467255, 11.879213),
    "ianare__DSCN0040": (43.466012, 11.879112),
    "ianare__DSCN0042": (43.464455, 11.881479),
    "ianare__Kodak_CX7530": (-0.3713, 36.056417),
    "immich__thompson-springs": (39.115, -108.400968),
}
REAL_REJECTIONS = {
    "drew__FLIR-Vue-Pro-640": "coordinates are (0, 0)",
    "drew__Issue-308": "coordinates are (0, 0)",
    "drew__Samsung-GT-I9000-(Galaxy-S)": "coordinates are (0, 0)",
    "drew__Nikon-D5000": "GPS latitude has a number that is undefined",
    "immich__empty_gps": "GPS latitude has a number that is undefined",
}


def test_real_photos_give_the_positions_of_their_exif(tmp_path, real_data):
    report = import_geotagged(real_data / "photos-with-gps", tmp_path / "out", site="photos")
    found = {Path(r["file"]).stem: tuple(r["coordinates"]) for r in records(tmp_path / "out").values()}
    assert found == {name: pytest.approx(position, abs=1e-6) for name, position in REAL_POSITIONS.items()}
    refused = {Path(file).stem: reason for file, reason in reasons(report).items()}
    assert refused.keys() == REAL_REJECTIONS.keys()
    assert all(refused[name].startswith(reason) for name, reason in REAL_REJECTIONS.items())
    assert_books_balance(report, tmp_path / "out")
