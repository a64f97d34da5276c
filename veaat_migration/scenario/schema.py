"""A whole scenario file as a typed, validated model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from veaat_migration.scenario.consistency import problems_between_keys
from veaat_migration.scenario.numbers import MAX_AVS, MAX_RSUS
from veaat_migration.scenario.parts import (
    Av,
    Coupling,
    DelayRule,
    Name,
    Part,
    Point,
    Positive,
    RadioChannel,
    ReputationLaw,
    Rsu,
    inconsistent,
)


class Scenario(Part):
    """A whole scenario."""

    name: Name = Field(default="scenario", description="label")
    description: str = Field(default="", max_length=10_000, description="free text")
    seed: int = Field(
        default=0, ge=0, lt=2**63, description="seed of everything random: channel fading"
    )
    price_max: Positive = Field(description="p_max, highest price [money/MHz]; > every cost")
    bandwidth_max: Positive = Field(
        description="b_max, most bandwidth that one AV may buy from one RSU [MHz]"
    )
    externality: Literal["additive", "multiplicative"] = Field(
        default="additive",
        description="how couplings enter the utility: Eq. (9), or Eqs. (14)-(18)",
    )
    social_coupling: Coupling = Field(
        default=0.0,
        description="zeta, AV with AV [money/MHz^2]: a number for all pairs, a symmetric matrix "
        "with zero diagonal, or a mapping {total} or {strength, range}",
    )
    service_coupling: Coupling = Field(
        default=0.0,
        description="eta, RSU with RSU [money/MHz^2]: > 0 complementary, < 0 substitutable",
    )
    channel: RadioChannel = Field(default_factory=RadioChannel, description="radio link")
    delay: DelayRule = Field(default_factory=DelayRule, description="delay constraint")
    reputation: ReputationLaw = Field(
        default_factory=ReputationLaw,
        description="how completed migrations raise quality",
    )
    coverage_radius: Positive = Field(
        default=500.0, description="reach of an RSU, for maps and tables [m]"
    )
    av_defaults: dict[Any, Any] = Field(
        default_factory=dict, description="values for every AV that does not give its own"
    )
    rsu_defaults: dict[Any, Any] = Field(
        default_factory=dict, description="values for every RSU that does not give its own"
    )
    avs: Annotated[tuple[Av, ...], Field(strict=False)] = Field(
        min_length=1, max_length=MAX_AVS, description="the vehicles (followers), numbered from 1"
    )
    rsus: Annotated[tuple[Rsu, ...], Field(strict=False)] = Field(
        min_length=1, max_length=MAX_RSUS, description="the roadside units (leaders), from 1"
    )
    roads: Annotated[
        tuple[Annotated[tuple[Point, ...], Field(strict=False)], ...], Field(strict=False)
    ] = Field(default=(), description="lines of [x, y] points, drawn on maps only [m]")

    @model_validator(mode="before")
    @classmethod
    def _apply_defaults(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        merged = dict(data)
        for items, defaults in (("avs", "av_defaults"), ("rsus", "rsu_defaults")):
            common = data.get(defaults)
            listed = data.get(items)
            if isinstance(common, Mapping) and isinstance(listed, list | tuple):
                merged[items] = [
                    {**common, **item} if isinstance(item, Mapping) else item for item in listed
                ]
        return merged

    @model_validator(mode="after")
    def _consistent(self) -> Scenario:
        problems = problems_between_keys(self)
        if problems:
            raise inconsistent(problems)
        return self

    @property
    def av_names(self) -> tuple[str, ...]:
        """A label for each AV, in order."""
        return tuple(av.name or f"av{i}" for i, av in enumerate(self.avs, start=1))

    @property
    def rsu_names(self) -> tuple[str, ...]:
        """A label for each RSU, in order."""
        return tuple(rsu.name or f"rsu{j}" for j, rsu in enumerate(self.rsus, start=1))
