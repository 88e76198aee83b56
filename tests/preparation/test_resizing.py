import io
import json
import signal
import struct
import zlib

import numpy as np
import pytest
from PIL import Image
from sample_photos import add_pair, encoded, killed_in_record, photo, room_for, run_with, sample_id

from lost_and_found.data_loader import find_pairs
from lost_and_found.errors import InvalidConfig, MissingInput
from lost_and_found.preparation.enrichment import enrich_collection
from lost_and_found.preparation.measures import measure_images
from lost_and_found.preparation.pictures import HARMLESS, fit, resized
from lost_and_found.preparation.resizing import resize_collection
from lost_and_found.samples import read_image
from lost_and_found.workspace import UNFINISHED


@pytest.fixture
def folders(tmp_path):
    (tmp_path / "raw").mkdir()
    return tmp_path / "raw", tmp_path / "small"


def saved(tmp_path, image, name="one.png", **options):
    path = tmp_path / name
    image.save(path, **options)
    return path


@pytest.mark.parametrize(
    ("original", "expected"),
    [
        ((1280, 720), (320, 180)),
        ((1366, 768), (320, 180)),
        ((400, 300), (320, 180)),
        ((3000, 600), (320, 180)),
        ((600, 3000), (320, 180)),
        ((320, 180), (320, 180)),
        ((160, 90), (160, 90)),
        ((300, 300), (300, 169)),
        ((1, 1), (1, 1)),
        ((5000, 1), (2, 1)),
    ],
)
@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_pictures_end_up_in_one_shape_and_are_never_enlarged(tmp_path, original, expected, suffix):
    path = saved(tmp_path, Image.new("RGB", original, (90, 120, 30)), f"one{suffix}")
    data, kept_suffix = resized(path, (320, 180))
    made = decoded(data)
    assert (made.size, made.mode, kept_suffix) == (expected, "RGB", suffix)
    assert np.abs(np.asarray(made, dtype=int) - (90, 120, 30)).max() <= 3


def decoded(data):
    return Image.open(io.BytesIO(data))


def test_shrinking_a_fine_chessboard_gives_grey_and_no_moire():
    board = Image.fromarray((np.indices((720, 1280)).sum(0) % 2 * 255).astype(np.uint8)).convert("RGB")
    made = np.asarray(fit(board, (320, 180)))
    assert np.abs(made.astype(int) - 127.5).max() < 3


def closeness_db(one, other):
    return 10 * np.log10(255**2 / np.mean((np.asarray(one, dtype=float) - np.asarray(other)) ** 2))


def test_a_jpeg_decoded_at_a_fraction_looks_like_the_whole_one_resized(tmp_path):
    path = saved(tmp_path, photo(3), "a.jpg", quality=90)
    made = fit(read_image(path, at_least=(320, 180)), (320, 180))
    assert closeness_db(made, fit(read_image(path), (320, 180))) > 40
    # With Pillow's own quality, or with colours at half the resolution, it would be below 29.
    assert closeness_db(decoded(resized(path, (320, 180))[0]), made) > 33


@pytest.mark.parametrize(
    ("size", "centre"),
    [
        ((3200, 900), (800, 0, 2400, 900)),
        ((640, 1000), (0, 320, 640, 680)),
        ((200, 90), (20, 0, 180, 90)),  # too small to be shrunk
        ((160, 250), (0, 80, 160, 170)),
    ],
)
def test_the_centre_of_a_wide_or_tall_picture_is_kept(size, centre):
    picture = Image.new("RGB", size, "red")
    picture.paste("green", centre)
    made = np.asarray(fit(picture, (320, 180)))
    assert (made[3:-3, 3:-3] == (0, 128, 0)).all()


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_pictures_of_the_right_size_are_copied_byte_for_byte(tmp_path, suffix):
    path = saved(tmp_path, photo(1, (320, 180)), f"one{suffix}")
    assert resized(path, (320, 180)) == (path.read_bytes(), suffix)


