"""Declaring parameters of a node with description and range, and reading them checked."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import ParameterException
from rclpy.node import Node
from rclpy.parameter import Parameter

from veaat_migration.nodes.specification import (
    Kind,
    ParameterError,
    ParameterSpec,
    Value,
    unknown_parameters,
)

_NOT_OURS = ("use_sim_time", "qos_overrides.", "start_type_description_service")


def declare(node: Node, specs: Sequence[ParameterSpec]) -> dict[str, Value]:
    """Declare all parameters, read-only unless changeable, and return their checked values.

    A node's private data is fixed for one life: restart it to change something. A given name
    that no specification has is logged, not refused, since one file may serve several nodes.

    Raises:
        ParameterError: a parameter is missing, of the wrong type or out of range.
    """
    given: Mapping[str, Parameter] = getattr(node, "_parameter_overrides", {})
    values = {spec.name: _declare_one(node, spec, given.get(spec.name)) for spec in specs}
    foreign = [name for name in given if not name.startswith(_NOT_OURS)]
    for sentence in unknown_parameters(foreign, specs):
        node.get_logger().warning(f"ignored parameter {sentence}")
    return values


def _declare_one(node: Node, spec: ParameterSpec, given: Parameter | None) -> Value:
    kind = Parameter.Type[spec.kind.value]
    if given is not None and given.type_ == Parameter.Type.NOT_SET:
        given = None
    if given is not None and given.type_ != kind:
        raise ParameterError(f"{spec.name}: must be {spec.expected}, got {_shown(given.value)}")
    default = kind if spec.default is None or spec.default == [] else spec.default
    if given is not None:
        spec.check(_plain(given.value))
    try:
        declared = node.declare_parameter(spec.name, default, descriptor(spec))
    except ParameterException as error:
        raise ParameterError(f"{spec.name}: {error}") from error
    if declared.type_ != Parameter.Type.NOT_SET:
        return _plain(declared.value)
    if spec.kind.is_array:
        return []
    raise ParameterError(
        f"{spec.name}: missing; give it in a parameters file or with "
        f"-p {spec.name}:=VALUE ({spec.expected}: {spec.description})"
    )


def descriptor(spec: ParameterSpec) -> ParameterDescriptor:
    """What ``ros2 param describe`` shows."""
    unit = f" [{spec.unit}]" if spec.unit else ""
    result = ParameterDescriptor(
        name=spec.name,
        description=f"{spec.description}{unit}",
        additional_constraints=spec.range_text,
        read_only=not spec.changeable,
    )
    bounded = spec.minimum > -math.inf or spec.above is not None or spec.maximum < math.inf
    default = spec.default
    without_default = isinstance(default, float) and math.isnan(default)
    if bounded and not spec.kind.is_array and not without_default:
        low = spec.minimum if spec.above is None else spec.above
        if spec.kind is Kind.INTEGER:
            high = int(spec.maximum) if spec.maximum < math.inf else 2**63 - 1
            result.integer_range = [IntegerRange(from_value=int(low), to_value=high)]
        else:
            result.floating_point_range = [
                FloatingPointRange(from_value=float(low), to_value=float(spec.maximum))
            ]
    return result


def _plain(value: object) -> Value:
    """Arrays arrive as array.array or tuple."""
    if isinstance(value, bool | int | float | str):
        return value
    return list(value)  # type: ignore[call-overload,no-any-return]


def _shown(value: object) -> str:
    return repr(value if isinstance(value, bool | int | float | str) else _plain(value))
