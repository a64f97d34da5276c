"""What can be wrong with a reproduction."""

from __future__ import annotations

from veaat_migration.errors import VeaatError


class ExperimentError(VeaatError, ValueError):
    """A reproduction that cannot be run; the message says what is wrong and where."""
