import hashlib
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from lost_and_found.errors import BrokenSample, MissingInput, StoreError
from lost_and_found.geo import region_file
from lost_and_found.geo import regions as regions_module
from lost_and_found.geo.countries import all_countries, find_country
from lost_and_found.geo.distances import haversine_km
from lost_and_found.geo.natural_earth import read_natural_earth
from lost_and_found.geo.region_download import convert_official, download_regions
from lost_and_found.geo.region_file import SHIPPED, read_region_file, write_region_file
from lost_and_found.geo.regions import (
    FULL_RESOLUTION,
    cache_folder,
    locate,
    nearest_regions,
    region_source,
    regions,
)
from lost_and_found.geo.towns import towns


@pytest.fixture(autouse=True)
def empty_cache(tmp_path, monkeypatch):
    """No map downloaded, whatever the user's own cache holds."""
    monkeypatch.setenv("LOST_AND_FOUND_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.parametrize(
    ("place", "lat", "lon", "code", "region"),
    [
        ("Paris", 48.8566, 2.3522, "FR", "France_Paris"),
        ("Atlanta", 33.7490, -84.3880, "US", "United States_Georgia"),
        ("Nairobi", -1.2921, 36.8219, "KE", "Kenya_Nairobi"),
        ("Sao Paulo", -23.5505, -46.6333, "BR", "Brazil_São Paulo"),
        ("Tokyo", 35.6762, 139.6503, "JP", "Japan_Tokyo"),
        ("Moscow", 55.7558, 37.6173, "RU", "Russia_Moskva"),
        ("Auckland", -36.8688, 174.7562, "NZ", "New Zealand_Auckland"),
        ("Toronto", 43.7032, -79.4183, "CA", "Canada_Ontario"),
        ("Cape Town", -33.9400, 18.4750, "ZA", "South Africa_Western Cape"),
        ("Bilbao", 43.2654, -2.9217, "ES", "Spain_Bizkaia"),
        ("Seoul", 37.5665, 126.9780, "KR", "South Korea_Seoul"),
        ("Istanbul", 41.0150, 28.9500, "TR", "Türkiye_Istanbul"),
        ("Pristina", 42.6629, 21.1655, "XK", "Kosovo_Priština"),
        ("Oslo", 59.9275, 10.7400, "NO", "Norway_Oslo"),
        ("Longyearbyen", 78.2000, 15.7000, "SJ", "Svalbard and Jan Mayen_Svalbard"),
        ("Saint-Denis", -20.9000, 55.4800, "RE", "Réunion_La Réunion"),
        ("Cayenne", 4.9000, -52.3300, "GF", "French Guiana_Guyane française"),
        ("Pointe-a-Pitre", 16.2411, -61.5331, "GP", "Guadeloupe_Guadeloupe"),
        ("Fort-de-France", 14.6300, -61.0500, "MQ", "Martinique_Martinique"),
        ("San Juan", 18.4000, -66.0600, "PR", "Puerto Rico_Puerto Rico"),
        ("Kralendijk", 12.1600, -68.2650, "BQ", "Caribbean Netherlands_Bonaire"),
        ("Singapore", 1.3500, 103.8200, "SG", "Singapore_"),
        ("Kranji", 1.4235239, 103.7494970, "SG", "Singapore_"),  # published as Malaysia
        ("Johor Bahru", 1.4927, 103.7414, "MY", "Malaysia_Johor"),
        ("Monte Carlo", 43.7396, 7.4276, "MC", "Monaco_Monaco"),
        ("Beausoleil", 43.7490, 7.4170, "FR", "France_Alpes-Maritimes"),
        ("Andorra la Vella", 42.5063, 1.5218, "AD", "Andorra_"),
        ("San Marino", 43.9363, 12.4467, "SM", "San Marino_"),
        ("Luxembourg", 49.6116, 6.1319, "LU", "Luxembourg_Luxembourg"),
        ("Saint Peter's", 41.9022, 12.4539, "VA", "Vatican City_"),
        ("Castel Sant'Angelo", 41.9031, 12.4663, "IT", "Italy_Roma"),
        ("Vaduz", 47.1410, 9.5209, "LI", "Liechtenstein_Vaduz"),
        ("Hong Kong", 22.3193, 114.1694, "HK", "Hong Kong_"),
        ("Shenzhen", 22.5600, 114.0579, "CN", "China_Guangdong"),
        ("Macau", 22.1987, 113.5439, "MO", "Macau_"),
        ("Gibraltar", 36.1408, -5.3536, "GI", "Gibraltar_"),
        ("La Linea", 36.1681, -5.3478, "ES", "Spain_Cádiz"),
        ("Valletta", 35.8989, 14.5100, "MT", "Malta_"),
        ("Simferopol", 44.9521, 34.1024, "UA", "Ukraine_Crimea"),
        ("Kyrenia", 35.3300, 33.3200, "CY", "Cyprus_Northern Cyprus"),
        ("Hargeisa", 9.5600, 44.0650, "SO", "Somalia_Somaliland"),
        ("Ramallah", 31.9038, 35.2034, "PS", "Palestine_West Bank"),
        ("Taipei", 25.0330, 121.5654, "TW", "Taiwan_Taipei City"),
        ("Vorkuta", 67.5000, 64.0500, "RU", "Russia_Komi"),
        ("Taveuni", -16.8500, -179.9700, "FJ", "Fiji_Northern"),
        ("Wrangel Island, west", 71.2000, 179.5000, "RU", "Russia_Chukchi Autonomous Okrug"),
        ("Wrangel Island, east", 71.2000, -179.5000, "RU", "Russia_Chukchi Autonomous Okrug"),
        ("Wrangel Island, on the line", 71.2000, 180.0000, "RU", "Russia_Chukchi Autonomous Okrug"),
        ("Chatham Islands", -44.0000, -176.5000, "NZ", "New Zealand_Chatham Islands"),
        ("South Pole", -90.0, 0.0, "AQ", "Antarctica_"),
        ("South Pole by another name", -90.0, 123.0, "AQ", "Antarctica_"),
        ("McMurdo Dry Valleys", -77.5000, 163.0000, "AQ", "Antarctica_"),
    ],
)  # fmt: skip
def test_known_places_are_inside_their_region(place, lat, lon, code, region):
    located = locate(lat, lon).iloc[0]
    assert (located.country_code, located.inside) == (code, True), located.region
    assert located.region.startswith(region)


