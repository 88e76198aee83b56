"""What in a picture speaks for the guess, by runs of every target."""

import dataclasses

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch

from lost_and_found import notebooks
from lost_and_found.errors import InvalidConfig
from lost_and_found.evaluation.evidence import (
    blurring_losses,
    blurring_table,
    blurring_text,
    evidence_maps,
    evidence_unit,
    highest_evidence,
)
from lost_and_found.evaluation.evidence_plots import (
    evidence_text,
    example_titles,
    overlay,
    plot_examples,
    plot_frame,
)
from lost_and_found.geo.distances import from_unit_vectors
from lost_and_found.training.models import Normalisation
from lost_and_found.training.targets.coordinates import CoordinatesTarget
from lost_and_found.training.targets.country import CountryTarget

HEIGHT, WIDTH = 48, 80
MARK = (slice(8, 16), slice(56, 64))


class Stripes(torch.nn.Module):
    """A network whose outputs follow by hand: the contrast of the pixels at the mark, and zeros."""

    def __init__(self, outputs):
        super().__init__()
        self.outputs = outputs

    def forward(self, images):
        contrast = images[:, :, *MARK].std(dim=(1, 2, 3))
        others = torch.zeros(len(images), self.outputs - 1)
        return torch.cat([contrast[:, None] / 60, others], dim=1)


@pytest.fixture
def reading_a_mark(run_of):
    """A run of a given target that sees nothing but the mark, in the pixels' own units."""

    def run(target):
        return dataclasses.replace(
            run_of("country"),
            config=dataclasses.replace(run_of("country").config, width=WIDTH, height=HEIGHT),
            target=target,
            model=Stripes(target.outputs),
            normalisation=Normalisation([0.0] * 3, [1 / 255] * 3),
        )

    return run


def striped(*, mark):
    """A picture that is grey but for black and white stripes at a place."""
    pixels = np.full((3, HEIGHT, WIDTH), 128, np.uint8)
    pixels[:, *mark] = np.where(np.arange(8) % 2, 255, 0)
    return pixels


def test_the_evidence_is_strongest_where_the_network_looks(reading_a_mark):
    run = reading_a_mark(CountryTarget(["FR", "NA", "US"]))
    pixels = np.stack([striped(mark=MARK), striped(mark=(slice(30, 38), slice(10, 18)))])
    seen, unseen = evidence_maps(run, pixels)
    rows, columns = MARK
    y, x = np.unravel_index(seen.argmax(), seen.shape)
    assert rows.start <= y < rows.stop and columns.start <= x < columns.stop
    assert seen.max() > 10
    assert seen[:, :30].max() < 0.01 * seen.max()
    # The stripes lie elsewhere: this network doesn't see them.
    assert np.abs(unseen).max() < 1e-3


def test_no_value_exceeds_what_the_guess_can_lose(reading_a_mark):
    run = reading_a_mark(CountryTarget(["FR", "NA"]))
    sure = 1 / (1 + np.exp(-127.7 / 60))  # the standard deviation of as many 0 as 255
    (seen,) = evidence_maps(run, striped(mark=MARK)[None])
    assert 0 < seen.max() <= 100 * (sure - 0.5) + 0.2


class VectorsTarget(CoordinatesTarget):
    """Points as the one it is made from, but decoded to vectors."""

    def decode(self, outputs):
        return outputs.float()

    def points(self, decoded):
        return from_unit_vectors(decoded)


def test_how_far_a_guess_moves_is_measured_between_points_whatever_is_decoded(reading_a_mark):
    pixels = striped(mark=MARK)[None]
    network = torch.nn.Sequential(Stripes(3), Shift(torch.tensor([0.0, 1.0, 0.0])))
    runs = [
        dataclasses.replace(reading_a_mark(target()), model=network)
        for target in (CoordinatesTarget, VectorsTarget)
    ]
    maps = [evidence_maps(run, pixels) for run in runs]
    assert maps[0].max() > 100
    np.testing.assert_allclose(*maps, rtol=1e-3, atol=0.1)


