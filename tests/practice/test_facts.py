"""The table of facts per country, and the published counts that come with it."""

import pandas as pd
import pytest

from lost_and_found.errors import InvalidConfig
from lost_and_found.practice.facts import country_facts, parse_facts, read_table
from lost_and_found.published import multiplayer_counts, singleplayer_counts

KEEP_LEFT = {
    "GB", "IE", "MT", "JP", "AU", "NZ", "ZA", "BW", "LS", "SZ",
    "KE", "UG", "IN", "BD", "LK", "BT", "TH", "MY", "SG", "ID",
}  # fmt: skip


def test_exactly_these_countries_drive_on_the_left():
    assert {code for code, facts in country_facts().items() if facts.drives_on == "left"} == KEEP_LEFT


def test_every_country_with_a_quarter_of_a_percent_of_the_published_rounds_has_a_row():
    counts = singleplayer_counts()
    names = {facts.name for facts in country_facts().values()}
    assert {name for name, count in counts.items() if count >= 0.0025 * sum(counts.values())} <= names
    assert 60 <= len(names) <= 100


def test_every_name_is_one_of_the_published_names():
    published = set(singleplayer_counts()) | set(multiplayer_counts())
    assert {facts.name for facts in country_facts().values()} <= published


def test_the_published_counts_are_whole():
    assert sum(singleplayer_counts().values()) == 356_606
    assert singleplayer_counts()["United States"] == 77_845
    assert next(iter(multiplayer_counts().items())) == ("Denmark", 408)


@pytest.mark.parametrize(
    ("code", "column", "expected"),
    [
        ("US", "centre_line", ("yellow_double", "yellow_dashed")),
        ("NO", "centre_line", ("yellow_dashed",)),
        ("DE", "centre_line", ("white_dashed",)),
        ("IE", "edge_line", ("yellow_dashed",)),
        ("ZA", "edge_line", ("yellow_solid",)),
        ("GB", "plate_rear", ("yellow",)),
        ("NL", "plate_front", ("yellow",)),
        ("MY", "plate_front", ("black",)),
        ("IT", "plate_band", "eu_both"),
        ("AT", "bollard", ("wedge_cap",)),
        ("IS", "bollard", ("slim_yellow",)),
        ("IE", "warning_sign", ("yellow_diamond",)),
        ("SE", "warning_sign", ("red_triangle_yellow",)),
        ("DE", "direction_sign", ("yellow",)),
        ("KE", "survey_car", "snorkel"),
    ],
)
def test_facts_that_players_know(code, column, expected):
    assert getattr(country_facts()[code], column) == expected


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("drives_on", "middle"),
        ("drives_on", "left|right"),
        ("pole", ""),
        ("roof_colour", "terracotta|plaid"),
        ("code", "usa"),
    ],
)
def test_a_wrong_cell_is_named(column, value):
    table = read_table("countries.csv")
    table.loc[0, column] = value
    with pytest.raises(InvalidConfig, match=value if column == "code" else f"US, column {column}"):
        parse_facts(table)


def test_a_missing_or_unknown_column_is_named():
    with pytest.raises(InvalidConfig, match="soil"):
        parse_facts(read_table("countries.csv").drop(columns="soil"))
    with pytest.raises(InvalidConfig, match="anthem"):
        parse_facts(read_table("countries.csv").assign(anthem="la la"))


def test_a_country_that_is_there_twice_is_refused():
    table = read_table("countries.csv")
    with pytest.raises(InvalidConfig, match="'US'"):
        parse_facts(pd.concat([table, table[:1]]))
