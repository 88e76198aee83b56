"""A mapping that keeps its most recently used values."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Recent(Generic[Value]):
    """Values by name, at most `capacity` of them: a server that runs for weeks must not grow."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._values: OrderedDict[str, Value] = OrderedDict()

    def get(self, name: str) -> Value | None:
        """The value, which becomes the most recently used; None if it isn't there, or not any more."""
        if name not in self._values:
            return None
        self._values.move_to_end(name)
        return self._values[name]

    def put(self, name: str, value: Value) -> Value:
        """Keep a value; drops the least recently used one if there are then too many."""
        self._values[name] = value
        self._values.move_to_end(name)
        if len(self._values) > self._capacity:
            self._values.popitem(last=False)
        return value
