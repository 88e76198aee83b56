"""`scripts/tune`: a local agent for sweeps, which needs no service.

It reads what `wandb sweep` reads, proposes parameters, and starts the same command for each trial as W&B's
agent would. The trials' results are kept in the sweep's folder; the same command resumes where the last one
stopped.
"""

from __future__ import annotations

import argparse
import math
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from lost_and_found.bars import progress_bar
from lost_and_found.commands import command
from lost_and_found.dotenv_file import load_dotenv
from lost_and_found.errors import InvalidConfig, LostAndFoundError
from lost_and_found.locks import sole_writer
from lost_and_found.samples import read_json
from lost_and_found.signals import STOP_SIGNALS, STOPPED, caught_signals, exit_when_stopped
from lost_and_found.training.config import TARGETS, TrainingConfig
from lost_and_found.training.search import Parameters, planned_trials, propose
from lost_and_found.training.search_space import Value
from lost_and_found.training.sweep_files import TRIAL, Sweep, read_sweep
from lost_and_found.training.trial import PLACES, RESULT_VARIABLE, trial_parser
from lost_and_found.training.trial_log import FAILED, Trial, append_trial, begin, ranking
from lost_and_found.workspace import REPOSITORY, Workspace

NOTEBOOK = "3-training/02-tune-model"
# Errors caused by the parameters; any other, such as a full disk, would hit every trial alike. So would those
# of FAULTS_OF, unless the sweep varies what they are about, and a wrong setting that it doesn't vary.
FAULTS_OF_PARAMETERS = ("NotFinite", "OutOfMemory")
FAULTS_OF = {
    "MissingDevice": ("device",),
    "MissingWeights": ("weights", "architecture"),
    "UnfitWeights": ("weights", "architecture"),
}
WRONG_USAGE = 2
POLL_S = 0.1
# Numbers in a run's summary besides those of its validation.
OTHER_METRICS = ("train/loss", "best_epoch", "epochs", "parameters", "processes", "seconds")


def run_sweep(
    sweep: Sweep,
    *,
    folder: Path,
    limit: int | None = None,
    places: Mapping[str, str] | None = None,
    seed: int = 0,
) -> list[Trial]:
    """All trials of a sweep: those already in its folder, and the others, run now one after another.

    Args:
        sweep: from `read_sweep`.
        folder: of this sweep: `sweep.json`, `trials.jsonl` and `trials/<number>/` with each trial's output.
        limit: most trials that the folder is to hold.
        places: `root` and `tracking` for the trials, if not the defaults.
        seed: of the proposals.

    Raises:
        FolderInUse: another agent is working on this sweep.
        InvalidConfig: the folder is of another sweep, or the sweep has no end, a wrong command or a metric
            that its runs don't have, or the seed is negative.
        LostAndFoundError: a trial failed in a way that has nothing to do with its parameters.
    """
    total = planned_trials(sweep, limit)
    if seed < 0:
        raise InvalidConfig(f"seed is {seed}; it must be at least 0")
    _refuse_unknown_metric(sweep)
    with sole_writer(folder, wait=False):
        trials = begin(folder, sweep, seed=seed)
        done = min(len(trials), total)
        with progress_bar(total=total, initial=done, desc=sweep.name, unit=" trials") as bar:
            while len(trials) < total:
                number = len(trials) + 1
                parameters = propose(sweep, trials, number, seed=seed)
                if parameters is None:
                    break
                trial = run_trial(sweep, number, parameters, folder=folder, places=places or {})
                append_trial(folder, trial)
                trials.append(trial)
                bar.write(describe(sweep, trial))
                bar.update()
    return trials


def run_trial(
    sweep: Sweep, number: int, parameters: Parameters, *, folder: Path, places: Mapping[str, str]
) -> Trial:
    """The trial of these parameters, run now by the sweep's command in its own process."""
    own = folder / "trials" / str(number)
    own.mkdir(parents=True, exist_ok=True)
    (own / "result.json").unlink(missing_ok=True)
    content = {name: {"value": value} for name, value in parameters.items()}
    (own / "parameters.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    command = expand(
        sweep.command,
        interpreter=sys.executable,
        program=_found(sweep.program),
        arguments={**parameters, **places},
    )
    started = time.perf_counter()
    status = run_command(command, environment=trial_environment(sweep, own), log=own / "output.log")
    seconds = round(time.perf_counter() - started, 1)
    result = _read_result(own, status, trial=f"trial {number}", varied=sweep.varied)
    metric = None if result["status"] == FAILED else _metric(sweep, result["summary"])
    if metric is not None and not math.isfinite(metric):  # as a program of one's own may report it
        result |= {"status": FAILED, "reason": f"{sweep.metric} is {metric}"}
        metric = None
    return Trial(
        number=number,
        parameters=parameters,
        status=result["status"],
        reason=result["reason"],
        run=result["run"],
        metric=metric,
        seconds=seconds,
    )


