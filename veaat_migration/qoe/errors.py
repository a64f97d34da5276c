"""What can be wrong with images and weights."""

from __future__ import annotations

from veaat_migration.errors import VeaatError


class QoeError(VeaatError, ValueError):
    """Images or weights that cannot be read or do not fit; the message says which and why."""
