"""What a sweep's file may contain, and which parameters are proposed."""

import dataclasses
import itertools
import math

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtri

from lost_and_found.errors import InvalidConfig, MissingInput
from lost_and_found.training.config import TrainingConfig
from lost_and_found.training.search import expected_improvement, grid_size, planned_trials, propose
from lost_and_found.training.search_space import read_parameter
from lost_and_found.training.sweep_files import DEFAULT_COMMAND, Sweep, read_sweep
from lost_and_found.training.trial_log import FAILED, Trial
from lost_and_found.workspace import REPOSITORY

SWEEPS = sorted((REPOSITORY / "3-training" / "sweeps").glob("*.yaml"))
PLAIN = {
    "program": "train.py",
    "method": "grid",
    "metric": {"name": "val/top1", "goal": "maximize"},
    "parameters": {"x": {"values": [1, 2]}},
}


def sweep_of(method, parameters, **more):
    read = tuple(read_parameter(name, content) for name, content in parameters.items())
    return Sweep(name="made", method=method, metric="val/top1", goal="maximize", parameters=read, **more)


def searched(sweep, score, *, count, seed=0):
    """The trials of a search in which `score` gives the metric of parameters, or None for a failure."""
    trials = []
    for number in range(1, count + 1):
        parameters = propose(sweep, trials, number, seed=seed)
        metric = score(parameters)
        status = FAILED if metric is None else "finished"
        trials.append(Trial(number=number, parameters=parameters, metric=metric, status=status))
    return trials


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_every_sweep_of_the_repository_varies_settings_within_their_bounds(path):
    sweep = read_sweep(path)
    assert sweep.name == path.stem
    assert sweep.command[:4] == ("${env}", "${interpreter}", "-m", "lost_and_found.training.trial")
    for number in range(1, 21):
        TrainingConfig(**propose(sweep, [], number))


def test_the_grid_is_that_of_the_study():
    sweep = read_sweep(REPOSITORY / "3-training" / "sweeps" / "study-grid.yaml")
    there = {(one["learning_rate"], one["weight_decay"]) for one in all_of(sweep)}
    assert there == set(itertools.product((0.1, 0.01, 0.001, 0.0001, 0.00001), (0, 0.1, 0.01, 0.001)))
    assert (sweep.metric, sweep.goal, planned_trials(sweep, None)) == ("val/top1", "maximize", 20)
    assert {one["learning_rate"] for one in all_of(sweep)[:5]} == {0.1, 0.01, 0.001, 0.0001, 0.00001}


def all_of(sweep):
    return [propose(sweep, [], number) for number in range(1, grid_size(sweep) + 1)]


@given(sizes=st.lists(st.integers(1, 4), min_size=1, max_size=4))
def test_a_grid_tries_every_combination_once_the_last_parameter_fastest(sizes):
    names = "abcd"[: len(sizes)]
    space = {name: {"values": list(range(size))} for name, size in zip(names, sizes, strict=True)}
    sweep = sweep_of("grid", space)
    expected = itertools.product(*(range(size) for size in sizes))
    assert [tuple(one.values()) for one in all_of(sweep)] == list(expected)
    assert propose(sweep, [], grid_size(sweep) + 1) is None


def test_a_grid_of_numbers_holds_all_that_lie_in_the_range():
    sizes = {"distribution": "q_uniform", "min": 0.1, "max": 1.0, "q": 0.25}
    sweep = sweep_of("grid", {"size": sizes, "depth": {"min": 3, "max": 4}})
    expected = itertools.product((0.25, 0.5, 0.75, 1.0), (3, 4))
    assert [tuple(one.values()) for one in all_of(sweep)] == list(expected)


NUMBERS = st.floats(-1e6, 1e6).map(lambda value: round(value, 3))
RANGES = st.tuples(NUMBERS, NUMBERS).filter(lambda pair: pair[1] - pair[0] >= 1).map(sorted)


@given(ends=RANGES, place=st.floats(0, 1))
def test_values_lie_in_their_range_and_are_found_again(ends, place):
    low, high = ends
    whole = {"min": math.floor(low), "max": math.ceil(high)}
    positive = {"min": abs(low) + 0.001, "max": abs(low) + abs(high) + 1}
    for content in (
        {"min": low, "max": high},
        {**whole, "distribution": "int_uniform"},
        {**whole, "distribution": "q_uniform", "q": 1},
        {**positive, "distribution": "log_uniform_values"},
    ):
        parameter = read_parameter("x", content)
        value = parameter.at(place)
        assert content["min"] <= value <= content["max"]
        assert parameter.at(parameter.place(value)) == pytest.approx(value, rel=1e-6, abs=1e-6)
        (feature,) = parameter.features(value)
        assert -1e-9 <= feature <= 1 + 1e-9


