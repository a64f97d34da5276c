"""The error of everything that reads or builds scenarios."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence

from veaat_migration.errors import VeaatError

_SHOWN_PROBLEMS = 20


class ScenarioError(VeaatError, ValueError):
    """A scenario or instance that cannot be used; ``problems`` has one line for each fault."""

    def __init__(self, problems: str | Sequence[str], source: str | None = None) -> None:
        """Keep the faults, one line each; ``source`` is the file they are in."""
        self.problems = [problems] if isinstance(problems, str) else list(problems)
        self.source = source
        super().__init__(self._message())

    def _message(self) -> str:
        prefix = f"{self.source}: " if self.source else ""
        if len(self.problems) == 1:
            return prefix + self.problems[0]
        shown = [f"  {problem}" for problem in self.problems[:_SHOWN_PROBLEMS]]
        hidden = len(self.problems) - len(shown)
        if hidden:
            shown.append(f"  ... and {hidden} more")
        return "\n".join([f"{prefix}{len(self.problems)} problems", *shown])

    def from_source(self, source: str) -> ScenarioError:
        """The same error with the name of the file in front."""
        return ScenarioError(self.problems, source)


def unknown_key(key: object, known: Iterable[str], aliases: Mapping[str, str]) -> str:
    """Text for an unknown key, with the known key that was probably meant."""
    name = key_text(key)
    candidates = list(known)
    meant = aliases.get(name)
    if meant not in candidates:
        same = [known for known in candidates if known.lower() == name.lower()]
        close = same or difflib.get_close_matches(name, candidates, n=1)
        meant = close[0] if close else None
    if meant is not None:
        return f"unknown key (did you mean {meant}?)"
    return f"unknown key (known: {', '.join(sorted(candidates))})"


def key_text(key: object) -> str:
    """A key for a message: as it is if it is ordinary text, quoted otherwise."""
    ordinary = isinstance(key, str) and key.isprintable() and 0 < len(key) <= 60
    return str(key) if ordinary else shown(key)


def shown(value: object) -> str:
    """``value`` for a message: short, on one line."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # an integer of thousands of digits, a cyclic list
        text = f"a very long {type(value).__name__}"
    return text if len(text) <= 60 else f"{text[:57]}..."
