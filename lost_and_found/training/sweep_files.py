"""A sweep as W&B's YAML describes it, checked for what the local agent supports."""

from __future__ import annotations

import dataclasses
import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lost_and_found.errors import InvalidConfig, MissingInput
from lost_and_found.training.config import TrainingConfig
from lost_and_found.training.search_space import Parameter, Value, fixed_parameter, read_parameter
from lost_and_found.workspace import REPOSITORY

METHODS = ("grid", "random", "bayes")
GOALS = ("maximize", "minimize")
KEYS = (
    "program",
    "entity",
    "project",
    "description",
    "name",
    "method",
    "metric",
    "parameters",
    "command",
    "run_cap",
)
# Columns of a ranking, see `trial_log`; a parameter so called would take the place of what belongs there.
TAKEN = ("rank", "trial", "metric", "status", "reason", "run", "seconds")
# W&B's agent knows more, which stand for the same arguments in other forms.
MACROS = ("${env}", "${interpreter}", "${program}", "${args}", "${args_no_hyphens}")
DEFAULT_COMMAND = MACROS[:4]
# The project's own trial, as a module and as a program.
TRIAL = "lost_and_found.training.trial"
TRIAL_PROGRAM = TRIAL.replace(".", "/") + ".py"


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """What is searched, how, and the command that tries one set of parameters.

    Attributes:
        name: of the sweep, and of its folder.
        method: one of `METHODS`.
        metric: key of a run's summary, such as "val/top1".
        goal: one of `GOALS`.
        parameters: in the order of the file; in a grid, the last changes fastest.
        command: with `MACROS` in it.
        program: what "${program}" stands for.
        project: of W&B.
        entity: the user or team of W&B to which the project belongs; empty for the default.
        run_cap: most trials, or None for no limit.
    """

    name: str
    method: str
    metric: str
    goal: str
    parameters: tuple[Parameter, ...]
    command: tuple[str, ...] = DEFAULT_COMMAND
    program: str = ""
    project: str = ""
    entity: str = ""
    run_cap: int | None = None

    @property
    def varied(self) -> list[str]:
        """Names of the parameters that vary."""
        return [one.name for one in self.parameters if one.varies]

    def content(self) -> dict[str, Any]:
        """Everything that decides which trials there are and what they result in, as JSON values."""
        values = dataclasses.asdict(self)
        decisive = {
            name: values[name] for name in ("method", "metric", "goal", "parameters", "command", "program")
        }
        content: dict[str, Any] = json.loads(json.dumps(decisive))
        return content


def read_sweep(path: Path, *, fixed: Mapping[str, Value] | None = None, name: str = "") -> Sweep:
    """The sweep in a YAML file.

    Args:
        path: a file that `wandb sweep` takes too.
        fixed: parameters that are not searched but have these values, whether the file has them or not.
        name: of the sweep; by default what the file says, or the file's own name.

    Raises:
        MissingInput: there is no such file.
        InvalidConfig: it isn't a sweep, or is one that needs W&B's own agent.
    """
    if not path.is_file():
        raise MissingInput(f"there is no sweep {path}; some are in {REPOSITORY / '3-training/sweeps'}")
    try:
        content = yaml.safe_load(path.read_bytes())  # UTF-8, or UTF-16 with its mark
    except (yaml.YAMLError, ValueError) as error:  # the latter for a date such as 2026-11-31
        raise InvalidConfig(f"{path} is not valid YAML ({error})") from None
    try:
        return _sweep(content, fixed=fixed or {}, name=name, file=path.stem)
    except InvalidConfig as error:
        raise InvalidConfig(f"{path}: {error}") from None


