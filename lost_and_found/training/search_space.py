"""What a sweep varies: parameters with W&B's distributions, each a map from places in [0, 1] to values."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

from lost_and_found.errors import InvalidConfig

Value = str | int | float | bool

# The keys that each distribution must have, and those that it may have.
KEYS: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    "constant": (frozenset({"value"}), frozenset()),
    "categorical": (frozenset({"values"}), frozenset()),
    "uniform": (frozenset({"min", "max"}), frozenset()),
    "int_uniform": (frozenset({"min", "max"}), frozenset()),
    "q_uniform": (frozenset({"min", "max"}), frozenset({"q"})),
    "log_uniform_values": (frozenset({"min", "max"}), frozenset()),
    "normal": (frozenset(), frozenset({"mu", "sigma"})),
}
# Text that was meant as a number: in quotes, or without the point or sign that YAML 1.1 wants beside an "e".
NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
# Least distance of a place from 0 and from 1, where a normal distribution has no finite value.
MARGIN = 1e-9


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One parameter of a sweep.

    Attributes:
        name: of the setting.
        distribution: one of `KEYS`, as W&B defines it.
        values: the value of a constant, or all choices of a categorical parameter.
        low: least value.
        high: greatest value.
        q: values of "q_uniform" are multiples of it; whole numbers if it is one.
        mu: mean of "normal".
        sigma: standard deviation of "normal".
    """

    name: str
    distribution: str
    values: tuple[Value, ...] = ()
    low: float = 0.0
    high: float = 1.0
    q: float = 1
    mu: float = 0.0
    sigma: float = 1.0

    @property
    def varies(self) -> bool:
        """Whether there is anything to choose."""
        return self.distribution != "constant"

    def at(self, place: float) -> Value:
        """The value at a place from 0 to 1; uniformly drawn places give values with the distribution."""
        match self.distribution:
            case "constant" | "categorical":
                return self.values[min(int(place * len(self.values)), len(self.values) - 1)]
            case "int_uniform":
                return min(int(self.low) + int(place * (self.high - self.low + 1)), int(self.high))
            case "q_uniform":
                return self._multiple(round(self._between(self.low, self.high, place) / self.q))
            case "log_uniform_values":
                value = math.exp(self._between(math.log(self.low), math.log(self.high), place))
                return min(max(value, self.low), self.high)
            case "normal":
                return NormalDist(self.mu, self.sigma).inv_cdf(min(max(place, MARGIN), 1 - MARGIN))
        return min(self._between(self.low, self.high, place), self.high)

    def grid(self) -> tuple[Value, ...]:
        """All values in order.

        Raises:
            InvalidConfig: there are infinitely many.
        """
        match self.distribution:
            case "constant" | "categorical":
                return self.values
            case "int_uniform":
                return tuple(range(int(self.low), int(self.high) + 1))
            case "q_uniform":
                first, last = self.multiples()
                return tuple(self._multiple(number) for number in range(first, last + 1))
        raise InvalidConfig(
            f"parameter {self.name} is {self.distribution}, which can't be searched as a grid; "
            "give it values, or take method random or bayes"
        )

    def features(self, value: Value) -> list[float]:
        """Coordinates from 0 to 1 that say how far apart values are.

        A number has one, on a log scale where the distribution says so; a categorical parameter has one for
        each choice, and all choices are equally far apart.
        """
        match self.distribution:
            case "constant":
                return []
            case "categorical":
                return [math.sqrt(0.5) * (value == choice) for choice in self.values]
            case "log_uniform_values":
                return [math.log(float(value) / self.low) / math.log(self.high / self.low)]
            case "normal":
                return [NormalDist(self.mu, self.sigma).cdf(float(value))]
        return [(float(value) - self.low) / (self.high - self.low)]

    def place(self, value: Value) -> float:
        """A place that has this value."""
        if self.distribution in ("constant", "categorical"):
            return (self.values.index(value) + 0.5) / len(self.values)
        if self.distribution == "int_uniform":
            return (float(value) - self.low + 0.5) / (self.high - self.low + 1)
        return self.features(value)[0]

    @staticmethod
    def _between(low: float, high: float, place: float) -> float:
        return low + place * (high - low)

    def multiples(self) -> tuple[int, int]:
        """The first and last multiple of q in the range, in units of q; W&B may round beyond the range."""
        return math.ceil(self.low / self.q - MARGIN), math.floor(self.high / self.q + MARGIN)

    def _multiple(self, number: int) -> int | float:
        first, last = self.multiples()
        number = min(max(number, first), last)
        return number * self.q if isinstance(self.q, int) else float(f"{number * self.q:.12g}")


