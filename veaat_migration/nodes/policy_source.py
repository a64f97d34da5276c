"""The policy that an inference node begins with, and what runs it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from veaat_migration.errors import VeaatError
from veaat_migration.nodes.specification import Value, integer, text
from veaat_migration.policy.onnx_runtime import make_runtime
from veaat_migration.policy.policy_store import PolicyStore
from veaat_migration.policy.reception import Reception
from veaat_migration.policy.verdict import Refused


def make_reception(
    values: Mapping[str, Value], role: str, agent_id: int, limits: tuple[float, float]
) -> Reception:
    """What decides about the policies of an agent.

    Args:
        values: parameters, see :data:`veaat_migration.nodes.inference_parameters.POLICY`.
        role: "leader" or "follower".
        agent_id: rsu_id or av_id.
        limits: lowest and highest action.

    Raises:
        VeaatError: the key or the runtime cannot be loaded.
    """
    key: Any = None
    if path := text(values, "policy_public_key"):
        from veaat_migration.policy.signature import load_public_key

        key = load_public_key(path)
    return Reception(
        role,
        agent_id,
        public_key=key,
        max_size=integer(values, "max_policy_size"),
        limits=limits,
        make_actor=make_runtime(
            text(values, "policy_runtime"),
            providers=text(values, "onnx_providers").split(),
            folder=text(values, "onnx_folder") or None,
        ),
    )


def read_first(reception: Reception, path: str) -> str:
    """Offer the policy that a person has named.

    Returns:
        What is wrong with it, for a person; empty: nothing.
    """
    if not path:
        return ""
    from veaat_migration.bringup.policies import find_policies

    try:
        taken = reception.take_file(find_policies(path))
    except VeaatError as error:
        return str(error)
    return taken.message if isinstance(taken, Refused) else ""


def read_kept(reception: Reception, store: PolicyStore, judge: Reception) -> None:
    """Offer the policy that was kept, if it is newer than the one that a person has named.

    Args:
        reception: may have a policy already.
        store: holds another one, or nothing.
        judge: a reception of the same agent that has none, to look at what was kept.
    """
    kept = store.load(judge)
    if isinstance(kept, Refused):
        reception.refuse(kept.reason, kept.message)
    elif kept is not None:
        current = reception.current
        if current is None or kept.version > current.version:
            reception.take(kept.content, kept.signature)
