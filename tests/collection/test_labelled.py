"""Imports of labelled photos."""

import pandas as pd
import pytest

from lost_and_found.collection.labelled import import_labelled, readings
from lost_and_found.data_loader import load_samples
from lost_and_found.errors import InvalidConfig, MissingInput
from lost_and_found.samples import examples, rejected_by_reason
from tests.collection.made_photos import assert_books_balance, picture, reasons, records, write


def labelled(tmp_path, table, files=("a.jpg", "b.jpg")):
    for seed, file in enumerate(files):
        write(tmp_path / "in" / file, picture(seed=seed))
    write(tmp_path / "in/labels.csv", table)
    report = import_labelled(tmp_path / "in", tmp_path / "out", site="photos", workers=1)
    assert_books_balance(report, tmp_path / "out")
    return report, {record["file"]: record for record in records(tmp_path / "out").values()}


def test_labels_that_are_not_the_countrys_name_are_listed_with_the_country_they_were_read_as(tmp_path):
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
        "path,country\ra.jpg,Réunion\rb.jpg,USA\r",
        "path , country\n a.jpg, Réunion\nb.jpg , USA\n",
        'path;country;note\na.jpg;Réunion;"1,2,3,4"\nb.jpg;USA;\n;;\n; ;\n',
    ],
)
def test_tables_of_all_usual_dialects_are_read(tmp_path, table):
    report, found = labelled(tmp_path, table)
    assert report.rejected.empty
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
        ("/photos/b.jpg,France,,", "path is absolute, not relative to the folder"),
        ("C:\\photos\\b.jpg,France,,", "path is absolute, not relative to the folder"),
        ("b.jpg,Atlantis,,", "unknown country: 'Atlantis'"),
        ("b.jpg,,,", "neither country nor coordinates"),
        ("b.jpg,France,91,0", "latitude beyond ±90: 91.0"),
        ("b.jpg,France,0,0", "coordinates are (0, 0)"),
        ("b.jpg,France,nan,0", "coordinates are not finite"),
        ("b.jpg,France,1_0.5,0", "lat is not a number ('1_0.5')"),
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


def test_an_unknown_country_comes_with_suggestions(tmp_path):
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


def test_a_table_may_spell_an_accent_differently_and_of_two_files_that_do_neither_is_lost(tmp_path):
    files, table = ["caf\u00e9.jpg", "cafe\u0301.jpg"], "path,country\ncaf\u00e9.jpg,France\n"
    report, found = labelled(tmp_path / "both", table, files=files)
    assert sorted([*found, *reasons(report)]) == sorted(files)
    _, found = labelled(tmp_path / "one", table, files=files[1:])
    assert list(found) == files[1:]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (b"path,country\na.jpg,R\xe9union\n", "line 2: not UTF-8"),
        ("file,country\na.jpg,France\n", "it needs path and country"),
        ("path,lat\na.jpg,1\n", "it needs path and country, or path, lat and lon"),
        ("path,country,country\na.jpg,France,Spain\n", "appears twice"),
        ("", "the columns are none"),
        ('path,country\na.jpg,"France\n', "line 2: unexpected end .* correct it"),
        ('path,country\nb.jpg,"France"\na.jpg,"France\n' + "c.jpg,Spain\n" * 9, "line 3: unexpected end"),
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
    assert reasons(report)["0.jpg"] == "not in a country's folder, and there is no labels.csv"
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


def test_the_most_frequent_reason_is_told_though_its_details_differ(tmp_path):
    table = "path,country\n" + "".join(f"photos/{letter}.jpg,France\n" for letter in "abcd")
    with pytest.raises(MissingInput, match=r"most often rejected as 'no such file \(labels.csv line 2\)'"):
        labelled(tmp_path, table)


def test_examples_of_rejections_have_every_reason(tmp_path):
    rows = "".join(f"{number}.jpg,France\n" for number in range(30))
    report, _ = labelled(tmp_path, f"path,country\na.jpg,France\n{rows}x.jpg\n")
    shown = examples(report.rejected)
    assert len(shown) == 20
    assert rejected_by_reason(shown.head(3)).keys() == rejected_by_reason(report.rejected).keys()
    assert len(rejected_by_reason(shown)) == 3


def test_counts_group_rejections_by_reason_without_their_details(tmp_path):
    rows = "a.jpg,France\nx.jpg,France\ny.jpg,France\nb.jpg,Atlantis\n"
    report, _ = labelled(tmp_path, f"path,country\n{rows}")
    assert report.counts().to_dict() == {
        "found": 4,
        "imported": 1,
        "rejected: no such file": 2,
        "rejected: unknown country": 1,
    }
