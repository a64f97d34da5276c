"""Random storms: whatever happens, accounts are right, and when it ends the game goes on."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from veaat_migration.protocol.config import FollowerConfig, LeaderConfig

from . import invariants
from .builders import repeatable
from .network import BANDWIDTH_MAX, PRICE_MAX, Faults, Network

STORM = 6.0
"""How long faults happen [s]."""
HEALING = 15.0
"""Time within which everybody must play again [s]; a few resync_periods and timeouts."""

KINDS = ("kill", "restart", "leave", "pause", "cut", "one_way", "split", "kill_all")


@dataclass(frozen=True)
class Trouble:
    """One thing that goes wrong; the numbers pick nodes."""

    kind: str
    time: float
    duration: float
    first: int
    second: int

    def apply(self, network: Network) -> None:
        """Schedule what happens and its end."""
        keys = list(network.nodes)
        node, other = keys[self.first % len(keys)], keys[self.second % len(keys)]
        begin, end = self.time, self.time + self.duration
        faults = network.faults
        if self.kind in ("kill", "leave"):
            network.at(begin, lambda: getattr(network, self.kind)(node))
            network.at(end, lambda: network.start(node))
        elif self.kind == "restart":
            network.at(begin, lambda: network.start(node))
        elif self.kind == "pause":
            network.at(begin, lambda: network.pause(node))
            network.at(end, lambda: network.resume(node))
        elif self.kind == "kill_all":
            for key in [key for key in keys if key[0] == node[0]]:
                network.at(begin, lambda key=key: network.kill(key))
                network.at(end, lambda key=key: network.start(key))
        else:
            links = self.links(keys, node, other)
            network.at(begin, lambda: faults.cut_links.update(links))
            network.at(end, lambda: faults.cut_links.difference_update(links))

    def links(self, keys, node, other):
        """The links that this trouble cuts."""
        if self.kind == "cut":
            return {link for key in keys for link in ((key, node), (node, key))}
        if self.kind == "one_way":
            return {(node, other)}
        side = {key for k, key in enumerate(keys) if (self.first >> k) & 1}
        return {(a, b) for a in keys for b in keys if (a in side) != (b in side)}


troubles = st.lists(
    st.builds(
        Trouble,
        kind=st.sampled_from(KINDS),
        time=st.floats(0.0, STORM),
        duration=st.sampled_from([0.0, 0.1, 1.0, 3.0]),
        first=st.integers(0, 255),
        second=st.integers(0, 255),
    ),
    max_size=8,
)
weather = st.builds(
    Faults,
    loss=st.sampled_from([0.0, 0.05, 0.2, 0.4]),
    duplication=st.sampled_from([0.0, 0.1, 0.5]),
    corruption=st.just(0.0),
    delay=st.sampled_from([(0.005, 0.02), (0.0, 0.3), (0.01, 0.8)]),
    queue_depth=st.sampled_from([1, 10, 1000]),
)
sizes = st.sampled_from([(1, 1), (2, 1), (1, 2), (2, 2), (3, 2), (4, 3)])
leader_configs = st.builds(
    LeaderConfig,
    peer_ids=st.just((1, 2, 3, 4)),
    bandwidth_max=st.just(BANDWIDTH_MAX),
    join_listen=st.sampled_from([0.0, 0.5]),
    round_period=st.sampled_from([0.0, 0.1, 0.3]),
)
follower_config = FollowerConfig(peer_ids=(1, 2, 3), price_max=PRICE_MAX, finish_when_closed=False)


def weather_the_storm(size, faults, config, happenings, seed) -> Network:
    network = Network(
        *size,
        seed=seed,
        faults=replace(faults, cut_links=set()),
        leader_config=config,
        follower_config=follower_config,
    )
    network.start_all(spread=1.0)
    for trouble in happenings:
        trouble.apply(network)
    network.run(STORM + 3.0)
    for key, node in network.nodes.items():
        if node.machine is None:
            network.start(key)
        network.resume(key)
    network.faults = Faults()
    invariants.check_alive(network, rounds=5, limit=HEALING)
    invariants.check(network)
    return network


@settings(repeatable, max_examples=100)
@given(sizes, weather, leader_configs, troubles, st.integers(0, 2**32))
def test_after_any_storm_the_accounts_are_right_and_all_play_on(
    size, faults, config, happenings, seed
):
    network = weather_the_storm(size, faults, config, happenings, seed)
    assert all(machine.status().receipt_mismatches == 0 for machine in network.followers())
    assert all(machine.status().policy_errors == 0 for machine in network.leaders())


@settings(repeatable, max_examples=100)
@given(
    sizes,
    weather,
    leader_configs,
    troubles,
    st.sampled_from([0.02, 0.1, 0.4]),
    st.integers(0, 2**32),
)
def test_corrupt_messages_charge_nobody_and_stop_nobody(
    size, faults, config, happenings, corruption, seed
):
    faults = replace(faults, corruption=corruption)
    weather_the_storm(size, faults, config, happenings, seed)


@settings(repeatable, max_examples=50)
@given(
    sizes,
    st.lists(
        st.tuples(st.floats(0.5, 6.0), st.sampled_from([0.0, 0.1, 1.5]), st.integers(1, 3)),
        max_size=5,
    ),
    st.sampled_from([(0.03, 0.06), (0.0, 0.15), (0.1, 0.1)]),
    st.sampled_from([0.0, 0.1]),
    st.integers(0, 2**32),
)
def test_a_restarted_rsu_never_settles_a_round_of_its_former_life_again(
    size, kills, delay, period, seed
):
    """As long as AVs live on and messages arrive within join_listen - retransmit_period."""
    network = Network(
        *size,
        seed=seed,
        faults=Faults(delay=delay),
        leader_config=LeaderConfig(round_period=period),
    )
    network.start_all(spread=0.3)
    for time, pause, number in kills:
        key = ("rsu", 1 + number % size[1])
        network.at(time, lambda key=key: network.kill(key))
        network.at(time + pause, lambda key=key: network.start(key))
    network.run(9.0)
    invariants.check(network)
    for number in range(1, size[1] + 1):
        rounds = [account.round for account in network.settled(number)]
        assert rounds == sorted(set(rounds))
