"""Weights & Biases: the same numbers and files that the run folder holds, for comparing runs in a browser.

The only module that imports wandb, and only once it is needed. Nothing in a run depends on it.

W&B's own files of a run are in the subfolder `wandb` of its folder. Copies of artifacts' files are beside the
runs, in `.wandb/<run id>/`, until they are sent: an offline run refers to them by absolute paths, and a run
folder is renamed when it is complete.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lost_and_found.errors import InvalidConfig, StorageFull
from lost_and_found.locks import sole_writer
from lost_and_found.samples import read_json, write_json

MODES = ("auto", "online", "offline", "off")
WANDB_MODES = ("online", "offline", "shared", "disabled", "dryrun", "run")
PROJECT = "lost-and-found"
STAGING = ".wandb"
TEST_FILES = ("cache.json", "labels.csv", "pixels.npy")
MOST_EPOCHS = 10_000  # of a run's history; beyond 500, W&B would draw a sample
# For sending what is left at the end; W&B itself would wait for ever for a network that is gone.
FINISH_S = 3600.0
LONGEST_NAME = 128  # of a run's id, and of an artifact's name


class Tracker:
    """What training reports its progress to; this one, for mode "off", drops everything."""

    def catch_up(self, history: Iterable[Mapping[str, float]]) -> None:
        """Take the metrics of the epochs before those that `log` will get, in case some didn't arrive."""

    def log(self, metrics: Mapping[str, float]) -> None:
        """Take one epoch's metrics, "epoch" among them."""

    def summarise(self, summary: Mapping[str, Any]) -> None:
        """Take the final results."""

    def keep(self, folder: Path, *, test: Path | None) -> None:
        """Take the files of the run and, if there is one, the test split that it will be judged by.

        Args:
            folder: of the run, with all files of `runs.FILES`.
            test: folder of the pixel cache of the test split.
        """


class WandbTracker(Tracker):
    """A tracker around a started W&B run.

    Attributes:
        is_lost: whether W&B has failed to take something.
    """

    def __init__(
        self,
        run: Any,  # noqa: ANN401 - wandb has no importable type before it is imported
        *,
        run_id: str,
        runs_folder: Path,
    ) -> None:
        self._run = run
        self._run_id = run_id
        self._runs_folder = runs_folder
        self.is_lost = False

    def catch_up(self, history: Iterable[Mapping[str, float]]) -> None:
        """Log the epochs that W&B lacks, and remove what earlier processes tracked of this run offline.

        A process that was killed leaves its part without the last epochs, or so that W&B can't read it.
        """
        self._tell(lambda: self._log_lacking(history))

    def _log_lacking(self, history: Iterable[Mapping[str, float]]) -> None:
        run, own = self._run, Path(self._run.dir).parent
        known = 0 if run.offline else run.summary.get("epoch", 0)
        for metrics in history:
            if metrics["epoch"] > known:
                run.log(dict(metrics))
        for part in own.parent.glob(f"offline-run-*-{run.id}"):
            if part != own:
                shutil.rmtree(part, ignore_errors=True)

    def log(self, metrics: Mapping[str, float]) -> None:
        """Add a row to the run's history, without a step: W&B drops rows of steps that it already has."""
        self._tell(lambda: self._run.log(dict(metrics)))

    def summarise(self, summary: Mapping[str, Any]) -> None:
        """W&B keeps the last epoch's metrics by default; the best epoch's replace them."""
        self._tell(lambda: self._run.summary.update(dict(summary)))

    def finish(self, exit_code: int = 0) -> None:
        """End the run; if W&B is lost, its folder is renamed as an offline run's, for `scripts/sync-runs`."""
        self._tell(lambda: self._run.finish(exit_code=exit_code))
        place = Path(self._run.dir).parent
        if self.is_lost and not self._run.offline and place.is_dir():
            place.rename(place.with_name(f"offline-{place.name}"))

    def _tell(self, call: Callable[[], object]) -> None:
        """Call W&B, whose helper process may have died; if so, training continues without it."""
        if self.is_lost:
            return
        try:
            call()
        except Exception as error:  # of whatever kind W&B's connection to its helper raises
            self.is_lost = True
            warnings.warn(
                f"W&B is lost ({type(error).__name__}: {error}); {self._run_id} goes on without it, and its "
                "run folder holds everything; `scripts/sync-runs` sends what W&B has noted",
                stacklevel=3,
            )

    def keep(self, folder: Path, *, test: Path | None) -> None:
        """Send an artifact of type "model", and with one run only, the test split as one of type "dataset".

        Whatever goes wrong here only gives a warning: the run folder is complete without it.
        """
        if self.is_lost:
            return
        import wandb

        from lost_and_found.training.runs import FILES  # here, because it imports torch

        try:
            self._run.log_artifact(_artifact(self._run_id, "model", [folder / name for name in FILES]))
            if test is not None:
                self._keep_test_split(test)
        except (wandb.errors.Error, StorageFull, OSError, ValueError) as error:  # the last: an odd answer
            self.is_lost = isinstance(error, ConnectionError)
            warnings.warn(f"W&B has not received all files of {self._run_id} ({error})", stacklevel=2)

    def _keep_test_split(self, test: Path) -> None:
        link = {"test_split": allowed_name(test.name)}
        if self._run.offline:
            link["test_split_run"] = self._keep_test_split_offline(test)
        elif not self._uses(link["test_split"]):
            self._run.log_artifact(_test_artifact(test))
        self._run.config.update(link, allow_val_change=True)

    def _uses(self, name: str) -> bool:
        """Whether the project has this artifact; if so, W&B notes that this run uses it."""
        import wandb

        try:
            self._run.use_artifact(f"{name}:latest", type="dataset")
        except (wandb.errors.Error, ValueError):
            return False
        return True

    def _keep_test_split_offline(self, test: Path) -> str:
        """Id of the run that holds the split: the one that a mark beside the runs names, or else this one.

        A run whose files were deleted holds nothing. If it was sent before, the split is sent twice, and W&B
        recognises it.
        """
        mark = self._runs_folder / f".test-split-{test.name}.json"
        with sole_writer(mark, wait=True):
            if mark.exists():
                holder: str = json.loads(mark.read_text())["run"]
                places = (self._runs_folder / holder, self._runs_folder / f".{holder}.partial")
                if holder != self._run_id and any((place / "wandb").is_dir() for place in places):
                    return holder
            self._run.log_artifact(_test_artifact(test))
            write_json(mark, {"artifact": allowed_name(test.name), "run": self._run_id})
        return self._run_id


