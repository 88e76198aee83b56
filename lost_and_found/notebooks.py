"""Runs the stage notebooks from a shell.

`python -m lost_and_found.notebooks PROFILE [--preset NAME] [-p NAME VALUE]...` is what
`scripts/run-stages` calls. A profile, `scripts/profiles/<name>.yaml`, lists notebooks and their parameters;
a training recipe (the preset) overrides them, and `-p` overrides both. What a notebook prints is shown as it
runs; the executed copy, with its tables and figures, is kept under `executed/`.
"""

from __future__ import annotations

import argparse
import ast
import logging
import os
import signal
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import nbformat
import yaml

from lost_and_found import errors
from lost_and_found.bars import AS_TEXT
from lost_and_found.commands import command
from lost_and_found.errors import InvalidConfig, LostAndFoundError, MissingInput, StorageFull, did_you_mean
from lost_and_found.samples import NO_ROOM
from lost_and_found.signals import STOPPED
from lost_and_found.texts import printable
from lost_and_found.training.config import PRESETS, WEIGHTS, TrainingConfig, no_weights
from lost_and_found.training.tracking import check_mode
from lost_and_found.workspace import REPOSITORY, TRAIN, Workspace

Scalar = str | int | float | bool
PATH_PARAMETERS = {"root", "source", "weights"}
OUTPUT_PATIENCE_S = 60
LONGEST_PLACE = 80  # bytes; a socket's path may have 107, and ends in "/kernel-XXXXXXXX/socket-5"


@dataclass(frozen=True)
class Profile:
    """Which notebooks to run, in order, and the parameters that differ from their own defaults."""

    notebooks: tuple[str, ...]
    parameters: Mapping[str, Scalar | None]


def read_profile(name: str, *, repository: Path = REPOSITORY) -> Profile:
    """The profile of this name, or of a single notebook such as 4-evaluation/02-compare-runs.

    Raises:
        MissingInput: there is none; the message names the existing ones.
        InvalidConfig: the file isn't YAML with just a list `notebooks` and perhaps a mapping `parameters`.
    """
    folder = repository / "scripts" / "profiles"
    path = folder / f"{name}.yaml"
    notebook = _name_of(name, repository) if "/" in name else ""
    if notebook and (repository / f"{notebook}.ipynb").is_file():
        return Profile((notebook,), {})
    if not path.is_file():
        known = ", ".join(sorted(one.stem for one in folder.glob("*.yaml")))
        single = ", ".join(
            sorted(f"{one.parent.name}/{one.stem}" for one in repository.glob("[1-9]-*/*.ipynb"))
        )
        raise MissingInput(f"there is no profile {name!r}; choose {known}, or a notebook: {single}")
    try:
        content = yaml.safe_load(path.read_bytes())  # UTF-8, or UTF-16 with its mark
    except (yaml.YAMLError, ValueError) as error:  # the latter for a date such as 2026-11-31
        raise InvalidConfig(f"{path} is not valid YAML ({error})") from None
    match content:
        case {"notebooks": [_, *_] as names, **others} if all(isinstance(one, str) for one in names):
            parameters: Any = others.pop("parameters", None) or {}
            found = tuple(_name_of(one, repository) for one in names)
            if not others and all(found) and _are_parameters(parameters):
                return Profile(found, parameters)
    raise InvalidConfig(
        f"{path} must have the key `notebooks`, a list of their paths in the repository, may have "
        "`parameters`, a mapping of names to plain values, and no other keys"
    )


def _name_of(path: str, repository: Path) -> str:
    """A notebook's path from the repository, without .ipynb; empty if it lies elsewhere.

    The executed copy gets the same path below another folder; an absolute one would be the notebook's own.
    """
    place, top = (repository / path.removesuffix(".ipynb")).resolve(), repository.resolve()
    return str(place.relative_to(top)) if place.is_relative_to(top) else ""


def _are_parameters(content: object) -> bool:
    return isinstance(content, dict) and all(
        isinstance(name, str) and isinstance(value, Scalar | None) for name, value in content.items()
    )


def read_notebook(path: Path) -> nbformat.NotebookNode:
    """A notebook in the current format.

    Raises:
        MissingInput: no such notebook.
    """
    if not path.is_file():
        raise MissingInput(f"there is no notebook {path}")
    return nbformat.read(path, as_version=4)


def parameters_of(path: Path) -> dict[str, Scalar]:
    """The names and defaults in the notebook's cell tagged `parameters`.

    Raises:
        InvalidConfig: no such cell, or anything but `name = scalar` in it.
    """
    cells = [cell for cell in read_notebook(path).cells if "parameters" in cell.metadata.get("tags", ())]
    if len(cells) != 1:
        raise InvalidConfig(f"{path} has {len(cells)} cells tagged `parameters` instead of one")
    defaults: dict[str, Scalar] = {}
    try:
        for statement in ast.parse(cells[0].source).body:
            match statement:
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    defaults[name] = _scalar(value)
                case _:
                    raise ValueError(ast.unparse(statement))
    except (ValueError, SyntaxError) as error:
        raise InvalidConfig(f"{path}: the parameters cell may hold `name = scalar` only: {error}") from None
    return defaults


