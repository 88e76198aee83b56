"""The climate of a point."""

import pytest

from lost_and_found.practice.climate import BIOMES, biome_at
from lost_and_found.practice.facts import read_table


@pytest.mark.parametrize(
    ("place", "lat", "lon", "biome"),
    [
        ("Alice Springs", -23.7, 133.9, "desert"),
        ("Cairns", -16.9, 145.7, "tropical"),
        ("Melbourne", -37.8, 145.0, "oceanic"),
        ("Phoenix", 33.4, -112.1, "desert"),
        ("Minnesota", 46.0, -94.0, "continental"),
        ("Manaus", -3.1, -60.0, "tropical"),
        ("Siberia", 62.0, 129.0, "boreal"),
        ("Seville", 37.4, -6.0, "mediterranean"),
        ("Milan", 45.5, 9.2, "oceanic"),
        ("Chukotka, beyond the antimeridian", 66.0, -172.0, "boreal"),
    ],
)
def test_large_countries_have_more_than_one_climate(place, lat, lon, biome):
    assert biome_at(lat, lon) == biome


def test_the_belt_between_two_climates_is_gradual():
    halfway = (32.83, -111.54)  # between Phoenix (desert) and Tucson (steppe)
    assert {biome_at(*halfway, waver=waver / 20) for waver in range(21)} == {"desert", "steppe"}
    assert {biome_at(33.45, -112.07, waver=waver / 20) for waver in range(21)} == {"desert"}


def test_every_class_in_the_table_has_a_biome():
    table = read_table("climates.csv")
    assert set(table["koppen"]) <= {koppen for classes in BIOMES.values() for koppen in classes}
    assert not table["place"].duplicated().any()
