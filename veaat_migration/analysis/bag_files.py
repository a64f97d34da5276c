"""Finds the storage files of a bag and opens each with the reader of its format."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from veaat_migration.analysis import mcap_storage, sqlite_storage
from veaat_migration.analysis.storage import BagError, FileReport, RawMessage, Wanted

_SUFFIXES = (".mcap", ".db3")
_COMPRESSED = tuple(f"{suffix}.zstd" for suffix in _SUFFIXES)


@dataclass
class BagFiles:
    """The storage files of one bag in the order of recording."""

    path: Path
    """Folder or single file that is the bag."""
    files: list[Path]
    expected_messages: int | None = None
    """Messages that the recorder counted; None: not known."""
    messages_compressed: bool = False
    """Each message is compressed on its own."""
    custom_data: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def find_bag(path: Path) -> BagFiles:
    """Find out what ``path`` is: a bag folder, a folder that contains one, or a storage file.

    Raises:
        BagError: there is nothing that could be a bag.
    """
    if path.name == "metadata.yaml" and path.is_file():
        path = path.parent
    if path.is_file():
        if not _is_storage(path):
            raise BagError(_not_a_bag(path))
        return BagFiles(path, [path])
    if not path.exists():
        raise BagError(f"{path}: no such file or folder")
    if not _is_bag_folder(path):
        inner = sorted(folder for folder in path.iterdir() if _is_bag_folder(folder))
        if not inner:
            raise BagError(
                f"{path}: holds no bag; expected metadata.yaml or *.mcap or *.db3 files in it"
            )
        if len(inner) > 1:
            names = ", ".join(str(folder) for folder in inner)
            raise BagError(f"{path}: holds several bags; name one of {names}")
        path = inner[0]
    return _from_folder(path)


def read_file(
    path: Path, report: FileReport, wanted: Wanted, *, messages_compressed: bool = False
) -> Iterator[RawMessage]:
    """Yield the wanted messages of one storage file; ``report`` says how far it could be read."""
    with TemporaryDirectory() as scratch:
        if path.suffix == ".zstd":
            path = _decompressed(path, Path(scratch), report)
        if path.suffix == ".db3" or _begins_with(path, sqlite_storage.MAGIC):
            messages = sqlite_storage.read_sqlite(path, report, wanted)
            yield from _each_decompressed(messages, report) if messages_compressed else messages
        else:
            with path.open("rb") as stream:
                messages = mcap_storage.read_mcap(stream, report, wanted)
                yield from (
                    _each_decompressed(messages, report) if messages_compressed else messages
                )


def _begins_with(path: Path, magic: bytes) -> bool:
    with path.open("rb") as stream:
        return stream.read(len(magic)) == magic


def _is_storage(path: Path) -> bool:
    return path.name.endswith(_SUFFIXES + _COMPRESSED) or any(
        _begins_with(path, magic) for magic in (mcap_storage.MAGIC, sqlite_storage.MAGIC)
    )


def _not_a_bag(path: Path) -> str:
    if path.suffix == ".bag":
        return f"{path}: is a ROS 1 bag; convert it first, for instance with rosbags-convert"
    return f"{path}: is not a bag; expected a rosbag2 folder or an .mcap or .db3 file"


def _is_bag_folder(path: Path) -> bool:
    return path.is_dir() and ((path / "metadata.yaml").is_file() or bool(_storage_files(path)))


def _storage_files(folder: Path) -> list[Path]:
    """Storage files of a folder, splits in the order of their numbers."""

    def order(path: Path) -> tuple[int, str]:
        match = re.search(r"_(\d+)\.", path.name)
        return (int(match[1]) if match else -1), path.name

    names = _SUFFIXES + _COMPRESSED
    return sorted((path for path in folder.iterdir() if path.name.endswith(names)), key=order)


def _from_folder(folder: Path) -> BagFiles:
    bag = BagFiles(folder, [])
    information = _metadata(folder, bag.problems)
    try:
        listed = [folder / Path(name).name for name in information["relative_file_paths"]]
        count = information["message_count"]
        bag.expected_messages = count if isinstance(count, int) else None
        bag.messages_compressed = str(information.get("compression_mode")).lower() == "message"
        custom = information.get("custom_data") or {}
        bag.custom_data = {str(key): str(value) for key, value in custom.items()}
    except (AttributeError, KeyError, TypeError):
        if information:
            bag.problems.append("metadata.yaml: is incomplete; read the storage files by name")
        listed = []
    for path in listed:
        if not path.is_file():
            bag.problems.append(f"{path.name}: is listed in metadata.yaml, but is not there")
    bag.files = [path for path in listed if path.is_file()] or _storage_files(folder)
    if not bag.files:
        raise BagError(f"{folder}: has no storage file; expected *.mcap or *.db3 in it")
    return bag


def _metadata(folder: Path, problems: list[str]) -> Any:
    path = folder / "metadata.yaml"
    if not path.is_file():
        problems.append("metadata.yaml: missing; the recording was not closed properly")
        return {}
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        return content["rosbag2_bagfile_information"]
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError) as error:
        problems.append(f"metadata.yaml: cannot be read ({' '.join(str(error).split())})")
        return {}


def _decompressed(path: Path, scratch: Path, report: FileReport) -> Path:
    """The file unpacked as far as it goes; the report's size becomes the unpacked one."""
    import zstandard

    target = scratch / path.stem
    with path.open("rb") as packed, target.open("wb") as unpacked:
        reader = zstandard.ZstdDecompressor().stream_reader(packed)
        try:
            while block := reader.read(1 << 20):
                unpacked.write(block)
        except zstandard.ZstdError as error:
            report.add_problem(f"its compression is damaged ({error})")
    report.size = target.stat().st_size
    return target


def _each_decompressed(messages: Iterator[RawMessage], report: FileReport) -> Iterator[RawMessage]:
    import zstandard

    unpack = zstandard.ZstdDecompressor()
    damaged = 0
    for raw in messages:
        try:
            data = unpack.decompressobj().decompress(raw.data)
        except zstandard.ZstdError:
            damaged += 1
            continue
        yield RawMessage(raw.channel, raw.receive_time, raw.publish_time, data)
    if damaged:
        report.add_problem(f"{damaged} messages cannot be decompressed")
