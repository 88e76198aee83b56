"""What is to be seen at a place: every choice about a scene that is made before a pixel is drawn."""

from __future__ import annotations

import math
from dataclasses import dataclass

from lost_and_found.errors import InvalidConfig
from lost_and_found.practice.climate import biome_at
from lost_and_found.practice.draws import Draws
from lost_and_found.practice.facts import CountryFacts, country_facts
from lost_and_found.practice.places import Place

EARTH_TILT_DEG = 23.44
LOWEST_SUN_DEG = 6.0


@dataclass(frozen=True)
class ScenePlan:
    """A scene in words and numbers.

    Attributes:
        key: names all random streams of the scene.
        lat: degrees.
        facts: of the country.
        biome: a key of `climate.BIOMES`.
        setting: `street` (closed rows), `suburb` (houses with gardens) or `country`.
        season: `winter`, `spring`, `summer` or `autumn`; `summer` all year in the tropics.
        snow: whether snow lies.
        sun_elevation_deg: above the horizon.
        sun_right_deg: azimuth of the sun to the right of the heading, in [-180, 180).
        cloudiness: 0 clear to 1 overcast.
        haze_km: distance at which half of a colour is haze.
        keeps_right: whether traffic keeps to the right.
        road_width_m: between the edges.
        surface: a value of `road_surface`.
        bend_per_m: sideways offset of the road is `bend_per_m * z * z / 2`.
        centre_line: a value of the column, `none` on dirt.
        edge_line: likewise.
        bollard: likewise.
        pole: likewise.
        relief: likewise.
        soil: a name in `colours.SOILS`.
    """

    key: tuple[object, ...]
    lat: float
    facts: CountryFacts
    biome: str
    setting: str
    season: str
    snow: bool
    sun_elevation_deg: float
    sun_right_deg: float
    cloudiness: float
    haze_km: float
    keeps_right: bool
    road_width_m: float
    surface: str
    bend_per_m: float
    centre_line: str
    edge_line: str
    bollard: str
    pole: str
    relief: str
    soil: str

    def draws(self, part: str) -> Draws:
        """The random stream of one part of the scene."""
        return Draws(*self.key, part)


def sun_position(lat: float, declination_deg: float, hour_angle_deg: float) -> tuple[float, float]:
    """Azimuth (degrees clockwise from north) and elevation (degrees) of the sun.

    Source: Meeus, Astronomical Algorithms, equations 13.5 and 13.6, with the azimuth counted from north.
    """
    phi, delta, hour = math.radians(lat), math.radians(declination_deg), math.radians(hour_angle_deg)
    sine = math.sin(phi) * math.sin(delta) + math.cos(phi) * math.cos(delta) * math.cos(hour)
    south = math.cos(hour) * math.sin(phi) - math.tan(delta) * math.cos(phi)
    azimuth = math.degrees(math.atan2(math.sin(hour), south)) + 180.0
    return azimuth % 360.0, math.degrees(math.asin(max(-1.0, min(1.0, sine))))


def plan_scene(place: Place, *, heading_deg: float, seed: int) -> ScenePlan:
    """The plan of the scene at a place.

    Raises:
        InvalidConfig: the country has no row in the table of facts.
    """
    facts = country_facts().get(place.country_code)
    if facts is None:
        raise InvalidConfig(
            f"No facts about country {place.country_code!r}; add a row to countries.csv or "
            "choose another place."
        )
    # Weather and kind of street belong to the place; only what is painted depends on the heading too.
    key = ("scene", f"{place.lat:.6f}", f"{place.lon:.6f}", place.country_code, seed)
    draws = Draws(*key, "plan")
    biome = biome_at(place.lat, place.lon, waver=draws.uniform())
    year_angle_deg, season = _season(draws, place.lat, biome)
    azimuth, elevation = _sun(draws, place.lat, year_angle_deg)
    setting = _setting(draws, place.town_km)
    surface, road_width_m, centre_line, edge_line = _road(draws, facts, setting)
    snow = season == "winter" and draws.chance(
        {"boreal": 0.8, "continental": 0.5, "tundra": 0.7}.get(biome, 0.04)
    )
    return ScenePlan(
        key=(*key, round(heading_deg)),
        lat=place.lat,
        facts=facts,
        biome=biome,
        setting=setting,
        season=season,
        snow=snow,
        sun_elevation_deg=elevation,
        sun_right_deg=(azimuth - heading_deg + 180.0) % 360.0 - 180.0,
        cloudiness=_cloudiness(draws, biome),
        haze_km=draws.uniform(0.25, 1.0) * (2.2 if biome in ("desert", "highland", "tundra") else 1.4),
        keeps_right=facts.drives_on == "right",
        bend_per_m=0.0 if draws.chance(0.35) else draws.uniform(-1, 1) * 0.0035,
        surface=surface,
        road_width_m=road_width_m,
        centre_line=centre_line,
        edge_line=edge_line,
        bollard=draws.pick_first_likely(facts.bollard) if setting == "country" else "none",
        pole=draws.pick_first_likely(facts.pole),
        relief=draws.pick_first_likely(facts.relief),
        soil=draws.pick(facts.soil) if facts.soil and draws.chance(0.7) else _SOIL_OF[biome],
    )


