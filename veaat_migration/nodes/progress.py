"""Shows a running game to a person: one line that moves on a terminal, few lines elsewhere."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Callable
from typing import TextIO

import numpy as np

from veaat_migration.game.instance import FloatArray
from veaat_migration.nodes.round_book import SettledRound

REFRESH = 0.1
"""Shortest time between two changes of the line [s]."""
SHOWN_PRICES = 6
"""With more RSUs only the lowest and highest price are shown."""


class Progress:
    """Writes how far the game is."""

    def __init__(
        self,
        stream: TextIO,
        rounds: int,
        every: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Show a game of ``rounds`` rounds (0: endless), without a terminal every ``every``."""
        self._stream = stream
        self._rounds = rounds
        self._every = every
        self._clock = clock
        self._tty = stream.isatty()
        self._since = 0.0
        self._counted = 0
        self._rate = math.nan
        self._shown_at = -math.inf
        self._width = 0
        self._pending: str | None = None

    def update(self, settled: SettledRound, deviation: float) -> None:
        """Show a round; ``deviation`` is the largest |U/U* - 1|, NaN: not known yet."""
        now = self._clock()
        self._measure(now)
        if self._tty:
            self._pending = self._text(settled, deviation)
            if now >= self._shown_at + REFRESH:
                self._shown_at = now
                self._show()
        elif settled.round % self._every == 0 or settled.round in (1, self._rounds):
            self._stream.write(f"{self._text(settled, deviation)}\n")
            self._stream.flush()

    def close(self) -> None:
        """Leave the last line standing."""
        if self._tty and self._width:
            self._show()
            self._stream.write("\n")
        self._stream.flush()

    def _measure(self, now: float) -> None:
        if not self._counted:
            self._since = now
        self._counted += 1
        if now > self._since + 0.5:
            self._rate = (self._counted - 1) / (now - self._since)
            self._since, self._counted = now, 1

    def _text(self, settled: SettledRound, deviation: float) -> str:
        of = f"/{self._rounds}" if self._rounds else ""
        parts = [f"round {settled.round}{of}"]
        if math.isfinite(self._rate):
            parts.append(f"{self._rate:.3g} rounds/s")
        parts.append(f"prices {prices_text(settled.prices)}")
        if math.isfinite(deviation):
            parts.append(f"furthest from equilibrium {100 * deviation:.2f} %")
        if not settled.complete:
            present = int(np.isfinite(settled.demand).any(axis=1).sum())
            n_avs, n_rsus = settled.demand.shape
            rsus = int(np.isfinite(settled.prices).sum())
            parts.append(f"only {rsus}/{n_rsus} RSUs, {present}/{n_avs} AVs")
        return " | ".join(parts)

    def _show(self) -> None:
        if self._pending is None:
            return
        # One column less than the terminal has: a full line would wrap.
        line = self._pending[: shutil.get_terminal_size().columns - 1]
        self._stream.write(f"\r{line:<{self._width}}")
        self._stream.flush()
        self._width, self._pending = len(line), None


def prices_text(prices: FloatArray) -> str:
    """Prices in money/MHz; a dash for an RSU that did not settle."""
    if len(prices) > SHOWN_PRICES:
        known = prices[np.isfinite(prices)]
        return f"{known.min():.4g} to {known.max():.4g}" if len(known) else "-"
    return " ".join("-" if math.isnan(price) else f"{price:.4f}" for price in prices)
