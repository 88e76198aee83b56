"""What the model said about the pictures of the quiz."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lost_and_found.errors import MissingInput
from lost_and_found.evaluation.predictions import guesses_of, read_predictions
from lost_and_found.workspace import TEST, Workspace


@dataclass(frozen=True)
class ModelGuess:
    """A model's answer to one picture.

    Attributes:
        rank: place of the truth among all countries that the model knows, from 1.
        guesses: (country code, probability), at most five, the likeliest first.
    """

    rank: int
    guesses: tuple[tuple[str, float], ...]


def find_predictions(workspace: Workspace, run_id: str) -> Path:
    """The `predictions.csv` of a tested run: of this id or, if that is empty, of the last one tested.

    Raises:
        MissingInput: no run was tested, or not this one.
    """
    folder = workspace.folder(TEST)
    found = sorted(folder.glob("*/predictions.csv"), key=lambda path: path.stat().st_mtime_ns)
    if not found:
        raise MissingInput(f"{folder} holds no predictions of a model; run {TEST}.ipynb first")
    if not run_id:
        return found[-1]
    if chosen := [path for path in found if path.parent.name == run_id]:
        return chosen[0]
    names = ", ".join(path.parent.name for path in found)
    raise MissingInput(f"{folder} holds no predictions of run {run_id!r}; there are: {names}")


def read_model_guesses(path: Path, truths: Mapping[str, str]) -> dict[str, ModelGuess]:
    """The model's answers by id of the sample.

    Args:
        path: from `find_predictions`.
        truths: country codes by id, of the samples in question. An answer that was ranked by another truth,
            as after records were enriched anew, is left out.

    Raises:
        MissingInput: no such file, or a damaged one.
    """
    return {
        str(row["id"]): ModelGuess(int(row["rank"]), tuple(guesses_of(row)))
        for row in read_predictions(path).to_dict("records")
        if truths.get(str(row["id"])) == row["truth"]
    }