@pytest.mark.parametrize(
    ("lat", "lon", "code", "least_km", "most_km"),
    [
        (90.0, 0.0, "GL", 700, 715),  # Kaffeklubben Island is 713 km from the north pole
        (30.0, -40.0, "PT", 1200, 1500),  # the Azores
        (-50.0, 75.0, "TF", 280, 350),  # Kerguelen
        (-17.0, 179.97, "FJ", 0, 60),
        (-17.6, -179.95, "FJ", 0, 80),
        (52.0, 180.0, "US", 10, 30),  # the Aleutians lie on both sides of the line
        (54.0, 3.0, "NL", 140, 160),
    ],
)
def test_a_point_at_sea_gets_the_nearest_region_and_is_flagged(lat, lon, code, least_km, most_km):
    located = locate(lat, lon).iloc[0]
    assert (located.country_code, located.inside) == (code, False), located.region
    assert least_km <= located.border_km <= most_km


def test_the_two_longitudes_of_the_antimeridian_are_one():
    lat = np.linspace(-90, 90, 181)
    east, west = locate(lat, np.full(181, 180.0)), locate(lat, np.full(181, -180.0))
    pd.testing.assert_frame_equal(east, west)
    assert (nearest_regions(lat, np.full(181, 180.0)) == nearest_regions(lat, np.full(181, -180.0))).all()


@given(st.floats(-89, 89))
@settings(max_examples=30)
def test_the_distance_to_the_border_does_not_jump_at_the_antimeridian(lat):
    west, east = locate([lat, lat], [179.9999, -179.9999]).border_km
    assert west == pytest.approx(east, rel=0.02, abs=0.05)


def test_the_cuts_of_the_map_are_no_borders():
    # Chukotka and Antarctica are cut along 180°, Antarctica along the pole too; their coasts are far away.
    assert locate([67.5, -80.0, -89.9], [180.0, 180.0, 0.0]).border_km.min() > 50


