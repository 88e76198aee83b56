"""How far guesses are off, and the notebook that reports it."""

import numpy as np
import pandas as pd
import pytest

from lost_and_found import notebooks
from lost_and_found.errors import InvalidConfig, MissingInput
from lost_and_found.evaluation import distances, held_out

KM = np.array([0.5, 10.0, 100.0, 750.0, 5000.0])


def test_scores_are_those_worked_out_by_hand():
    table = distances.distance_table(KM, groups=list("abcde"), resamples=100).set_index("metric")["value"]
    assert table["median km"] == 100
    assert table["mean km"] == pytest.approx(5860.5 / 5)
    assert table["GeoScore, 0 to 5000"] == pytest.approx(np.mean(5000 * np.exp(-KM / 1492.7)))
    within = [table[f"within {limit} km"] for limit in ("1", "25", "200", "750", "2,500")]
    assert within == [0.2, 0.4, 0.6, 0.8, 0.8]


def test_intervals_hold_the_value_and_are_wider_where_rounds_of_a_game_are_correlated():
    km = np.repeat(np.random.default_rng(0).exponential(800, 40), 5)
    single = distances.distance_table(km, groups=np.arange(200), resamples=300)
    grouped = distances.distance_table(km, groups=np.repeat(np.arange(40), 5), resamples=300)
    for table in (single, grouped):
        assert (table["low"] <= table["value"]).all()
        assert (table["value"] <= table["high"]).all()
    width = (grouped["high"] - grouped["low"]) / (single["high"] - single["low"])
    assert width[grouped["metric"] == "mean km"].item() > 1.5


def test_shares_of_none_and_all_have_the_exact_interval():
    table = distances.distance_table(np.full(8, 100.0), groups=np.arange(8), resamples=100).set_index(
        "metric"
    )
    for metric, ends in (
        ("within 1 km", (0, 0.369417)),
        ("within 200 km", (0.630583, 1)),
    ):  # 1 - 0.025 ** (1 / 8)
        assert tuple(table.loc[metric, ["low", "high"]]) == pytest.approx(ends, abs=1e-6)


def made_guesses(count: int) -> pd.DataFrame:
    """Guesses a degree east of the truth."""
    lon = np.linspace(-100, 100, count)
    points = {"lat": 0.0, "lon": lon, "guess_lat": 0.0, "guess_lon": lon + 1, "km": 111.2}
    return pd.DataFrame({"country_code": "FR", **points})


def test_the_figure_names_the_distances_of_its_shares_and_hides_no_true_points_below_guesses():
    figure = distances.plot_distances(made_guesses(3000))
    curve, world = figure.axes
    assert [label.get_text() for label in curve.get_xticklabels()][:5] == ["1", "25", "200", "750", "2,500"]
    line = curve.lines[0].get_xydata()
    assert line[0].tolist() == [1, 0]
    assert line[-1, 1] == 100
    dots = [points for points in world.collections if len(points.get_offsets()) == 3000]
    assert len(dots) == 2
    assert all(points.get_alpha() < 1 for points in dots)


def test_the_map_shows_points_in_antarctica_and_whole_ones_at_180_degrees():
    guesses = made_guesses(20).assign(lat=-75.0, guess_lat=89.0, lon=180.0)
    figure = distances.plot_distances(guesses)
    _, world = figure.axes
    south, north = world.get_ylim()
    assert south < -75
    assert north > 89
    dots = [points for points in world.collections if len(points.get_offsets()) == 20]
    assert not any(points.get_clip_on() for points in dots)
    usual = distances.plot_distances(made_guesses(20))
    assert usual.axes[1].get_ylim() == (-58, 84)


def test_the_nearest_and_the_farthest_countries_are_listed_each_once():
    names = [f"country {number}" for number in range(9)]
    table = pd.DataFrame({"country": names, "n": 5, "median_km": 50.25 * np.arange(1, 10)})
    lines = distances.nearest_and_farthest(table, ends=5).splitlines()
    assert [line.split("  ")[0] for line in lines[1:]] == names
    assert lines[1].split() == ["country", "0", "50.2", "5"]
    assert lines[9].split() == ["country", "8", "452", "5"]
    lines = distances.nearest_and_farthest(table, ends=2).splitlines()
    assert lines[3].strip() == "... 5 more"
    assert len(lines) == 6


def test_kilometres_and_shares_are_shown_with_significant_digits():
    table = distances.distance_table(KM, groups=list("abcde"), resamples=100)
    text = distances.distances_text(table)
    assert "1,172 " in text
    assert "20.0 %" in text
    assert "% to" not in text


@pytest.mark.parametrize("wrong", [np.nan, -1.0, 343_600.0])  # the last in metres
def test_distances_that_are_none_on_earth_are_refused(wrong):
    with pytest.raises(InvalidConfig, match="1 of 3 distances are unknown, or not from 0 to 20,015 km"):
        distances.distance_table(np.array([1.0, wrong, 20_015.08]), groups=list("abc"))


def test_the_newest_run_of_the_wanted_targets_is_found(three_runs, run_of):
    assert held_out.find_run(three_runs, targets=("country",)) == run_of("country").folder
    assert held_out.find_run(three_runs, targets=("region", "coordinates")) == run_of("coordinates").folder
    with pytest.raises(MissingInput, match="that predicts planet; run 3-training"):
        held_out.find_run(three_runs, targets=("planet",))


def test_a_region_run_is_tested_by_country_too_and_a_coordinates_run_is_not(three_runs, run_of, tmp_path):
    run = run_of("region")
    samples, pinned = held_out.load_test_samples(three_runs, run)
    cache = held_out.cache_test_pixels(run, samples, pinned, folder=tmp_path)
    probabilities, truth, codes = held_out.country_probabilities(run, cache)
    assert probabilities.shape == (8, 3)
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(8), abs=1e-5)
    assert [codes[one] for one in truth] == cache.table["country_code"].tolist()
    with pytest.raises(InvalidConfig, match="03-measure-distances"):
        held_out.country_probabilities(run_of("coordinates"), cache)
    with pytest.raises(InvalidConfig, match="not a point; 01-test-model"):
        distances.guessed_points(run_of("country"), cache)


@pytest.mark.end_to_end
@pytest.mark.parametrize("target", ["region", "coordinates"])
def test_the_notebook_writes_what_was_guessed_and_how_far_off(three_runs, run_of, tmp_path, target):
    run = run_of(target)
    parameters = {
        "root": str(three_runs.root),
        "dataset": "made",
        "run": run.id,
        "resamples": 100,
        "fewest": 1,
    }
    notebook = notebooks.REPOSITORY / "4-evaluation" / "03-measure-distances.ipynb"
    notebooks.execute(notebook, tmp_path / "executed.ipynb", parameters)
    folder = three_runs.root / "4-evaluation/03-measure-distances/made" / run.id
    guesses = pd.read_csv(folder / "guesses.csv", keep_default_na=False)
    scores = pd.read_csv(folder / "distances.csv").set_index("metric")["value"]
    assert len(guesses) == 8
    assert scores["median km"] == pytest.approx(guesses["km"].median())
    assert (folder / "distances.png").stat().st_size > 10_000
