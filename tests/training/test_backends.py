"""How torch computes, as far as that can be seen without a GPU."""

import dataclasses
import os

import pytest
import torch

from lost_and_found.training.backends import precision_for, scaler_for, tuned_backends
from lost_and_found.training.config import TrainingConfig

CONFIG = TrainingConfig(dataset="made")


@pytest.mark.parametrize(
    ("device", "capability", "precision"),
    [
        ("cuda", (9, 0), torch.bfloat16),  # H100
        ("cuda", (8, 0), torch.bfloat16),  # A100
        ("cuda", (7, 5), torch.float16),  # T4
        ("cuda", (7, 0), torch.float16),  # V100
        ("cuda", (6, 1), torch.float32),  # GTX 1080
        ("cpu", None, torch.float32),
    ],
)
def test_auto_precision_is_the_fastest_that_a_device_has(monkeypatch, device, capability, precision):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    assert precision_for(CONFIG, torch.device(device)) == precision


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_gradients_are_scaled_in_float16_alone(precision):
    scaler = scaler_for(dataclasses.replace(CONFIG, precision=precision), torch.device("cpu"))
    assert scaler.is_enabled() == (precision == "float16")


@pytest.mark.parametrize(
    ("settings", "options"),
    [
        ({}, ("high", True, True, False)),
        ({"precision": "float32"}, ("highest", False, True, False)),
        ({"deterministic": True}, ("high", True, False, True)),
    ],
)
def test_the_options_of_torch_follow_the_config_and_are_restored(monkeypatch, settings, options):
    def present():
        cudnn = torch.backends.cudnn
        matmul, deterministic = (
            torch.get_float32_matmul_precision(),
            torch.are_deterministic_algorithms_enabled(),
        )
        return matmul, cudnn.allow_tf32, cudnn.benchmark, deterministic

    monkeypatch.setattr(os, "environ", {})
    before = present()
    with tuned_backends(dataclasses.replace(CONFIG, **settings)):
        assert present() == options
        assert ("CUBLAS_WORKSPACE_CONFIG" in os.environ) == options[-1]
    assert present() == before
