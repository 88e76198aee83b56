"""Imports of the published dataset."""

import json

import pytest

from lost_and_found.collection.published import import_published
from lost_and_found.data_loader import find_pairs
from tests.collection.made_photos import assert_books_balance, picture, reasons, write


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


def test_pairs_that_already_have_a_sample_id_keep_it(tmp_path):
    write(tmp_path / "in/geoguessr_multiplayer_abc_3.png", picture("PNG"))
    write(tmp_path / "in/geoguessr_multiplayer_abc_3.json", '{"country_code": "FR"}')
    import_published(tmp_path / "in", tmp_path / "out", workers=1)
    assert list(find_pairs(tmp_path / "out")[0]) == ["geoguessr_multiplayer_abc_3"]


def test_a_pair_whose_name_is_too_long_to_be_written_is_a_row_with_a_reason(tmp_path):
    published(tmp_path / "in", "1", {"country_code": "FR"})
    name = f"made_single_{'x' * 235}_0"  # fits a file name, but not with what a file has while it is written
    write(tmp_path / f"in/{name}.png", picture("PNG"))
    write(tmp_path / f"in/{name}.json", '{"country_code": "FR"}')
    report = import_published(tmp_path / "in", tmp_path / "out", workers=1)
    assert "shorter name" in reasons(report)[f"{name}.png"]
    assert_books_balance(report, tmp_path / "out")


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
