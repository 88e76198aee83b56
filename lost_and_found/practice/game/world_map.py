"""The map of countries to guess on, as it is sent to the page."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import cache

from lost_and_found.geo.outlines import country_outlines


@cache
def outlines() -> bytes:
    """JSON, about 260 kB: [{"code", "name", "polygons": [[[lon, lat], ...], ...]}, ...]."""
    countries = [asdict(outline) for outline in country_outlines()]
    return json.dumps(countries, ensure_ascii=False, separators=(",", ":")).encode()