@pytest.mark.parametrize("name", ["late.png", "behind.png", "behind.jpg"])
def test_what_follows_the_pixels_is_not_copied(tmp_path, name):
    path = saved(tmp_path, Image.new("RGB", (320, 180), "blue"), name)
    whole = path.read_bytes()
    assert resized(path, (320, 180))[0] == whole
    if name == "late.png":
        exif = Image.Exif()
        exif[0x010F] = "a maker of cameras"
        chunk = b"eXIf" + exif.tobytes().removeprefix(b"Exif\0\0")
        chunk = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
        path.write_bytes(whole[:-12] + chunk + whole[-12:])  # between the pixels and the end
    else:
        path.write_bytes(whole + b"a maker of cameras")
    assert b"a maker" not in resized(path, (320, 180))[0]


def test_a_photo_stored_on_its_side_is_turned_and_loses_its_metadata(tmp_path):
    upright = Image.new("RGB", (320, 180), "blue")
    upright.paste("yellow", (0, 0, 320, 90))
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate 270° to see it upright
    exif[0x010F] = "a maker of cameras"
    stored = upright.transpose(Image.Transpose.ROTATE_90)
    data, _ = resized(saved(tmp_path, stored, "one.jpg", exif=exif, quality=95), (320, 180))
    made = decoded(data)
    assert made.size == (320, 180)
    assert made.getpixel((160, 20))[2] < 60 < 200 < made.getpixel((160, 20))[0]
    assert not made.getexif()
    assert b"a maker" not in data


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("one.jpg", {"comment": "a maker of cameras"}),
        ("one.jpg", {"icc_profile": b"a maker of cameras"}),
        ("one.jpg", {"xmp": b"a maker of cameras"}),
        ("one.png", {"icc_profile": b"a maker of cameras"}),
    ],
    ids=["a comment", "a profile", "xmp", "a png's profile"],
)
@pytest.mark.parametrize("size", [(640, 360), (320, 180)], ids=str)
def test_a_copy_has_nothing_but_its_pixels_and_is_not_encoded_again(tmp_path, name, written, size):
    data, suffix = resized(saved(tmp_path, photo(1, size), name, **written), (320, 180))
    assert decoded(data).info.keys() <= HARMLESS
    copy = tmp_path / f"copy{suffix}"
    copy.write_bytes(data)
    assert resized(copy, (320, 180))[0] == data


def test_a_right_sized_photo_with_a_position_in_its_exif_loses_it(tmp_path):
    exif = Image.Exif()
    exif[0x010F] = "a maker of cameras"
    path = saved(tmp_path, photo(1, (320, 180)), "one.jpg", exif=exif)
    assert b"a maker" not in resized(path, (320, 180))[0]


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [
        ("L", 100, (100, 100, 100)),
        ("RGBA", (200, 100, 50, 255), (200, 100, 50)),
        ("RGBA", (200, 100, 50, 0), (0, 0, 0)),
        ("I;16", 257 * 100, (100, 100, 100)),
        ("P", 0, None),
        ("1", 1, (255, 255, 255)),
    ],
)
def test_every_colour_mode_becomes_rgb(tmp_path, mode, colour, expected):
    path = saved(tmp_path, Image.new(mode, (640, 360), colour))
    made = decoded(resized(path, (320, 180))[0])
    assert (made.mode, made.size) == ("RGB", (320, 180))
    assert expected is None or made.getpixel((5, 5)) == expected


def test_a_cmyk_jpeg_becomes_an_rgb_jpeg(tmp_path):
    path = saved(tmp_path, Image.new("CMYK", (640, 360), (0, 0, 0, 0)), "one.jpg")
    made = decoded(resized(path, (320, 180))[0])
    assert (made.mode, made.format, made.getpixel((5, 5))) == ("RGB", "JPEG", (255, 255, 255))


