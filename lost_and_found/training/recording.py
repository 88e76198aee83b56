"""Training steps that a GPU repeats by itself.

A step of a network is some two thousand kernels, and with small batches a processor takes longer to start
them than a GPU to run them. So a step is recorded, as a CUDA graph, and is one start from then on. What it
reads and writes has to stay where it was, and nothing in it may depend on what only the processor knows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from lost_and_found.training.targets import Labels

# Steps that are taken as they are, until cuDNN has chosen its algorithms and compilers are done.
STEPS_BEFORE = 3

# From pixels, drawn numbers, labels, and the number of pictures of the whole batch.
Compute = Callable[[Tensor, Tensor, Labels, int], None]


@dataclass(frozen=True)
class _Recording:
    graph: torch.cuda.CUDAGraph
    inputs: dict[str, Tensor]


class RecordedStep:
    """A step, recorded for each size of batch."""

    def __init__(self, compute: Compute, device: torch.device) -> None:
        """Nothing is recorded yet.

        Args:
            compute: leaves all that it finds in tensors that stay; it never waits for the device.
            device: a GPU.
        """
        self._compute = compute
        self._stream = torch.cuda.Stream(device)
        self._taken: Counter[tuple[int, int]] = Counter()
        self._recordings: dict[tuple[int, int], _Recording] = {}

    def __call__(self, pixels: Tensor, drawn: Tensor, labels: Labels, count: int) -> None:
        """Take the step with these."""
        inputs = {"pixels": pixels, "drawn": drawn, **labels}
        size = (len(pixels), count)
        if size not in self._recordings:
            if self._taken[size] < STEPS_BEFORE:
                self._taken[size] += 1
                self._take_aside(pixels, drawn, labels, count)
                return
            self._recordings[size] = self._record(inputs, count)
        recording = self._recordings[size]
        for name, value in inputs.items():
            recording.inputs[name].copy_(value, non_blocking=True)
        recording.graph.replay()

    def _take_aside(self, pixels: Tensor, drawn: Tensor, labels: Labels, count: int) -> None:
        """On the stream on which it is going to be recorded, to which gradients get tied."""
        current = torch.cuda.current_stream(pixels.device)
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            self._compute(pixels, drawn, labels, count)
        current.wait_stream(self._stream)

    def _record(self, inputs: dict[str, Tensor], count: int) -> _Recording:
        kept = {name: value.clone() for name, value in inputs.items()}
        labels = {name: value for name, value in kept.items() if name not in ("pixels", "drawn")}
        graph = torch.cuda.CUDAGraph()
        # Only this thread is kept from what can't be recorded: another one reads the next pictures.
        with torch.cuda.graph(graph, stream=self._stream, capture_error_mode="thread_local"):
            self._compute(kept["pixels"], kept["drawn"], labels, count)
        return _Recording(graph, kept)
