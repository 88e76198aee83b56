"""Training steps that a GPU replays by itself.

A training step is some two thousand kernels, and with small batches the CPU takes longer to launch them than
the GPU to run them. So a step is recorded as a CUDA graph, which takes a single launch from then on. The
tensors it reads and writes must stay where they are, and nothing in it may depend on what only the CPU knows.
"""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from lost_and_found.training.targets import Labels

# Ordinary steps for each batch size before one is recorded: cuDNN and compilers make their choices in them.
STEPS_BEFORE = 3

# Takes pixels, drawn numbers, labels, and the number of pictures in the whole batch.
Compute = Callable[[Tensor, Tensor, Labels, int], None]


@dataclass(frozen=True)
class _Recording:
    graph: torch.cuda.CUDAGraph
    pixels: Tensor
    drawn: Tensor
    labels: Labels


class RecordedSteps:
    """One kind of step, recorded for each batch size.

    The device memory of a step is held as long as this object lives; all sizes share it, as nothing in it is
    needed after the step. Ordinary steps can't use it.
    """

    def __init__(self, device: torch.device) -> None:
        self._stream = torch.cuda.Stream(device)
        self._pool = torch.cuda.graph_pool_handle()
        self._taken: Counter[int] = Counter()
        self._recordings: dict[int, _Recording] = {}

    def take(self, compute: Compute, pixels: Tensor, drawn: Tensor, labels: Labels) -> None:
        """Take a step.

        Args:
            compute: the same in every call. It writes its results to tensors that persist, and never waits
                for the device. It isn't stored here, which would make a reference cycle with its owner.
            pixels: the whole batch, uint8 (B, 3, H, W).
            drawn: one row per picture.
            labels: one row per picture in each.
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
        """Free the memory of all recordings, which would add to that of an ordinary step.

        They are made again when needed.
        """
        if self._recordings:
            torch.cuda.synchronize(self._stream.device)
            self._recordings.clear()
            self._pool = torch.cuda.graph_pool_handle()  # a pool whose recordings are gone takes no new ones
            torch.cuda.empty_cache()

    def _take_aside(self, compute: Compute, pixels: Tensor, drawn: Tensor, labels: Labels) -> None:
        """Compute on the recordings' stream: autograd keeps to the stream that first computed a gradient."""
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
        # Graphs of an earlier training must go now: freeing one in the middle of a recording would break it.
        gc.collect()
        collects = gc.isenabled()
        gc.disable()
        try:
            # Calls that can't be recorded are errors in this thread only: another reads the next pictures.
            with torch.cuda.graph(
                kept.graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"
            ):
                compute(kept.pixels, kept.drawn, kept.labels, len(pixels))
        except RuntimeError as error:
            error.add_note("This step could not be recorded as a CUDA graph; compile off records none.")
            raise
        finally:
            if collects:
                gc.enable()
        return kept
