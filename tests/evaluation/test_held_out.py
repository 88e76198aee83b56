"""A tiny run is tested on its test split: which run, which samples, what comes out."""

import dataclasses
import os
import shutil

import numpy as np
import pandas as pd
import pytest

from lost_and_found import notebooks
from lost_and_found.data_lists import new_list, pin
from lost_and_found.data_loader import load_samples, records_table
from lost_and_found.errors import InvalidConfig, LeakyList, ListMismatch, MissingInput
from lost_and_found.evaluation import held_out
from lost_and_found.training.pixel_cache import cache_split
from lost_and_found.training.runs import ASKED_FOR, load_run
from lost_and_found.workspace import Workspace


def runs_of(workspace):
    return workspace.input(held_out.TRAIN) / "runs"


def the_run(workspace):
    return load_run(held_out.find_run(workspace, targets=("country",)))


def test_the_newest_complete_run_is_found_and_an_unfinished_one_is_not(workspace):
    runs = runs_of(workspace)
    first = held_out.find_run(workspace)
    shutil.copytree(first, runs / "later")
    os.utime(runs / "later/summary.json", (2e9, 2e9))
    shutil.copytree(first, runs / "unfinished")
    (runs / "unfinished/model.safetensors").unlink()
    assert held_out.find_run(workspace).name == "later"
    (first / ASKED_FOR).touch()  # the later one may be a trial of a sweep, which nobody requested
    assert held_out.find_run(workspace) == first
    (runs / "later" / ASKED_FOR).touch()
    assert held_out.find_run(workspace).name == "later"
    assert held_out.find_run(workspace, first.name) == first
    with pytest.raises(MissingInput, match="no complete run 'unfinished'; there are: later, "):
        held_out.find_run(workspace, "unfinished")


def test_without_a_run_the_notebook_that_trains_one_is_named(tmp_path):
    workspace = Workspace(tmp_path, "made")
    for made in ("3-training", "3-training/01-train-model/made/pixels"):
        (tmp_path / made).mkdir(parents=True, exist_ok=True)
        with pytest.raises(MissingInput, match="3-training/01-train-model"):
            held_out.find_run(workspace)


def test_the_test_samples_come_in_the_order_of_their_list(workspace):
    samples, pinned = held_out.load_test_samples(workspace, the_run(workspace))
    assert [one.id for one in samples] == pinned.ids
    assert len(samples) == 8


@pytest.mark.parametrize("name", [".train", ".val", ".test"])
def test_a_missing_list_names_the_notebook_and_no_list_is_made(workspace, name):
    run = the_run(workspace)
    workspace.list_path(name).unlink()
    with pytest.raises(MissingInput, match="05-split-list"):
        held_out.load_test_samples(workspace, run)
    with pytest.raises(MissingInput, match="05-split-list"):
        held_out.load_split(workspace, name)
    assert not workspace.list_path(name).exists()


def test_a_run_of_another_split_is_refused(workspace):
    run, path = the_run(workspace), workspace.list_path(".train")
    samples = load_samples(workspace.input(held_out.ENRICH), pinned=path)
    path.unlink()
    pin(path, new_list(samples[:6], "split"))
    with pytest.raises(ListMismatch, match="Train again with 3-training/01-train-model"):
        held_out.load_test_samples(workspace, run)


def test_a_test_split_that_shares_samples_with_training_is_refused(workspace):
    run, path = the_run(workspace), workspace.list_path(".test")
    shared = load_samples(workspace.input(held_out.ENRICH), pinned=workspace.list_path(".train"))[:2]
    path.unlink()
    pin(path, new_list(shared, "split"))
    with pytest.raises(LeakyList, match="shares 2 samples"):
        held_out.load_test_samples(workspace, run)


def test_a_changed_test_picture_is_refused(workspace):
    run = the_run(workspace)
    sample = held_out.load_test_samples(workspace, run)[0][0]
    sample.image.write_bytes(sample.image.read_bytes() + b"changed")
    with pytest.raises(ListMismatch, match="not those that were pinned"):
        held_out.load_test_samples(workspace, run)


def test_probabilities_come_in_the_order_of_the_list_and_of_the_labels(workspace, tmp_path):
    run = the_run(workspace)
    samples, pinned = held_out.load_test_samples(workspace, run)
    cache = held_out.cache_test_pixels(run, samples, pinned, folder=tmp_path / "pixels")
    probabilities, truth, codes = held_out.country_probabilities(run, cache)
    assert codes == ("DO", "NA", "UG")
    assert truth.tolist() == [1, 1, 0, 2] * 2
    assert probabilities.shape == (8, 3)
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(8), abs=1e-5)


