import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lost_and_found.errors import InvalidConfig
from lost_and_found.evaluation.calibration import calibration_table, calibration_text, plot_calibration


def made_up(samples, *, calibrated=True, seed=0):
    """Probabilities of two classes, and truths drawn with them, or with lower ones if not calibrated."""
    rng = np.random.default_rng(seed)
    sure = rng.uniform(0.5, 1, samples)
    is_first = rng.random(samples) < (sure if calibrated else sure - 0.2)
    return np.stack([sure, 1 - sure], axis=1), np.where(is_first, 0, 1)


def test_a_table_worked_out_by_hand():
    sure = np.arange(60, 80) / 100  # two bins of ten
    truth = np.array([0] * 5 + [1] * 5 + [0] * 10)
    table = calibration_table(np.stack([sure, 1 - sure], axis=1), truth, resamples=100)
    assert table["bin"].tolist() == ["all", "1", "2"]
    assert table["n"].tolist() == [20, 10, 10]
    assert table["right"].tolist() == [0.75, 0.5, 1]
    assert table["probability"].tolist() == pytest.approx([0.695, 0.645, 0.745])
    assert table[["lowest", "highest"]].to_numpy()[1:].tolist() == [[0.6, 0.69], [0.7, 0.79]]
    assert table["low"][2] == pytest.approx(0.025 ** (1 / 10))  # exact, as a bootstrap would be certain


@pytest.mark.parametrize(
    ("calibrated", "verdict"),
    [(True, "it shows neither over- nor underconfidence"), (False, "it is overconfident")],
)
def test_a_calibrated_model_is_told_from_one_that_is_not(calibrated, verdict):
    table = calibration_table(*made_up(2000, calibrated=calibrated), resamples=200)
    assert calibration_text(table).endswith(verdict)
    held = (table["low"] <= table["probability"]) & (table["probability"] <= table["high"])
    assert (held[1:].mean() > 0.7) == calibrated


def test_a_model_that_is_right_more_often_than_it_says_is_underconfident():
    probabilities = np.tile([0.6, 0.4], (100, 1))
    table = calibration_table(probabilities, np.zeros(100, dtype=int), resamples=100)
    assert calibration_text(table).endswith("it is underconfident")
    assert "(96.4 to 100.0 %)" in calibration_text(table)


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_probabilities_of_a_model_that_has_diverged_are_refused(wrong):
    probabilities, truth = made_up(20)
    probabilities[3] = wrong
    with pytest.raises(InvalidConfig, match="diverged"):
        calibration_table(probabilities, truth)


def test_truths_that_do_not_fit_and_no_truths_are_refused():
    probabilities, truth = made_up(20)
    for count in (0, 19):
        with pytest.raises(InvalidConfig, match=rf"truth \({count},\) don't match"):
            calibration_table(probabilities, truth[:count])


def test_with_few_pictures_or_errors_that_cancel_no_model_is_called_calibrated():
    few = calibration_table(*made_up(20, calibrated=False), resamples=100)
    sure = np.repeat([0.55, 0.95], 500)
    cancelling = calibration_table(
        np.stack([sure, 1 - sure], axis=1), np.tile([0, 0, 0, 1], 250), resamples=100
    )
    assert cancelling["high"].iloc[-1] < cancelling["probability"].iloc[-1]
    for table in (few, cancelling):
        assert "on average it shows neither" in calibration_text(table)


def test_intervals_are_wider_where_samples_are_correlated():
    probabilities, truth = (np.repeat(part, 5, axis=0) for part in made_up(200))
    alone = calibration_table(probabilities, truth)
    grouped = calibration_table(probabilities, truth, groups=np.repeat(np.arange(200), 5))
    width = (grouped["high"] - grouped["low"]) / (alone["high"] - alone["low"])
    assert width[0] == pytest.approx(np.sqrt(5), rel=0.15)


@given(st.integers(1, 300), st.integers(0, 99))
@example(19, 0)
@example(300, 0)
def test_every_sample_is_in_one_bin_and_bins_rise(samples, seed):
    table = calibration_table(*made_up(samples, seed=seed), resamples=100)
    assert table["n"][0] == table["n"][1:].sum() == samples
    assert len(table) == 1 + min(10, max(1, samples // 10))  # all, and ten bins or bins of ten
    assert table["n"][1:].max() - table["n"][1:].min() <= 1
    assert (table["highest"][1:-1].to_numpy() <= table["lowest"][2:].to_numpy()).all()
    assert (table["low"] <= table["right"]).all()
    assert (table["right"] <= table["high"]).all()


def test_the_figure_has_a_point_per_bin():
    table = calibration_table(*made_up(100), resamples=100)
    (points,) = [line for line in plot_calibration(table).axes[0].lines if line.get_marker() == "o"]
    assert np.allclose(points.get_xydata(), 100 * table[["probability", "right"]][1:])


@pytest.mark.parametrize("sure", [0.1, 0.4, 0.9])
def test_the_figure_ends_a_little_beyond_its_points_and_intervals(sure):
    probabilities = np.tile([sure, *[(1 - sure) / 10] * 10], (200, 1))
    table = calibration_table(probabilities, np.where(np.arange(200) % 10 < 10 * sure, 0, 1), resamples=100)
    axes = plot_calibration(table).axes[0]
    farthest = 100 * table[["probability", "high"]][1:].max().max()
    assert axes.get_xlim() == axes.get_ylim()
    assert axes.get_ylim()[0] == 0
    assert farthest <= axes.get_ylim()[1] <= min(100, farthest + 20)


def test_the_marks_of_guesses_that_are_never_or_always_right_are_whole_and_the_legend_covers_none():
    probabilities, truth = np.tile([0.1, 0.9], (40, 1)), np.arange(40) % 2
    probabilities[20:] = [0.02, 0.98]
    truth[:20], truth[20:] = 0, 1
    figure = plot_calibration(calibration_table(probabilities, truth, resamples=100))
    figure.draw_without_rendering()
    (axes,) = figure.axes
    (marks,) = [line for line in axes.lines if line.get_marker() == "o"]
    assert {0, 100} <= set(marks.get_ydata())
    assert not marks.get_clip_on()
    (legend,) = figure.legends
    assert axes.get_legend() is None
    assert not legend.get_window_extent().overlaps(axes.get_tightbbox())


def test_the_figure_of_one_picture_speaks_of_one():
    figure = plot_calibration(calibration_table(np.array([[0.2, 0.8]]), np.array([1]), resamples=100))
    assert figure.axes[0].get_title(loc="left") == "Calibration, 1 picture"
