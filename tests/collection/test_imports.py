"""What all imports share."""

import os
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from lost_and_found.collection import imports
from lost_and_found.collection.geotagged import import_geotagged
from lost_and_found.collection.imports import Candidate, Findings, import_findings, photo_id, source_folder
from lost_and_found.collection.labelled import import_labelled
from lost_and_found.collection.published import import_published
from lost_and_found.data_loader import find_pairs
from lost_and_found.errors import InvalidConfig, MissingInput
from lost_and_found.preparation.resizing import resize_collection
from lost_and_found.samples import ID_PATTERN
from lost_and_found.workspace import UNFINISHED
from tests.collection.made_photos import assert_books_balance, picture, reasons, records, write


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


@pytest.mark.parametrize("name", ["Icon\r", "two\nlines", 'a, "b"', "tab\t"])
def test_odd_file_names_come_back_from_the_table_of_the_rejected(tmp_path, name):
    write(tmp_path / "in/France/0.jpg", picture())
    write(tmp_path / f"in/France/{name}", b"no picture")
    import_labelled(tmp_path / "in", tmp_path / "out", site="s", workers=1)
    assert pd.read_csv(tmp_path / "out/rejected.csv")["file"].tolist() == [f"France/{name}"]


def test_a_second_import_writes_nothing_and_takes_up_what_changed(tmp_path):
    source, out = tmp_path / "in", tmp_path / "out"
    write(source / "France/0.jpg", picture(seed=0))
    write(source / "France/1.jpg", picture(seed=1))
    times = [path.stat().st_mtime_ns for path in source.rglob("*")]
    assert import_labelled(source, out, site="s", workers=1).written == 2
    assert import_labelled(source, out, site="s", workers=1).written == 0
    assert [path.stat().st_mtime_ns for path in source.rglob("*")] == times

    write(source / "France/2.jpg", picture(seed=2))
    write(source / "France/0.jpg", picture(seed=3))
    (source / "France/1.jpg").write_bytes(b"")
    (out / ".half.jpg.1.tmp").write_bytes(b"cut off")
    report = import_labelled(source, out, site="s", workers=1)
    assert (report.written, report.removed, report.imported) == (2, 2, 2)
    assert not list(out.glob(".*.tmp"))
    pairs, halves = find_pairs(out)
    assert (pairs.keys(), halves) == ({photo_id("s", f"France/{number}.jpg") for number in (0, 2)}, {})
    changed = pairs[photo_id("s", "France/0.jpg")]
    assert changed.image.read_bytes() == picture(seed=3)


def test_a_source_that_lost_most_of_its_pictures_removes_nothing(tmp_path):
    source, out = tmp_path / "in", tmp_path / "out"
    for number in range(4):
        write(source / f"France/{number}.jpg", picture(seed=number))
    import_labelled(source, out, site="s", workers=1)
    before = {path.name for path in out.iterdir()}
    for number in (0, 1, 2):
        (source / f"France/{number}.jpg").unlink()
    with pytest.raises(MissingInput, match=r"3 of the 4 pictures .* Is the folder complete\?"):
        import_labelled(source, out, site="s", workers=1)
    assert {path.name for path in out.iterdir()} == before

    for number in (0, 1):
        write(source / f"France/{number}.jpg", picture(seed=number))
    assert import_labelled(source, out, site="s", workers=1).removed == 2


def test_a_source_that_vanishes_while_it_is_imported_removes_nothing(tmp_path):
    source, out = tmp_path / "in", tmp_path / "out"

    def import_losing_it_at(file):
        candidates = [Candidate(f"s_m_{number}_0", f"{number}.jpg") for number in range(6)]

        def read_record(_, candidate):
            if candidate.file == file:
                source.rename(tmp_path / "unplugged")
            return {"country_code": "FR"}

        found = Findings("made", 6, candidates, [], [], read_record)
        return import_findings(found, source, out, workers=1)

    for number in range(6):
        write(source / f"{number}.jpg", picture(seed=number))
    assert import_losing_it_at("none").imported == 6
    with pytest.raises(MissingInput, match=r"4 of the 6 pictures .* Is the folder complete\?"):
        import_losing_it_at("2.jpg")
    assert len(find_pairs(out)[0]) == 6
    assert (out / UNFINISHED).exists()


def test_a_panorama_is_taken_for_no_attack(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 36 * 64 - 1)  # of which twice as many are refused
    write(tmp_path / "in/France/0.jpg", picture())
    assert import_labelled(tmp_path / "in", tmp_path / "out", site="s", workers=1).imported == 1
    assert resize_collection(tmp_path / "out", tmp_path / "small", workers=1).written == 1


def test_a_source_that_can_no_longer_be_read_at_all_removes_nothing(tmp_path):
    source, out = tmp_path / "in", tmp_path / "out"
    write(source / "France/0.jpg", picture())
    import_labelled(source, out, site="s", workers=1)
    write(source / "France/0.jpg", b"")
    with pytest.raises(MissingInput, match="most often rejected as 'image file is empty'"):
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


def test_files_that_no_import_wrote_survive(tmp_path):
    write(tmp_path / "in/France/0.jpg", picture())
    write(tmp_path / "out/thesis.json", "{}")
    write(tmp_path / "out/folder/notes.txt", "mine")
    with pytest.raises(InvalidConfig, match=r"2 files that no import wrote \(folder.*move them elsewhere"):
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


def test_a_source_is_relative_to_root_or_home_and_an_empty_one_is_refused(tmp_path, monkeypatch):
    (tmp_path / "photos").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    assert source_folder(Path("elsewhere"), "~/photos") == tmp_path / "photos"
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
    with pytest.raises(MissingInput, match=r"0 files and rows found; ignored: 1 .*hidden"):
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


def test_a_file_that_is_not_a_whole_picture_is_a_row_with_a_reason(tmp_path):
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
    with pytest.raises(imports.samples.StorageFull, match="free some space and run again"):
        import_labelled(tmp_path / "in", tmp_path / "out", site="s", workers=1)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"import.json", UNFINISHED}
