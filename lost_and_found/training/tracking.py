"""Weights & Biases: the same numbers that the run folder holds, for comparing runs in a browser.

The only module that imports wandb, and only once a run is to be tracked. Nothing in a run depends on it.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from lost_and_found.errors import InvalidConfig

MODES = ("auto", "online", "offline", "off")
PROJECT = "lost-and-found"


class Tracker(Protocol):
    """What a training tells about itself."""

    def log(self, metrics: Mapping[str, float]) -> None:
        """Take one epoch's metrics, "epoch" among them."""

    def summarise(self, summary: Mapping[str, Any]) -> None:
        """Take what came out in the end."""


class Untracked:
    """A tracker that drops everything, for mode "off"."""

    def log(self, metrics: Mapping[str, float]) -> None:
        """Drop them."""

    def summarise(self, summary: Mapping[str, Any]) -> None:
        """Drop it."""


class WandbTracker:
    """A tracker around a started W&B run."""

    def __init__(self, run: Any) -> None:  # noqa: ANN401 - wandb has no importable type before it is imported
        self._run = run

    def log(self, metrics: Mapping[str, float]) -> None:
        """One step of the run's history."""
        self._run.log(dict(metrics), step=int(metrics["epoch"]))

    def summarise(self, summary: Mapping[str, Any]) -> None:
        """W&B keeps the last epoch's metrics by default; the best epoch's replace them."""
        self._run.summary.update(dict(summary))


@contextmanager
def tracked(mode: str, *, run_id: str, config: Mapping[str, Any], folder: Path) -> Iterator[Tracker]:
    """A tracker for the block, closed properly however the block ends.

    Args:
        mode: "online"; "offline" (files for a later `wandb sync`); "off"; or "auto", which is online when the
            environment has WANDB_API_KEY and offline otherwise. WANDB_MODE, where set, decides for "auto".
        run_id: name of the run; the project is WANDB_PROJECT or "lost-and-found".
        config: the settings.
        folder: W&B's files go to its sub-folder `wandb`.

    Raises:
        InvalidConfig: an unknown mode.
    """
    if mode not in MODES:
        raise InvalidConfig(f"tracking is {mode!r}; allowed are {', '.join(MODES)}")
    if mode == "auto":
        mode = os.environ.get("WANDB_MODE") or ("online" if os.environ.get("WANDB_API_KEY") else "offline")
    if mode in ("off", "disabled"):
        yield Untracked()
        return
    with _data_folder(folder / "wandb"):
        run = _start(mode, run_id=run_id, config=config, folder=folder)
        try:
            yield WandbTracker(run)
        except BaseException:
            run.finish(exit_code=1)
            raise
        run.finish()


def _start(mode: Any, *, run_id: str, config: Mapping[str, Any], folder: Path) -> Any:  # noqa: ANN401 - see above
    import wandb  # here, because it takes a second and starts threads

    arguments: dict[str, Any] = {
        "project": os.environ.get("WANDB_PROJECT", PROJECT),
        "name": run_id,
        "config": dict(config),
        "dir": folder,
        "settings": wandb.Settings(
            silent=True, console="off", symlink=False, disable_git=True, disable_code=True
        ),
    }
    try:
        return wandb.init(mode=mode, **arguments)
    except wandb.errors.Error as error:
        if mode != "online":
            raise
        # A night of training is worth more than its being online; the files can be synchronised later.
        warnings.warn(f"W&B can't be reached ({error}); tracking offline, `wandb sync` later", stacklevel=3)
        return wandb.init(mode="offline", **arguments)


@contextmanager
def _data_folder(folder: Path) -> Iterator[None]:
    """Have W&B stage its files in the run's folder; by default they go to the user's home."""
    name = "WANDB_DATA_DIR"
    if name in os.environ:
        yield
        return
    os.environ[name] = str(folder)
    try:
        yield
    finally:
        del os.environ[name]
