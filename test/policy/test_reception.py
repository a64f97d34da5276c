"""Who receives policies: the right ones are taken, everything else is refused with a reason."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from artifacts import make_artifact, make_bundle
from hypothesis import given, settings
from hypothesis import strategies as st

from veaat_migration.policy.artifact import PolicyArtifact
from veaat_migration.policy.network_file import canonical_json, pack, unpack
from veaat_migration.policy.policy_files import write_bundle, write_policy
from veaat_migration.policy.reception import (
    MAX_SIZE,
    Accepted,
    Reception,
    RefusalReason,
    Refused,
)
from veaat_migration.policy.runtime import NotFiniteError, NumpyActor


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@dataclass
class Entry:
    """As a PolicyEntry message."""

    role: int
    agent_id: int
    sha256: str
    size: int


def policy(version: int = 1, **options: Any) -> bytes:
    return make_artifact(policy_version=version, **options).to_bytes()


def entry_of(content: bytes, role: int = 2, agent_id: int = 1) -> Entry:
    return Entry(role, agent_id, sha256(content), len(content))


def refused(reception: Reception, *arguments: Any, **options: Any) -> tuple[RefusalReason, str]:
    before = reception.current, sum(reception.refusals.values())
    verdict = reception.take(*arguments, **options)
    assert isinstance(verdict, Refused)
    assert (reception.current, sum(reception.refusals.values()) - 1) == before
    assert reception.last_refusal == verdict.message
    assert 10 < len(verdict.message) < 1000
    return verdict.reason, verdict.message


@pytest.fixture
def reception() -> Reception:
    return Reception("follower", 1)


def test_a_release_is_wanted_taken_and_in_use(reception: Reception):
    content = policy(5)

    assert reception.wanted(5, entry_of(content))
    verdict = reception.take(content, b"", 5, sha256(content))

    assert isinstance(verdict, Accepted)
    assert verdict is reception.current
    assert (verdict.version, verdict.sha256, verdict.content) == (5, sha256(content), content)
    assert verdict.actor.digest == verdict.artifact.digest
    assert verdict.new
    assert reception.accepted == 1
    assert not reception.wanted(5, entry_of(content))
    assert sum(reception.refusals.values()) == 0
    assert reception.last_refusal is None


def test_content_may_come_as_any_bytes(reception: Reception):
    from array import array

    content = policy()

    assert isinstance(reception.take(array("B", content), array("B"), 1, sha256(content)), Accepted)


def test_the_same_again_changes_nothing(reception: Reception):
    content = policy(5)
    first = reception.take(content)
    again = reception.take(content, b"", 5, sha256(content))

    assert isinstance(again, Accepted)
    assert not again.new
    assert reception.current is first
    assert reception.accepted == 1


@pytest.mark.parametrize(("role", "agent_id"), [(1, 1), (2, 2), (0, 1), (2, 0)])
def test_policies_of_others_are_not_wanted_and_not_counted(
    reception: Reception, role: int, agent_id: int
):
    assert not reception.wanted(1, entry_of(policy(), role, agent_id))
    assert sum(reception.refusals.values()) == 0


@pytest.mark.parametrize(
    ("version", "change", "reason"),
    [
        (1, {"size": MAX_SIZE + 1}, RefusalReason.OVERSIZED),
        (1, {"size": 2**64 - 1}, RefusalReason.OVERSIZED),
        (1, {"size": 0}, RefusalReason.ANNOUNCEMENT),
        (1, {"sha256": ""}, RefusalReason.ANNOUNCEMENT),
        (1, {"sha256": "A" * 64}, RefusalReason.ANNOUNCEMENT),
        (1, {"sha256": "a" * 63 + "\n"}, RefusalReason.ANNOUNCEMENT),
        (1, {"sha256": "x" * 100_000}, RefusalReason.ANNOUNCEMENT),
        (2**64 - 1, {}, RefusalReason.ANNOUNCEMENT),
    ],
)
def test_an_announcement_without_meaning_is_not_wanted(
    reception: Reception, version: int, change: dict[str, Any], reason: RefusalReason
):
    assert not reception.wanted(version, replace(entry_of(policy()), **change))
    assert reception.refusals[reason] == 1
    assert reception.last_refusal is not None
    assert len(reception.last_refusal) < 1000


def test_only_newer_releases_are_taken(reception: Reception):
    old, used, other = policy(4), policy(5), policy(5, seed=1)
    reception.take(used)

    for content, version in ((old, 4), (other, 5)):
        assert not reception.wanted(version, entry_of(content))
        reason, message = refused(reception, content, b"", version, sha256(content))
        assert reason is RefusalReason.OLDER
        assert "5" in message
    assert reception.wanted(6, entry_of(policy(6)))
    assert isinstance(reception.take(policy(6)), Accepted)


def test_an_operator_may_go_back(reception: Reception, tmp_path: Path):
    reception.take(policy(5))
    write_policy(make_artifact(policy_version=3), tmp_path / "old.safetensors")

    verdict = reception.take_file(tmp_path / "old.safetensors")

    assert isinstance(verdict, Accepted)
    assert verdict is reception.current
    assert verdict.version == 3


def test_the_agents_file_is_found_in_a_bundle(tmp_path: Path):
    write_bundle(make_bundle(), tmp_path)
    for role, agent_id in (("leader", 2), ("follower", 3)):
        reception = Reception(role, agent_id)

        verdict = reception.take_file(tmp_path)

        assert isinstance(verdict, Accepted)
        assert verdict.artifact.schema.agent_id == agent_id


def test_sizes_are_checked_before_anything_else():
    reception = Reception("follower", 1, max_size=1000)

    assert refused(reception, bytes(1001))[0] is RefusalReason.OVERSIZED
    assert refused(reception, b"")[0] is RefusalReason.SIZE
    assert refused(reception, b"abc", size=4)[0] is RefusalReason.SIZE
    assert refused(reception, b"abc", size=1001)[0] is RefusalReason.OVERSIZED


def test_other_bytes_than_announced_are_refused_and_asked_for_again(reception: Reception):
    content = policy()
    damaged = content[:-1] + bytes([content[-1] ^ 1])

    assert refused(reception, damaged, b"", 1, sha256(content))[0] is RefusalReason.DIGEST
    assert refused(reception, content[:-9], b"", 1, sha256(content))[0] is RefusalReason.DIGEST
    assert reception.wanted(1, entry_of(content))


def test_what_is_no_policy_is_refused_and_not_asked_for_again(reception: Reception):
    content = b"no policy at all"

    reason, message = refused(reception, content, b"", 1, sha256(content))

    assert reason is RefusalReason.CORRUPT
    assert "policy" in message
    assert not reception.wanted(1, entry_of(content))
    assert reception.wanted(2, entry_of(content)), "another release is another matter"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (make_artifact("leader", 1).to_bytes(), "made for leader 1"),
        (make_artifact("follower", 2).to_bytes(), "made for follower 2"),
        (make_artifact(n_avs=4).to_bytes(), "AVs 1, 2, 3, 4"),
        (make_artifact(n_rsus=3).to_bytes(), "RSUs 1, 2, 3"),
        (make_artifact(policy_version=2).to_bytes(), "of version 2, announced as version 1"),
    ],
)
def test_a_policy_made_for_something_else_is_refused(content: bytes, message: str):
    reception = Reception("follower", 1, players=((1, 2), (1, 2, 3)))

    reason, found = refused(reception, content, b"", 1, sha256(content))

    assert reason is RefusalReason.MISMATCH
    assert message in found


@pytest.mark.parametrize(
    ("limits", "fits"),
    [
        ((0.0, 10.0), True),
        ((0.0, 10.0 + 1e-9), True),
        ((0.0, 9.0), False),
        ((0.0, 12.0), False),
        ((1.0, 10.0), False),
    ],
)
def test_actions_must_be_those_of_the_game(limits: tuple[float, float], fits: bool):
    verdict = Reception("follower", 1, limits=limits).take(policy())

    assert isinstance(verdict, Accepted) is fits
    if isinstance(verdict, Refused):
        assert verdict.reason is RefusalReason.MISMATCH
        assert "actions from 0 to 10" in verdict.message


class Wrong(NumpyActor):
    """A runtime with a fault."""

    def __init__(self, artifact: PolicyArtifact, fault: str) -> None:
        super().__init__(artifact)
        self.fault = fault
        self.calls = 0
        if fault == "another policy":
            self.digest = "0" * 64

    def act_on_record(self, record: Any) -> list[float]:
        self.calls += 1
        answer = super().act_on_record(record)
        if self.fault == "not finite":
            return [math.nan, *answer[1:]]
        if self.fault == "raises":
            raise NotFiniteError("the answer is not finite")
        if self.fault == "outside":
            return [11.0, *answer[1:]]
        if self.fault == "changes":
            return [answer[0] + 1e-6 * self.calls, *answer[1:]]
        if self.fault == "differs":
            return [min(answer[0] + 0.5, 10.0), *answer[1:]]
        if self.fault == "short":
            return answer[1:]
        return answer


@pytest.mark.parametrize(
    "fault",
    ["another policy", "not finite", "raises", "outside", "changes", "differs", "short"],
)
def test_a_policy_that_does_not_answer_well_is_refused(fault: str):
    reception = Reception("follower", 1, make_actor=lambda artifact: Wrong(artifact, fault))

    reason, message = refused(reception, policy())

    assert reason is RefusalReason.SELF_TEST
    assert "test" in message


def test_half_precision_passes_the_self_test():
    def rounded(artifact: PolicyArtifact) -> Wrong:
        actor = Wrong(artifact, "none")
        answer = actor.act_on_record
        actor.act_on_record = lambda record: [float(np.float16(x)) for x in answer(record)]  # type: ignore[method-assign]
        return actor

    assert isinstance(Reception("follower", 1, make_actor=rounded).take(policy()), Accepted)


@settings(max_examples=60, deadline=None)
@given(
    role=st.sampled_from(["leader", "follower"]),
    n_avs=st.integers(2, 4),
    n_rsus=st.integers(1, 4),
    hidden=st.lists(st.integers(1, 25), max_size=3).map(tuple),
    gain=st.sampled_from([0.1, 1.0, 30.0, 1e6]),
    seed=st.integers(0, 1000),
)
def test_every_sound_policy_is_accepted(role: str, n_avs: int, n_rsus: int, **options: Any):
    artifact = make_artifact(role, 1, n_avs=n_avs, n_rsus=n_rsus, **options)
    players = tuple(range(1, n_rsus + 1)), tuple(range(1, n_avs + 1))

    assert isinstance(Reception(role, 1, players=players).take(artifact.to_bytes()), Accepted)


@pytest.mark.parametrize(("role", "agent_id"), [("av", 1), ("follower", 0), ("leader", 2**32)])
def test_an_agent_without_meaning_is_refused(role: str, agent_id: int):
    with pytest.raises(ValueError, match="no agent"):
        Reception(role, agent_id)


# Signatures


@pytest.fixture(scope="module")
def private_key() -> Any:
    module = pytest.importorskip(
        "cryptography.hazmat.primitives.asymmetric.ed25519", reason="cryptography is not installed"
    )
    return module.Ed25519PrivateKey.generate()


def test_with_a_key_only_signed_policies_are_taken(private_key: Any):
    reception = Reception("follower", 1, public_key=private_key.public_key())
    content, other = policy(), policy(seed=1)
    signature = private_key.sign(content)

    assert refused(reception, content)[0] is RefusalReason.UNSIGNED
    for wrong in (bytes(64), signature[:-1], signature + b"\0", private_key.sign(other), b"x"):
        assert refused(reception, content, wrong)[0] is RefusalReason.SIGNATURE
    verdict = reception.take(content, signature, 1, sha256(content))
    assert isinstance(verdict, Accepted)
    assert verdict.signature == signature


def test_an_old_signed_policy_does_not_pass_for_a_new_release(private_key: Any):
    reception = Reception("follower", 1, public_key=private_key.public_key())
    old, new = policy(1), policy(2)
    for content in (old, new):
        assert isinstance(reception.take(content, private_key.sign(content)), Accepted)

    reason, _ = refused(reception, old, private_key.sign(old), 3, sha256(old))

    assert reason is RefusalReason.MISMATCH


def test_the_signature_beside_a_file_counts(private_key: Any, tmp_path: Path):
    artifact, path = make_artifact(), tmp_path / "av1.safetensors"
    write_policy(artifact, path)
    reception = Reception("follower", 1, public_key=private_key.public_key())

    assert isinstance(reception.take_file(path), Refused)
    (tmp_path / "av1.safetensors.sig").write_bytes(private_key.sign(artifact.to_bytes()))
    assert isinstance(reception.take_file(path), Accepted)


# Damage


def mutated(original: bytes, rng: np.random.Generator) -> bytes:
    """The file with bits flipped, bytes changed, cut out, put in, or its header edited."""
    data = bytearray(original)
    for _ in range(rng.integers(1, 4)):
        place = int(rng.integers(0, len(data))) if data else 0
        kind = rng.integers(0, 6)
        if kind == 0 and data:
            data[place] ^= 1 << int(rng.integers(0, 8))
        elif kind == 1:
            data = data[:place]
        elif kind == 2:
            data[place:place] = rng.bytes(rng.integers(1, 40))
        elif kind == 3:
            del data[place : place + int(rng.integers(1, 40))]
        elif kind == 4:
            data[place : place + 8] = rng.bytes(8)
        else:
            data = bytearray(edited_header(bytes(data), rng))
    return bytes(data)


def edited_header(data: bytes, rng: np.random.Generator) -> bytes:
    """Another value in the header, whose length is right."""
    length = int.from_bytes(data[:8], "little")
    try:
        header = json.loads(data[8 : 8 + length])
        names = sorted(name for name in header if name != "__metadata__")
        entry = header[names[int(rng.integers(0, len(names)))]]
        key = ("dtype", "shape", "data_offsets")[int(rng.integers(0, 3))]
        values = (None, -1, 2**63, [], [0, 2**40], "F16", {}, 1e308)
        entry[key] = values[int(rng.integers(0, len(values)))]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return data
    text = canonical_json(header).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + data[8 + length :]


def test_ten_thousand_damaged_files_are_all_refused():
    rng = np.random.default_rng(11)
    original = policy(7, hidden=(6, 5))
    reception = Reception("follower", 1, players=((1, 2), (1, 2, 3)))
    reception.take(policy(6, hidden=(6, 5)))
    good = reception.current
    count = 0
    while count < 10_000:
        data = mutated(original, rng)
        if data == original:
            continue
        count += 1
        # Half of them come with a manifest that was changed to match.
        announced = sha256(data) if count % 2 else sha256(original)
        assert isinstance(reception.take(data, b"", 7, announced), Refused)
    assert reception.current is good
    assert sum(reception.refusals.values()) == 10_000
    for reason in (RefusalReason.CORRUPT, RefusalReason.DIGEST, RefusalReason.SIZE):
        assert reception.refusals[reason] > 0
    assert isinstance(reception.take(original, b"", 7, sha256(original)), Accepted)


def forged(**change: Any) -> bytes:
    """Made with care by somebody who can reckon digests but not sign."""
    from veaat_migration.policy import artifact as module

    tensors, metadata = unpack(policy(7))
    text = canonical_json({**json.loads(metadata["schema"]), **change})
    return pack(tensors, {"schema": text, "sha256": module._digest(text, tensors)})


def test_a_careful_forgery_is_stopped_by_what_it_says_or_by_the_signature(private_key: Any):
    plain = Reception("follower", 1)
    signed = Reception("follower", 1, public_key=private_key.public_key())
    for change in ({"agent_id": 2}, {"policy_version": 3}):
        assert isinstance(plain.take(forged(**change), b"", 7), Refused)
    forgery = forged(policy_version=8)

    assert isinstance(plain.take(forgery, b"", 8, sha256(forgery)), Accepted), "digests do not help"
    reason, _ = refused(signed, forgery, private_key.sign(policy(7)), 8, sha256(forgery))
    assert reason is RefusalReason.SIGNATURE


@given(st.binary(max_size=200), st.binary(max_size=70), st.integers(-1, 2**64), st.text())
def test_no_random_answer_is_taken_or_raises(
    content: bytes, signature: bytes, version: int, digest: str
):
    reception = Reception("follower", 1)

    assert isinstance(reception.take(content, signature, version, digest), Refused)
    reception.wanted(version, Entry(2, 1, digest, len(content)))