def test_evidence_against_the_guess_is_negative(reading_a_mark):
    target = CountryTarget(["FR", "NA"])
    run = reading_a_mark(target)
    against = Stripes(2)
    run = dataclasses.replace(run, model=torch.nn.Sequential(against, Shift(torch.tensor([0.0, 4.0]))))
    (seen,) = evidence_maps(run, striped(mark=MARK)[None])
    y, x = np.unravel_index(seen.argmin(), seen.shape)
    assert (seen[y, x] < -0.1) and MARK[0].start <= y < MARK[0].stop and MARK[1].start <= x < MARK[1].stop
    assert seen.max() < 0.01


class Shift(torch.nn.Module):
    def __init__(self, by):
        super().__init__()
        self.by = by

    def forward(self, outputs):
        return outputs + self.by


def test_for_coordinates_it_is_how_far_the_guess_moves(reading_a_mark):
    run = reading_a_mark(CoordinatesTarget())
    run = dataclasses.replace(run, model=torch.nn.Sequential(run.model, Shift(torch.tensor([0.0, 1.0, 0.0]))))
    (seen,) = evidence_maps(run, striped(mark=MARK)[None])
    y, x = np.unravel_index(seen.argmax(), seen.shape)
    assert evidence_unit(run) == "km"
    assert MARK[0].start <= y < MARK[0].stop and MARK[1].start <= x < MARK[1].stop
    # From nearly (1, 0, 0) towards (0, 1, 0): a quarter of the Earth's circumference at most.
    assert 1000 < seen.max() < 10_008
    assert seen.min() >= 0


@pytest.mark.parametrize(
    ("width", "height"), [(130, 80), (320, 180), (32, 32), (48, 90)], ids=lambda size: str(size)
)
def test_a_grey_picture_of_any_size_has_no_evidence(run_of, width, height):
    run = run_of("region")
    run = dataclasses.replace(run, config=dataclasses.replace(run.config, width=width, height=height))
    maps = evidence_maps(run, np.full((1, 3, height, width), 90, np.uint8))
    assert maps.shape == (1, height, width)
    assert np.abs(maps).max() < 0.01


def test_pictures_of_another_size_are_refused(run_of):
    with pytest.raises(InvalidConfig, match=r"pixels of shape \(N, 3, 32, 32\), not from uint8"):
        evidence_maps(run_of("country"), np.zeros((1, 3, 16, 32), np.uint8))


def test_blurring_the_evidence_costs_the_guess_more_than_blurring_anything_else(reading_a_mark):
    run = reading_a_mark(CountryTarget(["FR", "NA"]))
    pixels = np.stack([striped(mark=MARK), striped(mark=(slice(30, 38), slice(10, 18)))])
    # The second map is made up: highest at the left, where the first picture has nothing.
    maps = np.concatenate([evidence_maps(run, pixels[:1]), np.zeros((1, HEIGHT, WIDTH), np.float32)])
    maps[1, :, :10] = 1
    losses = blurring_losses(run, pixels, maps, share=0.1)
    assert losses[0, 0] > 10
    assert losses[0, 1:] == pytest.approx(0, abs=1e-3)
    assert losses[1] == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("share", [0.0, 1.0, -1, 2])
def test_a_share_that_is_none_is_refused(run_of, share):
    pixels = np.zeros((2, 3, 32, 32), np.uint8)
    with pytest.raises(InvalidConfig, match=r"the share to blur is .*; it must be above 0 and below 1"):
        blurring_losses(run_of("country"), pixels, np.zeros((2, 32, 32)), share=share)


def test_the_maps_of_a_single_picture_cannot_be_checked(run_of):
    with pytest.raises(InvalidConfig, match="other pictures: 1 isn't enough"):
        blurring_losses(
            run_of("country"), np.zeros((1, 3, 32, 32), np.uint8), np.zeros((1, 32, 32)), share=0.2
        )