def _scalar(value: ast.expr) -> Scalar:
    with suppress(ValueError, TypeError):  # it would have to be computed
        if isinstance(scalar := ast.literal_eval(value), Scalar):
            return scalar
    raise ValueError(ast.unparse(value))


def resolve_parameters(
    own: Mapping[str, Scalar | None],
    given: Mapping[str, str],
    known: Mapping[str, Scalar],
    *,
    preset: str | None = None,
) -> dict[str, Scalar]:
    """A profile's own parameters, overridden by the preset's, and all by what was given as text.

    Args:
        own: their `dataset: null` stands for the name of the folder given as `source`.
        given: texts from the command line; they get the types of the defaults.
        known: all parameters of the profile's notebooks with their defaults.
        preset: a name in `training.config.PRESETS`; those of its values that no notebook knows are ignored.

    Raises:
        InvalidConfig: a name that no notebook knows, a value that doesn't fit the default's type, a negative
            seed, or no folder where one must be given.
    """
    for origin, names in (("the profile", own), ("-p", given)):
        if unknown := sorted(set(names) - set(known)):
            meant = did_you_mean(unknown[0], known)
            raise InvalidConfig(
                f"{origin} sets {', '.join(unknown)}, which none of the notebooks to run has"
                + (meant or f"; their parameters are {', '.join(sorted(known))}")
            )
    for name, value in own.items():
        _check_type(name, value, known[name])
    values: dict[str, Any] = dict(own)
    values |= {name: value for name, value in PRESETS.get(preset or "", {}).items() if name in known}
    values |= {name: typed(name, text, known[name]) for name, text in given.items()}
    if values.get("root") == "":
        raise InvalidConfig("parameter root is empty; give a folder")
    if values.get("seed", 0) < 0:
        raise InvalidConfig(f"parameter seed is {values['seed']}; it must be at least 0")
    # An empty path is none, and not the present folder, as it is to pathlib.
    for name in [name for name in PATH_PARAMETERS if values.get(name)]:
        path = Path(os.path.expanduser(str(values[name])))  # noqa: PTH111 - Path's fails for unknown users
        if name != "weights" or (values[name] not in WEIGHTS and path.exists()):
            values[name] = str(path.resolve())
    for name, value in values.items():
        if isinstance(value, str) and printable(value) != value:
            raise InvalidConfig(f"parameter {name} is not in UTF-8: {printable(value)}; rename what it names")
    if values.get("dataset", "") is None:
        if "source" not in known:
            raise InvalidConfig("say which dataset: -p dataset NAME")
        if not values.get("source"):
            raise InvalidConfig("say what to import: -p source FOLDER")
        values["dataset"] = Path(values["source"]).name
    return values


def _check_type(name: str, value: Scalar | None, default: Scalar) -> None:
    kinds = (int, float) if isinstance(default, float) else (type(default),)
    if type(value) in kinds or (name == "dataset" and value is None):
        return
    quotes = "; put it in quotes" if isinstance(default, str) else ""  # else 2026 is a number and NO is false
    raise InvalidConfig(
        f"the profile sets {name} to {value!r}: it must be {type(default).__name__}, like {default!r}{quotes}"
    )


def typed(name: str, text: str, default: Scalar) -> Scalar:
    """The value that a text stands for, of the default's type.

    Raises:
        InvalidConfig: it doesn't stand for any.
    """
    if isinstance(default, bool):
        if text.lower() in ("true", "false"):
            return text.lower() == "true"
        raise InvalidConfig(f"parameter {name} is {text!r}: it must be true or false")
    try:
        return type(default)(text)
    except ValueError:
        raise InvalidConfig(
            f"parameter {name} is {text!r}: it must be {type(default).__name__}, as {default!r} is"
        ) from None


def run(
    profile: Profile, given: Mapping[str, str], *, preset: str | None = None, repository: Path = REPOSITORY
) -> None:
    """Run the notebooks of a profile in order, each in its own folder and with a fresh kernel.

    Raises:
        LostAndFoundError: a parameter is wrong, or a notebook stopped; later ones are not run.
    """
    paths = {name: repository / f"{name}.ipynb" for name in profile.notebooks}
    defaults = {name: parameters_of(path) for name, path in paths.items()}
    known = {key: value for own in defaults.values() for key, value in own.items()}
    values = resolve_parameters(profile.parameters, given, known, preset=preset)
    root = Path(str(values.get("root", repository)))
    if "dataset" in values:
        Workspace(root, str(values["dataset"]))  # which refuses anything but a plain name
    if TRAIN in defaults:
        check_training(defaults[TRAIN] | values)
    for place, (name, path) in enumerate(paths.items(), start=1):
        start = time.perf_counter()
        print(f"\n[{place}/{len(paths)}] {name}", flush=True)
        own = {key: value for key, value in values.items() if key in defaults[name]}
        dataset = str((defaults[name] | values).get("dataset", ""))
        output = root / "executed" / dataset / f"{name}.ipynb"
        output.parent.mkdir(parents=True, exist_ok=True)
        execute(path, output, own)
        print(f"      {time.perf_counter() - start:.1f} s", flush=True)
    print(f"\nExecuted notebooks, with tables and figures: {output.parents[1]}")


