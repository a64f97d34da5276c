"""Named float32 matrices and one text in a file of the safetensors format, without the library.

The format is an 8-byte little-endian length, a JSON header of that length and the raw numbers.
Any reader of safetensors opens what :func:`pack` writes. :func:`unpack` is for policies that come
from outside: it allocates nothing that the data do not hold, and raises ValueError or a
subclass whatever the bytes are.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Float32Array = npt.NDArray[np.float32]

MAX_HEADER = 1 << 20
"""Most bytes of a header."""
_LENGTH = 8
_METADATA = "__metadata__"
_STORED = np.dtype("<f4")


def canonical_json(value: Any) -> str:
    """The one text that stands for ``value``: sorted keys, no blanks, ASCII.

    Raises:
        ValueError: a number is not finite.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def parse_json(text: str | bytes) -> Any:
    """Read JSON from outside.

    Raises:
        ValueError: not JSON, nested too deeply, or a number is not finite.
    """
    try:
        return json.loads(text, parse_constant=_refuse)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def pack(tensors: Mapping[str, Float32Array], metadata: Mapping[str, str]) -> bytes:
    """The file's content; the same tensors and metadata always give the same bytes."""
    header: dict[str, Any] = {_METADATA: dict(metadata)}
    chunks, offset = [], 0
    for name, tensor in tensors.items():
        chunk = tensor.astype(_STORED, order="C").tobytes()
        header[name] = {
            "dtype": "F32",
            "shape": list(tensor.shape),
            "data_offsets": [offset, offset + len(chunk)],
        }
        chunks.append(chunk)
        offset += len(chunk)
    encoded = canonical_json(header).encode("ascii")
    encoded += b" " * (-len(encoded) % _LENGTH)
    return b"".join([len(encoded).to_bytes(_LENGTH, "little"), encoded, *chunks])


def unpack(data: bytes) -> tuple[dict[str, Float32Array], dict[str, Any]]:
    """Tensors, which are copies, and metadata.

    Raises:
        ValueError: the data are no safetensors file of float32 tensors without gaps.
    """
    if len(data) < _LENGTH:
        raise ValueError(f"ends after {len(data)} bytes, before its header")
    length = int.from_bytes(data[:_LENGTH], "little")
    if length > MAX_HEADER:
        raise ValueError(f"claims a header of {length} bytes, more than {MAX_HEADER}")
    body = data[_LENGTH + length :]
    if len(data) < _LENGTH + length:
        raise ValueError(f"ends after {len(data)} bytes, within its header of {length} bytes")
    try:
        header = parse_json(data[_LENGTH : _LENGTH + length])
    except ValueError as error:
        raise ValueError(f"header is not JSON: {error}") from error
    if not isinstance(header, dict):
        raise ValueError("header is not a JSON object")
    metadata = header.pop(_METADATA, {})
    if not isinstance(metadata, dict):
        raise ValueError("metadata are not a JSON object")
    tensors, end = {}, 0
    for name, entry in sorted(header.items(), key=lambda item: _begin(*item)):
        tensors[name], end = _tensor(name, entry, body, end)
    if end != len(body):
        raise ValueError(f"holds {len(body)} bytes of numbers, its header describes {end}")
    return tensors, metadata


def _begin(name: str, entry: Any) -> int:
    """First byte of a tensor."""
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise ValueError(f"tensor {name!r}: needs dtype, shape and data_offsets")
    offsets, shape = entry["data_offsets"], entry["shape"]
    for key, numbers in (("data_offsets", offsets), ("shape", shape)):
        if not isinstance(numbers, list) or not all(type(n) is int and n >= 0 for n in numbers):
            raise ValueError(f"tensor {name!r}: {key} must be whole numbers >= 0")
    if len(offsets) != 2 or len(shape) > 2:
        raise ValueError(f"tensor {name!r}: needs two data_offsets and at most two dimensions")
    begin: int = offsets[0]
    return begin


def _tensor(name: str, entry: dict[str, Any], body: bytes, end: int) -> tuple[Float32Array, int]:
    """A tensor that begins where the one before ended, and where it ends."""
    if entry["dtype"] != "F32":
        raise ValueError(f"tensor {name!r}: dtype must be F32, got {entry['dtype']!r}")
    first, last = entry["data_offsets"]
    size = _STORED.itemsize * math.prod(entry["shape"])
    if first != end or last != first + size or last > len(body):
        raise ValueError(
            f"tensor {name!r}: bytes {first} to {last} do not hold the shape {entry['shape']} "
            f"behind byte {end} of {len(body)}"
        )
    numbers = np.frombuffer(body[first:last], dtype=_STORED).astype(np.float32)
    return numbers.reshape(entry["shape"]), last


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not finite")
