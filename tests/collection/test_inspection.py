"""Looking at what was collected."""

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from lost_and_found.collection.inspection import contact_sheet, country_names, counts_text, picture_report
from lost_and_found.samples import write_pair
from lost_and_found.texts import in_lines
from tests.pairs import noise_jpeg

RECORDS = {
    "practice_singleplayer_00AH3Et9ehwdPYL8_0": {"coordinates": [46.05, 14.51]},
    "practice_singleplayer_00AH3Et9ehwdPYL8_1": {"coordinates": [35.68, 139.77], "country_code": "KR"},
    "practice_multiplayer_0b6dd0c3-5dc2-4b0e-9d5f-6ef5f7ddf0f1_0": {"country_code": "NA"},
    "practice_multiplayer_0b6dd0c3-5dc2-4b0e-9d5f-6ef5f7ddf0f1_1": {"duration": 3.0},
}


@pytest.fixture
def samples(tmp_path):
    return [
        write_pair(tmp_path, one, image=noise_jpeg(number), suffix=".jpg", record=record)
        for number, (one, record) in enumerate(RECORDS.items())
    ]


def titles(figure):
    return [text.get_text() for text in figure.findobj(plt.Text) if text.get_text()]


@pytest.mark.parametrize("dtype", ["str", "object"])
def test_all_countries_are_counted_in_lines_that_fit_a_page_and_none_is_cut(dtype):
    names = pd.Series(
        ["Saint Vincent and the Grenadines"] * 1200 + [f"country{n}" for n in range(90)] + [None], dtype=dtype
    )
    text = counts_text(names)
    assert text.startswith("Saint Vincent and the Grenadines 1,200, ")
    assert all(f"country{n} 1" in text for n in range(90))
    assert text.endswith("unknown 1")
    assert max(map(len, text.splitlines())) <= 100


@pytest.mark.parametrize("item", ["Guinea-Bissau 3", "x" * 200])
def test_no_item_is_broken_at_a_hyphen_or_for_its_length(item):
    assert item in in_lines(["y" * 85, item]).split("\n")


def test_countries_come_from_coordinates_else_from_records(samples):
    assert dict(country_names(samples)) == dict(
        zip(RECORDS, ["Slovenia", "Japan", "Namibia", "unknown"], strict=True)
    )
    assert country_names([]).empty


@pytest.mark.parametrize(("said", "name"), [("Russian Federation", "Russia"), ("Atlantis", "unknown")])
def test_a_record_may_name_its_country_without_a_code_as_published_ones_may(tmp_path, said, name):
    named = write_pair(tmp_path, "s_m_g_0", image=noise_jpeg(0), suffix=".jpg", record={"country_name": said})
    assert country_names([named]).tolist() == [name]


def test_a_contact_sheet_shows_countries_and_ids(samples):
    shown = titles(contact_sheet(samples, seed=0))
    assert sorted(shown) == [
        "Japan\npractice_singleplayer_00AH3Et9ehwdPYL8_1",
        "Namibia\npractice_multiplayer_\n0b6dd0c3-5dc2-4b0e-9d5f-6ef5f7ddf0f1_0",
        "Slovenia\npractice_singleplayer_00AH3Et9ehwdPYL8_0",
        "unknown\npractice_multiplayer_\n0b6dd0c3-5dc2-4b0e-9d5f-6ef5f7ddf0f1_1",
    ]


def test_the_seed_decides_which_pictures_are_shown(samples):
    first, again, other = (titles(contact_sheet(samples * 6, seed=seed)) for seed in (0, 0, 1))
    assert first == again != other
    assert len(first) == 20


def test_a_report_names_sizes_damage_and_pictures_that_are_the_same(samples):
    samples[1].image.write_bytes(samples[0].image.read_bytes())
    samples[3].image.write_bytes(b"no image")
    report = picture_report(samples)
    assert report["id"].tolist() == list(RECORDS)
    assert report["size"].tolist() == ["32x18", "32x18", "32x18", "not an image"]
    assert report["digest"][0] == report["digest"][1] != report["digest"][2]
