"""From a workspace to a quiz: finds the list, the answers given so far and the model's guesses."""

from __future__ import annotations

import json
import re
import warnings
from pathlib import Path

from lost_and_found.errors import InvalidConfig, MissingInput
from lost_and_found.human_baseline.answers import Answers
from lost_and_found.human_baseline.deck import load_deck
from lost_and_found.human_baseline.model_guesses import find_predictions, read_model_guesses
from lost_and_found.human_baseline.quiz import Quiz
from lost_and_found.workspace import Workspace

QUIZ = "5-human-baseline/01-play-quiz"
RUNS = "3-training/01-train-model"
MODEL_SIZE = "model"


def open_quiz(
    workspace: Workspace,
    *,
    list_name: str = "",
    rounds: int = 20,
    image_size: str = "320x180",
    run: str = "",
) -> Quiz:
    """The quiz on a pinned list; answers given before are kept.

    Without predictions of a model for these pictures it is played without a model, after a warning.

    Args:
        workspace: with the enriched pairs.
        list_name: empty for the dataset's test list.
        rounds: pictures in a session.
        image_size: "<width>x<height>" in pixels, or "model" for the size that the model takes.
        run: id of a tested run; empty for the one tested last.

    Raises:
        MissingInput: no list, or no such run.
        InvalidConfig: a size or number that is none.
        ListMismatch: pictures or answers don't belong to the list.
        DatabaseUnusable: the file of answers is damaged or can't be written.
    """
    list_name = list_name or f"{workspace.dataset}.test"
    deck = load_deck(workspace, list_name)
    try:
        predictions = find_predictions(workspace, run)
        model = {one: guess for one, guess in read_model_guesses(predictions).items() if one in deck.items}
        if not model:
            warnings.warn(
                f"{predictions} says nothing of the pictures of {list_name}; the quiz has no model",
                stacklevel=2,
            )
    except MissingInput as missing:
        if run or image_size == MODEL_SIZE:
            raise
        predictions, model = None, {}
        warnings.warn(f"The quiz has no model to play against: {missing}", stacklevel=2)
    size = _size(image_size, workspace, predictions)
    answers = Answers(answers_path(workspace, list_name), list_name=list_name, list_digest=deck.digest)
    return Quiz(deck, answers, rounds=rounds, size=size, model=model)


def answers_path(workspace: Workspace, list_name: str) -> Path:
    """Where the answers to a list are kept."""
    return workspace.root / QUIZ / workspace.dataset / f"{list_name}.sqlite"


def _size(text: str, workspace: Workspace, predictions: Path | None) -> tuple[int, int]:
    if text == MODEL_SIZE and predictions:
        path = workspace.root / RUNS / workspace.dataset / "runs" / predictions.parent.name / "config.json"
        if not path.is_file():
            raise MissingInput(f"{path} is missing, which tells the model's image size; give it as 130x80")
        config = json.loads(path.read_text())
        return int(config["width"]), int(config["height"])
    match = re.fullmatch(r"(\d{1,4})x(\d{1,4})", text)
    if not match:
        raise InvalidConfig(f"image size {text!r} must be like 320x180, or {MODEL_SIZE}")
    return int(match[1]), int(match[2])
