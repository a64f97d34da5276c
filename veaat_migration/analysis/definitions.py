"""Message definitions as text: found on this machine, put into bags, taken out of bags.

A definition is what rosbag2 stores: the ``.msg`` text of a type followed by the texts of all
types it contains, separated by a line of 80 ``=`` and ``MSG: package/Type``.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from veaat_migration.errors import VeaatError

if TYPE_CHECKING:
    from rosbags.typesys.store import Typestore

SEPARATOR = "=" * 80
_IDL_PREFIX = f"{SEPARATOR}\nIDL: "
_FIELD = re.compile(r"^\s*([A-Za-z][\w/]*)(?:<=\d+)?(?:\[[^\]]*\])?\s+[A-Za-z]")
_PRIMITIVES = frozenset(
    ("bool", "byte", "char", "float32", "float64", "int8", "uint8", "int16", "uint16",
     "int32", "uint32", "int64", "uint64", "string", "wstring")
)  # fmt: skip


class DefinitionError(VeaatError):
    """A message type whose definition cannot be found or understood."""


def _split(message_type: str) -> tuple[str, str]:
    parts = message_type.split("/")
    if len(parts) == 3 and parts[1] == "msg" and all(parts):
        return parts[0], parts[2]
    raise DefinitionError(
        f"{message_type!r} is not a message type; it must look like std_msgs/msg/String"
    )


def _share_folders(package: str) -> Iterator[Path]:
    """Folders that may hold ``msg/`` of a package, installed ones first."""
    prefixes = os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)
    for prefix in [*prefixes, sys.prefix]:
        if prefix:
            yield Path(prefix, "share", package)
    if package == "veaat_migration":
        yield Path(__file__).resolve().parents[2]


def _find(message_type: str, suffix: str) -> Path | None:
    package, name = _split(message_type)
    for folder in _share_folders(package):
        path = folder / "msg" / f"{name}{suffix}"
        if path.is_file():
            return path
    return None


def contained_types(package: str, text: str) -> list[str]:
    """Full names of the message types that fields of ``text`` use, in order of appearance."""
    names: list[str] = []
    for line in text.splitlines():
        match = _FIELD.match(line.split("#", 1)[0])
        if match is None or match[1] in _PRIMITIVES:
            continue
        parts = match[1].split("/")
        name = f"{package}/msg/{parts[0]}" if len(parts) == 1 else f"{parts[0]}/msg/{parts[-1]}"
        if name not in names:
            names.append(name)
    return names


@cache
def definition_text(message_type: str) -> str:
    """The definition of ``package/msg/Type`` with all contained types, from installed files.

    Raises:
        DefinitionError: the type or one it contains is not installed here.
    """
    texts: dict[str, str] = {}
    pending = [message_type]
    while pending:
        name = pending.pop(0)
        if name in texts:
            continue
        path = _find(name, ".msg")
        if path is None:
            raise DefinitionError(
                f"no definition of message type {name!r} on this machine; "
                "source the workspace that contains its package"
            )
        texts[name] = path.read_text(encoding="utf-8")
        pending.extend(contained_types(_split(name)[0], texts[name]))
    first, *others = texts
    blocks = [texts[first].rstrip("\n")]
    for name in others:
        package, short = _split(name)
        blocks.append(f"{SEPARATOR}\nMSG: {package}/{short}\n{texts[name].rstrip()}")
    return "\n".join(blocks) + "\n"


@cache
def type_hash(message_type: str) -> str:
    """The RIHS01 hash of a type (REP 2016) as its package installed it; "" where it did not."""
    path = _find(message_type, ".json")
    if path is None:
        return ""
    for entry in json.loads(path.read_text(encoding="utf-8")).get("type_hashes", ()):
        if entry.get("type_name") == message_type:
            return str(entry.get("hash_string", ""))
    return ""


def _parsed(message_type: str, text: str) -> Any:
    from rosbags.typesys import get_types_from_idl, get_types_from_msg

    if not text.startswith(_IDL_PREFIX):
        return get_types_from_msg(text, message_type)
    types: dict[str, Any] = {}
    for block in text.split(f"{SEPARATOR}\n")[1:]:
        types.update(get_types_from_idl(block.split("\n", 1)[1]))
    return types


def typestore_from(definitions: Iterable[tuple[str, str]]) -> tuple[Typestore, list[str]]:
    """A store that decodes every type of ``definitions``, and what could not be understood.

    Args:
        definitions: (message type, its definition text; "" if the bag carries none). Types
            without text are completed from the files of this machine, then from the standard
            types of ROS 2 Jazzy.
    """
    from rosbags.typesys import Stores, TypesysError, get_typestore

    standard = get_typestore(Stores.ROS2_JAZZY)
    types: dict[str, Any] = {}
    problems: list[str] = []
    for message_type, text in definitions:
        try:
            if not text and message_type in standard.fielddefs:
                continue
            types.update(_parsed(message_type, text or definition_text(message_type)))
        except DefinitionError as error:
            problems.append(str(error))
        except Exception as error:
            # The parser works on text out of a possibly damaged file and fails in many ways.
            problems.append(f"{message_type}: its definition in the bag is damaged ({error})")
    try:
        standard.register(types)
        return standard, problems
    except TypesysError:
        # The bag's standard types are those of another distribution: they win.
        store = get_typestore(Stores.EMPTY)
        store.register({**get_typestore(Stores.ROS2_JAZZY).fielddefs, **types})
        return store, problems
