"""Checks of what is on the network right now: facts in, findings out.

Two endpoints of a topic connect only if the reader asks for no more than the writer offers; if it
does, both sides look healthy and nothing arrives. So every pair is compared here, and every
endpoint with what nodes of this package would use.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable

from veaat_migration.doctor.finding import Finding, fail, ok, skip, warn
from veaat_migration.doctor.network_facts import (
    ODOMETRY,
    TOPICS,
    NetworkFacts,
    StatusSeen,
    incompatible,
)

AHEAD, BEHIND = 0.02, 0.2
"""By how much the clock of a sender may seem to differ [s]; messages take their time, too."""
MOST_LISTED = 4


def check_network(facts: NetworkFacts) -> list[Finding]:
    """All checks of what was seen."""
    return [
        check_players(facts),
        check_types(facts),
        check_qos(facts),
        check_identities(facts),
        check_time(facts),
        check_stamps(facts),
        check_fallbacks(facts),
        *([check_odometry(facts)] if facts.odometry_topic else []),
    ]


def check_players(facts: NetworkFacts) -> Finding:
    """Who plays."""
    names = sorted({status.name for status in facts.statuses})
    if names:
        return ok("players", f"{_listed(names, 20)} in {facts.namespace}")
    there = sorted({end.node for ends in facts.endpoints.values() for end in ends})
    seconds = f"{facts.seconds:g} s"
    if there:
        return warn(
            "players",
            f"{_listed(there)} are connected but said nothing in {seconds}",
            "lifecycle nodes that are not active say nothing: 'ros2 lifecycle get NODE'; or their "
            "messages do not arrive, see the other findings",
        )
    where = f"nobody in {facts.namespace} within {seconds}"
    if facts.elsewhere:
        return warn(
            "players",
            f"{where}, but in {_listed(facts.elsewhere)}",
            "give the right --namespace, or start this node in that one",
        )
    return warn(
        "players",
        where,
        "start the RSUs; if they run: same ROS_DOMAIN_ID, same network without client isolation, "
        "UDP 7400 and up open, multicast or ROS_STATIC_PEERS",
    )


def check_types(facts: NetworkFacts) -> Finding:
    """Whether all endpoints of a topic mean the same by its name."""
    foreign, hashes = [], []
    for topic, endpoints in facts.endpoints.items():
        rule = TOPICS[topic]
        foreign += [
            f"{end.node} uses {topic} for {end.type}" for end in endpoints if end.type != rule.type
        ]
        known = {end.type_hash for end in endpoints if end.type == rule.type and end.type_hash}
        if len(known) > 1:
            nodes = sorted({end.node for end in endpoints if end.type == rule.type})
            hashes.append(f"{topic}: {_listed(nodes)} were built with different definitions")
    if foreign:
        return fail(
            "types", _listed(foreign), "rename the other topic, or put the game in a namespace"
        )
    if hashes:
        return fail(
            "types", _listed(hashes), "build the same version of veaat_migration on all machines"
        )
    return _seen("types", facts, "all endpoints agree")


def check_qos(facts: NetworkFacts) -> Finding:
    """Whether every reader can connect to every writer."""
    problems: list[str] = []
    for topic, endpoints in facts.endpoints.items():
        rule = TOPICS[topic]
        known = [end for end in endpoints if end.type == rule.type]
        writers = [end for end in known if end.publishes]
        readers = [end for end in known if not end.publishes]
        pairs = [
            (writer.node, reader.node, why)
            for writer in writers
            for reader in readers
            if (why := incompatible(writer.qos, reader.qos))
        ]
        blamed = {node for writer, reader, _ in pairs for node in (writer, reader)}
        problems += [
            f"{topic}: {reader} does not hear {writer} ({why})" for writer, reader, why in pairs
        ]
        problems += [
            f"{topic}: no node of this package hears {writer.node} ({why})"
            for writer in writers
            if writer.node not in blamed and (why := incompatible(writer.qos, rule.reader))
        ]
        problems += [
            f"{topic}: {reader.node} hears no node of this package ({why})"
            for reader in readers
            if reader.node not in blamed and (why := incompatible(rule.writer, reader.qos))
        ]
    if problems:
        return fail(
            "qos",
            _listed(problems),
            "give both sides the profiles of docs/interfaces.md; here with "
            "qos_overrides.<topic>.*, see config/qos_overrides.example.yaml",
        )
    return _seen("qos", facts, "every reader can hear every writer")


def check_identities(facts: NetworkFacts) -> Finding:
    """Whether every node and every player is there only once."""
    twice = sorted({node for node in facts.nodes if facts.nodes.count(node) > 1})
    if twice:
        return fail(
            "identities",
            f"several nodes are named {_listed(twice)}",
            "give each a name or namespace of its own (-r __node:=NAME); if one was just killed, "
            "look again in 20 s",
        )
    heard: dict[str, list[int]] = defaultdict(list)
    for status in facts.statuses:
        heard[status.name].append(status.session)
    # A restart changes the session once; two nodes with one id take turns.
    double = sorted(name for name, sessions in heard.items() if _returns(sessions))
    if double:
        return fail(
            "identities",
            f"several nodes play {_listed(double)}",
            "give each its own rsu_id or av_id: others take one's answers for the other's",
        )
    return _seen("identities", facts, "every player is there once")


def check_time(facts: NetworkFacts) -> Finding:
    """Whether simulated time is used, by all or by none, and comes from one clock."""
    simulated = sorted(node for node, value in facts.sim_time.items() if value)
    if not facts.sim_time:
        return skip("time", "no node told whether it uses simulated time")
    if not simulated:
        if facts.clocks:
            return warn(
                "time",
                "/clock is published, but no player uses it",
                "give the players use_sim_time:=true, or stop what publishes /clock",
            )
        return ok("time", "the clocks of the machines")
    if not facts.clocks:
        return fail(
            "time",
            f"{_listed(simulated)} use simulated time, but nothing publishes /clock",
            "start the simulator or 'ros2 bag play --clock', or set use_sim_time:=false",
        )
    if facts.clocks > 1:
        return fail("time", f"{facts.clocks} publishers of /clock", "leave one of them")
    if len(simulated) < len(facts.sim_time):
        others = sorted(set(facts.sim_time) - set(simulated))
        return warn(
            "time",
            f"{_listed(simulated)} use simulated time, {_listed(others)} do not",
            "set use_sim_time alike for all nodes of a game",
        )
    return ok("time", "simulated, from /clock")


def check_stamps(facts: NetworkFacts) -> Finding:
    """Whether the clocks of the senders of offers agree with this machine's."""
    if any(facts.sim_time.values()):
        return skip("stamps", "simulated time is not compared")
    ages: dict[int, dict[tuple[int, int], float]] = defaultdict(dict)
    for offer in facts.offers:
        rounds = ages[offer.rsu]
        key = (offer.session, offer.round)
        rounds[key] = min(rounds.get(key, math.inf), offer.age)
    # An offer that is sent again has the stamp of the first time.
    fresh = {rsu: min(rounds.values()) for rsu, rounds in ages.items() if len(rounds) > 1}
    if not fresh:
        return skip("stamps", f"no two offers of one RSU came in {facts.seconds:g} s")
    wrong = [
        f"RSU {rsu} seems {abs(age):.3g} s {'ahead' if age < 0 else 'behind'}"
        for rsu, age in sorted(fresh.items())
        if not -AHEAD <= age <= BEHIND
    ]
    if wrong:
        return warn(
            "stamps",
            _listed(wrong),
            "keep the clocks of all machines right (chrony or PTP); the game goes on, but "
            "recordings of several machines do not fit together",
        )
    worst = max(fresh.values(), key=abs)
    return ok("stamps", f"offers are {1e3 * worst:.3g} ms old at most on arrival")


