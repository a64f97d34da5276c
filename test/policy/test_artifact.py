"""Policy files: what was written is read, and nothing else is."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from artifacts import TRAINING, make_artifact, make_schema
from hypothesis import given, settings
from hypothesis import strategies as st

from veaat_migration.policy import artifact as artifact_module
from veaat_migration.policy.artifact import (
    MAX_FILE_SIZE,
    Layer,
    PolicyArtifact,
    PolicyFileError,
)
from veaat_migration.policy.checks import SchemaError
from veaat_migration.policy.network_file import MAX_HEADER, canonical_json, pack, unpack
from veaat_migration.policy.schema import PolicySchema
from veaat_migration.policy.training_record import TrainingRecord

FILE = make_artifact().to_bytes()
SMALL = make_artifact(hidden=(2,), n_avs=1, n_rsus=1, history=1).to_bytes()


def equal(first: PolicyArtifact, second: PolicyArtifact) -> bool:
    return first.schema.to_json() == second.schema.to_json() and all(
        np.array_equal(a, b)
        for one, other in zip(first.layers, second.layers, strict=True)
        for a, b in zip(one, other, strict=True)
    )


@st.composite
def artifacts(draw: st.DrawFn) -> PolicyArtifact:
    role = draw(st.sampled_from(["leader", "follower"]))
    n_avs, n_rsus = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    return make_artifact(
        role,
        draw(st.integers(1, n_rsus if role == "leader" else n_avs)),
        n_avs=n_avs,
        n_rsus=n_rsus,
        hidden=tuple(draw(st.lists(st.integers(1, 30), max_size=3))),
        history=draw(st.integers(1, 5)),
        observe_current_price=role == "leader" or n_avs == 1 or draw(st.booleans()),
        price_scale=draw(st.sampled_from(["geometric", "linear"])),
        activation=draw(st.sampled_from(["tanh", "relu"])),
        policy_version=draw(st.integers(0, 2**53)),
        seed=draw(st.integers(0, 1000)),
    )


@given(artifacts())
def test_what_is_written_is_read(artifact: PolicyArtifact):
    read = PolicyArtifact.from_bytes(artifact.to_bytes())

    assert equal(read, artifact)
    assert read.digest == artifact.digest
    assert read.schema.action_scale.low.tolist() == artifact.schema.action_scale.low.tolist()


@settings(deadline=None)  # the first example imports the library
@given(artifacts())
def test_the_safetensors_library_reads_it(artifact: PolicyArtifact):
    library = pytest.importorskip("safetensors.numpy", reason="safetensors is not installed")

    tensors = library.load(artifact.to_bytes())

    for k, layer in enumerate(artifact.layers):
        assert np.array_equal(tensors[f"layer{k}.weight"], layer.weight)
        assert np.array_equal(tensors[f"layer{k}.bias"], layer.bias)


def test_the_container_of_the_safetensors_library_is_read():
    library = pytest.importorskip("safetensors.numpy", reason="safetensors is not installed")
    weight = np.arange(6, dtype=np.float32).reshape(2, 3)

    tensors, metadata = unpack(library.save({"b": weight[0], "a": weight}, {"key": "text"}))

    assert metadata == {"key": "text"}
    assert np.array_equal(tensors["a"], weight)
    assert np.array_equal(tensors["b"], weight[0])


def test_the_description_is_plain_json():
    tensors, metadata = unpack(FILE)
    schema = json.loads(metadata["schema"])

    assert set(tensors) == {f"layer{k}.{part}" for k in range(3) for part in Layer._fields}
    assert schema["network"]["widths"] == [26, 20, 19, 2]
    assert schema["network"]["sparsity"] == pytest.approx(1 - 39 / 128)
    assert schema["bandwidth_scale"]["high"] == [[10.0, 10.0]] * 3


def test_it_describes_itself():
    text = make_artifact("leader", 2).describe()

    assert "leader policy of RSU 2" in text
    assert "34-20-19-1 tanh" in text
    assert "2.5 to 30 money/MHz" in text
    assert "69.5% of hidden neurons removed" in text
    assert "3 rounds" not in text


def test_the_digest_covers_description_and_weights():
    artifact = make_artifact()
    weights = [layer.weight.copy() for layer in artifact.layers]
    biases = [layer.bias for layer in artifact.layers]
    weights[1][3, 4] = np.nextafter(weights[1][3, 4], np.float32(9))
    changed = PolicyArtifact.from_arrays(artifact.schema, weights, biases)
    renamed = replace(artifact, schema=replace(artifact.schema, policy_version=2))

    assert len({artifact.digest, changed.digest, renamed.digest}) == 3


def test_weights_cannot_be_changed_afterwards():
    weights = np.ones((2, 26))
    artifact = PolicyArtifact.from_arrays(make_schema(hidden=()), [weights], [np.zeros(2)])
    weights[:] = 5.0

    assert artifact.layers[0].weight.max() == 1.0
    with pytest.raises(ValueError, match="read-only"):
        artifact.layers[0].weight[0, 0] = 2.0


# Damage


def refused(data: bytes) -> str:
    with pytest.raises(PolicyFileError, match=r"^rsu1\.safetensors: ") as caught:
        PolicyArtifact.from_bytes(data, "rsu1.safetensors")
    message = str(caught.value)
    assert ";" in message, "says what to do"
    assert len(message) < 1000
    return message


@pytest.mark.parametrize("step", [1, 8, 128])
def test_no_bit_may_flip(step: int):
    data = SMALL if step == 1 else FILE
    for position in range(0, len(data), step):
        for bit in (0, 5) if step == 1 else range(8):
            damaged = bytearray(data)
            damaged[position] ^= 1 << bit
            refused(bytes(damaged))


def test_no_length_but_the_right_one():
    for length in range(0, len(FILE), 7):
        refused(FILE[:length])
    refused(b"")
    refused(FILE + b"\0")
    refused(FILE + FILE)


edits = st.lists(
    st.tuples(
        st.sampled_from(["replace", "insert", "delete", "copy"]),
        st.integers(0, len(FILE)),
        st.binary(min_size=1, max_size=12),
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=400, deadline=None)
@given(edits)
def test_no_random_change_loads(changes: list[tuple[str, int, bytes]]):
    data = bytearray(FILE)
    for kind, place, content in changes:
        if kind == "replace":
            data[place : place + len(content)] = content
        elif kind == "insert":
            data[place:place] = content
        elif kind == "delete":
            del data[place : place + len(content)]
        else:
            data[place : place + 40] = data[:40]
    if bytes(data) != FILE:
        refused(bytes(data))


@given(st.binary(max_size=300))
def test_no_random_bytes_load(data: bytes):
    refused(data)


def test_an_oversized_file_is_not_even_parsed():
    assert "bytes, more than" in refused(bytes(MAX_FILE_SIZE + 1))
    assert "header" in refused((2**63).to_bytes(8, "little") + bytes(64))
    assert "header" in refused((MAX_HEADER + 1).to_bytes(8, "little") + bytes(64))


def test_a_policy_that_is_too_large_is_not_written():
    with pytest.raises(SchemaError, match="bytes, more than"):
        make_artifact(hidden=(2048, 2048)).to_bytes()


def with_header(change: Callable[[dict[str, Any]], Any]) -> bytes:
    """The file with another header."""
    length = int.from_bytes(FILE[:8], "little")
    header = json.loads(FILE[8 : 8 + length])
    header = change(header) or header
    encoded = canonical_json(header).encode() if not isinstance(header, bytes) else header
    encoded += b" " * (-len(encoded) % 8)
    return len(encoded).to_bytes(8, "little") + encoded + FILE[8 + length :]


def test_the_header_can_be_remade():
    assert with_header(lambda _: None) == FILE


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda h: h["layer0.weight"].update(dtype="F16"), "dtype must be F32"),
        (lambda h: h["layer0.weight"].update(dtype=None), "dtype must be F32"),
        (lambda h: h["layer0.weight"].update(shape=[20, 25]), "do not hold the shape"),
        (lambda h: h["layer0.weight"].update(shape=[-20, -26]), "whole numbers >= 0"),
        (lambda h: h["layer0.weight"].update(shape=[20.0, 26]), "whole numbers >= 0"),
        (lambda h: h["layer0.weight"].update(shape=[2**40, 2**40]), "do not hold the shape"),
        (lambda h: h["layer0.weight"].update(shape=[20, 13, 2]), "at most two dimensions"),
        (lambda h: h["layer0.weight"].update(shape=[26, 20]), "do not agree"),
        (lambda h: h["layer0.weight"].update(data_offsets=[0]), "two data_offsets"),
        (lambda h: h["layer0.weight"].update(data_offsets=[4, 2084]), "do not hold"),
        (lambda h: h["layer0.weight"].update(data_offsets=[0, 2**70]), "do not hold"),
        (lambda h: h["layer0.weight"].update(more=1), "needs dtype, shape and data_offsets"),
        (lambda h: h.update(extra=h["layer0.bias"]), "do not hold"),
        (lambda h: h.update(extra=5), "needs dtype"),
        (lambda h: h.pop("layer2.bias") and None, "header describes"),
        (lambda h: h.update(__metadata__=[]), "metadata are not"),
        (lambda h: h.pop("__metadata__") and None, "metadata must be"),
        (lambda h: h["__metadata__"].update(more="x"), "metadata must be"),
        (lambda h: h["__metadata__"].update(schema=5), "metadata must be"),
        (lambda h: h["__metadata__"].update(sha256="0" * 64), "do not agree"),
        (lambda h: h["__metadata__"].update(sha256=[]), "do not agree"),
        (lambda _: [1, 2], "not a JSON object"),
        (lambda _: b"{", "not JSON"),
        (lambda _: b"[" * 100_000, "not JSON"),
        (lambda _: b'{"a":NaN}', "not JSON"),
        (lambda _: b'{"a":' + b"9" * 5000 + b"}", "not JSON"),
        (lambda _: b"\xff\xfe\x00", "not JSON"),
    ],
)
def test_a_header_that_does_not_fit_is_refused(change: Callable[..., Any], message: str):
    assert message in refused(with_header(change))


def test_the_same_header_in_other_words_is_refused():
    """Blanks between the parts of the header mean nothing, but nobody wrote them."""
    length = int.from_bytes(FILE[:8], "little")
    header = FILE[8 : 8 + length].replace(b',"layer1', b', "layer1')

    data = len(header).to_bytes(8, "little") + header + FILE[8 + length :]

    assert unpack(data)[1] == unpack(FILE)[1]
    assert "form in which policies are written" in refused(data)


# A false description with the right digest


def forged(
    change: Callable[[dict[str, Any]], Any], tensors: dict[str, np.ndarray] | None = None
) -> bytes:
    """A file that somebody has made with care: its digest is right."""
    original, metadata = unpack(FILE)
    schema = json.loads(metadata["schema"])
    schema = change(schema) or schema
    text = schema if isinstance(schema, str) else json.dumps(schema, sort_keys=True)
    text = text if isinstance(schema, str) else text.replace(", ", ",").replace(": ", ":")
    content = original if tensors is None else {**original, **tensors}
    return pack(content, {"schema": text, "sha256": artifact_module._digest(text, content)})


def test_a_careful_forgery_of_the_original_is_the_original():
    assert forged(lambda _: None) == FILE


KEYS = json.loads(unpack(FILE)[1]["schema"])


@pytest.mark.parametrize("key", sorted(KEYS))
def test_every_key_is_needed(key: str):
    message = refused(forged(lambda schema: schema.pop(key) and None))
    assert key in message


@pytest.mark.parametrize("part", ["observation", "network", "training", "price_scale"])
def test_every_key_within_is_needed_and_none_more(part: str):
    for key in KEYS[part]:

        def without(schema: dict[str, Any], key: str = key) -> None:
            del schema[part][key]

        assert key in refused(forged(without))
    assert "unknown ['more']" in refused(forged(lambda schema: schema[part].update(more=1)))


def changed(*path: Any) -> Callable[[dict[str, Any]], None]:
    """Set the value at a path."""
    *way, last, value = path

    def change(schema: dict[str, Any]) -> None:
        place: Any = schema
        for key in way:
            place = place[key]
        place[last] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (changed("more", 1), "unknown ['more']"),
        (changed("format", "other"), "schema.format: must be 'veaat-policy', got 'other'"),
        (changed("version", 2), "schema.version: must be 1, got 2"),
        (changed("version", True), "schema.version"),
        (changed("version", 1.0), "schema.version"),
        (changed("role", "observer"), "role: must be leader or follower"),
        (changed("role", ["leader"]), "role: must be leader or follower"),
        (changed("role", "leader"), "network.widths"),
        (changed("agent_id", 4), "agent_id: must be one of [1, 2, 3]"),
        (changed("agent_id", "1"), "agent_id: must be a whole number"),
        (changed("agent_id", 0), "agent_id: must be a whole number from 1"),
        (changed("agent_id", True), "agent_id: must be a whole number"),
        (changed("rsu_ids", [2, 1]), "rsu_ids: must be 2 ascending"),
        (changed("rsu_ids", [1, 1]), "rsu_ids: must be 2 ascending"),
        (changed("rsu_ids", [1]), "rsu_ids: must be a list of 2"),
        (changed("rsu_ids", "12"), "rsu_ids: must be a list of 2"),
        (changed("av_ids", [1, 2, 2**32]), "av_ids[2]: must be a whole number"),
        (changed("av_ids", 2, [3]), "av_ids[2]: must be a whole number"),
        (changed("observation", []), "observation: must be an object"),
        (changed("observation", "history", 10**9), "observation.history"),
        (changed("observation", "history", 0), "observation.history"),
        (changed("observation", "n_avs", 2), "av_ids: must be a list of 2"),
        (changed("observation", "n_avs", 3.0), "observation.n_avs"),
        (changed("observation", "n_rsus", 10**12), "observation.n_rsus"),
        (changed("observation", "observe_current_price", 1), "observe_current_price"),
        (changed("observation", "observe_current_price", False), "network.widths"),
        (changed("observation", "rate_unit", 1.0), "rate_unit: must be 10"),
        (changed("price_scale", "kind", "cubic"), "price_scale.kind"),
        (changed("price_scale", "kind", {}), "price_scale.kind"),
        (changed("price_scale", "low", [2.0]), "price_scale.low: must be a list of 2"),
        (changed("price_scale", "low", 0, 2), "price_scale.low[0]: must be a finite number"),
        (changed("price_scale", "low", 0, "2"), "price_scale.low[0]: must be a finite number"),
        (changed("price_scale", "low", 0, 31.0), "price_scale: scale"),
        (changed("price_scale", "high", 0, 1e13), "price_scale: must be from 0"),
        (changed("price_scale", "low", 0, 30.0 - 1e-9), "low and high must be apart"),
        (changed("bandwidth_scale", "low", 1, [0.0]), "bandwidth_scale.low[1]"),
        (changed("bandwidth_scale", "low", 1, 0, -1.0), "bandwidth_scale: must be from 0"),
        (changed("bandwidth_scale", "low", 1, 0, None), "bandwidth_scale.low[1][0]"),
        (changed("arrival_rate", 0, -1.0), "arrival_rate"),
        (changed("service_rate", [1.0]), "service_rate: must be a list of 2"),
        (changed("network", "widths", [26, 20, 2]), "unpruned"),
        (changed("network", "widths", [26, 20, 19, 1]), "network.widths"),
        (changed("network", "widths", [25, 20, 19, 2]), "network.widths"),
        (changed("network", "widths", 1, 0), "network.widths[1]: must be a whole number"),
        (changed("network", "widths", 1, 21), "sparsity"),
        (changed("network", "widths", 1, 10**9), "network.widths[1]"),
        (changed("network", "activation", "gelu"), "network.activation"),
        (changed("network", "activation", None), "network.activation"),
        (changed("network", "unpruned", [64]), "network.unpruned"),
        (changed("network", "unpruned", [19, 64]), "network.unpruned"),
        (changed("network", "sparsity", 0.9), "network.sparsity"),
        (changed("network", "sparsity", 0), "network.sparsity"),
        (changed("training", "config_sha256", "0" * 63), "training.config_sha256"),
        (changed("training", "config_sha256", 5), "training.config_sha256"),
        (changed("training", "seed", -1), "training.seed"),
        (changed("training", "iteration", 1e3), "training.iteration"),
        (changed("training", "package_version", "a b"), "training.package_version"),
        (changed("training", "created", "2026-13-31T12:00:00Z"), "training.created"),
        (changed("training", "created", "yesterday"), "training.created"),
        (changed("policy_version", 2**60), "policy_version"),
        (changed("policy_version", -1), "policy_version"),
        (lambda _: "[]", "schema: must be an object"),
        (lambda _: '{"format"', "description is not JSON"),
        (lambda _: "[" * 100_000, "description is not JSON"),
    ],
)
def test_a_false_description_is_refused(change: Callable[..., Any], message: str):
    assert message in refused(forged(change))


def test_widths_must_be_those_of_the_tensors():
    def wider(schema: dict[str, Any]) -> None:
        schema["network"]["widths"][1] = 21
        schema["network"]["sparsity"] = 1.0 - 40 / 128

    assert "layers[0].weight: must have shape (21, 26), got (20, 26)" in refused(forged(wider))


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_weights_must_be_finite(number: float):
    bias = make_artifact().layers[1].bias.copy()
    bias[3] = number

    data = forged(lambda _: None, {"layer1.bias": bias})

    assert "layers[1].bias: must be finite" in refused(data)


def test_a_tensor_more_is_refused():
    data = forged(lambda _: None, {"layer3.bias": np.zeros(2, np.float32)})

    assert "tensors: must be" in refused(data)


def test_a_repeated_key_is_refused():
    text = unpack(FILE)[1]["schema"]

    assert "form" in refused(forged(lambda _: text[:-1] + ',"role":"follower"}'))


# Making one


def test_arrays_that_do_not_fit_are_refused():
    schema = make_schema(hidden=(4,))
    good = [np.zeros((4, 26)), np.zeros((2, 4))], [np.zeros(4), np.zeros(2)]
    PolicyArtifact.from_arrays(schema, *good)

    for weights, biases in (
        ([np.zeros((4, 26)), np.zeros((2, 5))], good[1]),
        ([np.zeros((4, 25)), np.zeros((2, 4))], good[1]),
        (good[0], [np.zeros(5), np.zeros(2)]),
        ([np.zeros(26), np.zeros((2, 4))], good[1]),
        ([], []),
        ([np.full((4, 26), 1e300), np.zeros((2, 4))], good[1]),
    ):
        with pytest.raises(SchemaError):
            PolicyArtifact.from_arrays(schema, weights, biases)


def test_widths_follow_the_arrays():
    schema = make_schema(hidden=(64, 64))
    pruned = [np.zeros((9, 26)), np.zeros((10, 9)), np.zeros((2, 10))]

    artifact = PolicyArtifact.from_arrays(schema, pruned, [np.zeros(len(w)) for w in pruned])

    assert artifact.schema.widths == (26, 9, 10, 2)
    assert artifact.schema.sparsity == pytest.approx(1 - 19 / 128)
    assert artifact.n_parameters == 26 * 9 + 9 + 90 + 10 + 20 + 2


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("config_sha256", "A" * 64),
        ("seed", 1.0),
        ("iteration", -1),
        ("package_version", ""),
        ("created", "2026-01-31 12:00:00"),
        ("created", "٢٠٢٦-01-31T12:00:00Z"),
    ],
)
def test_a_training_record_without_meaning_is_refused(field: str, value: Any):
    with pytest.raises(SchemaError, match=f"training.{field}"):
        replace(TRAINING, **{field: value})


def test_a_training_record_is_kept():
    record = TrainingRecord("ab" * 32, 3, 42, "1.2.3", "2026-02-28T23:59:59Z")
    schema = PolicySchema.from_json(make_schema(training=record).to_json())

    assert schema.training == record


def test_ten_thousand_damaged_files_are_all_refused():
    rng = np.random.default_rng(1)
    original = np.frombuffer(FILE, np.uint8)
    for _ in range(10_000):
        data = original.copy()
        for place in rng.integers(0, len(data), rng.integers(1, 9)):
            data[place] ^= rng.integers(1, 256)
        if rng.random() < 0.2:
            data = data[: rng.integers(0, len(data))]
        if data.tobytes() == FILE:
            continue
        with pytest.raises(PolicyFileError):
            PolicyArtifact.from_bytes(data.tobytes())
