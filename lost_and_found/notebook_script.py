"""Runs the training notebook as a plain script: without a kernel, on one or more processes of this machine.

`python -m lost_and_found.notebook_script [--processes N] [--profile NAME] [--preset NAME] [-p NAME VALUE]...`
is what `scripts/train` calls. The notebook is converted, with the parameters after its own, and the script,
kept under `executed/`, replaces this process, so its exit status and its signals are those of the command.
"""

from __future__ import annotations

import argparse
import atexit
import math
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType, TracebackType
from typing import NoReturn

import nbformat
import pandas as pd

from lost_and_found.commands import command
from lost_and_found.data_lists import read_list
from lost_and_found.digests import digest
from lost_and_found.errors import InvalidConfig, LostAndFoundError
from lost_and_found.notebooks import (
    Scalar,
    add_parameter_options,
    check_training,
    parameters_of,
    read_notebook,
    read_profile,
    resolve_parameters,
)
from lost_and_found.samples import write_atomically
from lost_and_found.signals import STOPPED
from lost_and_found.texts import LINE
from lost_and_found.workspace import REPOSITORY, TRAIN, Workspace

NOTEBOOK = REPOSITORY / f"{TRAIN}.ipynb"
ENVIRONMENT_PREFIX = "LOST_AND_FOUND_"
PRELUDE = """\
from lost_and_found.notebook_script import begin_script

begin_script()"""


def converted(path: Path, values: Mapping[str, Scalar]) -> str:
    """The notebook as a script with these parameters, which are not checked here.

    Raises:
        MissingInput: no such notebook.
        InvalidConfig: it doesn't have one cell of parameters, or has magics or shell commands.
    """
    from nbconvert import PythonExporter  # takes seconds; wrong parameters should fail at once

    parameters_of(path)
    notebook = read_notebook(path)
    tagged = ["parameters" in cell.metadata.get("tags", ()) for cell in notebook.cells]
    assignments = "\n".join(f"{name} = {_literal(value)}" for name, value in values.items())
    notebook.cells.insert(tagged.index(True) + 1, nbformat.v4.new_code_cell(assignments))
    notebook.cells.insert(0, nbformat.v4.new_code_cell(PRELUDE))
    text, _ = PythonExporter(exclude_input_prompt=True).from_notebook_node(notebook)
    if "get_ipython()" in text:
        raise InvalidConfig(f"{path} has magics or shell commands, which a plain script can't run")
    return text


def _literal(value: Scalar) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value}")'  # nan and inf aren't literals
    return repr(value)


def begin_script() -> None:
    """Make a converted notebook behave as in its kernel.

    If it stops, it says why in one line, as `scripts/run-stages` does; unexpected errors keep their trace.
    Tables keep all columns, which pandas would leave out of anything wider than 80 characters. Processes that
    it spawns don't import it: it has no `__main__` guard, so they would run it again. SIGTERM and SIGHUP end
    it as an error would, so that what is open, such as a run of W&B, is closed; a second one ends it at once.
    Of several processes, only the first of each machine prints. They stop, as by SIGTERM, if their launcher
    is killed, after which nobody would stop them.
    """
    if os.environ.get("LOCAL_RANK", "0") != "0":
        sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115 - until the process ends
    if "LOCAL_RANK" in os.environ:
        threading.Thread(target=_end_after, args=(os.getppid(),), daemon=True).start()
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _end)
    pd.set_option("display.width", LINE, "display.max_columns", None)
    sys.excepthook = _report
    vars(sys.modules["__main__"]).pop("__file__", None)


