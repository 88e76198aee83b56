"""From a workspace to a quiz: finds the list, the answers given so far and the model's guesses."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from pathlib import Path

from lost_and_found.errors import InvalidConfig, MissingInput
from lost_and_found.human_baseline.answers import Answers
from lost_and_found.human_baseline.deck import Deck, load_deck
from lost_and_found.human_baseline.model_guesses import ModelGuess, find_predictions, read_model_guesses
from lost_and_found.human_baseline.quiz import Quiz
from lost_and_found.samples import read_json
from lost_and_found.workspace import TRAIN, Workspace

QUIZ = "5-human-baseline/01-play-quiz"
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
        InvalidConfig: an invalid size or number of rounds.
        ListMismatch: pictures or answers don't belong to the list.
        DatabaseUnusable: the file of answers is damaged or can't be written.
    """
    list_name = list_name or f"{workspace.dataset}.test"
    deck = load_deck(workspace, list_name)
    predictions, model = find_model(workspace, deck, run=run)
    size = _size(image_size, workspace, predictions)
    answers = Answers(answers_path(workspace, list_name), list_name=list_name, list_digest=deck.digest)
    return Quiz(deck, answers, rounds=rounds, size=size, model=model)


def find_model(workspace: Workspace, deck: Deck, *, run: str) -> tuple[Path | None, dict[str, ModelGuess]]:
    """The predictions of a tested run, and what they say of the deck's pictures.

    If no run was tested: None and an empty dict, after a warning.

    Raises:
        MissingInput: the run that was asked for was not tested.
    """
    try:
        predictions = find_predictions(workspace, run)
    except MissingInput as missing:
        if run:
            raise
        warnings.warn(f"There is no model to compare people with: {missing}", stacklevel=3)
        return None, {}
    model = read_model_guesses(predictions, {one.id: one.country_code for one in deck.items.values()})
    if not model:
        warnings.warn(
            "There is no model to compare people with: "
            f"{predictions} says nothing about the pictures of {deck.name}",
            stacklevel=3,
        )
    elif len(model) < len(deck):
        warnings.warn(
            f"{predictions} says nothing about {len(deck) - len(model)} of the {len(deck)} pictures of "
            f"{deck.name}, or names another country for them than their records now do; people are compared "
            "with the model on the others alone",
            stacklevel=3,
        )
    return predictions, model


def answers_path(workspace: Workspace, list_name: str) -> Path:
    """Where the answers to a list are kept."""
    return workspace.folder(QUIZ) / f"{list_name}.sqlite"


def size_of_model(workspace: Workspace, predictions: Path) -> tuple[int, int]:
    """Width and height in pixels of the pictures that a tested run sees.

    Raises:
        MissingInput: the run isn't there any more, or is damaged.
    """
    path = workspace.folder(TRAIN) / "runs" / predictions.parent.name / "config.json"
    if not path.is_file():
        raise MissingInput(
            f"{path} is missing, so the model's image size is unknown; give one such as 130x80"
        )
    config = read_json(path)
    return int(config["width"]), int(config["height"])


def sizes_text(shown: Iterable[str], workspace: Workspace, predictions: Path | None) -> str:
    """The sizes at which people and the model saw the pictures, and whether they are the same.

    Args:
        shown: sizes of the pictures that people saw, like "320x180".
        workspace: where the run lies.
        predictions: of the model; None without one.
    """
    people = " and ".join(sorted(set(shown)))
    if predictions is None:
        return f"people saw pictures of {people}"
    try:
        width, height = size_of_model(workspace, predictions)
    except MissingInput:
        return f"people saw pictures of {people}; the size of the model's is unknown, as its run is gone"
    same = people == f"{width}x{height}"
    verdict = "the same" if same else "not the same: --image-size model shows people what the model sees"
    return f"people saw pictures of {people}, the model of {width}x{height}, which is {verdict}"


def _size(text: str, workspace: Workspace, predictions: Path | None) -> tuple[int, int]:
    if text == MODEL_SIZE:
        if predictions is None:
            raise MissingInput("no model was tested, so its image size is unknown; give one such as 130x80")
        return size_of_model(workspace, predictions)
    return parse_size(text)


def parse_size(text: str) -> tuple[int, int]:
    """Width and height in pixels from a text like "320x180".

    Raises:
        InvalidConfig: it is none.
    """
    match = re.fullmatch(r"(\d{1,4})x(\d{1,4})", text)
    if not match:
        raise InvalidConfig(f"image size {text!r} must be like 320x180, or {MODEL_SIZE}")
    return int(match[1]), int(match[2])
