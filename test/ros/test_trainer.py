"""The trainer node with real processes: it trains, answers meanwhile, survives whatever dies."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import signal
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from artifacts import make_bundle

pytestmark = [
    pytest.mark.ros,
    pytest.mark.skipif(
        importlib.util.find_spec("torch") is None,
        reason="needs PyTorch: 'LEARNING=1 make test-ros', or 'make test'",
    ),
]

BASE = Path(__file__).parents[2] / "config" / "base.yaml"
QUICK = {
    "game": str(BASE),
    "iterations": 60,
    "environment": {"games": 32, "rounds": 25, "episode": 100},
    "network": {"hidden": [32, 32]},
    "stages": {"follower_iterations": 15},
    "incentive": {"weight": 0.0},
    "pruning": {"sparsity": 0.5, "start": 0.3, "end": 0.5, "window": 5},
}
"""Learns the equilibrium to about a per cent in a few seconds."""
ANSWER = 0.1
"""Longest time for an answer while the node trains [s]."""


class Client:
    """What an engineer with the ros2 tools would do, on the test's listener."""

    def __init__(self, listener: Any, wait_until: Callable[..., None]) -> None:
        from lifecycle_msgs.srv import ChangeState, GetState
        from rcl_interfaces.srv import GetParameters
        from rclpy.action import ActionClient
        from veaat_migration.action import Train
        from veaat_migration.msg import PolicyManifest, TrainingStatus
        from veaat_migration.srv import GetPolicy

        from veaat_migration.nodes import qos

        self.node, self._wait_until = listener.node, wait_until
        self.statuses = listener.listen("training_status", TrainingStatus, qos.ANSWERS)
        self.manifests = listener.listen("policy_manifest", PolicyManifest, qos.LATCHED)
        self._change = self.node.create_client(ChangeState, "trainer/change_state")
        self._state = self.node.create_client(GetState, "trainer/get_state")
        self._parameters = self.node.create_client(GetParameters, "trainer/get_parameters")
        self._policy = self.node.create_client(GetPolicy, "get_policy")
        self._train = ActionClient(self.node, Train, "train")
        self.feedback: list[Any] = []

    def answer(self, future: Any, seconds: float = 60.0) -> Any:
        self._wait_until(future.done, "an answer", seconds)
        return future.result()

    def call(self, client: Any, request: Any) -> Any:
        assert client.wait_for_service(60.0)
        return self.answer(client.call_async(request))

    def change(self, label: str) -> bool:
        request = self._change.srv_type.Request()
        request.transition.label = label
        success: bool = self.call(self._change, request).success
        return success

    def state(self) -> str:
        label: str = self.call(self._state, self._state.srv_type.Request()).current_state.label
        return label

    def policy(self, role: int, agent_id: int, sha256: str = "") -> Any:
        request = self._policy.srv_type.Request(role=role, agent_id=agent_id, sha256=sha256)
        return self.call(self._policy, request)

    def goal(self, **fields: Any) -> Any:
        """Send a goal; its handle."""
        assert self._train.wait_for_server(60.0)
        goal = self._train._action_type.Goal(seed=-1)
        for name, value in fields.items():
            setattr(goal, name, value)
        self.feedback.clear()
        return self.answer(
            self._train.send_goal_async(
                goal, feedback_callback=lambda message: self.feedback.append(message.feedback)
            )
        )

    def result(self, handle: Any) -> tuple[int, Any]:
        answer = self.answer(handle.get_result_async())
        return answer.status, answer.result

    def answer_times(self, calls: int) -> list[float]:
        """Of all kinds of services, one after the other [s]."""
        times = []
        requests = [
            (self._state, self._state.srv_type.Request()),
            (self._parameters, self._parameters.srv_type.Request(names=["seed"])),
            (self._policy, self._policy.srv_type.Request(role=1, agent_id=1)),
        ]
        for _ in range(calls):
            for client, request in requests:
                begin = time.perf_counter()
                future = client.call_async(request)
                while not future.done():
                    assert time.perf_counter() < begin + 60.0
                    time.sleep(0.0005)
                times.append(time.perf_counter() - begin)
        return times

    def until_status(self, condition: Callable[[Any], bool], what: str, since: int = 0) -> Any:
        """The first status after number ``since`` for which ``condition`` holds."""
        found: list[Any] = []

        def look() -> bool:
            found.extend(s for s in self.statuses[since:] if condition(s))
            return bool(found)

        self._wait_until(look, what)
        return found[0]


