"""Figures of a comparison can be read, whoever looks and however long the names are."""

import numpy as np
import pandas as pd
import pytest
from matplotlib import colors

from lost_and_found.evaluation import comparison, comparison_plots, paired
from lost_and_found.evaluation.comparison import ComparedRun

# Machado, Oliveira and Fernandes (2009): of linear RGB, for people without red and without green cones.
SIGHTS = {
    "protanopia": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
    "deuteranopia": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
}
# XYZ of linear RGB, as a part of white's.
TRISTIMULUS = np.array([[0.434, 0.376, 0.190], [0.213, 0.715, 0.072], [0.018, 0.109, 0.873]])


@pytest.mark.parametrize("sight", SIGHTS)
def test_people_who_are_colour_blind_can_tell_the_curves_of_runs_apart(sight):
    rgb = np.array([colors.to_rgb(colour) for colour in comparison_plots.COLOURS])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    x, y, z = np.cbrt((linear @ np.transpose(SIGHTS[sight])).clip(0, 1) @ TRISTIMULUS.T).T
    lab = np.stack([116 * y, 500 * (x - y), 200 * (y - z)], axis=1)
    apart = np.linalg.norm(lab[:, None] - lab, axis=2)[np.triu_indices(len(lab), 1)]
    assert apart.min() > 12  # of CIELAB, in which 2 can just be noticed side by side


def test_the_names_of_two_runs_stay_inside_the_figure_and_below_its_title():
    right = np.arange(40) % 3 == 0
    truth = np.repeat(["GS", "VC"], 20)
    differences = paired.paired_differences(right, ~right, truth=truth, group=np.arange(40), resamples=100)
    name = "mobilenet_v3_small, 130x80, augmentation light, learning_rate 0.001, batch_size 32 (ab12cd34)"
    figure = comparison_plots.plot_differences(differences, (name, name), fewest=1)
    figure.draw_without_rendering()
    (axes,) = figure.axes
    candidate, reference = (text.get_window_extent() for text in axes.texts)
    assert max(candidate.x1, reference.x1) <= figure.bbox.x1
    assert axes.bbox.y1 < candidate.y0 < candidate.y1 <= reference.y0
    assert axes.get_tightbbox().y1 > reference.y1


def test_the_names_of_a_searchs_runs_stay_inside_the_figure():
    rng = np.random.default_rng(0)
    runs = [
        ComparedRun(
            id=f"made-country-mobilenet_v3_small-130x80-0000000{number}",
            config={
                "target": "country",
                "architecture": "mobilenet_v3_small",
                "width": 130,
                "height": 80,
                "augmentation": ("light", "strong")[number % 2],
                "learning_rate": float(10 ** rng.uniform(-4, -1)),
                "weight_decay": float(10 ** rng.uniform(-4, 0)),
            },
            summary={"best_metric": "val/top1", "val/top1": 0.1 * number, "best_epoch": 1},
            metrics=pd.DataFrame({"epoch": [1, 2], "val/top1": [0.1, 0.2], "val/loss": [2.0, 1.0]}),
        )
        for number in range(5)
    ]
    figure = comparison_plots.plot_top_curves(comparison.runs_table(runs), runs, top=5)
    figure.draw_without_rendering()
    (legend,) = figure.subfigs[0].legends
    assert len(legend.get_texts()) == 5
    assert legend.get_window_extent().x1 <= figure.bbox.x1


def test_runs_that_began_with_files_of_weights_are_told_apart_by_the_files_names():
    config = {"architecture": "mobilenet_v2", "width": 130, "height": 80, "weights": "auto"}
    files = [f"/home/somebody/lost-and-found/weights/{name}.pth" for name in ("first", "second")]
    runs = [
        ComparedRun(id=f"0000000{number}", config=config | {"weights": weights}, summary={}, metrics=None)
        for number, weights in enumerate(["auto", *files])
    ]
    assert comparison_plots.run_names(runs) == [
        f"mobilenet_v2, 130x80, weights {weights} (0000000{number})"
        for number, weights in enumerate(["auto", "first.pth", "second.pth"])
    ]
