"""What a check says: how bad, what was found, what to do."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any


class Level(str, Enum):
    """How bad a finding is."""

    OK = "OK"
    WARN = "WARN"
    """It runs, but not as well or as safely as it could."""
    FAIL = "FAIL"
    """It does not run like this."""
    SKIP = "SKIP"
    """Could not be looked at; ``found`` says why."""


@dataclass(frozen=True)
class Finding:
    """The answer of one check."""

    level: Level
    check: str
    found: str
    advice: str = ""
    """What to do; empty where nothing is to be done."""


def ok(check: str, found: str) -> Finding:
    """Nothing to do."""
    return Finding(Level.OK, check, found)


def warn(check: str, found: str, advice: str) -> Finding:
    """Better to do something."""
    return Finding(Level.WARN, check, found, advice)


def fail(check: str, found: str, advice: str) -> Finding:
    """Nothing works before something is done."""
    return Finding(Level.FAIL, check, found, advice)


def skip(check: str, found: str) -> Finding:
    """Not looked at."""
    return Finding(Level.SKIP, check, found)


def exit_status(findings: Sequence[Finding]) -> int:
    """1 if a check failed, else 0."""
    return int(any(finding.level is Level.FAIL for finding in findings))


def to_mapping(findings: Sequence[Finding]) -> dict[str, Any]:
    """As plain data, for JSON."""
    return {
        "failed": bool(exit_status(findings)),
        "counts": {
            level.value: sum(finding.level is level for finding in findings) for level in Level
        },
        "findings": [
            {
                "level": finding.level.value,
                "check": finding.check,
                "found": finding.found,
                "advice": finding.advice,
            }
            for finding in findings
        ],
    }


def table(findings: Sequence[Finding], width: int = 100) -> str:
    """For people: one line per check, advice below it, a summary at the end."""
    name = max((len(finding.check) for finding in findings), default=0)
    lines = []
    for finding in findings:
        head = f"{finding.level.value:<5} {finding.check:<{name}}  "
        lines += textwrap.wrap(
            finding.found, width, initial_indent=head, subsequent_indent=" " * len(head)
        ) or [head.rstrip()]
        if finding.advice:
            lines += textwrap.wrap(
                finding.advice,
                width,
                initial_indent=" " * len(head) + "-> ",
                subsequent_indent=" " * (len(head) + 3),
            )
    counts = to_mapping(findings)["counts"]
    summary = ", ".join(f"{count} {level}" for level, count in counts.items() if count)
    return "\n".join([*lines, "", summary or "nothing was checked"])