def random_points(count: int, seed: int = 0) -> np.ndarray:
    """Points spread evenly over the globe, half of them moved near towns of the real world's land."""
    generator = np.random.default_rng(seed)
    lat = np.rad2deg(np.arcsin(generator.uniform(-1, 1, count)))
    everywhere = np.stack([lat, generator.uniform(-180, 180, count)], axis=1)
    table = regions()[["lat", "lon"]].to_numpy()
    near = table[generator.integers(len(table), size=count)] + generator.normal(0, 0.5, (count, 2))
    near[:, 0], near[:, 1] = np.clip(near[:, 0], -90, 90), (near[:, 1] + 180) % 360 - 180
    return np.concatenate([everywhere, near])


def test_locate_agrees_with_trying_every_polygon():
    points = random_points(200)
    located, file = locate(*points.T), read_region_file(SHIPPED)
    for row, (lat, lon) in enumerate(points):
        containing = file.table.region[shapely.intersects_xy(file.geometries, lon, lat)].tolist()
        assert located.inside[row] == bool(containing)
        assert not containing or located.region[row] == containing[0]


def test_points_in_several_batches_are_located_as_all_at_once(monkeypatch):
    points = random_points(10)
    at_once = locate(*points.T)
    monkeypatch.setattr(regions_module, "ROWS_AT_ONCE", 7)
    pd.testing.assert_frame_equal(locate(*points.T), at_once)


def test_border_distances_agree_with_a_dense_search_to_two_percent():
    file, points = read_region_file(SHIPPED), random_points(60, seed=1)
    located = locate(*points.T)
    by_name = dict(zip(file.table.region, file.geometries, strict=True))
    for row, point in enumerate(points):
        boundary = shapely.segmentize(shapely.boundary(by_name[located.region[row]]), 0.002)
        lon, lat = shapely.get_coordinates(boundary).T
        real = (np.abs(lon) < 180) & (lat > -90)
        dense_km = haversine_km(point, np.stack([lat[real], lon[real]], axis=1)).min()
        assert located.border_km[row] == pytest.approx(dense_km, rel=0.02, abs=0.12)


def test_the_nearest_region_at_sea_is_the_nearest_of_all():
    file, points = read_region_file(SHIPPED), random_points(300, seed=2)
    located = locate(*points.T)
    points, located = points[~located.inside][:20], located[~located.inside][:20].reset_index(drop=True)
    lon, lat = shapely.get_coordinates(shapely.segmentize(file.geometries, 0.05)).T
    for row, point in enumerate(points):
        dense_km = haversine_km(point, np.stack([lat, lon], axis=1)).min()
        assert located.border_km[row] == pytest.approx(dense_km, rel=0.02, abs=3)


def test_nearest_regions_agree_with_measuring_every_centroid():
    points, table = random_points(100), regions()
    distance_km = haversine_km(points[:, None], table[["lat", "lon"]].to_numpy()[None])
    found = np.take_along_axis(distance_km, nearest_regions(*points.T), axis=1)
    np.testing.assert_allclose(found, np.sort(distance_km, axis=1)[:, :5], atol=1e-6)


def test_no_points_give_an_empty_table_with_the_same_columns():
    assert locate([], []).columns.tolist() == ["country_code", "region", "inside", "border_km"]
    assert len(locate([], [])) == 0


@pytest.mark.parametrize(
    ("lat", "lon"),
    [
        ([0, np.nan], [0, 0]),
        ([0, 90.001], [0, 0]),
        ([0, -91], [0, 0]),
        ([0, 0], [0, 180.5]),
        ([0, 0], [0, -180.5]),
        ([0, 0], [0, np.inf]),
    ],
)
def test_impossible_coordinates_are_refused_with_their_row(lat, lon):
    for function in (locate, nearest_regions):
        with pytest.raises(BrokenSample, match=r"point 1 .*1 of 2 are not"):
            function(lat, lon)


def test_unequal_numbers_of_latitudes_and_longitudes_are_refused():
    with pytest.raises(BrokenSample, match="both must be"):
        locate([1.0, 2.0], [1.0])


