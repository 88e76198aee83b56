import json
import os
import subprocess
import sys

import pytest

from lost_and_found.errors import InvalidConfig
from lost_and_found.training.tracking import tracked


def test_an_offline_run_holds_what_was_logged(tmp_path, monkeypatch):
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    with tracked("auto", run_id="made", config={"seed": 7}, folder=tmp_path) as tracker:
        tracker.log({"epoch": 1, "val/top1": 0.25})
        tracker.log({"epoch": 2, "val/top1": 0.5})
        tracker.summarise({"best_epoch": 2})
    assert "WANDB_DATA_DIR" not in os.environ
    (file,) = (tmp_path / "wandb").glob("offline-run-*/*.wandb")
    command = ["wandb", "leet", "inspect", "--summary", "--json", str(file.parent)]
    answer = subprocess.run(
        [sys.executable, "-m", *command], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    summary = json.loads(answer.stdout)
    assert "0.5" in answer.stdout, summary


def test_tracking_can_be_off(tmp_path):
    with tracked("off", run_id="made", config={}, folder=tmp_path) as tracker:
        tracker.log({"epoch": 1})
        tracker.summarise({})
    assert not list(tmp_path.iterdir())


def test_an_unknown_mode_is_refused(tmp_path):
    with (
        pytest.raises(InvalidConfig, match="auto, online, offline, off"),
        tracked("loud", run_id="made", config={}, folder=tmp_path),
    ):
        pass


def test_importing_the_trainer_does_not_import_wandb():
    code = "import sys, lost_and_found.training.trainer; sys.exit('wandb' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
