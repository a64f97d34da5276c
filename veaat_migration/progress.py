"""How far a long computation of many parts has come, for a terminal or for a log."""

from __future__ import annotations

import time
from collections import Counter
from typing import TextIO

_BAR = 30
_LOG_PERIOD = 10.0
"""Where there is no terminal, a line at most this often [s]."""


class Progress:
    """A bar that is drawn again and again; in a log, a line now and then."""

    def __init__(
        self, total: int, done: int, stream: TextIO, *, parts: str, work: float | None = None
    ) -> None:
        """Begin with ``done`` parts known from before.

        Args:
            total: number of parts.
            done: of them.
            stream: where to write.
            parts: what they are called.
            work: what remains to be done, in any unit; None: as much as there are parts left.
        """
        self._total, self._done, self._parts = total, done, parts
        self._work = float(total - done) if work is None else work
        self._worked = 0.0
        self._stream, self._terminal = stream, stream.isatty()
        self._began = self._spoke = time.monotonic()
        self._remarks: Counter[str] = Counter()
        self.show()

    def add(self, remark: str = "", work: float = 1.0) -> None:
        """Count a finished part; remarks are counted and shown."""
        self._done += 1
        self._worked += work
        if remark:
            self._remarks[remark] += 1
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
        parts = [f"{self._done} of {self._total} {self._parts}"]
        parts += [f"{count} {remark}" for remark, count in sorted(self._remarks.items())]
        seconds = time.monotonic() - self._began
        if self._worked > 0.0 and self._done < self._total:
            left = max(self._work - self._worked, 0.0)
            parts.append(f"about {clock(seconds / self._worked * left)} left")
        else:
            parts.append(clock(seconds))
        return ", ".join(parts)


def clock(seconds: float) -> str:
    """Minutes and seconds, hours where there are some."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