def test_names_are_unique_and_made_of_country_region_and_code():
    table = regions()
    assert table.region.is_unique and 4_500 < len(table) < 4_700
    for region, code in zip(table.region, table.country_code, strict=True):
        country, name, _ = region.split("_")
        assert name and country == find_country(code).name


def test_every_country_with_land_has_a_region():
    assert {country.code for country in all_countries()} - set(regions().country_code) == set()


def test_most_towns_lie_in_a_polygon_of_their_country():
    table = towns().iloc[::10]
    located = locate(table.lat, table.lon)
    assert (located.country_code.to_numpy() == table.country_code.to_numpy()).mean() > 0.99


def test_centroids_agree_with_the_published_ones(real_data):
    published = pd.read_csv(
        real_data / "natural-earth/regions_4596.csv", usecols=["name", "adm1_code", "mid_lat", "mid_lon"]
    )
    published["key"] = published.adm1_code.str[:3] + published.name
    ours = regions()
    ours["key"] = ours.region.str.split("_").str[2].str[:3] + ours.region.str.split("_").str[1]
    ours, published = ours.drop_duplicates("key", keep=False), published.drop_duplicates("key", keep=False)
    both = ours.merge(published, on="key")
    distance_km = haversine_km(both[["lat", "lon"]].to_numpy(), both[["mid_lat", "mid_lon"]].to_numpy())
    assert len(both) > 4_000 and np.quantile(distance_km, [0.5, 0.9]).tolist() < [1, 2]


def test_the_shipped_file_is_at_most_four_megabytes_and_says_where_it_comes_from():
    assert SHIPPED.stat().st_size <= 4_000_000
    assert "Natural Earth 4.1" in region_source() and "simplified for QGIS" in region_source()
    assert shapely.is_valid(read_region_file(SHIPPED).geometries).all()


def test_rebuilding_the_shipped_file_gives_the_same_bytes(real_data, tmp_path):
    table, geometries = read_natural_earth(real_data / "natural-earth/world_map.gpkg")
    title = read_region_file(SHIPPED).title
    write_region_file(tmp_path / "again.npz", table=table, geometries=geometries, title=title)
    assert (tmp_path / "again.npz").read_bytes() == SHIPPED.read_bytes()


def test_a_damaged_region_file_is_refused(empty_cache):
    empty_cache.mkdir()
    (empty_cache / FULL_RESOLUTION).write_bytes(SHIPPED.read_bytes()[:10_000])
    with pytest.raises(MissingInput, match="delete it and make it again"):
        locate(0.0, 0.0)


OFFICIAL = gpd.GeoDataFrame(
    {
        "adm1_code": ["USA-3543", "FRA-4601", "RUS-283", "CYN+00?", "VAT+00?", "NOR-5000"],
        "iso_a2": ["US", "FR", "RU", "-1", "VA", "NO"],
        "name": ["Georgia", "La Réunion", "Crimea", "Northern Cyprus", "Vatican", "Svalbard"],
        "admin": ["United States of America", "France", "Russia", "Northern Cyprus", "Vatican", "Norway"],
        "adm0_a3": ["USA", "FRA", "RUS", "CYN", "VAT", "NOR"],
        "gu_a3": ["USA", "REU", "RUS", "CYN", "VAT", "NSV"],
        "woe_name": ["Georgia", "Réunion", "Krym", None, None, "Svalbard"],
    },
    geometry=[shapely.box(west, 0, west + 1, 1) for west in (0, 3, 6, 9, 12, 178.95)],
    crs="EPSG:4326",
)


@pytest.fixture
def official(tmp_path):
    """A small map in the official schema, zipped as Natural Earth's is."""
    path = tmp_path / "site" / "ne_10m_admin_1_states_provinces.zip"
    path.parent.mkdir()
    OFFICIAL.to_file(path.with_suffix(".shz"), driver="ESRI Shapefile", encoding="utf-8")
    path.with_suffix(".shz").rename(path)
    return path


