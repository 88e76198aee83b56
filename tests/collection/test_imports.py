"""Imports of a published dataset, of labelled photos and of geotagged photos."""

import io
import json
import os
import struct
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import ExifTags, Image
from PIL.TiffImagePlugin import IFDRational

from lost_and_found.collection import imports
from lost_and_found.collection.geotagged import import_geotagged, read_exif
from lost_and_found.collection.imports import photo_id, source_folder
from lost_and_found.collection.labelled import import_labelled, readings
from lost_and_found.collection.published import import_published
from lost_and_found.data_loader import find_pairs, load_samples
from lost_and_found.errors import BrokenSample, InvalidConfig, MissingInput
from lost_and_found.samples import ID_PATTERN, read_record
from lost_and_found.workspace import UNFINISHED


def picture(format="JPEG", seed=0, mode="RGB", **options):
    pixels = np.random.default_rng(seed).integers(0, 256, (36, 64, 3), dtype=np.uint8)
    data = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(data, format=format, **options)
    return data.getvalue()


def write(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())


def reasons(report):
    return dict(zip(report.rejected["file"], report.rejected["reason"], strict=True))


def records(folder):
    return {sample.id: read_record(sample.record) for sample in find_pairs(folder)[0].values()}


def assert_books_balance(report, destination):
    pairs, halves = find_pairs(destination)
    assert report.found == report.imported + len(report.rejected)
    assert len(pairs) == report.imported
    assert halves == {}
    assert list(pd.read_csv(destination / "rejected.csv").columns) == ["id", "file", "reason"]
    assert int(report.counts().iloc[1:].sum()) == report.found


# -- all imports --


def test_a_photo_id_is_a_sample_id_and_differs_where_only_accents_or_folders_differ():
    files = ["Réunion/0.jpg", "Reunion/0.jpg", "a/0.jpg", "b/0.jpg", "Хотьково.jpg", "x" * 300 + ".jpg"]
    ids = [photo_id("My_photos", file) for file in files]
    assert len(set(ids)) == len(files)
    for one in ids:
        match = ID_PATTERN.fullmatch(one)
        assert match and (match["site"], match["mode"], match["round"]) == ("my-photos", "photo", "0")
        assert len(one) < 120


def test_a_photo_id_does_not_depend_on_how_the_file_system_spells_accents():
    assert photo_id("s", "R\u00e9union/0.jpg") == photo_id("s", "Re\u0301union/0.jpg")


def test_an_import_of_another_folder_into_the_same_destination_is_refused(tmp_path):
    for name in ("a", "b"):
        write(tmp_path / name / "France/0.jpg", picture())
    import_labelled(tmp_path / "a", tmp_path / "out", site="s", workers=1)
    with pytest.raises(InvalidConfig, match="choose another `dataset`"):
        import_labelled(tmp_path / "b", tmp_path / "out", site="s", workers=1)
    with pytest.raises(InvalidConfig, match="choose another `dataset`"):
        import_published(tmp_path / "a", tmp_path / "out", workers=1)


def test_an_import_reports_no_path_of_the_machine(tmp_path):
    write(tmp_path / "in/France/0.jpg", picture())
    import_labelled(tmp_path / "in", tmp_path / "out", site="s", workers=1)
    for path in (tmp_path / "out").iterdir():
        assert str(tmp_path).encode() not in path.read_bytes()


def test_a_second_import_writes_nothing_and_takes_up_what_changed(tmp_path):
    source, out = tmp_path / "in", tmp_path / "out"
    write(source / "France/0.jpg", picture(seed=0))
    write(source / "France/1.jpg", picture(seed=1))
    assert import_labelled(source, out, site="s", workers=1).written == 2
    assert import_labelled(source, out, site="s", workers=1).written == 0

    write(source / "France/2.jpg", picture(seed=2))
    write(source / "France/0.jpg", picture(seed=3))
    (source / "France/1.jpg").write_bytes(b"")
    (out / ".half.jpg.1.tmp").write_bytes(b"cut off")
    report = import_labelled(source, out, site="s", workers=1)
    assert (report.written, report.removed, report.imported) == (2, 2, 2)
    assert not list(out.glob(".*.tmp"))
    changed = find_pairs(out)[0][photo_id("s", "France/0.jpg")]
    assert changed.image.read_bytes() == picture(seed=3)


