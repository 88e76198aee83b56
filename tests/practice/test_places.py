"""Which rounds are drawn."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lost_and_found.errors import InvalidConfig
from lost_and_found.geo.towns import nearest_town
from lost_and_found.practice.facts import country_facts
from lost_and_found.practice.places import DEFECT_RATES, FARTHEST_KM, apportion, draw_game, draw_places
from lost_and_found.published import singleplayer_counts
from lost_and_found.samples import parse_id

COUNT = 2_000


@pytest.fixture(scope="module")
def rounds():
    return draw_places(COUNT, seed=1)


def test_the_same_seed_gives_the_same_rounds(rounds):
    assert draw_places(COUNT, seed=1) == rounds
    assert draw_places(COUNT, seed=2) != rounds


def test_countries_are_as_skewed_as_the_published_counts(rounds):
    published = {code: singleplayer_counts()[facts.name] for code, facts in country_facts().items()
                 if facts.name in singleplayer_counts()}  # fmt: skip
    drawn = Counter(round_.place.country_code for round_ in rounds)
    assert drawn == apportion(COUNT, published)
    share = published["US"] / sum(published.values())
    assert drawn["US"] == pytest.approx(share * COUNT, abs=len(published))
    assert min(drawn.values()) >= 1


def test_ids_are_five_rounds_a_game_and_say_practice(rounds):
    assert len({round_.id for round_ in rounds}) == COUNT
    parts = [parse_id(round_.id) for round_ in rounds]
    assert {(part.site, part.mode, len(part.game)) for part in parts} == {("practice", "singleplayer", 12)}
    assert set(Counter(part.game for part in parts).values()) == {5}


def test_the_rounds_of_a_game_are_in_five_countries_save_for_the_largest(rounds):
    games = {}
    for round_ in rounds:
        games.setdefault(parse_id(round_.id).game, []).append(round_.place.country_code)
    repeats = Counter(code for codes in games.values() for code in codes if codes.count(code) > 1)
    assert set(repeats) <= {"US"}


def test_no_two_rounds_share_a_place_but_for_the_duplicates(rounds):
    places = Counter(
        (round_.place.lat, round_.place.lon) for round_ in rounds if round_.defect != "duplicate"
    )
    assert set(places.values()) == {1}


def test_a_duplicate_is_an_earlier_clean_round_under_another_id(rounds):
    earlier = {}
    for round_ in rounds:
        if round_.defect == "duplicate":
            twin = earlier[round_.place]
            assert (twin.heading_deg, twin.seed, twin.defect) == (round_.heading_deg, round_.seed, "")
            assert twin.id != round_.id
        else:
            earlier[round_.place] = round_


def test_defects_are_about_as_frequent_as_they_should_be(rounds):
    defects = Counter(round_.defect for round_ in rounds)
    for defect, rate in DEFECT_RATES.items():
        # Three standard deviations; duplicates of the first round of a country are left out.
        assert abs(defects[defect] - rate * COUNT) < 3 * (rate * COUNT) ** 0.5 + 3, defect


def test_places_are_near_towns_of_their_country(rounds):
    lat, lon = ([getattr(round_.place, axis) for round_ in rounds] for axis in ("lat", "lon"))
    near = nearest_town(lat, lon)
    assert near["distance_km"].max() < FARTHEST_KM + 0.1
    same = near["country_code"].to_numpy() == [round_.place.country_code for round_ in rounds]
    assert same.mean() > 0.98


def test_durations_and_headings_are_plausible(rounds):
    assert all(4 <= round_.duration_s <= 120 for round_ in rounds)
    assert {round_.heading_deg // 90 for round_ in rounds} == {0, 1, 2, 3}


def test_zero_rounds_are_allowed_and_a_negative_number_is_an_error():
    assert draw_places(0, seed=0) == []
    with pytest.raises(InvalidConfig):
        draw_places(-1, seed=0)


def test_a_game_depends_on_its_seed_and_number_alone():
    seventh = draw_game(7, seed=1)
    draw_game(3, seed=1)
    assert draw_game(7, seed=1) == seventh
    others = [draw_game(8, seed=1), draw_game(7, seed=2), draw_game(7, seed=1, mode="multiplayer")]
    games = {parse_id(rounds[0].id).game for rounds in [seventh, *others]}
    assert len(games) == 4
    assert len({rounds[0].place for rounds in [seventh, *others]}) == 4


def test_a_longer_game_begins_like_a_shorter_one():
    assert draw_game(0, seed=0, mode="multiplayer", rounds=8)[:5] == draw_game(0, seed=0, mode="multiplayer")


def test_the_rounds_of_a_drawn_game_are_numbered_clean_and_in_five_countries():
    for number in range(50):
        rounds = draw_game(number, seed=0)
        parts = [parse_id(round_.id) for round_ in rounds]
        assert {(part.site, part.mode, len(part.game)) for part in parts} == {
            ("practice", "singleplayer", 16)
        }
        assert [part.round for part in parts] == [0, 1, 2, 3, 4]
        assert len({round_.place.country_code for round_ in rounds}) == 5
        assert not any(round_.defect for round_ in rounds)


def test_countries_come_first_in_a_drawn_game_as_often_as_in_the_published_counts():
    games = 600
    first = Counter(draw_game(number, seed=0)[0].place.country_code for number in range(games))
    published = {code: singleplayer_counts().get(facts.name, 1) for code, facts in country_facts().items()}
    share = published["US"] / sum(published.values())
    # Three standard deviations.
    assert abs(first["US"] - share * games) < 3 * (share * (1 - share) * games) ** 0.5
    assert len(first) > 40


@given(
    st.integers(0, 5_000),
    st.dictionaries(st.text(max_size=3), st.integers(1, 10**6), min_size=1, max_size=60),
)
def test_seats_add_up_and_nobody_goes_without(count, weights):
    seats = apportion(count, weights)
    assert sum(seats.values()) == count
    assert count < len(weights) or min(seats.values()) >= 1


def test_the_largest_remainders_get_the_remaining_seats():
    assert apportion(10, {"a": 47, "b": 33, "c": 20}) == {"a": 5, "b": 3, "c": 2}
