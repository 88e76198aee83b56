"""What became of each trial of a sweep: one JSON object a line in `trials.jsonl`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from lost_and_found.errors import InvalidConfig
from lost_and_found.samples import read_json, write_atomically, write_json
from lost_and_found.training.search_space import Value
from lost_and_found.training.sweep_files import GOALS, TAKEN, Sweep

FINISHED, FAILED = "finished", "failed"


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A trial that is over.

    Attributes:
        number: its place in the sweep, from 1.
        parameters: the values tried, by name, including constant ones.
        status: "finished" or "failed".
        reason: why it failed; "" if it didn't.
        run: id of its run; "" if there is none.
        metric: the sweep's metric in the run's best epoch, None if it failed.
        seconds: how long it took, not counting an earlier, interrupted attempt.
    """

    number: int
    parameters: Mapping[str, Value]
    status: str = FINISHED
    reason: str = ""
    run: str = ""
    metric: float | None = None
    seconds: float = 0.0


def begin(folder: Path, sweep: Sweep, *, seed: int) -> list[Trial]:
    """The trials that a sweep's folder already holds; a folder without any becomes this sweep's.

    Raises:
        InvalidConfig: the folder belongs to another sweep of the same name, or its files were edited.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {"seed": seed, **sweep.content()}
    path = folder / "sweep.json"
    trials = read_trials(folder)
    if not trials:
        write_json(path, wanted)
    if differing := _differing(read_json(path), wanted):
        raise InvalidConfig(
            f"{folder} holds trials of another sweep of this name, which differs in {', '.join(differing)}; "
            "give this one another name, or delete the folder"
        )
    return trials


def read_trials(folder: Path) -> list[Trial]:
    """The trials in a sweep's folder, in order; none where there is no such folder.

    Raises:
        InvalidConfig: the file was edited into something else.
    """
    path = folder / "trials.jsonl"
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    lines = filter(None, text.split("\n"))  # `splitlines` also splits at characters that a reason may hold
    try:
        trials = [Trial(**json.loads(line)) for line in lines]
    except (ValueError, TypeError) as error:
        raise InvalidConfig(f"{path} is damaged ({error}); correct or delete it") from None
    if [trial.number for trial in trials] != list(range(1, len(trials) + 1)):
        raise InvalidConfig(f"{path}: trials are not numbered from 1 to {len(trials)}; correct or delete it")
    return trials


def append_trial(folder: Path, trial: Trial) -> None:
    """Add a trial to `trials.jsonl`, atomically."""
    path = folder / "trials.jsonl"
    before = path.read_bytes() if path.exists() else b""
    line = json.dumps(asdict(trial), ensure_ascii=False, allow_nan=False)
    write_atomically(path, before + f"{line}\n".encode())


def ranking(trials: Iterable[Trial], goal: str) -> pd.DataFrame:
    """A row for each trial, the best first and the failed ones last.

    Args:
        trials: from `read_trials` or `run_sweep`.
        goal: one of `sweep_files.GOALS`.

    Raises:
        InvalidConfig: another goal, which would put the worst first.
    """
    if goal not in GOALS:
        raise InvalidConfig(f"goal is {goal!r}; allowed are {', '.join(GOALS)}")
    sign = -1 if goal == "maximize" else 1
    ordered = sorted(trials, key=lambda one: (one.metric is None, sign * (one.metric or 0), one.number))
    rows = [
        {
            "rank": rank if trial.metric is not None else None,
            "trial": trial.number,
            "metric": trial.metric,
            **trial.parameters,
            "status": trial.status,
            "reason": trial.reason,
            "run": trial.run,
            "seconds": trial.seconds,
        }
        for rank, trial in enumerate(ordered, start=1)
    ]
    columns = None if rows else TAKEN  # without a trial, no parameter is known
    return pd.DataFrame(rows, columns=columns).astype({"rank": "Int64", "metric": float})


def _differing(there: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """Names of what differs between two sweeps, parameters by their own names."""
    names = [name for name in wanted if there.get(name) != wanted[name]]
    if "parameters" not in names:
        return names
    former, latter = ({one["name"]: one for one in side["parameters"]} for side in (there, wanted))
    changed = [name for name in former | latter if former.get(name) != latter.get(name)]
    return [name for name in names if name != "parameters"] + (changed or ["the order of parameters"])
