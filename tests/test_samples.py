"""Ids, records, images and atomic writes, with every kind of damage seen in the wild."""

import errno
import json
import os
import pickle
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import EpsImagePlugin, Image, features

from lost_and_found.errors import BrokenSample, InvalidConfig, StorageFull
from lost_and_found.samples import (
    SampleId,
    damage,
    parse_id,
    read_image,
    read_record,
    remove_leftovers,
    write_atomically,
    write_pair,
)

plain = st.text("abcdefXYZ0123456789-", min_size=1)


@given(plain, plain, plain, st.integers(0, 99))
def test_an_id_is_parsed_back_to_its_parts(site, mode, game, number):
    identity = SampleId(site, mode, game, number)
    assert parse_id(str(identity)) == identity


@pytest.mark.parametrize(
    "text", ["", "location_000000", "a_b_c_d", "a_b__1", "a_b_c/d_1", "_b_c_1", "a_b_c\nd_1", "a_b_\udc80_1"]
)
def test_a_text_that_is_no_id_is_refused(text):
    with pytest.raises(InvalidConfig, match="not a sample id"):
        parse_id(text)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b'{"coordinates": [1, NaN]}', "NaN is not a JSON number"),
        (b'{"duration": Infinity}', "Infinity"),
        (b"\xff\xfe{}", "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b"[1, 2]", "a JSON list"),
        (b'"text"', "a JSON str"),
        (b"null", "a JSON NoneType"),
        (b'{"coordinates": [91, 0]}', "latitude beyond"),
        (b'{"coordinates": [-90.0001, 0]}', "latitude beyond"),
        (b'{"coordinates": [0, 180.5]}', "longitude beyond"),
        (b'{"coordinates": [0, 0]}', "no position"),
        (b'{"coordinates": [1]}', "not \\[lat, lon\\]"),
        (b'{"coordinates": "1, 2"}', "not \\[lat, lon\\]"),
        (b'{"coordinates": ["1", "2"]}', "not numbers"),
        (b'{"coordinates": [true, false]}', "not numbers"),
        ('{"coordinates": [1, "2°"]}'.encode(), "not numbers"),
        (b'{"coordinates": [1, 1e999]}', "not finite"),
        (b'{"coordinates": [1, 1' + b"0" * 400 + b"]}", "far out of range"),
        (b'{"country_code": ["FR"]}', "country_code is not a text"),
    ],
)
def test_a_broken_record_says_what_is_wrong(tmp_path, content, reason):
    path = tmp_path / "record.json"
    path.write_bytes(content)
    with pytest.raises(BrokenSample, match=reason) as caught:
        read_record(path)
    assert str(path) in str(caught.value)
    assert str(path) not in caught.value.reason


def test_a_missing_record_says_so(tmp_path):
    with pytest.raises(BrokenSample, match="record missing"):
        read_record(tmp_path / "none.json")


@pytest.mark.parametrize("record", [{"country_name": "Kosovo"}, {"coordinates": [90.0, -180.0]}])
def test_a_record_without_coordinates_is_fine_and_so_is_one_at_their_ends(tmp_path, record):
    path = tmp_path / "record.json"
    path.write_text(json.dumps(record))
    assert read_record(path) == record


def test_a_broken_sample_survives_the_trip_between_processes():
    error = pickle.loads(pickle.dumps(BrokenSample("a.png", "image missing")))
    assert (error.where, error.reason) == ("a.png", "image missing")


GRADIENT = np.linspace(0, 255, 64 * 36).reshape(36, 64).astype(np.uint8)


def image_of(mode):
    grey = Image.fromarray(GRADIENT)
    if mode == "I;16":
        return Image.fromarray(GRADIENT.astype(np.uint16) * 257)
    return grey.convert(mode)


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [
        ("RGB", "png"),
        ("RGBA", "png"),
        ("L", "jpg"),
        ("CMYK", "jpg"),
        ("I;16", "png"),
        ("P", "png"),
        ("LA", "png"),
    ],
)
def test_every_kind_of_image_becomes_the_same_rgb(tmp_path, mode, suffix):
    path = tmp_path / f"image.{suffix}"
    image_of(mode).save(path)
    image = read_image(path)
    assert (image.mode, image.size) == ("RGB", (64, 36))
    assert np.abs(np.asarray(image).mean(axis=2) - GRADIENT).mean() < 8


