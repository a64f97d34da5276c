"""A leader's profile whose quality follows its reputation, so that its policy reckons with it."""

from __future__ import annotations

from dataclasses import fields

from veaat_migration.game.profiles import LeaderProfile


class OfferedProfile(LeaderProfile):
    """Looks like any profile to a policy, which keeps it; one setter changes what is offered."""

    @classmethod
    def of(cls, profile: LeaderProfile) -> OfferedProfile:
        """A profile of its own with the same values."""
        return cls(**{item.name: getattr(profile, item.name) for item in fields(profile)})

    def set_quality(self, quality: float) -> None:
        """Offer another quality from now on."""
        object.__setattr__(self, "quality", quality)