def _sweep(content: object, *, fixed: Mapping[str, Value], name: str, file: str) -> Sweep:
    if not isinstance(content, dict):
        raise InvalidConfig("a sweep must be a mapping with method, metric and parameters")
    if unknown := sorted(str(key) for key in set(content) - set(KEYS)):
        raise InvalidConfig(
            f"the local agent doesn't support {', '.join(unknown)}; it knows {', '.join(KEYS)}; "
            "remove it, or search with W&B's own agent"
        )
    name = name or str(content.get("name") or file)
    if "/" in name or name.startswith("."):
        raise InvalidConfig(f"name is {name!r}; it must be a plain name, because it names a folder")
    method = content.get("method")
    if method not in METHODS:
        raise InvalidConfig(f"method is {method!r}; allowed are {', '.join(METHODS)}")
    metric, goal = _metric(content.get("metric"))
    sweep = Sweep(
        name=name,
        method=method,
        metric=metric,
        goal=goal,
        parameters=_parameters(content.get("parameters"), fixed),
        command=_command(content),
        program=str(content.get("program") or ""),
        project=str(content.get("project") or ""),
        entity=str(content.get("entity") or ""),
        run_cap=_run_cap(content.get("run_cap")),
    )
    for parameter in sweep.parameters if method == "grid" else ():
        parameter.grid()
    if TRIAL in sweep.command or sweep.program == TRIAL_PROGRAM:
        _refuse_booleans(sweep.parameters)
    return sweep


def _refuse_booleans(parameters: tuple[Parameter, ...]) -> None:
    """Refuse what is no text to YAML where a training's setting is one; each trial would fail by itself."""
    texts = {field.name for field in dataclasses.fields(TrainingConfig) if field.type == "str"}
    for parameter in parameters:
        if parameter.name in texts and any(isinstance(value, bool) for value in parameter.values):
            raise InvalidConfig(
                f"parameter {parameter.name} has a boolean, as which YAML reads words such as on, off, yes "
                "and no; put them in quotes"
            )


def _metric(content: object) -> tuple[str, str]:
    """Name and goal, of which "minimize" is W&B's default."""
    if not isinstance(content, dict) or not content.get("name") or set(content) - {"name", "goal"}:
        raise InvalidConfig("metric must have a name, such as val/top1, and a goal, and nothing else")
    goal = content.get("goal", "minimize")
    if goal not in GOALS:
        raise InvalidConfig(f"metric's goal is {goal!r}; allowed are {', '.join(GOALS)}")
    return str(content["name"]), goal


def _parameters(content: object, fixed: Mapping[str, Value]) -> tuple[Parameter, ...]:
    if not isinstance(content, dict) or not content:
        raise InvalidConfig("parameters must be a mapping of names to what they may be")
    read = {str(name): read_parameter(str(name), one) for name, one in content.items()}
    if taken := [name for name in read if name in TAKEN]:
        raise InvalidConfig(
            f"parameter {taken[0]} has the name of a column of the ranking; give it another one, or search "
            "with W&B's own agent"
        )
    for name, value in fixed.items():
        if name in read and read[name].varies:
            warnings.warn(
                f"{name} is not searched, though the sweep varies it: it is set to {value!r}", stacklevel=5
            )
    parameters = tuple(
        (read | {name: fixed_parameter(name, value) for name, value in fixed.items()}).values()
    )
    if not any(one.varies for one in parameters):
        raise InvalidConfig("no parameter varies, so there is nothing to search")
    return parameters


def _command(content: Mapping[str, Any]) -> tuple[str, ...]:
    command = content.get("command") or list(DEFAULT_COMMAND)
    if not isinstance(command, list):
        raise InvalidConfig(f"command is {command!r}; it must be a list")
    parts = tuple(str(part) for part in command)
    if unknown := [part for part in parts if "${" in part and part not in MACROS]:
        raise InvalidConfig(
            f"command has {', '.join(unknown)}; the local agent knows {', '.join(MACROS)}, "
            "each in a line of its own"
        )
    if "${program}" in parts and not content.get("program"):
        raise InvalidConfig("no program is named; add the line `program: lost_and_found/training/trial.py`")
    return parts


def _run_cap(content: object) -> int | None:
    if content is not None and (not isinstance(content, int) or isinstance(content, bool) or content < 1):
        raise InvalidConfig(f"run_cap is {content!r}; it must be a whole number of at least 1")
    return content
