"""What can be seen of the benchmark of training without a GPU, and without measuring time."""

import importlib.util
import sys
from pathlib import Path

import pytest
import torch

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "training.py"


@pytest.mark.parametrize(("device", "number"), [("auto", 0), ("cuda", 0), ("cuda:1", 1)])
def test_the_benchmark_runs_on_the_gpu_that_was_asked_for(monkeypatch, device, number):
    spec = importlib.util.spec_from_file_location("training_benchmark", SCRIPT)
    benchmark = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    chosen = []
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), "--device", device])
    monkeypatch.setattr(benchmark, "pick_device", lambda name: torch.device(name.replace("auto", "cuda")))
    monkeypatch.setattr(torch._C, "_cuda_setDevice", chosen.append, raising=False)
    monkeypatch.setattr(benchmark, "describe", lambda device: sys.exit(f"now on {device}"))
    with pytest.raises(SystemExit, match="now on cuda"):
        benchmark.main()
    assert chosen == [number]