def test_a_source_that_lost_most_of_its_pictures_removes_nothing(tmp_path):
    source, out = tmp_path / "in", tmp_path / "out"
    for number in range(4):
        write(source / f"France/{number}.jpg", picture(seed=number))
    import_labelled(source, out, site="s", workers=1)
    before = {path.name for path in out.iterdir()}
    for number in (0, 1, 2):
        (source / f"France/{number}.jpg").unlink()
    with pytest.raises(MissingInput, match=r"3 of the 4 pictures .* Is the folder whole\?"):
        import_labelled(source, out, site="s", workers=1)
    assert {path.name for path in out.iterdir()} == before

    for number in (0, 1):
        write(source / f"France/{number}.jpg", picture(seed=number))
    assert import_labelled(source, out, site="s", workers=1).removed == 2


def test_a_source_of_which_nothing_can_be_read_any_more_removes_nothing(tmp_path):
    source, out = tmp_path / "in", tmp_path / "out"
    write(source / "France/0.jpg", picture())
    import_labelled(source, out, site="s", workers=1)
    write(source / "France/0.jpg", b"")
    with pytest.raises(MissingInput, match="most often 'image file is empty'"):
        import_labelled(source, out, site="s", workers=1)
    assert len(find_pairs(out)[0]) == 1
    assert (out / UNFINISHED).exists()


@pytest.mark.parametrize("format", ["JPEG", "BMP"])
def test_a_source_that_was_replaced_by_an_older_file_is_imported_again(tmp_path, format):
    source, out = tmp_path / "in", tmp_path / "out"
    path = source / "France/0.jpg"
    write(path, picture(format, seed=0))
    import_labelled(source, out, site="s", workers=1)
    write(path, picture(format, seed=1))
    os.utime(path, (1_000_000_000, 1_000_000_000))
    assert [import_labelled(source, out, site="s", workers=1).written for _ in range(2)] == [1, 0]
    (pair,) = find_pairs(out)[0].values()
    with Image.open(pair.image) as made, Image.open(path) as original:
        assert made.tobytes() == original.tobytes()


def test_a_source_of_another_size_and_the_same_time_is_imported_again(tmp_path):
    source, out = tmp_path / "in", tmp_path / "out"
    path = source / "France/0.jpg"
    for quality in (70, 90):
        write(path, picture(quality=quality))
        os.utime(path, (1_000_000_000, 1_000_000_000))
        assert import_labelled(source, out, site="s", workers=1).written == 1
    (pair,) = find_pairs(out)[0].values()
    assert pair.image.read_bytes() == path.read_bytes()


def test_files_of_strangers_survive(tmp_path):
    write(tmp_path / "in/France/0.jpg", picture())
    write(tmp_path / "out/thesis.json", "{}")
    write(tmp_path / "out/folder/notes.txt", "mine")
    with pytest.raises(InvalidConfig, match=r"2 files that no import made \(folder.*move them elsewhere"):
        import_labelled(tmp_path / "in", tmp_path / "out", site="s", workers=1)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"thesis.json", "folder"}

    import_labelled(tmp_path / "in", tmp_path / "other", site="s", workers=1)
    write(tmp_path / "other/thesis.json", "{}")
    write(tmp_path / "other/folder/notes.txt", "mine")
    report = import_labelled(tmp_path / "in", tmp_path / "other", site="s", workers=1)
    assert (report.written, report.removed) == (0, 0)
    assert (tmp_path / "other/thesis.json").exists() and (tmp_path / "other/folder/notes.txt").exists()


def test_only_an_import_that_did_not_end_leaves_its_folder_unfinished(tmp_path):
    write(tmp_path / "in/France/0.jpg", b"")
    with pytest.raises(MissingInput):
        import_labelled(tmp_path / "in", tmp_path / "out", site="s", workers=1)
    assert (tmp_path / "out" / UNFINISHED).exists()
    write(tmp_path / "in/France/0.jpg", picture())
    import_labelled(tmp_path / "in", tmp_path / "out", site="s", workers=1)
    assert not (tmp_path / "out" / UNFINISHED).exists()