def read_parameter(name: str, content: object) -> Parameter:
    """The parameter that a sweep's file describes.

    Raises:
        InvalidConfig: it isn't valid for W&B, or only W&B's own agent can search it.
    """
    where = f"parameter {name}"
    if not isinstance(content, dict):
        raise InvalidConfig(f"{where} is {content!r}; it must be a mapping such as `values: [1, 2]`")
    if "parameters" in content:
        raise InvalidConfig(f"{where} is nested, which a training's settings are not; write it flat")
    distribution = content.get("distribution", _implied(content))
    if not isinstance(distribution, str) or distribution not in KEYS:
        raise InvalidConfig(
            f"{where} has the distribution {distribution!r}; supported are {', '.join(KEYS)}, "
            "others only by W&B's own agent"
        )
    required, optional = KEYS[distribution]
    given = set(content) - {"distribution"}
    if missing := sorted(required - given):
        raise InvalidConfig(f"{where} is {distribution} and lacks {', '.join(missing)}")
    if unknown := sorted(given - required - optional):
        raise InvalidConfig(f"{where} is {distribution} and can't have {', '.join(unknown)}")
    if required & {"value", "values"}:
        return _choices(name, content)
    return _range(name, distribution, content)


def fixed_parameter(name: str, value: Value) -> Parameter:
    """A parameter that is always the same."""
    return Parameter(name=name, distribution="constant", values=(value,))


def _implied(content: Mapping[str, Any]) -> str:
    """The distribution of a parameter that names none, by W&B's rules."""
    if "value" in content:
        return "constant"
    if "values" in content:
        return "categorical"
    whole = all(_is_whole(content.get(name)) for name in ("min", "max"))
    return "int_uniform" if whole else "uniform"


def _choices(name: str, content: Mapping[str, Any]) -> Parameter:
    is_constant = "value" in content
    values = [content["value"]] if is_constant else content["values"]
    if not isinstance(values, list) or not values:
        raise InvalidConfig(f"parameter {name}: values is {values!r}; it must be a list that isn't empty")
    for value in values:
        _check_value(name, value)
    if len(set(values)) < len(values):
        raise InvalidConfig(f"parameter {name}: values {values} has duplicates")
    return Parameter(
        name=name, distribution="constant" if is_constant else "categorical", values=tuple(values)
    )


def _check_value(name: str, value: object) -> None:
    if not isinstance(value, Value) or (isinstance(value, float) and not math.isfinite(value)):
        raise InvalidConfig(f"parameter {name} has the value {value!r}; it must be a text, number or boolean")
    _check_text(name, value)


def _check_text(name: str, value: object) -> None:
    if isinstance(value, str) and NUMBER.fullmatch(value):
        raise InvalidConfig(
            f"parameter {name}: YAML reads {value} as text; write a number without quotes, and one with an "
            "exponent with a point and a sign, such as 1.0e-3 or 1.0e+3"
        )


def _range(name: str, distribution: str, content: Mapping[str, Any]) -> Parameter:
    numbers = {key: value for key, value in content.items() if key != "distribution"}
    for key, value in numbers.items():
        _check_text(name, value)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise InvalidConfig(f"parameter {name}: {key} is {value!r}; it must be a number")
    names = {"min": "low", "max": "high"}
    parameter = Parameter(
        name=name, distribution=distribution, **{names.get(key, key): value for key, value in numbers.items()}
    )
    _check_range(parameter)
    return parameter


def _check_range(parameter: Parameter) -> None:
    where = f"parameter {parameter.name}"
    if parameter.low >= parameter.high:
        raise InvalidConfig(f"{where}: min {parameter.low!r} is not less than max {parameter.high!r}")
    if parameter.distribution == "int_uniform" and not (
        _is_whole(parameter.low) and _is_whole(parameter.high)
    ):
        raise InvalidConfig(f"{where} is int_uniform; min and max must be whole numbers")
    if parameter.distribution == "log_uniform_values" and parameter.low <= 0:
        raise InvalidConfig(f"{where} is log_uniform_values; min must be more than 0")
    if parameter.q <= 0 or parameter.sigma <= 0:
        raise InvalidConfig(f"{where}: q and sigma must be more than 0")
    first, last = parameter.multiples()
    if parameter.distribution == "q_uniform" and first > last:
        raise InvalidConfig(f"{where}: there is no multiple of q between min and max")


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
