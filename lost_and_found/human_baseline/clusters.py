"""Certainty of a mean over answers that are correlated within players and within scenes."""

from __future__ import annotations

import math

import numpy as np
from scipy import stats

from lost_and_found.human_baseline.proportions import CONFIDENCE, Z

# Fewer don't show how much players differ; a mean then describes only these players.
FEWEST_PLAYERS = 5


def reach_of_mean(values: np.ndarray, players: np.ndarray, scenes: np.ndarray) -> float:
    """Half the width of the 95 % interval of a mean over answers, infinite if it can't be estimated.

    Players and scenes are both samples of many, so the variance is that between players plus that between
    scenes, less that between their intersections, and never less than either; with fewer than
    `FEWEST_PLAYERS` it is that between scenes. In 400 simulated quizzes of each of seven kinds (3 to 40
    players, 40 to 200 pictures, both differing much or not at all) the interval covered the truth in 93 to
    98 %.

    Args:
        values: what is averaged, (N,).
        players: who answered, (N,).
        scenes: what was answered, (N,): pictures of one game or place are one scene.

    Source:
        Cameron, Gelbach and Miller, Robust inference with multiway clustering (2011), with their small-sample
        factors, and Student's t with one degree of freedom less than there are clusters of the rarer kind.
    """
    errors = values - values.mean()
    of_player, of_scene = _variance(errors, players), _variance(errors, scenes)
    clusters = len(np.unique(scenes))
    variance = of_scene
    if len(np.unique(players)) >= FEWEST_PLAYERS:
        clusters = min(clusters, len(np.unique(players)))
        both = np.unique(np.stack([players, scenes]).astype(str), axis=1, return_inverse=True)[1].ravel()
        variance = max(of_player + of_scene - _variance(errors, both), of_player, of_scene)
    if clusters < 2:
        return math.inf
    return float(stats.t.ppf((1 + CONFIDENCE) / 2, clusters - 1)) * math.sqrt(variance)


def independent_answers(hits: np.ndarray, players: np.ndarray, scenes: np.ndarray) -> float:
    """How many independent answers would say as much about the share of hits as these; at most all of them.

    Args:
        hits: whether each answer is right, (N,).
        players: as for `reach_of_mean`.
        scenes: as for `reach_of_mean`.
    """
    share = float(hits.mean())
    reach = reach_of_mean(hits.astype(float), players, scenes)
    if share in (0, 1):  # nothing shows how correlated they are
        return float(min(len(hits), len(np.unique(scenes))))
    if reach == 0:
        return float(len(hits))
    return min(float(len(hits)), max(1.0, share * (1 - share) * (Z / reach) ** 2))


def equal_scenes(scenes: np.ndarray) -> float:
    """How many scenes, answered equally often, would say as much about a model that never changes its guess.

    That is their number, or fewer if some were answered more often than others and so weigh more.

    Args:
        scenes: as for `reach_of_mean`.

    Source:
        Kish, Survey sampling (1965): the effective size of a weighted sample.
    """
    answered = np.unique(scenes, return_counts=True)[1].astype(float)
    return float(answered.sum() ** 2 / (answered**2).sum())


def _variance(errors: np.ndarray, clusters: np.ndarray) -> float:
    """Variance of the mean, if only clusters are independent; infinite for one cluster."""
    sums = np.bincount(np.unique(clusters, return_inverse=True)[1], errors)
    if len(sums) < 2:
        return math.inf
    return float((sums**2).sum()) / len(errors) ** 2 * len(sums) / (len(sums) - 1)