# Quantiles as the package `sweeps` gives them, which W&B's server runs; only what leaves the range differs.
@pytest.mark.parametrize(
    ("content", "place", "value"),
    [
        ({"distribution": "log_uniform_values", "min": 1e-4, "max": 0.1}, 0.5, 0.0031622776601683794),
        ({"distribution": "q_uniform", "min": 3, "max": 40, "q": 4}, 0.25, 12),
        ({"distribution": "q_uniform", "min": 0.1, "max": 1.0, "q": 0.25}, 0.01, 0.25),  # W&B gives 0.0
        ({"min": 3, "max": 9}, 0.99, 9),
        ({"min": 3, "max": 9}, 0.01, 3),
        ({"min": 0.0, "max": 0.3}, 0.5, 0.15),
        ({"min": 0, "max": 0.3}, 0.5, 0.15),
        ({"distribution": "normal", "mu": 2, "sigma": 0.5}, 0.5, 2.0),
        ({"distribution": "normal"}, 0.8413447460685429, 1.0),
        ({"distribution": "q_uniform", "min": 0.3, "max": 0.6, "q": 0.1}, 0.0, 0.3),
        ({"values": ["x", "y", "z"]}, 0.75, "z"),
        ({"values": ["x", "y", "z"]}, 1.0, "z"),
        ({"value": True}, 0.75, True),
    ],
)
def test_distributions_are_those_of_wandb(content, place, value):
    found = read_parameter("x", content).at(place)
    assert found == pytest.approx(value)
    assert type(found) is type(value)


def test_random_values_are_spread_as_their_distribution_says():
    sweep = sweep_of(
        "random",
        {
            "rate": {"distribution": "log_uniform_values", "min": 1e-4, "max": 1.0},
            "size": {"min": 1, "max": 4},
            "kind": {"values": ["a", "b"]},
        },
    )
    drawn = [propose(sweep, [], number) for number in range(1, 801)]
    assert sum(one["rate"] < 1e-2 for one in drawn) / 800 == pytest.approx(0.5, abs=0.06)
    for size in (1, 2, 3, 4):
        assert sum(one["size"] == size for one in drawn) / 800 == pytest.approx(0.25, abs=0.05)
    assert sum(one["kind"] == "a" for one in drawn) / 800 == pytest.approx(0.5, abs=0.06)


SMOOTH = {
    "rate": {"distribution": "log_uniform_values", "min": 1e-5, "max": 1.0},
    "decay": {"min": 0.0, "max": 1.0},
    "kind": {"values": ["good", "bad", "worse"]},
}


def smooth(parameters):
    """A score, highest (0) at a rate of 10^-2.5, a decay of 0.3 and the good kind; large rates diverge."""
    if parameters["rate"] > 0.3:
        return None
    penalty = {"good": 0, "bad": 0.5, "worse": 1}[parameters["kind"]]
    return -((math.log10(parameters["rate"]) + 2.5) ** 2) - 4 * (parameters["decay"] - 0.3) ** 2 - penalty


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_bayes_finds_a_better_optimum_than_random_draws_for_the_same_number_of_trials(seed):
    best = {
        method: max(
            trial.metric
            for trial in searched(sweep_of(method, SMOOTH), smooth, count=16, seed=seed)
            if trial.metric is not None
        )
        for method in ("bayes", "random")
    }
    assert best["bayes"] > best["random"]
    assert best["bayes"] > -0.05


@pytest.mark.parametrize(("mean", "deviation"), [(0.0, 1.0), (1.2, 0.5), (-1.0, 2.0), (0.8, 0.0)])
def test_the_expected_improvement_is_the_mean_of_what_exceeds_the_best(mean, deviation):
    scores = mean + deviation * ndtri((np.arange(10_000) + 0.5) / 10_000)
    (found,) = expected_improvement(np.array([mean]), np.array([deviation]), best=0.7)
    assert found == pytest.approx((scores - 0.7).clip(min=0).mean(), abs=1e-4)


def exploding(parameters):
    """A loss, lowest at a rate of 10^-3 and a decay of 0.01, that is huge where the rate is too high."""
    rate, decay = (math.log10(parameters[name]) for name in ("rate", "decay"))
    return 2.5 + 0.3 * (rate + 3) ** 2 + 0.1 * (decay + 2) ** 2 + 10 ** (3 * (rate + 1))


def test_bayes_isnt_misled_by_losses_that_are_a_hundred_times_the_others():
    space = {"distribution": "log_uniform_values", "min": 1e-5, "max": 1.0}
    best = {}
    for method in ("bayes", "random"):
        sweep = dataclasses.replace(sweep_of(method, {"rate": space, "decay": space}), goal="minimize")
        searches = [searched(sweep, exploding, count=16, seed=seed) for seed in range(5)]
        best[method] = [min(trial.metric for trial in trials) for trials in searches]
    assert all(one < other for one, other in zip(best["bayes"], best["random"], strict=True))
    assert max(best["bayes"]) < 2.55


