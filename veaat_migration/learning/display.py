"""How far training has come, for a terminal or for a log."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, TextIO

from veaat_migration.learning.runs import SeedRun
from veaat_migration.progress import clock

_BAR = 20
_LOG_PERIOD = 10.0
"""Where there is no terminal, a line per seed at most this often [s]."""


class Display:
    """A line for each seed, drawn again and again; in a log, a line now and then."""

    def __init__(self, stream: TextIO, n_rsus: int) -> None:
        self._stream, self._n_rsus = stream, n_rsus
        self._terminal = stream.isatty()
        self._drawn = 0
        self._spoke = time.monotonic() - _LOG_PERIOD + 2.0

    def show(self, runs: Sequence[SeedRun]) -> None:
        """Draw the state of all runs."""
        if self._terminal:
            up = f"\x1b[{self._drawn}A" if self._drawn else ""
            lines = "".join(f"\r\x1b[K{self._line(run, bar=True)}\n" for run in runs)
            self._stream.write(up + lines)
            self._stream.flush()
            self._drawn = len(runs)
        elif time.monotonic() - self._spoke >= _LOG_PERIOD:
            self._spoke = time.monotonic()
            for run in runs:
                if run.state == "training":
                    print(self._line(run, bar=False), file=self._stream, flush=True)

    def _line(self, run: SeedRun, *, bar: bool) -> str:
        message = run.message
        parts = [f"seed {run.seed}:"]
        if not message:
            return f"{parts[0]} {run.error or run.state}"
        done, total = message["iteration"], message["iterations"]
        if bar:
            full = _BAR * done // total
            parts.append(f"[{'#' * full}{'.' * (_BAR - full)}]")
        parts.append(f"{done}/{total}")
        if run.state not in ("training", "finished"):
            parts.append(run.error or run.state)
            return " ".join(parts)
        parts.append(", ".join(self._figures(message)))
        if run.state == "finished":
            parts.append(f", {clock(message['seconds'])}")
        elif message["seconds_left"] is not None:
            parts.append(f", {clock(message['seconds_left'])} left")
        return " ".join(parts).replace(" , ", ", ")

    def _figures(self, message: dict[str, Any]) -> list[str]:
        figures = []
        if message.get("gaps") is not None:
            gaps = [f"{100.0 * gap:+.1f}" for gap in message["gaps"]]
            rsus, avs = gaps[: self._n_rsus], gaps[self._n_rsus :]
            if len(gaps) <= 10:
                figures.append(f"utility against equilibrium {' '.join(rsus)} | {' '.join(avs)} %")
            else:
                worst = max(message["gaps"], key=abs)
                figures.append(f"utility against equilibrium {100.0 * worst:+.1f} % at worst")
        if "exploitability" in message:
            figures.append(f"exploitability {100.0 * message['exploitability']:.2g} %")
        if "sparsity" in message:
            pruned = sum(message["sparsity"]) / len(message["sparsity"])
            if pruned > 0.0:
                figures.append(f"pruned {pruned:.0%}")
        figures.append(f"{message['steps_per_second'] / 1000.0:.1f}k steps/s")
        return figures
