import json
import os
import signal

import pandas as pd
import pytest
from sample_photos import add_pair, killed_in_record, room_for, run_with, sample_id

from lost_and_found import notebooks
from lost_and_found.data_loader import find_pairs, records_table
from lost_and_found.errors import BrokenSample, InvalidConfig
from lost_and_found.preparation.enrichment import enrich_collection, enriched
from lost_and_found.samples import read_record
from lost_and_found.workspace import ENRICH
from tests.pairs import make_pairs

LJUBLJANA, JOHOR_STRAIT, MID_ATLANTIC = (
    [46.05, 14.51],
    [1.4235239028930664, 103.74949645996094],
    [30.0, -40.0],
)
IMAGE = b"any bytes: this step never opens images"


@pytest.fixture
def folders(tmp_path):
    (tmp_path / "small").mkdir()
    return tmp_path / "small", tmp_path / "rich"


def one(record, **options):
    return enriched([record], **options)[0]


def test_a_point_gets_country_region_surroundings_place_and_border():
    record = one({"coordinates": LJUBLJANA, "duration": 12})
    assert (record["country_code"], record["country_name"], record["place"]) == (
        "SI",
        "Slovenia",
        "Ljubljana",
    )
    assert record["duration"] == 12
    assert record["is_in_region"] is True
    assert record["region"].startswith("Slovenia_")
    assert 0 < record["border_km"] < 100
    assert len(record["regions"]) == 5
    name, (lat, lon) = record["regions"][0]
    assert name.startswith("Slovenia_")
    assert abs(lat - 46) < 1 > abs(lon - 14.5)
    assert "country_before" not in record
    json.dumps(record, allow_nan=False)


def test_the_polygon_overrules_the_record_and_its_old_regions_are_replaced():
    published = {
        "coordinates": JOHOR_STRAIT,
        "country_name": "Malaysia",
        "country_code": "MY",
        "regions": [["Singapore_North West_SGP-4873", "POINT (103.807352 1.399476)"]] * 5,
        "is_in_region": "False",
    }
    record = one(published)
    assert (record["country_code"], record["country_name"], record["country_before"]) == (
        "SG",
        "Singapore",
        "MY",
    )
    assert record["region"].startswith("Singapore_")
    assert record["is_in_region"] is True
    assert "country_before" not in one(
        {"coordinates": [-21.1, 55.5], "country": "Réunion", "country_code": "FR"}
    )
    assert all(isinstance(centre, list) for _, centre in record["regions"])


@pytest.mark.parametrize(
    ("record", "code"),
    [
        ({"country_name": "USA"}, "US"),
        ({"country": "Réunion"}, "RE"),
        ({"country_code": "XK"}, "XK"),
        ({"country_name": "Atlantis", "country_code": "GR"}, "GR"),
        ({"country": "South Korea", "coordinates": None}, "KR"),
    ],
)
def test_without_coordinates_the_record_names_the_country(record, code):
    result = one(record | {"region": "of another map", "regions": []})
    assert result["country_code"] == code
    assert "region" not in result
    assert "regions" not in result


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({}, "neither coordinates nor a country"),
        ({"country_name": "Atlantis"}, "Atlantis"),
        ({"country_name": "Georgia", "country_code": "US"}, "contradictory countries: 'Georgia' / 'US'"),
        ({"country_name": 7}, "'7'"),
        ({"coordinates": MID_ATLANTIC}, "over 25 km from every region"),
    ],
)
def test_what_has_no_country_is_refused_with_a_reason(record, reason):
    result = one(record)
    assert isinstance(result, BrokenSample)
    assert reason in result.reason


def test_a_point_a_little_off_the_coast_gets_the_nearest_region():
    off_lisbon = {"coordinates": [38.69, -9.60]}
    record = one(off_lisbon)
    assert (record["country_code"], record["is_in_region"]) == ("PT", False)
    assert isinstance(one(off_lisbon, maximum_sea_km=1), BrokenSample)


def test_a_collection_is_enriched_and_every_rejection_and_change_is_listed(folders):
    small, rich = folders
    records = [
        {"coordinates": LJUBLJANA},
        {"coordinates": JOHOR_STRAIT, "country_name": "Malaysia"},
        {"country": "Namibia"},
        {"coordinates": MID_ATLANTIC},
        {"country": "Atlantis"},
        b"[]",
        b'{"country": "Peru", "duration": 1e999}',
        b'{"country": "Peru", "note": "\\ud800"}',
        {"coordinates": [-17.6, 15.0], "country_code": "AO"},
    ]
    for number, record in enumerate(records):
        add_pair(small, sample_id(number), IMAGE, record)
    outcome = enrich_collection(small, rich, workers=1)
    reasons = outcome.rejected.set_index("id")["reason"].to_dict()
    assert set(reasons) == {sample_id(number) for number in (3, 4, 5, 6, 7)}
    assert "can't be written as JSON" in reasons[sample_id(6)]
    assert outcome.written == 4
    changed = outcome.changed.drop(columns="border_km").values.tolist()
    assert changed == [[sample_id(1), "MY", "SG"], [sample_id(8), "AO", "NA"]]
    assert outcome.changed["border_km"].between(0, 30).all()
    pairs, halves = find_pairs(rich)
    assert (len(pairs), halves) == (4, {})
    table = records_table(list(pairs.values())).set_index("id")
    assert table.loc[sample_id(2), "country_code"] == "NA"
    assert pairs[sample_id(0)].image.samefile(small / f"{sample_id(0)}.jpg")
    stored = pd.read_csv(rich / "changed.csv", keep_default_na=False)
    assert stored["to"].tolist() == ["SG", "NA"]