def test_losses_are_averaged_with_intervals_over_groups():
    losses = np.random.default_rng(0).normal([20, 10, 0], 5, (200, 3))
    table = blurring_table(losses, unit="points")
    assert table["mean"].tolist()[:3] == losses.mean(axis=0).tolist()
    assert table["mean"][3] == pytest.approx(table["mean"][0] - table["mean"][1])
    assert (table["low"] < table["mean"]).all() and (table["mean"] < table["high"]).all()
    # Twice as many pictures that are the same ones say nothing new.
    groups = np.repeat(np.arange(200), 2)
    twice = blurring_table(np.repeat(losses, 2, axis=0), unit="points", groups=groups)
    widths = [(one["high"] - one["low"]).to_numpy() for one in (table, twice)]
    assert widths[1] == pytest.approx(widths[0], rel=0.15)
    text = blurring_text(table, unit="points")
    assert "costs the guess, points" in text and "its least evidence" in text


@pytest.mark.parametrize(
    ("unit", "least", "most"), [("points", -100, 100), ("km", 0, pytest.approx(20_015, abs=1))]
)
def test_intervals_of_losses_from_few_groups_hold_no_impossible_values(unit, least, most):
    losses = np.array([[90.0, 80, 0], [1, 0, 0], [2, 0, 0]])
    single = blurring_table(losses, unit=unit, groups=["one"] * 3)
    assert single["low"][:3].tolist() == [least] * 3 and single["high"][:3].tolist() == [most] * 3
    assert single["high"][3] == -single["low"][3] < 40_100
    few = blurring_table(losses, unit=unit)
    assert few["low"][:3].min() >= least and (few["low"] <= few["mean"]).all()


def test_a_loss_of_next_to_nothing_is_written_without_a_sign():
    table = pd.DataFrame({"blurred": ["its least evidence"], "mean": [-0.01], "low": [-0.02], "high": [0.0]})
    assert "-0.0" not in blurring_text(table, unit="points")


def test_the_strongest_spot_is_given_as_shares_of_the_picture():
    maps = np.zeros((2, 4, 10), np.float32)
    maps[0, 3, 0], maps[1, 0, 9] = 2, 7
    table = highest_evidence(maps)
    assert table.to_dict("list") == {"evidence": [2, 7], "x": [0.05, 0.95], "y": [0.875, 0.125]}


def test_a_picture_without_evidence_stays_grey_and_the_strongest_is_orange_or_blue():
    pixels = np.random.default_rng(0).integers(0, 256, (3, 4, 5), np.uint8)
    plain = overlay(pixels, np.zeros((4, 5)))
    assert (np.ptp(plain.astype(int), axis=2) == 0).all()
    evidence = np.zeros((4, 5))
    evidence[0, 0], evidence[3, 4] = 2.0, -2.0
    red, _, blue = np.moveaxis(overlay(pixels, evidence).astype(int), 2, 0)
    assert red[0, 0] > blue[0, 0] and red[3, 4] < blue[3, 4]


def test_rounding_errors_are_not_coloured_as_evidence():
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (1, 3, 8, 10), np.uint8)
    errors = 1e-5 * rng.normal(size=(1, 8, 10))
    assert np.ptp(overlay(pixels[0], errors[0]).astype(int), axis=2).max() == 0
    frame = plot_frame(pixels, errors, unit="points")
    assert frame.axes[1].images[0].get_clim() == (-0.1, 0.1)


def test_titles_name_the_truth_and_another_guess():
    guesses = pd.DataFrame(
        {"guess_1": ["NA", "FR", "NO"], "probability_1": [0.61, 0.34, np.nan]}, index=[4, 7, 9]
    )
    titles = example_titles(guesses, ["NA", "NA", "SE"])
    assert titles == ["Namibia: 61 %", "Namibia: taken for France 34 %", "Sweden: taken for Norway"]


@pytest.mark.parametrize(
    ("highest", "unit", "title"),
    [
        (3.14, "points", "What speaks for Namibia: up to 3.1 points"),
        (-1.0, "points", "What speaks for Namibia: up to 0.0 points"),
        (1234.56, "km", "What moves the guess: up to 1,234.6 km"),
    ],
)
def test_a_title_says_how_high_the_evidence_is(highest, unit, title):
    evidence = np.array([[highest - 2, highest]])
    assert evidence_text(evidence, unit=unit, country="NA") == title


