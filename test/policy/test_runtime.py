"""The numpy runtime: the network's answer, in the action's interval, or a clear refusal."""

from __future__ import annotations

import math
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from artifacts import make_artifact, make_bundle, make_record, make_schema
from hypothesis import given, settings
from hypothesis import strategies as st

from veaat_migration.policy.artifact import PolicyArtifact
from veaat_migration.policy.policy_files import write_bundle
from veaat_migration.policy.runtime import NotFiniteError, NumpyActor

ROOT = Path(__file__).resolve().parents[2]


def plainly(artifact: PolicyArtifact, observation: np.ndarray) -> np.ndarray:
    """The policy as its definition says, without any preparation."""
    x = observation
    for k, layer in enumerate(artifact.layers):
        if k:
            x = np.tanh(x) if artifact.schema.activation == "tanh" else np.maximum(x, 0.0)
        x = layer.weight.astype(np.float64) @ x + layer.bias
    with np.errstate(over="ignore"):
        share = 1.0 / (1.0 + np.exp(-x))
    return artifact.schema.action_scale.value(share)


policies = st.builds(
    make_artifact,
    role=st.sampled_from(["leader", "follower"]),
    n_avs=st.integers(2, 4),
    n_rsus=st.integers(1, 4) | st.just(40),
    hidden=st.lists(st.integers(1, 25), max_size=3).map(tuple),
    activation=st.sampled_from(["tanh", "relu"]),
    price_scale=st.sampled_from(["geometric", "linear"]),
    price_low=st.sampled_from([0.0, 2.0]),
    gain=st.sampled_from([0.1, 1.0, 30.0, 1e6]),
    seed=st.integers(0, 10_000),
)


@settings(deadline=None)
@given(policies, st.integers(0, 10_000))
def test_it_is_the_network_of_the_definition(artifact: PolicyArtifact, seed: int):
    record = make_record(artifact.schema, seed)
    observation = record[artifact.schema.columns]
    actor = NumpyActor(artifact)

    expected = plainly(artifact, observation)

    assert actor.act(observation) == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert actor.act_on_record(record) == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert actor.act(observation.tolist()) == actor.act(observation)
    scale = artifact.schema.action_scale
    assert np.all(np.array(actor.act(observation)) >= scale.low)
    assert np.all(np.array(actor.act(observation)) <= scale.high)


def test_torch_gives_the_same_answer():
    torch = pytest.importorskip("torch", reason="torch is not installed")
    artifact = make_artifact("leader", 2, hidden=(20, 19))
    modules: list = []
    for layer in artifact.layers:
        linear = torch.nn.Linear(*layer.weight.shape[::-1])
        linear.weight.data = torch.from_numpy(layer.weight.copy())
        linear.bias.data = torch.from_numpy(layer.bias.copy())
        modules += [linear, torch.nn.Tanh()]
    network = torch.nn.Sequential(*modules[:-1])
    x = np.random.default_rng(1).uniform(-1, 1, (20, 34)).astype(np.float32)

    with torch.no_grad():
        prices = artifact.schema.action_scale.value(torch.sigmoid(network(torch.from_numpy(x))))

    actor = NumpyActor(artifact)
    assert [actor.act(row)[0] for row in x] == pytest.approx(prices[:, 0].numpy(), rel=1e-5)


def test_answers_do_not_depend_on_those_before():
    actor = NumpyActor(make_artifact())
    first, second = np.random.default_rng(2).uniform(-1, 1, (2, 26))
    answer = actor.act(first)
    kept = list(answer)
    actor.act(second)

    assert answer == kept
    assert actor.act(first) == kept