def test_a_corrected_label_changes_the_record(tmp_path):
    source, out = tmp_path / "in", tmp_path / "out"
    write(source / "x.jpg", picture())
    for country in ("France", "Spain"):
        write(source / "labels.csv", f"path,country\nx.jpg,{country}\n")
        import_labelled(source, out, site="s", workers=1)
        assert records(out)[photo_id("s", "x.jpg")]["country_name"] == country


def test_a_destination_inside_the_source_is_refused(tmp_path):
    write(tmp_path / "France/0.jpg", picture())
    with pytest.raises(InvalidConfig, match="inside the source"):
        import_labelled(tmp_path, tmp_path / "out", site="s")


def test_a_relative_source_starts_at_the_root_and_an_empty_one_is_refused(tmp_path):
    (tmp_path / "photos").mkdir()
    assert source_folder(tmp_path, "photos") == tmp_path / "photos"
    assert source_folder(Path("elsewhere"), str(tmp_path)) == tmp_path
    with pytest.raises(InvalidConfig, match="`source` is empty"):
        source_folder(tmp_path, "")
    with pytest.raises(MissingInput, match="give the folder"):
        source_folder(tmp_path, "none")


def test_a_missing_source_and_one_without_pictures_say_what_to_do(tmp_path):
    with pytest.raises(MissingInput, match="give the folder"):
        import_geotagged(tmp_path / "none", tmp_path / "out", site="s")
    write(tmp_path / "in/France/0.jpg", b"")
    with pytest.raises(MissingInput, match="image file is empty"):
        import_labelled(tmp_path / "in", tmp_path / "out", site="s")
    assert len(pd.read_csv(tmp_path / "out/rejected.csv")) == 1
    write(tmp_path / "hidden/.thumbnails/0.jpg", picture())
    with pytest.raises(MissingInput, match=r"0 files and rows found; left aside: 1 .*hidden"):
        import_labelled(tmp_path / "hidden", tmp_path / "other", site="s")


@pytest.mark.parametrize(
    ("name", "data", "suffix"),
    [
        ("a.jpg", picture("JPEG"), ".jpg"),
        ("a.JPEG", picture("JPEG"), ".jpg"),
        ("a.png", picture("PNG", mode="RGBA"), ".png"),
        ("lies.png", picture("JPEG"), ".jpg"),
        ("grey.jpg", picture("JPEG", mode="L"), ".jpg"),
        ("print.jpg", picture("JPEG", mode="CMYK"), ".jpg"),
    ],
)
def test_jpeg_and_png_are_kept_byte_for_byte(tmp_path, name, data, suffix):
    write(tmp_path / "in/France" / name, data)
    import_labelled(tmp_path / "in", tmp_path / "out", site="s", workers=1)
    (sample,) = find_pairs(tmp_path / "out")[0].values()
    assert sample.image.suffix == suffix
    assert sample.image.read_bytes() == data


@pytest.mark.parametrize("format", ["WEBP", "BMP", "TIFF", "GIF"])
def test_other_formats_become_png(tmp_path, format):
    write(tmp_path / f"in/France/a.{format.lower()}", picture(format))
    report = import_labelled(tmp_path / "in", tmp_path / "out", site="s", workers=1)
    (sample,) = find_pairs(tmp_path / "out")[0].values()
    with Image.open(sample.image) as image:
        assert (image.format, image.size, image.mode) == ("PNG", (64, 36), "RGB")
    assert_books_balance(report, tmp_path / "out")


def test_what_is_no_whole_picture_is_a_row_with_a_reason(tmp_path):
    source = tmp_path / "in/France"
    write(source / "good.jpg", picture())
    write(source / "cut.jpg", picture()[:-400])
    write(source / "cut.png", picture("PNG")[:1500])
    write(source / "empty.jpg", b"")
    write(source / "notes.txt", "not a picture")
    write(source / "phone.heic", b"\0\0\0\x18ftypheic")
    (source / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    report = import_labelled(tmp_path / "in", tmp_path / "out", site="s", workers=1)
    assert report.imported == 1
    found = {Path(file).name: reason for file, reason in reasons(report).items()}
    for name, part in {
        "cut.jpg": "damaged",
        "cut.png": "damaged",
        "empty.jpg": "empty",
        "notes.txt": "not an image",
        "phone.heic": "save it as JPEG",
        "gone.jpg": "image missing",
    }.items():
        assert part in found[name]
    assert_books_balance(report, tmp_path / "out")


def test_a_full_disk_stops_the_import_and_leaves_no_half_file(tmp_path, monkeypatch):
    write(tmp_path / "in/France/0.jpg", picture())
    write_bytes = Path.write_bytes

    def no_room(path, data):
        if path.name.startswith(".s_photo"):
            write_bytes(path, data[:10])
            raise OSError(28, "No space left on device")
        return write_bytes(path, data)

    monkeypatch.setattr(Path, "write_bytes", no_room)
    with pytest.raises(imports.samples.StorageFull, match="free some and run again"):
        import_labelled(tmp_path / "in", tmp_path / "out", site="s", workers=1)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"import.json", UNFINISHED}


