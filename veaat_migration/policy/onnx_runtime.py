"""A policy on onnxruntime: the same answers as numpy's, on the processors that onnxruntime knows.

For networks as small as ours numpy is faster on every CPU (docs/policies.md). This runtime is for
vehicles whose stack wants all inference in one place, on CUDA or TensorRT. The graph is made from
the policy where the package ``onnx`` is installed; elsewhere a ready file (``veaat policy PATH
--onnx DIR``) serves, if it was made from this very policy.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from veaat_migration.errors import VeaatError
from veaat_migration.policy.artifact import MAX_FILE_SIZE, PolicyArtifact
from veaat_migration.policy.interface import FloatArray
from veaat_migration.policy.onnx_export import (
    DIGEST_KEY,
    INPUT,
    OUTPUT,
    OnnxMissingError,
    onnx_name,
    to_onnx,
)
from veaat_migration.policy.policy_files import read_limited
from veaat_migration.policy.runtime import Actor, NotFiniteError, NumpyActor

CPU = "CPUExecutionProvider"
SHORT_NAMES = {
    "cpu": CPU,
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}
"""Execution providers by a name that is easier to type."""
RUNTIMES = ("numpy", "onnxruntime")
_LARGEST = 1e30
"""Sum of squares up to which an observation fits into single precision with much to spare."""
Provider = str | tuple[str, Mapping[str, Any]]
"""Name, short or as onnxruntime has it, alone or with options."""


class OnnxRuntimeError(VeaatError):
    """A runtime that cannot be used; the message says why and what to do."""


def make_runtime(
    name: str,
    *,
    providers: Sequence[Provider] = (CPU,),
    folder: str | os.PathLike[str] | None = None,
) -> Callable[[PolicyArtifact], Actor]:
    """What makes a policy's actor, for a reception or a learned policy.

    Args:
        name: one of :data:`RUNTIMES`.
        providers: see :class:`OnnxActor`.
        folder: where ready ONNX files may lie, named as ``veaat policy --onnx`` names them; one
            that was made from another policy is left alone. None: none.

    Raises:
        OnnxRuntimeError: unknown runtime, onnxruntime is missing, or it lacks a provider.
    """
    if name == "numpy":
        return NumpyActor
    if name != "onnxruntime":
        raise OnnxRuntimeError(f"runtime: must be one of {', '.join(RUNTIMES)}; got {name!r}")
    _resolve(_onnxruntime(), providers)

    def make(artifact: PolicyArtifact) -> Actor:
        model = None if folder is None else Path(folder) / onnx_name(artifact)
        if model is not None and model.is_file():
            try:
                return OnnxActor(artifact, providers=providers, model=model)
            except OnnxDigestError:
                # Made from another release: the graph must be built.
                pass
        return OnnxActor(artifact, providers=providers)

    return make


class OnnxDigestError(OnnxRuntimeError):
    """An ONNX file that was made from another policy."""


class OnnxActor:
    """The deterministic policy of one agent on onnxruntime. Not for several threads at once."""

    def __init__(
        self,
        artifact: PolicyArtifact,
        *,
        providers: Sequence[Provider] = (CPU,),
        model: str | os.PathLike[str] | None = None,
    ) -> None:
        """Load the graph. With CUDA or TensorRT that takes from a second to minutes.

        Args:
            artifact: the policy.
            providers: execution providers, the preferred one first.
            model: an ONNX file made from this policy; None: the graph is made here, which needs
                the package onnx.

        Raises:
            OnnxRuntimeError: onnxruntime is missing, lacks a provider or cannot load the graph;
                neither onnx nor a file is there; the file was made from another policy.
            PolicyFileError: the file cannot be read.
        """
        runtime = _onnxruntime()
        chosen = _resolve(runtime, providers)
        self._session = _load(runtime, _graph(artifact, model), chosen)
        found = self._session.get_modelmeta().custom_metadata_map.get(DIGEST_KEY)
        if found != artifact.digest:
            raise OnnxDigestError(
                f"{model}: was made from another policy (digest {str(found)[:12]}, wanted "
                f"{artifact.digest[:12]}); export it again with 'veaat policy PATH --onnx DIR'"
            )
        schema = artifact.schema
        self.schema = schema
        self.digest = artifact.digest
        self.providers: tuple[str, ...] = tuple(self._session.get_providers())
        """Execution providers in use, the preferred one first."""
        self._columns = np.array(schema.columns, dtype=np.intp)
        self._record_shape = (schema.layout.record_size + 1,)
        self._input = np.empty(schema.widths[0])
        self._feed = {INPUT: np.empty((1, schema.widths[0]), dtype=np.float32)}
        scale = schema.action_scale
        self._ends = list(zip(scale.low.tolist(), scale.high.tolist(), strict=True))

    def act(self, observation: npt.ArrayLike) -> list[float]:
        """Answer an observation, see :meth:`.runtime.NumpyActor.act`."""
        numbers = np.asarray(observation, dtype=np.float64)
        if numbers.shape != self._input.shape:
            raise ValueError(
                f"observation: must be {self._input.size} numbers, got shape {numbers.shape}"
            )
        self._input[:] = numbers
        return self._decide()

    def act_on_record(self, record: FloatArray) -> list[float]:
        """Answer a whole record, see :meth:`.runtime.NumpyActor.act_on_record`."""
        if record.shape != self._record_shape:
            raise ValueError(f"record: must have shape {self._record_shape}, got {record.shape}")
        record.take(self._columns, None, self._input, "clip")
        return self._decide()

    def _decide(self) -> list[float]:
        if not self._input.dot(self._input) <= _LARGEST:
            raise NotFiniteError("the observation is not finite, or far out of range")
        self._feed[INPUT][0] = self._input
        try:
            (answer,) = self._session.run([OUTPUT], self._feed)
        except Exception as error:  # of onnxruntime's own kinds: a device that is lost, and more
            raise NotFiniteError(f"onnxruntime failed: {error}") from error
        actions = []
        for value, (low, high) in zip(answer[0].tolist(), self._ends, strict=True):
            if not -np.inf < value < np.inf:
                raise NotFiniteError("the policy's answer is not finite")
            # Single precision may lead beyond an end by the last digits.
            actions.append(low if value < low else high if value > high else value)
        return actions


def _onnxruntime() -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise OnnxRuntimeError(
            "the runtime onnxruntime is not installed: pip install onnxruntime (on a Jetson the "
            "wheel with CUDA and TensorRT, see docs/deployment.md), or choose the runtime numpy"
        ) from error
    return onnxruntime


def _resolve(runtime: Any, providers: Sequence[Provider]) -> list[Any]:
    """Providers as onnxruntime takes them."""
    available = runtime.get_available_providers()
    chosen: list[Any] = []
    for provider in providers:
        name, options = (provider, None) if isinstance(provider, str) else provider
        name = SHORT_NAMES.get(name.lower(), name)
        if name not in available:
            raise OnnxRuntimeError(
                f"providers: this onnxruntime ({runtime.__version__}) has no {name!r}; it has "
                f"{', '.join(available)}"
            )
        chosen.append(name if options is None else (name, dict(options)))
    if not chosen:
        raise OnnxRuntimeError(f"providers: name one at least of {', '.join(available)}")
    return chosen


def _graph(artifact: PolicyArtifact, model: str | os.PathLike[str] | None) -> bytes:
    """The content of an ONNX file."""
    if model is not None:
        return read_limited(Path(model), MAX_FILE_SIZE)
    try:
        graph: bytes = to_onnx(artifact).SerializeToString()
    except OnnxMissingError as error:
        raise OnnxRuntimeError(
            f"the package onnx is missing and there is no ready file: pip install onnx, or put "
            f"{onnx_name(artifact)} of 'veaat policy PATH --onnx DIR' on this machine"
        ) from error
    return graph


def _load(runtime: Any, graph: bytes, chosen: list[Any]) -> Any:
    """A session with one thread: more of them only get into each other's way here."""
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.execution_mode = runtime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 3
    try:
        session = runtime.InferenceSession(graph, options, providers=chosen)
    except Exception as error:  # of onnxruntime's own kinds, which are many
        raise OnnxRuntimeError(f"onnxruntime cannot load the policy: {error}") from error
    wanted = chosen[0] if isinstance(chosen[0], str) else chosen[0][0]
    if wanted not in session.get_providers():
        # onnxruntime itself only writes a line to its log and goes on with the CPU.
        raise OnnxRuntimeError(
            f"providers: {wanted} is built in but could not be started (driver, libraries); "
            f"in its place there would be {', '.join(session.get_providers())}"
        )
    return session
