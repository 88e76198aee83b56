"""Scores and their intervals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import norm
from sklearn import metrics as sklearn_metrics

from lost_and_found.errors import InvalidConfig
from lost_and_found.evaluation.metrics import score, truth_ranks


def one_hot(predicted, classes):
    return np.eye(classes)[np.asarray(predicted)]


def made_up(samples=500, classes=12, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.choice(classes, samples, p=rng.dirichlet(np.full(classes, 5)))
    probabilities = rng.random((samples, classes))
    probabilities[np.arange(samples), truth] += rng.random(samples)
    return probabilities / probabilities.sum(axis=1, keepdims=True), truth


# -- ranks --


def test_the_rank_is_the_place_of_the_truth_among_the_guesses():
    probabilities = np.array([[0.5, 0.3, 0.2], [0.5, 0.3, 0.2], [0.1, 0.3, 0.6]])
    assert truth_ranks(probabilities, np.array([0, 2, 1])).tolist() == [1, 3, 2]


def test_equal_probabilities_rank_in_label_order_so_that_saying_nothing_gains_nothing():
    probabilities = np.full((4, 4), 0.25)
    assert truth_ranks(probabilities, np.arange(4)).tolist() == [1, 2, 3, 4]


@given(
    hnp.arrays(
        np.float32,
        st.tuples(st.integers(1, 20), st.integers(1, 6)),
        elements=st.sampled_from([0.0, 0.25, 0.5, 1.0]),
    ),
    st.randoms(use_true_random=False),
)
def test_rank_one_means_that_argmax_is_right_and_ranks_are_places_in_a_stable_order(scores, random):
    truth = np.array([random.randrange(scores.shape[1]) for _ in scores])
    ranks = truth_ranks(scores, truth)
    order = np.argsort(-scores, axis=1, kind="stable")
    assert np.array_equal(ranks == 1, scores.argmax(axis=1) == truth)
    assert np.array_equal(order[np.arange(len(truth)), ranks - 1], truth)


@pytest.mark.parametrize(
    ("probabilities", "truth", "message"),
    [
        (np.ones((3, 2)), np.array([0, 1]), "don't match"),
        (np.ones((0, 2)), np.array([], dtype=int), "at least one sample"),
        (np.ones(3), np.array([0, 1, 0]), "don't match"),
        (np.array([[np.nan, 1.0]]), np.array([0]), "diverged"),
        (np.ones((2, 2)), np.array([0, 2]), r"outside 0\.\.1"),
        (np.ones((2, 2)), np.array([0, -1]), r"outside 0\.\.1"),
        (np.ones((1, 2)), np.array([0.0]), "class numbers"),
    ],
)
def test_input_that_does_not_fit_is_refused(probabilities, truth, message):
    with pytest.raises(InvalidConfig, match=message):
        truth_ranks(probabilities, truth)


# -- scores --


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint64])
def test_scores_are_the_same_for_class_numbers_of_any_type(dtype):
    probabilities, truth = made_up(classes=250)
    small, usual = (score(probabilities, one, resamples=100) for one in (truth.astype(dtype), truth))
    assert np.array_equal(small.confusion, usual.confusion)
    assert np.array_equal(small.recall.value, usual.recall.value, equal_nan=True)


def test_scores_by_hand():
    truth = np.array([0, 0, 0, 0, 1, 1, 2])
    predicted = np.array([0, 0, 0, 1, 1, 0, 0])
    scores = score(one_hot(predicted, 4), truth, resamples=100)
    assert scores.top_k[1].value == pytest.approx(4 / 7)
    assert scores.balanced.value == pytest.approx((3 / 4 + 1 / 2 + 0) / 3)
    assert scores.recall.value == pytest.approx([3 / 4, 1 / 2, 0, np.nan], nan_ok=True)
    assert scores.precision.value == pytest.approx([3 / 5, 1 / 2, np.nan, np.nan], nan_ok=True)
    assert scores.support.tolist() == [4, 2, 1, 0]
    assert scores.confusion[0].tolist() == [3, 1, 0, 0]
    assert sorted(scores.pairs) == [(0, 1), (1, 0), (2, 0)]
    assert dict(zip(scores.pairs, scores.pair_share.value, strict=True)) == {
        (0, 1): 0.25,
        (1, 0): 0.5,
        (2, 0): 1.0,
    }
    assert (scores.chance, scores.majority) == (0.25, pytest.approx(4 / 7))


def test_scores_agree_with_scikit_learn():
    probabilities, truth = made_up()
    scores = score(probabilities, truth, resamples=100)
    predicted = probabilities.argmax(axis=1)
    labels = np.arange(probabilities.shape[1])
    for k, estimate in scores.top_k.items():
        expected = sklearn_metrics.top_k_accuracy_score(truth, probabilities, k=k, labels=labels)
        assert estimate.value == pytest.approx(expected)
    assert scores.balanced.value == pytest.approx(sklearn_metrics.balanced_accuracy_score(truth, predicted))
    precision, recall, _, support = sklearn_metrics.precision_recall_fscore_support(
        truth, predicted, labels=labels, zero_division=np.nan
    )
    assert scores.precision.value == pytest.approx(precision, nan_ok=True)
    assert scores.recall.value == pytest.approx(recall, nan_ok=True)
    assert scores.support.tolist() == support.tolist()
    assert scores.predicted.tolist() == np.bincount(predicted, minlength=len(labels)).tolist()
    assert np.array_equal(scores.confusion, sklearn_metrics.confusion_matrix(truth, predicted, labels=labels))


def test_labels_outside_the_subset_are_left_out_and_are_no_class_with_recall_zero():
    truth = np.array([0, 0, 1, 1, 2, 2, 2, 2])
    predicted = np.array([0, 0, 1, 2, 0, 1, 0, 1])  # class 2 is never found
    scores = score(one_hot(predicted, 3), truth, subset=[0, 1], resamples=100)
    assert scores.balanced_subset.value == pytest.approx((1 + 0.5) / 2)  # not divided by three
    assert scores.balanced.value == pytest.approx((1 + 0.5 + 0) / 3)


@pytest.mark.parametrize("subset", [[0, 3], [-1], ["FR"]])
def test_a_subset_of_classes_that_do_not_exist_is_refused(subset):
    with pytest.raises(InvalidConfig, match=rf"subset holds {subset[-1]}, but classes are 0\.\.2"):
        score(one_hot([2, 0, 1], 3), np.array([0, 0, 1]), subset=subset, resamples=100)


def test_a_guess_outside_the_subset_is_a_wrong_guess():
    scores = score(one_hot([2, 0, 1], 3), np.array([0, 0, 1]), subset=[0, 1], resamples=100)
    assert scores.balanced_subset.value == pytest.approx((0.5 + 1) / 2)


def test_the_subset_of_all_classes_scores_as_without_a_subset():
    probabilities, truth = made_up()
    scores = score(probabilities, truth, subset=range(12), resamples=100)
    for end in ("value", "low", "high"):
        assert getattr(scores.balanced_subset, end) == pytest.approx(getattr(scores.balanced, end))


def test_the_interval_of_a_subset_of_one_country_is_that_of_its_recall_whatever_the_others_do():
    truth = np.repeat([0, 1], [200, 4])  # of the second country little is known
    scores = score(one_hot(np.arange(204) % 2, 2), truth, subset=[0])
    found, recall = scores.balanced_subset, scores.recall
    assert (found.low, found.high) == pytest.approx((recall.low[0], recall.high[0]), abs=0.02)


def test_a_subset_without_samples_has_no_score():
    scores = score(one_hot([0, 1], 3), np.array([0, 1]), subset=[2], resamples=100)
    assert np.isnan([scores.balanced_subset.value, scores.balanced_subset.low]).all()
    assert score(one_hot([0], 3), np.array([0]), resamples=100).balanced_subset is None


@pytest.mark.parametrize(("classes", "ks"), [(2, [1]), (3, [1]), (4, [1, 3]), (6, [1, 3, 5])])
def test_a_k_that_is_always_right_is_not_reported(classes, ks):
    assert list(score(one_hot([0, 1], classes), np.array([0, 1]), resamples=100).top_k) == ks


# -- intervals --


def test_the_same_seed_gives_the_same_interval_and_another_seed_nearly_the_same():
    probabilities, truth = made_up()
    games = np.arange(len(truth)) // 2
    first, same, other = (score(probabilities, truth, groups=games, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first.recall.low, same.recall.low)
    assert not np.array_equal(first.recall.low, other.recall.low)
    assert first.top_k[1].low == pytest.approx(other.top_k[1].low, abs=0.02)
    assert first.balanced.low == pytest.approx(other.balanced.low, abs=0.02)


def test_intervals_of_a_proportion_have_the_width_of_theory():
    rng = np.random.default_rng(0)
    truth = np.zeros(2000, dtype=int)
    probabilities = one_hot((rng.random(2000) < 0.3).astype(int), 2)
    top1 = score(probabilities, truth, resamples=2000).top_k[1]
    half = 1.96 * np.sqrt(0.7 * 0.3 / 2000)
    assert (top1.value - top1.low, top1.high - top1.value) == pytest.approx((half, half), rel=0.1)


def test_intervals_over_groups_are_wider_when_groups_say_the_same():
    rng = np.random.default_rng(0)
    truth = np.zeros(1000, dtype=int)
    probabilities = one_hot(np.repeat(rng.random(200) < 0.4, 5).astype(int), 2)
    games = np.repeat([f"game {number}" for number in range(200)], 5)
    alone, grouped = (score(probabilities, truth, groups=groups).top_k[1] for groups in (None, games))
    ratio = (grouped.high - grouped.low) / (alone.high - alone.low)
    assert ratio == pytest.approx(np.sqrt(5), rel=0.1)


def test_the_interval_of_top1_goes_by_all_groups_and_not_by_those_of_a_class():
    right = np.random.default_rng(0).random(60) < 0.6
    groups, truth = np.arange(60) // 10, np.repeat([0, 1], [10, 50])
    of_one, of_two = (
        score(one_hot(np.where(right, true, 1 - true), 2), true, groups=groups, resamples=100).top_k[1]
        for true in (np.zeros(60, dtype=int), truth)
    )
    assert of_one == of_two


def test_groups_of_one_are_the_same_as_no_groups():
    probabilities, truth = made_up(samples=100)
    names = [f"{number:03}" for number in range(100)]
    grouped, alone = score(probabilities, truth, groups=names), score(probabilities, truth)
    assert grouped.balanced == alone.balanced
    assert grouped.top_k == alone.top_k


@pytest.mark.parametrize("accuracy", [0.2, 0.5, 0.9])
def test_nineteen_of_twenty_intervals_hold_the_true_accuracy(accuracy):
    rng = np.random.default_rng(1)
    held = []
    for seed in range(300):
        truth = np.zeros(150, dtype=int)
        probabilities = one_hot((rng.random(150) > accuracy).astype(int), 2)
        top1 = score(probabilities, truth, resamples=200, seed=seed).top_k[1]
        held.append(top1.low <= accuracy <= top1.high)
    assert 0.90 <= np.mean(held) <= 0.985


@pytest.mark.parametrize(("found", "low", "high"), [(0, 0.0, 0.3085), (10, 0.6915, 1.0)])
def test_a_country_found_always_or_never_has_the_exact_interval(found, low, high):
    # The values are those of tables of Clopper and Pearson's interval for 0 and for 10 of 10.
    predicted = [0] * found + [1] * (10 - found)
    recall = score(one_hot(predicted, 2), np.zeros(10, dtype=int)).recall
    assert (recall.low[0], recall.high[0]) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))


def simulate(rng, recalls, support, *, game_size=1):
    """Whether each sample was right, the true classes, and games whose rounds succeed or fail together."""
    truth = rng.permutation(np.repeat(np.arange(len(recalls)), support))
    games = np.arange(len(truth)) // game_size
    shared = 0.3 if game_size > 1 else 0.0
    luck = np.sqrt(shared) * rng.normal(size=len(truth))[games]
    luck += np.sqrt(1 - shared) * rng.normal(size=len(truth))
    right = norm.cdf(luck) < np.asarray(recalls)[truth]
    predicted = np.where(right, truth, (truth + 1) % len(recalls))
    return one_hot(predicted, len(recalls)), truth, games


@pytest.mark.parametrize("game_size", [1, 5])
@pytest.mark.parametrize(("a", "b"), [(1.5, 2.5), (1, 30), (30, 1.5)])
def test_the_interval_of_balanced_accuracy_holds_with_rare_classes(a, b, game_size):
    rng = np.random.default_rng(3)
    rows = []
    for seed in range(80):
        support = np.concatenate([np.full(20, 20), rng.integers(1, 3, 30)])
        recalls = rng.beta(a, b, 50)
        probabilities, truth, games = simulate(rng, recalls, support, game_size=game_size)
        found = score(probabilities, truth, groups=games, resamples=100, seed=seed).balanced
        width = found.high - found.low
        rows.append((found.low <= recalls.mean() <= found.high, width, found.value - recalls.mean()))
    held, width, error = np.array(rows).T
    assert held.mean() >= 0.92
    assert width.mean() < 1.6 * 2 * 1.96 * error.std()  # a wide enough interval would always cover it


def test_balanced_accuracy_is_less_certain_when_games_say_the_same():
    rng = np.random.default_rng(0)
    truth = np.repeat(np.arange(100) % 2, 5)
    right = np.repeat(rng.random(100) < 0.6, 5)
    probabilities = one_hot(np.where(right, truth, 1 - truth), 2)
    alone, grouped = (
        score(probabilities, truth, groups=groups).balanced for groups in (None, np.arange(500) // 5)
    )
    ratio = (grouped.high - grouped.low) / (alone.high - alone.low)
    assert ratio == pytest.approx(np.sqrt(5), rel=0.15)


@pytest.mark.parametrize("groups", [None, [0] * 60])
@pytest.mark.parametrize("guess", ["the first class", "the truth", "another class"])
def test_recalls_of_only_zero_and_one_still_have_intervals_of_some_width(guess, groups):
    truth = np.repeat(np.arange(6), [20, 20, 10, 8, 1, 1])
    predicted = {"the first class": truth * 0, "the truth": truth, "another class": (truth + 1) % 6}[guess]
    scores = score(one_hot(predicted, 6), truth, groups=groups, subset=[0, 5], resamples=100)
    for estimate in (scores.top_k[1], scores.balanced, scores.balanced_subset):
        assert estimate.low <= estimate.value <= estimate.high
        assert estimate.high - estimate.low > 0.03
    assert (scores.recall.high - scores.recall.low > 0.1).all()


def test_of_a_country_of_one_game_nothing_is_known_and_of_two_single_pictures_what_tables_say():
    # Both pictures of the first country are of one game: every resample that has them finds one of two.
    truth = np.array([0, 0, 1, 1])
    recall = score(one_hot([0, 1, 1, 0], 2), truth, groups=["a", "a", "b", "c"], resamples=100).recall
    assert recall.low == pytest.approx([0, 0.0126], abs=1e-4)
    assert recall.high == pytest.approx([1, 0.9874], abs=1e-4)


@given(st.integers(1, 40), st.integers(2, 7), st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_every_score_lies_between_zero_and_one_and_within_its_interval(samples, classes, game_size, seed):
    probabilities, truth = made_up(samples, classes, seed)
    games = np.arange(samples) // game_size
    scores = score(probabilities, truth, groups=games, subset=[0, 1], resamples=100, seed=seed)
    estimates = [*scores.top_k.values(), scores.balanced, scores.balanced_subset]
    for estimate in [*estimates, scores.recall, scores.precision, scores.pair_share]:
        value, low, high = (np.asarray(end) for end in (estimate.value, estimate.low, estimate.high))
        known = ~np.isnan(value)
        assert np.array_equal(known, ~np.isnan(low))
        assert np.array_equal(known, ~np.isnan(high))
        assert ((low >= 0) & (low <= value) & (value <= high) & (high <= 1))[known].all()
    assert scores.confusion.sum() == samples
    values = [estimate.value for estimate in scores.top_k.values()]
    assert values == sorted(values)


def test_the_order_of_samples_changes_no_score():
    probabilities, truth = made_up()
    order = np.random.default_rng(0).permutation(len(truth))
    first, second = score(probabilities, truth), score(probabilities[order], truth[order])
    assert first.balanced.value == pytest.approx(second.balanced.value)
    assert first.pairs == second.pairs
    assert np.array_equal(first.confusion, second.confusion)
