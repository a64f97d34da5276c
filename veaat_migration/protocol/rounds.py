"""Which round to open next, given the rounds in which the followers were heard.

Rounds work like a Lamport clock: nobody commands them, and everybody who has fallen behind
joins the round that the others are in.
"""

from __future__ import annotations

from collections.abc import Iterable


def supported_round(heard: Iterable[int]) -> int:
    """The latest round that at least half of the followers have reached; 0 without followers."""
    rounds = sorted(heard, reverse=True)
    return rounds[(len(rounds) - 1) // 2] if rounds else 0


def next_round(current: int, heard: Iterable[int]) -> int:
    """The round to open after ``current``.

    It is the next one unless the followers are further. Then it is the earliest round that
    the group can still answer: the group is everyone at most one round behind the round
    supported by half of the followers. Single stragglers and single runaways do not count.
    """
    rounds = list(heard)
    supported = supported_round(rounds)
    if supported <= current:
        return current + 1
    return max(current, min(r for r in rounds if r >= supported - 1)) + 1


def joining_round(current: int, heard: Iterable[int], max_lead: int) -> int:
    """The round in which a leader without a history joins.

    It lies behind every round that any follower has reached, because the leader's former life
    may have settled that, except for rounds that lead half of the followers by more than
    ``max_lead``: those are corrupt or belong to another group.
    """
    rounds = list(heard)
    limit = supported_round(rounds) + max_lead
    return max([current, *(r for r in rounds if r <= limit)]) + 1
