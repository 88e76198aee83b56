"""Runs that are tracked online, by W&B's own client, at a small stand-in for its service."""

import socket
import threading

import pytest
import wandb
from made_splits import make_split
from test_tracking import finish_run
from wandb_server import WandbServer

from lost_and_found.evaluation import comparison
from lost_and_found.training import sync, tracking
from lost_and_found.training.config import TrainingConfig
from lost_and_found.training.runs import FILES
from lost_and_found.training.tracking import TEST_FILES, online_runs, tracked
from lost_and_found.training.trainer import train_run


@pytest.fixture(autouse=True)
def environment(monkeypatch, server):
    """A key, and no service but the stand-in."""
    monkeypatch.setenv("WANDB_API_KEY", "a" * 40)
    wandb.teardown()  # else the client keeps the settings that it first saw
    yield
    wandb.teardown()


@pytest.fixture
def split(tmp_path):
    """A folder like that of the test split's pixel cache."""
    folder = tmp_path / "pixels" / "made.test-0123"
    folder.mkdir(parents=True)
    for name in TEST_FILES:
        (folder / name).write_text(name)
    return folder


def test_history_summary_settings_and_files_of_an_online_run_are_sent(tmp_path, server):
    folder = finish_run(tmp_path / "runs", "first", mode="auto")
    (row,) = server.runs["first"]
    assert (row["epoch"], row["val/top1"]) == (1, 0.25)
    assert server.summaries["first"]["best_epoch"] == 1
    assert server.configs["first"]["seed"] == {"value": 7}
    sent = {name: content for (artifact, name), content in server.files.items() if artifact == "first"}
    assert sent == {name: (folder / name).read_bytes() for name in FILES}
    assert not (tmp_path / "runs" / ".wandb" / "first").exists()


def test_the_test_split_is_sent_with_the_first_online_run_and_used_by_the_second(tmp_path, server, split):
    for name in ("first", "second"):
        finish_run(tmp_path / "runs", name, mode="online", test=split)
        assert server.configs[name]["test_split"] == {"value": split.name}
    assert ("dataset", split.name) in server.artifacts
    assert server.used == [("second", split.name)]


def test_a_setting_is_the_same_whether_wandb_gives_it_back_with_a_point_or_without(tmp_path):
    config = {"dataset": "made", "clip_norm": 1.0, "label_smoothing": 0.0}
    with tracked("online", run_id="online", config=config, folder=tmp_path / "online") as tracker:
        tracker.log({"epoch": 1})
    here = comparison.ComparedRun(id="here", config=config, summary={}, metrics=None)
    (there,), _ = comparison.runs_elsewhere(["made"], [here])
    assert comparison.differing_settings([here, there]) == []


def test_runs_that_only_wandb_has_are_compared_too(tmp_path):
    for name in ("first", "second"):
        finish_run(tmp_path / "runs", name, mode="online")
    known = comparison.ComparedRun(id="first", config={}, summary={}, metrics=None)
    (run,), note = comparison.runs_elsewhere(["made"], [known])
    assert (run.id, run.config["seed"], run.summary["best_epoch"]) == ("second", 7, 1)
    assert run.metrics[["epoch", "val/top1"]].to_numpy().tolist() == [[1, 0.25]]
    assert (run.folder, note) == (None, "runs in W&B that aren't on this disk: 1")


def test_an_epoch_that_a_run_taken_up_again_sends_twice_is_kept_as_it_came_last(tmp_path):
    for epochs, top1 in (((1, 2), 0.25), ((2, 3), 0.5)):
        with tracked("online", run_id="made", config={"dataset": "made"}, folder=tmp_path) as tracker:
            for epoch in epochs:
                tracker.log({"epoch": epoch, "val/top1": top1})
    (run,) = online_runs("made")
    found = [(row["epoch"], row["val/top1"]) for row in run["metrics"]]
    assert found == [(1, 0.25), (2, 0.5), (3, 0.5)]


def test_a_run_taken_up_again_sends_the_epochs_that_wandb_lacks_and_leaves_none_for_later(tmp_path, server):
    with tracked("online", run_id="made", config={}, folder=tmp_path) as tracker:
        tracker.log({"epoch": 1})
    with tracked("offline", run_id="made", config={}, folder=tmp_path) as tracker:
        tracker.log({"epoch": 2})
    with tracked("online", run_id="made", config={}, folder=tmp_path) as tracker:
        tracker.catch_up([{"epoch": 1}, {"epoch": 2}])
        tracker.log({"epoch": 3})
    assert [row["epoch"] for row in server.runs["made"]] == [1, 2, 3]
    assert not list(tmp_path.glob("wandb/offline-run-*"))


def test_an_agent_that_asks_for_a_run_that_is_there_is_told_its_numbers(tmp_path, server, monkeypatch):
    split = make_split(tmp_path, count=8)
    config = TrainingConfig(
        dataset="made", architecture="mobilenet_v3_small", width=64, height=40, batch_size=4, epochs=2
    )
    splits = {"train": split, "val": split, "folder": tmp_path / "runs"}
    trained = train_run(config, **splits, tracking="off")
    train_run(config, **splits, tracking="online")  # nobody waits for it
    assert not server.runs
    monkeypatch.setenv("WANDB_RUN_ID", "given-by-agent")
    train_run(config, **splits, tracking="online")
    rows = server.runs["given-by-agent"]
    assert [row["val/top1"] for row in rows] == trained.metrics["val/top1"].tolist()
    assert server.summaries["given-by-agent"]["best_epoch"] == trained.summary["best_epoch"]


def test_a_service_that_speaks_nonsense_costs_a_warning_and_not_the_run(tmp_path, server):
    server.speaks_nonsense = True
    with pytest.warns(UserWarning, match="W&B has not received all files of first"):
        finish_run(tmp_path / "runs", "first", mode="online")
    assert server.summaries["first"]["best_epoch"] == 1
    with pytest.warns(UserWarning, match="W&B can't be asked for runs of lost-and-found"):
        assert online_runs("made") == []


def test_a_training_that_cannot_reach_wandb_is_tracked_offline(tmp_path, monkeypatch):
    with socket.socket() as taken:  # and nobody listens there
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{taken.getsockname()[1]}")
        monkeypatch.setenv("WANDB_INIT_TIMEOUT", "2")
        with pytest.warns(UserWarning, match=r"W&B can't be reached [\s\S]* tracking offline"):
            folder = finish_run(tmp_path / "runs", "first", mode="online")
    assert len(list(folder.glob("wandb/offline-run-*-first/*.wandb"))) == 1


def test_a_training_whose_network_goes_ends_all_the_same_and_is_sent_later(tmp_path, server, monkeypatch):
    monkeypatch.setattr(tracking, "FINISH_S", 2.0)
    runs = tmp_path / "3-training/01-train-model/made/runs"
    runs.mkdir(parents=True)
    with (
        pytest.warns(UserWarning, match="W&B is lost .*; first goes on without it"),
        tracked("online", run_id="first", config={}, folder=runs / "first") as tracker,
    ):
        server.shutdown()
        server.server_close()
        tracker.log({"epoch": 1})
    wandb.teardown()
    with WandbServer() as later:
        threading.Thread(target=later.serve_forever, daemon=True).start()
        monkeypatch.setenv("WANDB_BASE_URL", later.url)
        assert sync.main(["--root", str(tmp_path)]) == 0
        assert [row["epoch"] for row in later.runs["first"]] == [1]
