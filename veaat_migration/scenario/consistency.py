"""Rules between several keys of a scenario, which no key can be checked for alone."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from veaat_migration.scenario.couplings import matrix_problems
from veaat_migration.scenario.parts import Coupling, DistanceCoupling, Player, offset

if TYPE_CHECKING:
    from veaat_migration.scenario.schema import Scenario


def problems_between_keys(scenario: Scenario) -> list[str]:
    """One line ``path: what is wrong`` for each contradiction in a scenario."""
    return [
        *_repeated_names("avs", scenario.av_names),
        *_repeated_names("rsus", scenario.rsu_names),
        *_av_problems(scenario),
        *_rsu_problems(scenario),
        *_coupling_problems("social_coupling", scenario.social_coupling, "avs", scenario.avs),
        *_coupling_problems("service_coupling", scenario.service_coupling, "rsus", scenario.rsus),
    ]


def _repeated_names(path: str, names: Sequence[str]) -> Iterator[str]:
    counts = Counter(names)
    for index, name in enumerate(names):
        if counts[name] > 1:
            yield f"{path}[{index}].name: must be unique, '{name}' is used {counts[name]} times"


def _av_problems(scenario: Scenario) -> Iterator[str]:
    for i, av in enumerate(scenario.avs):
        if scenario.bandwidth_max + offset(av) <= 0:
            yield (
                f"avs[{i}].delay_sensitivity: times delay_threshold must be < e + bandwidth_max "
                f"({math.e + scenario.bandwidth_max:g}), "
                f"got {av.delay_sensitivity * av.delay_threshold:g}"
            )
        if scenario.delay.enforce and av.max_delay is None:
            yield (
                f"avs[{i}].max_delay: missing; needed because delay.enforce is true "
                "(give it here or in av_defaults)"
            )


def _rsu_problems(scenario: Scenario) -> Iterator[str]:
    for j, rsu in enumerate(scenario.rsus):
        if rsu.cost >= scenario.price_max:
            yield (
                f"rsus[{j}].cost: must be < price_max ({scenario.price_max:g}), got {rsu.cost:g}"
            )
        if rsu.arrival_rate >= rsu.service_rate:
            yield (
                f"rsus[{j}].arrival_rate: must be < service_rate ({rsu.service_rate:g}) "
                f"for a stable queue, got {rsu.arrival_rate:g}"
            )


def _coupling_problems(
    path: str,
    coupling: Coupling,
    players: str,
    members: Sequence[Player],
) -> Iterator[str]:
    if isinstance(coupling, DistanceCoupling):
        for index, member in enumerate(members):
            if member.position is None:
                yield f"{players}[{index}].position: missing; needed because {path} has a range"
    elif isinstance(coupling, tuple):
        yield from matrix_problems(path, coupling, len(members))
