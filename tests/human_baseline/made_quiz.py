"""A small workspace in which a model was tested, to play on."""

import io
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from lost_and_found.data_lists import new_list, pin
from lost_and_found.evaluation.predictions import predictions_table
from lost_and_found.human_baseline.opening import open_quiz
from lost_and_found.samples import write_pair
from lost_and_found.workspace import ENRICH, TEST, Workspace

DATASET = "made"
RUN = "made-run"
COUNTRIES = ("FR", "JP", "US", "BR")
COORDINATES = {"FR": [47.0, 2.0], "JP": [36.0, 138.0], "US": [40.0, -100.0], "BR": None}
SIZE = (64, 36)


def make_workspace(
    root: Path, *, count: int = 12, predictions: bool = True, dataset: str = DATASET
) -> Workspace:
    """`count` pictures in a test list, countries in turn; the model is right about every second one."""
    workspace = Workspace(root, dataset)
    folder = workspace.output(ENRICH)
    samples = []
    for number in range(count):
        code = COUNTRIES[number % len(COUNTRIES)]
        place = COORDINATES[code] and [COORDINATES[code][0] + number / 100, COORDINATES[code][1]]
        record = {"country_code": code, "coordinates": place}
        name = f"practice_singleplayer_game{number:03d}_0"
        samples.append(
            write_pair(folder, name, image=picture(number, secret=code), suffix=".png", record=record)
        )
    codes = [COUNTRIES[number % len(COUNTRIES)] for number in range(count)]
    pin(workspace.list_path(".test"), new_list(samples, "split", country_codes=codes))
    if predictions:
        write_predictions(workspace, [sample.id for sample in samples])
    return workspace


def write_predictions(workspace: Workspace, ids: list[str], *, run: str = RUN) -> None:
    """What 4-evaluation/01-test-model would have written."""
    truth = np.arange(len(ids)) % len(COUNTRIES)
    probabilities = np.full((len(ids), len(COUNTRIES)), 0.1)
    wrong = (truth + 1) % len(COUNTRIES)
    first = np.where(np.arange(len(ids)) % 2 == 0, truth, wrong)
    probabilities[np.arange(len(ids)), first] = 0.7
    folder = workspace.output(TEST) / run
    folder.mkdir()
    predictions_table(ids, truth, probabilities, COUNTRIES).to_csv(folder / "predictions.csv", index=False)


def picture(number: int, *, secret: str) -> bytes:
    """A PNG whose metadata give away the answer, as those of a camera might."""
    noise = np.random.default_rng(number).integers(0, 256, (SIZE[1], SIZE[0], 3), dtype=np.uint8)
    told = PngInfo()
    told.add_text("Description", f"taken in {secret}")
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "PNG", pnginfo=told)
    return file.getvalue()


def made_quiz(root: Path, **options):
    """A quiz on a made workspace."""
    options = {"image_size": "64x36"} | options
    return open_quiz(make_workspace(root), **options)


def play(quiz, name, choose, *, experience="amateur"):
    """Play a whole session; `choose` gets an item and returns the guesses. Returns the player."""
    player = quiz.answers.player(quiz.join(name, experience))
    while (asked := quiz.question(player)) is not None:
        shown = next(one for one in quiz.answers.rounds(player) if one.number == asked.number)
        quiz.answer(player, asked.number, choose(quiz.deck.items[shown.item]))
    return player
