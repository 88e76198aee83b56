"""Named sets of countries, over which the scores of different datasets can be compared."""

from __future__ import annotations

from lost_and_found.errors import InvalidConfig, UnknownCountry
from lost_and_found.geo.countries import find_country
from lost_and_found.preparation.distribution import quotas
from lost_and_found.published import multiplayer_counts, singleplayer_counts

# Threshold and slack of the two mapped lists of the published study.
PUBLISHED = {"published-52": (0.0075, 0.75), "published-75": (0.005, 0.5)}


def country_subset(text: str) -> tuple[str, ...]:
    """Sorted alpha-2 codes of a named subset, or of countries separated by commas; empty for an empty text.

    `published-52` and `published-75` are the countries of the study's two mapped lists.

    Raises:
        InvalidConfig: neither a subset nor countries.
    """
    if text in PUBLISHED:
        threshold, slack = PUBLISHED[text]
        kept = quotas(singleplayer_counts(), multiplayer_counts(), threshold, slack, rule="published")
        return tuple(sorted(find_country(name).code for name in kept))
    try:
        return tuple(sorted({find_country(name).code for name in text.split(",") if name.strip()}))
    except UnknownCountry as error:
        raise InvalidConfig(
            f"subset {text!r}: {error}; give {', '.join(PUBLISHED)}, or countries separated by commas"
        ) from None
