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

Step = tuple[Callable[..., Any], FloatArray, Callable[..., Any], FloatArray, FloatArray]
"""A function and the values that it changes in place; a matrix's product, its input, which is
those values and the one at the end, and its output."""

_tanh, _maximum = np.tanh, np.maximum
_exp, _tanh_of_one, _isfinite = math.exp, math.tanh, math.isfinite
_ZERO = np.zeros(())
"""A plain 0.0 would be made an array every time, which takes longer than the comparison."""
_HANDFUL = 32
"""Up to so many actions on a linear scale, a last product with a matrix is the fastest way."""
_ROUNDING = 64 * np.finfo(np.float64).eps
"""More than what rounding may add to an action, relative to the upper end of its interval."""


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
        matrices = [np.column_stack([x.weight, x.bias]).astype(np.float64) for x in artifact.layers]
        matrices[-1] /= 2.0  # what the sigmoid needs
        first = matrices[0]
        self._input = np.ones(first.shape[1])
        self._observation = self._input[:-1]
        self._square = self._observation.dot
        self._from_observation = first.dot
        # Weights of nothing for what is not observed cost less than picking the rest.
        whole = np.zeros((len(first), schema.layout.record_size + 1))
        whole[:, [*schema.columns, -1]] = first
        self._from_record = whole.dot
        outputs = np.ones(len(first) + 1)
        self._output = outputs[:-1]
        activation = _tanh if schema.activation == "tanh" else _relu
        rest = [(matrix, activation) for matrix in matrices[1:]]
        middle, width, shift = _line(schema.action_scale)
        self._geometric = schema.action_scale.kind == "geometric"
        self._done = not self._geometric and len(middle) <= _HANDFUL
        if self._done:
            rest.append((np.column_stack([np.diag(width), middle]), _tanh))
        steps: list[Step] = []
        for matrix, function in rest:
            inputs, outputs = outputs, np.ones(len(matrix) + 1)
            steps.append((function, inputs[:-1], matrix.dot, inputs, outputs[:-1]))
        self._steps = tuple(steps)
        self._answer = outputs[:-1]
        self._constants = list(zip(middle.tolist(), width.tolist(), shift.tolist(), strict=True))

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
        size = self._observation.size
        try:
            # len is far faster than shape; without it, one number would fill all entries.
            self._observation[:] = observation if len(observation) == size else ()  # type: ignore[arg-type]
        except (TypeError, ValueError):
            raise ValueError(
                f"observation: must be {size} numbers, got shape {np.shape(observation)}"
            ) from None
        # Squares cannot cancel. Behind tanh infinity would look like any large number.
        if not _isfinite(self._square(self._observation)):
            raise NotFiniteError("the observation is not finite, or far out of range")
        self._from_observation(self._input, self._output)
        return self._decide()

    def act_on_record(self, record: FloatArray) -> list[float]:
        """Answer a whole record; the policy takes what it observes out of it.

        Every decision in the game comes this way, so nothing is checked again that the record's
        maker, :class:`~veaat_migration.policy.round_memory.RoundMemory`, sees to.

        Args:
            record: see :mod:`veaat_migration.policy.observation`, with a one at its end, which
                the biases multiply; float64, shape [record_size + 1]. Entries, observed or not,
                are finite, or NaN where something is not known.

        Returns:
            As :meth:`act`.

        Raises:
            NotFiniteError: an entry is NaN, or the answer is not finite.
            ValueError: the record has another shape.
        """
        self._from_record(record, self._output)
        return self._decide()

    def _decide(self) -> list[float]:
        """Go on from the first layer's output."""
        for function, values, product, inputs, outputs in self._steps:
            function(values, values)
            product(inputs, outputs)
        answer: list[float] = self._answer.tolist()
        if not _isfinite(sum(answer)):
            raise NotFiniteError("the observation or the policy's answer is not finite")
        if self._done:
            return answer
        pairs = zip(answer, self._constants)  # noqa: B905 - slower
        if self._geometric:
            return [
                _exp(middle + width * _tanh_of_one(value)) - shift
                for value, (middle, width, shift) in pairs
            ]
        return [middle + width * _tanh_of_one(value) for value, (middle, width, _) in pairs]


def _relu(values: FloatArray, out: FloatArray) -> None:
    _maximum(values, _ZERO, out=out)


def _line(scale: Scale) -> tuple[FloatArray, FloatArray, FloatArray]:
    """scale.value(sigmoid(u)) as a line of tanh(u / 2), since 2 sigmoid(u) = 1 + tanh(u / 2).

    Intervals are made narrower by a few units in the last place, so that rounding cannot lead
    beyond an end and no action needs to be compared with it.

    Returns:
        middle, width and shift, each of shape [K]: the action is middle + width tanh(u / 2), or,
        on a geometric scale, exp(middle + width tanh(u / 2)) - shift.
    """
    geometric = scale.kind == "geometric"
    shift = scale.shift if geometric else np.zeros_like(scale.low)
    first, last = scale.low + shift, scale.high + shift
    margin = _ROUNDING * last
    first, last = first + margin, last - margin
    if geometric:
        first, last = np.log(first), np.log(last)
    return (first + last) / 2.0, (last - first) / 2.0, shift
