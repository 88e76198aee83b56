"""Natural Earth's admin-1 layer as regions with unique names and ISO countries.

Two schemas are read: the official `ne_10m_admin_1_states_provinces`, which has `adm1_code`, and the
simplified copy of it in QGIS's `world_map.gpkg` (layer `states_provinces`), which lacks that column.

A region is called `<country>_<region>_<code>`. The code is `adm1_code` where there is one (`USA-3543`),
otherwise `<adm0_a3>-<fips>` where no other region has the same (`USA-US13`), otherwise `<adm0_a3>-<number>`,
counting from 001 through the country's remaining regions in the order of (name, longitude, latitude).

ISO 3166 decides which country code a region has, whatever the map says: a territory with a code of its own
has that code (Réunion, Puerto Rico, Hong Kong, Svalbard, Christmas Island ...), and disputed land goes to
the country whose ISO 3166-2 list names it: Northern Cyprus to CY, Somaliland to SO, Crimea and Sevastopol to
UA, Transnistria to MD, Abkhazia to GE, the Moroccan provinces of Western Sahara to MA and the rest of it to
EH. Kosovo is XK. What ISO leaves open goes to whoever controls it: the Siachen Glacier to IN, the
Spratly polygon (Nanshan) to PH, the Golan Heights to IL, the Paracels to CN, the British bases on Cyprus to
CY (they have no code), Guantanamo to CU, Baikonur to KZ, Clipperton to FR.
"""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pycountry
import pyogrio
import shapely

from lost_and_found.errors import MissingInput
from lost_and_found.geo.countries import find_country

QGIS_LAYER = "states_provinces"
ATTRIBUTES = ["name", "woe_name", "gn_name", "fips", "adm1_code", "adm0_a3", "gu_a3", "admin"]
REQUIRED = {"name", "adm0_a3", "gu_a3", "admin"}

# Natural Earth's own codes, which ISO 3166 doesn't have; see above.
COUNTRY_OF_AREA = {
    "ALD": "AX", "ATC": "AU", "BJN": "CO", "BRI": "BR", "BRT": "SD", "CLP": "FR", "CNM": "CY", "CSI": "AU",
    "CYN": "CY", "ESB": "CY", "GAZ": "PS", "KAB": "KZ", "KAS": "IN", "KOS": "XK", "NJM": "SJ", "NSV": "SJ",
    "PFA": "CN", "PGA": "PH", "PSX": "PS", "SAH": "EH", "SCR": "PH", "SDS": "SS", "SER": "CO", "SOL": "SO",
    "SPI": "AR", "USG": "CU", "WEB": "PS", "WSB": "CY",
}  # fmt: skip
COUNTRY_OF_REGION = {
    ("RUS", "Crimea"): "UA",
    ("RUS", "Sevastopol"): "UA",
    ("NLD", "Bonaire"): "BQ",
    ("NLD", "Saba"): "BQ",
    ("NLD", "Sint Eustatius"): "BQ",
    ("NLD", "St. Eustatius"): "BQ",
}
# The map lacks the Vatican, and has Gibraltar as a triangle beside its town and Monaco eight times too large.
# Street views are taken in all three, so their outlines (lon, lat), by alpha-3 code, are drawn by hand here,
# to about 100 m.
DRAWN = {
    "VAT": shapely.Polygon(
        [(12.4457, 41.9032), (12.4475, 41.9053), (12.4500, 41.9062), (12.4536, 41.9074), (12.4556, 41.9066),
         (12.4562, 41.9049), (12.4577, 41.9041), (12.4584, 41.9022), (12.4570, 41.9013), (12.4545, 41.9009),
         (12.4515, 41.9002), (12.4479, 41.9006), (12.4462, 41.9016)]
    ),
    "GIB": shapely.Polygon(
        [(-5.3480, 36.1552), (-5.3400, 36.1552), (-5.3370, 36.1480), (-5.3390, 36.1400), (-5.3380, 36.1250),
         (-5.3410, 36.1110), (-5.3460, 36.1080), (-5.3550, 36.1170), (-5.3600, 36.1260), (-5.3680, 36.1300),
         (-5.3680, 36.1450), (-5.3680, 36.1515), (-5.3570, 36.1540)]
    ),
    "MCO": shapely.Polygon(
        [(7.4112, 43.7250), (7.4095, 43.7290), (7.4110, 43.7325), (7.4135, 43.7352), (7.4150, 43.7385),
         (7.4190, 43.7412), (7.4230, 43.7435), (7.4275, 43.7460), (7.4320, 43.7490), (7.4365, 43.7519),
         (7.4395, 43.7510), (7.4385, 43.7470), (7.4310, 43.7410), (7.4310, 43.7330), (7.4280, 43.7290),
         (7.4200, 43.7240)]
    ),
}  # fmt: skip


