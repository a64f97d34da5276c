"""Inference nodes as processes: they play learned policies, change them, and refuse bad ones."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from artifacts import make_artifact, make_bundle
from releaser import Releaser, digest

pytestmark = pytest.mark.ros

FORBIDDEN = (
    *("torch", "scipy", "pydantic", "matplotlib", "rosbags", "rich"),
    *("onnx", "onnxruntime", "cryptography"),
)
TWO = {"peer_ids": [1, 2], "min_rsus": 2}
AV = {
    "satisfaction": 25.0,
    "offset": 1.0,
    "bandwidth_max": 10.0,
    "status_period": 0.1,
    "observers": "test",
}


@pytest.mark.parametrize("module", ["av_inference", "rsu_inference"])
def test_an_inference_node_loads_nothing_that_a_vehicle_lacks(module: str, tmp_path: Path):
    program = (
        f"import sys, veaat_migration.nodes.{module}, veaat_migration.nodes.start\n"
        f"print([name for name in {FORBIDDEN} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_a_node_can_still_choose_the_threads_of_numpy_when_it_starts(tmp_path: Path):
    program = "import sys, veaat_migration.nodes.start; print('numpy' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """Policies with random weights for all players of the base case."""
    from veaat_migration.policy.policy_files import write_bundle

    write_bundle(make_bundle(policy_version=3), tmp_path / "bundle")
    return tmp_path / "bundle"


@pytest.fixture
def learned(start_node: Callable[..., Any], rsu: Callable[..., Any]) -> Callable[..., Any]:
    """Start an inference node of an AV: ``learned(1, policy_path=...)``."""
    assert rsu is not None
    return lambda av_id, **parameters: start_node(
        "av_inference", f"av_{av_id}", av_id=av_id, **{**AV, **parameters}
    )


def status_of(heard: Any, av_id: int) -> Any:
    """The last status of an AV; None: none yet."""
    found = [s for s in list(heard.statuses) if (s.role, s.player_id) == (2, av_id)]
    return found[-1] if found else None


def version_of(heard: Any, av_id: int) -> int:
    status = status_of(heard, av_id)
    return 0 if status is None else int(status.policy_version)


def answered(heard: Any, av_id: int) -> list[int]:
    """Rounds that an AV has bid in."""
    return sorted({b.round for b in list(heard.bids) if b.av_id == av_id and not b.leaving})


class Diagnostics:
    """The last entry of each name."""

    def __init__(self, listener: Any) -> None:
        from diagnostic_msgs.msg import DiagnosticArray

        self._arrays = listener.listen("/diagnostics", DiagnosticArray, 100)

    def value(self, name: str, key: str) -> str:
        for array in reversed(list(self._arrays)):
            for status in array.status:
                if status.name == name:
                    return {pair.key: pair.value for pair in status.values}.get(key, "")
        return ""

    def ever(self, name: str, text: str) -> bool:
        return any(
            status.name == name and text in status.message
            for array in list(self._arrays)
            for status in array.status
        )


def test_five_inference_nodes_play_a_bundle(simulate: Callable[..., Any], bundle: Path):
    from veaat_migration.policy.policy_files import read_bundle

    simulation = simulate("--rounds", "60", "--policy", "learned", "--policies", str(bundle))
    assert simulation.end() == 0, simulation.output
    report = json.loads((simulation.folder / "report.json").read_text())
    assert report["complete_rounds"] == 60
    assert report["audit"]["counts"] == {}
    for artifact in read_bundle(bundle):
        schema = artifact.schema
        role = {"leader": "rsu", "follower": "av"}[schema.role]
        use = report["policies"][f"{role} {schema.agent_id}"]
        assert (use["policy"], use["version"]) == ("learned", 3)
        assert use["sha256"] == digest(artifact.to_bytes())
        # Four rounds of history come first.
        assert (use["decisions"], use["fallbacks"], use["errors"]) == (56, 4, 0)
    assert "Learned policies" in simulation.output
    with (simulation.folder / "migration_decisions.csv").open() as file:
        decisions = list(csv.DictReader(file))
    assert sorted(int(row["round"]) for row in decisions if row["av_id"] == "2") == list(
        range(1, 61)
    )
    late = [row for row in decisions if int(row["round"]) > 4]
    assert {row["source"] for row in late} == {"policy"}
    assert {row["policy_version"] for row in decisions} == {"3"}


def test_a_bundle_for_another_game_is_refused_in_words(simulate: Callable[..., Any], bundle: Path):
    simulation = simulate("town", "--policy", "learned", "--policies", str(bundle))
    assert simulation.end() == 2
    assert "these policies were made for 2 RSUs and 3 AVs, but the game has" in simulation.output


@pytest.mark.parametrize("executor", ["events", "single_threaded"])
def test_a_release_is_played_from_the_next_round_on(
    rsu: Callable[..., Any], learned: Callable[..., Any], listener: Any, heard: Any,
    wait_until: Callable[..., None], executor: str,
):  # fmt: skip
    releaser = Releaser(listener.node)
    for rsu_id in (1, 2):
        rsu(rsu_id, round_period=0.01, min_avs=3)
    for av_id in (1, 2, 3):
        learned(av_id, executor=executor, **TWO)
    wait_until(lambda: len(answered(heard, 1)) > 20, "the game runs without a policy")
    assert version_of(heard, 1) == 0

    releaser.release([make_artifact("follower", i, policy_version=7) for i in (1, 2, 3)])
    wait_until(lambda: all(version_of(heard, i) == 7 for i in (1, 2, 3)), "version 7 is played")
    wait_until(lambda: status_of(heard, 1).policy_decisions > 20, "the policy decides itself")
    releaser.release([make_artifact("follower", 1, policy_version=8, seed=1)])
    wait_until(lambda: version_of(heard, 1) == 8, "version 8 is played")
    assert version_of(heard, 2) == 7
    rounds = answered(heard, 1)
    assert rounds == list(range(rounds[0], rounds[-1] + 1)), "a round was missed"


def test_bad_releases_are_refused_and_counted_and_the_last_good_one_goes_on(
    rsu: Callable[..., Any], learned: Callable[..., Any], listener: Any, heard: Any,
    wait_until: Callable[..., None], tmp_path: Path,
):  # fmt: skip
    from veaat_migration.policy.policy_files import write_policy

    diagnostics, releaser = Diagnostics(listener), Releaser(listener.node)
    good = make_artifact("follower", 1, policy_version=5)
    write_policy(good, tmp_path / "good.safetensors")
    rsu(1, round_period=0.02)
    learned(1, policy_path=str(tmp_path / "good.safetensors"))
    wait_until(lambda: version_of(heard, 1) == 5, "the first policy is played")

    def refused(reason: str) -> None:
        wait_until(
            lambda: int(diagnostics.value("av_1: policy", f"refused {reason}") or 0) > 0,
            f"{reason} is counted",
        )

    releaser.release([make_artifact("follower", 1, policy_version=4)])
    refused("older")
    cut = make_artifact("follower", 1, policy_version=6)
    releaser.replace(cut, cut.to_bytes()[:100])
    releaser.release([make_artifact("follower", 1, policy_version=6)], size=2 << 20)
    refused("oversized")
    other = make_artifact("follower", 2, policy_version=9)
    content = other.to_bytes()
    releaser.release([other], agent_id=1)
    refused("mismatch")
    assert digest(content)
    damaged = make_artifact("follower", 1, policy_version=10)
    releaser.release([damaged], sha256="0" * 64)
    wait_until(lambda: "not kept" in diagnostics.value("av_1: policy", "release"), "it tries again")
    assert version_of(heard, 1) == 5
    assert diagnostics.ever("av_1: policy", "refused 1 policies, the last: the policy of version 4")
    before = len(answered(heard, 1))
    wait_until(lambda: len(answered(heard, 1)) > before + 20, "the game goes on")


def test_a_cut_policy_is_asked_for_again(
    rsu: Callable[..., Any], learned: Callable[..., Any], listener: Any, heard: Any,
    wait_until: Callable[..., None],
):  # fmt: skip
    diagnostics, releaser = Diagnostics(listener), Releaser(listener.node)
    policy = make_artifact("follower", 1, policy_version=6)
    rsu(1, round_period=0.02)
    learned(1)
    wait_until(lambda: len(answered(heard, 1)) > 5, "the game runs")
    releaser.release([policy])
    releaser.replace(policy, policy.to_bytes()[:-7])
    wait_until(lambda: diagnostics.value("av_1: policy", "refused size") not in ("", "0"), "cut")
    releaser.replace(policy, policy.to_bytes())
    wait_until(lambda: version_of(heard, 1) == 6, "the whole policy is played")
    assert releaser.asked >= 2


def test_a_policy_comes_from_a_file_where_nobody_serves_it(
    rsu: Callable[..., Any], learned: Callable[..., Any], listener: Any, heard: Any,
    wait_until: Callable[..., None], tmp_path: Path,
):  # fmt: skip
    from veaat_migration.policy.policy_files import write_policy

    diagnostics, releaser = Diagnostics(listener), Releaser(listener.node, serve=False)
    rsu(1, round_period=0.02)
    learned(1)
    first, second = (make_artifact("follower", 1, policy_version=v) for v in (4, 5))
    releaser.release([first])
    wait_until(
        lambda: "nobody offers the service" in diagnostics.value("av_1: policy", "release"),
        "it says what is missing",
    )
    path = tmp_path / "with blank.safetensors"
    write_policy(second, path)
    releaser.release([second], location=path.as_uri())
    wait_until(lambda: version_of(heard, 1) == 5, "the file is played")


def test_a_service_that_hangs_is_asked_again(
    rsu: Callable[..., Any], learned: Callable[..., Any], listener: Any, heard: Any,
    wait_until: Callable[..., None],
):  # fmt: skip
    diagnostics, releaser = Diagnostics(listener), Releaser(listener.node)
    rsu(1, round_period=0.02)
    learned(1, policy_timeout=0.2)
    wait_until(lambda: len(answered(heard, 1)) > 5, "the game runs")
    releaser.hangs = 1
    releaser.release([make_artifact("follower", 1, policy_version=4)])
    wait_until(lambda: version_of(heard, 1) == 4, "the release is played")
    assert releaser.asked >= 2
    assert diagnostics.ever("av_1: game", "playing")
    rounds = answered(heard, 1)
    assert rounds == list(range(rounds[0], rounds[-1] + 1))


def test_a_policy_that_was_kept_is_played_after_a_restart(
    rsu: Callable[..., Any], learned: Callable[..., Any], listener: Any, heard: Any,
    wait_until: Callable[..., None], tmp_path: Path,
):  # fmt: skip
    releaser = Releaser(listener.node)
    rsu(1, round_period=0.02)
    store = tmp_path / "store"
    first = learned(1, policy_store=str(store))
    releaser.release([make_artifact("follower", 1, policy_version=6)])
    wait_until(lambda: version_of(heard, 1) == 6, "the policy is played")
    first.send(15)
    assert first.end() == 0
    heard.statuses.clear()
    learned(1, policy_store=str(store), policy_releases=False)
    wait_until(lambda: version_of(heard, 1) == 6, "it is played again")


def test_without_a_readable_policy_the_best_response_plays_and_says_so(
    rsu: Callable[..., Any], learned: Callable[..., Any], listener: Any, heard: Any,
    wait_until: Callable[..., None],
):  # fmt: skip
    diagnostics = Diagnostics(listener)
    rsu(1, round_period=0.02)
    learned(1, policy_path="/nowhere")
    wait_until(lambda: len(answered(heard, 1)) > 20, "the game runs")
    wait_until(lambda: diagnostics.ever("av_1: policy", "/nowhere: no policy file"), "it says so")
    assert status_of(heard, 1).policy_fallbacks > 0
    assert status_of(heard, 1).policy_decisions == 0


def test_a_key_that_cannot_be_read_ends_the_node(learned: Callable[..., Any], tmp_path: Path):
    node = learned(1, policy_public_key=str(tmp_path / "none.pub"))
    assert node.end() == 2
    assert "none.pub" in node.output
    assert "Traceback" not in node.output


def test_with_a_key_only_signed_policies_are_played(
    rsu: Callable[..., Any], learned: Callable[..., Any], listener: Any, heard: Any,
    wait_until: Callable[..., None], tmp_path: Path,
):  # fmt: skip
    from veaat_migration.policy.policy_files import write_policy
    from veaat_migration.policy.signature import load_private_key, make_keys, sign

    private, public = make_keys(tmp_path / "keys")
    diagnostics, releaser = Diagnostics(listener), Releaser(listener.node)
    path = tmp_path / "unsigned.safetensors"
    write_policy(make_artifact("follower", 1, policy_version=3), path)
    rsu(1, round_period=0.02)
    learned(1, policy_path=str(path), policy_public_key=str(public))
    wait_until(
        lambda: diagnostics.ever("av_1: policy", "the policy is not signed"), "it is refused"
    )
    assert version_of(heard, 1) == 0
    forged = make_artifact("follower", 1, policy_version=4)
    releaser.release([forged], signature=bytes(64))
    wait_until(
        lambda: diagnostics.value("av_1: policy", "refused signature") == "1", "so is a forged one"
    )
    policy = make_artifact("follower", 1, policy_version=5)
    signature = sign(load_private_key(private), policy.to_bytes())
    releaser.release([policy], signature=signature)
    wait_until(lambda: version_of(heard, 1) == 5, "the signed policy is played")


def test_a_policy_on_onnxruntime_is_changed_while_it_plays(
    rsu: Callable[..., Any], learned: Callable[..., Any], listener: Any, heard: Any,
    wait_until: Callable[..., None],
):  # fmt: skip
    for module in ("onnx", "onnxruntime"):
        pytest.importorskip(module, reason="needs the packages of LEARNING=1")
    releaser = Releaser(listener.node)
    for rsu_id in (1, 2):
        rsu(rsu_id, round_period=0.02, min_avs=3)
    for av_id in (2, 3):
        learned(av_id, **TWO)
    learned(1, policy_runtime="onnxruntime", **TWO)
    for version in (4, 5):
        releaser.release([make_artifact("follower", 1, policy_version=version, seed=version)])
        wait_until(lambda v=version: version_of(heard, 1) == v, "the release is played")
    wait_until(lambda: status_of(heard, 1).policy_decisions > 20, "it decides")
    rounds = answered(heard, 1)
    assert rounds == list(range(rounds[0], rounds[-1] + 1))


def test_inference_nodes_share_a_process(simulate: Callable[..., Any], bundle: Path):
    simulation = simulate(
        "--rounds", "30", "--composed", "--policy", "learned", "--policies", str(bundle),
        "--player", "av_2=best_response",
    )  # fmt: skip
    assert simulation.end() == 0, simulation.output
    report = json.loads((simulation.folder / "report.json").read_text())
    assert report["complete_rounds"] == 30
    use = {player: policy["policy"] for player, policy in report["policies"].items()}
    assert use == {
        "rsu 1": "learned",
        "rsu 2": "learned",
        "av 1": "learned",
        "av 2": "best_response",
        "av 3": "learned",
    }


def test_an_inference_node_needs_little_more_memory_than_an_empty_one(
    environment: dict[str, str], rsu: Callable[..., Any], learned: Callable[..., Any],
    heard: Any, bundle: Path, wait_until: Callable[..., None], tmp_path: Path,
):  # fmt: skip
    program = (
        "import rclpy, time\n"
        "rclpy.init(); node = rclpy.create_node('empty')\n"
        "print('ready', flush=True)\n"
        "rclpy.spin(node)"
    )
    empty = subprocess.Popen(
        [sys.executable, "-c", program], env=environment, cwd=tmp_path, stdout=subprocess.PIPE
    )
    try:
        assert empty.stdout is not None
        assert empty.stdout.readline() == b"ready\n"
        rsu(1, round_period=0.01)
        node = learned(1, policy_path=str(bundle))
        wait_until(lambda: len(answered(heard, 1)) > 100, "the game runs")
        assert resident(node.process.pid) <= 1.3 * resident(empty.pid)
    finally:
        empty.kill()
        empty.wait()


def resident(pid: int) -> int:
    """Resident memory of a process [KiB]."""
    (line,) = [
        line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if "VmRSS" in line
    ]
    return int(line.split()[1])


@pytest.mark.slow
@pytest.mark.parametrize("swaps", ["0", "10"])
def test_short_soak_with_and_without_changes_of_policy(
    environment: dict[str, str], bundle: Path, tmp_path: Path, swaps: str
):
    """No missed round, none answered by two versions, no growth; benchmarks/soak.py for longer."""
    soak = Path(__file__).parents[2] / "benchmarks" / "soak.py"
    done = subprocess.run(
        [
            sys.executable, str(soak), "--minutes", "0.2", "--swaps", swaps, "--policies",
            str(bundle), "--drift", "10",
        ],
        env=environment, cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "FAILED" not in done.stdout


@pytest.mark.slow
def test_the_comparison_with_plain_nodes_runs(
    environment: dict[str, str], bundle: Path, tmp_path: Path
):
    """The figures of a short run on a busy machine say nothing; that there are some does."""
    benchmark = Path(__file__).parents[2] / "benchmarks" / "inference_node.py"
    done = subprocess.run(
        [sys.executable, str(benchmark), "--rounds", "50", "--policies", str(bundle)],
        env=environment, cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    for name in ("answer 50 %", "actor 50 %", "memory, inference / empty", "start to first"):
        assert name in done.stdout, done.stdout + done.stderr
    assert "memory, inference / empty                      1." in done.stdout


@pytest.mark.parametrize("executable", ["rsu_leader", "rsu_inference"])
def test_an_rsu_offers_the_quality_that_its_twins_earn(
    executable: str, start_node: Callable[..., Any], av: Callable[..., Any], listener: Any,
    heard: Any, wait_until: Callable[..., None],
):  # fmt: skip
    from lifecycle_msgs.msg import Transition
    from lifecycle_msgs.srv import ChangeState

    from veaat_migration import msg
    from veaat_migration.nodes import qos

    qualities = listener.node.create_publisher(msg.ServiceQuality, "service_quality", qos.LATCHED)
    parameters = {"rsu_id": 1, "quality": 1.0, "unit_cost": 2.0, "price_max": 30.0}
    parameters |= {"join_listen": 0.1, "round_period": 0.02, "follow_quality": True}
    start_node(executable, "rsu_1", **parameters)
    av(1)

    def offered() -> float:
        return heard.offers[-1].quality if heard.offers else 0.0

    wait_until(lambda: offered() == 1.0, "it plays")
    qualities.publish(msg.ServiceQuality(rsu_id=1, quality=1.5))
    wait_until(lambda: offered() == 1.5, "its own quality counts")
    for rsu_id, quality in ((2, 3.0), (1, -1.0), (1, 2.5)):
        qualities.publish(msg.ServiceQuality(rsu_id=rsu_id, quality=quality))
    wait_until(lambda: offered() == 2.5, "the next one too")
    qualities.publish(msg.ServiceQuality(rsu_id=1, quality=-1.0))
    assert {offer.quality for offer in heard.offers} == {1.0, 1.5, 2.5}
    if executable == "rsu_leader":
        return
    client = listener.node.create_client(ChangeState, "rsu_1/change_state")
    for transition in (Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_ACTIVATE):
        request = ChangeState.Request(transition=Transition(id=transition))
        future = client.call_async(request)
        wait_until(future.done, "the state changes")
        assert future.result().success
    wait_until(
        lambda: heard.offers[-1].session != heard.offers[0].session, "its next life has begun"
    )
    assert offered() == 2.5, "nobody says it again"
