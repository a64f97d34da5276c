"""What is on the network, as facts, and the rule by which two endpoints connect."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

ROLES = {1: "RSU", 2: "AV"}
ODOMETRY = "nav_msgs/msg/Odometry"


@dataclass(frozen=True)
class Qos:
    """The policies that decide whether two endpoints connect."""

    reliable: bool = True
    transient_local: bool = False
    deadline: float = math.inf
    """[s]"""
    manual_liveliness: bool = False
    lease: float = math.inf
    """[s]"""


@dataclass(frozen=True)
class Endpoint:
    """A publisher or a subscription."""

    node: str
    """Full name."""
    publishes: bool
    type: str
    type_hash: str
    """Empty: not known (Humble)."""
    qos: Qos


@dataclass(frozen=True)
class TopicRule:
    """What nodes of this package use for a topic."""

    type: str
    writer: Qos = Qos()
    reader: Qos = Qos()


def _rule(kind: str, *, latched: bool = False) -> TopicRule:
    qos = Qos(transient_local=latched)
    return TopicRule(f"veaat_migration/msg/{kind}", qos, qos)


TOPICS: Mapping[str, TopicRule] = {
    "price_offers": _rule("PriceOffer", latched=True),
    "bandwidth_bids": _rule("BandwidthBid"),
    "settlements": _rule("Settlement"),
    "node_status": _rule("NodeStatus"),
    "round_status": _rule("RoundStatus"),
    "policy_manifest": _rule("PolicyManifest", latched=True),
    "training_status": _rule("TrainingStatus"),
    "twin_task": _rule("TwinTask"),
    "migration_decision": _rule("MigrationDecision"),
}
"""The game's topics that other people's nodes may meet, by name relative to its namespace."""


@dataclass(frozen=True)
class StatusSeen:
    """A NodeStatus, as far as it matters here."""

    role: int
    player: int
    session: int
    policy: str
    policy_version: int
    decisions: int
    fallbacks: int

    @property
    def name(self) -> str:
        """Such as "AV 3"."""
        return f"{ROLES.get(self.role, f'role {self.role}')} {self.player}"


@dataclass(frozen=True)
class OfferSeen:
    """A price offer, as far as it matters here."""

    rsu: int
    session: int
    round: int
    age: float
    """Own clock on arrival minus its stamp [s]."""


@dataclass(frozen=True)
class NetworkFacts:
    """What was seen in some seconds."""

    namespace: str
    seconds: float
    """How long it was listened [s]."""
    endpoints: Mapping[str, tuple[Endpoint, ...]] = field(default_factory=dict)
    """By name of :data:`TOPICS`."""
    nodes: tuple[str, ...] = ()
    """Full names of all nodes, as often as they are there."""
    statuses: tuple[StatusSeen, ...] = ()
    """In order of arrival."""
    offers: tuple[OfferSeen, ...] = ()
    sim_time: Mapping[str, bool] = field(default_factory=dict)
    """use_sim_time of each node that answered."""
    clocks: int = 0
    """Publishers of /clock."""
    elsewhere: tuple[str, ...] = ()
    """Other namespaces in which the game is played."""
    odometry_topic: str = ""
    """Empty: not looked for."""
    odometry: tuple[Endpoint, ...] = ()
    """Endpoints of that topic."""


def incompatible(writer: Qos, reader: Qos) -> str:
    """Why a reader does not connect to a writer; empty if it does."""
    if reader.reliable and not writer.reliable:
        return "it asks for reliable, only best effort is offered"
    if reader.transient_local and not writer.transient_local:
        return "it asks for transient local, only volatile is offered"
    if reader.deadline < writer.deadline:
        return f"it asks for a deadline of {reader.deadline:g} s, {_limit(writer.deadline)}"
    if reader.manual_liveliness and not writer.manual_liveliness:
        return "it asks for manual liveliness, only automatic is offered"
    if reader.lease < writer.lease:
        return f"it asks for a lease of {reader.lease:g} s, {_limit(writer.lease)}"
    return ""


def _limit(value: float) -> str:
    return "none is offered" if math.isinf(value) else f"only {value:g} s is offered"
