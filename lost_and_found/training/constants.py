"""Small tables on the device."""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch import Tensor


@functools.cache
def on_device(values: tuple[Any, ...], device: torch.device) -> Tensor:
    """These numbers as a tensor, copied once: copying them for each batch would make a GPU wait every time.

    Args:
        values: numbers, or tuples of them.
        device: where.
    """
    with torch.inference_mode(mode=False):  # usable in training, even if first asked for during inference
        return torch.tensor(values, device=device)
