import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import lost_and_found
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
    logged = json.loads(answer.stdout)
    assert (logged["name"], logged["config"], logged["state"]) == ("made", {"seed": 7}, "finished")
    assert logged["step"] == 2
    assert (logged["summary"]["val/top1"], logged["summary"]["best_epoch"]) == (0.5, 2)


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


def test_only_tracking_imports_wandb_and_only_when_a_run_starts():
    package = Path(lost_and_found.__file__).parent
    importers = [path.name for path in package.rglob("*.py") if "import wandb" in path.read_text()]
    assert importers == ["tracking.py"]
    code = "import sys, lost_and_found.training.tracking; sys.exit('wandb' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
