"""Our two messages on the critical path, straight from and to their serialized form.

rclpy builds a Python object for every message, field and time stamp; with five processes on two
cores that takes as long as the rest of a delivery. The state machines need the numbers only, so
offers and bids are taken raw and read with one call of :mod:`struct`. The layout is that of the
OMG's CDR, in which every RMW of ROS 2 that we know serializes; anything else (another byte
order, another encapsulation) is left to rclpy by the caller. Items are aligned to their size,
counted from behind the encapsulation; an array without items has no padding behind its length.

A layout depends on the lengths of the arrays in the message. These rarely change from one
message to the next, so the layout of the last message of the same size is tried first and the
lengths in the message itself say whether it fits.
"""

from __future__ import annotations

import operator
import struct
from collections import namedtuple
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

ENCAPSULATION = b"\x00\x01\x00\x00"
"""Plain CDR, little endian."""
MAX_LAYOUTS = 256
"""Layouts remembered; more different sizes of messages are unheard of in one game."""
_SCALARS = {
    "boolean": "?",
    "uint8": "B",
    "int32": "i",
    "uint32": "I",
    "int64": "q",
    "uint64": "Q",
    "double": "d",
}
_HEADER = struct.Struct("<4xiII")
"""Encapsulation, seconds, nanoseconds, length of frame_id including its final zero."""


class WireError(ValueError):
    """These bytes are not a message in the form that we read."""


class _Layout(NamedTuple):
    """Where everything is in a message with certain lengths."""

    code: struct.Struct
    lengths: tuple[tuple[int, int], ...]
    """(index among the unpacked values, value) of every length, frame_id first."""
    fields: tuple[tuple[int, int | None], ...]
    """(first index, end index) among the unpacked values; no end: a scalar."""


class Codec:
    """Reads and writes one type of message that begins with a header.

    What is read is a named tuple of all fields but the header, with arrays as tuples.
    """

    def __init__(self, message_class: Any, make: Callable[[Iterable[Any]], Any] | None = None):
        """Prepare for a generated message class.

        Args:
            message_class: the class.
            make: makes what :meth:`decode` returns of all fields but the header, in their
                order; None: a named tuple.

        Raises:
            ValueError: it has a field that is neither a number nor an array of numbers.
        """
        types: dict[str, str] = dict(message_class.get_fields_and_field_types())
        if types.pop("header", "") != "std_msgs/Header":
            raise ValueError(f"{message_class.__name__}: must begin with a header")
        self._names = list(types)
        self._fields: list[tuple[str, bool]] = []
        for name, kind in types.items():
            item = kind.removeprefix("sequence<").removesuffix(">")
            if item not in _SCALARS:
                raise ValueError(f"{message_class.__name__}.{name}: {kind} is not supported")
            self._fields.append((_SCALARS[item], item != kind))
        plain: Any = namedtuple(message_class.__name__, types)  # type: ignore[misc]
        self._make: Callable[[Sequence[Any]], Any] = make or plain._make
        self._arrays = [index for index, (_, is_array) in enumerate(self._fields) if is_array]
        self._by_size: dict[int, _Layout] = {}
        self._by_lengths: dict[tuple[int, ...], _Layout] = {}

    def getter(self) -> Callable[[Any], tuple[Any, ...]]:
        """Reads the fields for :meth:`encode` off an object that has them as attributes."""
        return operator.attrgetter(*self._names)

    def decode(self, data: bytes) -> Any:
        """Read a message.

        Raises:
            WireError: the bytes are not such a message, or in another form than ours.
        """
        size = len(data)
        layout = self._by_size.get(size)
        values: tuple[Any, ...] = ()
        if layout is not None and data.startswith(ENCAPSULATION):
            values = layout.code.unpack_from(data)
            for index, length in layout.lengths:
                if values[index] != length:
                    layout = None
                    break
        else:
            layout = None
        if layout is None:
            layout = self._layout_of(data)
            values = layout.code.unpack_from(data)
            if len(self._by_size) < MAX_LAYOUTS:
                self._by_size[size] = layout
        return self._make([values[i] if end is None else values[i:end] for i, end in layout.fields])

    def encode(self, nanoseconds: int, fields: Sequence[Any]) -> bytes:
        """Write a message with an empty frame_id.

        Args:
            nanoseconds: time stamp.
            fields: all fields but the header, in their order.
        """
        lengths = (1, *[len(fields[index]) for index in self._arrays])
        layout = self._by_lengths.get(lengths)
        if layout is None:
            layout = self._layout(lengths)
            if len(self._by_lengths) < MAX_LAYOUTS:
                self._by_lengths[lengths] = layout
        seconds, rest = divmod(nanoseconds, 1_000_000_000)
        values: list[Any] = [ENCAPSULATION, seconds, rest, 1, b"\0"]
        for field, (_, is_array) in zip(fields, self._fields, strict=True):
            if is_array:
                values.append(len(field))
                values.extend(field)
            else:
                values.append(field)
        return layout.code.pack(*values)

    def _layout_of(self, data: bytes) -> _Layout:
        """Walk through a message to find the lengths in it."""
        try:
            if not data.startswith(ENCAPSULATION):
                raise WireError("not plain CDR, little endian")
            lengths = [_HEADER.unpack_from(data)[2]]
            for _ in self._arrays:
                place = struct.calcsize(self._format(lengths, unfinished=True))
                lengths.append(struct.unpack_from("<I", data, place)[0])
                if sum(lengths) > len(data):
                    raise WireError("an array is longer than the message")
            layout = self._layout(tuple(lengths))
        except struct.error as error:
            raise WireError(str(error)) from error
        # Some writers leave room behind the last field.
        if layout.code.size > len(data):
            raise WireError(f"{len(data)} bytes where {layout.code.size} were expected")
        return layout

    def _layout(self, lengths: tuple[int, ...]) -> _Layout:
        """The layout of a message with these lengths of frame_id and of all arrays."""
        left = iter(lengths[1:])
        position, counts = 5, [(3, lengths[0])]
        fields: list[tuple[int, int | None]] = []
        for _, is_array in self._fields:
            if is_array:
                length = next(left)
                counts.append((position, length))
                fields.append((position + 1, position + 1 + length))
                position += 1 + length
            else:
                fields.append((position, None))
                position += 1
        code = struct.Struct(self._format(lengths))
        return _Layout(code, tuple(counts), tuple(fields))

    def _format(self, lengths: Sequence[int], *, unfinished: bool = False) -> str:
        """Format of a message; ``unfinished``: up to the first length that is not given."""
        result = f"<4siII{lengths[0]}s"
        place = 12 + lengths[0]  # without the encapsulation, which does not count
        left = iter(lengths[1:])
        for code, is_array in self._fields:
            count = 1
            if is_array:
                padding = -place % 4
                place += padding + 4
                given = next(left, None)
                if given is None and unfinished:
                    return f"{result}{padding}x"
                assert given is not None
                result += f"{padding}xI"
                count = given
            if count:
                width = struct.calcsize(f"<{code}")
                padding = -place % width
                result += f"{padding}x{count}{code}"
                place += padding + count * width
        return result