_SOIL_OF = {
    "tropical": "orange",
    "savanna": "orange",
    "desert": "sand",
    "steppe": "pale",
    "mediterranean": "ochre",
    "subtropical": "brown",
    "oceanic": "brown",
    "highland": "ochre",
    "continental": "brown",
    "boreal": "grey",
    "tundra": "grey",
}


def _season(draws: Draws, lat: float, biome: str) -> tuple[float, str]:
    """Angle of the year from the March equinox in degrees, and the season's name."""
    # Street-view cars drive when days are long: most pictures are from the warm half of the year.
    season = draws.pick(("summer",) * 9 + ("spring",) * 5 + ("autumn",) * 4 + ("winter",) * 2)
    start_deg = {"spring": 0, "summer": 90, "autumn": 180, "winter": 270}[season]
    angle_deg = start_deg - 45 + draws.uniform(0, 90) + (0 if lat >= 0 else 180)
    mild = abs(lat) < 30 or biome in ("tropical", "savanna", "desert")
    return angle_deg, "summer" if mild else season


def _sun(draws: Draws, lat: float, year_angle_deg: float) -> tuple[float, float]:
    declination_deg = EARTH_TILT_DEG * math.sin(math.radians(year_angle_deg))
    hour_angle_deg = draws.uniform(-62, 62)
    azimuth, elevation = sun_position(lat, declination_deg, hour_angle_deg)
    while elevation < LOWEST_SUN_DEG and abs(hour_angle_deg) > 1:  # no pictures at night
        hour_angle_deg /= 2
        azimuth, elevation = sun_position(lat, declination_deg, hour_angle_deg)
    return azimuth, max(elevation, LOWEST_SUN_DEG)


def _cloudiness(draws: Draws, biome: str) -> float:
    clear, overcast = {
        "desert": (0.6, 0.04),
        "steppe": (0.45, 0.06),
        "mediterranean": (0.5, 0.08),
        "oceanic": (0.12, 0.4),
        "tundra": (0.15, 0.35),
        "boreal": (0.2, 0.3),
    }.get(biome, (0.22, 0.2))
    kind = draws.uniform()
    if kind < clear:
        return draws.uniform(0.0, 0.15)
    return 1.0 if kind > 1 - overcast else draws.uniform(0.2, 0.75)


def _setting(draws: Draws, town_km: float) -> str:
    street, suburb = (0.55, 0.4) if town_km < 0.6 else (0.15, 0.6) if town_km < 1.5 else (0.03, 0.25)
    kind = draws.uniform()
    return "street" if kind < street else "suburb" if kind < street + suburb else "country"


def _road(draws: Draws, facts: CountryFacts, setting: str) -> tuple[str, float, str, str]:
    """Surface, width in metres, centre line and edge line."""
    unlikely = {"street": ("dirt",), "country": ("brick_paving", "cobbles")}.get(setting, ())
    surface = draws.pick_first_likely([name for name in facts.road_surface if name not in unlikely])
    marked = {"street": 0.75, "suburb": 0.6, "country": 0.9}[setting]
    if surface in ("dirt", "cobbles", "brick_paving") or not draws.chance(marked):
        return surface, draws.uniform(4.4, 6.2), "none", "none"
    edged = draws.chance(0.9 if setting == "country" else 0.5)
    edge_line = draws.pick_first_likely(facts.edge_line) if edged else "none"
    return surface, draws.uniform(5.6, 7.6), draws.pick_first_likely(facts.centre_line), edge_line
