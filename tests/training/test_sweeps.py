"""The local agent: what it starts, keeps, refuses and resumes."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from made_workspace import DATASET, make_workspace

from lost_and_found.errors import FolderInUse, InvalidConfig, LostAndFoundError
from lost_and_found.locks import sole_writer
from lost_and_found.training.runs import load_run
from lost_and_found.training.sweep_files import read_sweep
from lost_and_found.training.sweeps import TRIAL, expand, main, run_sweep, trial_environment
from lost_and_found.training.trial_log import Trial, append_trial, ranking, read_trials
from lost_and_found.workspace import REPOSITORY

pytestmark = pytest.mark.usefixtures("no_wandb")

# A program that a sweep may call, much quicker than training: it reports -(x - 3)² or does what `does` says.
PROGRAM = """
import json, os, signal, sys, time
given = dict(word.removeprefix("--").split("=", 1) for word in sys.argv[1:])
x, does = float(given["x"]), given.get("does", "")
print("given", sorted(given))
if does == "usage":
    sys.exit(2)
if does == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
if does == "stopped":
    sys.exit(143)
if does == "silent":
    sys.exit(0)
error, reason = {"diverges": ("NotFinite", "the loss is nan"), "full": ("StorageFull", "no room"),
                 "odd": ("ZeroDivisionError", "odd"),
                 "misfit": ("InvalidConfig", "does is 'misfit'; allowed are others"),
                 "wrong": ("InvalidConfig", "schedule is 'wrong'; allowed are constant, step, cosine"),
                 "unfit": ("UnfitWeights", "the weights don't fit")}.get(does, ("", ""))
names = ("WANDB_RUN_GROUP", "WANDB_PROJECT", "WANDB_SWEEP_ID", "WANDB_SWEEP_PARAM_PATH")
summary = {"val/top1": -(x - 3) ** 2, "argv": sys.orig_argv, "wandb": {n: os.environ.get(n) for n in names}}
if not error and "started" in given:
    open(given["started"], "w").close()
    time.sleep(60)
result = {"run": f"run-{x:g}", "status": "failed" if error else "finished", "error": error, "reason": reason}
with open(os.environ["LOST_AND_FOUND_TRIAL_RESULT"], "w") as file:
    json.dump(result | {"summary": {} if error else summary}, file)
