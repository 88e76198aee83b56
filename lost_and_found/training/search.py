"""Which parameters to try next: a grid, random draws, or Bayesian optimisation.

A proposal depends only on the sweep, the seed, its number and the trials before it, so a stopped sweep
resumes as if it had never stopped.
"""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.special import ndtr
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

from lost_and_found.errors import InvalidConfig
from lost_and_found.training.search_space import Value
from lost_and_found.training.sweep_files import Sweep
from lost_and_found.training.trial_log import Trial

Parameters = dict[str, Value]
LEAST_RANDOM = 4  # trials before the first that is not drawn at random
CANDIDATES = 1500  # places that are weighed against each other
NEIGHBOURS = 500  # further ones around the best trial
NEIGHBOURHOOD = 0.05  # their standard deviation, as a part of a parameter's range


def grid_size(sweep: Sweep) -> int | None:
    """How many trials the grid of a sweep has; None for one that isn't a grid."""
    return math.prod(len(one.grid()) for one in sweep.parameters) if sweep.method == "grid" else None


def planned_trials(sweep: Sweep, limit: int | None) -> int:
    """How many trials a sweep is to have; a search may run out of new ones earlier.

    Raises:
        InvalidConfig: it would never end, or never start.
    """
    if limit is not None and limit < 1:
        raise InvalidConfig(f"{limit} trials were asked for; it must be at least 1")
    limits = [one for one in (grid_size(sweep), sweep.run_cap, limit) if one is not None]
    if not limits:
        raise InvalidConfig(
            f"sweep {sweep.name} has method {sweep.method}, which never ends; say how many trials, "
            "by run_cap in its file or by --trials"
        )
    return min(limits)


def propose(sweep: Sweep, trials: Sequence[Trial], number: int, *, seed: int = 0) -> Parameters | None:
    """The parameters of a trial, by name in the order of the sweep; None if all have been tried.

    Args:
        sweep: what to search.
        trials: those that are over; only the ones before `number` count.
        number: of the trial, from 1.
        seed: of everything that is drawn.
    """
    rng = np.random.default_rng([seed, number])
    if sweep.method == "grid":
        return _grid(sweep, number)
    if sweep.method == "random":
        return _at(sweep, rng.random(len(sweep.parameters)))
    return _bayes(sweep, [one for one in trials if one.number < number], rng)


def _grid(sweep: Sweep, number: int) -> Parameters | None:
    combinations = itertools.product(*(one.grid() for one in sweep.parameters))
    values = next(itertools.islice(combinations, number - 1, None), None)
    return dict(zip((one.name for one in sweep.parameters), values, strict=True)) if values else None


def _at(sweep: Sweep, places: np.ndarray) -> Parameters:
    """The parameters at places from 0 to 1, one place per parameter."""
    return {one.name: one.at(float(place)) for one, place in zip(sweep.parameters, places, strict=True)}


def _bayes(sweep: Sweep, trials: Sequence[Trial], rng: np.random.Generator) -> Parameters | None:
    """The most promising of random candidates that weren't tried yet.

    The promise is the expected improvement over the best trial, under a Gaussian process fitted to all of
    them. A failed trial counts as the worst, so that the search turns away from where it was.

    Source:
        Jones, Schonlau and Welch, Efficient Global Optimization of Expensive Black-Box Functions (1998).
    """
    scores = _scores(sweep, trials)
    enough = max(LEAST_RANDOM, len(sweep.varied) + 1)
    tried = {_key(sweep, trial.parameters) for trial in trials}
    places = _candidates(sweep, trials, scores, rng)
    candidates = [_at(sweep, place) for place in places]
    fresh = [one for one in candidates if _key(sweep, one) not in tried]
    if not fresh or len(trials) < enough:
        return fresh[0] if fresh else None
    process = _fitted(np.array([_features(sweep, one.parameters) for one in trials]), scores)
    mean, deviation = process.predict(np.array([_features(sweep, one) for one in fresh]), return_std=True)
    return fresh[int(np.argmax(expected_improvement(mean, deviation, best=scores.max())))]


def _scores(sweep: Sweep, trials: Sequence[Trial]) -> np.ndarray:
    """A number for each trial, higher for better; none is far below the median.

    Far means more than twice as far as the best is above it. Otherwise a single loss of a thousand, at a rate
    that almost diverges, would make all others look alike to the Gaussian process.
    """
    sign = 1.0 if sweep.goal == "maximize" else -1.0
    known = np.array([sign * trial.metric for trial in trials if trial.metric is not None])
    if not len(known):
        return np.zeros(len(trials))
    best, median, worst = known.max(), np.median(known), known.min()
    floor = max(worst, median - 2 * (best - median)) if best > median else worst
    failed = floor if best > worst else worst - 1  # or failures would look as good as trials that tie
    return np.array([failed if trial.metric is None else max(sign * trial.metric, floor) for trial in trials])


def _candidates(
    sweep: Sweep, trials: Sequence[Trial], scores: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Places (N, parameters) from 0 to 1: anywhere, and near the best trial."""
    places = rng.random((CANDIDATES, len(sweep.parameters)))
    if not trials:
        return places
    best = trials[int(np.argmax(scores))].parameters
    centre = np.array([one.place(best[one.name]) for one in sweep.parameters])
    near = centre + rng.normal(0, NEIGHBOURHOOD, (NEIGHBOURS, len(centre)))
    return np.concatenate([places, near.clip(0, 1)])


def _features(sweep: Sweep, parameters: Mapping[str, Value]) -> list[float]:
    return [number for one in sweep.parameters for number in one.features(parameters[one.name])]


def _key(sweep: Sweep, parameters: Mapping[str, Value]) -> tuple[Value, ...]:
    return tuple(parameters[name] for name in sweep.varied)


def _fitted(features: np.ndarray, scores: np.ndarray) -> GaussianProcessRegressor:
    """A Gaussian process with a length scale for each feature, and noise: training results vary."""
    lengths = Matern(np.full(features.shape[1], 0.5), length_scale_bounds=(0.05, 10), nu=2.5)
    kernel = ConstantKernel(1.0, (0.05, 20)) * lengths + WhiteKernel(0.01, (1e-6, 0.3))
    process = GaussianProcessRegressor(kernel, normalize_y=True)
    with warnings.catch_warnings():
        # A length scale at its bound means that the parameter doesn't matter, which needs no warning.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return process.fit(features, scores)


def expected_improvement(mean: np.ndarray, deviation: np.ndarray, *, best: float) -> np.ndarray:
    """By how much each candidate is expected to exceed the best score, counting what doesn't as 0.

    Args:
        mean: predicted scores (N,), higher for better.
        deviation: their standard deviations (N,).
        best: the score to exceed.
    """
    deviation = np.maximum(deviation, 1e-9)
    gain = mean - best
    z = gain / deviation
    density = np.exp(-0.5 * z**2) / math.sqrt(2 * math.pi)
    result: np.ndarray = gain * ndtr(z) + deviation * density
    return result