def test_a_second_run_does_only_what_changed_and_still_knows_all_changes(folders):
    small, rich = folders
    moved = {"coordinates": JOHOR_STRAIT, "country_code": "MY"}
    in_namibia = {"coordinates": [-17.6, 15.0], "country_code": "AO"}
    for number, record in enumerate([moved, moved, in_namibia, {"coordinates": LJUBLJANA}]):
        add_pair(small, sample_id(number), IMAGE, record)
    first = enrich_collection(small, rich, workers=1)
    again = enrich_collection(small, rich, workers=1)
    assert (again.written, again.kept) == (0, 4)
    pd.testing.assert_frame_equal(again.changed, first.changed)
    assert again.counts().to_dict()["given another country"] == 3

    (rich / "changed.csv").unlink()  # as after a run that was killed before its end
    add_pair(small, sample_id(1), IMAGE, {"coordinates": LJUBLJANA})
    third = enrich_collection(small, rich, workers=1)
    assert (third.written, third.kept) == (1, 3)
    assert third.changed["id"].tolist() == [sample_id(0), sample_id(2)]
    assert enrich_collection(small, rich, maximum_sea_km=5, workers=1).written == 4


def test_a_new_image_of_the_source_is_linked_anew(folders):
    small, rich = folders
    add_pair(small, sample_id(0), IMAGE)
    enrich_collection(small, rich, workers=1)
    (small / f"{sample_id(0)}.jpg").unlink()
    add_pair(small, sample_id(0), b"another picture", suffix=".png")
    enrich_collection(small, rich, workers=1)
    assert {path.suffix: path.read_bytes() for path in rich.glob("test_*[pn]g")} == {
        ".png": b"another picture"
    }


def test_where_hard_links_are_impossible_images_are_copied(folders, monkeypatch):
    small, rich = folders
    add_pair(small, sample_id(0), IMAGE)

    def refuse(*_):
        raise OSError("no links on this file system")

    monkeypatch.setattr(os, "link", refuse)
    enrich_collection(small, rich, workers=1)
    copy = rich / f"{sample_id(0)}.jpg"
    assert copy.read_bytes() == IMAGE
    assert not copy.samefile(small / copy.name)
    assert enrich_collection(small, rich, workers=1).kept == 1

    original = small / copy.name
    times = original.stat()
    original.write_bytes(IMAGE[::-1])  # of the same size and age as before
    os.utime(original, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert enrich_collection(small, rich, workers=1).written == 1
    assert copy.read_bytes() == IMAGE[::-1]


def test_a_negative_distance_and_a_folder_of_another_step_are_refused(folders):
    small, rich = folders
    add_pair(small, sample_id(0), IMAGE)
    with pytest.raises(InvalidConfig, match="maximum_sea_km"):
        enrich_collection(small, rich, maximum_sea_km=-1)
    rich.mkdir()
    (rich / ".settings.json").write_text('{"step": "resize"}')
    with pytest.raises(InvalidConfig, match="another step"):
        enrich_collection(small, rich)


def test_a_killed_run_is_taken_up_again(folders):
    small, rich = folders
    for number in range(600):  # more than a chunk
        add_pair(small, sample_id(number), IMAGE, {"coordinates": LJUBLJANA, "country": "Austria"})
    run = run_with(killed_in_record(20), "enrichment.enrich_collection", small, rich)
    assert run.returncode == -signal.SIGKILL, run.stderr
    pairs, _ = find_pairs(rich)
    assert all(read_record(pair.record)["country_code"] == "SI" for pair in pairs.values())
    outcome = enrich_collection(small, rich, workers=1)
    assert outcome.written + outcome.kept == len(outcome.changed) == 600
    assert outcome.written > 0 < outcome.kept


def test_a_full_disk_is_an_error_that_leaves_no_half_written_file(folders):
    small, rich = folders
    add_pair(small, sample_id(0), IMAGE, {"coordinates": LJUBLJANA})
    add_pair(small, sample_id(1), IMAGE, {"coordinates": LJUBLJANA, "note": "long " * 2000})
    run = run_with(room_for(5000), "enrichment.enrich_collection", small, rich)
    assert "StorageFull" in run.stderr
    assert not list(rich.glob(".*.tmp"))
    assert [path.stem for path in rich.glob("test_*.json")] == [sample_id(0)]
    assert enrich_collection(small, rich, workers=1).written == 1


def test_the_notebook_counts_half_a_pair_of_its_source_among_the_rejected(tmp_path):
    small = tmp_path / "2-data-preparation/01-resize-images/made"
    samples = make_pairs(small, 3)
    samples[0].record.unlink()
    notebook, given = notebooks.REPOSITORY / f"{ENRICH}.ipynb", {"root": str(tmp_path), "dataset": "made"}
    notebooks.execute(notebook, tmp_path / "executed.ipynb", given)
    assert "record missing" in (tmp_path / ENRICH / "made" / "rejected.csv").read_text()
    assert len(find_pairs(tmp_path / ENRICH / "made")[0]) == 2


def test_singapore_is_not_malaysia_in_the_published_sample(real_data):
    records = [read_record(path) for path in sorted((real_data / "published-sample" / "data").glob("*.json"))]
    results = enriched(records)
    assert results[0]["country_code"] == "SG"
    changed = [result for result in results if "country_before" in result]
    assert len(changed) == 1
