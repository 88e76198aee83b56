"""Runs are compared: which, in what order, and two of them country by country."""

import dataclasses
import json
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from lost_and_found import notebooks
from lost_and_found.errors import InvalidConfig, ListMismatch, MissingInput
from lost_and_found.evaluation import bootstrap, comparison, comparison_plots, paired
from lost_and_found.evaluation.comparison import ComparedRun
from lost_and_found.training.pixel_cache import PixelCache
from lost_and_found.workspace import REPOSITORY, TRAIN

NOTEBOOK = REPOSITORY / "4-evaluation/02-compare-runs.ipynb"


def made_run(name: str, best: float, *, metric: str = "top1", **config: object) -> ComparedRun:
    """A run that was never trained."""
    defaults = {"dataset": "made", "target": "country", "architecture": "resnet18", "width": 64, "height": 36}
    summary = {"best_metric": f"val/{metric}", f"val/{metric}": best, "best_epoch": 1, "epochs": 4}
    metrics = pd.DataFrame({"epoch": [1, 2], f"val/{metric}": [best, best / 2], "val/loss": [2.0, 1.0]})
    return ComparedRun(name, {**defaults, **config}, summary, metrics)


def test_the_table_shows_the_settings_in_which_runs_differ_and_no_others():
    runs = [made_run("a", 0.2, seed=0, patience=3), made_run("b", 0.3, seed=1, patience=3)]
    table = comparison.runs_table(runs)
    assert table["seed"].tolist() == [0, 1]
    assert "patience" not in table
    assert table[["size", "best_metric", "best", "epochs"]].iloc[1].tolist() == ["64x36", "top1", 0.3, 4]


def test_a_run_with_an_empty_table_of_metrics_is_an_error_that_names_it(tmp_path):
    for name in ("config.json", "summary.json"):
        (tmp_path / name).write_text("{}")
    (tmp_path / "metrics.csv").touch()
    with pytest.raises(MissingInput, match=r"metrics\.csv is damaged"):
        comparison.read_compared(tmp_path)


def on_disk(folder: Path, run: ComparedRun, *, lists: str = "a", weights: str = "none") -> ComparedRun:
    place = folder / run.id
    place.mkdir()
    (place / "labels.json").write_text(json.dumps({"lists": {"made.val": lists}}))
    return dataclasses.replace(run, folder=place, summary={**run.summary, "weights_used": weights})


def test_runs_that_differ_in_their_seed_alone_have_a_mean_and_a_standard_deviation(tmp_path):
    runs = [
        *(made_run(f"a{seed}", 0.3 + seed / 10, seed=seed, patience=3) for seed in range(3)),
        *(made_run(f"b{seed}", 0.5, seed=seed, patience=4) for seed in range(2)),
        *(made_run(f"c{seed}", 0.1, seed=seed) for seed in range(2)),  # before there was such a setting
    ]
    seeds = comparison.seeds_table([on_disk(tmp_path, run) for run in runs])
    assert seeds[["runs", "lowest", "highest"]].to_numpy().tolist() == [
        [2, 0.5, 0.5],
        [3, 0.3, 0.5],
        [2, 0.1, 0.1],
    ]
    np.testing.assert_allclose(seeds[["mean", "sd"]], [[0.5, 0], [0.4, 0.1], [0.1, 0]], atol=1e-12)
    assert "seed" not in seeds
    shown = comparison.readable(seeds)
    assert shown["mean"].tolist() == ["0.5", "0.4", "0.1"]
    assert shown["patience"].tolist() == ["4", "3", ""]


@pytest.mark.parametrize(
    ("other", "known"),
    [
        ({"epochs": 9}, {}),
        ({}, {"lists": "b"}),
        ({}, {"weights": "default"}),
        ({"seed": 0}, {}),
        ({}, None),  # in W&B only
    ],
)
def test_runs_that_differ_in_more_than_their_seed_or_not_in_it_are_not_taken_together(tmp_path, other, known):
    one, two = made_run("one", 0.2, seed=0), made_run("two", 0.3, **{"seed": 1, **other})
    pair = [on_disk(tmp_path, one), two if known is None else on_disk(tmp_path, two, **known)]
    assert comparison.seeds_table(pair).empty
    assert comparison.seeds_table([one, two]).empty


