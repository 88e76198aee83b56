"""A world heat map of coordinates as one HTML file that opens offline and can be zoomed and dragged."""

from __future__ import annotations

import json
from html import escape
from pathlib import Path
from string import Template

import numpy as np
import pandas as pd

from lost_and_found.geo.countries import find_country
from lost_and_found.geo.outlines import country_outlines
from lost_and_found.samples import write_atomically

PAGE = Path(__file__).parent / "heat_map.html"
CELLS_PER_DEGREE = 100  # the finest cells, about 1 km; the page merges them into larger ones


def write_heat_map(path: Path, table: pd.DataFrame, *, title: str) -> int:
    """Write the page and return how many samples it shows; if there are none, no page is left there.

    Countries are drawn under the samples. Cells follow the zoom, and pointing at one shows its count and
    countries. Samples without coordinates are counted on the page but not shown.

    Args:
        path: ends in .html.
        table: columns lat and lon (NaN when absent) and country_code.
        title: shown on the page.
    """
    located = table.dropna(subset=["lat", "lon"])
    if located.empty:
        path.unlink(missing_ok=True)
        return 0
    codes, names = pd.factorize(located["country_code"].fillna(""), sort=True)
    cells = pd.DataFrame(
        {
            "x": np.floor((located["lon"].to_numpy(dtype=float) + 180) * CELLS_PER_DEGREE).astype(int),
            "y": np.floor((90 - located["lat"].to_numpy(dtype=float)) * CELLS_PER_DEGREE).astype(int),
            "country": codes,
        }
    )
    counted = cells.groupby(["x", "y", "country"]).size().reset_index(name="count")
    data = {
        "title": title,
        "samples": len(located),
        "without": len(table) - len(located),
        "cells_per_degree": CELLS_PER_DEGREE,
        "names": [find_country(str(code)).name if code else "no country" for code in names],
        "cells": [counted[name].tolist() for name in ("x", "y", "country", "count")],
        # Rings as x, y, x, y ... in whole hundredths of a degree, larger countries first.
        "land": [
            [round(100 * degree) for point in ring for degree in point]
            for outline in country_outlines()
            for ring in outline.polygons
        ],
    }
    # "</" would end the script element, even inside a string.
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("</", "<\\/")
    page = Template(PAGE.read_text(encoding="utf-8")).substitute(title=escape(title, quote=False), data=text)
    write_atomically(path, page.encode())
    return len(located)