def test_a_run_that_lacks_countries_or_one_of_the_test_samples_countries_is_refused(
    workspace, run_of, tmp_path
):
    run = run_of("region")
    samples, pinned = held_out.load_test_samples(workspace, run)
    cache = held_out.cache_test_pixels(run, samples, pinned, folder=tmp_path / "pixels")
    with pytest.raises(InvalidConfig, match="predicts coordinates, not countries; 03-measure-distances"):
        held_out.country_probabilities(run_of("coordinates"), cache)
    codes = ["XK", *cache.table["country_code"][1:]]
    other = dataclasses.replace(cache, table=cache.table.assign(country_code=codes))
    with pytest.raises(LeakyList, match="1 test samples are of countries"):
        held_out.country_probabilities(run, other)


def test_the_test_pixels_of_training_are_taken_with_the_records_as_they_are_now(workspace, tmp_path):
    run = the_run(workspace)
    samples, pinned = held_out.load_test_samples(workspace, run)
    made = cache_split(workspace, ".test", folder=runs_of(workspace).parent / "pixels", width=32, height=32)
    samples[0].record.write_text('{"country_code": "XK"}')  # corrected since
    cache = held_out.cache_test_pixels(run, samples, pinned, folder=tmp_path / "pixels")
    assert cache.folder == made.folder
    assert not (tmp_path / "pixels").exists()
    assert cache.table["country_code"].tolist() == ["XK", *made.table["country_code"][1:]]
    shutil.rmtree(made.folder)
    again = held_out.cache_test_pixels(run, samples, pinned, folder=tmp_path / "pixels")
    assert again.folder.parent == tmp_path / "pixels"
    assert np.array_equal(again.pixels, made.pixels)


def test_where_a_run_was_trained_is_known_while_training_has_its_pixels(workspace):
    run = the_run(workspace)
    records = records_table(held_out.load_split(workspace, ".train"))
    assert np.array_equal(held_out.training_points(run), records[["lat", "lon"]])
    shutil.rmtree(runs_of(workspace).parent / "pixels")
    assert held_out.training_points(run).shape == (0, 2)


@pytest.mark.end_to_end
def test_the_notebook_leaves_a_report_and_ends_with_the_table(workspace, tmp_path, capsys):
    run = the_run(workspace).id
    parameters = {"root": str(workspace.root), "dataset": "made", "run": run, "resamples": 100, "fewest": 1}
    notebook = notebooks.REPOSITORY / "4-evaluation" / "01-test-model.ipynb"
    notebooks.execute(notebook, tmp_path / "executed.ipynb", parameters)
    folder = workspace.root / "4-evaluation/01-test-model/made" / run
    tables = {"overall", "countries", "confusions", "calibration", "nearness", "predictions"}
    others = {"test-table.txt", "test.png", "calibration.png"}
    assert {path.name for path in folder.iterdir()} == {f"{name}.csv" for name in tables} | others
    overall = pd.read_csv(folder / "overall.csv").set_index("metric")
    assert overall.loc["top-1 accuracy", "n"] == 8
    assert overall.loc["balanced accuracy, 2 of published-75", "n"] == 4  # Namibia is not in it
    _, _, end = capsys.readouterr().out.partition("Test split of made")
    assert (folder / "test-table.txt").read_text().splitlines()[-1] in end


def test_how_many_runs_were_tested_by_either_notebook_is_told(tmp_path):
    workspace = Workspace(tmp_path, "made")
    by_country, by_distance = (
        workspace.output(f"4-evaluation/{name}") for name in ("01-test-model", "03-measure-distances")
    )
    (by_country / "pixels" / "made.test-32x32-0").mkdir(parents=True)
    (by_country / "pixels" / "made.test-32x32-0" / "labels.csv").touch()
    for folder, said in (
        (by_country / "first", "No other run was tested"),
        (by_distance / "first", "No other run was tested"),
        (by_distance / "second", "2 runs were tested on this split"),
        (by_country / "third", "3 runs were tested on this split"),
    ):
        folder.mkdir()
        (folder / "overall.csv").touch()
        (folder / "predictions.csv").touch()
        assert held_out.tested_text(workspace).startswith(said)