# -- published dataset --


def published(folder, number, record, data=None):
    write(folder / f"location_{number}.png", data or picture("PNG"))
    write(folder / f"location_{number}.json", record if isinstance(record, str) else json.dumps(record))


@pytest.mark.parametrize("below", ["data", "."])
def test_a_published_pair_keeps_its_number_its_bytes_and_its_record(tmp_path, below):
    record = {"coordinates": [1.29, 103.85], "country_code": "SG", "is_in_region": "False", "regions": []}
    published(tmp_path / "in" / below, "000042", json.dumps(record, indent=4))
    write(tmp_path / "in/country_to_index.json", "{}")
    report = import_published(tmp_path / "in", tmp_path / "out", workers=1)
    (sample,) = find_pairs(tmp_path / "out")[0].values()
    assert sample.id == "published_location_000042_0"
    assert sample.image.read_bytes() == picture("PNG")
    assert json.loads(sample.record.read_bytes()) == record | {"source": "published"}
    assert report.ignored == ["index file country_to_index.json"]
    assert_books_balance(report, tmp_path / "out")


def test_pairs_that_bear_a_sample_id_already_keep_it(tmp_path):
    write(tmp_path / "in/geoguessr_multiplayer_abc_3.png", picture("PNG"))
    write(tmp_path / "in/geoguessr_multiplayer_abc_3.json", '{"country_code": "FR"}')
    import_published(tmp_path / "in", tmp_path / "out", workers=1)
    assert list(find_pairs(tmp_path / "out")[0]) == ["geoguessr_multiplayer_abc_3"]


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ("{not json", "not valid JSON"),
        ("[]", "not an object"),
        ('{"coordinates": [NaN, 1.0]}', "NaN is not a JSON number"),
        ('{"coordinates": [91.0, 1.0]}', "latitude beyond ±90"),
        ('{"coordinates": [0.0, 0.0]}', "no position"),
        ('{"coordinates": null}', "neither coordinates nor a country"),
        ("{}", "neither coordinates nor a country"),
    ],
)
def test_a_published_record_that_can_not_be_used_is_a_row_with_a_reason(tmp_path, record, reason):
    published(tmp_path / "in/data", "000001", record)
    published(tmp_path / "in/data", "000002", {"country_code": "FR"})
    report = import_published(tmp_path / "in", tmp_path / "out", workers=1)
    assert list(report.rejected["id"]) == ["published_location_000001_0"]
    assert reason in report.rejected["reason"][0]
    assert_books_balance(report, tmp_path / "out")


def test_halves_and_strangers_in_a_published_folder_are_rows_with_a_reason(tmp_path):
    data = tmp_path / "in/data"
    published(data, "000001", {"country_code": "FR"})
    write(data / "location_000002.png", picture("PNG"))
    write(data / "location_000003.json", '{"country_code": "FR"}')
    published(data, "000004", {"country_code": "FR"})
    write(data / "location_000004.jpg", picture())
    write(data / "holiday.png", picture("PNG"))
    published(tmp_path / "in/elsewhere", "000005", {"country_code": "FR"})
    report = import_published(tmp_path / "in", tmp_path / "out", workers=1)
    assert reasons(report) == {
        "data/location_000002.png": "record missing",
        "data/location_000003.json": "image missing",
        "data/location_000004.jpg": "more than one image: .jpg, .png",
        "data/holiday.png": "name is neither location_NNNNNN nor a sample id",
        "elsewhere/location_000005.png": "lies neither in data/ nor directly in the folder",
    }
    assert_books_balance(report, tmp_path / "out")


