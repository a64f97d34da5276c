"""How far a study has come, for a terminal or for a log."""

from __future__ import annotations

import time
from collections import Counter
from typing import TextIO

from veaat_migration.studies.evaluate import CERTIFIED, NOT_UNIQUE, Record

_BAR = 30
_LOG_PERIOD = 10.0
"""Where there is no terminal, a line at most this often [s]."""

GOOD = frozenset({CERTIFIED, NOT_UNIQUE, "unchecked"})
"""States of points that have the answer that was asked for."""


class Progress:
    """A bar that is drawn again and again; in a log, a line now and then."""

    def __init__(self, total: int, done: int, stream: TextIO) -> None:
        """Begin with ``done`` points known from before."""
        self._total, self._before, self._done = total, done, done
        self._stream, self._terminal = stream, stream.isatty()
        self._began = self._spoke = time.monotonic()
        self._others: Counter[str] = Counter()
        self.show()

    def add(self, record: Record) -> None:
        """Count a finished point."""
        self._done += 1
        if record.status not in GOOD:
            self._others[record.status] += 1
        self.show()

    def show(self) -> None:
        """Draw the bar; call it at least every second."""
        if self._terminal:
            full = _BAR * self._done // max(self._total, 1)
            bar = "#" * full + "." * (_BAR - full)
            self._stream.write(f"\r\x1b[K[{bar}] {self._text()}")
            self._stream.flush()
        elif time.monotonic() - self._spoke >= _LOG_PERIOD:
            self._spoke = time.monotonic()
            print(self._text(), file=self._stream, flush=True)

    def close(self) -> None:
        """Leave the line of the bar."""
        if self._terminal:
            self._stream.write("\n")
            self._stream.flush()

    def _text(self) -> str:
        parts = [f"{self._done} of {self._total} points"]
        parts += [f"{count} {status}" for status, count in sorted(self._others.items())]
        seconds, new = time.monotonic() - self._began, self._done - self._before
        if new and self._done < self._total:
            parts.append(f"about {_clock(seconds / new * (self._total - self._done))} left")
        else:
            parts.append(_clock(seconds))
        return ", ".join(parts)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
