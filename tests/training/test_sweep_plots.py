import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text

from lost_and_found.training.sweep_files import read_sweep
from lost_and_found.training.sweep_plots import plot_parallel, scale_of, space_table
from lost_and_found.training.trial_log import FAILED, Trial, ranking
from lost_and_found.workspace import REPOSITORY


@pytest.mark.parametrize(
    ("values", "places", "labels"),
    [
        ([0.1, 0.01, 0.001], [1, 0.5, 0], ["0.001", "0.01", "0.1"]),
        ([0, 0.001, 0.1], [0, 0.2, 1], ["0", "0.001", "0.1"]),  # zero below the decades
        ([1, 2, 5], [0, 0.25, 1], ["1", "2", "5"]),
        (["b", "a", "b"], [1, 0, 1], ["a", "b"]),
        ([True, False, True], [1, 0, 1], ["False", "True"]),
        ([4, 4, 4], [0.5, 0.5, 0.5], ["4"]),
    ],
)
def test_an_axis_fits_its_values(values, places, labels):
    scale = scale_of(pd.Series(values))
    np.testing.assert_allclose(scale.places, places)
    assert list(scale.labels) == labels
    assert len(scale.ticks) == len(labels)


def test_no_two_marks_of_an_axis_have_one_label():
    for low, high in ((0.6496, 0.6512), (1000.2, 1001.1), (0.1234567, 0.1234571)):
        labels = scale_of(pd.Series(np.linspace(low, high, 40))).labels
        assert 3 <= len(labels) == len(set(labels))


def test_weights_are_told_apart_by_the_names_of_their_files():
    files = [f"/home/somebody/lost-and-found/weights/{name}.pth" for name in ("first", "second")]
    assert scale_of(pd.Series([*files, "auto"])).labels == ["first.pth", "second.pth", "auto"]
    names = ("1a2b3c4d", "5e6f7a8b")
    runs = [f"/home/me/runs/practice-country-resnet18-130x80-{name}/model.safetensors" for name in names]
    labels = ["…b3c4d/model.safetensors", "…f7a8b/model.safetensors", "auto"]
    assert scale_of(pd.Series([*runs, "auto"])).labels == labels


def test_many_numbers_are_read_off_round_ones():
    assert scale_of(pd.Series(np.geomspace(2e-5, 0.5, 40))).labels == ["0.0001", "0.001", "0.01", "0.1"]
    assert scale_of(pd.Series(np.linspace(0.01, 0.99, 40))).labels == ["0.2", "0.4", "0.6", "0.8"]
    assert scale_of(pd.Series(np.linspace(900, 2100, 40))).labels == [
        "1,000",
        "1,250",
        "1,500",
        "1,750",
        "2,000",
    ]


@pytest.mark.parametrize(("goal", "best"), [("maximize", 0.9), ("minimize", 0.1)])
def test_the_best_trial_is_thickest_and_on_top_and_failed_ones_are_dashed(goal, best):
    mpl.use("Agg")
    metrics = [0.5, 0.1, None, 0.9]
    trials = [
        Trial(
            number=n,
            parameters={"x": n, "kind": "ab"[n % 2]},
            metric=one,
            status="finished" if one else FAILED,
        )
        for n, one in enumerate(metrics, start=1)
    ]
    table = ranking(trials, goal)
    figure = plot_parallel(table, ["x", "kind"], metric="score")
    lines = [line for line in figure.axes[0].get_lines() if len(line.get_xdata()) == 3]
    top = max(lines, key=lambda line: line.get_zorder())
    assert top.get_linewidth() == max(line.get_linewidth() for line in lines)
    assert top.get_ydata()[-1] == pytest.approx((best - 0.1) / 0.8)
    dashed = [line for line in lines if line.get_linestyle() == "--"]
    assert [np.isnan(line.get_ydata()[-1]) for line in dashed] == [True]
    assert len(lines) == len(trials)


def test_not_even_the_best_of_many_trials_covers_the_axes_and_their_labels():
    trials = [Trial(number=n, parameters={"x": n}, metric=n / 600) for n in range(1, 601)]
    figure = plot_parallel(ranking(trials, "maximize"), ["x"], metric="score")
    is_trial = {line: list(line.get_xdata()) == [0, 1] for line in figure.axes[0].get_lines()}
    trials_up_to = max(line.get_zorder() for line, yes in is_trial.items() if yes)
    others = [line for line, yes in is_trial.items() if not yes] + list(figure.axes[0].texts)
    assert trials_up_to < min(one.get_zorder() for one in others)
    assert len({line.get_zorder() for line, yes in is_trial.items() if yes}) == 600


@pytest.mark.parametrize(
    ("goal", "metrics", "end", "label"),
    [
        ("minimize", [900, 1000, 1000, 1250, 150_000], 1, "≥ 1,500"),
        ("maximize", [0.75, 0.5, 0.5, -0.125, -9], 0, "≤ -0.75"),
    ],
)
def test_one_hopeless_trial_does_not_make_all_others_look_alike(goal, metrics, end, label):
    trials = [
        Trial(number=n, parameters={"x": n}, metric=one, status="finished")
        for n, one in enumerate(metrics, start=1)
    ]
    figure = plot_parallel(ranking(trials, goal), ["x"], metric="score")
    lines = [line for line in figure.axes[0].get_lines() if list(line.get_xdata()) == [0, 1]]
    places = sorted((abs(line.get_ydata()[-1] - end), line.get_color()) for line in lines)
    np.testing.assert_allclose([place for place, _ in places], [0, 5 / 12, 5 / 6, 5 / 6, 1])
    assert len({colour for _, colour in places}) == 4
    assert label in [text.get_text() for text in figure.axes[0].texts]


@pytest.mark.parametrize("names", [["x"], ["x", "y"]])
def test_a_sweep_in_which_all_failed_is_drawn_too_below_a_whole_title(names):
    trials = [Trial(number=n, parameters={"x": n, "y": 0.5}, status=FAILED) for n in range(1, 31)]
    figure = plot_parallel(ranking(trials, "maximize"), names, metric="val/balanced_accuracy")
    figure.draw_without_rendering()
    title = next(text for text in figure.axes[0].findobj(Text) if "30 failed, dashed" in text.get_text())
    assert title.get_window_extent().x1 <= figure.bbox.x1


@pytest.mark.parametrize(
    ("metrics", "title"),
    [
        ([0.5], "1 finished trial, coloured by score"),
        ([0.5, 0.4, None], "2 finished trials, coloured by score; 1 failed, dashed"),
        ([None], "1 failed, dashed"),
    ],
)
def test_the_title_counts_what_is_drawn(metrics, title):
    trials = [
        Trial(number=n, parameters={"x": n}, metric=one, status=FAILED if one is None else "finished")
        for n, one in enumerate(metrics, start=1)
    ]
    figure = plot_parallel(ranking(trials, "maximize"), ["x"], metric="score")
    assert figure.axes[0].get_title(loc="left") == title


def test_the_table_says_what_is_searched():
    table = space_table(read_sweep(REPOSITORY / "3-training" / "sweeps" / "bayes.yaml"))
    assert table.loc["learning_rate", "values"] == "0.0001 to 0.1"
    assert table.loc["augmentation"].tolist() == ["categorical", "none, light, study, strong"]
