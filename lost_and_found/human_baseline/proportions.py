"""Shares with their intervals, and paired comparisons of them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy import stats

CONFIDENCE = 0.95
Z = float(stats.norm.ppf((1 + CONFIDENCE) / 2))


@dataclass(frozen=True)
class Proportion:
    """`hits` of `n`, with Wilson's 95 % interval.

    Neither need be whole: correlated answers are worth fewer, see `independent_answers`.

    Source:
        Wilson, Probable inference, the law of succession, and statistical inference (1927).
    """

    hits: float
    n: float

    @property
    def value(self) -> float:
        """The share; NaN if n is 0."""
        return self.hits / self.n if self.n else math.nan

    @property
    def low(self) -> float:
        """Lower end of the interval, which is 0 to 1 if n is 0."""
        return self._interval()[0]

    @property
    def high(self) -> float:
        """Upper end of the interval."""
        return self._interval()[1]

    def _interval(self) -> tuple[float, float]:
        if not self.n:
            return 0.0, 1.0
        # By hand, since a leaderboard needs hundreds and scipy takes a millisecond for each.
        share, weight = self.hits / self.n, Z**2 / self.n
        middle = (share + weight / 2) / (1 + weight)
        reach = math.sqrt(weight * (share * (1 - share) + weight / 4)) / (1 + weight)
        return max(0.0, middle - reach), min(1.0, middle + reach)


@dataclass(frozen=True)
class PairedComparison:
    """Two answerers on the same items: how often both, only one, or neither was right.

    Attributes:
        both: items that both had right.
        first: items that only the first had right.
        second: items that only the second had right.
        neither: items that neither had right.
    """

    both: int
    first: int
    second: int
    neither: int

    @property
    def n(self) -> int:
        """Items."""
        return self.both + self.first + self.second + self.neither

    @property
    def difference(self) -> float:
        """Share of the second less that of the first."""
        return (self.second - self.first) / self.n

    @property
    def p_value(self) -> float:
        """McNemar's exact two-sided test: how likely a split at least this uneven is if both are as good.

        Source:
            McNemar, Note on the sampling error of the difference between correlated proportions or
            percentages (1947), in its exact form: the sign test on discordant items.
        """
        discordant = self.first + self.second
        return float(stats.binomtest(self.first, discordant).pvalue) if discordant else 1.0

    def items_to_see(self, difference: float, *, power: float = 0.8) -> int:
        """How many items in total it takes to detect a true difference of this size with this power.

        The share of items on which exactly one is right is that of those here, shrunk a little towards one
        half, so that a handful of items doesn't promise too much, and at least the difference itself.

        Args:
            difference: of the shares, in (0, 1).
            power: probability of p < 0.05.

        Source:
            Connor, Sample size for testing differences in proportions for the paired-sample design (1987).
        """
        discordant = max((self.first + self.second + 1) / (self.n + 2), difference)
        spread = stats.norm.ppf(power) * math.sqrt(max(discordant - difference**2, 0.0))
        return math.ceil(((Z * math.sqrt(discordant) + spread) / difference) ** 2)
