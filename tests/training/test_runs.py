import contextlib
import dataclasses
import itertools
import json
import re
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest
import torch
from made_splits import ten_times
from made_trainings import begun, train

from lost_and_found.errors import FolderInUse, InvalidConfig, LeakyList, MissingInput, NotFinite, StorageFull
from lost_and_found.locks import sole_writer
from lost_and_found.samples import read_json, write_json, write_table
from lost_and_found.training import environment, runs
from lost_and_found.training.config import NORMALISATIONS, TrainingConfig
from lost_and_found.training.epochs import Training
from lost_and_found.training.models import InitialWeights, Normalisation
from lost_and_found.training.optimizer import learning_rate_of
from lost_and_found.training.runs import load_run, predict
from lost_and_found.training.tracking import Tracker
from lost_and_found.training.trainer import train_run
from tests.disks import room_for

CONFIG = TrainingConfig(
    dataset="made",
    architecture="mobilenet_v2",
    weights="none",
    width=64,
    height=40,
    batch_size=4,
    epochs=2,
    augmentation="none",
    label_smoothing=0.0,
    schedule="step",
    warmup_epochs=0.0,
    ema_decay=0.0,
    clip_norm=0.0,
    device="cpu",
)


@pytest.fixture(scope="module")
def trained(eight_pictures, tmp_path_factory):
    return train(CONFIG, eight_pictures, tmp_path_factory.mktemp("runs"))


def test_eight_pictures_are_learnt_by_heart(eight_pictures, tmp_path):
    config = dataclasses.replace(
        CONFIG, architecture="mobilenet_v3_small", epochs=12, batch_size=8, step_size=6
    )
    # Batch normalisation's averages need a hundred steps to settle.
    many = ten_times(eight_pictures)
    run = train_run(config, train=many, val=eight_pictures, folder=tmp_path, tracking="off")
    assert run.metrics["val/loss"].iloc[-1] < 0.05  # without dropout, which keeps the train loss up
    assert run.summary["val/top1"] == 1
    assert run.summary["val/balanced_accuracy"] == 1


def test_a_run_holds_all_that_prediction_needs(trained, eight_pictures):
    assert runs.is_complete(trained.folder)
    assert trained.folder.name.startswith("made-country-mobilenet_v2-64x40-")
    assert not list(trained.folder.parent.glob(".*.partial"))
    labels = json.loads((trained.folder / "labels.json").read_text())
    assert labels["country_codes"] == ["BR", "FR", "JP", "NA"]
    assert labels["normalisation"]["mean"] == [0.485, 0.456, 0.406]
    assert (labels["width"], labels["height"]) == (64, 40)
    assert labels["lists"] == {"made.train": eight_pictures.spec.list_digest}
    environment = json.loads((trained.folder / "environment.json").read_text())
    assert torch.__version__.startswith(environment["packages"]["torch"])
    assert trained.metrics["epoch"].tolist() == [1, 2]
    assert not trained.summary["stopped_early"]
    assert {
        "train/loss",
        "val/loss",
        "val/top1",
        "val/top3",
        "val/top5",
        "val/balanced_accuracy",
        "lr",
        "images/s",
    } < set(trained.metrics)


@pytest.mark.parametrize("upsampling", [1.0, 1.5])
def test_a_loaded_model_gives_the_same_logits(eight_pictures, tmp_path, upsampling):
    config = dataclasses.replace(CONFIG, epochs=1, normalisation="half", upsampling=upsampling)
    training = begun(config, eight_pictures)
    training.fit(eight_pictures, eight_pictures, folder=tmp_path, tracker=Tracker())
    pixels = torch.from_numpy(eight_pictures.pixels)
    run = load_run(tmp_path, device="cpu")
    with torch.inference_mode():
        kept, loaded = (one.model.eval()(one.normalisation(pixels)) for one in (training, run))
        assert run.normalisation(pixels).shape[2:] == (40 * upsampling, 64 * upsampling)
    torch.testing.assert_close(loaded, kept, rtol=0, atol=0)
    assert runs.measure(run, eight_pictures)["loss"] == pytest.approx(run.summary["val/loss"], rel=1e-4)