def test_bayes_can_minimise():
    sweep = dataclasses.replace(sweep_of("bayes", {"x": {"min": -3.0, "max": 5.0}}), goal="minimize")
    trials = searched(sweep, lambda parameters: (parameters["x"] - 1) ** 2, count=12)
    assert min(trial.metric for trial in trials) < 0.01


def test_bayes_turns_away_from_what_fails():
    sweep = sweep_of("bayes", {"x": {"min": 0.0, "max": 1.0}})
    trials = searched(sweep, lambda parameters: parameters["x"] if parameters["x"] < 0.5 else None, count=20)
    assert sum(trial.status == FAILED for trial in trials[10:]) <= 5
    assert max(trial.metric or 0 for trial in trials) > 0.45


def test_bayes_turns_away_from_what_fails_even_if_all_else_ties():
    sweep = sweep_of("bayes", {"x": {"min": 0.0, "max": 1.0}, "y": {"min": 0.0, "max": 1.0}})
    trials = searched(sweep, lambda parameters: 0.25 if parameters["x"] < 0.5 else None, count=20)
    assert sum(trial.status == FAILED for trial in trials[6:]) <= 2


def test_bayes_tries_nothing_twice_and_ends_when_all_was_tried():
    sweep = sweep_of("bayes", {"x": {"min": 1, "max": 3}, "y": {"values": ["a", "b"]}})
    trials = searched(sweep, lambda parameters: float(parameters["x"]), count=6)
    assert len({tuple(trial.parameters.values()) for trial in trials}) == 6
    assert propose(sweep, trials, 7) is None


@settings(max_examples=3)
@given(seed=st.integers(0, 1000), stopped=st.integers(0, 8))
def test_a_search_goes_on_as_if_it_had_not_been_stopped(seed, stopped):
    for method in ("bayes", "random"):
        sweep = sweep_of(method, SMOOTH)
        through = searched(sweep, smooth, count=8, seed=seed)
        # What was over when it was stopped, and what came later, which doesn't count.
        again = propose(sweep, through[:stopped], stopped + 1, seed=seed)
        assert again == propose(sweep, through, stopped + 1, seed=seed)
        if stopped < len(through):
            assert again == through[stopped].parameters


def test_another_seed_is_another_search():
    for method in ("bayes", "random"):
        sweep = sweep_of(method, SMOOTH)
        assert propose(sweep, [], 1, seed=0) != propose(sweep, [], 1, seed=1)
        assert propose(sweep, [], 1, seed=0) != propose(sweep, [], 2, seed=0)


@pytest.mark.parametrize(
    ("cap", "limit", "planned"), [(None, None, 2), (1, None, 1), (9, 1, 1), (None, 5, 2)]
)
def test_a_sweep_ends_at_the_first_of_its_limits(cap, limit, planned):
    assert planned_trials(sweep_of("grid", {"x": {"values": [1, 2]}}, run_cap=cap), limit) == planned


def test_a_search_without_an_end_asks_for_one():
    with pytest.raises(InvalidConfig, match=r"never ends; say how many trials, by run_cap .* or by --trials"):
        planned_trials(sweep_of("random", {"x": {"min": 1, "max": 2}}), None)


def written(tmp_path, **changed):
    content = {name: value for name, value in {**PLAIN, **changed}.items() if value is not ...}
    path = tmp_path / "plain.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


