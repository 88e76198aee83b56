"""What a model guessed for each sample, for later comparison with other models and with people."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lost_and_found.errors import MissingInput
from lost_and_found.evaluation.metrics import truth_ranks
from lost_and_found.samples import Sample

GUESSES = 5


def predictions_table(
    ids: Sequence[str], truth: np.ndarray, probabilities: np.ndarray, country_codes: Sequence[str]
) -> pd.DataFrame:
    """One row per sample: id, truth, rank of the truth, guess_1, probability_1, ... guess_5, probability_5.

    Args:
        ids: (N,).
        truth: (N,) class numbers.
        probabilities: (N, K); with fewer than five classes there are fewer guesses.
        country_codes: (K,) the label order.
    """
    codes = np.asarray(country_codes, dtype=object)
    table = pd.DataFrame({"id": ids, "truth": codes[truth], "rank": truth_ranks(probabilities, truth)})
    return table.join(best_guesses(probabilities, country_codes))


def best_guesses(probabilities: np.ndarray, country_codes: Sequence[str]) -> pd.DataFrame:
    """One row per picture: guess_1, probability_1, ... guess_5, probability_5.

    Args:
        probabilities: (N, K); with fewer than five classes there are fewer guesses.
        country_codes: (K,) the label order.
    """
    codes = np.asarray(country_codes, dtype=object)
    # Stable, so that equal probabilities keep the label order, as in the ranks.
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :GUESSES]
    shares = np.take_along_axis(probabilities, order, axis=1).astype(float).round(6)
    table = pd.DataFrame(index=range(len(order)))
    for place in range(order.shape[1]):
        table[f"guess_{place + 1}"] = codes[order[:, place]]
        table[f"probability_{place + 1}"] = shares[:, place]
    return table


def guesses_of(row: Mapping[Hashable, Any] | pd.Series) -> list[tuple[str, float]]:
    """(country code, probability) of each guess in a row of `best_guesses`, the likeliest first.

    Probabilities that the row lacks are NaN, as for photos whose guess is a point.
    """
    places = [place for place in range(1, GUESSES + 1) if f"guess_{place}" in row]
    return [(row[f"guess_{place}"], row.get(f"probability_{place}", math.nan)) for place in places]


def read_predictions(path: Path) -> pd.DataFrame:
    """The table that the test notebook wrote; the code NA is Namibia, not a missing value.

    Raises:
        MissingInput: there is none, or a damaged one.
    """
    if not path.is_file():
        raise MissingInput(f"{path} is missing; run 4-evaluation/01-test-model.ipynb")
    try:
        table = pd.read_csv(path, keep_default_na=False)
        shares = {str(name): float for name in table.filter(like="probability_")}
        return table.astype({"id": str, "truth": str, "rank": int, **shares})
    except (ValueError, KeyError):  # including pandas' own, for an empty file or malformed rows
        raise MissingInput(f"{path} is damaged; run 4-evaluation/01-test-model.ipynb again") from None


def draw_examples(
    samples: Sequence[Sample], predictions: pd.DataFrame, *, each: int, seed: int
) -> dict[str, list[Sample]]:
    """A seeded draw of at most `each` samples whose first guess was "right", and of as many "wrong" ones."""
    rng = np.random.default_rng(seed)
    by_id = {sample.id: sample for sample in samples}
    is_right = predictions["rank"] == 1
    return {
        # A copy, since numpy shuffles an empty array in place, and pandas' own may be read-only.
        name: [by_id[one] for one in rng.permutation(predictions["id"][rows].to_numpy(copy=True))[:each]]
        for name, rows in (("right", is_right), ("wrong", ~is_right))
    }
