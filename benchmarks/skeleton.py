"""The bare message pattern of the game without any game in it, to measure against.

Lock-step: leaders publish to all followers, a follower that has heard all leaders answers with
one message, a leader that has all answers begins the next round. Plain rclpy nodes and
std_msgs arrays; nothing is checked, computed, logged, repeated or settled.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import rclpy
from rclpy.executors import Executor, SingleThreadedExecutor
from rclpy.experimental import EventsExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rclpy.task import Future
from std_msgs.msg import Float64MultiArray

from veaat_migration.nodes import qos

OFFERS, BIDS = "skeleton_offers", "skeleton_bids"
OnRound = Callable[[int], None]
"""Called with the number of every round that begins."""


def leader(node: Node, ident: int, n_followers: int, rounds: int, on_round: OnRound) -> Future:
    """Offer, wait for all, offer again; the future is done after ``rounds``."""
    over: Future = Future()
    heard: set[float] = set()
    number = 0
    offers = node.create_publisher(Float64MultiArray, OFFERS, qos.OFFER)

    def offer() -> None:
        nonlocal number
        number += 1
        heard.clear()
        on_round(number)
        offers.publish(Float64MultiArray(data=[float(number), float(ident), 4.0, 1.0]))

    def on_bid(bid: Float64MultiArray) -> None:
        if bid.data[0] != number:
            return
        heard.add(bid.data[1])
        if len(heard) == n_followers:
            offer()
            if number > rounds and not over.done():
                over.set_result(None)

    def start() -> None:
        bids = node.count_publishers(BIDS)
        if offers.get_subscription_count() == n_followers and bids == n_followers:
            timer.cancel()
            time.sleep(0.3)  # the others may not have found all links yet
            offer()

    node.create_subscription(Float64MultiArray, BIDS, on_bid, qos.ANSWERS)
    timer = node.create_timer(0.05, start)
    return over


def follower(node: Node, ident: int, n_leaders: int) -> None:
    """Answer when all leaders were heard."""
    heard: dict[float, set[float]] = {}
    bids = node.create_publisher(Float64MultiArray, BIDS, qos.ANSWERS)

    def on_offer(offer: Float64MultiArray) -> None:
        number = offer.data[0]
        senders = heard.setdefault(number, set())
        senders.add(offer.data[1])
        if len(senders) == n_leaders:
            del heard[number]
            bids.publish(Float64MultiArray(data=[number, float(ident), 1.0, 1.0, 4.0, 5.0]))

    node.create_subscription(Float64MultiArray, OFFERS, on_offer, qos.OFFERS)


def run(role: str, ident: int, others: int, rounds: int, executor: str, on_round: OnRound) -> None:
    """Be one node until the rounds are over (leader) or for ever (follower)."""
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node(f"{role}_{ident}")
    over: Future = Future()
    if role == "leader":
        over = leader(node, ident, others, rounds, on_round)
    else:
        follower(node, ident, others)
    runner: Executor = EventsExecutor() if executor == "events" else SingleThreadedExecutor()
    runner.add_node(node)
    while not over.done():
        runner.spin_until_future_complete(over, 60.0)
