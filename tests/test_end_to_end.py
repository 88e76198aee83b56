"""Whole stages over tiny data, as a user runs them."""

import contextlib
import shutil
import subprocess
import time

import pandas as pd
import psutil
import pytest

from lost_and_found import notebooks
from lost_and_found.data_lists import read_list
from lost_and_found.errors import LostAndFoundError

pytestmark = pytest.mark.end_to_end
OFF = {"tracking": "off"}
ONE_WORKSPACE = pytest.mark.xdist_group("practice")  # one process makes the workspace that these tests share


def run_profile(name, root, **given):
    notebooks.run(notebooks.read_profile(name), {"root": str(root), **OFF, **given})


@pytest.fixture(scope="module")
def practice_root(tmp_path_factory):
    """A workspace in which the script that users call has run the tiny profile."""
    root = tmp_path_factory.mktemp("practice")
    script = notebooks.REPOSITORY / "scripts" / "run-stages"
    command = [script, "tiny", "-p", "root", root, "-p", "tracking", "off"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (root / "output.txt").write_text(done.stdout)
    return root


@ONE_WORKSPACE
def test_the_practice_world_goes_from_scenes_to_a_test_table(practice_root):
    output = (practice_root / "output.txt").read_text()
    assert "top-1 accuracy" in output
    (table,) = practice_root.glob("4-evaluation/01-test-model/practice-tiny/*/overall.csv")
    overall = pd.read_csv(table).set_index("metric")
    assert 0 <= overall.loc["top-1 accuracy", "low"] <= overall.loc["top-1 accuracy", "high"] <= 1
    world = practice_root / "1-data-collection" / "02-render-practice-world" / "practice-tiny"
    assert (len(list(world.glob("*.png"))), len(list(world.glob("*.jpg")))) == (10, 140)
    splits = [
        read_list(practice_root / f"data-lists/practice-tiny.{name}.txt") for name in ("train", "val", "test")
    ]
    assert sum(len(one) for one in splits) == len(read_list(practice_root / "data-lists/practice-tiny.txt"))
    assert all(len(one.countries) == len(splits[0].countries) for one in splits)


@ONE_WORKSPACE
def test_a_second_run_finds_everything_done_and_changes_nothing(practice_root):
    def state():
        patterns = ("1-*/**/*_?.*", "2-*/**/*.jpg", "data-lists/*", "3-*/*/*/runs/*/model.safetensors")
        return {path: path.stat().st_mtime_ns for pattern in patterns for path in practice_root.glob(pattern)}

    before = state()
    run_profile("tiny", practice_root)
    assert state() == before


@ONE_WORKSPACE
def test_another_parameter_does_not_overwrite_a_pinned_list(practice_root):
    notebook = notebooks.REPOSITORY / "2-data-preparation" / "03-map-to-distribution.ipynb"
    given = {"dataset": "practice-tiny", "distribution": "collected", "minimum_count": 7}
    with pytest.raises(LostAndFoundError, match="minimum_count 6 there, 7 now"):
        notebooks.execute(notebook, practice_root / "executed.ipynb", {"root": str(practice_root), **given})


@ONE_WORKSPACE
def test_an_edited_list_stops_the_next_notebook(practice_root, tmp_path):
    root = tmp_path / "copy"
    shutil.copytree(practice_root, root)
    path = root / "data-lists" / "practice-tiny.train.txt"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[1:]))
    notebook = notebooks.REPOSITORY / "3-training" / "01-train-model.ipynb"
    with pytest.raises(LostAndFoundError, match="edited or cut off"):
        notebooks.execute(
            notebook, tmp_path / "executed.ipynb", {"root": str(root), "dataset": "practice-tiny", **OFF}
        )


@pytest.mark.parametrize(
    ("name", "parameters", "needed"),
    [
        ("2-data-preparation/01-resize-images", {}, "02-render-practice-world"),
        (
            "1-data-collection/02-render-practice-world",
            {"collected": "01-collect-from-game"},
            "01-collect-from-game",
        ),
    ],
)
def test_a_notebook_without_its_input_names_the_one_to_run_first(tmp_path, name, parameters, needed):
    notebook = notebooks.REPOSITORY / f"{name}.ipynb"
    with pytest.raises(LostAndFoundError, match=rf"run 1-data-collection/{needed}\.ipynb"):
        notebooks.execute(notebook, tmp_path / "executed.ipynb", {"root": str(tmp_path), **parameters})


