"""Lifecycle nodes: what fails in a transition, or comes at a wrong time, brings no node down."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from veaat_migration.errors import VeaatError

pytestmark = pytest.mark.ros


@pytest.fixture
def make_node(environment: dict[str, str]) -> Iterator[Callable[..., Any]]:
    """A lifecycle node whose transitions are written down, and fail when they are told to."""
    import rclpy
    from rclpy.parameter import Parameter

    from veaat_migration.nodes.lifecycle import ManagedLifecycleNode

    context = rclpy.Context()
    rclpy.init(context=context, domain_id=int(environment["ROS_DOMAIN_ID"]))
    nodes = []

    class Recorded(ManagedLifecycleNode):
        def __init__(self, **parameters: Any) -> None:
            self.done: list[str] = []
            self.errors: dict[str, Exception] = {}
            overrides = [Parameter(name, value=value) for name, value in parameters.items()]
            super().__init__("recorded", (), context=context, parameter_overrides=overrides)
            nodes.append(self)

        def _note(self, name: str) -> None:
            self.done.append(name)
            if name in self.errors:
                raise self.errors[name]

        def configure(self) -> None:
            self._note("configure")

        def activate(self) -> None:
            self._note("activate")

        def deactivate(self) -> None:
            self._note("deactivate")

        def cleanup(self) -> None:
            self._note("cleanup")

        def shut_down(self) -> None:
            self._note("shut_down")

    yield Recorded
    for node in nodes:
        node.destroy_node()
    context.try_shutdown()


def spin(node: Any, seconds: float) -> None:
    from rclpy.executors import SingleThreadedExecutor

    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    for _ in range(10):
        executor.spin_once(timeout_sec=seconds / 10)
    executor.shutdown()


def change(node: Any, **transition: Any) -> bool:
    """What a request to the service answers."""
    from lifecycle_msgs.msg import Transition
    from lifecycle_msgs.srv import ChangeState

    (service,) = [s for s in node.services if s.srv_type is ChangeState]
    request = ChangeState.Request(transition=Transition(**transition))
    success: bool = service.callback(request, ChangeState.Response()).success
    return success


def test_it_starts_by_itself(make_node: Callable[..., Any]):
    node = make_node()
    assert node.state_label == "unconfigured"
    spin(node, 0.5)
    assert node.done == ["configure", "activate"]
    assert node.is_active
    node.leave()
    node.leave()
    assert node.done[2:] == ["shut_down"]
    assert node.state_label == "finalized"


def test_a_manager_leads_it(make_node: Callable[..., Any]):
    node = make_node(autostart=False)
    spin(node, 0.2)
    assert node.done == []
    for label in ("configure", "activate", "deactivate", "cleanup", "configure"):
        assert change(node, label=label)
    assert node.state_label == "inactive"
    assert change(node, label="shutdown")
    assert node.done[-1] == "shut_down"
    spin(node, 1.0)
    assert node.ended
    assert node.exit_code == 0


def test_requests_at_a_wrong_time_are_answered(make_node: Callable[..., Any]):
    node = make_node(autostart=False)
    for transition in ({"label": "activate"}, {"label": "nonsense"}, {"id": 3}, {"id": 200}):
        assert not change(node, **transition)
        assert node.state_label == "unconfigured"
    assert change(node, id=1)
    assert node.state_label == "inactive"


@pytest.mark.parametrize(
    ("name", "labels", "state"),
    [
        ("configure", ["configure"], "unconfigured"),
        ("activate", ["configure", "activate"], "inactive"),
        ("deactivate", ["configure", "activate", "deactivate"], "active"),
        ("cleanup", ["configure", "cleanup"], "inactive"),
    ],
)
def test_a_refusal_keeps_the_state(
    make_node: Callable[..., Any], name: str, labels: list[str], state: str
):
    node = make_node(autostart=False)
    node.errors[name] = VeaatError("not today")
    *before, last = labels
    assert all(change(node, label=label) for label in before)
    assert not change(node, label=last)
    assert node.state_label == state
    assert node.last_error == f"{name}: not today"
    del node.errors[name]
    assert change(node, label=last)
    assert node.last_error == ""


def test_a_fault_leads_back_to_the_beginning(make_node: Callable[..., Any]):
    node = make_node(autostart=False)
    node.errors["activate"] = ZeroDivisionError("oops")
    assert change(node, label="configure")
    assert not change(node, label="activate")
    assert node.state_label == "unconfigured"
    assert node.done[-1] == "cleanup"
    assert "ZeroDivisionError: oops" in node.last_error


@pytest.mark.parametrize("name", ["configure", "activate"])
def test_a_node_that_cannot_start_by_itself_ends(make_node: Callable[..., Any], name: str):
    node = make_node()
    node.errors[name] = VeaatError("not today")
    spin(node, 0.5)
    assert node.ended
    assert node.exit_code == 2
    assert node.done[-1] == "shut_down"
