"""One trial of a sweep: `python -m lost_and_found.training.trial --dataset=practice --learning_rate=0.1`.

Trains as the notebook `01-train-model` does, with the same folders, so a trial whose run already exists loads
it, and a sweep's run can be tested like any other. It is started by W&B's agent, or by `scripts/tune`, which
names in LOST_AND_FOUND_TRIAL_RESULT the file for its result.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lost_and_found.dotenv_file import load_dotenv
from lost_and_found.errors import LostAndFoundError
from lost_and_found.samples import write_atomically
from lost_and_found.signals import exit_when_stopped
from lost_and_found.training.config import TYPES, TrainingConfig
from lost_and_found.training.trial_log import FAILED, FINISHED
from lost_and_found.workspace import REPOSITORY, TRAIN, Workspace

if TYPE_CHECKING:
    from lost_and_found.training.runs import Run

RESULT_VARIABLE = "LOST_AND_FOUND_TRIAL_RESULT"
# Not settings of a run: where it is kept, and how it is tracked.
PLACES = ("root", "tracking")


def boolean(text: str) -> bool:
    """The boolean that "true" or "false" stands for, in any case."""
    return {"true": True, "false": False}[text.lower()]


CONVERTERS: dict[str, Callable[[str], object]] = {**TYPES, "bool": boolean}


def trial_parser(**options: Any) -> argparse.ArgumentParser:  # noqa: ANN401 - argparse's own
    """A parser with an option for each field of `TrainingConfig` and of `PLACES`; sets only what is given."""
    parser = argparse.ArgumentParser(
        description="Train one run.", allow_abbrev=False, argument_default=argparse.SUPPRESS, **options
    )
    for field in dataclasses.fields(TrainingConfig):
        kind = str(field.type)
        parser.add_argument(f"--{field.name}", type=_converter(kind), metavar=kind.upper())
    parser.add_argument("--root", metavar="FOLDER", help="where the stages write (default: the repository)")
    parser.add_argument("--tracking", metavar="MODE", help="auto, online, offline or off (default: auto)")
    return parser


def train_trial(values: Mapping[str, Any]) -> Run:
    """The run of these settings, on the splits of the workspace.

    Args:
        values: fields of `TrainingConfig` and any of `PLACES`; the dataset is "practice" by default.

    Raises:
        LostAndFoundError: a setting is wrong, a list is missing, or the training failed.
    """
    settings = {name: value for name, value in values.items() if name not in PLACES}
    config = TrainingConfig(**{"dataset": "practice", **settings})
    # Here, because they take seconds, and wrong settings should fail at once.
    from lost_and_found.training.pixel_cache import cache_splits
    from lost_and_found.training.trainer import train_run

    workspace = Workspace(values.get("root", REPOSITORY), config.dataset)
    output = workspace.output(TRAIN)
    train, val, test = cache_splits(
        workspace, folder=output / "pixels", width=config.width, height=config.height
    )
    tracking = values.get("tracking", "auto")
    return train_run(config, train=train, val=val, test=test, folder=output / "runs", tracking=tracking)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    exit_when_stopped()
    parser = trial_parser(prog="python -m lost_and_found.training.trial")
    values = vars(parser.parse_args(arguments))
    try:
        load_dotenv(REPOSITORY / ".env")
        run = train_trial(values)
    except LostAndFoundError as error:
        print(f"error: {error}", file=sys.stderr)
        report(status=FAILED, error=type(error).__name__, reason=str(error))
        return 1
    except Exception as error:
        traceback.print_exc()
        report(status=FAILED, error=type(error).__name__, reason=f"{type(error).__name__}: {error}")
        return 1
    report(status=FINISHED, run=run.id, summary=run.summary)
    best = run.summary["best_metric"]
    print(f"{run.id}: {best} {run.summary[best]:.4f} in epoch {run.summary['best_epoch']}")
    return 0


def report(
    *, status: str, run: str = "", reason: str = "", error: str = "", summary: Mapping[str, Any] | None = None
) -> None:
    """Write the trial's result to the file that the environment names, if it names one."""
    if file := os.environ.get(RESULT_VARIABLE):
        values = {"run": run, "status": status, "reason": reason, "error": error, "summary": summary or {}}
        write_atomically(Path(file), (json.dumps(values, ensure_ascii=False) + "\n").encode())


def _converter(kind: str) -> Any:  # noqa: ANN401 - argparse names it in its message
    def convert(text: str) -> object:
        try:
            return CONVERTERS[kind](text)
        except (ValueError, KeyError):
            raise argparse.ArgumentTypeError(f"{text!r} is not of type {kind}") from None

    return convert


if __name__ == "__main__":
    sys.exit(main())
