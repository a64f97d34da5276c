"""A policy as an ONNX graph, for onnxruntime and TensorRT: observation in, action out.

The graph holds what :class:`~veaat_migration.policy.runtime.NumpyActor` computes, in single
precision: the network, the sigmoid and the scale, with any number of observations at once. It
uses operators of opset 17 only, which TensorRT 8.6 and later and onnxruntime 1.12 and later know.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from veaat_migration.errors import VeaatError
from veaat_migration.policy.artifact import PolicyArtifact
from veaat_migration.policy.network_file import canonical_json
from veaat_migration.policy.policy_files import write_file
from veaat_migration.policy.scaling import Scale

if TYPE_CHECKING:
    import onnx

OPSET = 17
IR_VERSION = 8
"""Version of the file format that goes with the opset."""
INPUT, OUTPUT = "observation", "action"
ATTRIBUTES: dict[str, dict[str, Any]] = {"Gemm": {"transB": 1}}
"""Our matrices are [outputs, inputs]."""
SCHEMA_KEY, DIGEST_KEY = "veaat_policy.schema", "veaat_policy.sha256"
"""Keys of the model's metadata: the policy's description as JSON, and its digest."""


class OnnxMissingError(VeaatError, ImportError):
    """The package onnx is not installed."""


def to_onnx(artifact: PolicyArtifact) -> onnx.ModelProto:
    """The policy as an ONNX model.

    Its input ``observation`` is float32 [batch, O], its output ``action`` float32 [batch, K] in
    the action's own unit. In single precision an action is exact to about 1e-6 of its interval.

    Raises:
        OnnxMissingError: the package onnx is not installed.
    """
    try:
        from onnx import TensorProto, checker, helper, numpy_helper
    except ImportError as error:
        raise OnnxMissingError("ONNX export needs the package onnx: pip install onnx") from error
    graph = _Graph(INPUT)
    activation = {"tanh": "Tanh", "relu": "Relu"}[artifact.schema.activation]
    for k, layer in enumerate(artifact.layers):
        if k:
            graph.add(activation)
        graph.add("Gemm", **{f"layer{k}.weight": layer.weight, f"layer{k}.bias": layer.bias})
    graph.add("Sigmoid")
    _add_scale(graph, artifact.schema.action_scale)
    nodes = [
        helper.make_node(
            operator, inputs, [output], **({"transB": 1} if operator == "Gemm" else {})
        )
        for operator, inputs, output in graph.nodes(OUTPUT)
    ]
    widths = artifact.schema.widths
    model = helper.make_model(
        helper.make_graph(
            nodes,
            f"{artifact.schema.role}_{artifact.schema.agent_id}",
            [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["batch", widths[0]])],
            [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["batch", widths[-1]])],
            [numpy_helper.from_array(array, name) for name, array in graph.constants.items()],
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="veaat_migration",
        producer_version=artifact.schema.training.package_version,
        model_version=artifact.schema.policy_version,
    )
    helper.set_model_props(
        model,
        {SCHEMA_KEY: canonical_json(artifact.schema.to_json()), DIGEST_KEY: artifact.digest},
    )
    checker.check_model(model, full_check=True)
    return model


def onnx_name(artifact: PolicyArtifact) -> str:
    """Name of a policy's ONNX file, such as ``follower-1.onnx``."""
    return f"{artifact.schema.role}-{artifact.schema.agent_id}.onnx"


def write_onnx(artifact: PolicyArtifact, path: str | os.PathLike[str]) -> None:
    """Write :func:`to_onnx` as a file, whole or not at all.

    Raises:
        OnnxMissingError: the package onnx is not installed.
        PolicyFileError: the file cannot be written.
    """
    write_file(Path(path), to_onnx(artifact).SerializeToString())


class _Graph:
    """A chain of operators, each of which takes the output of the one before first."""

    def __init__(self, start: str) -> None:
        self._start = start
        self._chain: list[tuple[str, list[str]]] = []
        self.constants: dict[str, Any] = {}

    def add(self, operator: str, /, **constants: Any) -> None:
        """Add an operator with its other inputs, which are constants."""
        self._chain.append((operator, list(constants)))
        for name, array in constants.items():
            self.constants[name] = np.array(array, dtype=np.float32)

    def nodes(self, end: str) -> list[tuple[str, list[str], str]]:
        """Operator, names of its inputs and name of its output, in order."""
        names = [self._start, *(f"step{k}" for k in range(1, len(self._chain))), end]
        return [
            (operator, [before, *others], after)
            for (operator, others), before, after in zip(
                self._chain, names[:-1], names[1:], strict=True
            )
        ]


def _add_scale(graph: _Graph, scale: Scale) -> None:
    """Scale.value of the shares."""
    if scale.kind == "geometric":
        # (low + shift) exp(rate f) - shift
        base = scale.low + scale.shift
        graph.add("Mul", rate=np.log((scale.high + scale.shift) / base))
        graph.add("Exp")
        graph.add("Mul", base=base)
        graph.add("Sub", shift=scale.shift)
    else:
        graph.add("Mul", span=scale.high - scale.low)
        graph.add("Add", low=scale.low)
