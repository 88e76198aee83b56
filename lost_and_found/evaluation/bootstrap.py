"""Intervals of scores over groups: rounds of one game, or pictures of one place, aren't independent evidence.

Groups are resampled as wholes. Resamples of few groups vary less than scores do from one test set to another,
so a plain bootstrap of three or four groups covers the truth in seven or eight of ten cases instead of
nineteen of twenty, and that of a single group claims certainty. The intervals here therefore also depend on
the number of groups, as they do with Student's t.

The interval of a score that is a ratio of sums takes four steps: `count_table` counts by group,
`resampled_sums` sums the counts of each resample, `ratio` turns the sums into scores, and `proportion` (for
shares) or `percentiles` (for all else) gives the interval. `shares_by_column` takes all four.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse, stats

from lost_and_found.errors import InvalidConfig

TAIL = 0.025  # beyond each end of a 95 % interval
FEWEST_RESAMPLES = 100
RESAMPLES_AT_ONCE = 50
NEXT_TO_NOTHING = 1e-3  # so few samples say nothing about a share: it may be anything from 0 to 1


@dataclass(frozen=True)
class Estimate:
    """A score and the ends of its 95 % interval: floats, or arrays of one shape (NaN where undefined).

    low <= value <= high, wherever there is a value.
    """

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray


def group_numbers(groups: Sequence[object] | np.ndarray | None, samples: int) -> np.ndarray:
    """(N,) the number of each sample's group; without groups, each sample is one of its own.

    Raises:
        InvalidConfig: there are no samples, or groups and samples differ in number.
    """
    if not samples:
        raise InvalidConfig("there are no samples to measure anything on")
    if groups is None:
        return np.arange(samples)
    if len(groups) != samples:
        raise InvalidConfig(f"{len(groups)} groups for {samples} samples")
    # One by one, as numpy would take groups that are pairs, such as (game, place), for a table.
    return np.unique([str(group) for group in groups], return_inverse=True)[1]


def resampled_rows(groups: np.ndarray, *, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """The rows of as many groups as there are, drawn with replacement, `resamples` times.

    Args:
        groups: (N,) numbers from 0, from `group_numbers`.
        resamples: number of resamples.
        seed: of the random draws.

    Raises:
        InvalidConfig: fewer than 100 resamples.
    """
    _refuse_few(resamples)
    rng = np.random.default_rng(seed)
    order, sizes = np.argsort(groups, kind="stable"), np.bincount(groups)
    ends = np.cumsum(sizes)
    for _ in range(resamples):
        drawn = rng.integers(len(sizes), size=len(sizes))
        # Where each drawn group ends in `order`, less where it ends among the drawn rows. Joining one array
        # for each of tens of thousands of groups takes fourteen times as long.
        shift = ends[drawn] - np.cumsum(sizes[drawn])
        yield order[np.arange(sizes[drawn].sum()) + np.repeat(shift, sizes[drawn])]


def count_table(
    values: np.ndarray, groups: np.ndarray, columns: np.ndarray, *, width: int
) -> sparse.csr_array:
    """(groups, 1 + width): how many samples of each group are true in `values`, in total and by column.

    Args:
        values: bool (N,).
        groups: (N,) numbers from 0, from `group_numbers`.
        columns: (N,) numbers from 0 of what is counted separately, such as classes.
        width: how many of these there are.
    """
    places = (np.tile(groups, 2), np.concatenate([np.zeros_like(columns), 1 + columns]))
    shape = (int(groups.max()) + 1, 1 + width)
    return sparse.coo_array((np.tile(values.astype(float), 2), places), shape=shape).tocsr()


def resampled_sums(tables: Sequence[sparse.csr_array], *, resamples: int, seed: int) -> list[np.ndarray]:
    """(1 + resamples, columns) of each table: sums over all groups, then over the groups of each resample.

    With the same seed the groups are those of `resampled_rows`. For scores that are ratios of sums, this is
    far faster than going through the samples.

    Args:
        tables: (groups, columns), what each group adds to each sum; all tables are of the same groups.
        resamples: number of resamples.
        seed: of the random draws.

    Raises:
        InvalidConfig: fewer than 100 resamples.
    """
    _refuse_few(resamples)
    rng = np.random.default_rng(seed)
    table = sparse.hstack(tables).tocsr()
    groups, transposed = table.shape[0], table.T.tocsr()
    sums = np.empty((1 + resamples, table.shape[1]))
    sums[0] = table.sum(axis=0)
    for start in range(1, 1 + resamples, RESAMPLES_AT_ONCE):
        stop = min(start + RESAMPLES_AT_ONCE, 1 + resamples)
        weights = [
            np.bincount(rng.integers(groups, size=groups), minlength=groups) for _ in range(start, stop)
        ]
        sums[start:stop] = (transposed @ np.stack(weights, axis=1).astype(float)).T
    return np.split(sums, np.cumsum([one.shape[1] for one in tables])[:-1], axis=1)


def groups_with(table: sparse.csr_array) -> np.ndarray:
    """(columns,) how many groups, the rows of a table of counts, have a count that isn't zero."""
    return np.asarray((table != 0).sum(axis=0)).ravel()


def ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Part over whole, two arrays of one shape; NaN where the whole is zero."""
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)


def proportion(draws: np.ndarray, n: np.ndarray, groups: np.ndarray) -> Estimate:
    """Shares with their exact intervals for the effective number of independent samples.

    If every sample is a group of its own, that number is n; otherwise it follows from the variance over
    resamples. Resamples without samples of a class have no recall for it and are left out there.

    Args:
        draws: (1 + resamples, ...) shares, the observed ones first.
        n: number of samples behind each observed share.
        groups: number of groups that these samples are in.

    Source:
        Korn and Graubard, Confidence intervals for proportions with small expected number of positive counts
        estimated from survey data (1998).
    """
    value, resampled = draws[0], draws[1:]
    known = ~np.isnan(resampled)
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, resampled, 0).sum(axis=0) / count
    variance = np.where(known, (resampled - mean) ** 2, 0).sum(axis=0) / count
    effective = effective_samples(value * (1 - value), variance, n=n, most=n, groups=groups)
    return exact_interval(value, np.where(groups == n, n, effective))


def shares_by_column(
    hits: np.ndarray, groups: np.ndarray, columns: np.ndarray, *, width: int, resamples: int, seed: int
) -> tuple[np.ndarray, Estimate]:
    """(1 + width,) how many samples there are, and the shares of hits among them: in all, and by column.

    Arguments are those of `count_table`, with `hits` for its `values`, and of `resampled_sums`.

    Raises:
        InvalidConfig: fewer than 100 resamples.
    """
    counts, found = (
        count_table(values, groups, columns, width=width) for values in (np.ones_like(hits), hits)
    )
    n, sums = resampled_sums([counts, found], resamples=resamples, seed=seed)
    return n[0], proportion(ratio(sums, n), n[0], groups_with(counts))


def effective_samples(
    spread: np.ndarray, variance: np.ndarray, *, n: np.ndarray, most: np.ndarray, groups: np.ndarray
) -> np.ndarray:
    """How many independent samples would say as much about a share, or about a difference of shares.

    All arguments are numbers or arrays that fit one shape, which is that of the result.

    Args:
        spread: variance of a single sample: p (1 - p) for a share p.
        variance: of the share, from a bootstrap over groups.
        n: number of samples.
        most: upper limit, because a variance from few hits, or few misses, is often far too small.
        groups: number of groups. If each sample is a group, there is nothing to correct; if all samples are
            equal, nothing shows how correlated a group is, and each counts as one sample.
    """
    spread, variance, n, most, groups = np.broadcast_arrays(spread, variance, n, most, groups)
    n, groups = n.astype(float), groups.astype(float)
    several = (groups > 1) & (n > 1)
    # The variance over resamples of g groups is (g - 1) / g of that over test sets of g groups.
    unbiased = np.divide(groups * (n - 1), (groups - 1) * n, out=np.ones(n.shape), where=several)
    effective = np.divide(spread, variance * unbiased, out=most.astype(float), where=variance > 0)
    effective = np.minimum(effective, most)
    students = _student(n - 1) / _student(groups - 1)
    fewer = np.where(groups == n, 1.0, np.where(several, students**2, 0.0))
    effective = np.maximum(effective * fewer, NEXT_TO_NOTHING)
    return np.where((spread == 0) & several, np.minimum(effective, groups), effective)


def exact_interval(value: np.ndarray, n: np.ndarray) -> Estimate:
    """Interval of a share `value` of `n` independent samples; n need not be a whole number.

    Source:
        Clopper and Pearson, The use of confidence or fiducial limits illustrated in the case of the binomial
        (1934), in the form with quantiles of beta distributions.
    """
    hits = value * n
    low = np.where(value > 0, stats.beta.ppf(TAIL, hits, n - hits + 1), value)
    high = np.where(value < 1, stats.beta.ppf(1 - TAIL, hits + 1, n - hits), value)
    return Estimate(value, low, high)


def percentiles(draws: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ends of the intervals of scores that aren't shares, such as distances and differences.

    They are percentiles, so that a skewed score has a skewed interval, widened by as much as Student's t for
    this number of groups is wider than the normal distribution. For a single group they are infinite.

    Args:
        draws: (1 + resamples, columns) scores, the observed ones first; NaN where a resample has none.
        groups: (columns,) or a number: how many groups the samples of each score are in.
    """
    value = draws[0]
    low, high = np.nanquantile(draws[1:], [TAIL, 1 - TAIL], axis=0)
    others = np.maximum(np.broadcast_to(groups, value.shape) - 1.0, 1.0)
    # The root, because it is the variance over resamples that is (g - 1) / g of that over test sets.
    apart = np.sqrt((others + 1) / others) * _student(others) / stats.norm.ppf(1 - TAIL)
    low, high = value + apart * (low - value), value + apart * (high - value)
    single = np.broadcast_to(groups, value.shape) <= 1
    return np.where(single, -np.inf, low), np.where(single, np.inf, high)


def _refuse_few(resamples: int) -> None:
    if resamples < FEWEST_RESAMPLES:
        raise InvalidConfig(f"resamples is {resamples}; below {FEWEST_RESAMPLES} the interval is noise")


def _student(freedom: np.ndarray) -> np.ndarray:
    return stats.t.ppf(1 - TAIL, np.maximum(freedom, 1))
