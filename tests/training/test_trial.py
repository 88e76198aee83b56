"""One trial of a sweep, as a sweep's command starts it."""

import dataclasses
import json

import pytest
from made_workspace import DATASET, make_workspace

from lost_and_found.training import trial
from lost_and_found.training.config import TrainingConfig
from lost_and_found.training.runs import ASKED_FOR, is_complete, load_run
from lost_and_found.training.sweeps import OTHER_METRICS

QUICK = [
    f"--dataset={DATASET}",
    "--tracking=off",
    "--architecture=mobilenet_v3_small",
    "--width=64",
    "--height=40",
    "--batch_size=4",
    "--epochs=1",
    "--device=cpu",
]


@pytest.fixture
def result(tmp_path, monkeypatch):
    """The file in which a trial reports its result."""
    file = tmp_path / "result.json"
    monkeypatch.setenv(trial.RESULT_VARIABLE, str(file))
    return file


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    return make_workspace(tmp_path_factory.mktemp("workspace"))


def test_a_trial_leaves_the_run_that_the_notebook_would_and_reports_it(workspace, result, capsys):
    assert trial.main([*QUICK, f"--root={workspace.root}", "--learning_rate=1e-3", "--target=country"]) == 0
    said = json.loads(result.read_text())
    output = workspace.root / "3-training" / "01-train-model" / DATASET
    cached = {path.name.split("-")[0] for path in (output / "pixels").glob("[!.]*")}
    assert cached == {"made.train", "made.val", "made.test"}
    run = load_run(output / "runs" / said["run"], device="cpu")
    assert (run.config.learning_rate, run.config.target, run.config.epochs) == (1e-3, "country", 1)
    assert (said["status"], said["reason"]) == ("finished", "")
    assert not (run.folder / ASKED_FOR).exists()
    assert said["summary"] == run.summary
    assert set(OTHER_METRICS) <= set(run.summary)
    assert f"{run.id}: val/top1 {run.summary['val/top1']:.4f}" in capsys.readouterr().out


def test_a_training_that_fails_says_why(workspace, result, capsys):
    assert trial.main([*QUICK, f"--root={workspace.root}", "--learning_rate=1e30"]) == 1
    assert "error: " in capsys.readouterr().err
    said = json.loads(result.read_text())
    assert (said["status"], said["error"], said["run"], said["summary"]) == ("failed", "NotFinite", "", {})
    assert "learning_rate" in said["reason"]
    runs = workspace.root / "3-training" / "01-train-model" / DATASET / "runs"
    settings = [
        json.loads((path / "config.json").read_text()) for path in runs.glob("*") if is_complete(path)
    ]
    assert 1e30 not in {one["learning_rate"] for one in settings}


def test_a_workspace_without_lists_is_named(tmp_path, result):
    assert trial.main([*QUICK, f"--root={tmp_path}"]) == 1
    assert json.loads(result.read_text())["error"] == "MissingInput"


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--learning_rat=0.1", "unrecognized arguments: --learning_rat=0.1"),
        ("--epochs=2.5", "argument --epochs: '2.5' is not of type int"),
        ("--deterministic=yes", "argument --deterministic: 'yes' is not of type bool"),
    ],
)
def test_an_argument_that_is_no_setting_is_wrong_usage(argument, message, result, capsys):
    with pytest.raises(SystemExit) as stopped:
        trial.main([argument])
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err
    assert not result.exists()


def test_every_setting_can_be_given_as_text_and_has_its_type():
    config = TrainingConfig(dataset="made", deterministic=True, tau_km=10, seed=3, learning_rate=1e-05)
    given = [f"--{name}={value}" for name, value in config.to_json().items()]
    assert vars(trial.trial_parser().parse_args(given)) == config.to_json()


def test_only_what_is_given_is_set():
    assert vars(trial.trial_parser().parse_args([])) == {}
    names = {field.name for field in dataclasses.fields(TrainingConfig)}
    assert not names & set(trial.PLACES)
