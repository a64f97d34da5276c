"""Digests that say whether a kept result is still what would be computed now."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any


def digest(*parts: str) -> str:
    """SHA-256 of a list of texts; moving a letter from one to the next changes it."""
    found = hashlib.sha256()
    for part in parts:
        data = part.encode()
        found.update(len(data).to_bytes(8, "little"))
        found.update(data)
    return found.hexdigest()


def canonical(value: Any) -> str:
    """Plain data as text that does not depend on the order of keys."""
    return json.dumps(value, sort_keys=True, default=str)


def code_digest(modules: Iterable[ModuleType], versions: Iterable[str] = ()) -> str:
    """Of source code: of each package with all that is in it, and of single modules.

    Args:
        modules: packages and modules.
        versions: of other people's libraries that decide the results too.
    """
    files: list[Path] = []
    for module in modules:
        if hasattr(module, "__path__"):
            files += [f for folder in module.__path__ for f in sorted(Path(folder).rglob("*.py"))]
        else:
            files.append(Path(str(module.__file__)))
    return digest(*versions, *(file.read_text(encoding="utf-8") for file in files))
