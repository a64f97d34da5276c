"""What can be wrong with a study."""

from __future__ import annotations

from veaat_migration.errors import VeaatError


class StudyError(VeaatError, ValueError):
    """A study that cannot be run; the message says what is wrong and where."""