def test_figures_of_an_odd_number_of_pictures_are_drawn():
    pixels = np.random.default_rng(0).integers(0, 256, (3, 3, 8, 10), np.uint8)
    maps = np.random.default_rng(1).normal(size=(3, 8, 10))
    examples = plot_examples(pixels, maps, ["one $", "two $", "three"], unit="points")
    assert sum(len(axes.images) for axes in examples.axes) == 6
    frame = plot_frame(pixels, maps, unit="points")
    shown = frame.axes[1].images[0].get_array()
    assert np.allclose(shown, maps.mean(axis=0))


@pytest.mark.filterwarnings("error")
def test_figures_of_no_evidence_have_a_scale_and_no_negative_zero():
    pixels, maps = np.zeros((2, 3, 8, 10), np.uint8), np.full((2, 8, 10), -1e-6)
    examples = plot_examples(pixels, maps, ["one", "two"], unit="points")
    assert examples.axes[1].get_title(loc="right") == "0.0 to 0.0 points"
    frame = plot_frame(pixels, 0 * maps, unit="points")
    assert frame.axes[2].get_ylim() == (-0.1, 0.1)


def test_long_names_of_countries_do_not_run_into_the_numbers_of_the_evidence():
    guesses = pd.DataFrame({"guess_1": ["HM"], "probability_1": [0.87]})
    maps = np.linspace(-98.7, 98.7, 80 * 130).reshape(1, 80, 130)
    titles = example_titles(guesses, ["GS"])
    figure = plot_examples(np.zeros((1, 3, 80, 130), np.uint8), maps, titles, unit="points")
    figure.draw_without_rendering()
    left, right = (axes.findobj(plt.Text) for axes in figure.axes[:2])
    (title,) = [text for text in left if "taken for" in text.get_text()]
    (numbers,) = [text for text in right if "points" in text.get_text()]
    last_line = title.get_text().splitlines()[-1]
    assert title.get_text().replace("\n", " ") == titles[0]
    assert len(last_line) < 40
    assert title.get_window_extent().x1 < numbers.get_window_extent().x0


def test_the_title_of_a_pair_does_not_run_on_from_the_numbers_beside_it():
    maps = np.linspace(-98.7, 98.7, 2 * 80 * 130).reshape(2, 80, 130)
    figure = plot_examples(np.zeros((2, 3, 80, 130), np.uint8), maps, ["Chad", "Peru"], unit="points")
    figure.draw_without_rendering()
    (numbers,) = figure.findobj(lambda one: isinstance(one, plt.Text) and "-98.7" in one.get_text())
    (title,) = figure.findobj(lambda one: isinstance(one, plt.Text) and one.get_text() == "Peru")
    assert title.get_window_extent().x0 - numbers.get_window_extent().x1 > 0.15 * figure.dpi


def test_thousands_of_kilometres_are_separated_as_everywhere():
    maps = np.linspace(2, 4321, 80).reshape(1, 8, 10)
    examples = plot_examples(np.zeros((1, 3, 8, 10), np.uint8), maps, ["one"], unit="km")
    assert examples.axes[1].get_title(loc="right") == "2.0 to 4,321.0 km"


@pytest.mark.end_to_end
@pytest.mark.parametrize(
    ("target", "pictures", "shown", "rows"),
    [("country", 6, 3, 6), ("region", 100, 100, 8), ("coordinates", 0, 0, 2)],
    ids=["some", "more than there are", "none"],
)
def test_the_notebook_writes_a_row_for_each_picture(
    three_runs, run_of, tmp_path, target, pictures, shown, rows
):
    run = run_of(target)
    parameters = {"root": str(three_runs.root), "dataset": "made", "run": run.id}
    notebook = notebooks.REPOSITORY / "4-evaluation" / "05-locate-evidence.ipynb"
    notebooks.execute(
        notebook, tmp_path / "executed.ipynb", parameters | {"pictures": pictures, "shown": shown}
    )
    folder = three_runs.root / "4-evaluation/05-locate-evidence/made" / run.id
    table = pd.read_csv(folder / "evidence.csv", keep_default_na=False)
    assert len(table) == rows
    assert set(table["truth"]) <= set(run_of("country").target.country_codes)
    assert all((folder / name).stat().st_size > 10_000 for name in ("frame.png", "examples.png"))
