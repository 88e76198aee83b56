"""Guesses for photos of any kind, by runs of every target."""

import dataclasses
import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from PIL import ExifTags, Image

from lost_and_found import notebooks
from lost_and_found.data_lists import read_list
from lost_and_found.data_loader import load_samples
from lost_and_found.evaluation.__main__ import main
from lost_and_found.evaluation.guess_figures import plot_guess_map, plot_photo_guess
from lost_and_found.evaluation.photos import guess_photos, photo_pixels, point_text
from lost_and_found.figures import plot_world, save_figure
from lost_and_found.geo.outlines import country_outlines
from lost_and_found.geo.regions import locate
from lost_and_found.preparation.resizing import resize_collection
from lost_and_found.samples import read_image, write_pair
from lost_and_found.training.decoding import decode
from lost_and_found.training.runs import predict

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
def guess(run_of, capsys):
    """Runs the command for the run of a target; returns its exit status, output and errors."""

    def run(*arguments, target="country"):
        folder = run_of(target).folder
        status = main(["--run", str(folder), "--device", "cpu", *map(str, arguments)])
        output = capsys.readouterr()
        return status, output.out, output.err

    return run


def test_ctrl_c_prints_no_traceback(guess, tmp_path, monkeypatch):
    def pressed(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("lost_and_found.evaluation.photos.predict", pressed)
    status, printed, errors = guess(photo(tmp_path / "a.jpg"))
    assert (status, printed) == (130, "") and errors.endswith("\nstopped\n")


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
    assert printed.splitlines()[-1] == f"  guessed point: {point_text(row)}"
    assert ("probability_1" in table) == (target == "region")
    if target == "coordinates":
        assert row["guess_1"] == locate(row["lat"], row["lon"])["country_code"].item()


@pytest.mark.parametrize(
    ("place_km", "text"),
    [(3.2, "51.22, 0.73, near Lenham"), (585.4, "51.22, 0.73, 585 km from Lenham")],
)
def test_a_town_is_near_only_if_it_is(place_km, text):
    row = pd.Series({"lat": 51.2201, "lon": 0.7299, "place": "Lenham", "place_km": place_km})
    assert point_text(row) == text


def test_a_point_that_is_rounded_to_the_equator_or_greenwich_has_no_sign():
    row = pd.Series({"lat": -0.001, "lon": -0.004, "place": "Bata", "place_km": 8.0})
    assert point_text(row) == "0.00, 0.00, near Bata"


@pytest.mark.parametrize("target", ["region", "coordinates"])
def test_in_a_line_the_point_stands_apart_from_the_countries(guess, tmp_path, target):
    photos = [photo(tmp_path / f"{name}.jpg") for name in "ab"]
    _, printed, _ = guess(*photos, "--csv", tmp_path / "a.csv", target=target)
    points = [point_text(row) for _, row in pd.read_csv(tmp_path / "a.csv").iterrows()]
    before = " %; " if target == "region" else ".jpg  "
    assert all(before + point in line for point, line in zip(points, printed.splitlines(), strict=True))


def test_regions_are_told_by_name(guess, tmp_path):
    _, printed, _ = guess(photo(tmp_path / "a.jpg"), "--csv", tmp_path / "a.csv", target="region")
    country, name, _ = pd.read_csv(tmp_path / "a.csv")["region"].item().split("_")
    assert f"  likeliest region: {name}, {country}" in printed.splitlines()


@pytest.mark.parametrize("target", ["country", "region", "coordinates"])
def test_figures_are_in_the_same_subfolders_as_the_photos(guess, tmp_path, target):
    for name in ("a.jpg", "a.png", "deep/a.jpg"):
        photo(tmp_path / "photos" / name)
    (tmp_path / "photos" / "broken.jpg").write_bytes(b"no picture")
    guess(tmp_path / "photos", "--figures", tmp_path / "out", target=target)
    written = sorted(path for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert [str(path.relative_to(tmp_path / "out")) for path in written] == [
        "a.jpg.png",
        "a.png.png",
        "deep/a.jpg.png",
    ]
    assert all(read_image(path).size == (1440, 600) for path in written)


def test_a_country_is_shaded_by_its_probability_and_one_that_the_model_does_not_know_is_grey():
    _, axes = plt.subplots()
    plot_world(axes, {"FR": 0.6, "DE": 0.3, "BE": 0.0})
    (countries,) = axes.collections
    colours = iter(countries.get_facecolors())
    darkness = {}
    for outline in country_outlines():
        first, *others = [next(colours)[:3] for _ in outline.polygons]
        assert all(np.array_equal(first, other) for other in others)
        darkness[outline.code] = 1 - first.mean()
    assert darkness["FR"] > darkness["DE"] > darkness["BE"] > darkness["ES"]
    assert len({value for code, value in darkness.items() if code not in ("FR", "DE", "BE")}) == 1


@pytest.mark.end_to_end
@pytest.mark.parametrize("given", ["photos", ""], ids=["own photos", "none"])
def test_the_notebook_guesses_own_photos_or_some_of_the_validation_split(three_runs, tmp_path, given):
    folder = three_runs.root / "photos"
    for number in range(3):
        photo(folder / f"{number}.jpg", seed=number)
    parameters = {"root": str(three_runs.root), "dataset": "made", "shown": 2, "source": given}
    notebook = notebooks.REPOSITORY / "4-evaluation" / "04-guess-photos.ipynb"
    notebooks.execute(notebook, tmp_path / "executed.ipynb", parameters)
    table_file = max(
        (three_runs.root / "4-evaluation/04-guess-photos/made").glob("*/guesses.csv"),
        key=lambda path: path.stat().st_mtime_ns,
    )
    table = pd.read_csv(table_file, keep_default_na=False)
    if given:
        assert table["photo"].tolist() == [str(folder / f"{number}.jpg") for number in range(3)]
    else:
        validated = list(read_list(three_runs.list_path(".val")).ids[:2])
        assert [Path(path).stem for path in table["photo"]] == validated
    figures = [table_file.parent / "figures" / f"{Path(path).name}.png" for path in table["photo"][:2]]
    assert all(path.stat().st_size > 10_000 for path in figures)


def test_a_photo_that_can_not_be_read_is_reported_and_the_others_are_guessed(guess, tmp_path):
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


@pytest.mark.parametrize("target", ["country", "region", "coordinates"])
def test_a_table_has_all_columns_even_if_no_photo_can_be_read(run_of, tmp_path, target):
    run, broken = run_of(target), tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture")
    (nothing,), (both,) = (
        list(guess_photos(run, some)) for some in ([broken], [broken, photo(tmp_path / "a.jpg")])
    )
    assert [*nothing.table] == [*both.table]
    assert nothing.table.drop(columns=["photo", "problem"]).isna().all(axis=None)
    assert (len(nothing.decoded), nothing.decoded.shape[1:]) == (0, both.decoded.shape[1:])


@pytest.mark.parametrize(
    ("places", "more", "message"),
    [
        (["absent.jpg"], [], "there is no file or folder .*absent.jpg"),
        (["empty"], [], "there is no image in .*empty"),
        (["a.jpg"], ["--csv", "nowhere/a.csv"], "there is no folder nowhere to write a.csv to"),
        (["a.jpg"], ["--csv", "tests"], "tests is a folder; --csv takes a file"),
        (["a.jpg"], ["--figures", "README.md"], "README.md is a file; --figures takes a folder"),
        (["a.jpg"], ["--device", "cuda:77"], "which this machine lacks"),
    ],
)
def test_an_error_says_what_is_wrong(guess, tmp_path, places, more, message):
    photo(tmp_path / "a.jpg")
    (tmp_path / "empty").mkdir()
    status, printed, errors = guess(*[tmp_path / place for place in places], *more)
    assert (status, printed) == (1, "")
    assert pd.Series([errors]).str.contains(f"error: .*{message}").item()


def test_photos_are_cropped_as_the_pictures_were_that_the_run_was_trained_with(run_of, tmp_path):
    run = run_of("country")
    assert run.copy_size == (64, 36)
    run = dataclasses.replace(run, copy_size=(64, 64))
    photos = [photo(tmp_path / "wide.jpg", (1600, 400)), photo(tmp_path / "high.jpg", (300, 900), seed=1)]
    (guesses,) = guess_photos(run, photos)
    pixels = [photo_pixels(one, width=32, height=32, copy_size=(64, 64)) for one in photos]
    np.testing.assert_array_equal(guesses.decoded, predict(run, np.stack(pixels)))


def test_figures_stay_in_their_folder_however_the_photos_are_named(guess, tmp_path, monkeypatch):
    photo(tmp_path / "other" / "a.jpg")
    photo(tmp_path / "here" / "b.jpg", seed=1)
    monkeypatch.chdir(tmp_path / "here")
    status, _, errors = guess("../other/a.jpg", "b.jpg", "--figures", "figures")
    assert status == 0, errors
    figures = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.png"))
    assert figures == ["here/figures/here/b.jpg.png", "here/figures/other/a.jpg.png"]


@pytest.mark.parametrize("alone", [True, False])
def test_names_of_photos_need_not_be_utf_8(guess, tmp_path, alone):
    photo(tmp_path / "photos" / "a.png")
    odd = (tmp_path / "photos" / "a.png").rename(tmp_path / "photos" / os.fsdecode(b"caf\xe9.png"))
    if not alone:
        photo(tmp_path / "photos" / "d.png")
    status, printed, errors = guess(
        *(tmp_path / "photos", "--csv", tmp_path / "all.csv", "--figures", tmp_path / "figures")
    )
    assert status == 0, errors
    assert printed.encode().startswith(f"{tmp_path}/photos/caf\\xe9.png".encode())
    assert pd.read_csv(tmp_path / "all.csv")["photo"][0] == f"{tmp_path}/photos/caf\\xe9.png"
    assert (tmp_path / "figures" / f"{odd.name}.png").exists()


def test_photos_may_have_the_longest_names_that_there_are(guess, tmp_path):
    for seed, last in enumerate("ab"):
        photo(tmp_path / "photos" / f"{'é' * 125}{last}.jpg", seed=seed)
    status, _, errors = guess(tmp_path / "photos", "--figures", tmp_path / "figures")
    assert status == 0, errors
    figures = [path.name for path in (tmp_path / "figures").iterdir()]
    assert len(figures) == 2
    assert all(name.startswith("é" * 100) and name.endswith(".png") for name in figures)


def test_dollar_signs_in_the_name_of_a_photo_are_no_formula(guess, tmp_path):
    status, _, errors = guess(photo(tmp_path / "from $5_$9.jpg"), "--figures", tmp_path / "figures")
    assert status == 0, errors
    assert (tmp_path / "figures" / "from $5_$9.jpg.png").exists()


def test_a_star_in_antarctica_or_at_180_degrees_is_seen_whole():
    _, axes = plt.subplots()
    plot_guess_map(axes, pd.Series({"lat": -75.2, "lon": 179.9, "place": "a town"}), {})
    (star,) = axes.lines
    assert axes.get_ylim()[0] < -75.2
    assert not star.get_clip_on()


def test_long_names_of_photos_and_towns_stay_inside_the_figure_and_leave_the_map_its_size(run_of, tmp_path):
    run, widths = run_of("region"), []
    far = "Villa Las Estrellas, South Georgia and the South Sandwich Islands"
    for name, place in (("a.jpg", "Rome, Italy"), ("a long name " * 12 + "$5.jpg", far)):
        guess = {"photo": str(photo(tmp_path / name)), "problem": "", "guess_1": "GS"}
        guess |= {"lat": -54.28, "lon": -136.51, "place": place, "place_km": 12_345.6}
        figure = plot_photo_guess(run, pd.Series(guess), {"GS": 0.6, "FR": 0.4})
        figure.draw_without_rendering()
        world = figure.axes[1]
        widths.append(world.get_window_extent().width)
        assert all(axes.title.get_window_extent().x1 <= figure.bbox.x1 for axes in figure.axes)
        titles = [text for text in figure.findobj(plt.Text) if "km from" in text.get_text()]
        assert [text.get_window_extent().x1 <= figure.bbox.x1 for text in titles] == [True]
    assert widths[1] == pytest.approx(widths[0], rel=0.1)


@pytest.mark.filterwarnings("error")
def test_a_figure_of_a_photo_with_a_name_in_any_script_is_written_without_a_warning(tmp_path):
    figure, axes = plt.subplots()
    axes.set_title("日本.jpg")
    save_figure(figure, tmp_path / "a.png")