def test_predictions_are_probabilities_however_many_are_made_at_a_time(trained, eight_pictures, monkeypatch):
    at_once = predict(trained, eight_pictures.pixels)
    monkeypatch.setattr(runs, "PIXELS_AT_ONCE", 3 * 64 * 40)
    in_parts = predict(trained, eight_pictures.pixels)
    assert at_once.shape == (8, 4)
    assert at_once.dtype == np.float32
    np.testing.assert_allclose(at_once.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(at_once, in_parts, atol=1e-5)
    assert predict(trained, eight_pictures.pixels[:0]).shape == (0, 4)


def test_pixels_may_lie_backwards_in_memory_as_those_of_bgr_do(trained, eight_pictures):
    bgr = eight_pictures.pixels[:, ::-1].copy()
    np.testing.assert_array_equal(predict(trained, bgr[:, ::-1]), predict(trained, eight_pictures.pixels))


@pytest.mark.parametrize(("room", "sizes"), [(3.5, [3, 3, 2]), (0.5, [1] * 8), (1000, [8])])
def test_of_large_pictures_few_are_predicted_at_a_time(trained, eight_pictures, monkeypatch, room, sizes):
    enlarged = dataclasses.replace(
        trained,
        config=dataclasses.replace(CONFIG, upsampling=2.0),
        normalisation=Normalisation(*NORMALISATIONS[CONFIG.normalisation], upsampling=2.0),
    )
    monkeypatch.setattr(runs, "PIXELS_AT_ONCE", room * 128 * 80)
    seen = []
    with trained.model.register_forward_pre_hook(lambda _, inputs: seen.append(tuple(inputs[0].shape))):
        assert predict(enlarged, eight_pictures.pixels).shape == (8, 4)
    assert seen == [(size, 3, 80, 128) for size in sizes]


@pytest.mark.parametrize("pixels", [np.zeros((2, 3, 64, 40), np.uint8), np.zeros((2, 3, 40, 64), np.float32)])
def test_pixels_of_another_kind_are_refused(trained, pixels):
    with pytest.raises(InvalidConfig, match=r"uint8 pixels of shape \(N, 3, 40, 64\)"):
        predict(trained, pixels)


def test_the_same_seed_gives_the_same_run_and_another_gives_another(trained, eight_pictures, tmp_path):
    again = train(CONFIG, eight_pictures, tmp_path)
    assert again.id == trained.id
    pd.testing.assert_frame_equal(
        again.metrics.drop(columns="images/s"), trained.metrics.drop(columns="images/s")
    )
    other = train(dataclasses.replace(CONFIG, seed=1), eight_pictures, tmp_path)
    assert other.id != trained.id
    assert other.metrics["train/loss"].tolist() != trained.metrics["train/loss"].tolist()


def test_a_complete_run_is_loaded_and_not_trained_again(trained, eight_pictures):
    before = (trained.folder / "model.safetensors").stat().st_mtime_ns
    assert train(CONFIG, eight_pictures, trained.folder.parent).id == trained.id
    assert (trained.folder / "model.safetensors").stat().st_mtime_ns == before


def test_a_complete_run_that_is_loaded_loses_the_checkpoint_of_a_process_killed_at_the_end(
    trained, eight_pictures, tmp_path
):
    shutil.copytree(trained.folder, tmp_path / trained.id)
    (tmp_path / trained.id / runs.CHECKPOINT).write_bytes(b"large")
    train(CONFIG, eight_pictures, tmp_path)
    assert not (tmp_path / trained.id / runs.CHECKPOINT).exists()


def test_the_id_depends_on_all_that_decides_the_outcome(eight_pictures):
    none, file = InitialWeights("none", ""), InitialWeights("file", "", "abc")
    caches = {"train": eight_pictures}
    relabelled = dataclasses.replace(eight_pictures, table=eight_pictures.table.assign(country_code="XK"))
    other_list = dataclasses.replace(
        eight_pictures, spec=dataclasses.replace(eight_pictures.spec, list_digest="f" * 32)
    )
    ids = [
        runs.run_id(CONFIG, none, caches),
        runs.run_id(dataclasses.replace(CONFIG, learning_rate=0.5), none, caches),
        runs.run_id(CONFIG, file, caches),
        runs.run_id(CONFIG, InitialWeights("file", "", "def"), caches),
        runs.run_id(CONFIG, none, {"train": relabelled}),
        runs.run_id(CONFIG, none, {"train": other_list}),
    ]
    assert len(set(ids)) == len(ids)
    elsewhere = dataclasses.replace(CONFIG, device="auto", weights="/elsewhere/weights.pth")
    assert runs.run_id(elsewhere, file, caches) == ids[2]


def test_an_interrupted_run_is_not_a_run_and_is_begun_anew(trained, eight_pictures, tmp_path):
    partial = tmp_path / f".{trained.id}.partial"
    shutil.copytree(trained.folder, partial)
    (partial / "summary.json").unlink()
    shutil.copytree(partial, tmp_path / trained.id)
    with pytest.raises(MissingInput, match="no complete run"):
        load_run(tmp_path / trained.id)
    run = train(CONFIG, eight_pictures, tmp_path)
    assert len(run.metrics) == CONFIG.epochs
    assert "resumed" not in run.environment
    assert not partial.exists()


def test_what_a_killed_process_was_writing_does_not_stay_in_the_run(tmp_path):
    (tmp_path / ".run.partial").mkdir()
    (tmp_path / ".run.partial" / ".checkpoint.pt.123.tmp").touch()
    with runs.new_run_folder(tmp_path / "run"):
        pass
    assert list((tmp_path / "run").iterdir()) == []


@pytest.mark.parametrize(
    ("name", "content"),
    [
        *itertools.product(
            ["config.json", "labels.json", "summary.json", "environment.json"],
            [b"", b'{"target": "cou', b"[1, 2]"],
        ),
        ("metrics.csv", b""),
        ("metrics.csv", b"epoch\xff,lr\n1,2\n"),
    ],
)
def test_a_run_with_a_damaged_file_is_an_error_that_names_it(trained, tmp_path, name, content):
    folder = tmp_path / trained.id
    shutil.copytree(trained.folder, folder)
    (folder / name).write_bytes(content)
    with pytest.raises(MissingInput, match=rf"{name} is damaged .*; copy .* anew or delete it"):
        load_run(folder)


@pytest.mark.parametrize(
    ("name", "value"),
    [("normalisation", {}), ("lists", None), ("target", []), ("country_codes", 3), ("copy_size", 320)],
)
def test_a_run_whose_labels_were_edited_is_an_error_that_names_them(trained, tmp_path, name, value):
    folder = tmp_path / trained.id
    shutil.copytree(trained.folder, folder)
    labels = read_json(folder / "labels.json") | {name: value}
    if value is None:
        del labels[name]
    write_json(folder / "labels.json", labels)
    with pytest.raises(
        InvalidConfig, match=r"target is \[\]|labels\.json was edited .* or delete the folder"
    ):
        load_run(folder)


def test_two_processes_never_write_one_run(trained, eight_pictures, tmp_path):
    with sole_writer(tmp_path / trained.id, wait=False), pytest.raises(FolderInUse, match="another process"):
        train(CONFIG, eight_pictures, tmp_path)


def test_a_run_that_another_process_has_just_finished_is_left_alone(trained, tmp_path):
    folder = tmp_path / trained.id
    shutil.copytree(trained.folder, folder)
    with pytest.raises(FolderInUse, match="just finished this run"), runs.new_run_folder(folder):
        pass
    assert runs.is_complete(folder)


def test_weights_that_find_no_room_are_named_and_there_is_no_run(eight_pictures, tmp_path):
    with room_for(1_000_000), pytest.raises(StorageFull, match=r"model\.safetensors: no room"):
        train(CONFIG, eight_pictures, tmp_path)
    assert not [path for path in tmp_path.iterdir() if not path.name.startswith(".")]


def test_metrics_that_find_no_room_leave_whole_rows(tmp_path):
    with room_for(1000), pytest.raises(StorageFull, match=r"metrics\.csv: no room"):
        for count in range(1, 1000):
            rows = [{"epoch": epoch, "val/loss": 0.123456789} for epoch in range(count)]
            write_table(tmp_path / "metrics.csv", pd.DataFrame(rows))
    metrics = pd.read_csv(tmp_path / "metrics.csv")
    assert metrics["epoch"].tolist() == list(range(len(metrics)))
    assert set(metrics["val/loss"]) == {0.123456789}
    assert len(metrics) > 10


def test_a_package_that_is_not_installed_has_no_version(monkeypatch):
    monkeypatch.setattr(environment, "PACKAGES", ("torch", "not-installed"))
    versions = environment.environment(torch.device("cpu"))["packages"]
    assert versions == {"torch": versions["torch"], "not-installed": None}


def test_the_digest_of_the_code_changes_with_any_of_its_files(tmp_path, monkeypatch):
    monkeypatch.setattr(environment, "__file__", str(tmp_path / "runs.py"))
    (tmp_path / "targets").mkdir()
    digests = []
    for name in ("runs.py", "targets/country.py", "targets/country.py"):
        with (tmp_path / name).open("a") as file:
            file.write("pass\n")
        digests.append(environment.code_digest())
    assert len(set(digests)) == 3


def test_the_commit_is_written_down_where_git_knows_it(tmp_path, monkeypatch):
    def commit():
        return environment.environment(torch.device("cpu"))["git_commit"]

    def git(*arguments):
        identity = ("-c", "user.name=n", "-c", "user.email=e@example.org")
        subprocess.run(["git", *identity, *arguments], cwd=tmp_path, check=True, capture_output=True)

    monkeypatch.setattr(environment, "__file__", str(tmp_path / "code.py"))
    assert commit() is None
    (tmp_path / "code.py").touch()
    git("init")
    git("add", ".")
    git("commit", "-m", "all")
    git("tag", "-a", "v1", "-m", "tagged")
    assert re.fullmatch("[0-9a-f]{40}", commit())
    (tmp_path / "code.py").write_text("changed")
    assert re.fullmatch("[0-9a-f]{40}-dirty", commit())
    monkeypatch.setenv("PATH", str(tmp_path))
    assert commit() is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"code": "0123456789ab"}, r"started with code 0123456789ab \(here: [0-9a-f]{12}\); it is loaded"),
        (
            {"packages": {"torch": "1.0"}},
            r"started with torch 1\.0 \(here: .*\); it is loaded, not trained",
        ),
        ({"code": None, "packages": {}}, None),
    ],
)
def test_a_run_that_other_code_trained_is_loaded_with_a_warning(
    trained, eight_pictures, tmp_path, change, said
):
    shutil.copytree(trained.folder, tmp_path / trained.id)
    path = tmp_path / trained.id / "environment.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.warns(UserWarning, match=said) if said else contextlib.nullcontext():
        assert train(CONFIG, eight_pictures, tmp_path).id == trained.id


