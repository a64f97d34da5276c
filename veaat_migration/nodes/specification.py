"""One parameter of a node: its type, unit, range, default and meaning, without ROS."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from veaat_migration.errors import VeaatError

Value = bool | int | float | str | list[int] | list[float]
"""What a parameter may hold; lists are never mixed."""


class ParameterError(VeaatError, ValueError):
    """A parameter is missing or has no meaning; the message names it and says what to write."""


class Kind(Enum):
    """Type of a ROS parameter; the value is its name in ``rclpy.Parameter.Type``."""

    BOOL = "BOOL"
    INTEGER = "INTEGER"
    DOUBLE = "DOUBLE"
    STRING = "STRING"
    INTEGER_ARRAY = "INTEGER_ARRAY"
    DOUBLE_ARRAY = "DOUBLE_ARRAY"

    @property
    def is_array(self) -> bool:
        """Whether a value is a list."""
        return self in (Kind.INTEGER_ARRAY, Kind.DOUBLE_ARRAY)

    @property
    def is_integer(self) -> bool:
        """Whether a value or its items are whole numbers."""
        return self in (Kind.INTEGER, Kind.INTEGER_ARRAY)

    @property
    def is_number(self) -> bool:
        """Whether a value or its items are numbers."""
        return self not in (Kind.BOOL, Kind.STRING)


_EXPECTED = {
    Kind.BOOL: "true or false",
    Kind.INTEGER: "a whole number",
    Kind.DOUBLE: "a number with a decimal point (2.0, not 2)",
    Kind.STRING: "text",
    Kind.INTEGER_ARRAY: "a list of whole numbers",
    Kind.DOUBLE_ARRAY: "a list of numbers with decimal points (2.0, not 2)",
}


@dataclass(frozen=True)
class ParameterSpec:
    """Declaration of one parameter. Bounds hold for every item of an array.

    ``default`` None means that the parameter must be given; an empty default of an array means
    that it may be left out. A default of NaN means "not given" and is exempt from the bounds.
    """

    name: str
    kind: Kind
    description: str
    default: Value | None = None
    unit: str = ""
    minimum: float = -math.inf
    maximum: float = math.inf
    above: float | None = None
    """Exclusive lower bound."""
    infinite: bool = False
    """Whether infinity is allowed ("no limit")."""
    choices: tuple[str, ...] = ()
    changeable: bool = False
    """Whether it may be set while the node runs."""

    @property
    def expected(self) -> str:
        """The type in words."""
        return _EXPECTED[self.kind]

    @property
    def range_text(self) -> str:
        """The permitted values in words; empty: all of the type."""
        if self.choices:
            return ", ".join(self.choices)
        parts = []
        if self.above is not None:
            parts.append(f"> {self.above:g}")
        elif self.minimum > -math.inf:
            parts.append(f">= {self.minimum:g}")
        if self.maximum < math.inf:
            parts.append(f"<= {self.maximum:g}")
        return " and ".join(parts)

    def check(self, value: Value) -> None:
        """Check a value of the right type against the range.

        Raises:
            ParameterError: the value is out of range.
        """
        if self.choices:
            if value not in self.choices:
                raise ParameterError(
                    f"{self.name}: must be one of {self.range_text}, got {value!r}"
                )
        elif self.kind.is_number:
            if isinstance(value, list):
                for index, item in enumerate(value):
                    self._check_number(f"{self.name}[{index}]", item)
            else:
                self._check_number(self.name, float(value))

    def _check_number(self, name: str, value: float) -> None:
        if isinstance(self.default, float) and math.isnan(self.default) and math.isnan(value):
            return
        if math.isnan(value) or (math.isinf(value) and not self.infinite):
            raise ParameterError(f"{name}: must be finite, got {value}")
        too_low = value < self.minimum or (self.above is not None and value <= self.above)
        if too_low or value > self.maximum:
            unit = f" {self.unit}" if self.unit else ""
            raise ParameterError(f"{name}: must be {self.range_text}{unit}, got {value:g}")


def unknown_parameters(given: Iterable[str], specs: Iterable[ParameterSpec]) -> list[str]:
    """One sentence for each given name that no specification has, with the nearest one."""
    known = [spec.name for spec in specs]
    sentences = []
    for name in sorted(set(given) - set(known)):
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        sentences.append(f"{name}: no such parameter{hint}")
    return sentences


def number(values: Mapping[str, Value], name: str) -> float:
    """A scalar number of checked values."""
    value = values[name]
    assert isinstance(value, int | float)
    return float(value)


def integer(values: Mapping[str, Value], name: str) -> int:
    """A whole number of checked values."""
    value = values[name]
    assert isinstance(value, int)
    return value


def text(values: Mapping[str, Value], name: str) -> str:
    """A text of checked values."""
    value = values[name]
    assert isinstance(value, str)
    return value


def numbers(values: Mapping[str, Value], name: str) -> list[float]:
    """A list of numbers of checked values."""
    value = values[name]
    assert isinstance(value, list)
    return [float(item) for item in value]


def integers(values: Mapping[str, Value], name: str) -> list[int]:
    """A list of whole numbers of checked values."""
    value = values[name]
    assert isinstance(value, list)
    return [int(item) for item in value]
