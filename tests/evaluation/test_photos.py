"""Guesses for photos of any kind, by runs of every target."""

import numpy as np
import pandas as pd
import pytest
from PIL import ExifTags, Image

from lost_and_found.data_loader import load_samples
from lost_and_found.evaluation.photos import main, photo_pixels
from lost_and_found.preparation.resizing import resize_collection
from lost_and_found.samples import write_pair
from lost_and_found.training.decoding import decode

RECORD = {"country_code": "FR"}


def photo(path, size=(640, 480), *, seed=0, **options):
    """A smooth picture, as photographs are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    colours = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), np.uint8)
    Image.fromarray(colours).resize(size, Image.Resampling.BICUBIC).save(path, **options)
    return path


def turned():
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    return exif


@pytest.mark.parametrize(
    ("name", "size", "options"),
    [
        ("four to three.jpg", (1600, 1200), {}),
        ("upright.jpg", (900, 1600), {}),
        ("as the game shows it.jpg", (1280, 720), {}),
        ("tiny.png", (100, 70), {}),
        ("a working copy.jpg", (320, 180), {"quality": 92}),
        ("on its side.jpg", (1600, 1200), {"exif": turned()}),
        ("screenshot.png", (1920, 1080), {}),
    ],
)
def test_pixels_are_those_that_the_stages_make_of_a_photo(tmp_path, name, size, options):
    path = photo(tmp_path / name, size, **options)
    (tmp_path / "collected").mkdir()
    write_pair(tmp_path / "collected", "a_b_c_0", image=path.read_bytes(), suffix=path.suffix, record=RECORD)
    resize_collection(tmp_path / "collected", tmp_path / "copies", workers=1)
    (copy,) = load_samples(tmp_path / "copies")
    wanted = decode(copy.image, width=130, height=80)
    assert np.array_equal(photo_pixels(path, width=130, height=80), wanted)


@pytest.fixture
def guess(three_runs, capsys):
    """Runs the command for the newest run of a target; its exit status, what it prints, and its errors."""
    runs = three_runs.root / "3-training/01-train-model/made/runs"

    def run(*arguments, target="country"):
        (folder,) = runs.glob(f"made-{target}-*")
        status = main(["--run", str(folder), "--device", "cpu", *map(str, arguments)])
        output = capsys.readouterr()
        return status, output.out, output.err

    return run


def test_one_photo_gets_a_line_for_each_country(guess, tmp_path):
    status, printed, _ = guess(photo(tmp_path / "a.jpg"))
    first, *lines = printed.splitlines()
    assert (status, first) == (0, str(tmp_path / "a.jpg"))
    shares = [float(line.split()[-2]) for line in lines]
    assert len(shares) == 3 and shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(100, abs=0.2)


def test_the_run_asked_for_last_is_taken_where_none_is_named(three_runs, tmp_path, capsys):
    path = photo(tmp_path / "a.jpg")
    given = ["--root", str(three_runs.root), "--dataset", "made", "--device", "cpu"]
    assert main([str(path), *given]) == 0
    assert capsys.readouterr().err.startswith("run made-")
    assert main([str(path), *given, "--run", "absent"]) == 1
    assert "holds no complete run 'absent'; there are: made-" in capsys.readouterr().err


@pytest.mark.parametrize("target", ["region", "coordinates"])
def test_runs_that_know_places_name_them(guess, tmp_path, target):
    _, printed, _ = guess(photo(tmp_path / "a.jpg"), "--csv", tmp_path / "a.csv", target=target)
    table = pd.read_csv(tmp_path / "a.csv", keep_default_na=False)
    row = table.iloc[0]
    assert f"{row['lat']:.2f}, {row['lon']:.2f}, near {row['place']}" in printed.splitlines()[-1]
    assert (row["region"] in printed) if target == "region" else ("probability_1" not in table)


def test_what_can_not_be_read_is_told_and_the_others_are_guessed(guess, tmp_path):
    folder = tmp_path / "photos"
    for number, name in enumerate(["b.jpg", "a.PNG", "deep/c.webp", ".hidden/d.jpg", ".e.jpg"]):
        photo(folder / name, seed=number)
    (folder / "broken.jpg").write_bytes(b"no picture")
    (folder / "phone.HEIC").write_bytes(b"no picture")
    (folder / "notes.txt").write_text("no photo")
    status, printed, errors = guess(folder, folder / "b.jpg", "--csv", tmp_path / "all.csv")
    names = ["a.PNG", "b.jpg", "broken.jpg", "deep/c.webp", "phone.HEIC"]
    assert [line.split()[0] for line in printed.splitlines()] == [str(folder / name) for name in names]
    assert (status, errors.splitlines()[-1]) == (1, "2 of 5 photos could not be read")
    table = pd.read_csv(tmp_path / "all.csv", keep_default_na=False)
    assert table["photo"].tolist() == [str(folder / name) for name in names]
    assert table["problem"].tolist() == ["", "", "not an image", "", "HEIC can't be read; save it as JPEG"]
    assert (table["guess_1"] != "").tolist() == (table["problem"] == "").tolist()


@pytest.mark.parametrize(
    ("places", "more", "message"),
    [
        (["absent.jpg"], [], "there is no .*absent.jpg"),
        (["empty"], [], "no image lies in .*empty"),
        (["a.jpg"], ["--csv", "nowhere/a.csv"], "there is no folder nowhere to write a.csv to"),
        (["a.jpg"], ["--device", "cuda:77"], "which this machine lacks"),
    ],
)
def test_what_is_wrong_is_told(guess, tmp_path, places, more, message):
    photo(tmp_path / "a.jpg")
    (tmp_path / "empty").mkdir()
    status, printed, errors = guess(*[tmp_path / place for place in places], *more)
    assert (status, printed) == (1, "")
    assert pd.Series([errors]).str.contains(f"error: .*{message}").item()