def test_weights_of_another_run_are_refused(trained, tmp_path):
    shutil.copytree(trained.folder, tmp_path / "run")
    labels = json.loads((tmp_path / "run" / "labels.json").read_text())
    labels["country_codes"].append("XK")
    (tmp_path / "run" / "labels.json").write_text(json.dumps(labels))
    with pytest.raises(InvalidConfig, match=r"don't fit [^;]*; copy .* anew, or delete it and train again"):
        load_run(tmp_path / "run")


def test_a_run_that_does_not_say_how_large_its_copies_were_had_the_usual_ones(trained, tmp_path):
    shutil.copytree(trained.folder, tmp_path / "run")
    labels = json.loads((tmp_path / "run" / "labels.json").read_text())
    del labels["copy_size"]  # as an earlier version wrote it
    (tmp_path / "run" / "labels.json").write_text(json.dumps(labels))
    assert load_run(tmp_path / "run").copy_size == (320, 180)


def test_a_loss_that_is_not_a_number_stops_the_run(eight_pictures, tmp_path):
    config = dataclasses.replace(CONFIG, learning_rate=1e30)
    with pytest.raises(NotFinite, match="try a learning_rate below 1e"):
        train(config, eight_pictures, tmp_path)
    assert not [path for path in tmp_path.iterdir() if not path.name.startswith(".")]


