import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from made_splits import make_split
from made_trainings import interrupted_training

import lost_and_found
from lost_and_found.errors import InvalidConfig
from lost_and_found.training.config import TrainingConfig
from lost_and_found.training.runs import FILES
from lost_and_found.training.tracking import LONGEST_NAME, allowed_name, by_epoch, tracked
from lost_and_found.training.trainer import train_run

HEADER = 7  # bytes before the first record of W&B's file

pytestmark = pytest.mark.usefixtures("no_wandb")


def inspect(file: Path, *options: str) -> str:
    """What W&B itself reads from an offline run."""
    command = [sys.executable, "-m", "wandb", "leet", "inspect", *options, str(file)]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=file.parent).stdout


def records(folder: Path) -> list[dict]:
    """All records of the only offline run in a run folder."""
    (file,) = folder.glob("wandb/offline-run-*/*.wandb")
    return [json.loads(line) for line in inspect(file, "--json").splitlines()]


def epochs(folder: Path) -> list[int]:
    """The epochs in the history of the only offline run in a run folder."""
    return [one["history"]["item"]["epoch"] for one in records(folder) if one["type"] == "history"]


def artifacts(folder: Path) -> dict[str, dict]:
    """Artifacts in the offline run of a run folder, by name."""
    found = [one["artifact"] for one in records(folder) if one["type"] == "artifact"]
    return {one["name"]: one for one in found}


def test_what_somebody_else_noted_in_a_run_is_no_epoch_of_it():
    rows = [{"epoch": 2, "loss": 0.5}, {"note": "by hand"}, {"epoch": None, "loss": 3.0}, {"epoch": 1}]
    assert by_epoch(rows) == [{"epoch": 1}, {"epoch": 2, "loss": 0.5}]


@pytest.fixture
def test_split(tmp_path) -> Path:
    """A folder like that of a pixel cache."""
    folder = tmp_path / "pixels" / "made.test-4x3-0123456789ab"
    folder.mkdir(parents=True)
    (folder / "cache.json").write_text('{"list_name": "made.test"}')
    (folder / "labels.csv").write_text("id,country_code\na,NA\n")
    np.save(folder / "pixels.npy", np.zeros((1, 3, 3, 4), np.uint8))
    return folder


def finish_run(runs: Path, run_id: str, *, mode: str = "offline", test: Path | None = None) -> Path:
    """Do as training does: fill a hidden folder while tracking, and rename it."""
    partial = runs / f".{run_id}.partial"
    partial.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        (partial / name).write_text(f"{name} of {run_id}")
    with tracked(mode, run_id=run_id, config={"seed": 7}, folder=partial) as tracker:
        tracker.log({"epoch": 1, "val/top1": 0.25})
        tracker.summarise({"best_epoch": 1})
        tracker.keep(partial, test=test)
    return partial.rename(runs / run_id)


def test_an_offline_run_holds_what_was_logged(tmp_path):
    with tracked("auto", run_id="made", config={"seed": 7}, folder=tmp_path) as tracker:
        tracker.log({"epoch": 1, "val/top1": 0.25})
        tracker.log({"epoch": 2, "val/top1": 0.5})
        tracker.summarise({"best_epoch": 2})
    assert "WANDB_DATA_DIR" not in os.environ
    (file,) = (tmp_path / "wandb").glob("offline-run-*/*.wandb")
    logged = json.loads(inspect(file, "--summary", "--json"))
    assert (logged["name"], logged["config"], logged["state"]) == ("made", {"seed": 7}, "finished")
    assert (logged["summary"]["val/top1"], logged["summary"]["best_epoch"]) == (0.5, 2)


def test_copies_of_a_runs_files_are_where_its_offline_record_says_after_it_was_renamed(tmp_path):
    folder = finish_run(tmp_path / "runs", "made")
    artifact = artifacts(folder)["made"]
    assert artifact["type"] == "model"
    entries = {entry["path"]: Path(entry["local_path"]) for entry in artifact["manifest"]["contents"]}
    assert set(entries) == set(FILES)
    assert entries["labels.json"].read_text() == "labels.json of made"
    assert {path.is_relative_to(tmp_path / "runs") for path in entries.values()} == {True}


