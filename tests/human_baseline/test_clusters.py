import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lost_and_found.human_baseline.clusters import (
    FEWEST_PLAYERS,
    equal_scenes,
    independent_answers,
    reach_of_mean,
)
from lost_and_found.human_baseline.proportions import Proportion


def made_up(players, pictures, each, *, spread, seed):
    """Gains of a model over people; their skill and the hardness of pictures vary with the same `spread`."""
    rng = np.random.default_rng(seed)
    skill, hardness = rng.normal(0, spread, players), rng.normal(0, spread, pictures)
    player = np.repeat(np.arange(players), each)
    picture = np.concatenate([rng.choice(pictures, each, replace=False) for _ in range(players)])
    model = (rng.random(pictures) < chance(0.3 + hardness))[picture]
    person = rng.random(len(player)) < chance(skill[player] + hardness[picture])
    return model.astype(float) - person, player, picture


def chance(logit):
    return 1 / (1 + np.exp(-logit))


def test_an_interval_worked_out_by_hand():
    # Five players and five pictures, each answered by the next two players; the first is always right.
    players = np.repeat(np.arange(5), 2)
    pictures = np.array([0, 1, 1, 2, 2, 3, 3, 4, 4, 0])
    values = np.array([1, 1, 0, 0, 0, 0, 0, 0, 0, 0], dtype=float)
    of_player = (1.6**2 + 4 * 0.4**2) / 100 * 5 / 4
    of_picture = (2 * 0.6**2 + 3 * 0.4**2) / 100 * 5 / 4
    of_answer = (2 * 0.8**2 + 8 * 0.2**2) / 100 * 10 / 9
    variance = max(of_player + of_picture - of_answer, of_player)
    student = 2.776445  # four degrees of freedom
    assert reach_of_mean(values, players, pictures) == pytest.approx(student * math.sqrt(variance), rel=1e-5)


@pytest.mark.parametrize(("players", "pictures", "each"), [(6, 40, 20), (20, 60, 10)])
@pytest.mark.parametrize("spread", [0.0, 1.0])
def test_nineteen_of_twenty_intervals_hold_the_truth_for_people_and_pictures_at_large(
    players, pictures, each, spread
):
    at_large = np.random.default_rng(7).normal(0, spread, (2, 100_000))
    truth = chance(0.3 + at_large[0]).mean() - chance(at_large.sum(axis=0)).mean()
    held = []
    for seed in range(300):
        gains, *ids = made_up(players, pictures, each, spread=spread, seed=seed)
        held.append(abs(gains.mean() - truth) <= reach_of_mean(gains, *ids))
    assert 0.91 <= np.mean(held) <= 0.99


def test_with_few_players_only_pictures_are_taken_as_a_sample():
    gains, players, pictures = made_up(FEWEST_PLAYERS - 1, 50, 25, spread=1.0, seed=0)
    of_one = reach_of_mean(gains, np.zeros_like(players), pictures)
    assert reach_of_mean(gains, players, pictures) == of_one


def test_one_picture_says_nothing_about_pictures():
    right, players, pictures = np.array([True, False]), np.arange(2), np.zeros(2)
    assert reach_of_mean(right.astype(float), players, pictures) == math.inf
    assert independent_answers(right, players, pictures) == 1


@given(st.integers(1, 12), st.integers(1, 30), st.integers(0, 99))
def test_answers_are_never_worth_more_than_there_are(players, pictures, seed):
    gains, *ids = made_up(players, pictures, max(1, pictures // 2), spread=1.0, seed=seed)
    assert 1 <= independent_answers(gains > 0, *ids) <= len(gains)


@pytest.mark.parametrize("players", [2, 3, 4, 5])
def test_pictures_with_equally_many_right_answers_are_uncorrelated(players):
    right = np.tile(np.arange(players) == 0, 20)
    ids = np.tile(np.arange(players), 20), np.repeat(np.arange(20), players)
    # Only the first player is right, which says something about people at large if there are enough players.
    worth = independent_answers(right, *ids)
    assert worth == len(right) if players < FEWEST_PLAYERS else worth < players


def test_correlated_answers_are_worth_less():
    right = np.repeat([True, False], 50)  # the first five players are always right, the others never
    players, pictures = np.repeat(np.arange(10), 10), np.tile(np.arange(10), 10)
    assert independent_answers(right, players, pictures) < 10
    shuffled = np.random.default_rng(0).permutation(right)
    assert independent_answers(shuffled, players, pictures) > 30
    assert independent_answers(np.ones(100), players, pictures) == 10  # nothing shows how correlated they are


def test_nineteen_of_twenty_intervals_of_a_model_hold_the_truth_where_some_pictures_are_answered_more_often():
    rng, truth, held = np.random.default_rng(0), 0.6, []
    for _ in range(2000):
        scenes = np.concatenate([rng.permutation(200)[:20] for _ in range(20)])
        share = (rng.random(200) < truth)[scenes].mean()
        worth = equal_scenes(scenes)
        interval = Proportion(share * worth, worth)
        held.append(interval.low <= truth <= interval.high)
    assert np.mean(held) >= 0.94
    assert equal_scenes(np.repeat(np.arange(12), 4)) == 12