def test_the_table_for_reading_has_significant_digits_and_nothing_for_missing_values():
    runs = [
        made_run("far", 6941.0869, metric="median_km", target="coordinates", learning_rate=1e-5, flip=True),
        made_run("near", 0.404412, learning_rate=0.003, flip=False),
    ]
    table = comparison.readable(comparison.runs_table(runs))
    assert table["best"].tolist() == ["6,941", "0.4044"]
    assert table["learning_rate"].tolist() == ["1e-05", "0.003"]
    assert table["flip"].tolist() == ["True", "False"]
    assert table["median_km"].tolist() == ["6,941", ""]
    assert table["top1"].tolist() == ["", "0.4044"]


def test_runs_are_sorted_by_target_and_each_target_by_its_own_metric():
    runs = [
        made_run("worse", 0.2),
        made_run("far", 900.0, metric="median_km", target="coordinates"),
        made_run("better", 0.3),
        made_run("near", 700.0, metric="median_km", target="coordinates"),
    ]
    table = comparison.runs_table(runs)
    for by in ("", "best"):
        assert comparison.sort_rows(table, by)["id"].tolist() == ["near", "far", "better", "worse"]
    assert comparison.sort_rows(table, "top1")["id"].tolist()[:2] == ["better", "worse"]
    assert comparison.sort_rows(table, "median_km")["id"].tolist()[:2] == ["near", "far"]


def test_rows_are_selected_by_an_expression():
    table = comparison.runs_table([made_run("a", 0.2), made_run("b", 0.3, architecture="resnet50")])
    chosen = comparison.select_rows(table, "architecture == 'resnet50' and epochs > 3")
    assert chosen["id"].tolist() == ["b"]
    assert comparison.select_rows(table, " ")["id"].tolist() == ["a", "b"]


@pytest.mark.parametrize(
    "where",
    [
        *("accuracy > 0.5", "best >", "best", "best = 1", "best > 'a'"),
        *("__import__('os')", "1", "best.head(1) > 0"),
    ],
)
def test_an_expression_that_is_no_condition_is_refused_with_the_columns(where):
    table = comparison.runs_table([made_run("a", 0.2), made_run("b", 0.3)])
    with pytest.raises(InvalidConfig, match=r"columns are id, dataset, target, architecture, size"):
        comparison.select_rows(table, where)


def test_a_condition_that_no_run_fits_and_an_unknown_column_are_errors():
    table = comparison.runs_table([made_run("a", 0.2)])
    with pytest.raises(InvalidConfig, match="holds for none of the 1 runs"):
        comparison.select_rows(table, "best > 0.5")
    with pytest.raises(InvalidConfig, match="sort_by is 'accuracy'; columns are id"):
        comparison.sort_rows(table, "accuracy")


def test_the_labels_of_many_runs_are_read_once_each_to_find_a_pair(tmp_path, monkeypatch):
    runs = [on_disk(tmp_path, made_run(f"r{n}", n / 30), lists=f"list {n}") for n in range(20)]
    read = []
    labels = ComparedRun.labels.fget
    monkeypatch.setattr(ComparedRun, "labels", property(lambda run: read.append(run.id) or labels(run)))
    assert comparison.choose_pair(comparison.runs_table(runs), runs) is None
    assert sorted(read) == sorted(run.id for run in runs)


def test_a_pair_is_the_two_best_unless_it_is_named(workspace):
    runs = comparison.runs_on_disk(workspace.root, ["made"])
    table = comparison.sort_rows(comparison.runs_table(runs), "")
    points, best, second = table["id"]
    chosen = comparison.choose_pair(table, runs)
    assert [run.id for run in chosen] == [second, best]
    chosen = comparison.choose_pair(table, runs, reference=best)
    assert [run.id for run in chosen] == [best, second]
    assert comparison.choose_pair(table[table["id"].isin([points, best])], runs) is None
    with pytest.raises(InvalidConfig, match="choose two different runs"):
        comparison.choose_pair(table, runs, reference=best, candidate=best)