def read_natural_earth(path: Path) -> tuple[pd.DataFrame, np.ndarray]:
    """A table (region, country_code) and the multipolygons of the same rows, (lon, lat), sorted by name.

    Args:
        path: the official .shp, or its .zip as downloaded, or a GeoPackage with a layer `states_provinces`.

    Raises:
        MissingInput: no file, or a file in another schema.
    """
    if not path.is_file():
        raise MissingInput(f"{path} is missing; Natural Earth's admin-1 map is in Debian's qgis-common")
    frame = _read_layer(path)
    missing = REQUIRED - set(frame.columns)
    if missing or not {"adm1_code", "fips"} & set(frame.columns):
        raise MissingInput(
            f"{path} is not Natural Earth's admin-1 layer: it lacks "
            f"{', '.join(sorted(missing)) or 'adm1_code'}; it has {', '.join(map(str, frame.columns))}"
        )
    official = "adm1_code" in frame.columns
    frame = frame.reindex(columns=[*ATTRIBUTES, "geometry"])
    frame[ATTRIBUTES] = frame[ATTRIBUTES].astype(object).where(frame[ATTRIBUTES].notna(), "")
    geometries = frame.geometry.to_numpy()
    if not official:
        geometries = _close_the_seam(geometries)
    table = _table(frame, geometries)
    if not official:
        table, geometries = _redraw(table, geometries)
    order = table.region.argsort().to_numpy()
    return table.iloc[order].reset_index(drop=True), geometries[order]


def _read_layer(path: Path) -> gpd.GeoDataFrame:
    try:
        layers = pyogrio.list_layers(path)[:, 0]
        layer = QGIS_LAYER if QGIS_LAYER in layers else layers[0]
        frame = gpd.read_file(path, layer=layer, encoding="utf-8")
    except pyogrio.errors.DataSourceError as error:
        raise MissingInput(f"{path} can't be read as a map ({error})") from None
    frame.columns = [str(column).lower() for column in frame.columns]  # older official files have upper case
    return frame


def _close_the_seam(geometries: np.ndarray) -> np.ndarray:
    """Stretch shapes to the antimeridian and the pole; QGIS clipped its map at ±179.9 and -89.9."""

    def stretch(xy: np.ndarray) -> np.ndarray:
        lon, lat = xy[:, 0], xy[:, 1]
        on_seam, on_pole = np.abs(lon) > 179.8999, lat < -89.8999
        return np.stack([np.where(on_seam, np.sign(lon) * 180, lon), np.where(on_pole, -90, lat)], axis=1)

    return np.asarray(shapely.transform(geometries, stretch))


def _table(frame: gpd.GeoDataFrame, geometries: np.ndarray) -> pd.DataFrame:
    countries = [
        _country_code(*row) for row in frame[["adm0_a3", "gu_a3", "admin", "name"]].itertuples(index=False)
    ]
    country_names = [find_country(code).name for code in countries]
    names = frame["name"].where(frame["name"] != "", frame["gn_name"])
    names = names.where(names != "", frame["woe_name"]).where(names != "", pd.Series(country_names))
    codes = _codes(frame, names, geometries)
    regions = ["_".join(parts) for parts in zip(country_names, names, codes, strict=True)]
    return pd.DataFrame({"region": regions, "country_code": countries})


def _country_code(adm0_a3: str, gu_a3: str, admin: str, name: str) -> str:
    """Country of one region: that of the smallest unit around it that has a known code."""
    if (adm0_a3, name) in COUNTRY_OF_REGION:
        return COUNTRY_OF_REGION[adm0_a3, name]
    for area in (gu_a3, adm0_a3):
        if area in COUNTRY_OF_AREA:
            return COUNTRY_OF_AREA[area]
        known = pycountry.countries.get(alpha_3=area)
        if known:
            return known.alpha_2
    return find_country(admin).code


def _codes(frame: gpd.GeoDataFrame, names: pd.Series, geometries: np.ndarray) -> pd.Series:
    """A unique code for each region."""
    area, fips = frame["adm0_a3"].astype(str), frame["fips"].astype(str).str.strip("*")
    codes = frame["adm1_code"].where(frame["adm1_code"] != "", area + "-" + fips)
    codes = codes.where((codes != area + "-") & ~codes.duplicated(keep=False), "")
    centre = shapely.get_coordinates(shapely.centroid(geometries))
    rows = pd.DataFrame({"area": area, "name": names, "lon": centre[:, 0], "lat": centre[:, 1]})
    number = rows[codes == ""].sort_values(["area", "name", "lon", "lat"]).groupby("area").cumcount() + 1
    codes[number.index] = area[number.index] + "-" + number.astype(str).str.zfill(3)
    return codes


def _redraw(table: pd.DataFrame, geometries: np.ndarray) -> tuple[pd.DataFrame, np.ndarray]:
    """Replace the map's outlines by the drawn ones; what a country loses goes to its neighbour."""
    geometries = geometries.copy()
    for alpha_3, outline in DRAWN.items():
        country = find_country(alpha_3)
        own = np.flatnonzero(table.country_code == country.code)
        around = np.setdiff1d(np.flatnonzero(shapely.intersects(geometries, outline)), own)
        if len(own):
            shared = shapely.area(shapely.intersection(geometries[around], outline.buffer(0.01)))
            neighbour = around[shared.argmax()]
            geometries[neighbour] = shapely.union(geometries[neighbour], geometries[own[0]])
            geometries[own[0]] = outline
        else:
            region = f"{country.name}_{country.name}_{alpha_3}-001"
            row = pd.DataFrame({"region": [region], "country_code": [country.code]})
            table, geometries = pd.concat([table, row], ignore_index=True), np.append(geometries, outline)
        geometries[around] = shapely.difference(geometries[around], outline)
    return table, geometries
