"""What a recorded game achieved: utilities, distance from equilibrium, convergence, times."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from veaat_migration.analysis.history import History
from veaat_migration.analysis.topics import ROLES
from veaat_migration.game.instance import FloatArray, GameInstance
from veaat_migration.game.utilities import follower_utilities, leader_utilities

if TYPE_CHECKING:
    from veaat_migration.analysis.reading import Recording

_SAME_LIFE = 1_000_000
"""Sessions closer than this are of one process [ns]; none restarts within a millisecond."""
_SMALL_UTILITY = 1e-6
"""Share of the largest utility below which a utility counts as zero."""


@dataclass(frozen=True)
class Utilities:
    """What every player earned in every round."""

    rsu: FloatArray
    """U_j^L (Eq. 10) [money], shape [N, R]; NaN: the RSU did not settle the round."""
    av: FloatArray
    """U_i^F (Eq. 9) [money], shape [N, V]; NaN: no RSU accepted a bid of the AV."""


@dataclass(frozen=True)
class Play:
    """Prices, demands and utilities of one moment of the game."""

    prices: FloatArray
    """p_j [money/MHz], shape [R]."""
    demand: FloatArray
    """b_ij [MHz], shape [V, R]."""
    utility_rsu: FloatArray
    """U_j^L (Eq. 10) [money], shape [R]."""
    utility_av: FloatArray
    """U_i^F (Eq. 9) [money], shape [V]."""


@dataclass(frozen=True)
class Percentiles:
    """Distribution of a sample; all NaN for an empty one."""

    count: int
    p50: float
    p95: float
    p99: float
    max: float


def percentiles(values: Iterable[float] | FloatArray) -> Percentiles:
    """Median, 95th and 99th percentile and maximum of the finite values."""
    sample = np.asarray(values if isinstance(values, np.ndarray) else list(values), dtype=float)
    sample = sample[np.isfinite(sample)]
    if not len(sample):
        return Percentiles(0, *[float("nan")] * 4)
    p50, p95, p99, top = (float(x) for x in np.percentile(sample, [50, 95, 99, 100]))
    return Percentiles(len(sample), p50, p95, p99, top)


def utilities_of(instance: GameInstance, history: History) -> Utilities:
    """Utilities from what was settled, with the private data of the game instance.

    A round in which some RSUs did not settle is valued as the game of the others. An AV is
    valued at zero bandwidth where an RSU accepted no bid of it.
    """
    shape = history.prices.shape
    rsu = np.full(shape, np.nan)
    av = np.full((shape[0], instance.n_avs), np.nan)
    demand = np.nan_to_num(history.demand, nan=0.0)
    settled = np.isfinite(history.prices)
    patterns, which = np.unique(settled, axis=0, return_inverse=True)
    for number, present in enumerate(patterns):
        if not present.any():
            continue
        game = _with_rsus(instance, present)
        rounds = np.flatnonzero(which.reshape(-1) == number)
        prices = history.prices[rounds][:, present]
        bought = demand[rounds][:, :, present]
        rsu[np.ix_(rounds, np.flatnonzero(present))] = leader_utilities(game, prices, bought)
        av[rounds] = follower_utilities(game, prices, bought)
    av[np.isnan(history.demand).all(axis=2)] = np.nan
    return Utilities(rsu, av)


def _with_rsus(instance: GameInstance, present: Any) -> GameInstance:
    """The game of some of the RSUs, without its delay constraint (utilities do not need it)."""
    if present.all():
        return instance
    return replace(
        instance,
        quality=instance.quality[present],
        cost=instance.cost[:, present],
        service=instance.service[np.ix_(present, present)],
        delay=None,
    )


def deviations(utilities: FloatArray, reference: FloatArray) -> FloatArray:
    """U/U* - 1 of each player in each round, shape [N, players].

    Where U* is zero to working accuracy the difference is taken relative to the accuracy.
    """
    floor = _SMALL_UTILITY * max(float(np.abs(reference).max(initial=0.0)), _SMALL_UTILITY)
    scale = np.maximum(np.abs(reference), floor)
    result: FloatArray = (utilities - reference) / scale
    return result


def convergence_round(history: History, deviation: FloatArray, tolerance: float) -> int | None:
    """First round from which all players stay within ``tolerance`` until the end.

    Args:
        history: the game.
        deviation: U/U* - 1 of all players, shape [N, players]; NaN counts as outside.
        tolerance: largest absolute deviation allowed.

    Returns:
        Round number; None: the last round is outside.
    """
    inside = (np.abs(deviation) <= tolerance).all(axis=1) & history.complete
    outside = np.flatnonzero(~inside)
    first = 0 if not len(outside) else int(outside[-1]) + 1
    return int(history.rounds[first]) if first < len(inside) else None


def latencies(recording: Recording) -> dict[str, Percentiles]:
    """Time from the header stamp to reception by the recorder [ms], by topic."""
    result = {}
    for topic, messages in recording.messages.items():
        sample = [
            (received.receive_time - received.stamp) / 1e6
            for received in messages
            if received.stamp is not None
        ]
        if sample:
            result[topic] = percentiles(sample)
    return result


def round_rate(history: History) -> float:
    """Rounds per second from the first to the last settlement; NaN for fewer than two rounds."""
    if len(history.rounds) < 2 or not history.end[-1] > history.end[0]:
        return float("nan")
    span = float(history.end[-1] - history.end[0])
    return float(history.rounds[-1] - history.rounds[0]) / span


@dataclass(frozen=True)
class PlayerCounts:
    """What the players' own status messages count, over all lives of all nodes."""

    rejections: dict[str, int]
    """Rejected messages by reason."""
    rejections_by_player: dict[str, dict[str, int]]
    """The same by player ("rsu 1")."""
    messages_accepted: int
    deadline_misses: int
    retransmissions: int
    restarts: dict[str, int]
    """Lives after the first, by player; players without are absent."""


