"""One country for each of its many names: ISO 3166 alpha-2 codes plus XK for Kosovo.

`find_country` first looks for the exact name or code, ignoring case, accents, spaces and punctuation. Only a
text that is no name at all is taken for a misspelt one, and then only if one country is a letter or two away
and every other is at least two letters farther, and no name of several countries as near. Anything else is
refused with proposals: a wrong country in a dataset is worse than none.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache

import pycountry
from rapidfuzz.distance import OSA
from rapidfuzz.process import extract
from thefuzz import fuzz, process

from lost_and_found.errors import UnknownCountry
from lost_and_found.geo.country_names import AMBIGUOUS_NAMES, COMMON_NAMES, OTHER_NAMES

# Lengths from which a text may have one or two typing errors: a letter missing, added, changed or swapped
# with the next. A changed letter makes a different word more often than the others do: Panama and Penama,
# Grenada and Granada.
SHORTEST_WITH_ONE_ERROR = 6
SHORTEST_WITH_ONE_CHANGED = 8
SHORTEST_WITH_TWO_ERRORS = 11
LEAST_LEAD = 2
NOT_AVAILABLE = re.compile(r"\s*n\s*\.\s*a\s*\.?\s*", re.IGNORECASE)  # only without dots Namibia's code
COMPASS = {"n": "north", "s": "south", "e": "east", "w": "west"}
WITHOUT_DECOMPOSITION = str.maketrans(
    {"ø": "o", "ł": "l", "ı": "i", "đ": "d", "æ": "ae", "œ": "oe", "ð": "d"}
)


@dataclass(frozen=True, slots=True)
class Country:
    """A country or territory: alpha-2 `code` (or XK) and the `name` that people know it by."""

    code: str
    name: str


def find_country(text: str) -> Country:
    """The country of a name, alpha-2 or alpha-3 code, in upper or lower case, with or without accents.

    "Congo" alone is the Republic of the Congo, as in ISO 3166; the larger one needs "DR", "Kinshasa" or the
    like. England, Scotland, Wales and Northern Ireland are GB. Codes are never corrected, only names are.

    Raises:
        UnknownCountry: no country, more than one, or a misspelling that could be several; it has proposals.
    """
    found = _find(text) if isinstance(text, str) else _no_name(text)
    if isinstance(found, Country):
        return found
    raise UnknownCountry(found)


def all_countries() -> tuple[Country, ...]:
    """Every country and territory, by code."""
    return tuple(_countries().values())


def aliases(code: str) -> tuple[str, ...]:
    """The names of a country except the displayed one, without codes: for search boxes and labels.

    Raises:
        UnknownCountry: no country has this code.
    """
    country = find_country(code)
    names = dict.fromkeys([*_spellings(country.code), _without_accents(country.name)])
    return tuple(name for name in names if name != country.name)


@lru_cache(maxsize=1 << 16)
def _find(text: str) -> Country | str:
    """The country or what is wrong, returned rather than raised so that refusals are cached, too."""
    if NOT_AVAILABLE.fullmatch(text):
        return _no_name(text)
    key, code = _key(text), re.sub(r"[\s.]", "", text).lower()
    found = _codes().get(code) or _names().get(key)
    if found:
        return _countries()[found]
    if not key:
        return _no_name(text)
    if key in _ambiguous():
        return f"{text!r} may be {_either(_ambiguous()[key])}; say which"
    near = extract(key, list(_names()), scorer=OSA.distance, score_cutoff=2 + LEAST_LEAD, limit=None)
    if near:
        name, errors, _ = near[0]
        others = [distance for other, distance, _ in near if _names()[other] != _names()[name]]
        ambiguous = any(OSA.distance(key, one, score_cutoff=errors) <= errors for one in _ambiguous())
        is_leading = min(others, default=9) >= errors + LEAST_LEAD
        if errors <= _typing_errors(key, name) and is_leading and not ambiguous:
            return _countries()[_names()[name]]
    return f"{text!r} is not a known country; {_proposals(key)}"


def _no_name(value: object) -> str:
    return f"{value!r} is not a country name; give a name such as 'France' or a code such as 'FR'"


def _proposals(key: str) -> str:
    scored = process.extractBests(key, list(_names()), scorer=fuzz.ratio, processor=None, score_cutoff=60)
    codes = list(dict.fromkeys(_names()[name] for name, _ in scored))[:3]
    return f"did you mean {_either(codes)}?" if codes else "nothing similar is known"


def _typing_errors(key: str, name: str) -> int:
    """How many letters may be wrong for `key` to be taken for `name`; the first letter must be right."""
    length = min(len(key), len(name))
    if key[0] != name[0]:
        return 0
    if length >= SHORTEST_WITH_TWO_ERRORS:
        return 2
    changed = len(key) == len(name) and sorted(key) != sorted(name)
    return int(length >= (SHORTEST_WITH_ONE_CHANGED if changed else SHORTEST_WITH_ONE_ERROR))


def _either(codes: tuple[str, ...] | list[str]) -> str:
    return " or ".join(f"{_countries()[code].name} ({code})" for code in codes)


@cache
def _countries() -> dict[str, Country]:
    names = {country.alpha_2: country.name for country in pycountry.countries} | COMMON_NAMES
    return {code: Country(code, names[code]) for code in sorted(names)}


@cache
def _codes() -> dict[str, str]:
    """Folded alpha-2 and alpha-3 codes to alpha-2."""
    alpha_3 = {country.alpha_3: country.alpha_2 for country in pycountry.countries} | {"XKX": "XK"}
    return {code.lower(): found for code, found in ({code: code for code in _countries()} | alpha_3).items()}


@cache
def _names() -> dict[str, str]:
    """Folded names to alpha-2."""
    table: dict[str, str] = {}
    if strangers := sorted({*OTHER_NAMES, *sum(AMBIGUOUS_NAMES.values(), ())} - {*_countries()}):
        raise ValueError(
            f"country_names.py has names for {', '.join(strangers)}, which are no countries' codes"
        )
    for code in _countries():
        for name in _spellings(code):
            other = table.setdefault(_key(name), code)
            if other != code:
                raise ValueError(f"{name!r} stands for both {other} and {code} in country_names.py")
    if both := sorted(name for name in AMBIGUOUS_NAMES if _key(name) in table):
        raise ValueError(f"{', '.join(both)} in country_names.py: ambiguous, and yet a country's name")
    return table


@cache
def _ambiguous() -> dict[str, tuple[str, ...]]:
    return {_key(name): codes for name, codes in AMBIGUOUS_NAMES.items()}


def _spellings(code: str) -> Iterator[str]:
    """All names of a country, the displayed one first."""
    yield _countries()[code].name
    yield from OTHER_NAMES.get(code, ())
    record = pycountry.countries.get(alpha_2=code)
    for field in ("common_name", "name", "official_name"):
        name = getattr(record, field, None)
        if name:
            yield name


def _key(text: str) -> str:
    """The letters of a name alone: "St. Kitts & Nevis" and "Saint Kitts and Nevis" become saintkittsnevis."""
    plain = _without_accents(text).casefold().translate(WITHOUT_DECOMPOSITION).replace("&", " and ")
    plain = re.sub(r"\.(?=\w\w)", " ", plain)  # "S.Sudan" is two words, "U.S.A." is one
    words = re.findall(r"[^\W_]+", re.sub(r"['’‘`´.]", "", plain))
    if len(words) > 1:
        words[0] = COMPASS.get(words[0], words[0])
    return "".join("saint" if word == "st" else word for word in words if word not in ("the", "and"))


def _without_accents(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))
