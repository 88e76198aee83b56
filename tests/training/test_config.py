import re

import numpy as np
import pytest

from lost_and_found.errors import InvalidConfig
from lost_and_found.notebooks import parameters_of, read_notebook
from lost_and_found.training.config import CHOICES, PRESETS, TrainingConfig
from lost_and_found.workspace import REPOSITORY

NOTEBOOKS = sorted((REPOSITORY / "3-training").glob("*.ipynb"))


@pytest.mark.parametrize(
    ("field", "value", "hint"),
    [
        ("dataset", "", "plain name"),
        ("dataset", "a/b", "plain name"),
        ("target", "continent", "allowed are country"),
        ("architecture", "resnet19", "resnet18"),
        ("weights", "", "default, none, auto"),
        ("normalisation", "zero", "imagenet, half"),
        ("coordinate_loss", "manhattan", "mse, angular"),
        ("width", 31, "at least 32"),
        ("height", 80.0, "of type int"),
        ("upsampling", 0.5, "at least 1 and at most 4"),
        ("upsampling", 5, "at least 1 and at most 4"),
        ("batch_size", 1, "at least 2"),
        ("batch_size", True, "of type int"),
        ("batch_size", 2**62, "at most 1e+09"),
        ("epochs", 0, "at least 1"),
        ("epochs", "10", "of type int"),
        ("learning_rate", 0, "more than 0"),
        ("learning_rate", -1e-3, "more than 0"),
        ("learning_rate", float("nan"), "more than 0"),
        ("learning_rate", float("inf"), "more than 0"),
        ("backbone_factor", 1.5, "at most 1"),
        ("weight_decay", -0.1, "at least 0"),
        ("step_size", 0, "at least 1"),
        ("gamma", 0.0, "more than 0"),
        ("gamma", 2.0, "at most 1"),
        ("patience", 0, "at least 1"),
        ("warmup_epochs", 6.5, "more than the 6 epochs"),
        ("deterministic", np.True_, "of type bool, Python's own"),
        ("seed", -1, "at least 0"),
        ("sampling", "balanced", "set logit_adjustment to 0"),
        ("device", "gpu", "auto, cpu"),
        ("device", "cuda:x", "auto, cpu"),
    ],
)
def test_a_bad_value_is_refused_with_what_is_allowed(field, value, hint):
    with pytest.raises(InvalidConfig, match=field) as error:
        TrainingConfig(**{"dataset": "practice", field: value})
    assert hint in str(error.value)


@pytest.mark.parametrize("target", ["region", "coordinates"])
def test_label_smoothing_is_refused_where_it_would_do_nothing(target):
    assert TrainingConfig(dataset="practice", label_smoothing=0.1).target == "country"
    with pytest.raises(InvalidConfig, match=f"does nothing for the target {target}; set it to 0"):
        TrainingConfig(dataset="practice", target=target, label_smoothing=0.1)


def test_a_config_survives_json():
    config = TrainingConfig(dataset="practice", learning_rate=1, seed=7)
    assert TrainingConfig.from_json(config.to_json()) == config
    assert isinstance(config.learning_rate, float)


@pytest.mark.parametrize(
    ("values", "hint"), [({"dataset": "a", "rate": 1}, "unknown settings rate"), ({}, "dataset")]
)
def test_settings_with_unknown_or_missing_names_are_refused(values, hint):
    with pytest.raises(InvalidConfig, match=hint):
        TrainingConfig.from_json(values)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_sets_only_what_there_is_and_to_what_is_allowed(name):
    assert PRESETS[name].items() <= TrainingConfig(dataset="practice", **PRESETS[name]).to_json().items()


def test_the_defaults_are_those_of_the_notebook():
    parameters = parameters_of(REPOSITORY / "3-training" / "01-train-model.ipynb")
    own = {name: value for name, value in parameters.items() if name not in ("root", "tracking")}
    assert own == TrainingConfig(dataset="practice").to_json()


def names_in(comment):
    """The words of a comment, and those that it shortens: efficientnet_b1/b3 has efficientnet_b3."""
    words = set(re.findall(r"\w+", comment))
    for first, more in re.findall(r"(\w+)((?:/\w+)+)", comment):
        for part in more[1:].split("/"):
            words.add(re.sub(r"\d+$" if part[0].isdigit() else r"[^_]+$", part, first))
    return words


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_comment_beside_a_choice_names_all_that_may_be_chosen(path):
    cells = read_notebook(path).cells
    (parameters,) = [cell.source for cell in cells if "parameters" in cell.metadata.get("tags", ())]
    unnamed = {}
    for line in parameters.splitlines():
        name, value, comment = re.fullmatch(r"(\w+) = ([^#]*)(.*)", line).groups()
        if comment and (missing := {*CHOICES.get(name, ())} - names_in(value + comment)):
            unnamed[name] = missing
    assert unnamed == {}