def test_the_published_sample_imports_whole(tmp_path, real_data):
    report = import_published(real_data / "published-sample", tmp_path / "out")
    assert (report.found, report.imported, len(report.ignored)) == (25, 25, 6)
    assert_books_balance(report, tmp_path / "out")


# -- labelled photos --


def labelled(tmp_path, table, files=("a.jpg", "b.jpg")):
    for seed, file in enumerate(files):
        write(tmp_path / "in" / file, picture(seed=seed))
    write(tmp_path / "in/labels.csv", table)
    report = import_labelled(tmp_path / "in", tmp_path / "out", site="photos", workers=1)
    assert_books_balance(report, tmp_path / "out")
    return report, {record["file"]: record for record in records(tmp_path / "out").values()}


def test_what_labels_say_otherwise_is_told_with_the_country_that_it_was_taken_for(tmp_path):
    for number, folder in enumerate(["France", "Swizerland", "Swizerland", "in"]):
        write(tmp_path / f"in/{folder}/{number}.jpg", picture(seed=number))
    import_labelled(tmp_path / "in", tmp_path / "out", site="s", workers=1)
    found = readings(load_samples(tmp_path / "out"))
    assert found.to_numpy().tolist() == [["Swizerland", "Switzerland", "CH", 2], ["in", "India", "IN", 1]]


def test_a_row_with_all_columns_becomes_a_record(tmp_path):
    table = "path,lat,lon,city,region,country,camera\na.jpg,48.85,2.35,Paris,Île-de-France,France,X\n"
    report, found = labelled(tmp_path, table, files=["a.jpg"])
    assert found["a.jpg"] == {
        "coordinates": [48.85, 2.35],
        "country_code": "FR",
        "country_name": "France",
        "labels": {
            "country": "France",
            "lat": "48.85",
            "lon": "2.35",
            "city": "Paris",
            "region": "Île-de-France",
        },
        "source": "in",
        "file": "a.jpg",
    }
    assert report.ignored == ["column 'camera' of labels.csv"]


@pytest.mark.parametrize(
    "table",
    [
        "\ufeffPath,Country\r\na.jpg,Réunion\r\nb.jpg,USA\r\n",
        "path;country\na.jpg;Réunion\nb.jpg;USA\n",
        'country\tpath\n"Réunion"\ta.jpg\nUSA\t.\\b.jpg\n\n',
    ],
)
def test_tables_of_all_usual_dialects_are_read(tmp_path, table):
    _, found = labelled(tmp_path, table)
    assert {file: record["country_code"] for file, record in found.items()} == {"a.jpg": "RE", "b.jpg": "US"}


def test_coordinates_alone_are_enough_and_a_decimal_comma_is_read(tmp_path):
    _, found = labelled(tmp_path, "path;lat;lon\na.jpg;48,85;2,35\n", files=["a.jpg"])
    assert found["a.jpg"]["coordinates"] == [48.85, 2.35]
    assert "country_code" not in found["a.jpg"]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("missing.jpg,France,,", "no such file"),
        ("../outside.jpg,France,,", "no such file"),
        ("b.jpg,Atlantis,,", "unknown country: 'Atlantis'"),
        ("b.jpg,,,", "neither country nor coordinates"),
        ("b.jpg,France,91,0", "latitude beyond ±90: 91.0"),
        ("b.jpg,France,0,0", "coordinates are (0, 0)"),
        ("b.jpg,France,nan,0", "coordinates are not finite"),
        ("b.jpg,France,12,", "lon is not a number ('')"),
        ("b.jpg,France,north,0", "lat is not a number ('north')"),
        ("b.jpg,France", "wrong number of fields: 2 instead of 4"),
        ("a.jpg,France,,", "repeats an earlier line"),
    ],
)
def test_a_row_that_can_not_be_used_is_rejected_with_its_line(tmp_path, row, reason):
    write(tmp_path / "outside.jpg", picture())
    report, found = labelled(tmp_path, f"path,country,lat,lon\na.jpg,France,,\n{row}\n")
    assert "a.jpg" in found and "b.jpg" not in found
    (text,) = [text for text in report.rejected["reason"] if text.endswith("(labels.csv line 3)")]
    assert text.startswith(reason)


