"""What was tracked offline is sent to a small stand-in for W&B, by W&B's own command."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lost_and_found.errors import MissingInput
from lost_and_found.signals import STOPPED
from lost_and_found.training import sync
from lost_and_found.training.runs import FILES
from lost_and_found.training.tracking import tracked

KEY = "a" * 40


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path, server):
    """No key, no `.env`, and no service but the stand-in."""
    monkeypatch.setattr(sync, "REPOSITORY", tmp_path / "repository")


def track(folder: Path, run_id: str, epochs: range, *, keep: bool) -> None:
    """A part of a run's training, as old as possible so that a later part can't have its name."""
    with tracked("offline", run_id=run_id, config={}, folder=folder) as tracker:
        for epoch in epochs:
            tracker.log({"epoch": epoch})
        if keep:
            tracker.keep(folder, test=None)
    newest = max((folder / "wandb").glob("offline-run-*"))
    parts = len(list((folder / "wandb").iterdir()))
    newest.rename(newest.with_name(f"offline-run-20240101_00000{parts}-{run_id}"))


@pytest.fixture
def root(tmp_path) -> Path:
    """A workspace with a run that was trained in two parts, another dataset's, and an interrupted one."""
    for dataset, run_id, parts in (("made", "two", 2), ("other", "one", 1)):
        runs = tmp_path / "3-training" / "01-train-model" / dataset / "runs"
        partial = runs / f".{run_id}.partial"
        partial.mkdir(parents=True)
        for name in FILES:
            (partial / name).write_text(f"{name} of {run_id}")
        for part in range(parts):
            track(partial, run_id, range(2 * part + 1, 2 * part + 3), keep=part == parts - 1)
        partial.rename(runs / run_id)
    interrupted = tmp_path / "3-training/01-train-model/made/runs/.three.partial"
    interrupted.mkdir()
    track(interrupted, "three", range(1, 2), keep=False)
    return tmp_path


def test_a_dry_run_lists_what_would_be_sent_and_sends_nothing(root, server, capsys):
    assert sync.main(["--dry-run", "--root", str(root)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert sum("would send" in line and "/made/runs/two/wandb/offline-run-" in line for line in said) == 2
    assert sum("would send" in line and "/other/runs/one/" in line for line in said) == 1
    assert sum("left alone" in line and ".three.partial" in line for line in said) == 1
    assert len(said) == 4
    assert server.runs == {}


def test_without_a_key_nothing_is_sent_and_the_error_says_how_to_get_one(root, server, capsys):
    assert sync.main(["--root", str(root)]) == 1
    assert "set WANDB_API_KEY in the environment or in " in capsys.readouterr().err
    assert server.runs == {}


def test_runs_are_sent_once_with_their_files_and_parts_become_one_run(root, server, monkeypatch, capfd):
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    assert sync.main(["--root", str(root), "--dataset", "made"]) == 0
    assert {name: [row["epoch"] for row in rows] for name, rows in server.runs.items()} == {
        "two": [1, 2, 3, 4]
    }
    assert server.artifacts == {("model", "two")}
    assert {name for _, name in server.files} == set(FILES)
    assert server.files["two", "labels.json"] == b"labels.json of two"
    runs = root / "3-training/01-train-model/made/runs"
    assert not (runs / ".wandb" / "two").exists()  # the copies
    assert "1 of 1 runs sent" in capfd.readouterr().out
    assert sync.main(["--root", str(root), "--dry-run", "--dataset", "made"]) == 0
    assert "nothing is left to send" in capfd.readouterr().out


def test_a_part_in_which_wandb_noted_nothing_does_not_keep_the_others_from_being_sent(
    root, server, monkeypatch
):
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    first, _ = sorted(root.glob("3-training/*/made/runs/two/wandb/offline-run-*/*.wandb"))
    os.truncate(first, 7)
    assert sync.main(["--root", str(root), "--dataset", "made"]) == 0
    assert [row["epoch"] for row in server.runs["two"]] == [3, 4]
    assert not sync.unsent_runs(root, dataset="made")


def test_a_run_that_could_not_be_sent_is_named_and_stays_to_be_sent(root, server, monkeypatch, capfd):
    monkeypatch.setenv("WANDB_API_KEY", "too short")
    assert sync.main(["--root", str(root), "--dataset", "other"]) == 1
    assert (
        "error: not sent: " + str(root / "3-training/01-train-model/other/runs/one") in capfd.readouterr().err
    )
    assert len(sync.unsent_runs(root, dataset="other")) == 1
    assert server.runs == {}


def test_a_key_in_the_dotenv_file_counts_and_the_environment_goes_before_it(tmp_path, monkeypatch):
    dotenv = tmp_path / ".env"
    dotenv.write_text(f"WANDB_API_KEY={KEY}\nWANDB_PROJECT=ours\n")
    monkeypatch.setenv("WANDB_PROJECT", "mine")
    found = sync.key_environment(dotenv)
    assert (found["WANDB_API_KEY"], found["WANDB_PROJECT"]) == (KEY, "mine")


@pytest.mark.parametrize("dataset", ["", "absent"])
def test_no_runs_at_all_is_an_error_that_names_the_notebook(tmp_path, dataset):
    with pytest.raises(MissingInput, match=r"3-training/01-train-model\.ipynb"):
        sync.unsent_runs(tmp_path, dataset=dataset)


def test_a_run_is_not_sent_while_its_copies_are_there_whatever_wandb_has_marked(root, server, monkeypatch):
    # W&B marks a run before it is known which of its files arrived, and whoever sends it may be killed then.
    for file in root.rglob("*/one/wandb/offline-run-*/*.wandb"):
        file.with_suffix(".wandb.synced").touch()
    assert len(sync.unsent_runs(root, dataset="other")) == 1
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    assert sync.main(["--root", str(root), "--dataset", "other"]) == 0
    assert sync.unsent_runs(root, dataset="other") == {}
    assert {name for _, name in server.files} == set(FILES)


def test_a_run_whose_files_are_refused_is_not_sent_and_keeps_the_copies(root, server, monkeypatch, capfd):
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    server.refuses = True
    assert sync.main(["--root", str(root), "--dataset", "other"]) == 1
    assert "403 Forbidden" in capfd.readouterr().err
    copies = (root / "3-training/01-train-model/other/runs/.wandb/one").rglob("tmp*")
    assert len(list(copies)) == len(FILES)
    server.refuses = False
    assert sync.main(["--root", str(root), "--dataset", "other"]) == 0
    assert {name for _, name in server.files} == set(FILES)
    # W&B appends what is sent again; by epoch, the axis of all charts, these are the same points.
    assert {row["epoch"] for row in server.runs["one"]} == {1, 2}


def test_sigterm_ends_it_with_a_word_on_how_to_go_on():
    program = (
        "import sys, time\nfrom lost_and_found.training import sync\n"
        "sync.send_all = lambda *_, **__: (print('begun', flush=True), time.sleep(60))\n"
        "sys.exit(sync.main([]))"
    )
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", program], stdout=pipe, stderr=pipe, text=True) as running:
        while running.stdout.readline() != "begun\n":
            assert running.poll() is None
        running.terminate()
        assert running.stderr.read() == f"{STOPPED}\n"
    assert running.returncode == 143