def check_training(values: Mapping[str, Scalar], *, processes: int = 1) -> None:
    """Refuse wrong training settings, which the training notebook would only do after all before it have run.

    Args:
        values: of the training notebook's parameters; may have others too.
        processes: that are to train together.

    Raises:
        InvalidConfig: a setting is wrong.
        MissingWeights: there is no such file.
        MissingDevice: there is no such device.
    """
    names = {field.name for field in fields(TrainingConfig)}
    settings: dict[str, Any] = {name: value for name, value in values.items() if name in names}
    config = TrainingConfig(**settings)
    config.check_processes(processes)
    check_mode(str(values["tracking"]))
    weights = (REPOSITORY / TRAIN).parent / config.weights  # relative to the training notebook
    if config.weights not in WEIGHTS and not weights.is_file():
        raise no_weights(weights)
    if config.device not in ("auto", "cpu"):
        from lost_and_found.training.models import pick_device  # imports torch, which takes seconds

        pick_device(config.device)


def execute(path: Path, output: Path, parameters: Mapping[str, Scalar]) -> None:
    """Run one notebook and write the executed copy, even if it stops half-way.

    Raises:
        StorageFull: no room for the executed copy; nothing is left of it.
        LostAndFoundError: the notebook stopped; the message is the error's own where the project raised it.
    """
    import papermill
    from traitlets.config import Config

    os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"  # else every kernel warns about frozen modules
    os.environ[AS_TEXT] = "1"  # a widget would only be seen in the executed copy
    try:
        with tempfile.TemporaryDirectory(prefix="kernel-", dir=_place_for_sockets()) as sockets:
            papermill.execute_notebook(
                _as_template(path),
                _as_template(output),
                parameters=dict(parameters),
                cwd=path.parent,
                kernel_name="python3",
                progress_bar=False,
                coalesce_streams=True,  # the copy keeps only a bar's last state
                stdout_file=sys.stdout,
                stderr_file=sys.stderr,
                # By default a notebook is given up if a cell's output isn't read within four seconds of its
                # end, as when a terminal is stopped. For ever is too long: what comes too fast may be lost.
                iopub_timeout=OUTPUT_PATIENCE_S,
                # A kernel is interrupted before it is ended, and sometimes reports that as an error.
                extra_arguments=["--log-level=CRITICAL"],
                # Sockets in a private folder instead of open TCP ports, which each kernel would warn about.
                config=Config(KernelManager={"transport": "ipc", "ip": f"{sockets}/socket"}),
            )
    except papermill.PapermillExecutionError as error:
        is_ours = hasattr(errors, error.ename)
        detail = error.evalue if is_ours else "\n".join(error.traceback)
        raise LostAndFoundError(f"{path.name} stopped: {detail}\nThe executed copy: {output}") from None
    except OSError as error:  # of writing the copy, as papermill does after each cell
        if error.errno not in NO_ROOM:
            raise
        output.unlink(missing_ok=True)  # it is cut off
        raise StorageFull(
            f"{path.name} stopped: no room for its executed copy {output} ({error.strerror}); free some "
            "space and run again, finished files are kept"
        ) from None


def _as_template(path: Path) -> str:
    """The path as papermill takes it: with the name of a parameter in braces for its value."""
    return str(path).replace("{", "{{").replace("}", "}}")


def _place_for_sockets() -> str | None:
    """Folder for temporary files, unless its path, as a cluster's may be, is too long for a socket's."""
    return "/tmp" if len(os.fsencode(tempfile.gettempdir())) > LONGEST_PLACE else None


def add_parameter_options(parser: argparse.ArgumentParser) -> None:
    """Give a command the options that set parameters of notebooks."""
    parser.add_argument(
        "-p",
        nargs=2,
        action="append",
        default=[],
        metavar=("NAME", "VALUE"),
        help="set a notebook parameter; may be repeated",
    )
    parser.add_argument("--preset", choices=sorted(PRESETS), help="set the parameters of a training recipe")


@command()
def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="scripts/run-stages", description="Run stage notebooks in order.")
    parser.add_argument(
        "profile",
        nargs="?",
        default="practice",
        help="in scripts/profiles, or a notebook such as 4-evaluation/02-compare-runs (default: practice)",
    )
    add_parameter_options(parser)
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        run(read_profile(options.profile), dict(options.p), preset=options.preset)
    except KeyboardInterrupt as stop:
        # What the stopped kernel reports to asyncio would hide the line below.
        logging.getLogger("asyncio").setLevel(logging.CRITICAL)
        print(f"\n{STOPPED}", file=sys.stderr)
        return 128 + (signal.SIGTERM if stop.args else signal.SIGINT)
    return 0


def _interrupt(number: int, _: FrameType | None) -> NoReturn:
    """End like Ctrl-C: the kernel is stopped first."""
    raise KeyboardInterrupt(number)


if __name__ == "__main__":
    sys.exit(main())