def check_mode(mode: str) -> None:
    """Refuse an unknown mode.

    Raises:
        InvalidConfig: it isn't one of `MODES`.
    """
    if mode not in MODES:
        raise InvalidConfig(f"tracking is {mode!r}; allowed are {', '.join(MODES)}")


@contextmanager
def tracked(mode: str, *, run_id: str, config: Mapping[str, Any], folder: Path) -> Iterator[Tracker]:
    """A tracker for the block, closed properly however the block ends.

    Args:
        mode: "online"; "offline" (files for a later `scripts/sync-runs`); "off"; or "auto", which is online
            when the environment has WANDB_API_KEY and offline otherwise. WANDB_MODE, where set, decides for
            "auto".
        run_id: name of the run, by which W&B also recognises it when it is resumed; the project is
            WANDB_PROJECT or "lost-and-found".
        config: the settings.
        folder: W&B's files go to its subfolder `wandb`. It may be renamed after the block, within its parent
            folder.

    Raises:
        InvalidConfig: an unknown mode, or W&B refuses WANDB_MODE or another of its variables.
    """
    check_mode(mode)
    asked = os.environ.get("WANDB_MODE")
    if mode == "auto":
        mode = asked or ("online" if has_key() else "offline")
    if mode in ("off", "disabled"):
        yield Tracker()
        return
    if asked is not None and asked not in WANDB_MODES:  # W&B refuses it whatever it is asked for
        raise InvalidConfig(
            f"WANDB_MODE is {asked!r}; W&B knows {', '.join(WANDB_MODES)}; "
            "correct it in the environment or in .env"
        )
    staging = folder.parent / STAGING / run_id
    if not (folder / "wandb").exists():  # from scratch: nothing refers to what an earlier attempt left
        shutil.rmtree(staging, ignore_errors=True)
    with _data_folder(staging):
        import wandb  # here, because it takes a second and starts threads

        try:
            run = _start(mode, run_id=run_id, config=config, folder=folder)
        except OSError as error:  # its helper died in an earlier training of this process
            warnings.warn(f"W&B can't be started ({error}); {run_id} goes on without it", stacklevel=3)
            yield Tracker()
            return
        except (wandb.errors.Error, ValueError) as error:  # the latter from its check of variables' types
            raise InvalidConfig(
                f"W&B refuses to start ({' '.join(str(error).split())}); correct its variables, WANDB_..., "
                "in the environment or in .env, or the sweep's project; or set tracking to off"
            ) from error
        tracker = WandbTracker(run, run_id=run_id, runs_folder=folder.parent)
        try:
            yield tracker
        except BaseException:
            tracker.finish(exit_code=1)
            raise
        tracker.finish()
    if not (run.offline or tracker.is_lost):
        shutil.rmtree(staging, ignore_errors=True)