def test_without_a_browser_the_practice_world_is_drawn_after_a_warning(tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("LOST_AND_FOUND_CHROMIUM", str(tmp_path / "absent"))
    stage = notebooks.REPOSITORY / "1-data-collection"
    parameters = {"root": str(tmp_path), "dataset": "bare"}
    for name, own in (
        ("01-collect-from-game", {"rounds": 1, "browser": "optional"}),
        ("02-render-practice-world", {"count": 2, "collected": "01-collect-from-game"}),
    ):
        notebooks.execute(stage / f"{name}.ipynb", tmp_path / "executed.ipynb", parameters | own)
    assert "Nothing was collected" in capfd.readouterr().err
    assert len(list(tmp_path.glob("*/02-render-practice-world/bare/*.jpg"))) == 2


def test_a_practice_world_that_begins_with_a_cut_off_scene_shows_the_next_one(tmp_path):
    notebook = notebooks.REPOSITORY / "1-data-collection" / "02-render-practice-world.ipynb"
    executed = tmp_path / "executed.ipynb"
    notebooks.execute(notebook, executed, {"root": str(tmp_path), "dataset": "cut", "count": 2, "seed": 218})
    first, second = sorted(path.stem for path in tmp_path.rglob("cut/*.json"))
    assert first not in executed.read_text()
    assert second in executed.read_text()


def test_a_stopped_run_is_taken_up_again(tmp_path):
    script = notebooks.REPOSITORY / "scripts" / "run-stages"
    command = [script, "tiny", "-p", "root", tmp_path, "-p", "tracking", "off"]
    collected = tmp_path / "1-data-collection" / "02-render-practice-world" / "practice-tiny"
    running = psutil.Popen(command, stdout=subprocess.DEVNULL)
    while len(list(collected.glob("*.json"))) < 20:
        assert running.poll() is None
        time.sleep(0.05)
    killed = [*running.children(recursive=True), running]
    for process in killed:
        with contextlib.suppress(psutil.NoSuchProcess):  # some end by themselves when others are gone
            process.kill()
    psutil.wait_procs(killed)
    finished = {path: path.stat().st_mtime_ns for path in collected.glob("*.json")}
    notebook = notebooks.REPOSITORY / "1-data-collection" / "02-render-practice-world.ipynb"
    parameters = {"root": str(tmp_path), "dataset": "practice-tiny", "count": 150}
    parameters["collected"] = "01-collect-from-game"
    notebooks.execute(notebook, tmp_path / "executed.ipynb", parameters)
    assert len(list(collected.glob("*.[jp][pn]g"))) == len(list(collected.glob("*.json"))) == 150
    assert {path: path.stat().st_mtime_ns for path in finished} == finished
    assert not list(collected.glob(".*.tmp"))


def test_the_published_sample_goes_through_every_stage(real_data, tmp_path):
    run_profile("published", tmp_path, source=str(real_data / "published-sample"), weights="none")
    changed = pd.read_csv(
        tmp_path / "2-data-preparation/02-enrich-records/published-sample/changed.csv", keep_default_na=False
    )
    assert changed[["id", "from", "to"]].values.tolist() == [["published_location_000000_0", "MY", "SG"]]
    assert list(tmp_path.glob("4-evaluation/01-test-model/published-sample/*/overall.csv"))


def test_real_photos_go_through_every_stage(real_data, tmp_path):
    source = tmp_path / "few photos"
    source.mkdir()
    labels = pd.read_csv(real_data / "street-view-by-country" / "labels.csv")
    few = labels[labels["country"].isin(["Japan", "UK", "Argentina"])].groupby("country").head(15)
    few.to_csv(source / "labels.csv", index=False)
    for path in few["path"]:
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(real_data / "street-view-by-country" / path, source / path)
    run_profile(
        "photos", tmp_path, source=str(source), dataset="few", weights="none", minimum_count="5", epochs="1"
    )
    (table,) = tmp_path.glob("4-evaluation/01-test-model/few/*/countries.csv")
    assert sorted(pd.read_csv(table)["code"]) == ["AR", "GB", "JP"]
