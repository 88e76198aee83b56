"""Sends to W&B what was tracked offline: finds what hasn't been sent yet and calls `wandb sync`.

`python -m lost_and_found.training.sync [--dry-run] [--dataset NAME] [--root FOLDER]` is `scripts/sync-runs`.
W&B leaves a file `<name>.wandb.synced` beside what it has sent. A run may have several offline folders
with one id; sent together, in order, they become one run.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from lost_and_found.commands import command
from lost_and_found.dotenv_file import dotenv_values
from lost_and_found.errors import MissingInput
from lost_and_found.signals import exit_when_stopped
from lost_and_found.training.tracking import STAGING
from lost_and_found.workspace import REPOSITORY

STAGE = "3-training"
OFFLINE = "wandb/offline-run-*"
LOGS = "debug-sync.*.log"
HEADER = 7  # bytes of W&B's file before its first record
FILE_TROUBLE = re.compile(r"upload|artifact", re.IGNORECASE)


def unsent_runs(root: Path, *, dataset: str) -> dict[Path, list[Path]]:
    """Offline folders that weren't sent yet, oldest first, by the folder of their complete run.

    Args:
        root: of the workspace.
        dataset: of the runs; empty for all.

    Raises:
        MissingInput: there are no runs at all.
    """
    runs = [path for path in _run_folders(root, dataset) if not path.name.startswith(".")]
    if not runs:
        of_dataset = f" of dataset {dataset!r}" if dataset else ""
        raise MissingInput(
            f"{root / STAGE} holds no complete run{of_dataset}; run {STAGE}/01-train-model.ipynb"
        )
    # If the copies still exist, the run's sending was stopped before it was known what arrived.
    found = {run: [one for one in _parts(run) if _copies(run).exists() or not _is_sent(one)] for run in runs}
    return {run: folders for run, folders in found.items() if folders}


def unfinished_runs(root: Path, *, dataset: str) -> list[Path]:
    """Folders of runs that are still being trained or were interrupted, with something tracked offline."""
    partial = [path for path in _run_folders(root, dataset) if path.name.endswith(".partial")]
    return [path for path in partial if any(path.glob(OFFLINE))]


def _run_folders(root: Path, dataset: str) -> list[Path]:
    folders = [path for path in sorted(root.glob(f"{STAGE}/*/*/runs/*")) if path.is_dir()]
    return [path for path in folders if dataset in ("", path.parents[1].name)]


def send(run: Path, folders: Sequence[Path], *, environment: Mapping[str, str]) -> bool:
    """Send a run's offline folders by `wandb sync`, showing what it says; whether everything was sent.

    If so, W&B's copies of the run's files are removed; if not, W&B's marks on what it sent, because it also
    marks what it could only send in part.
    """
    logs = run / "wandb" / "logs"
    former = set(logs.glob(LOGS))
    done = subprocess.run(
        [sys.executable, "-m", "wandb", "sync", "--no-skip-synced", *map(str, folders)],
        cwd=run,
        env={**environment, "WANDB_DIR": str(run)},  # its sub-folder `wandb` is where the log goes
        check=False,
    )
    refused = [line for log in set(logs.glob(LOGS)) - former for line in _refused_files(log)]
    if done.returncode or refused or not all(map(_is_sent, folders)):
        print("\n".join(refused), file=sys.stderr)
        for folder in folders:
            for mark in folder.glob("*.wandb.synced"):
                mark.unlink()
        return False
    shutil.rmtree(_copies(run), ignore_errors=True)
    return True


def _copies(run: Path) -> Path:
    return run.parent / STAGING / run.name


def _refused_files(log: Path) -> list[str]:
    """What a log of `wandb sync` says about files that didn't arrive; its exit status says nothing."""
    errors = [line for line in log.read_text().splitlines() if '"level":"ERROR"' in line]
    return [json.loads(line)["msg"] for line in errors if FILE_TROUBLE.search(line)]


def _parts(run: Path) -> list[Path]:
    """A run's offline folders, without those that hold nothing: `wandb sync` would stop at them.

    W&B's helper process leaves such a one if it is killed in its first seconds.
    """
    found = sorted(run.glob(OFFLINE))
    return [path for path in found if any(file.stat().st_size > HEADER for file in path.glob("*.wandb"))]


def _is_sent(folder: Path) -> bool:
    files = list(folder.glob("*.wandb"))
    return all(file.with_suffix(".wandb.synced").exists() for file in files)


def key_environment(dotenv: Path) -> dict[str, str]:
    """The environment with what `.env` adds to it, fit for sending.

    Raises:
        MissingInput: neither has WANDB_API_KEY.
        InvalidConfig: `.env` isn't in UTF-8.
    """
    added = {name: value for name, value in dotenv_values(dotenv).items() if value}
    environment = {**added, **os.environ}
    environment.pop("WANDB_MODE", None)  # those who set it to train offline want to send now
    if not environment.get("WANDB_API_KEY"):
        raise MissingInput(
            f"there is no key for W&B: set WANDB_API_KEY in the environment or in {dotenv}; "
            "yours is at https://wandb.ai/authorize"
        )
    return environment


def send_all(root: Path, *, dataset: str, dotenv: Path) -> list[Path]:
    """Send everything, and return the runs for which that failed.

    Raises:
        MissingInput: no runs, or no key.
    """
    unsent = unsent_runs(root, dataset=dataset)
    environment = key_environment(dotenv) if unsent else {}
    failed = []
    for run, folders in unsent.items():
        print(f"sending {run}", flush=True)
        if not send(run, folders, environment=environment):
            failed.append(run)
    print(f"{len(unsent) - len(failed)} of {len(unsent)} runs sent")
    return failed


@command()
def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status: 0 if all is sent, 1 if something is not, 2 for bad use."""
    parser = argparse.ArgumentParser(
        prog="scripts/sync-runs", description="Send runs that were tracked offline to W&B."
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what would be sent; needs no key")
    parser.add_argument(
        "--dataset", default="", metavar="NAME", help="send only runs of this dataset (default: all)"
    )
    parser.add_argument(
        "--root",
        type=Path,
        default=REPOSITORY,
        metavar="FOLDER",
        help="where the stages write (default: the repository)",
    )
    options = parser.parse_args(arguments)
    exit_when_stopped()
    root = options.root.resolve()
    for path in unfinished_runs(root, dataset=options.dataset):
        print(f"left alone, because it is still being trained or was interrupted: {path}")
    if options.dry_run:
        unsent = unsent_runs(root, dataset=options.dataset)
        folders = [folder for of_run in unsent.values() for folder in of_run]
        print("\n".join(f"would send {folder}" for folder in folders) or "nothing is left to send")
        return 0
    failed = send_all(root, dataset=options.dataset, dotenv=REPOSITORY / ".env")
    for run in failed:
        print(f"error: not sent: {run}; its folder wandb holds W&B's logs", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
