"""Quotas and draws: the study's figures, the rules' promises, bad parameters."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lost_and_found import notebooks
from lost_and_found.errors import InvalidConfig, LostAndFoundError
from lost_and_found.preparation.distribution import draw, left_out_text, plan, quotas, target_weights
from lost_and_found.published import multiplayer_counts, singleplayer_counts
from lost_and_found.workspace import ENRICH, Workspace
from tests.pairs import make_pairs


@pytest.mark.parametrize(
    ("threshold", "slack", "countries", "samples"),
    [(0.0075, 0.75, 52, 98_154), (0.005, 0.5, 75, 86_240)],
)
def test_the_published_rule_gives_the_published_figures(threshold, slack, countries, samples):
    chosen = quotas(singleplayer_counts(), multiplayer_counts(), threshold, slack, rule="published")
    assert len(chosen) == countries
    assert sum(chosen.values()) == samples


@pytest.mark.parametrize(("threshold", "slack"), [(0.0075, 0.75), (0.005, 0.5)])
def test_the_full_rule_keeps_the_same_countries_and_wastes_nothing_of_the_scarce_ones(threshold, slack):
    available, target = singleplayer_counts(), multiplayer_counts()
    published = quotas(available, target, threshold, slack, rule="published")
    full = quotas(available, target, threshold, slack, rule="full")
    assert full.keys() == published.keys()
    scale = max(count / target[country] for country, count in full.items())
    short = [country for country in full if available[country] < 0.999 * scale * target[country]]
    assert short
    assert all(full[country] == available[country] for country in short)


def test_a_worked_example():
    # B is the scarcest common country for its weight: 50 / 2 = 25 samples for a weight of one.
    available = {"A": 100, "B": 50, "C": 9, "D": 2, "E": 39, "G": 0}
    target = {"A": 1, "B": 2, "C": 0.4, "D": 1, "E": 0, "F": 5, "G": 1}
    assert quotas(available, target, 0.2, 0.5, rule="full") == {"A": 25, "B": 50, "C": 9}
    assert quotas(available, target, 0.2, 0.5, rule="published") == {"A": 25, "B": 50, "C": 5}
    assert quotas(available, target, 0.2, 0, rule="full") == {"A": 25, "B": 50, "C": 9, "D": 2}


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int64"])
def test_counts_in_small_types_have_the_same_quotas(dtype):
    available = {"A": 100, "B": 90, "C": 80, "D": 25}
    small = dict(zip(available, np.array(list(available.values()), dtype=dtype), strict=True))
    target = {"A": 400, "B": 400, "C": 400, "D": 400}
    chosen = quotas(small, target, 0.25, 0.5)
    assert chosen == quotas(available, target, 0.25, 0.5) == {"A": 80, "B": 80, "C": 80}
    assert all(type(count) is int for count in chosen.values())


counts = st.dictionaries(st.sampled_from("ABCDEFGHIJ"), st.integers(0, 1000), min_size=1)


@given(counts, counts, st.floats(0, 0.2), st.floats(0, 1), st.sampled_from(["published", "full"]))
def test_no_quota_exceeds_what_is_available(available, target, threshold, slack, rule):
    try:
        chosen = quotas(available, target, threshold, slack, rule=rule)
    except InvalidConfig:
        return
    assert chosen
    assert all(0 < count <= available[country] for country, count in chosen.items())
    assert all(target[country] > 0 for country in chosen)


@given(counts, st.floats(0, 1))
def test_a_target_equal_to_what_there_is_keeps_everything(available, slack):
    available = {country: count for country, count in available.items() if count}
    if available:
        assert quotas(available, available, 0, slack) == available


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rule": "best"}, "not one of"),
        ({"threshold": 75}, "from 0 to 1"),
        ({"slack": -0.1}, "from 0 to 1"),
        ({"slack": 1.1}, "from 0 to 1"),
        ({"threshold": 0.99}, "lower the threshold"),
        ({"target": {"Z": 1}}, "lower the threshold"),
        ({"available": {"A": -1}}, "not negative"),
        ({"target": {"A": float("nan")}}, "finite"),
        ({"target": {"A": float("inf")}}, "finite"),
    ],
)
def test_bad_parameters_are_refused_with_what_to_do(changes, message):
    arguments = {"available": {"A": 6, "B": 4}, "target": {"A": 1, "B": 1}, "threshold": 0.1, "slack": 0.5}
    with pytest.raises(InvalidConfig, match=message):
        quotas(**(arguments | changes))


def test_a_plan_says_why_a_country_gives_nothing():
    available = {"FR": 100, "DE": 50, "BR": 9, "JP": 7, "US": 5}
    weights = {"FR": 2, "DE": 1, "BR": 1, "JP": 0, "LI": 1}
    planned = plan(available, {"FR": 100, "DE": 10, "US": 5}, target=weights, minimum_count=10)
    assert planned["quota"].tolist() == [100, 10, 0, 0, 0]
    with pytest.raises(InvalidConfig, match="no country has a quota of 101"):
        plan(available, {"FR": 100}, target=weights, minimum_count=101)
    assert planned.set_index("country_code")["reason"].to_dict() == {
        "FR": "",
        "DE": "",
        "BR": "too few for its share",
        "JP": "not in the target",
        "US": "only 5, fewer than minimum_count 10",
    }


def test_countries_that_are_left_out_are_listed_by_reason_with_what_they_have():
    available = {"FR": 1100, "DE": 50, "BR": 9, "US": 5, "JP": 7}
    planned = plan(
        available, {"DE": 50, "US": 5, "JP": 7}, target=dict.fromkeys(available, 1), minimum_count=10
    )
    assert left_out_text(planned) == (
        "fewer than minimum_count 10 (2):\nJP 7, US 5\ntoo few for its share (2):\nFR 1,100, BR 9"
    )
    assert left_out_text(planned[planned["quota"] > 0]) == "none"


def test_a_target_is_known_by_its_name():
    available = {"FR": 9, "DE": 1}
    assert target_weights("collected", available) == available
    assert target_weights("uniform", available) == {"FR": 1, "DE": 1}
    assert sum(target_weights("multiplayer", available).values()) == 18_582
    with pytest.raises(InvalidConfig, match="'even' is not one of"):
        target_weights("even", available)


@pytest.mark.parametrize("weight", [187, 3, 49, 1 / 3])
def test_the_country_that_sets_the_scale_can_give_its_whole_share(weight):
    for count in range(1, 200):
        assert quotas({"A": count}, {"A": weight}, 0, 1.0) == {"A": count}


def rounds(counts):
    ids = [(f"s_m_{code}{number:03d}_0", code) for code, count in counts.items() for number in range(count)]
    return pd.DataFrame(ids, columns=["id", "country_code"])


def test_a_draw_has_the_quotas_and_is_not_the_first_n():
    table = rounds({"FR": 100, "DE": 50})
    drawn = draw(table, {"FR": 20, "DE": 50}, seed=1)
    assert drawn == sorted(drawn)
    assert table[table.id.isin(drawn)].country_code.value_counts().to_dict() == {"FR": 20, "DE": 50}
    first = [f"s_m_FR{number:03d}_0" for number in range(20)]
    assert not set(first) <= set(drawn)


def test_a_draw_depends_on_the_seed_and_the_ids_alone():
    table = rounds({"FR": 100, "DE": 50})
    shuffled = table.sample(frac=1, random_state=3)
    assert draw(table, {"FR": 20}, seed=1) == draw(shuffled, {"FR": 20}, seed=1)
    assert draw(table, {"FR": 20}, seed=1) != draw(table, {"FR": 20}, seed=2)
    with_more_countries = draw(table, {"DE": 5, "FR": 20}, seed=1)
    assert set(draw(table, {"FR": 20}, seed=1)) < set(with_more_countries)
    # Lists that were pinned with earlier versions must come out the same.
    same = ["s_m_DE001_0", "s_m_DE031_0", "s_m_FR017_0", "s_m_FR057_0", "s_m_FR059_0"]
    assert draw(table, {"FR": 3, "DE": 2}, seed=1) == same


def test_a_smaller_quota_draws_a_part_of_a_larger_one():
    table = rounds({"FR": 100})
    assert set(draw(table, {"FR": 10}, seed=1)) < set(draw(table, {"FR": 30}, seed=1))


def test_a_quota_beyond_what_there_is_is_refused():
    with pytest.raises(InvalidConfig, match="only 3"):
        draw(rounds({"FR": 3}), {"FR": 4}, seed=0)


def test_a_negative_seed_is_refused():
    with pytest.raises(InvalidConfig, match="seed -1 must be at least 0"):
        draw(rounds({"FR": 3}), {"FR": 2}, seed=-1)


def test_a_run_that_would_make_another_list_leaves_the_plan_of_the_one_that_is_there(tmp_path):
    notebook = notebooks.REPOSITORY / "2-data-preparation" / "03-map-to-distribution.ipynb"
    make_pairs(Workspace(tmp_path, "made").output(ENRICH), 9, countries=("FR", "FR", "DE"))
    given = {"root": str(tmp_path), "dataset": "made", "minimum_count": 3}
    notebooks.execute(notebook, tmp_path / "executed.ipynb", given | {"distribution": "collected"})
    path = tmp_path / "2-data-preparation/03-map-to-distribution/made/plan.csv"
    before = path.read_text()
    assert before.splitlines()[1:] == ["FR,6,6,", "DE,3,3,"]
    with pytest.raises(LostAndFoundError, match="distribution collected there, uniform now"):
        notebooks.execute(notebook, tmp_path / "executed.ipynb", given | {"distribution": "uniform"})
    assert path.read_text() == before