def test_every_broken_sample_is_a_row_and_the_good_ones_come_through(folders):
    raw, small = folders
    good = encoded(photo(0, (640, 360)))
    point = {"coordinates": [46.05, 14.51]}
    bad = {
        "cut": (good[: len(good) // 2], point, "damaged"),
        "empty": (b"", point, "empty"),
        "text": (b"no picture at all", point, "not an image"),
        "json": (good, b"{not json", "not valid JSON"),
        "list": (good, b"[1, 2]", "not an object"),
        "nan": (good, b'{"coordinates": [NaN, 3]}', "NaN"),
        "far": (good, {"coordinates": [91, 3]}, "latitude beyond"),
        "null": (good, {"coordinates": [0, 0]}, "(0, 0)"),
        "words": (good, {"coordinates": ["46", "14"]}, "not numbers"),
    }
    for name, (image, record, _) in bad.items():
        add_pair(raw, f"test_photos_{name}_0", image, record)
    add_pair(raw, "location_000001", good)
    add_pair(raw, "test_photos_half_0", good)
    (raw / "test_photos_half_0.json").unlink()
    add_pair(raw, "test_photos_half_1", good)
    (raw / "test_photos_half_1.jpg").unlink()
    add_pair(raw, "test_photos_good_0", good)
    outcome = resize_collection(raw, small, workers=1)
    reasons = outcome.rejected.set_index("id")["reason"]
    for name, (_, _, reason) in bad.items():
        assert reason in reasons[f"test_photos_{name}_0"]
    assert reasons["test_photos_half_0"] == "record missing"
    assert reasons["test_photos_half_1"] == "image missing"
    assert "not a sample id" in reasons["location_000001"]
    assert len(reasons) == len(bad) + 3
    assert outcome.written == 1
    assert outcome.counts()["rejected: image is damaged"] == 1  # without what is damaged, which differs
    assert outcome.counts()[3:].sum() == len(reasons)
    assert set(find_pairs(small)[0]) == {"test_photos_good_0"}
    assert (small / "rejected.csv").read_text().count("\n") == len(reasons) + 1


@pytest.mark.parametrize("pictures", [0, 2])
def test_a_source_of_which_nothing_can_be_used_is_an_error_that_says_why(folders, pictures):
    raw, small = folders
    for number in range(pictures):
        add_pair(raw, sample_id(number), b"no picture at all")
    often = ", most often 'not an image'" if pictures else ""
    with pytest.raises(
        MissingInput, match=rf"none of {pictures} samples could be used{often}; see .*rejected"
    ):
        resize_collection(raw, small, workers=1)
    assert (small / "rejected.csv").read_text().count("not an image") == pictures


def test_a_second_run_does_only_what_changed(folders):
    raw, small = folders
    for number in range(5):
        add_pair(
            raw, sample_id(number), photo(number, (640, 360)), {"coordinates": [10, number], "note": "é"}
        )
    first = resize_collection(raw, small, workers=1)
    assert (first.written, first.kept) == (5, 0)
    before = (small / f"{sample_id(0)}.jpg").stat().st_mtime_ns
    assert json.loads((small / f"{sample_id(2)}.json").read_text())["note"] == "é"

    add_pair(raw, sample_id(1), photo(9, (640, 360)))
    (raw / f"{sample_id(2)}.json").unlink()
    (raw / f"{sample_id(3)}.jpg").unlink()
    add_pair(raw, sample_id(3), photo(3, (640, 360)), suffix=".png")
    (raw / f"{sample_id(4)}.jpg").touch()
    for name in (f"{sample_id(8)}.jpg", "figure.png"):  # half a pair of a killed process, and no sample
        (small / name).touch()
    second = resize_collection(raw, small, workers=1)
    assert (second.written, second.kept, second.removed, len(second.rejected)) == (3, 1, 1, 1)
    assert (small / f"{sample_id(0)}.jpg").stat().st_mtime_ns == before
    assert {path.name for path in small.iterdir() if path.suffix in (".png", ".jpg")} == {
        f"{sample_id(0)}.jpg",
        f"{sample_id(1)}.jpg",
        f"{sample_id(3)}.png",
        f"{sample_id(4)}.jpg",
        "figure.png",
    }


def test_another_size_makes_everything_anew(folders):
    raw, small = folders
    add_pair(raw, sample_id(0), photo(0, (640, 360)))
    resize_collection(raw, small, workers=1)
    outcome = resize_collection(raw, small, size=(160, 90), workers=1)
    assert (outcome.written, outcome.removed) == (1, 1)
    with Image.open(small / f"{sample_id(0)}.jpg") as made:
        assert made.size == (160, 90)


def test_later_steps_see_that_pictures_have_another_size(folders, tmp_path):
    raw, small = folders
    rich, stored = tmp_path / "rich", tmp_path / "measures.csv"
    add_pair(raw, sample_id(0), photo(0, (640, 360)))
    measured = []
    for size in ((320, 180), (160, 90)):
        resize_collection(raw, small, size=size, workers=1)
        enrich_collection(small, rich, workers=1)
        with Image.open(rich / f"{sample_id(0)}.jpg") as image:
            assert image.size == size
        measured.append(measure_images(list(find_pairs(rich)[0].values()), stored=stored, workers=1))
    assert measured[0]["laplacian_variance"][0] != measured[1]["laplacian_variance"][0]


def test_folders_of_others_are_left_alone(folders):
    raw, small = folders
    add_pair(raw, sample_id(0), photo(0, (64, 36)))
    add_pair(small, sample_id(7), photo(0, (64, 36)))
    with pytest.raises(InvalidConfig, match="didn't make"):
        resize_collection(raw, small)
    assert not (small / UNFINISHED).exists()
    with pytest.raises(InvalidConfig, match="in its own source"):
        resize_collection(raw, raw)
    with pytest.raises(InvalidConfig, match="in its own source"):
        resize_collection(raw, raw / "small")
    with pytest.raises(MissingInput, match="not a folder"):
        resize_collection(raw / "nowhere", small)
    with pytest.raises(InvalidConfig, match="width, height"):
        resize_collection(raw, small, size=(0, 180))


def test_a_full_disk_is_an_error_that_leaves_no_half_written_file(folders):
    raw, small = folders
    add_pair(raw, sample_id(0), Image.new("RGB", (640, 360)))
    add_pair(raw, sample_id(1), photo(1, (640, 360)))
    run = run_with(room_for(9000), "resizing.resize_collection", raw, small)
    assert run.returncode == 1
    assert "StorageFull" in run.stderr
    assert "free some space and run again" in run.stderr
    assert [path.name for path in small.glob("*.jpg")] == [f"{sample_id(0)}.jpg"]
    assert not list(small.glob(".*.tmp"))
    outcome = resize_collection(raw, small, workers=1)
    assert (outcome.written, outcome.kept) == (1, 1)


def test_a_killed_run_is_taken_up_again(folders):
    raw, small = folders
    data = encoded(photo(0))
    for number in range(30):
        add_pair(raw, sample_id(number), data)
    run = run_with(killed_in_record(10), "resizing.resize_collection", raw, small)
    assert run.returncode == -signal.SIGKILL, run.stderr
    (small / ".leftover.jpg.1.tmp").write_bytes(b"cut o")
    for path in small.glob("*.jpg"):
        with Image.open(path) as image:
            image.load()
    assert (small / UNFINISHED).exists()
    made_before = len(find_pairs(small)[0])
    outcome = resize_collection(raw, small, workers=1)
    assert outcome.written + outcome.kept == 30
    assert outcome.kept >= made_before - 1 > 0
    assert outcome.written > 0
    assert not list(small.glob(".*.tmp"))
    assert not (small / UNFINISHED).exists()


def test_several_processes_write_the_same_as_one(folders, tmp_path):
    raw, small = folders
    for number in range(130):
        add_pair(raw, sample_id(number), photo(number, (96, 54)) if number != 50 else b"")
    one = resize_collection(raw, small, workers=1, size=(32, 18))
    two = resize_collection(raw, tmp_path / "two", workers=2, size=(32, 18))
    assert one.written == two.written == 129
    assert one.rejected.equals(two.rejected)
    names = sorted(path.name for path in small.iterdir())
    assert names == sorted(path.name for path in (tmp_path / "two").iterdir())
    assert all((small / name).read_bytes() == (tmp_path / "two" / name).read_bytes() for name in names)