def test_transparent_parts_are_black(tmp_path):
    path = tmp_path / "image.png"
    Image.new("RGBA", (4, 4), (255, 255, 255, 0)).save(path)
    assert np.asarray(read_image(path)).max() == 0


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
def test_a_photo_stored_on_its_side_is_turned_upright(tmp_path, suffix):
    path = tmp_path / f"image.{suffix}"
    upright = Image.new("L", (64, 36))
    upright.paste(255, (0, 0, 64, 18))
    exif = Image.Exif()
    exif[0x0112] = 6
    upright.transpose(Image.Transpose.ROTATE_90).save(path, exif=exif)
    image = read_image(path)
    assert image.size == (64, 36)
    assert image.getpixel((32, 5))[0] > 200 > 50 > image.getpixel((32, 30))[0]


# In the EXIF: a camera held sideways, a resolution in letters, and an entry of which half is missing.
SIDEWAYS = "1201 0300 01000000 06000000"
RESOLUTION = "1a01 0200 02000000 78000000"


@pytest.mark.parametrize("entries", [[SIDEWAYS, RESOLUTION], [SIDEWAYS, RESOLUTION[:14]]])
def test_a_picture_is_whole_and_upright_whatever_else_its_exif_holds(tmp_path, entries):
    exif = b"Exif\0\0II*\0\x08\0\0\0\2\0" + bytes.fromhex("".join(entries))
    Image.new("RGB", (64, 36)).save(tmp_path / "image.jpg", exif=exif)
    assert read_image(tmp_path / "image.jpg").size == (36, 64)
    assert read_image(tmp_path / "image.jpg", at_least=(8, 8)).size[0] < 36


needs_avif = pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")