def test_the_test_split_is_kept_with_the_first_run_and_named_by_the_second(tmp_path, test_split):
    runs = tmp_path / "runs"
    first, second = (finish_run(runs, name, test=test_split) for name in ("first", "second"))
    artifact = artifacts(first)[test_split.name]
    assert artifact["type"] == "dataset"
    entries = {entry["path"]: Path(entry["local_path"]) for entry in artifact["manifest"]["contents"]}
    assert set(entries) == {"cache.json", "labels.csv", "pixels.npy"}
    assert digest_of(entries["pixels.npy"]) == digest_of(test_split / "pixels.npy")
    assert set(artifacts(second)) == {"second"}
    (file,) = second.glob("wandb/offline-run-*/*.wandb")
    link = {"test_split": test_split.name, "test_split_run": "first"}
    assert json.loads(inspect(file, "--summary", "--json"))["config"] == {"seed": 7, **link}


def digest_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_test_split_is_kept_again_when_the_run_that_held_it_is_gone(tmp_path, test_split):
    runs = tmp_path / "runs"
    first = finish_run(runs, "first", test=test_split)
    first.rename(tmp_path / "elsewhere")
    second = finish_run(runs, "second", test=test_split)
    assert set(artifacts(second)) == {"second", test_split.name}


def test_a_run_that_is_begun_anew_loses_the_copies_of_the_former_attempt(tmp_path):
    runs = tmp_path / "runs"
    former = finish_run(runs, "made")
    copies = set((runs / ".wandb").rglob("tmp*"))
    assert len(copies) == len(FILES)
    former.rename(tmp_path / "elsewhere")
    finish_run(runs, "made")
    assert not copies & set((runs / ".wandb").rglob("tmp*"))


def test_a_run_that_is_taken_up_again_has_one_id_in_both_parts(tmp_path):
    for epoch in (1, 2):
        with tracked("offline", run_id="made", config={}, folder=tmp_path) as tracker:
            tracker.log({"epoch": epoch})
    files = list(tmp_path.glob("wandb/offline-run-*/*.wandb"))
    assert files
    assert {json.loads(inspect(file, "--summary", "--json"))["run_id"] for file in files} == {"made"}


def test_a_run_that_is_taken_up_again_holds_every_epoch_once_whatever_the_part_before_it_holds(tmp_path):
    with tracked("offline", run_id="made", config={}, folder=tmp_path) as tracker:
        tracker.log({"epoch": 1})
    (file,) = tmp_path.glob("wandb/offline-run-*/*.wandb")
    os.truncate(file, HEADER)  # as a process leaves it that is killed in the first seconds
    other = file.parent.with_name("offline-run-20240101_000000-other")
    other.mkdir()
    file.parent.rename(file.parent.with_name("offline-run-20240101_000000-made"))
    with tracked("offline", run_id="made", config={}, folder=tmp_path) as tracker:
        tracker.catch_up([{"epoch": 1}, {"epoch": 2}])
        tracker.log({"epoch": 3})
    other.rmdir()
    assert epochs(tmp_path) == [1, 2, 3]


def test_a_training_that_is_resumed_tells_of_the_epochs_before(tmp_path, monkeypatch):
    split = make_split(tmp_path, count=8)
    config = TrainingConfig(
        dataset="made", architecture="mobilenet_v3_small", width=64, height=40, batch_size=4, epochs=2
    )
    interrupted_training(config, split, tmp_path / "runs", monkeypatch, steps=3)
    run = train_run(config, train=split, val=split, folder=tmp_path / "runs", tracking="offline")
    assert run.summary["resumed"]
    assert epochs(run.folder) == [1, 2]


def test_a_run_without_room_for_copies_is_complete_all_the_same(tmp_path):
    (tmp_path / "runs" / ".wandb").mkdir(parents=True)
    (tmp_path / "runs" / ".wandb" / "made").write_text("in the way of a folder")
    with pytest.warns(UserWarning, match="W&B has not received all files of made"):
        folder = finish_run(tmp_path / "runs", "made")
    assert set(FILES) <= {path.name for path in folder.iterdir()}


def test_tracking_can_be_off(tmp_path, test_split):
    folder = finish_run(tmp_path / "runs", "made", mode="off", test=test_split)
    assert {path.name for path in folder.iterdir()} == set(FILES)
    assert {path.name for path in folder.parent.iterdir()} == {"made"}