@pytest.mark.parametrize(
    ("run", "problem"),
    [
        (made_run("elsewhere", 0.2), "in W&B only"),
        (made_run("elsewhere", 0.2, target="coordinates"), "in W&B only"),
        (dataclasses.replace(made_run("points", 0.2, target="coordinates"), folder=Path()), "coordinates"),
        (dataclasses.replace(made_run("a target of one's own", 0.2, target="road"), folder=Path()), "road"),
    ],
)
def test_runs_that_say_nothing_about_countries_here_are_not_paired(run, problem):
    table = comparison.runs_table([run])
    assert comparison.choose_pair(table, [run]) is None
    with pytest.raises(InvalidConfig, match=problem):
        comparison.choose_pair(table, [run], reference=run.id)
    with pytest.raises(InvalidConfig, match="there is no run 'absent'"):
        comparison.choose_pair(table, [run], candidate="absent")


def test_two_trained_runs_are_compared_on_the_same_pictures(workspace):
    _, *pair = comparison.runs_on_disk(workspace.root, ["made"])
    differences = paired.compare_pair(*pair, resamples=100)
    assert differences["country_code"].tolist()[0] == ""
    assert dict(zip(differences["country_code"], differences["n"], strict=True)) == (
        {"": 8, "NA": 4, "DO": 2, "UG": 2}
    )
    assert differences["reference"][0] == pytest.approx(pair[0].summary["val/top1"])
    assert differences["candidate"][0] == pytest.approx(pair[1].summary["val/country_top1"])


def test_runs_that_were_validated_with_different_lists_are_refused(workspace):
    _, first, second = comparison.runs_on_disk(workspace.root, ["made"])
    labels = json.loads((second.folder / "labels.json").read_text())
    labels["lists"]["made.val"] = "another"
    (second.folder / "labels.json").write_text(json.dumps(labels))
    with pytest.raises(ListMismatch, match=r"with list [0-9a-f]{12}, .* with another"):
        paired.compare_pair(first, second)
    table = comparison.runs_table([first, second])
    assert comparison.choose_pair(table, [first, second]) is None
    third = dataclasses.replace(first, id="third")
    best_first = comparison.runs_table([second, third, first])
    chosen = comparison.choose_pair(best_first, [second, third, first])
    assert [run.id for run in chosen] == [first.id, "third"]


def test_a_deleted_pixel_cache_is_an_error_that_says_how_to_make_it(workspace):
    _, *pair = comparison.runs_on_disk(workspace.root, ["made"])
    shutil.rmtree(workspace.root / TRAIN / "made" / "pixels")
    with pytest.raises(MissingInput, match=r"3-training/01-train-model\.ipynb"):
        paired.compare_pair(*pair)


def test_a_guess_is_the_most_probable_country_of_its_picture(workspace, monkeypatch):
    _, run, _ = comparison.runs_on_disk(workspace.root, ["made"])
    monkeypatch.setattr(paired, "predict", lambda *_: np.eye(3)[[1, 0, 0, 1] * 2] / 2 + 0.1)
    guesses = paired.validation_guesses(run)  # NA, DO, DO, NA, ...
    assert guesses["truth"].tolist() == ["NA", "NA", "DO", "UG"] * 2
    assert guesses["right"].tolist() == [True, False, True, False] * 2


def test_pictures_are_grouped_as_by_the_split_unless_its_list_has_changed(workspace):
    _, run, _ = comparison.runs_on_disk(workspace.root, ["made"])
    path = workspace.list_path(".val")
    assert paired.validation_guesses(run)["group"].tolist() == [0, 0, 1, 1] * 2  # places that recur
    header = json.loads(path.with_suffix(".json").read_text())
    path.with_suffix(".json").write_text(json.dumps(header | {"parameters": {"place_km": 5000}}))
    assert set(paired.validation_guesses(run)["group"]) == {0}
    path.unlink()
    assert set(paired.validation_guesses(run)["group"]) == {0, 1}