def _end_after(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os.kill(os.getpid(), signal.SIGTERM)


def _end(number: int, _: FrameType | None) -> NoReturn:
    signal.signal(number, signal.SIG_DFL)
    if "WORLD_SIZE" not in os.environ:  # else the launcher says so, unless it sent the signal itself
        atexit.register(print, STOPPED, file=sys.stderr)  # after the last state of a progress bar
    sys.exit(128 + number)


def _report(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if isinstance(error, KeyboardInterrupt):
        print(f"\n{STOPPED}", file=sys.stderr)
        return
    if not isinstance(error, LostAndFoundError):
        traceback.print_exception(kind, error, trace)
    reason = error if isinstance(error, LostAndFoundError) else f"{kind.__name__}: {error}"
    print(f"\nerror: {reason}", file=sys.stderr, flush=True)


def from_environment(known: Mapping[str, Scalar], environment: Mapping[str, str]) -> dict[str, str]:
    """The parameters, as text, that variables such as LOST_AND_FOUND_EPOCHS set."""
    names = {name: f"{ENVIRONMENT_PREFIX}{name.upper()}" for name in known}
    return {name: environment[variable] for name, variable in names.items() if variable in environment}


def training_part(name: str, known: Mapping[str, Scalar]) -> dict[str, Scalar | None]:
    """What a profile sets for the training notebook; nothing without a name.

    Raises:
        MissingInput: there is no such profile.
        InvalidConfig: it is a notebook.
    """
    if not name:
        return {}
    if "/" in name:
        raise InvalidConfig(f"{name} is not a profile; scripts/run-stages runs notebooks")
    return {key: value for key, value in read_profile(name).parameters.items() if key in known}


def launcher(script: Path, processes: int) -> list[str]:
    """The command that runs a script on so many processes, which learn their places by RANK and WORLD_SIZE.

    Raises:
        InvalidConfig: fewer than one process.
    """
    if processes < 1:
        raise InvalidConfig(f"--processes is {processes}; it must be at least 1")
    torchrun = ["-m", "lost_and_found.training.launch", "--standalone", f"--nproc-per-node={processes}"]
    return [sys.executable, *(torchrun if processes > 1 else []), str(script)]


def write_script(values: Mapping[str, Scalar], defaults: Mapping[str, Scalar]) -> Path:
    """The training notebook as a script under `<root>/executed/<dataset>/`, named by its content.

    So runs with different parameters that start at the same time don't overwrite each other's.

    Raises:
        MissingInput: there is no such dataset; the notebook would only say so after making its folder.
    """
    text = converted(NOTEBOOK, values).encode()
    place = {**defaults, **values}
    root = NOTEBOOK.parent / str(place["root"])
    workspace = Workspace(root, str(place["dataset"]))  # which refuses anything but a plain name
    read_list(workspace.list_path(".train"))
    folder = workspace.root / "executed" / workspace.dataset / Path(TRAIN).parent
    folder.mkdir(parents=True, exist_ok=True)
    script = folder / f"{Path(TRAIN).name}-{digest(text)[:8]}.py"
    write_atomically(script, text)
    return script


def run(script: Path, processes: int) -> NoReturn:
    """Become the script, in the notebook's folder and without a display."""
    os.environ["MPLBACKEND"] = "Agg"
    os.chdir(NOTEBOOK.parent)
    # A shell starts background jobs with Ctrl-C ignored, which the script would inherit.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    arguments = launcher(script, processes)
    sys.stdout.flush()
    os.execv(arguments[0], arguments)


@command()
def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status, unless the script takes its place."""
    parser = argparse.ArgumentParser(
        prog="scripts/train", description=f"Train as {TRAIN}.ipynb does, without Jupyter."
    )
    parser.add_argument("--processes", type=int, default=1, metavar="N", help="one per GPU (default: 1)")
    parser.add_argument(
        "--profile", default="", metavar="NAME", help="train as scripts/run-stages does with this profile"
    )
    add_parameter_options(parser)
    parser.add_argument(
        "--environment",
        action="store_true",
        help=f"also take parameters from variables such as {ENVIRONMENT_PREFIX}EPOCHS; -p wins",
    )
    parser.add_argument("--list", action="store_true", help="print the parameters and stop")
    options = parser.parse_args(arguments)
    defaults = parameters_of(NOTEBOOK)
    given = from_environment(defaults, os.environ if options.environment else {}) | dict(options.p)
    own = training_part(options.profile, defaults)
    values = resolve_parameters(own, given, defaults, preset=options.preset)
    launcher(NOTEBOOK, options.processes)  # checks the number before anything slow
    check_training(defaults | values, processes=options.processes)
    if options.list:
        print("\n".join(f"{name}={value}" for name, value in (defaults | values).items()))
        return 0
    script = write_script(values, defaults)
    run(script, options.processes)


if __name__ == "__main__":
    sys.exit(main())