def _found(program: str) -> str:
    """A program that isn't in this folder but in the repository, with the repository's path."""
    own = REPOSITORY / program
    return str(own) if own.is_file() and not Path(program).is_file() else program


def expand(
    command: Sequence[str], *, interpreter: str, program: str, arguments: Mapping[str, Value]
) -> list[str]:
    """A sweep's command with its macros replaced, as W&B's agent does it.

    Args:
        command: parts, some of which are macros such as "${args}".
        interpreter: for "${interpreter}"; W&B uses the `python` on the PATH.
        program: for "${program}".
        arguments: by name.
    """
    flags = [f"{name}={value}" for name, value in arguments.items()]
    macros = {
        "${env}": ["/usr/bin/env"],
        "${interpreter}": [interpreter],
        "${program}": [program],
        "${args}": [f"--{flag}" for flag in flags],
        "${args_no_hyphens}": flags,
    }
    return [word for part in command for word in macros.get(part, [part])]


def trial_environment(sweep: Sweep, own: Path) -> dict[str, str]:
    """The environment of a trial.

    W&B groups the runs of a sweep by its name. They belong to one of W&B's sweeps only if WANDB_SWEEP_ID is
    the id of one that `wandb sweep` made: runs with an invented id can't be sent to the server later.
    """
    environment = {
        "WANDB_RUN_GROUP": sweep.name,
        "TQDM_MININTERVAL": "10",  # its bars go to a file
        **os.environ,
        RESULT_VARIABLE: str(own / "result.json"),
    }
    for name, value in (("WANDB_PROJECT", sweep.project), ("WANDB_ENTITY", sweep.entity)):
        if value and not environment.get(name):
            environment[name] = value
    if "WANDB_SWEEP_ID" in environment:
        environment["WANDB_SWEEP_PARAM_PATH"] = str(own / "parameters.yaml")
    if TRIAL not in sweep.command:
        environment.pop("PYTHONSAFEPATH", None)  # modules of a program of one's own may lie beside it
    return environment


def run_command(command: Sequence[str], *, environment: Mapping[str, str], log: Path) -> int:
    """Run a command to its end, with its output appended to a log; its exit status.

    A signal that stops this process is passed on, and has its effect here once the command has saved the
    state of its training and ended. A second one kills the command.
    """
    with log.open("ab") as output, caught_signals() as signals:
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
        told = 0
        while process.poll() is None:
            if len(signals) > told:
                process.kill() if told else process.terminate()
                told = len(signals)
            time.sleep(POLL_S)
    return process.returncode


def describe(sweep: Sweep, trial: Trial) -> str:
    """A line about a trial that is over."""
    tried = ", ".join(f"{name} {_short(trial.parameters[name])}" for name in sweep.varied)
    outcome = f"{sweep.metric} {trial.metric:.4f}" if trial.metric is not None else f"failed: {trial.reason}"
    return f"trial {trial.number} ({tried}): {outcome}"


def _short(value: Value) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _read_result(own: Path, status: int, *, trial: str, varied: Sequence[str]) -> dict[str, Any]:
    """What a trial reported, or that it was killed, as happens if it needs too much memory.

    Raises:
        InvalidConfig: it didn't understand its command line.
        LostAndFoundError: someone else stopped it, or it failed in a way that would hit every trial alike.
    """
    log = own / "output.log"
    if not (own / "result.json").is_file():
        reason = f"{_ended(status)}: {_last_line(log)}"
        if status == WRONG_USAGE:
            raise InvalidConfig(f"{trial} doesn't understand the sweep's command ({reason})")
        if {status - 128, -status} & {*STOP_SIGNALS}:
            raise LostAndFoundError(f"{trial} was {STOPPED}")
        if status >= 0:
            raise LostAndFoundError(f"{trial} ended without a result ({reason}); its full output is in {log}")
        return {"status": FAILED, "reason": reason, "run": ""}
    result = read_json(own / "result.json")
    if (error := result.get("error")) and not _is_of_parameters(error, result["reason"], varied):
        raise LostAndFoundError(f"{trial}: {result['reason']}; its full output is in {log}")
    return result


