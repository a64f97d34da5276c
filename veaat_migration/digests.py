"""Digests that say whether a kept result is still what would be computed now."""

from __future__ import annotations

import ast
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

    Comments, docstrings and layout do not count: they change no result.

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
    return digest(*versions, *(_statements(file.read_text(encoding="utf-8")) for file in files))


def _statements(code: str) -> str:
    """What Python would run, as text."""
    tree = ast.parse(code)
    for node in ast.walk(tree):
        for body in (getattr(node, name, None) for name in ("body", "orelse", "finalbody")):
            if isinstance(body, list):
                body[:] = [part for part in body if not _is_text(part)]
    return ast.dump(tree)


def _is_text(statement: ast.AST) -> bool:
    """A docstring, also one behind a field."""
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
