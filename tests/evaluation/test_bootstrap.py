"""Intervals over groups, few and many."""

import numpy as np
import pytest
from scipy.stats import beta, norm, t

from lost_and_found.errors import InvalidConfig
from lost_and_found.evaluation import bootstrap
from lost_and_found.evaluation.distances import distance_table
from lost_and_found.evaluation.evidence import blurring_table
from lost_and_found.evaluation.metrics import score
from lost_and_found.evaluation.paired import paired_differences


def test_rows_of_a_group_are_drawn_together_and_as_many_groups_as_there_are():
    groups = np.array([2, 0, 1, 0, 2, 2])
    for rows in bootstrap.resampled_rows(groups, resamples=100, seed=0):
        times = np.bincount(rows, minlength=6)
        assert times[1] == times[3]
        assert times[0] == times[4] == times[5]
        assert times[[0, 1, 2]].sum() == 3


def test_drawn_groups_follow_each_other_in_the_order_of_the_draw_each_with_its_rows_in_order():
    groups = np.array([2, 0, 1, 0, 2, 2, 4])  # none has number 3
    members = [[1, 3], [2], [0, 4, 5], [], [6]]
    rng = np.random.default_rng(7)
    for rows in bootstrap.resampled_rows(groups, resamples=100, seed=7):
        assert rows.tolist() == [row for group in rng.integers(5, size=5) for row in members[group]]


def test_resampling_many_groups_makes_no_array_for_each(monkeypatch):
    longest = []
    join = np.concatenate
    monkeypatch.setattr(np, "concatenate", lambda parts: longest.append(len(parts)) or join(parts))
    next(bootstrap.resampled_rows(np.arange(1000), resamples=100, seed=0))
    assert not [count for count in longest if count >= 1000]


def test_groups_may_be_pairs():
    pairs = [("game", 2), ("game", 1), ("game", 2)]
    assert bootstrap.group_numbers(pairs, 3).tolist() == [1, 0, 1]


def test_the_same_groups_are_drawn_whether_sums_or_rows_are_wanted():
    groups = np.arange(40) // 4
    values = np.random.default_rng(0).random(40)
    table = bootstrap.sparse.csr_array(np.bincount(groups, values)[:, None])
    first, second = bootstrap.resampled_sums([table, 2 * table], resamples=120, seed=3)
    rows = [np.arange(40), *bootstrap.resampled_rows(groups, resamples=120, seed=3)]
    assert first[:, 0] == pytest.approx([values[drawn].sum() for drawn in rows])
    assert second[:, 0] == pytest.approx(2 * first[:, 0])


def test_single_samples_have_the_exact_interval_of_tables():
    right = np.array([1.0] * 7 + [0.0] * 3)
    draws = np.stack(
        [right, *(right[rows] for rows in bootstrap.resampled_rows(np.arange(10), resamples=4000, seed=0))]
    )
    found = bootstrap.proportion(draws.mean(axis=1), np.asarray(10), np.asarray(10))
    assert (found.low, found.high) == pytest.approx((beta.ppf(0.025, 7, 4), beta.ppf(0.975, 8, 3)), abs=0.02)


def test_the_effective_number_of_samples_is_the_one_worked_out_by_hand():
    # 0.25 / (0.01 * 5/4 * 99/100) is 20.2, times the squared ratio of Student's t for 99 and for 4 degrees.
    worth = bootstrap.effective_samples(*np.array([0.25, 0.01]), n=100, most=100, groups=5)
    assert worth == pytest.approx(20.202 * (1.98422 / 2.77645) ** 2, rel=1e-4)


@pytest.mark.parametrize(("few", "size"), [(1, 4), (1, 3), (1, 10), (5, 10)])
def test_groups_that_all_do_equally_well_count_as_uncorrelated(few, size):
    right = np.tile(
        np.arange(size) < few, 20
    )  # resamples of some of these round to a variance, of others not
    found = score(
        np.eye(2)[1 - right],
        np.zeros(20 * size, dtype=int),
        groups=np.arange(20 * size) // size,
        resamples=100,
    )
    freedom = (t.ppf(0.975, 20 * size - 1) / t.ppf(0.975, 19)) ** 2
    worth = 20 * size * freedom
    hits = worth * few / size
    for one in (found.top_k[1], found.balanced):
        assert one.low == pytest.approx(beta.ppf(0.025, hits, worth - hits + 1))
        assert one.high == pytest.approx(beta.ppf(0.975, hits + 1, worth - hits))