def test_an_unknown_country_comes_with_proposals(tmp_path):
    report, _ = labelled(tmp_path, "path,country\na.jpg,France\nb.jpg,Argentinia Land\n")
    assert "Argentina" in report.rejected["reason"][0]


def test_a_picture_with_two_countries_is_refused_on_both_lines(tmp_path):
    report, found = labelled(tmp_path, "path,country\na.jpg,France\na.jpg,Spain\nb.jpg,Spain\n")
    assert list(found) == ["b.jpg"]
    assert list(report.rejected["reason"]) == [
        f"labelled in several ways (labels.csv line {line})" for line in (2, 3)
    ]


def test_a_picture_that_the_table_does_not_name_is_a_row_with_a_reason(tmp_path):
    report, _ = labelled(tmp_path, "path,country\na.jpg,France\n")
    assert reasons(report) == {"b.jpg": "not named in labels.csv"}


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (b"path,country\na.jpg,R\xe9union\n", "line 2: not UTF-8"),
        ("file,country\na.jpg,France\n", "needed are path and country"),
        ("path,lat\na.jpg,1\n", "needed are path and country, or path, lat and lon"),
        ("path,country,country\na.jpg,France,Spain\n", "appears twice"),
        ("", "the columns are none"),
        ('path,country\na.jpg,"France\n', "correct the line"),
    ],
)
def test_a_table_that_can_not_be_read_is_an_error_that_names_the_line(tmp_path, table, message):
    with pytest.raises(InvalidConfig, match=message):
        labelled(tmp_path, table)


def test_without_a_table_the_first_folder_names_the_country(tmp_path):
    for file in ("Réunion/0.jpg", "Dubai/night/0.jpg", "Atlantis/0.jpg", "0.jpg"):
        write(tmp_path / "in" / file, picture())
    report = import_labelled(tmp_path / "in", tmp_path / "out", site="s", workers=1)
    found = {r["file"]: r["country_code"] for r in records(tmp_path / "out").values()}
    assert found == {"Réunion/0.jpg": "RE", "Dubai/night/0.jpg": "AE"}
    assert reasons(report)["0.jpg"] == "lies in no country's folder and there is no labels.csv"
    assert "Atlantis" in reasons(report)["Atlantis/0.jpg"]
    assert_books_balance(report, tmp_path / "out")


def test_the_street_views_by_country_import_whole_in_several_processes(tmp_path, real_data):
    report = import_labelled(real_data / "street-view-by-country", tmp_path / "out", site="street-views")
    assert (report.found, report.imported) == (2736, 2736)
    codes = pd.Series([record["country_code"] for record in records(tmp_path / "out").values()])
    assert codes.value_counts()[["US", "FR", "GB"]].tolist() == [626, 208, 97]
    assert codes.nunique() == 76
    assert_books_balance(report, tmp_path / "out")


def test_the_webcams_import_with_their_coordinates(tmp_path, real_data):
    report = import_labelled(real_data / "webcams-with-coordinates", tmp_path / "out", site="webcams")
    assert (report.found, report.imported) == (438, 438)
    assert all("coordinates" in record for record in records(tmp_path / "out").values())
    assert_books_balance(report, tmp_path / "out")


# -- geotagged photos --


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
    report = import_geotagged(tmp_path / "in", tmp_path / "out", site="phone", workers=1)
    (record,) = records(tmp_path / "out").values()
    assert record == {
        "coordinates": [pytest.approx(48.858333), pytest.approx(2.351)],
        "taken": "2024-07-01T10:00:00",
        "source": "in",
        "file": "2024/summer/a.jpg",
    }
    assert reasons(report) == {"2024/b.jpg": "no GPS in the EXIF", "readme.md": "not an image"}
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


def test_counts_group_rejections_by_reason_without_their_details(tmp_path):
    rows = "a.jpg,France\nx.jpg,France\ny.jpg,France\nb.jpg,Atlantis\n"
    report, _ = labelled(tmp_path, f"path,country\n{rows}")
    assert report.counts().to_dict() == {
        "found": 4,
        "imported": 1,
        "rejected: no such file": 2,
        "rejected: unknown country": 1,
    }