def test_an_unknown_mode_is_refused(tmp_path):
    with (
        pytest.raises(InvalidConfig, match="auto, online, offline, off"),
        tracked("loud", run_id="made", config={}, folder=tmp_path),
    ):
        pass


def test_a_variable_that_is_empty_names_no_project(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_PROJECT", "")
    with tracked("offline", run_id="made", config={}, folder=tmp_path):
        pass
    (run,) = [one["run"] for one in records(tmp_path) if one["type"] == "run"]
    assert run["project"] == "lost-and-found"


@pytest.mark.parametrize("mode", ["auto", "offline"])
def test_an_unknown_mode_in_the_environment_is_named_with_those_that_w_and_b_knows(
    tmp_path, monkeypatch, mode
):
    monkeypatch.setenv("WANDB_MODE", "ofline")
    with (
        pytest.raises(InvalidConfig, match="WANDB_MODE is 'ofline'; W&B knows online, offline, shared, "),
        tracked(mode, run_id="made", config={}, folder=tmp_path),
    ):
        pass
    with tracked("off", run_id="made", config={}, folder=tmp_path):  # which doesn't ask W&B
        pass


@pytest.mark.parametrize(
    ("mode", "variable", "value", "problem"),
    [
        ("auto", "PROJECT", "team/project", "Invalid project name 'team/project'"),
        ("online", "PROJECT", "team/project", "Invalid project name 'team/project'"),
        ("auto", "SILENT", "maybe", "silent Input should be a valid boolean"),
        ("auto", "MODE", "", "W&B knows online, offline"),
        ("auto", "MODE", "run", "No API key"),
    ],
)
@pytest.mark.filterwarnings("ignore:W&B can't be reached")
def test_what_wandb_refuses_is_said_with_what_to_correct(
    tmp_path, monkeypatch, mode, variable, value, problem
):
    monkeypatch.setenv(f"WANDB_{variable}", value)
    with (
        pytest.raises(InvalidConfig, match=rf"{problem}[\s\S]*; correct"),
        tracked(mode, run_id="made", config={}, folder=tmp_path),
    ):
        pass


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("practice.test-130x80-0123456789ab", "practice.test-130x80-0123456789ab"),
        ("my photos #2: Åland-1a2b", "my_photos__2___land-1a2b"),
        ("x" * 200 + "-1a2b", "x" * (LONGEST_NAME - 5) + "-1a2b"),
    ],
)
def test_names_are_made_fit_for_wandb_and_keep_their_digest(name, allowed):
    assert allowed_name(name) == allowed


def test_only_tracking_imports_wandb_and_only_when_a_run_starts():
    package = Path(lost_and_found.__file__).parent
    importers = [path.name for path in package.rglob("*.py") if "import wandb" in path.read_text()]
    assert importers == ["tracking.py"]
    code = "import sys, lost_and_found.training.tracking; sys.exit('wandb' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_training_goes_on_when_the_helper_of_wandb_dies(tmp_path):
    code = """
import contextlib, os, signal, sys, time, warnings
from pathlib import Path
import psutil
from lost_and_found.training.tracking import tracked

with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    with tracked("offline", run_id="made-1", config={}, folder=Path(sys.argv[1])) as tracker:
        tracker.log({"epoch": 1})
        helpers = psutil.Process().children(recursive=True)
        for helper in helpers:
            with contextlib.suppress(psutil.NoSuchProcess):  # one ends by itself when the other is gone
                helper.kill()
        psutil.wait_procs(helpers)
        for epoch in range(2, 6):
            tracker.log({"epoch": epoch})
            time.sleep(0.2)
        tracker.summarise({"best": 1})
        tracker.keep(Path(sys.argv[1]), test=None)
    with tracked("offline", run_id="made-2", config={}, folder=Path(sys.argv[1])) as tracker:
        tracker.log({"epoch": 1})
    texts = " ".join(str(one.message) for one in said)
print(len(helpers) > 0, texts.count("W&B is lost"), texts.count("made-2 goes on without it"), flush=True)
"""
    (tmp_path / "made-1").mkdir()
    # Without the helper of this process, which W&B would share.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    command = [sys.executable, "-c", code, str(tmp_path / "made-1")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
    assert done.stdout.splitlines()[-1:] == ["True 1 1"], done.stderr
