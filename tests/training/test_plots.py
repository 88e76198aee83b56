import matplotlib as mpl
import pytest
from matplotlib import pyplot

from lost_and_found.training.config import TrainingConfig
from lost_and_found.training.plots import plot_curves, results_table
from lost_and_found.training.trainer import train_run


@pytest.fixture
def run(eight_pictures, tmp_path):
    config = TrainingConfig(dataset="made", weights="none", width=64, height=40, epochs=2, device="cpu")
    return train_run(config, train=eight_pictures, val=eight_pictures, folder=tmp_path, tracking="off")


def test_the_figure_shows_every_metric_and_the_best_epoch(run):
    mpl.use("Agg")
    figure = plot_curves(run)
    lines = {line.get_label() for panel in figure.axes for line in panel.get_lines()}
    assert {"train/loss", "val/loss", "val/top1", "val/balanced_accuracy", "lr"} <= lines
    pyplot.close(figure)


def test_the_table_holds_the_best_epochs_metrics(run):
    table = results_table(run)
    best = run.metrics.set_index("epoch").loc[run.summary["best_epoch"]]
    assert table.columns.tolist() == [f"epoch {run.summary['best_epoch']} of 2"]
    assert table.loc["val/top1"].item() == pytest.approx(best["val/top1"])
