import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lost_and_found.training.config import SCHEDULES, TrainingConfig
from lost_and_found.training.schedules import learning_rate_factor

CONFIG = TrainingConfig(dataset="made", epochs=10, warmup_epochs=1.0, schedule="cosine")


@pytest.mark.parametrize(
    ("changes", "epochs", "factor"),
    [
        ({}, 0.25, 0.25),
        ({}, 1.0, 1.0),
        ({}, 5.5, 0.5),
        ({}, 10.0, 0.0),
        ({"warmup_epochs": 0.0}, 0.0, 1.0),
        ({"warmup_epochs": 10.0}, 10.0, 1.0),
        ({"schedule": "constant"}, 9.9, 1.0),
        ({"schedule": "constant"}, 0.5, 0.5),
        ({"schedule": "step", "step_size": 3, "gamma": 0.1}, 2.99, 1.0),
        ({"schedule": "step", "step_size": 3, "gamma": 0.1}, 3.01, 0.1),
        ({"schedule": "step", "step_size": 3, "gamma": 0.1}, 9.5, 0.001),
    ],
)
def test_the_factor_is_that_of_the_schedule(changes, epochs, factor):
    assert learning_rate_factor(dataclasses.replace(CONFIG, **changes), epochs) == pytest.approx(factor)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_schedule_has_its_own_course(schedule):
    configs = [dataclasses.replace(CONFIG, schedule=one, step_size=3) for one in (schedule, "constant")]
    own, constant = ([learning_rate_factor(config, epoch) for epoch in range(10)] for config in configs)
    assert (own == constant) == (schedule == "constant")


@given(
    schedule=st.sampled_from(SCHEDULES),
    warmup=st.floats(0, 10),
    epochs=st.floats(0, 10),
)
def test_the_factor_is_never_negative_nor_above_one(schedule, warmup, epochs):
    config = dataclasses.replace(CONFIG, schedule=schedule, warmup_epochs=warmup)
    assert 0 <= learning_rate_factor(config, epochs) <= 1
