"""What imports find in a folder: linked, hidden, unreadable and oddly named files."""

import json
import os

import pytest

from lost_and_found.collection.imports import list_files
from lost_and_found.collection.labelled import import_labelled
from lost_and_found.collection.published import import_published
from lost_and_found.data_loader import find_pairs
from lost_and_found.errors import InvalidConfig, MissingInput
from tests.collection.made_photos import assert_books_balance, picture, reasons, write


def test_folders_that_are_links_are_imported_like_others(tmp_path):
    write(tmp_path / "elsewhere/a.jpg", picture())
    write(tmp_path / "in/France/a.jpg", picture(seed=1))
    (tmp_path / "in/Spain").symlink_to(tmp_path / "elsewhere")
    report = import_labelled(tmp_path / "in", tmp_path / "out", site="s", workers=1)
    assert (report.found, report.imported) == (2, 2)


def test_a_link_to_its_own_folder_is_refused(tmp_path):
    write(tmp_path / "in/France/a.jpg", picture())
    (tmp_path / "in/France/again").symlink_to(tmp_path / "in")
    with pytest.raises(InvalidConfig, match="again links to a folder that contains it"):
        list_files(tmp_path / "in")


@pytest.mark.skipif(os.geteuid() == 0, reason="an administrator may read everything")
def test_a_folder_that_cannot_be_read_stops_the_import_before_its_pairs_are_removed(tmp_path):
    for country in ("France", "Peru", "Spain"):
        write(tmp_path / "in" / country / "a.jpg", picture())
    import_labelled(tmp_path / "in", tmp_path / "out", site="s", workers=1)
    (tmp_path / "in/Spain").chmod(0)
    try:
        with pytest.raises(MissingInput, match="Spain can't be read"):
            import_labelled(tmp_path / "in", tmp_path / "out", site="s", workers=1)
    finally:
        (tmp_path / "in/Spain").chmod(0o755)
    assert len(find_pairs(tmp_path / "out")[0]) == 3


def test_a_link_to_its_own_folder_by_way_of_another_link_is_refused(tmp_path):
    write(tmp_path / "in/France/a.jpg", picture())
    write(tmp_path / "data/b.jpg", picture())
    (tmp_path / "in/France/more").symlink_to(tmp_path / "data")
    (tmp_path / "data/back").symlink_to(tmp_path / "in")
    with pytest.raises(InvalidConfig, match="back links to a folder that contains it"):
        list_files(tmp_path / "in")


def test_a_hidden_file_that_the_table_names_is_imported(tmp_path):
    write(tmp_path / "in/.export/a.jpg", picture())
    write(tmp_path / "in/.export/b.jpg", picture(seed=1))
    write(tmp_path / "in/labels.csv", "path,country\n.export/a.jpg,Peru\n")
    report = import_labelled(tmp_path / "in", tmp_path / "out", site="s", workers=1)
    assert (report.found, report.imported) == (1, 1)
    assert report.ignored == ["1 hidden files and previews, such as .export/b.jpg"]


def test_hidden_files_and_previews_are_set_aside_and_reported(tmp_path):
    for file in ("x.jpg", ".thumbnails/x.jpg", ".trash/deleted.jpg", "@eaDir/x.jpg/THUMB_M.jpg", ".DS_Store"):
        write(tmp_path / "in/France" / file, picture())
    report = import_labelled(tmp_path / "in", tmp_path / "out", site="s", workers=1)
    assert (report.found, report.imported) == (1, 1)
    assert report.ignored == ["4 hidden files and previews, such as France/.DS_Store"]


def test_what_the_source_lost_is_reported(tmp_path):
    for name in ("a", "b", "c"):
        write(tmp_path / f"in/France/{name}.jpg", picture(seed=ord(name)))
    import_labelled(tmp_path / "in", tmp_path / "out", site="s", workers=1)
    (tmp_path / "in/France/c.jpg").unlink()
    counts = import_labelled(tmp_path / "in", tmp_path / "out", site="s", workers=1).counts()
    assert counts["files of earlier pairs removed"] == 2


@pytest.mark.parametrize("place", ["loose", "folder", "unlisted", "published"])
def test_names_that_are_no_utf8_are_rows_of_the_report(tmp_path, place):
    source, out = tmp_path / "in", tmp_path / "out"
    name = os.fsdecode(b"caf\xe9.jpg")
    write(source / "France/a.jpg", picture())
    odd = {"folder": source / os.fsdecode(b"Stra\xdfen") / "a.jpg"}.get(place, source / name)
    write(odd, picture())
    if place == "unlisted":
        write(source / "labels.csv", "path,country\nFrance/a.jpg,France\n")
    if place == "published":
        write(source / "data/location_000001.png", picture("PNG"))
        write(source / "data/location_000001.json", json.dumps({"coordinates": [48, 2]}))
        report = import_published(source, out, workers=1)
    else:
        report = import_labelled(source, out, site="s", workers=1)
    assert report.imported == 1
    assert any("\\x" in file for file in reasons(report))
    if place != "published":
        assert_books_balance(report, out)


@pytest.mark.parametrize(
    "odd", ['{"coordinates": [1, 2], "duration": 1e999}', '{"country_code": "PE", "x": "\\ud800"}']
)
def test_a_record_that_cannot_be_written_is_rejected_and_the_others_are_imported(tmp_path, odd):
    for number, record in enumerate([json.dumps({"coordinates": [48, 2]}), odd]):
        write(tmp_path / f"in/data/location_{number:06}.png", picture("PNG", seed=number))
        write(tmp_path / f"in/data/location_{number:06}.json", record)
    report = import_published(tmp_path / "in", tmp_path / "out", workers=1)
    assert report.imported == 1
    (reason,) = reasons(report).values()
    assert "record can't be written as JSON" in reason
    assert_books_balance(report, tmp_path / "out")


def test_rows_that_name_a_file_in_several_ways_and_say_the_same_are_one_label(tmp_path):
    write(tmp_path / "in/p/x.jpg", picture())
    write(tmp_path / "in/labels.csv", "path,country\np/x.jpg,France\np\\x.jpg,France\n./p/x.jpg,France\n")
    report = import_labelled(tmp_path / "in", tmp_path / "out", site="s", workers=1)
    assert (report.found, report.imported) == (3, 1)
    assert set(report.rejected["reason"].str.partition(" (")[0]) == {"repeats an earlier line"}
