"""All checks in order: collectors first, then what they found judged."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from veaat_migration.doctor import machine, software
from veaat_migration.doctor.collect import machine_facts, software_facts
from veaat_migration.doctor.finding import Finding, fail, skip
from veaat_migration.doctor.interfaces import check_interfaces, interface_facts
from veaat_migration.doctor.network import check_network
from veaat_migration.doctor.policies import check_policy
from veaat_migration.policy.onnx_runtime import SHORT_NAMES


def examine(
    *,
    policies: Sequence[Path] = (),
    public_key: Path | None = None,
    providers: Sequence[str] = (),
    namespace: str = "/veaat",
    listen: float = 4.0,
    bags: Path = Path(),
    odometry: str = "",
) -> list[Finding]:
    """Check everything that can be checked here.

    Args:
        policies: policy files and bundles.
        public_key: key that they must be signed for; None: signatures are not compared.
        providers: execution providers of onnxruntime that must be there.
        namespace: of the game.
        listen: how long to listen to the network [s]; 0: not at all.
        bags: where recordings go.
        odometry: topic of the vehicle's odometry; empty: not looked for.
    """
    facts, here = software_facts(), machine_facts(bags)
    findings: list[Finding | None] = [
        software.check_python(facts),
        software.check_numpy(facts),
        software.check_ros(facts, date.today()),
        check_interfaces(interface_facts(), ros=facts.rclpy is not None),
        software.check_onnxruntime(
            facts, [SHORT_NAMES.get(name.lower(), name) for name in providers]
        ),
        software.check_middleware(facts),
        software.check_domain(facts),
        software.check_discovery(facts),
        machine.check_shared_memory(here),
        machine.check_clock(here),
        machine.check_governor(here),
        machine.check_jetson(here),
        machine.check_disk(here),
        *(check_policy(path, public_key) for path in policies),
        *_network(namespace, listen, odometry, ready=facts.rmw is not None),
    ]
    return [finding for finding in findings if finding is not None]


def _network(namespace: str, listen: float, odometry: str, *, ready: bool) -> list[Finding]:
    if not ready:
        return [skip("network", "rclpy with a middleware is not here: source ROS 2 to look at it")]
    if listen <= 0.0:
        return [skip("network", "not listened to (--listen 0)")]
    from veaat_migration.doctor.graph import network_facts

    try:
        return check_network(network_facts(namespace, listen, odometry))
    except Exception as error:  # what a middleware that cannot start raises differs
        text = " ".join(str(error).split())[:300]
        return [fail("network", f"no node can be started here: {text}", "see the findings above")]
