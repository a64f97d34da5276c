"""A trained policy at work: one decision in a few microseconds, with numpy alone.

Biases are folded into the matrices, whose inputs end with a one, and every product is written
into a buffer made beforehand. Numbers are double, so that nothing is converted on the way in.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from veaat_migration.policy.artifact import PolicyArtifact
from veaat_migration.policy.interface import FloatArray
from veaat_migration.policy.scaling import Scale
from veaat_migration.policy.schema import PolicySchema

Step = tuple[Callable[..., Any], FloatArray, FloatArray]
"""A matrix's product, its input with the one at the end, and its output without it."""


_tanh, _maximum = np.tanh, np.maximum
_ZERO = np.zeros(())
"""A plain 0.0 would be made an array every time, which takes longer than the comparison."""


class NotFiniteError(ArithmeticError):
    """The observation or the answer is not finite; the caller must answer by other means."""


class Actor(Protocol):
    """Answers observations with one agent's policy, on whatever runtime."""

    schema: PolicySchema
    """Description of the policy."""
    digest: str
    """The policy's digest, see :attr:`PolicyArtifact.digest`."""

    def act(self, observation: npt.ArrayLike) -> list[float]:
        """Answer an observation, see :meth:`NumpyActor.act`."""

    def act_on_record(self, record: FloatArray) -> list[float]:
        """Answer a whole record, see :meth:`NumpyActor.act_on_record`."""


class NumpyActor:
    """The deterministic policy of one agent. Not for several threads at once."""

    def __init__(self, artifact: PolicyArtifact) -> None:
        schema = artifact.schema
        self.schema = schema
        self.digest = artifact.digest
        self._columns = np.array(schema.columns, dtype=np.intp)
        self._record_size = schema.layout.record_size
        self._size = schema.widths[0]
        inputs = np.ones(self._size + 1)
        self._input = inputs[:-1]
        self._square = self._input.dot
        steps: list[Step] = []
        for k, layer in enumerate(artifact.layers, 1):
            matrix = np.hstack([layer.weight, layer.bias[:, None]]).astype(np.float64)
            if k == len(artifact.layers):
                matrix /= 2.0  # what the sigmoid needs
            outputs = np.ones(len(matrix) + 1)
            steps.append((matrix.dot, inputs, outputs[:-1]))
            inputs = outputs
        self._hidden = tuple(steps[:-1])
        self._last = steps[-1]
        self._tanh = schema.activation == "tanh"
        self._to_action = _answers(schema.action_scale)

    def act(self, observation: npt.ArrayLike) -> list[float]:
        """Answer an observation.

        Args:
            observation: entries of the record that the schema's layout chooses, shape [O].

        Returns:
            K actions in their own unit: the price [money/MHz], or R bandwidths [MHz].

        Raises:
            NotFiniteError: an entry or the answer is not finite.
            ValueError: the observation has another shape.
        """
        try:
            # len is far faster than shape; without it, one number would fill all entries.
            fits = len(observation) == self._size  # type: ignore[arg-type]
            self._input[:] = observation if fits else ()
        except (TypeError, ValueError):
            raise ValueError(
                f"observation: must be {self._size} numbers, got shape {np.shape(observation)}"
            ) from None
        return self._decide()

    def act_on_record(self, record: FloatArray) -> list[float]:
        """Answer a whole record; the policy takes what it observes out of it.

        Args:
            record: see :mod:`veaat_migration.policy.observation`; float64, shape [record_size].

        Returns:
            As :meth:`act`.

        Raises:
            NotFiniteError: an entry that is observed or the answer is not finite.
            ValueError: the record has another shape.
        """
        if record.shape != (self._record_size,):
            raise ValueError(f"record: must have shape ({self._record_size},), got {record.shape}")
        # "clip" spares numpy a buffer; the columns are within the record by their making.
        record.take(self._columns, None, self._input, "clip")
        return self._decide()

    def _decide(self) -> list[float]:
        # Squares cannot cancel. Behind tanh infinity would look like any large number.
        if not math.isfinite(self._square(self._input)):
            raise NotFiniteError("the observation is not finite, or far out of range")
        if self._tanh:
            for product, inputs, outputs in self._hidden:
                product(inputs, outputs)
                _tanh(outputs, outputs)
        else:
            for product, inputs, outputs in self._hidden:
                product(inputs, outputs)
                _maximum(outputs, _ZERO, out=outputs)
        product, inputs, outputs = self._last
        product(inputs, outputs)
        return self._to_action(outputs.tolist())


def _answers(scale: Scale) -> Callable[[list[float]], list[float]]:
    """scale.value(sigmoid(u)) from u / 2, by sigmoid(u) = (1 + tanh(u / 2)) / 2.

    On lists, which for a handful of actions are faster than arrays.
    """
    tanh, exp, limit = math.tanh, math.exp, math.inf
    geometric = scale.kind == "geometric"
    if geometric:
        # exp(middle + half tanh(u / 2)) - shift
        first, last = np.log(scale.low + scale.shift), np.log(scale.high + scale.shift)
    else:
        first, last = scale.low, scale.high
    parts = [scale.low, scale.high, (first + last) / 2.0, (last - first) / 2.0, scale.shift]
    ends = list(zip(*(part.tolist() for part in parts), strict=True))

    def answer(halves: list[float]) -> list[float]:
        actions = []
        for half, (low, high, middle, width, shift) in zip(halves, ends):  # noqa: B905 - slower
            if not -limit < half < limit:
                raise NotFiniteError("the policy's answer is not finite")
            value = middle + width * tanh(half)
            if geometric:
                value = exp(value) - shift
            # Rounding may lead beyond an end by the last digit.
            actions.append(low if value < low else high if value > high else value)
        return actions

    return answer
