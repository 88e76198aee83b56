"""Batches of a split, on the device by the time they are needed."""

from __future__ import annotations

import math
import warnings
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from lost_and_found.training.pixel_cache import PixelCache
from lost_and_found.training.targets import Labels, Target

# Share of a GPU's free memory that the splits may fill; the rest is for the network.
RESIDENT_SHARE = 0.5
BATCHES_AHEAD = 2
# Copies to a GPU that may be in flight. Each holds page-locked memory, which the system can't swap out.
COPIES_AHEAD = 8


class Split:
    """Pixels and encoded labels of a split, given out in batches on the device.

    Labels are all on the device. Pixels are too if they fit; otherwise a thread reads the next batches from
    the mapped file while the device works on the current one.

    Attributes:
        resident: whether all pixels are on the device.
    """

    def __init__(
        self, cache: PixelCache, target: Target, device: torch.device, *, resident: bool = False
    ) -> None:
        self.device, self.resident = device, resident
        self.pixels = as_tensor(cache.pixels)  # uint8 (N, 3, H, W), still in the file
        self.labels = {name: label.to(device) for name, label in target.encode(cache.table).items()}
        if resident:
            self.pixels = self.pixels.to(device)

    def __len__(self) -> int:
        return len(self.pixels)

    def batches(self, parts: Sequence[Tensor]) -> Iterator[tuple[Tensor, Labels]]:
        """Pixels uint8 (B, 3, H, W) and labels of each part's rows, on the device, in the order of the parts.

        Args:
            parts: row numbers int64 (B,), on the CPU.
        """
        if not parts:
            return
        # Copied all at once: a copy for each batch would make the device wait every time.
        on_device = torch.cat(list(parts)).to(self.device).split([len(rows) for rows in parts])
        pixels = (self.pixels[rows] for rows in on_device) if self.resident else self._read_ahead(parts)
        for rows, batch in zip(on_device, pixels, strict=True):
            yield batch, {name: label[rows] for name, label in self.labels.items()}

    def _read_ahead(self, parts: Sequence[Tensor]) -> Iterator[Tensor]:
        waiting: deque[Future[Tensor]] = deque()
        copies: deque[torch.cuda.Event] = deque()
        remaining = iter(parts)
        with ThreadPoolExecutor(1) as reader:
            try:
                for rows in remaining:
                    waiting.append(reader.submit(self._read, rows))
                    if len(waiting) > BATCHES_AHEAD:
                        yield self._send(waiting.popleft(), copies)
                while waiting:
                    yield self._send(waiting.popleft(), copies)
            finally:
                reader.shutdown(wait=True, cancel_futures=True)

    def _read(self, rows: Tensor) -> Tensor:
        pixels = self.pixels.index_select(0, rows)  # copies whole pictures; indexing, each byte by itself
        return pixels.pin_memory() if self.device.type == "cuda" else pixels

    def _send(self, read: Future[Tensor], copies: deque[torch.cuda.Event]) -> Tensor:
        pixels = read.result().to(self.device, non_blocking=True)
        if self.device.type == "cuda":
            copies.append(torch.cuda.current_stream(self.device).record_event())
            if len(copies) > COPIES_AHEAD:
                copies.popleft().synchronize()
        return pixels


def as_tensor(pixels: np.ndarray) -> Tensor:
    """A tensor that shares the memory of a cache's pixels, or of some of them; not to be written to."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable", UserWarning)
        return torch.from_numpy(pixels)


def read_splits(caches: Sequence[PixelCache], target: Target, device: torch.device) -> list[Split]:
    """The splits of these caches; a GPU keeps the pixels of those that still fit, in this order."""
    room = 0.0
    if device.type == "cuda":
        torch.cuda.empty_cache()  # what torch still holds from an earlier training counts as free
        room = RESIDENT_SHARE * torch.cuda.mem_get_info(device)[0]
    splits = []
    for cache in caches:
        fits = cache.pixels.nbytes <= room
        room -= cache.pixels.nbytes * fits
        splits.append(Split(cache, target, device, resident=fits))
    return splits


def batches(order: Tensor, batch_size: int) -> tuple[Tensor, ...]:
    """The rows (N,) in as few batches of at most `batch_size` as possible, of nearly equal size.

    A batch of one picture would break batch normalisation, so there is none unless there is only one row: an
    odd number of rows in batches of two gives one batch of three.
    """
    return order.tensor_split(max(1, min(math.ceil(len(order) / batch_size), len(order) // 2)))


def epoch_order(split: Split, classes: Tensor | None, *, sampling: str, generator: torch.Generator) -> Tensor:
    """The rows (N,) of an epoch: all of them shuffled, or N drawn so that all classes are equally likely.

    Args:
        split: to train on.
        classes: class number (N,) of each row; needed only for "balanced".
        sampling: one of `config.SAMPLINGS`.
        generator: on the CPU.
    """
    if sampling == "natural" or classes is None:
        return torch.randperm(len(split), generator=generator)
    counts = classes.cpu().bincount()
    weights = (1 / counts.double())[classes.cpu()]
    return torch.multinomial(weights, len(split), replacement=True, generator=generator)
