"""Random draws that depend on a key alone: the same on every machine and in every process."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

Item = TypeVar("Item")


class Draws:
    """A stream of draws named by `key`; streams with different keys are independent."""

    def __init__(self, *key: object) -> None:
        text = "|".join(map(str, key))
        digest = hashlib.sha256(text.encode()).digest()
        self.generator = np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "little")))

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        """A number in [low, high)."""
        return low + (high - low) * self.generator.random()

    def chance(self, probability: float) -> bool:
        """True with the given probability."""
        return self.generator.random() < probability

    def index(self, count: int) -> int:
        """A whole number in [0, count)."""
        return int(self.generator.random() * count)

    def pick(self, items: Sequence[Item]) -> Item:
        """One of the items, each with the same probability."""
        return items[self.index(len(items))]

    def pick_first_likely(self, items: Sequence[Item]) -> Item:
        """One of the items, with weights falling as 1, 1/2, 1/3 ..."""
        weights = [1 / (rank + 1) for rank in range(len(items))]
        left = self.uniform(0, sum(weights))
        for item, weight in zip(items, weights, strict=True):
            left -= weight
            if left < 0:
                return item
        return items[-1]