@pytest.mark.parametrize(
    ("settings", "advice"),
    [
        ({"clip_norm": 0.0}, "below 1e+30, or clip_norm 1"),
        ({"clip_norm": 5.0, "precision": "bfloat16"}, "below 1e+30, or clip_norm 1, or precision float32"),
        ({"clip_norm": 1.0}, "below 1e+30"),
        ({"clip_norm": 0.5, "precision": "bfloat16"}, "below 1e+30, or precision float32"),
    ],
)
def test_a_diverged_run_is_only_told_to_try_what_it_did_not_have(settings, advice, eight_pictures, tmp_path):
    config = dataclasses.replace(CONFIG, learning_rate=1e30, **settings)
    with pytest.raises(NotFinite) as error:
        train(config, eight_pictures, tmp_path)
    assert str(error.value).endswith(f"try a learning_rate {advice}")


@pytest.mark.parametrize(("width", "height"), [(130, 40), (64, 80)])
def test_a_cache_of_another_size_is_refused(eight_pictures, tmp_path, width, height):
    with pytest.raises(InvalidConfig, match=f"train cache is 64x40, but the config says {width}x{height}"):
        train(dataclasses.replace(CONFIG, width=width, height=height), eight_pictures, tmp_path)


def test_a_validation_country_that_was_never_trained_is_refused(eight_pictures, tmp_path):
    val = dataclasses.replace(eight_pictures, table=eight_pictures.table.assign(country_code="XK"))
    with pytest.raises(LeakyList, match="XK"):
        train_run(CONFIG, train=eight_pictures, val=val, folder=tmp_path, tracking="off")


