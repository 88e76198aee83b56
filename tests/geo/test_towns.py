import numpy as np
import pytest

from lost_and_found.errors import BrokenSample
from lost_and_found.geo.countries import all_countries
from lost_and_found.geo.distances import haversine_km
from lost_and_found.geo.towns import nearest_town, towns


def test_the_table_has_every_town_with_a_known_country():
    table = towns()
    assert table.columns.tolist() == ["name", "lat", "lon", "country_code", "admin1"]
    assert len(table) == 144_563 and not table.isna().any(axis=None)
    assert set(table.country_code) <= {country.code for country in all_countries()}
    assert "NA" in set(table.country_code), "Namibia is not a missing value"


@pytest.mark.parametrize(
    ("lat", "lon", "name"),
    [(48.8566, 2.3522, "Paris"), (90.0, 0.0, "Longyearbyen"), (-22.56, 17.08, "Windhoek")],
)
def test_known_places_have_their_town(lat, lon, name):
    assert nearest_town(lat, lon).name[0] == name


def test_the_nearest_town_may_lie_across_the_antimeridian():
    east, west = nearest_town([-16.8, -16.8], [179.99, -179.99]).itertuples(index=False)
    assert east.country_code == west.country_code == "FJ"
    assert east.distance_km == pytest.approx(west.distance_km, rel=0.05)


def test_the_nearest_town_is_the_nearest_of_all():
    generator = np.random.default_rng(0)
    lat, lon = generator.uniform(-90, 90, 50), generator.uniform(-180, 180, 50)
    found, table = nearest_town(lat, lon), towns()[["lat", "lon"]].to_numpy()
    for row in range(50):
        distance_km = haversine_km((lat[row], lon[row]), table)
        assert found.distance_km[row] == pytest.approx(distance_km.min(), abs=1e-6)


def test_impossible_coordinates_are_refused():
    with pytest.raises(BrokenSample, match="point 0"):
        nearest_town(91.0, 0.0)


def test_the_table_given_out_is_a_copy():
    towns().pop("name")
    assert "name" in towns().columns