@settings(deadline=None)
@given(
    policies,
    st.sampled_from([math.nan, math.inf, -math.inf]),
    st.integers(0, 10**6),
    st.lists(st.integers(0, 10**6), max_size=3),
)
def test_no_entry_that_is_not_finite_passes(
    artifact: PolicyArtifact, number: float, place: int, zeros: list[int]
):
    """Even where the weights of the entry are nothing. Records hold NaN, but no infinities."""
    weights = [layer.weight.copy() for layer in artifact.layers]
    place %= weights[0].shape[1]
    for row in zeros:
        weights[0][row % len(weights[0]), place] = 0.0
    actor = NumpyActor(
        PolicyArtifact.from_arrays(
            artifact.schema, weights, [layer.bias for layer in artifact.layers]
        )
    )
    observation = np.zeros(actor.schema.widths[0])
    usual = actor.act(observation)
    observation[place] = number
    record = make_record(artifact.schema)
    record[artifact.schema.columns[place]] = math.nan

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(NotFiniteError):
            actor.act(observation)
        with pytest.raises(NotFiniteError):
            actor.act_on_record(record)
    assert actor.act(np.zeros_like(observation)) == usual


def test_entries_that_are_not_observed_do_not_matter():
    artifact = make_artifact("follower", 1)
    record = make_record(artifact.schema)
    hidden = sorted(set(range(len(record) - 1)) - set(artifact.schema.columns))
    usual = NumpyActor(artifact).act_on_record(record)
    record[hidden] = 1e6

    assert NumpyActor(artifact).act_on_record(record) == usual


@pytest.mark.parametrize("gain", [1e3, 1e30])
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_extreme_weights_answer_an_end_or_refuse(gain: float, activation: str):
    for seed in range(20):
        artifact = make_artifact("leader", 1, gain=gain, activation=activation, seed=seed)
        try:
            (price,) = NumpyActor(artifact).act(np.full(34, 0.7))
        except NotFiniteError:
            continue
        assert 2.0 <= price <= 30.0


@pytest.mark.parametrize("shape", [(), (1,), (25,), (27,), (1, 26), (26, 1)])
def test_another_shape_is_refused(shape: tuple[int, ...]):
    actor = NumpyActor(make_artifact())

    with pytest.raises(ValueError, match=r"observation: must be 26 numbers"):
        actor.act(np.zeros(shape))
    with pytest.raises(ValueError, match=r"shape|array"):
        actor.act_on_record(np.zeros(shape))


def test_columns_and_actions_are_the_agents_own():
    schema = make_schema("follower", 2, low=1.0)
    scale = schema.bandwidth_scale
    scale.low[:] = np.arange(6.0)

    assert schema.columns == schema.layout.follower_columns(1)
    assert schema.action_scale.low.tolist() == [2.0, 3.0]
    leader = make_schema("leader", 2)
    assert leader.columns == leader.layout.leader_columns(1)
    assert leader.action_scale.low.tolist() == [2.5]
    assert leader.action_scale.kind == "geometric"


def test_a_process_that_only_decides_is_small(tmp_path: Path):
    """No torch, scipy or library of a file format, and at most 40 MiB with a policy at work."""
    write_bundle(make_bundle(), tmp_path)
    script = f"""
import sys
import numpy as np
from veaat_migration.game.profiles import FollowerProfile
from veaat_migration.policy.best_response import BestResponseFollower
from veaat_migration.policy.interface import FollowerObservation
from veaat_migration.policy.learned import LearnedFollower
from veaat_migration.policy.policy_files import read_bundle

artifact = read_bundle({str(tmp_path)!r})[2]
fallback = BestResponseFollower(FollowerProfile(1, 20.0, 1.2, 10.0))
policy = LearnedFollower(artifact, fallback)
for round_ in range(1, 20):
    policy.act(FollowerObservation(
        round_, (1, 2), np.array([4.0, 5.0]), np.array([1.0, 1.2]), (2, 3), np.full((2, 2), 3.0)
    ))
assert policy.decisions >= 14, policy.fallbacks
heavy = {{"torch", "scipy", "safetensors", "onnx", "onnxruntime", "yaml", "pydantic"}}
print(sorted(heavy & set(sys.modules)))
with open("/proc/self/status") as status:
    print(next(line.split()[1] for line in status if line.startswith("VmHWM")))
"""
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    heavy, memory = result.stdout.split("\n")[:2]

    assert heavy == "[]"
    assert int(memory) <= 40 * 1024
