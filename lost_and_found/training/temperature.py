"""One number by which a model's first guesses become, on average, as probable as they are right.

Networks that have learned their training pictures by heart are too sure of their guesses about others.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import minimize_scalar

# More pictures would hardly change a single number.
ENOUGH = 10_000
# How far from 0 its logarithm is expected to be; where there are few pictures, it stays nearer to 0.
EXPECTED = 0.5
HIGHEST = 20.0
SMALLEST = float(np.finfo(np.float32).tiny)


def tempered(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities (N, K), float32, whose logarithms are divided by the temperature, in unchanged order."""
    if temperature == 1:
        return probabilities
    powers = probabilities.astype(np.float64) ** (1 / temperature)
    changed: np.ndarray = (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)
    return changed


def best_temperature(probabilities: np.ndarray, truth: np.ndarray) -> float:
    """The temperature that makes the true classes likeliest, if its logarithm is probably near 0.

    Args:
        probabilities: (N, K), of pictures that the model didn't learn from.
        truth: their class numbers, (N,); those below 0, of unknown classes, don't count.

    Returns:
        Above 1 if the model is too sure; 1 without pictures.

    Source:
        Guo et al., On Calibration of Modern Neural Networks (2017), section 4.2.
    """
    known = truth >= 0
    probabilities, truth = probabilities[known], truth[known]
    rows = np.arange(len(truth))

    def unlikeliness(logarithm: float) -> float:
        likely = tempered(probabilities, math.exp(logarithm))[rows, truth]
        return float(-np.log(np.maximum(likely, SMALLEST)).sum() + (logarithm / EXPECTED) ** 2 / 2)

    end = math.log(HIGHEST)
    return math.exp(minimize_scalar(unlikeliness, bounds=(-end, end), method="bounded").x)