def test_training_stops_when_patience_runs_out_and_keeps_the_best(eight_pictures, tmp_path):
    config = dataclasses.replace(CONFIG, learning_rate=1e-12, epochs=20, patience=3)
    run = train(config, eight_pictures, tmp_path)
    assert run.summary["stopped_early"]
    assert run.summary["epochs"] == run.summary["best_epoch"] + 3
    best = run.metrics.set_index("epoch").loc[run.summary["best_epoch"]]
    assert best["val/loss"] == run.metrics["val/loss"].min() == pytest.approx(run.summary["val/loss"])
    # The loss of a network that knows nothing about four countries.
    assert run.metrics["train/loss"].tolist() == pytest.approx([np.log(4)] * len(run.metrics), abs=0.2)


def test_the_learning_rate_falls_in_steps(eight_pictures, tmp_path):
    config = dataclasses.replace(CONFIG, learning_rate=1e-3, epochs=5, step_size=2, gamma=0.1, patience=9)
    assert train(config, eight_pictures, tmp_path).metrics["lr"].tolist() == pytest.approx(
        [1e-3, 1e-3, 1e-4, 1e-4, 1e-5]
    )


@pytest.mark.parametrize(("used", "backbone"), [("file", 1e-4), ("none", 1e-3)])
def test_a_pretrained_backbone_can_learn_at_a_tenth(eight_pictures, used, backbone):
    config = dataclasses.replace(CONFIG, backbone_factor=0.1, weight_decay=0.02)
    training = begun(config, eight_pictures)
    if used == "file":
        weights = InitialWeights("file", "", state=training.model.state_dict())
        training = Training(config, training.target, weights)
    rates = {group["name"]: group["lr"] for group in training.optimizer.param_groups}
    assert rates == pytest.approx({"head": 1e-3, "backbone": backbone})
    assert {group["weight_decay"] for group in training.optimizer.param_groups} == {0.02}
    assert learning_rate_of(training.optimizer) == 1e-3
    training.optimizer.param_groups[-1]["lr"] = torch.tensor(1e-3)  # as on a GPU
    assert learning_rate_of(training.optimizer) == 1e-3
