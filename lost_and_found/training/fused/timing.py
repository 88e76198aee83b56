"""Which of two ways to compute the same is faster on the GPU at hand."""

from __future__ import annotations

from collections.abc import Callable, Hashable

import torch

TRIES = 5  # of which the fastest counts
HEAD_START = 2_000_000  # cycles of the GPU, in which the CPU launches what is timed
known: dict[Hashable, bool] = {}  # what `is_faster` has found out


def is_faster(kind: Hashable, ours: Callable[[], object], theirs: Callable[[], object]) -> bool:
    """Whether ours is faster, found out at the first call for each kind.

    Always ours in deterministic mode, where results must not depend on the clock, and where there is no GPU.
    Without gradients, nothing is found out and theirs is taken: it isn't training yet.

    Args:
        kind: what the answer depends on.
        ours: launches the work, forward and backward.
        theirs: the same.
    """
    if not torch.cuda.is_available() or torch.are_deterministic_algorithms_enabled():
        return True
    if kind not in known:
        if not torch.is_grad_enabled():
            return False
        with torch.no_grad():
            known[kind] = _milliseconds(ours) < _milliseconds(theirs)
    return known[kind]


def _milliseconds(work: Callable[[], object]) -> float:
    """How long the GPU takes, without the time that the CPU needs to launch the work."""
    work()  # compiles kernels, or lets cuDNN choose its algorithms
    times = []
    for _ in range(TRIES):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda._sleep(HEAD_START)
        start.record()
        work()
        end.record()
        end.synchronize()
        times.append(start.elapsed_time(end))
    return min(times)
