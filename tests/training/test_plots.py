import dataclasses

import matplotlib as mpl
import pandas as pd
import pytest
from matplotlib import pyplot

from lost_and_found.training.config import TrainingConfig
from lost_and_found.training.plots import epochs_table, plot_curves, results_table
from lost_and_found.training.trainer import train_run


@pytest.fixture(scope="module")
def trained(eight_pictures, tmp_path_factory):
    config = TrainingConfig(dataset="made", weights="none", width=64, height=40, epochs=2, device="cpu")
    folder = tmp_path_factory.mktemp("runs")
    return train_run(config, train=eight_pictures, val=eight_pictures, folder=folder, tracking="off")


@pytest.fixture
def run(trained):
    """A copy, whose metrics a test may change."""
    return dataclasses.replace(trained, metrics=trained.metrics.copy())


def test_the_figure_shows_every_metric_and_the_best_epoch(run):
    mpl.use("Agg")
    figure = plot_curves(run)
    lines = {line.get_label() for panel in figure.axes for line in panel.get_lines()}
    assert {"train/loss", "val/loss", "val/top1", "val/balanced_accuracy", "lr"} <= lines
    pyplot.close(figure)


def test_the_figure_of_a_run_that_guesses_points_is_no_wider_than_that_of_countries(run):
    run.metrics["val/median_km"] = run.metrics["val/mean_km"] = 4321.0
    figure = plot_curves(run)
    assert figure.get_figwidth() < 13  # of four panels; wider, they are shrunk until nobody can read them
    assert len(figure.axes) == 4
    pyplot.close(figure)


def test_the_epochs_of_a_run_of_one_are_whole_numbers(run):
    first = dataclasses.replace(run, metrics=run.metrics[:1], summary={**run.summary, "best_epoch": 1})
    figure = plot_curves(first)
    assert all(tick == round(tick) for panel in figure.axes for tick in panel.get_xticks())
    pyplot.close(figure)


def test_a_loss_that_nearly_diverged_flattens_no_other(run):
    run.metrics["val/loss"] = [2.0, 1e9]
    figure = plot_curves(run)
    assert figure.axes[0].get_yscale() == "log"
    assert [axes.get_yscale() for axes in figure.axes[1:]] == ["linear"] * (len(figure.axes) - 1)
    pyplot.close(figure)


def test_lines_of_many_epochs_are_told_apart_by_their_dashes(run):
    many = pd.concat([run.metrics[:1]] * 300, ignore_index=True).assign(epoch=range(1, 301))
    for metrics, marker in ((run.metrics, "."), (many, "")):
        figure = plot_curves(dataclasses.replace(run, metrics=metrics))
        lines = [line for line in figure.axes[1].get_lines() if "val/" in line.get_label()]
        assert {line.get_marker() for line in lines} == {marker}
        pyplot.close(figure)


def test_the_table_holds_the_best_epochs_metrics(run):
    table = results_table(run)
    best = run.metrics.set_index("epoch").loc[run.summary["best_epoch"]]
    assert table.columns.tolist() == [f"epoch {run.summary['best_epoch']} of 2"]
    assert table.loc["val/top1"].item() == f"{best['val/top1']:.4f}"


def test_the_table_of_epochs_rounds_no_learning_rate_to_zero_and_shows_kilometres_as_whole_ones(run):
    run.metrics["lr"] = [1e-5, 3.046e-7]
    run.metrics["val/median_km"] = [7017.273, 12.6]
    table = epochs_table(run)
    assert table.index.tolist() == [1, 2]
    assert table["lr"].tolist() == ["1e-05", "3e-07"]
    assert table["median_km"].tolist() == ["7,017", "13"]
    assert table["top1"].tolist() == [f"{value:.4f}" for value in run.metrics["val/top1"]]
