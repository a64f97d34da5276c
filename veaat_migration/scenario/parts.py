"""The parts of a scenario: keys, units, ranges and defaults as pydantic models.

Every key has its unit in the description; the tables of ``docs/scenarios.md`` come from here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

NUMBER, MEASURED, MATRIX = "@number", "@measured", "@matrix"
BY_DISTANCE, BY_TOTAL = "@by_distance", "@by_total"
UNION_TAGS = frozenset({NUMBER, MEASURED, MATRIX, BY_DISTANCE, BY_TOTAL})
"""Elements of pydantic's error locations that are not keys of the file."""

INCONSISTENT = "inconsistent"
"""Type of the pydantic error that carries a list of problems between several keys."""


class Part(BaseModel):
    """Common rules: no unknown keys, no silent conversions, no NaN or infinity."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, allow_inf_nan=False, hide_input_in_errors=True
    )


Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Coordinate = Annotated[float, Field(ge=-1e7, le=1e7)]
Point = Annotated[tuple[Coordinate, Coordinate], Field(strict=False)]
Name = Annotated[
    str, Field(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]+$")
]
Matrix = Annotated[
    tuple[Annotated[tuple[float, ...], Field(strict=False)], ...], Field(strict=False)
]


def inconsistent(problems: list[str]) -> PydanticCustomError:
    """The error of a model validator that found ``problems`` (paths relative to the model)."""
    return PydanticCustomError(
        INCONSISTENT, "{text}", {"text": "; ".join(problems), "problems": problems}
    )


class RadioChannel(Part):
    """Radio link between every AV and every RSU."""

    antenna_gain: Positive = Field(default=4.11, description="A, channel gain coefficient [-]")
    carrier_frequency: Positive = Field(default=2.0, description="f [GHz]")
    transmit_power: float = Field(
        default=23.0, ge=-100, le=100, description="rho, sender's power [dBm]"
    )
    noise_power: float = Field(default=-100.0, ge=-250, le=100, description="sigma^2 [dBm]")
    fading: Literal["rayleigh", "none"] = Field(
        default="rayleigh",
        description="rayleigh: the gain of each link is multiplied by a draw of Exp(1) that "
        "depends on `seed` only; none: free space",
    )
    distance: Positive = Field(
        default=500.0, description="distance of links whose AV or RSU has no position [m]"
    )
    min_distance: Positive = Field(
        default=1.0,
        description="links are taken to be at least this long: no infinite gain at 0 [m]",
    )


class DelayRule(Part):
    """Whether the delay constraint of the followers' problem P1 (Eq. 11) holds."""

    enforce: bool = Field(
        default=False,
        description="true: sum_j theta_j T_ij <= max_delay binds every AV; false: delay shapes "
        "nothing but the offset e - delay_sensitivity * delay_threshold of its utility",
    )


class ReputationLaw(Part):
    """Service reputation k(n) = newcomer + (highest - newcomer) n / (n + half_migrations)."""

    newcomer: Positive = Field(default=1.0, description="k without any completed migration [-]")
    highest: Positive = Field(default=2.0, description="limit of k after very many migrations [-]")
    half_migrations: Positive = Field(
        default=50.0, description="migrations after which half of the gain is reached"
    )

    @model_validator(mode="after")
    def _ordered(self) -> ReputationLaw:
        if self.highest < self.newcomer:
            raise inconsistent(
                [f"highest: must be >= newcomer ({self.newcomer:g}), got {self.highest:g}"]
            )
        return self


class MeasuredQuality(Part):
    """Quality of experience from image distortion and reputation (Eq. 4, corrected)."""

    distortion: float = Field(
        ge=0, le=1, description="D_j, A-DISTS of the rendered images, 0: perfect [-]"
    )
    distortion_threshold: float = Field(
        default=0.6, ge=0, lt=1, description="D_th, worst distortion that users accept [-]"
    )
    migrations: int = Field(
        default=0,
        ge=0,
        le=10**9,
        description="completed high-quality migrations, raises the reputation",
    )


class DistanceCoupling(Part):
    """Coupling that fades with distance d: strength * exp(-d / range)."""

    strength: float = Field(description="coupling at distance 0 [money/MHz^2]")
    range: Positive = Field(description="distance at which it has fallen to 37 % [m]")


class TotalCoupling(Part):
    """The same coupling for every pair, total / (players - 1): games of any size stay alike."""

    total: float = Field(description="sum of one player's couplings with all others [money/MHz^2]")


def _coupling_kind(value: Any) -> str:
    if isinstance(value, TotalCoupling) or (isinstance(value, Mapping) and "total" in value):
        return BY_TOTAL
    if isinstance(value, Mapping | DistanceCoupling):
        return BY_DISTANCE
    return MATRIX if isinstance(value, list | tuple) else NUMBER


def _quality_kind(value: Any) -> str:
    return MEASURED if isinstance(value, Mapping | MeasuredQuality) else NUMBER


Coupling = Annotated[
    Annotated[float, Tag(NUMBER)]
    | Annotated[Matrix, Tag(MATRIX)]
    | Annotated[DistanceCoupling, Tag(BY_DISTANCE)]
    | Annotated[TotalCoupling, Tag(BY_TOTAL)],
    Discriminator(_coupling_kind),
]
Quality = Annotated[
    Annotated[Positive, Tag(NUMBER)] | Annotated[MeasuredQuality, Tag(MEASURED)],
    Discriminator(_quality_kind),
]


class Player(Part):
    """What AVs and RSUs have in common."""

    name: Name | None = Field(default=None, description="label; av1, rsu1, ... if not given")
    position: Point | None = Field(default=None, description="[x, y] [m]")


class Av(Player):
    """One autonomous vehicle: a follower with a twin to migrate."""

    satisfaction: Positive = Field(description="delta_i, satisfaction factor [money]")
    delay_sensitivity: NonNegative = Field(description="alpha_i [MHz/s]")
    delay_threshold: NonNegative = Field(
        default=1.0, description="T_i^th, delay that the AV considers normal [s]"
    )
    max_delay: Positive | None = Field(
        default=None,
        description="T_i^max, longest tolerated expected migration delay [s]; "
        "required where delay.enforce is true",
    )
    data: NonNegative = Field(
        default=50.0, description="D_i, size of the twin [MB]; usual 25 to 100"
    )
    cycles: NonNegative = Field(
        default=10.0, description="C_i, work to re-instantiate the twin [Gcycles]; usual 2 to 20"
    )


class Rsu(Player):
    """One roadside unit: a leader that sells bandwidth."""

    quality: Quality = Field(
        description="q_j, quality of experience [-]: a number > 0, or a mapping (below) from "
        "which Eq. (4) computes it"
    )
    cost: NonNegative = Field(description="c_j, unit cost of bandwidth [money/MHz]")
    capacity: Positive | None = Field(
        default=None,
        description="C_j, expected load that the RSU can carry [MHz]; more is rationed, every "
        "AV gets the same share of its demand; none or null: unlimited",
    )
    compute: Positive = Field(default=40.0, description="f_j, compute for re-instantiation [GHz]")
    arrival_rate: NonNegative = Field(
        default=4.0, description="lambda_j, twins that arrive [1/s]; must be < service_rate"
    )
    service_rate: Positive = Field(default=10.0, description="mu_j, twins that can be served [1/s]")


def offset(av: Av) -> float:
    """E_i = e - alpha_i T_i^th (Eq. 6) [MHz]."""
    return math.e - av.delay_sensitivity * av.delay_threshold