def damaged(tmp_path, kind):
    path = tmp_path / f"{kind}.jpg"
    if kind == "absent":
        return path
    noise = np.random.default_rng(0).integers(0, 256, (90, 160, 3), dtype=np.uint8)
    suffix = kind.partition(" ")[2] or "jpeg"
    Image.fromarray(noise).save(path, suffix)
    content = path.read_bytes()
    endless = b"\0\0\0\x0cjP  \r\n\x87\n\0\0\0\1jp2h\x40" + bytes(7)  # its header has 4 exabytes
    contents = {"empty": b"", "text": b"not a picture", "endless jpeg2000": endless}
    path.write_bytes(contents.get(kind, content[: len(content) // 2]))
    return path


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("absent", "image missing"),
        ("empty", "image file is empty"),
        ("text", "not an image"),
        ("cut jpeg", "image is damaged"),
        ("cut png", "image is damaged"),
        ("endless jpeg2000", r"image is damaged \(MemoryError\)"),
    ],
)
def test_a_damaged_image_says_what_is_wrong(tmp_path, kind, reason):
    with pytest.raises(BrokenSample, match=reason):
        read_image(damaged(tmp_path, kind))


def test_a_picture_without_a_known_white_is_refused_instead_of_being_clipped(tmp_path):
    Image.new("F", (4, 4), 0.5).save(tmp_path / "image.tif")
    with pytest.raises(BrokenSample, match="floating-point levels; save it with 8 bits"):
        read_image(tmp_path / "image.tif")


def test_a_picture_that_can_not_be_opened_is_not_called_damaged(tmp_path):
    path = tmp_path / "picture.jpg"
    path.symlink_to(path)  # a superuser could read a locked file
    with pytest.raises(BrokenSample) as caught:
        read_image(path)
    assert caught.value.reason == f"image can't be read ({os.strerror(errno.ELOOP)})"


def test_postscript_is_no_picture_and_no_program_is_started_for_it(tmp_path, monkeypatch):
    ghostscript = tmp_path / "gs"
    ghostscript.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\nexit 1\n")
    ghostscript.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(EpsImagePlugin, "gs_binary", None)  # it may remember an earlier search
    drawing = tmp_path / "photo.jpg"
    Image.new("RGB", (16, 9)).save(drawing, format="EPS")
    with pytest.raises(BrokenSample, match="not an image"):
        read_image(drawing)
    assert damage(drawing.read_bytes(), ".jpg")
    assert not (tmp_path / "started").exists()


def test_a_large_photo_is_read_in_silence_and_one_of_too_many_pixels_refused(tmp_path):
    for width in (15, 25):
        Image.new("RGB", (width, 10)).save(tmp_path / f"{width}.png")
    script = (
        "from pathlib import Path; from lost_and_found import samples\n"
        "samples.Image.MAX_IMAGE_PIXELS = 100  # Pillow warns from here on, and refuses twice as many\n"
        "print(samples.read_image(Path('15.png')).size); samples.read_image(Path('25.png'))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout == "(15, 10)\n"
    assert "Warning" not in done.stderr
    assert done.stderr.splitlines()[-1].endswith("BrokenSample: 25.png: image has too many pixels")


@pytest.mark.parametrize(
    "suffix", ["jpeg", "png", "tiff", "gif", "bmp", "webp", pytest.param("avif", marks=needs_avif)]
)
def test_random_damage_never_raises_anything_else(tmp_path, suffix):
    path = tmp_path / "image"
    exif = Image.Exif()
    exif[0x0112] = 6
    image_of("RGB").save(path, suffix, **({"exif": exif} if suffix in ("jpeg", "png", "webp") else {}))
    content = np.frombuffer(path.read_bytes(), np.uint8)
    generator = np.random.default_rng(0)
    for _ in range(150):
        changed = content.copy()
        changed[generator.integers(0, len(content), 4)] = generator.integers(0, 256, 4)
        path.write_bytes(changed[: generator.integers(1, len(content) + 1)].tobytes())
        try:
            assert read_image(path, at_least=(16, 9)).mode == "RGB"
        except BrokenSample as error:
            assert error.reason


@pytest.mark.parametrize("orientation", range(1, 9))
def test_decoding_for_a_smaller_size_stays_large_enough_for_it_however_the_camera_was_held(
    tmp_path, orientation
):
    path = tmp_path / "image.jpg"
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = (1280, 640) if orientation < 5 else (640, 1280)
    Image.new("RGB", stored).save(path, exif=exif)
    image = read_image(path, at_least=(300, 80))
    assert image.size == (320, 160)


def test_a_pair_is_written_under_its_id(tmp_path):
    sample = write_pair(
        tmp_path, "s_m_g_0", image=b"bytes", suffix=".jpg", record={"country_name": "Türkiye"}
    )
    assert sample.image.read_bytes() == b"bytes"
    assert read_record(sample.record) == {"country_name": "Türkiye"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s_m_g_0.jpg", "s_m_g_0.json"]


@pytest.mark.parametrize(
    ("sample_id", "suffix", "record"),
    [("no-id", ".jpg", {}), ("s_m_g_0", ".gif", {}), ("s_m_g_0", ".jpg", {"duration": float("nan")})],
)
def test_a_pair_that_no_one_could_read_is_not_written(tmp_path, sample_id, suffix, record):
    with pytest.raises((InvalidConfig, BrokenSample)):
        write_pair(tmp_path, sample_id, image=b"bytes", suffix=suffix, record=record)
    assert not list(tmp_path.iterdir())


FULL_DISK = """
import resource, sys
from pathlib import Path
from lost_and_found.samples import write_atomically
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
write_atomically(Path(sys.argv[1]), bytes(500))
write_atomically(Path(sys.argv[1]), bytes(5000))
"""


def test_a_full_disk_leaves_the_old_file_and_no_half_of_the_new_one(tmp_path):
    path = tmp_path / "file"
    done = subprocess.run([sys.executable, "-c", FULL_DISK, path], capture_output=True, text=True)
    assert "StorageFull" in done.stderr
    assert "free some space and run again" in done.stderr
    assert path.read_bytes() == bytes(500)
    assert list(tmp_path.iterdir()) == [path]


def test_a_disk_that_has_no_room_for_another_name_is_full(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", refuse)
    with pytest.raises(StorageFull):
        write_atomically(tmp_path / "file", b"")


WRITE = """
import sys
from pathlib import Path
from lost_and_found.samples import write_pair
for number in range(100):
    write_pair(Path(sys.argv[1]), f"s_m_{number}_0", image=bytes(3_000_000), suffix=".jpg", record={})
"""


def test_a_killed_writer_leaves_no_half_file(tmp_path):
    writer = subprocess.Popen([sys.executable, "-c", WRITE, tmp_path])
    while len(list(tmp_path.glob("*.json"))) < 3 and writer.poll() is None:
        time.sleep(0.01)
    writer.kill()
    writer.wait()
    remove_leftovers(tmp_path)
    assert {path.stat().st_size for path in tmp_path.glob("*.jpg")} == {3_000_000}
    for path in tmp_path.glob("*.json"):
        json.loads(path.read_text())
        assert path.with_suffix(".jpg").exists()
    assert not list(tmp_path.glob(".*"))


def test_a_failed_write_is_cleaned_up(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        write_atomically(tmp_path / "folder", b"a folder can't be replaced by a file")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