def _is_of_parameters(error: str, reason: str, varied: Sequence[str]) -> bool:
    if error == "InvalidConfig":  # whose messages name the settings that they are about
        return not set(varied).isdisjoint(re.findall(r"\w+", reason))
    return error in FAULTS_OF_PARAMETERS or not set(varied).isdisjoint(FAULTS_OF.get(error, ()))


def _ended(status: int) -> str:
    return f"killed by {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").replace("\r", "\n").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "it printed nothing")


def _refuse_unknown_metric(sweep: Sweep) -> None:
    """Refuse a metric that the project's own trials won't report, before the first one is trained."""
    if TRIAL not in sweep.command:
        return
    from lost_and_found.training.targets import metrics_of  # imports torch, which takes seconds

    named = [one.values for one in sweep.parameters if one.name == "target"]
    for target in named[0] if named else (TrainingConfig.target,):
        # An unknown target is reported by the trial.
        known = [f"val/{name}" for name in metrics_of(str(target))] if target in TARGETS else [sweep.metric]
        if sweep.metric not in (*known, *OTHER_METRICS):
            raise InvalidConfig(
                f"the runs of sweep {sweep.name}, which predict {target}, have no metric {sweep.metric}; "
                f"they have {', '.join(known)}"
            )


def _metric(sweep: Sweep, summary: Mapping[str, Any]) -> float:
    value = summary.get(sweep.metric)
    if isinstance(value, bool) or not isinstance(value, int | float):
        known = ", ".join(name for name in summary if name.startswith("val/"))
        raise InvalidConfig(
            f"the runs of sweep {sweep.name} have no metric {sweep.metric}; they have {known}"
        )
    return float(value)


def sweep_folder(workspace: Workspace, sweep: Sweep) -> Path:
    """Where the trials of a sweep are kept."""
    return workspace.output(NOTEBOOK) / sweep.name


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/tune",
        description="Search for good settings with a sweep in W&B's format, but without W&B.",
        epilog="Exit status: 0 done, 1 an error, 2 wrong usage, 130 Ctrl-C, 143 SIGTERM. "
        "The same command resumes where the last one stopped.",
    )
    add = parser.add_argument
    add(
        "sweep", type=Path, metavar="SWEEP.yaml", help="sweep file, such as 3-training/sweeps/study-grid.yaml"
    )
    add("--dataset", help="name of the pinned lists (default: the sweep's, or practice)")
    add("--root", type=Path, default=REPOSITORY, help="where the stages write (default: the repository)")
    add(
        "--trials",
        type=int,
        metavar="N",
        help="stop when the sweep has this many trials (default: when it ends by itself)",
    )
    add("--name", default="", help="name of the sweep and its folder (default: the file's)")
    add("--seed", type=int, default=0, help="seed of random and Bayesian proposals (default: 0)")
    add(
        "-p",
        nargs=2,
        action="append",
        default=[],
        metavar=("NAME", "VALUE"),
        help="set a parameter for all trials, or tracking to auto, online, offline or off",
    )
    return parser


@command()
def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    options = _parser().parse_args(arguments)
    given = [f"--{name}={value}" for name, value in options.p]
    fixed = vars(trial_parser(prog="scripts/tune", usage="scripts/tune ... -p NAME VALUE").parse_args(given))
    places = {name: fixed.pop(name) for name in PLACES if name in fixed}
    if options.dataset:
        fixed["dataset"] = options.dataset
    if options.root != REPOSITORY:
        places["root"] = str(options.root.resolve())
    load_dotenv(REPOSITORY / ".env")
    exit_when_stopped()
    sweep = read_sweep(options.sweep, fixed=fixed, name=options.name)
    folder = sweep_folder(Workspace(places.get("root", REPOSITORY), dataset_of(sweep)), sweep)
    trials = run_sweep(sweep, folder=folder, limit=options.trials, places=places, seed=options.seed)
    table = ranking(trials, sweep.goal)[["rank", "trial", "metric", *sweep.varied, "status", "run"]]
    table = table.astype({"rank": object}).fillna({"rank": ""})  # else "<NA>", whatever `na_rep` says
    print(f"{table.to_string(index=False, na_rep='')}\n{folder}")
    return 0


def dataset_of(sweep: Sweep) -> str:
    """Name of the pinned lists that the trials of a sweep train with."""
    named = [one.values[0] for one in sweep.parameters if one.name == "dataset" and not one.varies]
    return str(named[0]) if named else "practice"


if __name__ == "__main__":
    sys.exit(main())