"""


@pytest.fixture
def write_sweep(tmp_path):
    """Writes a sweep over `x`, and whatever else is named, that calls the program above."""

    def write(*, command=None, method="grid", **parameters):
        (tmp_path / "program.py").write_text(PROGRAM)
        content = {
            "program": str(tmp_path / "program.py"),
            "project": "made-project",
            "method": method,
            "metric": {"name": "val/top1", "goal": "maximize"},
            "parameters": {"x": {"values": [1, 3, 2]}, **parameters},
        }
        if command:
            content["command"] = command
        path = tmp_path / "made.yaml"
        path.write_text(yaml.safe_dump(content, sort_keys=False))
        return path

    return write


def result_of(folder, number):
    return json.loads((folder / "trials" / str(number) / "result.json").read_text())


def test_a_goal_that_is_none_is_refused_instead_of_putting_the_worst_first():
    trials = [Trial(number=1, parameters={}, metric=0.1), Trial(number=2, parameters={}, metric=0.9)]
    assert ranking(trials, "maximize")["trial"].tolist() == [2, 1]
    with pytest.raises(InvalidConfig, match="goal is 'max'; allowed are maximize, minimize"):
        ranking(trials, "max")


def test_a_sweep_without_a_trial_has_an_empty_ranking(tmp_path):
    table = ranking(read_trials(tmp_path / "nowhere"), "maximize")
    one = ranking([Trial(number=1, parameters={}, metric=0.1)], "maximize")
    assert (len(table), [*table]) == (0, [*one])


def test_a_sweep_runs_all_trials_and_ranks_them(write_sweep, tmp_path):
    sweep, folder = read_sweep(write_sweep()), tmp_path / "folder"
    trials = run_sweep(sweep, folder=folder)
    assert [(one.number, one.parameters, one.metric, one.run) for one in trials] == [
        (1, {"x": 1}, -4.0, "run-1"),
        (2, {"x": 3}, 0.0, "run-3"),
        (3, {"x": 2}, -1.0, "run-2"),
    ]
    assert read_trials(folder) == trials
    table = ranking(trials, sweep.goal)
    assert table["run"].tolist() == ["run-3", "run-2", "run-1"]
    assert table["rank"].tolist() == [1, 2, 3]
    assert "given ['x']" in (folder / "trials" / "1" / "output.log").read_text()


def test_a_limit_ends_a_sweep_and_a_higher_one_goes_on(write_sweep, tmp_path):
    sweep, folder = read_sweep(write_sweep()), tmp_path / "folder"
    first = run_sweep(sweep, folder=folder, limit=1)
    before = result_of(folder, 1)
    assert (len(first), len(run_sweep(sweep, folder=folder, limit=2))) == (1, 2)
    assert run_sweep(sweep, folder=folder)[:1] == first
    assert result_of(folder, 1) == before


@pytest.mark.parametrize("method", ["random", "bayes"])
def test_a_search_that_was_stopped_goes_on_as_if_it_had_not_been(write_sweep, tmp_path, method):
    sweep = read_sweep(write_sweep(method=method, y={"min": 0.0, "max": 1.0}))
    through = run_sweep(sweep, folder=tmp_path / "through", limit=6)
    run_sweep(sweep, folder=tmp_path / "stopped", limit=3)
    again = run_sweep(sweep, folder=tmp_path / "stopped", limit=6)
    assert [one.parameters for one in again] == [one.parameters for one in through]


def test_a_trial_whose_metric_is_no_finite_number_has_failed_and_the_sweep_goes_on(write_sweep, tmp_path):
    trials = run_sweep(read_sweep(write_sweep(x={"values": ["nan", "inf", 3]})), folder=tmp_path / "folder")
    assert [(one.status, one.metric, one.reason) for one in trials] == [
        ("failed", None, "val/top1 is nan"),
        ("failed", None, "val/top1 is -inf"),
        ("finished", 0.0, ""),
    ]
    assert read_trials(tmp_path / "folder") == trials


def test_trials_that_fail_by_their_parameters_are_kept_with_the_reason(write_sweep, tmp_path):
    does = {"values": ["diverges", "unfit", "misfit", "killed", "fine"]}
    sweep = read_sweep(write_sweep(x={"value": 1}, does=does, architecture={"values": ["resnet18"]}))
    trials = run_sweep(sweep, folder=tmp_path / "folder")
    assert [(one.status, one.reason) for one in trials] == [
        ("failed", "the loss is nan"),
        ("failed", "the weights don't fit"),
        ("failed", "does is 'misfit'; allowed are others"),
        ("failed", "killed by SIGKILL: given ['architecture', 'does', 'x']"),
        ("finished", ""),
    ]
    table = ranking(trials, sweep.goal)
    assert table["does"].tolist() == ["fine", "diverges", "unfit", "misfit", "killed"]
    assert table["rank"].isna().tolist() == [False, True, True, True, True]


@pytest.mark.parametrize(
    ("does", "error", "message"),
    [
        ("full", LostAndFoundError, "trial 2: no room"),
        ("odd", LostAndFoundError, r"trial 2: odd; its full output is in .*output\.log"),
        ("unfit", LostAndFoundError, "trial 2: the weights don't fit"),
        ("wrong", LostAndFoundError, "trial 2: schedule is 'wrong'; allowed are"),
        ("silent", LostAndFoundError, r"trial 2 ended without a result \(exit status 0: given"),
        ("stopped", LostAndFoundError, "trial 2 was stopped; run the same command again to resume"),
        ("usage", InvalidConfig, r"trial 2 doesn't understand the sweep's command \(exit status 2"),
    ],
)
def test_what_would_hit_every_trial_stops_the_sweep_and_counts_for_none(
    write_sweep, tmp_path, does, error, message
):
    sweep = read_sweep(write_sweep(x={"value": 1}, does={"values": ["fine", does]}))
    with pytest.raises(error, match=message):
        run_sweep(sweep, folder=tmp_path / "folder")
    assert [one.number for one in read_trials(tmp_path / "folder")] == [1]


def test_a_metric_that_the_runs_lack_is_named_with_those_they_have(write_sweep, tmp_path):
    path = write_sweep()
    path.write_text(path.read_text().replace("name: val/top1", "name: val/km"))
    with pytest.raises(InvalidConfig, match="have no metric val/km; they have val/top1"):
        run_sweep(read_sweep(path), folder=tmp_path / "folder")


@pytest.mark.parametrize(
    ("metric", "targets", "problem"),
    [
        (
            "val/accuracy",
            None,
            "which predict country, have no metric val/accuracy; they have val/loss, val/top1",
        ),
        ("top1", ["region"], "which predict region, have no metric top1; they have val/loss, val/top1, "),
        ("val/top1", ["country", "coordinates"], "which predict coordinates, have no metric val/top1; "),
    ],
)
def test_a_metric_that_a_training_does_not_report_is_told_before_the_first(
    write_sweep, tmp_path, metric, targets, problem
):
    target = {"target": {"values": targets}} if targets else {}
    path = write_sweep(command=["${interpreter}", "-m", TRIAL, "${args}"], **target)
    path.write_text(path.read_text().replace("name: val/top1", f"name: {metric}"))
    with pytest.raises(InvalidConfig, match=problem):
        run_sweep(read_sweep(path), folder=tmp_path / "folder")
    assert not (tmp_path / "folder").exists()


@pytest.mark.parametrize("command", [["${interpreter}", "-m", TRIAL, "${args}"], None])
def test_words_that_yaml_reads_as_booleans_are_told_when_the_sweep_is_read(write_sweep, tmp_path, command):
    settings = {"deterministic": {"value": True}, "dataset": {"value": 1}}
    path = write_sweep(command=command, compile={"values": [False, True]}, **settings)
    text = path.read_text().replace("- false", "- off").replace("- true", "- on")
    path.write_text(text.replace(str(tmp_path / "program.py"), "lost_and_found/training/trial.py"))
    with pytest.raises(InvalidConfig, match=r"parameter compile has a boolean.*; put them in quotes"):
        read_sweep(path)
    path.write_text(path.read_text().replace("- off", "- 'off'").replace("- on", "- 'on'"))
    assert [one.values for one in read_sweep(path).parameters[1:]] == [("off", "on"), (True,), (1,)]


def test_a_program_of_ones_own_may_take_booleans(write_sweep):
    assert read_sweep(write_sweep(compile={"values": [False, True]})).varied == ["x", "compile"]


def test_a_sweep_that_was_changed_under_its_name_is_refused(write_sweep, tmp_path):
    folder = tmp_path / "folder"
    run_sweep(read_sweep(write_sweep()), folder=folder, limit=1)
    with pytest.raises(
        InvalidConfig, match="another sweep of this name, which differs in x, y; give this one"
    ):
        run_sweep(read_sweep(write_sweep(x={"values": [1, 2]}, y={"value": 1})), folder=folder)
    with pytest.raises(InvalidConfig, match="differs in seed"):
        run_sweep(read_sweep(write_sweep()), folder=folder, seed=1)


def test_a_negative_seed_is_refused_before_there_is_a_folder(write_sweep, tmp_path):
    sweep = read_sweep(write_sweep())
    with pytest.raises(InvalidConfig, match="seed is -1; it must be at least 0"):
        run_sweep(sweep, folder=tmp_path / "folder", seed=-1)
    assert not (tmp_path / "folder").exists()


def test_a_sweep_that_failed_before_its_first_trial_may_be_mended_under_its_name(write_sweep, tmp_path):
    folder = tmp_path / "folder"
    with pytest.raises(LostAndFoundError, match="schedule is 'wrong'"):
        run_sweep(read_sweep(write_sweep(does={"value": "wrong"})), folder=folder)
    assert len(run_sweep(read_sweep(write_sweep(does={"value": "fine"})), folder=folder)) == 3


def test_two_agents_never_work_on_one_sweep(write_sweep, tmp_path):
    sweep, folder = read_sweep(write_sweep()), tmp_path / "folder"
    with sole_writer(folder, wait=False), pytest.raises(FolderInUse, match="another process"):
        run_sweep(sweep, folder=folder)
    assert read_trials(folder) == []


@pytest.mark.parametrize("text", ["no json\n", '{"number": 2, "parameters": {}}\n', '{"nummer": 1}\n'])
def test_a_damaged_log_is_named(tmp_path, text):
    (tmp_path / "trials.jsonl").write_text(text)
    with pytest.raises(InvalidConfig, match=r"trials\.jsonl"):
        read_trials(tmp_path)


def test_a_reason_may_hold_any_character(tmp_path):
    trial = Trial(number=1, parameters={}, status="failed", reason="no file a\u2028b\x85c")
    append_trial(tmp_path, trial)
    assert read_trials(tmp_path) == [trial]


def test_a_variable_that_is_empty_leaves_a_trial_in_the_project_of_its_sweep(
    write_sweep, tmp_path, monkeypatch
):
    monkeypatch.setenv("WANDB_PROJECT", "")
    assert trial_environment(read_sweep(write_sweep()), tmp_path)["WANDB_PROJECT"] == "made-project"


def test_trials_go_to_the_team_of_their_sweep_unless_another_is_set(write_sweep, tmp_path, monkeypatch):
    path = write_sweep()
    path.write_text(f"entity: made-team\n{path.read_text()}")
    monkeypatch.delenv("WANDB_ENTITY", raising=False)
    assert trial_environment(read_sweep(path), tmp_path)["WANDB_ENTITY"] == "made-team"
    monkeypatch.setenv("WANDB_ENTITY", "other")
    assert trial_environment(read_sweep(path), tmp_path)["WANDB_ENTITY"] == "other"


def test_only_a_program_of_ones_own_finds_modules_in_its_folder(write_sweep, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONSAFEPATH", "1")
    for command in (None, ["${interpreter}", "mine.py", "${args}"]):
        theirs = read_sweep(write_sweep(command=command))
        assert "PYTHONSAFEPATH" not in trial_environment(theirs, tmp_path)
    ours = write_sweep(command=["${interpreter}", "-m", TRIAL, "${args}"])
    assert trial_environment(read_sweep(ours), tmp_path)["PYTHONSAFEPATH"] == "1"


def test_trials_are_grouped_in_wandb_and_belong_to_a_sweep_only_if_there_is_one(
    write_sweep, tmp_path, monkeypatch
):
    sweep = read_sweep(write_sweep())
    run_sweep(sweep, folder=tmp_path / "alone", limit=1)
    alone = {"WANDB_RUN_GROUP": "made", "WANDB_PROJECT": "made-project"}
    seen = result_of(tmp_path / "alone", 1)["summary"]["wandb"]
    assert {name: value for name, value in seen.items() if value} == alone
    monkeypatch.setenv("WANDB_SWEEP_ID", "abc123")
    run_sweep(sweep, folder=tmp_path / "within", limit=1)
    within = result_of(tmp_path / "within", 1)["summary"]["wandb"]
    assert within["WANDB_SWEEP_ID"] == "abc123"
    assert yaml.safe_load(Path(within["WANDB_SWEEP_PARAM_PATH"]).read_text()) == {"x": {"value": 1}}


PARAMETERS = {"x": 1e-05, "kind": "a b", "flag": True, "count": 3}


@pytest.mark.parametrize(
    "command",
    [
        ["${env}", "${interpreter}", "${program}", "${args}"],
        ["${interpreter}", "-u", "${program}", "--fixed=1", "${args}", "--last=2"],
        ["${env}", "${interpreter}", "${program}", "${args_no_hyphens}"],
        None,
    ],
)
def test_the_command_is_what_wandbs_own_agent_starts(write_sweep, tmp_path, monkeypatch, command):
    from wandb.wandb_agent import Agent

    sweep = read_sweep(write_sweep(command=command))
    result = tmp_path / "result.json"
    monkeypatch.setenv("LOST_AND_FOUND_TRIAL_RESULT", str(result))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    for name in ("WANDB_DIR", "WANDB_RUN_ID", "WANDB_SWEEP_PARAM_PATH"):  # the agent changes them
        monkeypatch.setenv(name, str(tmp_path))
    agent = Agent(api=None, queue=None)
    agent._sweep_command = list(sweep.command)
    values = {name: {"value": value} for name, value in PARAMETERS.items()}
    agent._command_run({"run_id": "one", "program": sweep.program, "args": values})
    agent._run_processes["one"].wait()
    theirs = json.loads(result.read_text())["summary"]["argv"]
    ours = expand(sweep.command, interpreter="python", program=sweep.program, arguments=PARAMETERS)
    assert ours[1:] == theirs if ours[0] == "/usr/bin/env" else ours == theirs


@pytest.mark.parametrize("name", ["study-grid", "bayes"])
def test_wandbs_agent_would_start_the_repositorys_sweeps_alike(name):
    from wandb.sdk.launch.sweeps.utils import create_sweep_command_args

    path = REPOSITORY / "3-training" / "sweeps" / f"{name}.yaml"
    config, sweep = yaml.safe_load(path.read_text()), read_sweep(path)
    arguments = create_sweep_command_args({"args": {key: {"value": PARAMETERS[key]} for key in PARAMETERS}})
    start = ["/usr/bin/env", "python", "-m", "lost_and_found.training.trial"]
    assert config["command"] == list(sweep.command)
    assert expand(sweep.command, interpreter="python", program=sweep.program, arguments=PARAMETERS) == [
        *start,
        *arguments["args"],
    ]
    assert (REPOSITORY / config["program"]).is_file()


@pytest.mark.parametrize("option", [["--root"], ["-p", "root"]], ids=" ".join)
def test_the_command_line_sets_what_it_is_asked_to(write_sweep, tmp_path, monkeypatch, capsys, option):
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # a command line's handlers would outlive the test
    path = write_sweep()
    arguments = [str(path), *option, str(tmp_path), "--dataset", "made", "--trials", "1", "--name", "other"]
    assert main([*arguments, "-p", "epochs", "3", "-p", "tracking", "off", "-p", "target", "region"]) == 0
    folder = tmp_path / "3-training" / "02-tune-model" / "made" / "other"
    (trial,) = read_trials(folder)
    assert trial.parameters == {"x": 1, "epochs": 3, "target": "region", "dataset": "made"}
    assert (
        "['dataset', 'epochs', 'root', 'target', 'tracking', 'x']"
        in (folder / "trials" / "1" / "output.log").read_text()
    )
    assert str(folder) in capsys.readouterr().out


@pytest.mark.parametrize("setting", [("rate", "1"), ("epochs", "many")])
def test_a_setting_that_is_none_is_wrong_usage(write_sweep, setting, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([str(write_sweep()), "-p", *setting])
    assert stopped.value.code == 2
    assert setting[0] in capsys.readouterr().err


def wait_for(path, process):
    while not path.exists():
        assert process.poll() is None
        time.sleep(0.05)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_stops_the_running_trial_first(write_sweep, tmp_path, number, status):
    started = tmp_path / "started"
    path = write_sweep(started={"value": str(started)})
    command = [sys.executable, "-m", "lost_and_found.training.sweeps", str(path), "--root", str(tmp_path)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as agent:
        wait_for(started, agent)
        agent.send_signal(number)
        assert agent.wait() == status  # it would sleep for a minute
        assert "stopped; run the same command again to resume" in agent.stderr.read()
    assert not list(tmp_path.rglob("result.json"))
    assert not list(tmp_path.rglob("trials.jsonl"))


def test_a_real_sweep_survives_a_kill_and_a_training_that_diverges(tmp_path):
    root = make_workspace(tmp_path / "root").root
    path = tmp_path / "rates.yaml"
    path.write_text(
        (REPOSITORY / "3-training" / "sweeps" / "study-grid.yaml")
        .read_text()
        .replace("[0.1, 0.01, 0.001, 0.0001, 0.00001]", "[1.0e+30, 0.01]")
        .replace("[0.0, 0.1, 0.01, 0.001]", "[0.0]")
    )
    quick = {"architecture": "mobilenet_v3_small", "width": 64, "height": 40, "epochs": 2, "batch_size": 4}
    settings = [word for name, value in quick.items() for word in ("-p", name, str(value))]
    command = [sys.executable, "-m", "lost_and_found.training.sweeps", str(path), "--root", str(root)]
    command += ["--dataset", DATASET, "-p", "tracking", "off", "-p", "device", "cpu", *settings]
    folder = root / "3-training" / "02-tune-model" / DATASET / "study-grid"
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True) as agent:
        wait_for(folder / "trials" / "2" / "output.log", agent)  # the first is over, the second begins
        os.killpg(agent.pid, signal.SIGKILL)
    assert len(read_trials(folder)) == 1
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    failed, finished = read_trials(folder)
    assert (failed.status, failed.metric, failed.run) == ("failed", None, "")
    assert "loss" in failed.reason
    run = load_run(root / "3-training" / "01-train-model" / DATASET / "runs" / finished.run, device="cpu")
    assert (run.config.learning_rate, finished.metric) == (0.01, run.summary["val/top1"])
    assert finished.run in done.stdout
    assert "NA" not in done.stdout


def test_a_ranking_puts_the_lowest_first_where_the_goal_is_to_minimise():
    trials = [Trial(number=number, parameters={}, metric=metric) for number, metric in ((1, 3.0), (2, 1.0))]
    assert ranking(trials, "minimize")["trial"].tolist() == [2, 1]
