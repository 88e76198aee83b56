"""Training steps that a GPU repeats by itself.

A step of a network is some two thousand kernels, and with small batches a processor takes longer to start
them than a GPU to run them. So a step is recorded, as a CUDA graph, and is one start from then on. What it
reads and writes has to stay where it was, and nothing in it may depend on what only the processor knows.
"""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from lost_and_found.training.targets import Labels

# Steps of each size that are taken as they are, until cuDNN has chosen its algorithms and compilers are done.
STEPS_BEFORE = 3

# From pixels, drawn numbers, labels, and the number of pictures of the whole batch.
Compute = Callable[[Tensor, Tensor, Labels, int], None]


@dataclass(frozen=True)
class _Recording:
    graph: torch.cuda.CUDAGraph
    pixels: Tensor
    drawn: Tensor
    labels: Labels


class RecordedSteps:
    """One kind of step, recorded for each size of batch.

    The device's memory for a step is kept as long as this object lives; all sizes share it, as nothing in it
    is needed after the step. An ordinary step can't use it.
    """

    def __init__(self, device: torch.device) -> None:
        self._stream = torch.cuda.Stream(device)
        self._pool = torch.cuda.graph_pool_handle()
        self._taken: Counter[int] = Counter()
        self._recordings: dict[int, _Recording] = {}

    def take(self, compute: Compute, pixels: Tensor, drawn: Tensor, labels: Labels) -> None:
        """Take a step.

        Args:
            compute: the same in every call. It leaves all that it finds in tensors that stay, and never waits
                for the device. It isn't kept, or its owner would hold itself by way of this object.
            pixels: the whole batch.
            drawn: as many rows.
            labels: as many rows each.
        """
        size = len(pixels)
        if size not in self._recordings:
            if self._taken[size] < STEPS_BEFORE:
                self._taken[size] += 1
                self._forget()
                self._take_aside(compute, pixels, drawn, labels)
                return
            self._recordings[size] = self._record(compute, pixels, drawn, labels)
        recording = self._recordings[size]
        recording.pixels.copy_(pixels, non_blocking=True)
        recording.drawn.copy_(drawn, non_blocking=True)
        for name, label in labels.items():
            recording.labels[name].copy_(label, non_blocking=True)
        recording.graph.replay()

    def _forget(self) -> None:
        """Give back the memory of all recordings, which would stand beside that of an ordinary step.

        They are made again when they are needed.
        """
        if self._recordings:
            torch.cuda.synchronize(self._stream.device)
            self._recordings.clear()
            self._pool = torch.cuda.graph_pool_handle()  # a pool whose recordings are gone takes no new ones
            torch.cuda.empty_cache()

    def _take_aside(self, compute: Compute, pixels: Tensor, drawn: Tensor, labels: Labels) -> None:
        """Compute on the stream of the recordings: autograd goes on where a gradient was first computed."""
        current = torch.cuda.current_stream(pixels.device)
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            compute(pixels, drawn, labels, len(pixels))
        current.wait_stream(self._stream)

    def _record(self, compute: Compute, pixels: Tensor, drawn: Tensor, labels: Labels) -> _Recording:
        kept = _Recording(
            torch.cuda.CUDAGraph(),
            pixels.clone(),
            drawn.clone(),
            {name: label.clone() for name, label in labels.items()},
        )
        # Graphs of a former training must go now: to free one in the middle of a recording would break it.
        gc.collect()
        collects = gc.isenabled()
        gc.disable()
        try:
            # Only this thread is kept from what can't be recorded: another one reads the next pictures.
            with torch.cuda.graph(
                kept.graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"
            ):
                compute(kept.pixels, kept.drawn, kept.labels, len(pixels))
        except RuntimeError as error:
            error.add_note("This step could not be recorded as a CUDA graph; with compile off, none is.")
            raise
        finally:
            if collects:
                gc.enable()
        return kept
