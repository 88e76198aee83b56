"""What the type-ahead searches: every country under all its names. The search itself is in `picker.js`."""

from __future__ import annotations

from functools import cache

from lost_and_found.geo.countries import aliases, all_countries


@cache
def search_index() -> list[dict[str, object]]:
    """[{"code", "name", "others": [other names]}, ...] by name, as people write them."""
    countries = sorted(all_countries(), key=lambda country: country.name)
    return [
        {"code": country.code, "name": country.name, "others": list(aliases(country.code))}
        for country in countries
    ]
