"""The last rounds of a game as a learned policy's record, kept up to date round by round."""

from __future__ import annotations

import math

import numpy as np

from veaat_migration.policy.interface import FloatArray
from veaat_migration.policy.observation import RATE_UNIT, as_input
from veaat_migration.policy.scaling import Scale
from veaat_migration.policy.schema import PolicySchema


class RoundMemory:
    """Fills the record from rounds that come in order, with repetitions, losses and restarts.

    Where a round or a part of it is missing, what was known before it stands in, for at most
    ``hold`` rounds in a row; after that the history begins anew.
    """

    def __init__(self, schema: PolicySchema, *, hold: int) -> None:
        layout = schema.layout
        self.record: FloatArray = np.append(np.zeros(layout.record_size), 1.0)
        """See :mod:`veaat_migration.policy.observation`; with a one at its end, which biases
        multiply. Entries are within [-1, 1] or finite rates, NaN where not known, never infinite;
        shape [record_size + 1]."""
        self._wanted = layout.history
        self._hold = hold
        self._n_rsus = layout.n_rsus
        size = layout.round_size
        past = layout.history * size
        self._older, self._younger = self.record[: past - size], self.record[size:past]
        self._latest = self.record[past - size : past]
        self._arrival = self.record[past : past + layout.n_rsus]
        self._service = self.record[past + layout.n_rsus : past + 2 * layout.n_rsus]
        self._current = self.record[past + 2 * layout.n_rsus : layout.record_size]
        self._prices = _Normaliser(schema.price_scale)
        self._demand = _Normaliser(schema.bandwidth_scale)
        self._row = np.empty(size)
        self._rounds = 0
        self._held = 0
        self._round: int | None = None

    @property
    def complete(self) -> bool:
        """Whether the record holds as many rounds in a row as the policy looks back."""
        return self._rounds >= self._wanted

    def forget(self) -> None:
        """Begin the history anew."""
        self._rounds = self._held = 0
        self._round = None

    def add(self, round_: int, prices: FloatArray, demand: FloatArray) -> None:
        """Take what a round was.

        Args:
            round_: its number. A round that is already known changes nothing; one further back
                means that the game has begun anew.
            prices: p_j, shape [R]; NaN: not known.
            demand: b_ij, shape [V, R]; NaN: not known.
        """
        if self._round is not None:
            if round_ == self._round:
                return
            if round_ < self._round:
                self.forget()
            elif round_ > self._round + 1:
                self._bridge(round_ - self._round - 1)
        row = self._row
        self._prices.into(row[: self._n_rsus], prices)
        self._demand.into(row[self._n_rsus :], demand.reshape(-1))
        self._round = round_
        if math.isfinite(np.add.reduce(row)):
            self._held = 0
        elif not self._fill(row):
            self.forget()
            return
        self._push(row)

    def set_rates(self, arrival: FloatArray, service: FloatArray) -> None:
        """Set lambda_j and mu_j [1/s], both shape [R]; not known where not finite."""
        for entries, rates in ((self._arrival, arrival), (self._service, service)):
            entries[:] = np.where(np.isfinite(rates), rates / RATE_UNIT, np.nan)

    def set_prices(self, prices: FloatArray) -> None:
        """Set this round's prices P^t, shape [R]."""
        self._prices.into(self._current, prices)

    def rehearse(self) -> None:
        """Go through the motions of :meth:`add` without effect, see ``_Learned.rehearse``."""
        row, n_rsus = self._row, self._n_rsus
        self._prices.into(row[:n_rsus], self._prices.middle)
        self._demand.into(row[n_rsus:], self._demand.middle)
        math.isfinite(np.add.reduce(row))

    def _bridge(self, missing: int) -> None:
        """Let the latest round stand for rounds of which nothing is known."""
        self._held += missing
        if not self._rounds or self._held > self._hold:
            self.forget()
            return
        latest = self._latest.copy()
        for _ in range(missing):
            self._push(latest)

    def _fill(self, row: FloatArray) -> bool:
        """Put what is known from the round before where a value is missing."""
        self._held += 1
        if not self._rounds or self._held > self._hold:
            return False
        missing = np.isnan(row)
        row[missing] = self._latest[missing]
        return bool(np.isfinite(row).all())

    def _push(self, row: FloatArray) -> None:
        self._older[:] = self._younger
        self._latest[:] = row
        self._rounds += 1


class _Normaliser:
    """Values as inputs in [-1, 1]: Scale.share and as_input with all constants made beforehand."""

    def __init__(self, scale: Scale) -> None:
        self._geometric = scale.kind == "geometric"
        self._low, self._high = scale.low, scale.high
        self.middle: FloatArray = (scale.low + scale.high) / 2.0
        """Values within their intervals."""
        if self._geometric:
            self._shift = scale.shift
            # Two points make the line from logarithms to inputs.
            first, last = np.log(scale.low + self._shift), np.log(scale.high + self._shift)
        else:
            self._shift = np.zeros_like(scale.low)
            first, last = scale.low, scale.high
        begin, end = as_input(np.zeros(1)), as_input(np.ones(1))
        self._slope = (end - begin) / (last - first)
        self._constant = begin - self._slope * first

    def into(self, out: FloatArray, values: FloatArray) -> None:
        """Write the inputs of values, clipped to their intervals; NaN where one is not finite."""
        if not math.isfinite(values.dot(values)):
            # Clipping would make an honest number of infinity.
            values = np.where(np.isfinite(values), values, np.nan)
        np.maximum(values, self._low, out=out)
        np.minimum(out, self._high, out=out)
        if self._geometric:
            out += self._shift
            np.log(out, out)
        out *= self._slope
        out += self._constant
