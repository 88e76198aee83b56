"""Intervals, paired tests and how many answers are needed, against hand-made numbers and simulation."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lost_and_found.human_baseline.proportions import PairedComparison, Proportion


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    # By hand: (p + z²/2n ± z·sqrt(p(1-p)/n + z²/4n²)) / (1 + z²/n) with z = 1.959964.
    [(0, 10, 0.0, 0.27753), (10, 10, 0.72247, 1.0), (5, 10, 0.23659, 0.76341), (81, 263, 0.25529, 0.36621)],
)
def test_the_interval_is_wilsons(hits, n, low, high):
    share = Proportion(hits, n)
    assert (share.low, share.high) == pytest.approx((low, high), abs=1e-5)


def test_without_items_any_share_is_possible():
    share = Proportion(0, 0)
    assert math.isnan(share.value)
    assert (share.low, share.high) == (0, 1)


@given(st.integers(0, 60), st.integers(1, 60))
def test_the_interval_holds_the_share_and_stays_between_0_and_1(hits, n):
    share = Proportion(min(hits, n), n)
    assert 0 <= share.low <= share.value + 1e-12 <= share.high + 2e-12 <= 1 + 2e-12


@pytest.mark.parametrize(
    ("first", "second", "p_value"),
    # Two-sided sign test by hand: 2 · (1 + 8) / 2^8, 2 / 2^5, and an even split.
    [(1, 7, 18 / 256), (0, 5, 2 / 32), (4, 4, 1.0), (0, 0, 1.0)],
)
def test_mcnemars_test_is_the_sign_test_on_what_only_one_had_right(first, second, p_value):
    assert PairedComparison(9, first, second, 3).p_value == pytest.approx(p_value)


def test_the_difference_is_that_of_the_shares():
    paired = PairedComparison(both=2, first=1, second=4, neither=3)
    assert paired.difference == pytest.approx((2 + 4) / 10 - (2 + 1) / 10)


def test_that_many_items_show_the_difference_with_about_the_requested_power():
    # A true difference of ten points, of 30 points of discordant items: 20 % the second's, 10 % the first's.
    pilot = PairedComparison(both=300, first=100, second=200, neither=400)
    needed = pilot.items_to_see(0.1, power=0.8)
    # Connor by hand: (1.96 · sqrt(301 / 1002) + 0.8416 · sqrt(301 / 1002 - 0.1²))² / 0.1² is 233.4.
    assert needed == 234
    rng = np.random.default_rng(0)
    counts = rng.multinomial(needed, [0.3, 0.1, 0.2, 0.4], size=2000)
    found = np.mean([stats.binomtest(int(one[1]), int(one[1] + one[2])).pvalue < 0.05 for one in counts])
    assert 0.74 < found < 0.84  # the exact test is a little stricter than the formula


def test_fewer_items_are_needed_for_a_larger_difference_or_less_power():
    paired = PairedComparison(10, 5, 8, 20)
    assert paired.items_to_see(0.2) < paired.items_to_see(0.1)
    assert paired.items_to_see(0.1, power=0.5) < paired.items_to_see(0.1, power=0.9)


def test_without_items_half_of_them_are_taken_to_be_discordant():
    assert PairedComparison(0, 0, 0, 0).items_to_see(0.1) == PairedComparison(25, 25, 25, 25).items_to_see(
        0.1
    )
