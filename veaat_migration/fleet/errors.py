"""What can be wrong with a fleet simulation."""

from __future__ import annotations

from veaat_migration.errors import VeaatError


class FleetError(VeaatError, ValueError):
    """A simulation or comparison that cannot be run; the message says what is wrong and where."""