def tell_again(folder: Path, mode: str) -> None:
    """Send a complete run's numbers again, for an agent of W&B that has just asked for this very run."""
    from lost_and_found.training.runs import read_metrics  # here, because it imports torch

    config, summary = (read_json(folder / name) for name in ("config.json", "summary.json"))
    with tracked(mode, run_id=folder.name, config=config, folder=folder) as tracker:
        for row in read_metrics(folder).to_dict("records"):
            tracker.log({str(name): value for name, value in row.items()})
        tracker.summarise(summary)


def agent_waits() -> bool:
    """Whether this process was started by an agent of W&B, which gave the run its id."""
    return bool(os.environ.get("WANDB_RUN_ID"))


def _project() -> str:
    """Where runs go in W&B; a variable that is set but empty names no project."""
    return os.environ.get("WANDB_PROJECT") or PROJECT


def has_key() -> bool:
    """Whether the environment has a key to W&B."""
    return bool(os.environ.get("WANDB_API_KEY"))


def online_runs(dataset: str) -> list[dict[str, Any]]:
    """The finished runs of a dataset in the W&B project; none, with a warning, if W&B can't be asked.

    Returns:
        For each run its "id" (`run_id` in `tracked`), "config", "summary", and "metrics", a dict per epoch.
    """
    import wandb

    project = _project()
    entity = os.environ.get("WANDB_ENTITY")
    try:
        found = wandb.Api().runs(
            f"{entity}/{project}" if entity else project,
            filters={"config.dataset": dataset, "state": "finished"},
            lazy=False,  # else each run is asked for again
        )
        return [
            {
                "id": run.name,
                "config": dict(run.config),
                "summary": dict(run.summary),
                "metrics": by_epoch(run.history(samples=MOST_EPOCHS, pandas=False)),
            }
            for run in found
        ]
    except Exception as error:  # W&B's client raises errors of several kinds, not all of its own
        warnings.warn(f"W&B can't be asked for runs of {project} ({error})", stacklevel=2)
        return []


def by_epoch(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The last row of each epoch, in order; a resumed run may have sent an epoch twice."""
    last = {row["epoch"]: dict(row) for row in rows if row.get("epoch") is not None}
    return [last[epoch] for epoch in sorted(last)]


def allowed_name(name: str) -> str:
    """The name in the characters and length that W&B accepts for runs and artifacts.

    Names here end in a digest, so they are cut at the front.
    """
    return re.sub(r"[^A-Za-z0-9_.-]", "_", name)[-LONGEST_NAME:]


def _test_artifact(cache: Path) -> Any:  # noqa: ANN401 - see above
    return _artifact(cache.name, "dataset", [cache / name for name in TEST_FILES])


def _artifact(name: str, kind: str, files: Iterable[Path]) -> Any:  # noqa: ANN401 - see above
    import wandb

    artifact = wandb.Artifact(allowed_name(name), type=kind)
    for file in files:
        artifact.add_file(str(file), name=file.name, skip_cache=True)  # the cache is in the user's home
    return artifact


def _start(mode: Any, *, run_id: str, config: Mapping[str, Any], folder: Path) -> Any:  # noqa: ANN401 - see above
    import wandb  # here, because it takes a second and starts threads

    arguments: dict[str, Any] = {
        "project": _project(),
        "name": run_id,
        # An agent of a sweep has given the run its id already.
        "id": os.environ.get("WANDB_RUN_ID") or allowed_name(run_id),
        "resume": "allow",
        "config": dict(config),
        "dir": folder,
        "settings": wandb.Settings(
            silent=True,
            console="off",
            symlink=False,
            disable_git=True,
            disable_code=True,
            finish_timeout=FINISH_S,
            finish_timeout_raises=True,
        ),
    }
    hook = sys.excepthook
    try:
        run = wandb.init(mode=mode, **arguments)
    except wandb.errors.Error as error:
        if mode != "online":
            raise
        # A night of training is worth more than tracking it online; the files can be sent later.
        warnings.warn(
            f"W&B can't be reached ({error}); tracking offline, `scripts/sync-runs` sends it later",
            stacklevel=3,
        )
        wandb.teardown()  # else its helper still has the run of that name, and refuses another
        run = wandb.init(mode="offline", **arguments)
    sys.excepthook = hook  # W&B's shows every error's traceback; `finish` reports how the run ended
    # W&B's own steps run ahead of the epochs when training resumes from an earlier epoch.
    run.define_metric("epoch")
    run.define_metric("*", step_metric="epoch")
    return run


@contextmanager
def _data_folder(folder: Path) -> Iterator[None]:
    """Have W&B copy artifacts' files to this folder instead of the user's home."""
    name = "WANDB_DATA_DIR"
    if name in os.environ:
        yield
        return
    os.environ[name] = str(folder.absolute())
    try:
        yield
    finally:
        del os.environ[name]