@pytest.mark.parametrize("column", ["id", "truth"])
def test_runs_whose_caches_hold_other_pictures_or_countries_are_refused(workspace, monkeypatch, column):
    _, *pair = comparison.runs_on_disk(workspace.root, ["made"])
    guesses = paired.validation_guesses(pair[0])
    other = guesses.assign(**{column: guesses[column].to_numpy()[::-1]})
    answers = {pair[0].id: guesses, pair[1].id: other}
    monkeypatch.setattr(paired, "validation_guesses", lambda run: answers[run.id])
    with pytest.raises(ListMismatch, match="don't hold the same pictures and countries"):
        paired.compare_pair(*pair)


def without_a_country(cache: PixelCache) -> PixelCache:
    codes = [None, *cache.table["country_code"][1:]]
    return dataclasses.replace(cache, table=cache.table.assign(country_code=codes))


def test_guesses_without_a_country_are_refused(workspace, monkeypatch):
    points, run, _ = comparison.runs_on_disk(workspace.root, ["made"])
    with pytest.raises(InvalidConfig, match="not on this disk"):
        paired.validation_guesses(dataclasses.replace(run, folder=None))
    with pytest.raises(InvalidConfig, match="nothing about countries"):
        paired.validation_guesses(points)
    read = paired.read_cache
    with monkeypatch.context() as patch, pytest.raises(MissingInput, match="run 2-data-preparation/02"):
        patch.setattr(paired, "read_cache", lambda *path, **spec: without_a_country(read(*path, **spec)))
        paired.validation_guesses(run)