def check_fallbacks(facts: NetworkFacts) -> Finding:
    """Whether learned policies answer themselves."""
    first: dict[tuple[str, int], StatusSeen] = {}
    last: dict[tuple[str, int], StatusSeen] = {}
    for status in facts.statuses:
        key = (status.name, status.session)
        first.setdefault(key, status)
        last[key] = status
    learned = {key: status for key, status in last.items() if status.policy_version}
    if not learned:
        return skip("policies in use", "no player that was heard has a learned policy")
    troubled = []
    for key, status in sorted(learned.items()):
        fallbacks = status.fallbacks - first[key].fallbacks
        decisions = status.decisions - first[key].decisions
        if fallbacks:
            troubled.append(f"{status.name}: {fallbacks} of {fallbacks + decisions} rounds")
    if troubled:
        return warn(
            "policies in use",
            f"answers left to the fallback just now: {_listed(troubled)}",
            "/diagnostics of the node says why (other players, gaps in the history, odometry)",
        )
    versions = sorted({status.policy_version for status in learned.values()})
    if len(versions) > 1:
        return warn(
            "policies in use",
            f"versions {_listed(map(str, versions))} play together",
            "right after a release this passes; else look at the policy counters in /diagnostics",
        )
    return ok("policies in use", f"version {versions[0]} with {len(learned)} players")


def check_odometry(facts: NetworkFacts) -> Finding:
    """Whether one node publishes the vehicle's odometry; any reliability will do."""
    topic = facts.odometry_topic
    writers = [end for end in facts.odometry if end.publishes]
    foreign = [f"{end.node} ({end.type})" for end in writers if end.type != ODOMETRY]
    if foreign:
        return fail(
            "odometry",
            f"{topic} is published by {_listed(foreign)}",
            f"name a topic of type {ODOMETRY}",
        )
    if not writers:
        return warn(
            "odometry",
            f"nobody publishes {topic}",
            "start the localisation, or give the right topic (odom:=... of vehicle.launch.py); "
            "without it delays and margins are unknown",
        )
    names = _listed(sorted(end.node for end in writers))
    if len(writers) > 1:
        return fail("odometry", f"{topic} is published by {names}", "leave one of them")
    return ok("odometry", f"{topic} from {names}")


def _returns(sessions: list[int]) -> bool:
    """Whether a session is heard again after another one."""
    changes = [b for a, b in zip([None, *sessions], sessions, strict=False) if a != b]
    return len(changes) > len(set(changes))


def _seen(check: str, facts: NetworkFacts, text: str) -> Finding:
    """OK if there was something to look at."""
    if not any(facts.endpoints.values()):
        return skip(check, f"no node of the game in {facts.namespace}")
    return ok(check, text)


def _listed(items: Iterable[str], most: int = MOST_LISTED) -> str:
    listed = list(items)
    more = f", and {len(listed) - most} more" if len(listed) > most else ""
    return ", ".join(listed[:most]) + more
