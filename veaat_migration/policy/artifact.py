"""The policy of one agent as it leaves training: description and weights in one safe file.

A file is a safetensors file with the description (:mod:`.schema`) and its SHA-256 digest in the
header. Nothing in it is ever executed. Its bytes follow from its content, and only these bytes
are accepted: a file that differs anywhere from what was written does not load.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from veaat_migration.errors import VeaatError
from veaat_migration.policy.checks import SchemaError
from veaat_migration.policy.network_file import (
    Float32Array,
    canonical_json,
    pack,
    parse_json,
    unpack,
)
from veaat_migration.policy.schema import PolicySchema

MAX_FILE_SIZE = 16 << 20
"""Most bytes of a policy file."""
_SCHEMA, _DIGEST = "schema", "sha256"


class PolicyFileError(VeaatError):
    """A policy file that cannot be used; the message says which, why and what to do."""


class Layer(NamedTuple):
    """y = weight x + bias."""

    weight: Float32Array
    """Shape [outputs, inputs]."""
    bias: Float32Array
    """Shape [outputs]."""


@dataclass(frozen=True, eq=False)
class PolicyArtifact:
    """One agent's deterministic policy: u = MLP(observation), action = scale.value(sigmoid(u))."""

    schema: PolicySchema
    layers: tuple[Layer, ...]
    """From observation to u; the schema's activation stands between them."""

    def __post_init__(self) -> None:
        layers = tuple(Layer(*(_float32(array) for array in layer)) for layer in self.layers)
        object.__setattr__(self, "layers", layers)
        widths = self.schema.widths
        if len(layers) != len(widths) - 1:
            raise SchemaError(f"layers: must be {len(widths) - 1}, got {len(layers)}")
        for k, (layer, inputs, outputs) in enumerate(
            zip(layers, widths[:-1], widths[1:], strict=True)
        ):
            for name, array, shape in (
                ("weight", layer.weight, (outputs, inputs)),
                ("bias", layer.bias, (outputs,)),
            ):
                if array.shape != shape:
                    raise SchemaError(
                        f"layers[{k}].{name}: must have shape {shape}, got {array.shape}"
                    )
                if not np.isfinite(array).all():
                    raise SchemaError(f"layers[{k}].{name}: must be finite")

    @classmethod
    def from_arrays(
        cls, schema: PolicySchema, weights: Sequence[Any], biases: Sequence[Any]
    ) -> PolicyArtifact:
        """Take weights [outputs, inputs] and biases [outputs] of each layer, as arrays.

        The widths of the schema are those of the arrays, whatever it said before.

        Raises:
            SchemaError: shapes do not fit together, or a number is not finite in float32.
        """
        layers = tuple(
            Layer(_float32(weight), _float32(bias))
            for weight, bias in zip(weights, biases, strict=True)
        )
        if not layers or any(layer.weight.ndim != 2 for layer in layers):
            raise SchemaError("layers: weights must be matrices, and one at least")
        widths = (layers[0].weight.shape[1], *(len(layer.weight) for layer in layers))
        return cls(replace(schema, widths=widths), layers)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of description and weights, 64 hexadecimal digits."""
        return _digest(canonical_json(self.schema.to_json()), self._tensors())

    @property
    def n_parameters(self) -> int:
        """Number of weights and biases."""
        return sum(layer.weight.size + layer.bias.size for layer in self.layers)

    def _tensors(self) -> dict[str, Float32Array]:
        """What the file holds, in its order."""
        return {
            f"layer{k}.{name}": array
            for k, layer in enumerate(self.layers)
            for name, array in zip(Layer._fields, layer, strict=True)
        }

    def to_bytes(self) -> bytes:
        """The file's content; read it with :meth:`from_bytes`."""
        schema = canonical_json(self.schema.to_json())
        data = pack(self._tensors(), {_SCHEMA: schema, _DIGEST: self.digest})
        if len(data) > MAX_FILE_SIZE:
            raise SchemaError(f"policy: {len(data)} bytes, more than {MAX_FILE_SIZE}")
        return data

    @classmethod
    def from_bytes(cls, data: bytes, name: str = "policy") -> PolicyArtifact:
        """Check and read a policy file's content, whoever sent it.

        Args:
            data: content of the file.
            name: what to call it in errors.

        Raises:
            PolicyFileError: the content is not exactly what :meth:`to_bytes` wrote.
        """
        if len(data) > MAX_FILE_SIZE:
            raise PolicyFileError(
                f"{name}: {len(data)} bytes, more than {MAX_FILE_SIZE}; this is no policy file"
            )
        data = bytes(data)
        try:
            tensors, metadata = unpack(data)
            artifact = cls._from_parts(tensors, metadata)
            if artifact.to_bytes() != data:
                raise ValueError("not in the form in which policies are written")
        except SchemaError as error:
            raise PolicyFileError(
                f"{name}: {error}; export the policy again with this version of veaat_migration"
            ) from error
        except (ValueError, RecursionError) as error:
            raise PolicyFileError(
                f"{name}: {error}; the file is damaged or no policy: copy or export it again"
            ) from error
        return artifact

    @classmethod
    def _from_parts(
        cls, tensors: Mapping[str, Float32Array], metadata: Mapping[str, Any]
    ) -> PolicyArtifact:
        text, digest = metadata.get(_SCHEMA), metadata.get(_DIGEST)
        if set(metadata) != {_SCHEMA, _DIGEST} or not isinstance(text, str):
            raise ValueError("metadata must be a description and its digest")
        if _digest(text, tensors) != digest:
            raise ValueError("content and digest do not agree")
        try:
            description = parse_json(text)
        except ValueError as error:
            raise ValueError(f"description is not JSON: {error}") from error
        schema = PolicySchema.from_json(description)
        names = [
            f"layer{k}.{part}" for k in range(len(schema.widths) - 1) for part in Layer._fields
        ]
        if list(tensors) != names:
            raise SchemaError(f"tensors: must be {names}, got {[name[:40] for name in tensors]}")
        arrays = list(tensors.values())
        pairs = zip(arrays[::2], arrays[1::2], strict=True)
        return cls(schema, tuple(Layer(weight, bias) for weight, bias in pairs))

    def describe(self) -> str:
        """A few lines for people."""
        schema, training = self.schema, self.schema.training
        name = f"RSU {schema.agent_id}" if schema.role == "leader" else f"AV {schema.agent_id}"
        scale, layout = schema.action_scale, schema.layout
        bounds = ", ".join(
            f"{low:g} to {high:g}" for low, high in zip(scale.low, scale.high, strict=True)
        )
        unit = "money/MHz" if schema.role == "leader" else "MHz"
        seen = "with" if layout.observe_current_price else "without"
        return "\n".join(
            [
                f"{schema.role} policy of {name}, version {schema.policy_version}",
                f"  players    RSUs {_numbers(schema.rsu_ids)}; AVs {_numbers(schema.av_ids)}",
                f"  observes   {schema.widths[0]} entries, {layout.history} rounds"
                + (f", {seen} the current prices" if schema.role == "follower" else ""),
                f"  answers    {bounds} {unit} ({scale.kind} scale)",
                f"  network    {'-'.join(map(str, schema.widths))} {schema.activation}, "
                f"{self.n_parameters} parameters, {schema.sparsity:.1%} of hidden neurons removed",
                f"  training   seed {training.seed}, iteration {training.iteration}, "
                f"veaat_migration {training.package_version}, {training.created}",
                f"  settings   {training.config_sha256}",
                f"  digest     {self.digest}",
            ]
        )


def _float32(array: Any) -> Float32Array:
    """A read-only copy."""
    with np.errstate(over="ignore"):
        copy = np.array(array, dtype=np.float32, order="C")
    copy.setflags(write=False)
    return copy


def _digest(schema: str, tensors: Mapping[str, Float32Array]) -> str:
    """SHA-256 over the description and, in order, each tensor's name, shape and numbers."""
    digest = hashlib.sha256(schema.encode("utf-8", "surrogatepass"))
    for name, tensor in tensors.items():
        shape = "x".join(map(str, tensor.shape))
        digest.update(f"\0{name} F32 {shape}\0".encode("utf-8", "surrogatepass"))
        digest.update(tensor.astype("<f4").tobytes())
    return digest.hexdigest()


def _numbers(ids: tuple[int, ...]) -> str:
    return ", ".join(map(str, ids)) if len(ids) <= 10 else f"{ids[0]} ... {ids[-1]} ({len(ids)})"