@pytest.fixture
def client(listener: Any, wait_until: Callable[..., None]) -> Client:
    return Client(listener, wait_until)


@pytest.fixture
def start_trainer(start_node: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    """Start the node in a folder of the test: ``start_trainer(seed=3, iterations=100)``."""
    file = tmp_path / "quick.yaml"
    file.write_text(yaml.safe_dump(QUICK))

    def start(**parameters: Any) -> Any:
        given = {
            "config": str(file),
            "folder": str(tmp_path / "run"),
            "release_period": 0.0,
            "release_gap": 1e9,
            "tensorboard": False,
        }
        return start_node("trainer", "trainer", **(given | parameters))

    return start


def children(pid: int) -> list[int]:
    """Processes in which a node trains."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            status = (folder / "stat").read_text().rsplit(")", 1)[1].split()
            command = (folder / "cmdline").read_bytes()
        except (OSError, IndexError):
            continue
        if int(status[1]) == pid and b"spawn_main" in command:
            found.append(int(folder.name))
    return found


def check_release(client: Client, manifest: Any, public_key: Any = None) -> None:
    """Every file that a manifest names is handed out, and is a policy of that release."""
    from veaat_migration.policy.artifact import PolicyArtifact
    from veaat_migration.policy.signature import verify

    agents = [(entry.role, entry.agent_id) for entry in manifest.policies]
    assert agents == [(1, 1), (1, 2), (2, 1), (2, 2), (2, 3)]
    for entry in manifest.policies:
        answer = client.policy(entry.role, entry.agent_id, entry.sha256)
        assert answer.success, answer.message
        content = bytes(answer.content)
        assert len(content) == entry.size
        assert hashlib.sha256(content).hexdigest() == answer.sha256 == entry.sha256
        assert answer.policy_version == manifest.policy_version
        artifact = PolicyArtifact.from_bytes(content)
        assert artifact.schema.agent_id == entry.agent_id
        assert artifact.schema.role == ("leader", "follower")[entry.role - 1]
        assert artifact.schema.policy_version == manifest.policy_version
        assert artifact.schema.sparsity == entry.sparsity > 0.3
        assert artifact.schema.training.config_sha256 == manifest.training
        assert artifact.schema.training.iteration == manifest.iteration
        assert entry.location == ""
        assert bytes(entry.signature) == bytes(answer.signature)
        if public_key is not None:
            verify(public_key, content, bytes(answer.signature))


@pytest.fixture
def start_players(start_node: Callable[..., Any], heard: Any) -> Callable[[Path], None]:
    """The base case on the road: RSUs, and vehicles that take signed policies."""
    assert heard is not None  # the players wait for it
    watched = {"observers": "test", "observer_timeout": 60.0, "status_period": 0.2}

    def start(public_key: Path) -> None:
        for rsu_id, quality, unit_cost in ((1, 1.0, 2.0), (2, 1.2, 2.5)):
            start_node(
                "rsu_leader", f"rsu_{rsu_id}", rsu_id=rsu_id, quality=quality,
                unit_cost=unit_cost, price_max=30.0, peer_ids=[1, 2, 3], min_avs=3,
                round_period=0.1, **watched,
            )  # fmt: skip
        for av_id, satisfaction, offset in ((1, 20.0, 1.22), (2, 25.0, 0.92), (3, 30.0, 0.72)):
            start_node(
                "av_inference", f"av_{av_id}", av_id=av_id, satisfaction=satisfaction,
                offset=offset, bandwidth_max=10.0, peer_ids=[1, 2], min_rsus=2,
                policy_public_key=str(public_key), **watched,
            )  # fmt: skip

    return start


def test_goals_train_cancel_go_on_and_reach_running_vehicles(
    start_trainer: Callable[..., Any],
    start_players: Callable[[Path], None],
    heard: Any,
    client: Client,
    tmp_path: Path,
    wait_until: Callable[..., None],
):
    from action_msgs.msg import GoalStatus
    from veaat_migration.action import Train
    from veaat_migration.msg import TrainingStatus

    from veaat_migration.policy.policy_files import read_bundle
    from veaat_migration.policy.signature import load_public_key, make_keys

    private, public = make_keys(tmp_path / "keys")
    node = start_trainer(train_on_activate=False, signing_key=str(private))
    start_players(public)
    client.until_status(lambda s: s.state == TrainingStatus.STATE_IDLE, "it is idle")
    wait_until(lambda: client.state() == "active", "it is active")
    assert "nothing has been released" in client.policy(1, 1).message

    # What makes no sense fails with a reason, and does no harm.
    for fields, reason in (
        ({"config": "no-such-file"}, "no shipped training file of that name"),
        ({"scenario": str(tmp_path / "absent.yaml")}, "absent.yaml"),
        ({"seed": 2**60}, "seed: must be <="),
        ({"config": str(BASE)}, "base.yaml"),  # a game, not a training file
    ):
        handle = client.goal(**fields)
        assert handle.accepted
        status, result = client.result(handle)
        assert status == GoalStatus.STATUS_ABORTED
        assert result.outcome == Train.Result.OUTCOME_FAILED
        assert reason in result.message

    handle = client.goal(seed=3)
    assert handle.accepted
    wait_until(lambda: client.feedback and client.feedback[-1].status.iteration >= 3, "feedback")
    second = client.goal(seed=4)
    assert not second.accepted
    client.until_status(lambda s: "rejected: busy: training" in s.message, "the reason is told")
    gap = client.until_status(lambda s: s.gap >= 0.0, "a first judgement").gap
    client.answer(handle.cancel_goal_async())
    status, result = client.result(handle)
    assert status == GoalStatus.STATUS_CANCELED
    assert result.outcome == Train.Result.OUTCOME_CANCELED
    assert result.iteration >= 3
    assert (tmp_path / "run" / "checkpoint.safetensors").exists()

    handle = client.goal(seed=3)  # the same again
    status, after = client.result(handle)
    assert (status, after.outcome) == (GoalStatus.STATUS_SUCCEEDED, Train.Result.OUTCOME_FINISHED)
    trained = [f.status.iteration for f in client.feedback if f.status.iteration]
    assert min(trained) >= result.iteration, "it went on from the checkpoint"
    assert after.iteration == 60
    assert after.gap < 0.1 < 0.4 < gap, "it has learned"
    assert len(after.utilities) == len(after.sparsity) == 5
    assert min(after.sparsity) > 0.3
    assert {a.schema.policy_version for a in read_bundle(after.policies)} == {after.policy_version}

    wait_until(
        lambda: client.manifests and client.manifests[-1].policy_version == after.policy_version,
        "the final policies are released",
    )
    first, final = client.manifests[0], client.manifests[-1]
    versions = [manifest.policy_version for manifest in client.manifests]
    assert len(versions) >= 2
    assert versions == sorted(set(versions))
    assert final.seed == 3
    assert final.gap == after.gap
    check_release(client, final, load_public_key(public))
    check_release(client, first)  # a former one, by digest
    refused = {
        (1, 1, "0" * 64): "digest",
        (2, 1, final.policies[0].sha256): "digest",  # of another agent
        (1, 9, ""): "no policy for it",
        (7, 1, ""): "role: must be one of",
    }
    for request, reason in refused.items():
        answer = client.policy(*request)
        assert not answer.success
        assert reason in answer.message
        assert not answer.content

    # The vehicles have changed over without a restart, and decide by it.
    digests = {entry.agent_id: entry.sha256 for entry in final.policies if entry.role == 2}

    def is_in_use(av_id: int) -> bool:
        said = [s for s in heard.statuses if (s.role, s.player_id) == (2, av_id)]
        return (
            len({s.session for s in said}) == 1
            and said[-1].policy_version == final.policy_version
            and said[-1].policy_sha256 == digests[av_id]
            and said[-1].policy_decisions > 0
        )

    wait_until(lambda: all(is_in_use(av_id) for av_id in (1, 2, 3)), "vehicles use it")
    node.send(signal.SIGTERM)
    assert node.end() == 0
    assert "Traceback" not in node.output


def test_it_answers_pauses_and_survives(
    start_trainer: Callable[..., Any], client: Client, wait_until: Callable[..., None]
):
    from veaat_migration.msg import TrainingStatus

    node = start_trainer(autostart=False, iterations=100_000, max_message_size=100)
    assert "not configured" in client.policy(1, 1).message
    assert not client.goal().accepted
    assert not client.change("activate")
    assert client.change("configure")
    assert client.state() == "inactive"
    assert not client.goal().accepted  # not active either
    assert client.change("activate")
    client.until_status(lambda s: s.iteration >= 2, "it trains")

    times = client.answer_times(40)
    assert statistics.median(times) < ANSWER, sorted(times)[-5:]

    assert client.change("deactivate")
    since = len(client.statuses)
    paused = client.until_status(lambda s: s.state == TrainingStatus.STATE_PAUSED, "pause", since)
    time.sleep(0.5)
    assert client.statuses[-1].iteration == paused.iteration
    since = len(client.statuses)
    assert client.change("activate")
    client.until_status(lambda s: s.iteration > paused.iteration, "it goes on", since)

    # The process that trains dies.
    since = len(client.statuses)
    (worker,) = children(node.process.pid)
    os.kill(worker, signal.SIGKILL)
    client.until_status(lambda s: "killed by SIGKILL; trying again" in s.message, "retry", since)
    since = len(client.statuses)
    back = client.until_status(
        lambda s: s.iteration > paused.iteration and not s.message, "it is back", since
    )

    # The node dies, and its process with it.
    (worker,) = children(node.process.pid)
    node.send(signal.SIGKILL)
    node.process.wait()
    wait_until(lambda: not Path(f"/proc/{worker}").exists(), "the process is gone too", 10.0)
    since = len(client.statuses)
    node = start_trainer(iterations=100_000)
    on = client.until_status(lambda s: s.iteration > 0, "it goes on by itself", since)
    assert on.iteration >= paused.iteration
    assert on.iteration <= back.iteration + 100

    assert client.change("deactivate")
    assert client.change("cleanup")
    client.until_status(lambda s: s.state == TrainingStatus.STATE_STOPPED, "it ended", since)
    assert client.state() == "unconfigured"
    assert client.change("shutdown")
    assert node.end() == 0


def test_a_release_and_a_goal_outlive_the_node(
    start_trainer: Callable[..., Any],
    client: Client,
    tmp_path: Path,
    wait_until: Callable[..., None],
):
    node = start_trainer(train_on_activate=False, max_message_size=100, executor="single_threaded")
    folder = tmp_path / "goal"
    handle = client.goal(folder=str(folder), iterations=5000)
    assert handle.accepted
    wait_until(lambda: client.feedback and client.feedback[-1].status.iteration >= 2, "feedback")
    # As if it had been released before: pruning of so long a run takes its time.
    make_release(tmp_path / "run" / "releases")
    wait_until(lambda: children(node.process.pid), "it trains")
    node.send(signal.SIGKILL)
    node.process.wait()
    client.manifests.clear()
    since = len(client.statuses)
    begin = time.monotonic()

    node = start_trainer(train_on_activate=False, max_message_size=100)

    wait_until(lambda: client.manifests, "the release is published again")
    waited = time.monotonic() - begin
    status = client.until_status(lambda s: s.iteration >= 1, "the goal goes on", since)
    assert waited < time.monotonic() - begin, "the release did not wait for training"
    assert status.folder == str(folder)
    assert status.policy_version == client.manifests[-1].policy_version == 77
    # Files that are too large for messages are named by location.
    (entry, *_) = client.manifests[-1].policies
    assert entry.location.startswith("file:///")
    content = Path(entry.location.removeprefix("file://")).read_bytes()
    assert hashlib.sha256(content).hexdigest() == entry.sha256
    answer = client.policy(entry.role, entry.agent_id)
    assert not answer.success
    assert entry.location in answer.message

    node.send(signal.SIGINT)
    assert node.end() == 0
    assert not (tmp_path / "run" / "goal.json").exists(), "a goodbye ends a goal"


def make_release(folder: Path) -> None:
    from veaat_migration.policy.release import Figures
    from veaat_migration.policy.releases import ReleaseBook

    ReleaseBook(folder).add(make_bundle(policy_version=77), game="g", figures=Figures(0.01, 0.0))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"config": "no-such-config"}, "no shipped training file of that name (there are: base"),
        ({"scenario": "no-such-game"}, "no-such-game: no such file"),
        ({"signing_key": "/absent.key"}, "/absent.key: cannot be read"),
        ({"folder": "/dev/null/x"}, "/dev/null/x"),
        ({"seed": -1}, "seed: must be >= 0"),
        ({"release_improvement": 2.0}, "release_improvement: must be"),
    ],
)
def test_what_cannot_be_configured_ends_the_node_with_a_message(
    start_trainer: Callable[..., Any], parameters: dict[str, Any], message: str
):
    node = start_trainer(**parameters)
    assert node.end() == 2
    assert message in node.output
    assert "Traceback" not in node.output