def test_the_official_schema_keeps_its_codes_and_gets_iso_countries(official):
    table, geometries = read_natural_earth(official)
    assert dict(zip(table.region, table.country_code, strict=True)) == {
        "United States_Georgia_USA-3543": "US",
        "Réunion_La Réunion_FRA-4601": "RE",
        "Ukraine_Crimea_RUS-283": "UA",
        "Cyprus_Northern Cyprus_CYN+00?": "CY",
        "Vatican City_Vatican_VAT+00?": "VA",
        "Svalbard and Jan Mayen_Svalbard_NOR-5000": "SJ",
    }
    assert shapely.total_bounds(geometries).tolist() == [0, 0, 179.95, 1], "only QGIS's map is stretched"


def test_the_command_builds_a_region_file_from_a_map(official, tmp_path):
    arguments = [str(official), "--output", str(tmp_path / "built.npz"), "--title", "A small map"]
    assert region_file.main(arguments) == 0
    built = read_region_file(tmp_path / "built.npz")
    assert (built.title, len(built.table)) == ("A small map", 6)
    assert shapely.area(built.geometries).tolist() == pytest.approx([1.0] * 6)
    reunion = built.table.set_index("region").loc["Réunion_La Réunion_FRA-4601"]
    assert (reunion.lat, reunion.lon) == pytest.approx((0.5, 3.5), abs=0.01)


@pytest.fixture
def site(official):
    """Address of a server on loopback that holds the official map."""
    handler = partial(QuietHandler, directory=official.parent)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/{official.name}"
        server.shutdown()


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def test_maps_are_kept_in_the_cache_folder_of_the_user_unless_another_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LOST_AND_FOUND_CACHE", "")
    assert cache_folder() == tmp_path / ".cache" / "lost-and-found"


def test_a_downloaded_map_is_used_from_then_on(site, empty_cache):
    shipped = region_source()
    download_regions(empty_cache, url=site, count=6)
    assert "6 regions" in region_source() and "10m" in region_source()
    assert locate(0.5, 0.5).region[0] == "United States_Georgia_USA-3543"
    (empty_cache / FULL_RESOLUTION).unlink()
    assert region_source() == shipped


def test_a_download_that_changed_since_the_first_is_refused(site, official, empty_cache):
    target = download_regions(empty_cache, url=site, count=6)
    before = target.read_bytes()
    official.write_bytes(official.read_bytes() + b"\n")
    with pytest.raises(StoreError, match="nothing was changed"):
        download_regions(empty_cache, url=site, count=6)
    assert target.read_bytes() == before


def test_a_download_must_have_the_digest_that_was_asked_for(site, official, empty_cache):
    digest = hashlib.sha256(official.read_bytes()).hexdigest()
    assert download_regions(empty_cache, url=site, sha256=digest.upper(), count=6).is_file()
    with pytest.raises(StoreError, match="has SHA-256"):
        download_regions(empty_cache, url=site, sha256="0" * 64, count=6)


def test_a_map_with_another_number_of_regions_is_refused(official, tmp_path):
    with pytest.raises(MissingInput, match="has 6 regions where 4,596 were expected"):
        convert_official(official, tmp_path / "regions.npz")
    assert not (tmp_path / "regions.npz").exists()


def test_an_absent_file_one_that_is_no_map_and_another_map_are_refused(site, tmp_path, empty_cache):
    with pytest.raises(StoreError, match="can't be downloaded"):
        download_regions(empty_cache, url=site + ".gone")
    with pytest.raises(StoreError, match="can't be downloaded"):
        download_regions(empty_cache, url="example.org/map.zip")
    with pytest.raises(MissingInput, match="is missing"):
        read_natural_earth(tmp_path / "nowhere.shp")
    (tmp_path / "text.gpkg").write_text("no map")
    with pytest.raises(MissingInput, match="can't be read as a map"):
        read_natural_earth(tmp_path / "text.gpkg")
    other = tmp_path / "other.gpkg"
    OFFICIAL[["name", "geometry"]].to_file(other)
    with pytest.raises(MissingInput, match="lacks adm0_a3, admin, gu_a3"):
        read_natural_earth(other)


def test_a_new_file_in_the_cache_is_read_again(site, empty_cache):
    download_regions(empty_cache, url=site, count=6)
    first = regions_module._world()
    assert regions_module._world() is first
    (empty_cache / FULL_RESOLUTION).write_bytes(SHIPPED.read_bytes())
    assert len(regions()) > 4_500