def test_a_plain_sweep_has_wandbs_defaults(tmp_path):
    sweep = read_sweep(written(tmp_path, metric={"name": "loss"}))
    assert (sweep.name, sweep.goal, sweep.command) == ("plain", "minimize", DEFAULT_COMMAND)
    assert (sweep.run_cap, read_sweep(written(tmp_path, run_cap=1)).run_cap) == (None, 1)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"early_terminate": {"type": "hyperband"}}, "the local agent doesn't support early_terminate"),
        ({"method": "hyperband"}, "method is 'hyperband'; allowed are grid, random, bayes"),
        ({"method": ...}, "method is None"),
        ({"metric": ...}, "metric must have a name"),
        ({"metric": {"name": "x", "target": 1}}, "metric must have a name"),
        ({"metric": {"goal": "maximize"}}, "metric must have a name"),
        ({"metric": {"name": "x", "goal": "most"}}, "allowed are maximize, minimize"),
        ({"run_cap": 0}, "run_cap is 0"),
        ({"run_cap": "9"}, "run_cap is '9'"),
        ({"name": "a/b"}, "plain name"),
        ({"parameters": {}}, "parameters must be a mapping"),
        ({"parameters": ["x"]}, "parameters must be a mapping"),
        ({"parameters": {"x": {"value": 1}}}, "no parameter varies"),
        ({"parameters": {"x": 1}}, "parameter x is 1; it must be a mapping"),
        ({"parameters": {"x": {"parameters": {"y": {"value": 1}}}}}, "parameter x is nested"),
        ({"parameters": {"rank": {"values": [4, 8]}}}, "parameter rank has the name of a column"),
        ({"parameters": {"x": {"distribution": "beta"}}}, "supported are constant, categorical"),
        ({"parameters": {"x": {"distribution": ["normal"]}}}, "supported are constant, categorical"),
        ({"parameters": {"x": {"values": []}}}, "a list that isn't empty"),
        ({"parameters": {"x": {"values": [1, 1.0]}}}, "duplicates"),
        ({"parameters": {"x": {"values": [None]}}}, "must be a text, number or boolean"),
        ({"parameters": {"x": {"values": ["1e-3", "1e-4"]}}}, "reads 1e-3 as text; .* 1.0e-3"),
        # A point isn't enough: YAML 1.1 wants the sign of the exponent, too.
        ({"parameters": {"x": {"values": ["1.0e3", 1]}}}, r"reads 1\.0e3 as text; .* a sign, .* 1\.0e\+3"),
        ({"parameters": {"x": {"values": ["0.1", "0.01"]}}}, "reads 0.1 as text; .* without quotes"),
        ({"parameters": {"x": {"min": "1e-4", "max": 0.1}}}, "reads 1e-4 as text; .* 1.0e-3"),
        ({"parameters": {"x": {"values": [1], "probabilities": [1]}}}, "can't have probabilities"),
        ({"parameters": {"x": {"min": 1}}}, "lacks max"),
        ({"parameters": {"x": {"min": 2, "max": 1}}}, "min 2 is not less than max 1"),
        ({"parameters": {"x": {"min": "a", "max": 1}}}, "min is 'a'; it must be a number"),
        ({"parameters": {"x": {"min": 0.5, "max": 1, "distribution": "int_uniform"}}}, "whole numbers"),
        ({"parameters": {"x": {"min": 0, "max": 1, "distribution": "log_uniform_values"}}}, "more than 0"),
        (
            {"parameters": {"x": {"min": 1, "max": 2, "q": 5, "distribution": "q_uniform"}}},
            "no multiple of q",
        ),
        ({"parameters": {"x": {"min": 1, "max": 2, "q": 0, "distribution": "q_uniform"}}}, "q and sigma"),
        ({"parameters": {"x": {"min": 0.0, "max": 1.0}}}, "uniform, which can't be searched as a grid"),
        ({"command": ["${interpreter}", "${args_json}"]}, r"command has \$\{args_json\}"),
        ({"command": ["${program} ${args}"]}, "each in a line of its own"),
        ({"command": "python x"}, "it must be a list"),
        ({"program": ...}, "no program is named; add the line `program: lost_and_found/training/trial.py`"),
    ],
)
def test_what_the_local_agent_can_not_do_is_refused_by_name(tmp_path, changed, message):
    with pytest.raises(InvalidConfig, match=message) as error:
        read_sweep(written(tmp_path, **changed))
    assert "plain.yaml" in str(error.value)


@pytest.mark.parametrize("text", ["- a\n", "a: [\n", "", "name: Z\xfcrich", "name: 2026-11-31"])
def test_what_is_no_sweep_is_refused(tmp_path, text):
    path = tmp_path / "plain.yaml"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(InvalidConfig, match="plain"):
        read_sweep(path)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_a_sweep_is_read_as_the_editors_of_windows_save_it(tmp_path, encoding):
    path = written(tmp_path, name="Zürich")
    before = read_sweep(path)
    path.write_text(path.read_text(encoding="utf-8"), encoding=encoding)
    assert read_sweep(path) == before


def test_a_sweep_that_is_not_there_says_where_some_are(tmp_path):
    with pytest.raises(MissingInput, match="3-training/sweeps"):
        read_sweep(tmp_path / "absent.yaml")


def test_a_fixed_parameter_takes_the_place_of_what_the_file_says_with_a_warning_where_that_varies(tmp_path):
    path = written(
        tmp_path, parameters={"x": {"values": [1, 2]}, "y": {"values": [3, 4]}, "z": {"value": "old"}}
    )
    with pytest.warns(UserWarning) as told:
        sweep = read_sweep(path, fixed={"y": 5, "z": "new"}, name="other")
    assert [str(one.message) for one in told] == [
        "y is not searched, though the sweep varies it: it is set to 5"
    ]
    assert (sweep.name, sweep.varied) == ("other", ["x"])
    assert all_of(sweep) == [{"x": 1, "y": 5, "z": "new"}, {"x": 2, "y": 5, "z": "new"}]
    assert sweep.content() != read_sweep(path).content()