def player_counts(recording: Recording) -> PlayerCounts:
    """Add up the last status of every life of every node."""
    lives = _lives(recording)
    last = {(player, lives[player, session]): m for player, session, m in _statuses(recording)}
    by_player: dict[str, Counter[str]] = {}
    for (player, _), m in last.items():
        counts = by_player.setdefault(player, Counter())
        for reason, count in zip(m.rejection_reasons, m.rejection_counts, strict=False):
            counts[str(reason)] += int(count)
    total: Counter[str] = Counter()
    for counts in by_player.values():
        total.update(counts)
    lived = Counter(player for player, _ in last)
    return PlayerCounts(
        rejections=dict(total.most_common()),
        rejections_by_player={name: dict(counts) for name, counts in by_player.items() if counts},
        messages_accepted=sum(int(m.messages_accepted) for m in last.values()),
        deadline_misses=sum(int(m.deadline_misses) for m in last.values()),
        retransmissions=sum(int(m.retransmissions) for m in last.values()),
        restarts={name: count - 1 for name, count in lived.items() if count > 1},
    )


@dataclass(frozen=True)
class PolicyUse:
    """Which policy a player had at the end, and how often learned ones decided, over all lives."""

    policy: str
    version: int
    """0: none that was learned."""
    sha256: str
    decisions: int
    """Decisions of learned policies."""
    fallbacks: int
    """Decisions left to the best response."""
    errors: int
    """Decisions that a policy failed to make."""
    versions: int
    """Different versions seen."""


def policy_use(recording: Recording) -> dict[str, PolicyUse]:
    """The policy of every player ("rsu 1"); statuses of older releases tell only its name."""
    lives = _lives(recording)
    last: dict[str, dict[int, Any]] = {}
    versions: dict[str, set[int]] = {}
    for player, session, m in _statuses(recording):
        last.setdefault(player, {})[lives[player, session]] = m
        version = int(getattr(m, "policy_version", 0))
        versions.setdefault(player, set()).update({version} - {0})
    use = {}
    for player, by_life in sorted(last.items(), key=lambda item: _player_order(item[0])):
        final = by_life[max(by_life)]
        total = {
            name: sum(int(getattr(m, f"policy_{name}", 0)) for m in by_life.values())
            for name in ("decisions", "fallbacks", "errors")
        }
        use[player] = PolicyUse(
            policy=str(final.policy),
            version=int(getattr(final, "policy_version", 0)),
            sha256=str(getattr(final, "policy_sha256", "")),
            versions=len(versions[player]),
            **total,
        )
    return use


def _player_order(player: str) -> tuple[bool, int]:
    role, _, number = player.partition(" ")
    return role != "rsu", int(number)


def _statuses(recording: Recording) -> Iterator[tuple[str, int, Any]]:
    """Player ("rsu 1"), session and message of every status."""
    for received in recording.messages["node_status"]:
        m = received.message
        yield f"{ROLES.get(m.role, m.role)} {m.player_id}", int(m.session), m


def _lives(recording: Recording) -> dict[tuple[str, int], int]:
    """First session of the life that a (player, session) belongs to.

    A session is a start time, but a machine that loses its way begins again in the same process
    with the next number and goes on counting.
    """
    lives: dict[tuple[str, int], int] = {}
    player, session, life = "", 0, 0
    for key in sorted({(player, session) for player, session, _ in _statuses(recording)}):
        if key[0] != player or key[1] > session + _SAME_LIFE:
            life = key[1]
        player, session = key
        lives[key] = life
    return lives