@pytest.mark.parametrize(("groups", "size"), [(2, 10), (3, 5), (4, 10), (10, 5), (40, 5)])
@pytest.mark.parametrize("accuracy", [0.5, 0.9])
def test_few_correlated_groups_make_a_wide_interval_that_covers_the_true_accuracy(groups, size, accuracy):
    rng = np.random.default_rng(1)
    games = np.repeat(np.arange(groups), size)
    held = []
    for seed in range(150):
        luck = np.sqrt(0.4) * rng.normal(size=groups)[games] + np.sqrt(0.6) * rng.normal(size=len(games))
        wrong = (norm.cdf(luck) > accuracy).astype(int)
        top1 = score(
            np.eye(2)[wrong], np.zeros(len(games), dtype=int), groups=games, resamples=100, seed=seed
        ).top_k[1]
        held.append(top1.low <= accuracy <= top1.high)
    assert np.mean(held) >= 0.91


@pytest.mark.parametrize("groups", [2, 4, 12])
def test_the_interval_covers_the_median_distance_of_few_places(groups):
    rng = np.random.default_rng(2)
    places = np.repeat(np.arange(groups), 8)
    held = []
    for seed in range(100):
        km = np.exp(rng.normal(6, 1, groups)[places] + rng.normal(0, 0.5, len(places)))
        row = (
            distance_table(km.clip(max=20_000), groups=places, resamples=100, seed=seed)
            .set_index("metric")
            .loc["median km"]
        )
        held.append(row["low"] <= np.exp(6) <= row["high"])
    assert np.mean(held) >= 0.85


def test_pictures_of_one_place_say_nothing_about_other_places():
    table = distance_table(np.array([3.0, 40.0, 500.0]), groups=["here"] * 3, resamples=100)
    assert table["low"].tolist() == pytest.approx([0] * len(table))
    assert table["high"].round(0).tolist() == [20015, 20015, 5000, 1, 1, 1, 1, 1]


def test_groups_that_do_not_fit_and_too_few_resamples_are_refused():
    with pytest.raises(InvalidConfig, match="2 groups for 3 samples"):
        bootstrap.group_numbers(["a", "b"], 3)
    with pytest.raises(InvalidConfig, match="resamples is 99; below 100 the interval is noise"):
        next(bootstrap.resampled_rows(np.arange(3), resamples=99, seed=0))
    with pytest.raises(InvalidConfig, match="noise"):
        bootstrap.resampled_sums([bootstrap.sparse.csr_array(np.eye(3))], resamples=99, seed=0)


def test_without_samples_there_is_no_table_of_scores():
    none = np.empty(0)
    with pytest.raises(InvalidConfig, match="no samples"):
        distance_table(none, groups=none)
    with pytest.raises(InvalidConfig, match="no samples"):
        paired_differences(none.astype(bool), none.astype(bool), truth=none.astype(str), group=none)
    with pytest.raises(InvalidConfig, match="no samples"):
        blurring_table(np.empty((0, 3)), unit="km")


def test_a_share_of_none_or_all_is_worth_no_more_samples_than_there_are_places():
    table = distance_table(np.full(200, 100.0), groups=np.arange(200) // 5, resamples=100).set_index("metric")
    single = distance_table(np.full(40, 100.0), groups=np.arange(40), resamples=100).set_index("metric")
    for metric in ("within 1 km", "within 200 km"):
        ends = tuple(table.loc[metric, ["low", "high"]])
        assert ends == pytest.approx(tuple(single.loc[metric, ["low", "high"]]), abs=1e-6)


@pytest.mark.parametrize(("groups", "size", "alike"), [(1, 10, 1.0), (1, 10, 0.4), (2, 10, 0.5), (3, 5, 0.5)])
def test_the_interval_of_balanced_accuracy_holds_where_each_country_has_few_places(groups, size, alike):
    rng = np.random.default_rng(4)
    truth = np.repeat(np.arange(20), groups * size)
    places = np.arange(len(truth)) // size
    held = []
    for seed in range(100):
        luck = np.sqrt(alike) * rng.normal(size=places.max() + 1)[places]
        right = luck + np.sqrt(1 - alike) * rng.normal(size=len(truth)) < 0
        guesses = np.eye(20)[np.where(right, truth, (truth + 1) % 20)]
        found = score(guesses, truth, groups=places, resamples=100, seed=seed).balanced
        held.append(found.low <= 0.5 <= found.high)
    assert np.mean(held) >= 0.92
