"""What a road looks like in each country: the table that the practice scenes are drawn from.

`data/countries.csv` has a row for each country with at least 0.25 % of the published singleplayer rounds, and
for most of the others that players meet. Cells with bars (`a|b|c`) list alternatives, of which a scene draws
one: of plates, warning and speed signs, soil and trees with equal weights, of all others with weights 1, 1/2,
1/3 ... A value that is repeated is drawn more often.

| column | meaning |
|---|---|
| `code`, `name` | ISO 3166-1 alpha-2 code, and the name as in the published counts |
| `drives_on` | side of the road |
| `centre_line`, `edge_line` | colour and style of the painted lines on two-lane roads |
| `plate_shape` | `long` (about 520 x 110 mm) or `short` (about 305 x 155 mm) |
| `plate_front`, `plate_rear` | background of a private car's plates |
| `plate_band` | beside the letters: `eu` is blue on the left, `mercosur` blue on top |
| `bollard`, `reflector` | delineator posts along the verge, and the colour of their reflectors |
| `pole` | utility poles; `concrete_holey` has openings, `concrete_striped` a yellow guard; `none`: cables |
| `warning_sign`, `speed_sign` | `red_triangle_yellow` and `red_ring_yellow` have a yellow field |
| `direction_sign` | background of signposts on main roads |
| `roof_shape`, `roof_colour`, `wall` | ordinary houses |
| `road_surface` | `dirt` and `cobbles` are drawn away from the main roads only |
| `soil` | bare earth where it differs from what the climate alone would give (blank: climate) |
| `trees` | signature plants, mixed with those of the climate (blank: climate alone) |
| `relief` | terrain near roads |
| `survey_car` | what the street-view car shows of itself: a snorkel in Kenya, camping gear in Mongolia ... |

`data/climates.csv` gives the Köppen class of some 390 towns (see `lost_and_found.practice.climate`).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache
from importlib import resources

import pandas as pd

from lost_and_found.errors import InvalidConfig
from lost_and_found.practice.painting.colours import ROOFS, SURFACES, WALLS

_LINES = "none white_dashed white_solid white_double yellow_dashed yellow_solid yellow_double red_solid"
_PLATE_COLOURS = "white yellow black grey red"

ALLOWED: dict[str, frozenset[str]] = {
    column: frozenset(values.split())
    for column, values in {
        "drives_on": "left right",
        "centre_line": _LINES,
        "edge_line": _LINES,
        "plate_shape": "long short",
        "plate_front": _PLATE_COLOURS,
        "plate_rear": _PLATE_COLOURS,
        "plate_band": "none eu eu_both eu_yellow_right norway ukraine mercosur region_box",
        "bollard": "none slim_white slim_yellow round_white wedge_black wedge_cap flat_grey_band "
        "flat_red_band striped_black striped_red",
        "reflector": "white red orange yellow",
        "pole": "none wood metal lattice concrete_round concrete_square concrete_holey concrete_striped",
        "warning_sign": "red_triangle red_triangle_yellow yellow_diamond",
        "speed_sign": "red_ring red_ring_yellow white_rectangle",
        "direction_sign": "green blue white yellow",
        "roof_shape": "gable steep_gable hip flat yurt",
        "roof_colour": " ".join(ROOFS),
        "wall": " ".join(WALLS),
        "road_surface": " ".join([*SURFACES, "dirt"]),  # which is painted in the colour of the soil
        "soil": "red orange ochre sand dark black",
        "trees": "none broadleaf oak linden maple plane apple walnut ginkgo willow birch poplar spruce pine "
        "cedar cypress umbrella_pine olive eucalyptus hedge pasture_hedge bush fern bamboo palm sugar_palm "
        "oil_palm banana tropical_broadleaf rain_tree acacia baobab agave cactus",
        "relief": "flat hilly mountainous",
        "survey_car": "none snorkel escort pickup_bed bars black_tape mirrors camping_gear",
    }.items()
}
_SINGLE = frozenset({"drives_on", "plate_shape", "plate_band", "reflector", "survey_car"})
_MAY_BE_BLANK = frozenset({"soil", "trees"})


@dataclass(frozen=True)
class CountryFacts:
    """A row of the table; tuples hold the alternatives that a scene draws from."""

    code: str
    name: str
    drives_on: str
    centre_line: tuple[str, ...]
    edge_line: tuple[str, ...]
    plate_shape: str
    plate_front: tuple[str, ...]
    plate_rear: tuple[str, ...]
    plate_band: str
    bollard: tuple[str, ...]
    reflector: str
    pole: tuple[str, ...]
    warning_sign: tuple[str, ...]
    speed_sign: tuple[str, ...]
    direction_sign: tuple[str, ...]
    roof_shape: tuple[str, ...]
    roof_colour: tuple[str, ...]
    wall: tuple[str, ...]
    road_surface: tuple[str, ...]
    soil: tuple[str, ...]
    trees: tuple[str, ...]
    relief: tuple[str, ...]
    survey_car: str


def parse_facts(table: pd.DataFrame) -> dict[str, CountryFacts]:
    """Facts by country code from a table of strings with one row per country.

    Raises:
        InvalidConfig: A column is missing or unknown, a code is given twice, or a cell has a value outside
            `ALLOWED`; the message names the row and the column.
    """
    columns = [field.name for field in fields(CountryFacts)]
    if set(columns) != set(table.columns):
        odd = sorted(set(columns) ^ set(table.columns))
        raise InvalidConfig(f"Table of country facts: columns missing or unknown: {', '.join(odd)}.")
    facts: dict[str, CountryFacts] = {}
    for row in table.to_dict("records"):
        code = str(row["code"])
        if len(code) != 2 or not code.isupper() or code in facts:
            raise InvalidConfig(
                f"Table of country facts: code {code!r} is not an alpha-2 code, or appears twice."
            )
        cells = {column: _parse_cell(code, column, str(row[column])) for column in columns}
        facts[code] = CountryFacts(**cells)  # type: ignore[arg-type]
    return facts


def _parse_cell(code: str, column: str, text: str) -> str | tuple[str, ...]:
    allowed = ALLOWED.get(column)
    if allowed is None:
        return text
    values = tuple(text.split("|")) if text else ()
    wrong = [value for value in values if value not in allowed]
    if wrong or (not values and column not in _MAY_BE_BLANK) or (column in _SINGLE and len(values) != 1):
        how = "one" if column in _SINGLE else "one or more, separated by |,"
        raise InvalidConfig(
            f"Table of country facts: {code}, column {column}: {text!r} is not allowed; "
            f"use {how} of {', '.join(sorted(allowed))}."
        )
    return values[0] if column in _SINGLE else values


def read_table(name: str) -> pd.DataFrame:
    """One of the tables in `data/`, all cells as text."""
    with resources.as_file(resources.files(__package__) / "data" / name) as path:
        return pd.read_csv(path, dtype=str, keep_default_na=False)


@cache
def country_facts() -> dict[str, CountryFacts]:
    """Facts of every country in the practice world by alpha-2 code."""
    return parse_facts(read_table("countries.csv"))
