"""The policy on onnxruntime: numpy's answers, or a clear reason why not."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from artifacts import make_artifact, make_record
from hypothesis import given, settings
from hypothesis import strategies as st

from veaat_migration.game.profiles import FollowerProfile
from veaat_migration.policy import onnx_runtime
from veaat_migration.policy.artifact import PolicyArtifact, PolicyFileError
from veaat_migration.policy.best_response import BestResponseFollower
from veaat_migration.policy.interface import FollowerObservation
from veaat_migration.policy.learned import LearnedFollower
from veaat_migration.policy.onnx_export import write_onnx
from veaat_migration.policy.onnx_runtime import OnnxActor, OnnxRuntimeError, make_runtime
from veaat_migration.policy.reception import Accepted, Reception, RefusalReason, Refused
from veaat_migration.policy.runtime import NotFiniteError, NumpyActor

pytest.importorskip("onnx", reason="onnx is not installed")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

policies = st.builds(
    make_artifact,
    role=st.sampled_from(["leader", "follower"]),
    n_avs=st.integers(2, 4),
    n_rsus=st.integers(1, 4),
    hidden=st.lists(st.integers(1, 40), max_size=3).map(tuple),
    activation=st.sampled_from(["tanh", "relu"]),
    price_scale=st.sampled_from(["geometric", "linear"]),
    gain=st.sampled_from([1.0, 100.0]),
    seed=st.integers(0, 10_000),
)


@settings(max_examples=25, deadline=None)
@given(policies, st.integers(0, 10_000))
def test_its_answers_are_those_of_numpy(artifact: PolicyArtifact, seed: int):
    record = make_record(artifact.schema, seed)
    ours, reference = OnnxActor(artifact), NumpyActor(artifact)
    scale = artifact.schema.action_scale

    answer = ours.act_on_record(record)

    # Far out on the sigmoid single precision loses digits.
    near = 1e-4 * (scale.high - scale.low).max()
    assert answer == pytest.approx(reference.act_on_record(record), abs=near)
    assert ours.act(record[artifact.schema.columns]) == answer
    assert np.all(np.array(answer) >= scale.low)
    assert np.all(np.array(answer) <= scale.high)
    assert (ours.schema, ours.digest) == (artifact.schema, artifact.digest)


def test_answers_do_not_depend_on_those_before():
    actor = OnnxActor(make_artifact())
    first, second = np.random.default_rng(2).uniform(-1, 1, (2, 26))
    answer = actor.act(first)
    kept = list(answer)
    actor.act(second)

    assert answer == kept
    assert actor.act(first) == kept


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, 1e300, 1e40])
def test_what_is_not_finite_is_refused(number: float):
    actor = OnnxActor(make_artifact())
    observation = np.zeros(26)
    observation[3] = number

    with pytest.raises(NotFiniteError):
        actor.act(observation)


@pytest.mark.parametrize("shape", [(), (1,), (25,), (1, 26)])
def test_another_shape_is_refused(shape: tuple[int, ...]):
    actor = OnnxActor(make_artifact())

    with pytest.raises(ValueError, match="must be 26 numbers"):
        actor.act(np.zeros(shape))
    with pytest.raises(ValueError, match="must have shape"):
        actor.act_on_record(np.zeros(shape))


def test_a_session_that_fails_is_no_answer():
    class Lost:
        def run(self, *_: Any) -> None:
            raise RuntimeError("the device is lost")

    actor = OnnxActor(make_artifact())
    actor._session = Lost()

    with pytest.raises(NotFiniteError, match="device is lost"):
        actor.act(np.zeros(26))


def test_a_provider_that_is_not_there_is_named_with_those_that_are():
    with pytest.raises(OnnxRuntimeError, match=r"no 'MoonExecutionProvider'; it has .*CPU"):
        OnnxActor(make_artifact(), providers=["MoonExecutionProvider"])
    with pytest.raises(OnnxRuntimeError, match="name one"):
        OnnxActor(make_artifact(), providers=[])


@pytest.mark.parametrize("provider", ["cpu", "CPU", "CPUExecutionProvider", ("cpu", {})])
def test_providers_have_short_names(provider: Any):
    assert OnnxActor(make_artifact(), providers=[provider]).providers == ("CPUExecutionProvider",)


@pytest.mark.filterwarnings("ignore:Specified provider")
def test_a_provider_that_does_not_start_is_not_replaced_in_silence(
    monkeypatch: pytest.MonkeyPatch,
):
    import onnxruntime

    monkeypatch.setattr(
        onnxruntime,
        "get_available_providers",
        lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"],
    )

    with pytest.raises(OnnxRuntimeError, match="CUDAExecutionProvider"):
        OnnxActor(make_artifact(), providers=["cuda"])


def test_a_ready_file_serves_without_the_package_onnx(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    artifact = make_artifact()
    write_onnx(artifact, tmp_path / "follower-1.onnx")
    monkeypatch.setitem(sys.modules, "onnx", None)
    zeros = np.zeros(26)

    for actor in (
        OnnxActor(artifact, model=tmp_path / "follower-1.onnx"),
        make_runtime("onnxruntime", folder=tmp_path)(artifact),
    ):
        assert actor.act(zeros) == pytest.approx(NumpyActor(artifact).act(zeros), rel=1e-5)
    with pytest.raises(OnnxRuntimeError, match=r"follower-1\.onnx"):
        OnnxActor(artifact)
    with pytest.raises(OnnxRuntimeError, match=r"follower-1\.onnx"):
        make_runtime("onnxruntime", folder=tmp_path / "elsewhere")(artifact)


def test_a_file_of_another_policy_is_not_played(tmp_path: Path):
    path = tmp_path / "follower-1.onnx"
    write_onnx(make_artifact(seed=1), path)
    artifact = make_artifact(seed=2)

    with pytest.raises(OnnxRuntimeError, match="another policy"):
        OnnxActor(artifact, model=path)
    made = make_runtime("onnxruntime", folder=tmp_path)(artifact)
    assert made.digest == artifact.digest


def test_a_file_with_other_weights_under_the_same_digest_fails_the_self_test(tmp_path: Path):
    onnx = pytest.importorskip("onnx")
    from veaat_migration.policy.onnx_export import DIGEST_KEY, to_onnx

    artifact, model = make_artifact(seed=1), to_onnx(make_artifact(seed=2))
    for entry in model.metadata_props:
        if entry.key == DIGEST_KEY:
            entry.value = artifact.digest
    onnx.save(model, str(tmp_path / "follower-1.onnx"))
    reception = Reception("follower", 1, make_actor=make_runtime("onnxruntime", folder=tmp_path))

    verdict = reception.take(artifact.to_bytes())

    assert isinstance(verdict, Refused)
    assert verdict.reason is RefusalReason.SELF_TEST


@pytest.mark.parametrize("content", [b"", b"no graph"])
def test_a_file_that_is_no_graph_is_an_error(tmp_path: Path, content: bytes):
    (tmp_path / "a.onnx").write_bytes(content)

    with pytest.raises(OnnxRuntimeError, match="cannot load"):
        OnnxActor(make_artifact(), model=tmp_path / "a.onnx")
    with pytest.raises(PolicyFileError):
        OnnxActor(make_artifact(), model=tmp_path / "missing.onnx")


def test_without_onnxruntime_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)

    with pytest.raises(OnnxRuntimeError, match="pip install onnxruntime"):
        make_runtime("onnxruntime")
    assert make_runtime("numpy") is NumpyActor
    with pytest.raises(OnnxRuntimeError, match="numpy, onnxruntime"):
        make_runtime("torch")


def test_it_is_received_and_played_and_swapped_like_any_other():
    reception = Reception("follower", 1, make_actor=make_runtime("onnxruntime"))
    first, second = make_artifact(), make_artifact(seed=5, policy_version=2)
    verdict = reception.take(first.to_bytes())
    assert isinstance(verdict, Accepted)
    assert isinstance(verdict.actor, onnx_runtime.OnnxActor)
    fallback = BestResponseFollower(FollowerProfile(1, 20.0, 1.2, 10.0))
    on_onnx = LearnedFollower(first, fallback, actor=OnnxActor)
    on_numpy = LearnedFollower(first, fallback)

    for round_ in range(1, 20):
        if round_ == 12:
            new = reception.take(second.to_bytes())
            assert isinstance(new, Accepted)
            on_onnx.swap(new.artifact, actor=new.actor)
            on_numpy.swap(second)
        seen = FollowerObservation(
            round_, (1, 2), np.array([4.0, 5.0]), np.ones(2), (2, 3), np.full((2, 2), 3.0)
        )
        assert on_onnx.act(seen) == pytest.approx(on_numpy.act(seen), rel=1e-4)

    assert on_onnx.decisions == on_numpy.decisions >= 14
    with pytest.raises(ValueError, match="another policy"):
        on_onnx.swap(first, actor=new.actor)