def made_answers(count: int, *, seed: int) -> dict[str, np.ndarray]:
    """Two runs that are right or wrong on pictures of three countries in games of two."""
    rng = np.random.default_rng(seed)
    reference = rng.random(count) < 0.5
    return {
        "reference": reference,
        "candidate": np.where(rng.random(count) < 0.7, reference, rng.random(count) < 0.6),
        "truth": rng.choice(["FR", "NA", "US"], count),
        "group": np.char.mod("game%03d", np.arange(count) // 2),
    }


def test_paired_intervals_are_those_of_a_plain_loop_over_groups():
    answers = made_answers(120, seed=3)
    found = paired.paired_differences(**answers, resamples=200, seed=5).set_index("country_code")
    gain = answers["candidate"].astype(float) - answers["reference"]
    rng = np.random.default_rng(5)
    draws = {code: [] for code in found.index}
    for _ in range(200):
        drawn = rng.integers(60, size=60)
        rows = np.concatenate([np.flatnonzero(answers["group"] == f"game{game:03}") for game in drawn])
        for code, values in draws.items():
            own = rows if not code else rows[answers["truth"][rows] == code]
            values.append(gain[own].mean())
    for code, values in draws.items():
        own = answers["truth"] == code if code else np.ones(120, dtype=bool)
        assert found["difference"][code] == pytest.approx(gain[own].mean())
        for run in ("reference", "candidate"):
            assert found[run][code] == pytest.approx(answers[run][own].mean())
        n, games = own.sum(), len(np.unique(answers["group"][own]))
        worth = bootstrap.effective_samples(gain[own].var(), np.var(values), n=n, most=n, groups=games)
        worth = n if games == n else float(worth)
        win, loss = (((gain[own] == one).mean() * worth + 1) / (worth + 2) for one in (1, -1))
        half = 1.959964 * ((win + loss - (win - loss) ** 2) / (worth + 2)) ** 0.5
        student = np.sqrt(games / (games - 1)) * stats.t.ppf(0.975, games - 1) / 1.959964
        value = gain[own].mean()
        low, high = value + student * (np.quantile(values, [0.025, 0.975]) - value)
        assert found["low"][code] == pytest.approx(min(low, win - loss - half), abs=1e-6)
        assert found["high"][code] == pytest.approx(max(high, win - loss + half), abs=1e-6)


def test_runs_that_agree_on_few_pictures_are_not_said_to_agree_always():
    right = np.ones(5, dtype=bool)
    found = paired.paired_differences(right, right, truth=["FR"] * 5, group=np.arange(5), resamples=100)
    assert found["difference"].tolist() == [0, 0]
    # Bonett and Price by hand: 1.96 · sqrt((1 / 7 + 1 / 7) / 7) to either side.
    assert found["low"].tolist() == pytest.approx([-0.39597] * 2, abs=1e-5)
    assert found["high"].tolist() == pytest.approx([0.39597] * 2, abs=1e-5)


def test_countries_with_the_largest_differences_come_first_whichever_run_is_better():
    truth = np.repeat(["AT", "FR", "NA", "US"], 4)
    reference = np.repeat([1, 0, 1, 0], 4).astype(bool)
    candidate = np.array([1, 1, 1, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], dtype=bool)
    found = paired.paired_differences(reference, candidate, truth=truth, group=np.arange(16), resamples=100)
    assert found["country_code"].tolist() == ["", "NA", "FR", "AT", "US"]
    assert found["difference"].tolist() == [-3 / 16, -1, 0.5, -0.25, 0]


@pytest.mark.parametrize(("groups", "size", "rates"), [(2, 20, (0.2, 0.5)), (5, 10, (0.1, 0.3))])
def test_the_interval_covers_the_true_difference_where_a_country_has_few_places(groups, size, rates):
    rng = np.random.default_rng(3)
    truth = np.repeat(["FR", "NA", "US", "BR", "IT"], groups * size)
    places = np.arange(len(truth)) // size
    held = []
    for seed in range(40):
        # Pictures of one place are nearly alike, so a run has nearly all or nearly none of them right.
        reference, candidate = (
            rng.random(len(truth)) < rng.beta(rate / 4, (1 - rate) / 4, 5 * groups)[places] for rate in rates
        )
        found = paired.paired_differences(
            reference, candidate, truth=truth, group=places, resamples=100, seed=seed
        )[1:]
        held += ((found["low"] <= rates[1] - rates[0]) & (rates[1] - rates[0] <= found["high"])).tolist()
    assert np.mean(held) >= 0.92


def test_pictures_of_one_place_say_nothing_about_the_difference():
    right = np.ones(5, dtype=bool)
    found = paired.paired_differences(right, right, truth=["FR"] * 5, group=["here"] * 5, resamples=100)
    assert (found["low"].tolist(), found["high"].tolist()) == ([-1, -1], [1, 1])


def test_the_text_of_differences_leaves_out_countries_with_few_pictures():
    shares = {"reference": 0.5, "candidate": 0.75, "difference": 0.25, "low": -0.1, "high": 0.3}
    countries = {"country": [paired.ALL, "France", "Namibia", "Fiji"], "n": [39, 20, 9, 10]}
    header, *rows = paired.differences_text(pd.DataFrame(countries | shares), fewest=10).splitlines()
    assert header.split() == [*shares, "pictures"]
    values = "50.0 75.0 25.0 -10.0 30.0"
    assert [" ".join(row.split()) for row in rows] == [
        f"all pictures {values} 39",
        f"France {values} 20",
        f"Fiji {values} 10",
    ]


def test_columns_of_differences_stay_apart_and_thousands_are_separated():
    shares = {"reference": 1.0, "candidate": 0.0, "difference": -1.0, "low": -1.0, "high": 1.0}
    table = pd.DataFrame([{"country": paired.ALL, "n": 4000, **shares}])
    text = paired.differences_text(table, fewest=10)
    assert re.split("  +", text.splitlines()[1])[-3:] == ["-100.0", "100.0", "4,000"]


def test_a_difference_that_is_rounded_to_none_has_no_sign():
    shares = {"reference": 0.5, "candidate": 0.4996, "difference": -0.0004, "low": -0.1, "high": 0.1}
    table = pd.DataFrame([{"country": paired.ALL, "n": 9999, **shares}])
    text = paired.differences_text(table, fewest=10)
    assert text.split()[-4:-1] == ["0.0", "-10.0", "10.0"]


def test_swapping_the_runs_reverses_the_differences():
    answers = made_answers(90, seed=1)
    swapped = answers | {"reference": answers["candidate"], "candidate": answers["reference"]}
    one, other = (paired.paired_differences(**these, resamples=100) for these in (answers, swapped))
    other = other.set_index("country_code").loc[one["country_code"]].reset_index()
    for here, there in (("difference", "difference"), ("low", "high"), ("high", "low")):
        np.testing.assert_allclose(one[here], -other[there], atol=1e-12)


def test_the_figures_show_what_the_tables_say():
    runs = [made_run("run-aaaaaaaa", 0.2, seed=0), made_run("run-bbbbbbbb", 0.3, seed=1)]
    runs.append(made_run("far", 900.0, metric="median_km", target="coordinates"))
    table = comparison.sort_rows(comparison.runs_table(runs), "")
    figure = comparison_plots.plot_top_curves(table, runs, top=6)
    shown = [
        [text.get_text() for legend in part.legends for text in legend.get_texts()] for part in figure.subfigs
    ]
    assert shown == [
        ["resnet18, 64x36 (far)"],
        ["resnet18, 64x36, seed 1 (bbbbbbbb)", "resnet18, 64x36, seed 0 (aaaaaaaa)"],
    ]
    titles = [axes.get_title(loc="left").split(" on ")[0] for axes in figure.axes]
    assert titles == ["coordinates: median km", "coordinates: loss", "country: top1", "country: loss"]
    differences = paired.paired_differences(**made_answers(60, seed=2), resamples=100)
    figure = comparison_plots.plot_differences(differences, ("one", "other"), fewest=1)
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names[-1] == "all pictures (60)"
    assert {name.split(" (")[0] for name in names[:-1]} == {"France", "Namibia", "United States"}


@pytest.mark.parametrize("single", [False, True], ids=["two runs", "one run"])
def test_the_notebook_compares_what_there_is(workspace, tmp_path, monkeypatch, capsys, single):
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    other, country, region = (run.folder for run in comparison.runs_on_disk(workspace.root, ["made"]))
    shutil.copytree(other, country.parents[2] / "made in May/runs/elsewhere")
    if single:
        shutil.rmtree(region)
    else:
        shutil.copytree(country, country.with_name("again"))
        config = json.loads((country / "config.json").read_text())
        (country.with_name("again") / "config.json").write_text(json.dumps(config | {"seed": 1}))
    parameters = {"root": str(workspace.root), "dataset": "made", "fewest": 1, "resamples": 100}
    parameters["further_datasets"] = "made, made in May"  # the first is there already, and counts once
    notebooks.execute(NOTEBOOK, tmp_path / "executed.ipynb", parameters)
    said = capsys.readouterr().out
    assert f"runs on this disk: {3 if single else 5}." in said
    written = {path.name for path in (workspace.root / "4-evaluation/02-compare-runs/made").iterdir()}
    if single:
        assert written == {"runs.csv", "seeds.csv", "curves.png"}
        assert "No two runs differ in their seed alone" in said
        assert "There are no two runs here" in said
    else:
        assert written == {"runs.csv", "seeds.csv", "curves.png", "countries.csv", "differences.png"}
        seeds = pd.read_csv(workspace.root / "4-evaluation/02-compare-runs/made/seeds.csv")
        assert seeds[["runs", "sd"]].to_numpy().tolist() == [[2, 0]]
        assert "all pictures" in said


@pytest.mark.parametrize(("now", "is_the_model"), [(0.310, True), (0.05, False)])
def test_the_check_tolerates_rounding_and_finds_another_model(now, is_the_model):
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    (check,) = [source for cell in cells if "assert" in (source := "".join(cell["source"]))]
    # As measured on street views after a training in bfloat16.
    rows = pd.DataFrame({"n": [639, 639], "reference": 0.324, "candidate": now})
    names = {
        "table": pd.DataFrame({"id": ["one", "two"]}),
        "selected": pd.DataFrame({"id": ["one"]}),
        "pair": [SimpleNamespace(country_top1=0.324)] * 2,
        "differences": rows.assign(low=-1.0, difference=0.0, high=1.0),
    }
    if is_the_model:
        exec(check, names)
    else:
        with pytest.raises(AssertionError):
            exec(check, names)
