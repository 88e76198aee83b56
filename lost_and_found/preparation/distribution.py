"""How many samples of each country to keep, so that the list follows a target distribution.

Collected rounds are skewed (one in five shows the United States). The study used a list with the country
shares of the game's multiplayer rounds, which are far more even; `quotas` computes its counts.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping

import numpy as np
import pandas as pd

from lost_and_found.errors import InvalidConfig
from lost_and_found.geo.countries import find_country
from lost_and_found.published import multiplayer_counts
from lost_and_found.texts import in_lines

RULES = ("published", "full")
DISTRIBUTIONS = ("multiplayer", "uniform", "collected")
ROUNDING = 1e-9  # tolerance for a weight times the scale that should be a whole number


def quotas(
    available: Mapping[str, int],
    target: Mapping[str, float],
    threshold: float,
    slack: float,
    rule: str = "full",
) -> dict[str, int]:
    """How many samples of each country to draw, in the order of `available`.

    Countries with at least `threshold` of all available samples are common, and the one with the fewest per
    target weight sets the scale: the number of samples for a target weight of one. A country's share is its
    weight times the scale; it is kept if it has at least `slack` times its share, and left out if it isn't in
    the target.

    The rules differ in what a kept country contributes:

    - "full": its share, or all that it has if that is less.
    - "published": as in the study. A common country contributes its share, every other one `slack` times what
      it has. That wastes some samples of the scarcest and takes more than their share of some others.

    Args:
        available: samples by country, in whatever naming `target` uses.
        target: weights by country, for example counts of another collection; they need not sum to one.
        threshold: fraction of all available samples, from 0 to 1, that makes a country common.
        slack: from 0 (keep every country) to 1 (keep only those that can give their whole share).
        rule: "full" or "published".

    Raises:
        InvalidConfig: a parameter out of range, or no country that is common and in the target.
    """
    _check(available, target, threshold, slack, rule)
    available = {country: int(count) for country, count in available.items()}  # numpy's small ones overflow
    total = sum(available.values())
    weighted = {country: weight for country, weight in target.items() if weight > 0}
    common = {country for country in weighted if available.get(country, 0) >= max(threshold * total, 1)}
    if not common:
        raise InvalidConfig(
            f"no country of the target has {100 * threshold:.2f} % of the {total:,} samples; "
            "lower the threshold"
        )
    scale = min(available[country] / weighted[country] for country in common)
    chosen = {}
    for country, count in available.items():
        asked = scale * weighted.get(country, 0)
        if asked == 0 or count < slack * asked - ROUNDING:
            continue
        if rule == "published" and country not in common:
            chosen[country] = _ceil(slack * count)
        else:
            chosen[country] = min(count, _ceil(asked))
    return {country: count for country, count in chosen.items() if count}


def target_weights(name: str, available: Mapping[str, int]) -> dict[str, float]:
    """The weights of a named distribution by alpha-2 code.

    "multiplayer" is the game's own, from 18,582 published rounds; "uniform" gives every available country
    the same weight; "collected" is the available distribution itself, so that all of it is kept.

    Raises:
        InvalidConfig: an unknown name.
    """
    match name:
        case "multiplayer":
            return {find_country(country).code: count for country, count in multiplayer_counts().items()}
        case "uniform":
            return dict.fromkeys(available, 1)
        case "collected":
            return dict(available)
    raise InvalidConfig(f"distribution {name!r} is not one of {DISTRIBUTIONS}")


def plan(
    available: Mapping[str, int],
    chosen: Mapping[str, int],
    *,
    target: Mapping[str, float],
    minimum_count: int,
) -> pd.DataFrame:
    """What happens to each country: columns country_code, available, quota, reason; the most frequent first.

    A quota below `minimum_count` becomes zero; `reason` says why a country is left out, else it is empty.

    Raises:
        InvalidConfig: nothing would be left.
    """
    rows = []
    for code, count in sorted(available.items(), key=lambda item: (-item[1], item[0])):
        quota = chosen.get(code, 0)
        reason = "" if quota else "too few for its share" if target.get(code) else "not in the target"
        if 0 < quota < minimum_count:
            quota, reason = 0, f"only {quota}, fewer than minimum_count {minimum_count}"
        rows.append((code, count, quota, reason))
    planned = pd.DataFrame(rows, columns=["country_code", "available", "quota", "reason"])
    if not planned["quota"].any():
        raise InvalidConfig(f"no country has a quota of {minimum_count}; lower minimum_count or collect more")
    return planned


def left_out_text(planned: pd.DataFrame) -> str:
    """The countries that a `plan` leaves out: for each reason their number, and how many samples each has."""
    left_out = planned[planned["quota"] == 0]
    countries = left_out["country_code"] + " " + left_out["available"].map("{:,}".format)
    reasons = left_out["reason"].str.replace(r"^only \d+, ", "", regex=True)
    lines = [f"{reason} ({len(some)}):\n{in_lines(some)}" for reason, some in countries.groupby(reasons)]
    return "\n".join(lines) or "none"


def draw(table: pd.DataFrame, wanted: Mapping[str, int], *, seed: int) -> list[str]:
    """The ids of a seeded draw of `wanted[code]` samples of each country, sorted.

    A country's draw depends on its own ids and the seed alone, and a smaller quota draws a subset of
    what a larger one does.

    Args:
        table: columns id and country_code.
        wanted: quotas by alpha-2 code; at most what the table has.
        seed: a non-negative integer.

    Raises:
        InvalidConfig: a quota is larger than the number of samples, or the seed is negative.
    """
    if seed < 0:
        raise InvalidConfig(f"seed {seed} must be at least 0")
    ids_by_country = table.groupby("country_code")["id"].apply(sorted)
    drawn: list[str] = []
    for code, quota in wanted.items():
        ids = ids_by_country.get(code, [])
        if quota > len(ids):
            raise InvalidConfig(f"quota of {quota} for {code}, but there are only {len(ids)} samples")
        country_seed = int.from_bytes(hashlib.sha256(code.encode()).digest()[:8])
        order = np.random.default_rng([seed, country_seed]).permutation(len(ids))
        drawn += [ids[place] for place in order[:quota]]
    return sorted(drawn)


def _ceil(count: float) -> int:
    """Round up, ignoring floating-point error."""
    return math.ceil(count - ROUNDING)


def _check(
    available: Mapping[str, int], target: Mapping[str, float], threshold: float, slack: float, rule: str
) -> None:
    if rule not in RULES:
        raise InvalidConfig(f"rule {rule!r} is not one of {RULES}")
    for name, value in (("threshold", threshold), ("slack", slack)):
        if not 0 <= value <= 1:
            raise InvalidConfig(f"{name} {value} must be from 0 to 1")
    for name, counts in (("available", available), ("target", target)):
        if wrong := {key: count for key, count in counts.items() if not 0 <= count < math.inf}:
            raise InvalidConfig(f"{name} counts must be finite and not negative: {wrong}")
