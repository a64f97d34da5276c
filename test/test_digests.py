"""What counts as a change of code."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from veaat_migration.digests import code_digest, digest

CODE = '''"""A module."""

LIMIT = 3
"""How many."""


def double(x):
    """Twice."""
    return 2 * x  # or x + x
'''


def module(folder: Path, code: str) -> ModuleType:
    """A module of that code."""
    file = folder / "module.py"
    file.write_text(code, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("module", file)
    assert spec is not None
    return importlib.util.module_from_spec(spec)


@pytest.mark.parametrize(
    ("before", "after"),
    [('"""A module."""', '"""Another one."""'), ("  # or x + x", ""), ('"""How many."""\n', "")],
)
def test_what_only_people_read_does_not_count(tmp_path: Path, before: str, after: str) -> None:
    assert before in CODE
    known = code_digest([module(tmp_path, CODE)])
    assert code_digest([module(tmp_path, CODE.replace(before, after))]) == known


@pytest.mark.parametrize(("before", "after"), [("= 3", "= 4"), ("2 * x", "x * 2"), ("double", "d")])
def test_what_runs_counts(tmp_path: Path, before: str, after: str) -> None:
    known = code_digest([module(tmp_path, CODE)])
    assert code_digest([module(tmp_path, CODE.replace(before, after))]) != known
    assert code_digest([module(tmp_path, CODE)], ["numpy 2"]) != known


def test_letters_do_not_move_between_parts() -> None:
    assert digest("ab", "c") != digest("a", "bc")
