"""What the inference nodes of AVs and RSUs have in common: lifecycle, policy, one life each time.

unconfigured --configure--> inactive: policy loaded and tried, publishers made, releases followed
inactive --activate--> active: plays, with a session of its own
active --deactivate--> inactive: has said goodbye, is silent
inactive --cleanup--> unconfigured: everything is given back
"""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, Generic

from rclpy.node import Node
from rclpy.publisher import Publisher

from veaat_migration.nodes.conversion import Stamper
from veaat_migration.nodes.health import Section
from veaat_migration.nodes.life import Life
from veaat_migration.nodes.lifecycle import LifecycleMixin
from veaat_migration.nodes.parameters import declare
from veaat_migration.nodes.player import NAMESPACE, life_settings
from veaat_migration.nodes.policy_health import PolicyView, policy_section
from veaat_migration.nodes.policy_intake import PolicyIntake
from veaat_migration.nodes.policy_keeper import PolicyKeeper
from veaat_migration.nodes.policy_source import make_reception, read_first, read_kept
from veaat_migration.nodes.process import ManagedNode
from veaat_migration.nodes.reporting import Reporter
from veaat_migration.nodes.specification import ParameterSpec, Value, number, text
from veaat_migration.nodes.topics import MachineT, Topics
from veaat_migration.policy.interface import PolicyReport
from veaat_migration.policy.policy_store import PolicyStore
from veaat_migration.policy.reception import Reception
from veaat_migration.policy.slot import FollowerSlot, LeaderSlot
from veaat_migration.policy.verdict import Accepted


class InferenceNode(LifecycleMixin, ManagedNode, Generic[MachineT]):
    """Plays with a learned policy that may be replaced while it plays."""

    role: str
    """"leader" or "follower"."""

    def __init__(self, name: str, specs: Sequence[ParameterSpec], **node_options: Any) -> None:
        """Read and check the parameters.

        Args:
            name: name of the node.
            specs: its parameters.
            node_options: of :class:`rclpy.node.Node`.

        Raises:
            VeaatError: a parameter is missing or has no meaning.
        """
        node_options.setdefault("namespace", NAMESPACE)
        Node.__init__(self, name, **node_options)
        self.values: dict[str, Value] = declare(self, specs)
        self.executor_name = text(self.values, "executor")
        self._ends_with_game = bool(self.values["autostart"])
        self._session = 0
        self._life: Life[MachineT] | None = None
        self._slot: LeaderSlot | FollowerSlot | None = None
        self._topics: Topics[MachineT] | None = None
        self._reporter: Reporter | None = None
        self._reception: Reception | None = None
        self._intake: PolicyIntake | None = None
        self._keeper: PolicyKeeper | None = None
        self._problem = ""
        self._seen: PolicyView | None = None
        self._read_profile()
        self.begin_lifecycle(autostart=self._ends_with_game)

    # What the roles do.

    @abstractmethod
    def _read_profile(self) -> None:
        """Read the player's own data from the parameters, and raise where it makes no sense."""

    @abstractmethod
    def _agent(self) -> tuple[int, tuple[float, float]]:
        """The player's id, and its lowest and highest action."""

    @abstractmethod
    def _make_topics(self, stamp: Stamper) -> Topics[MachineT]:
        """The topics of the role."""

    @abstractmethod
    def _make_slot(self) -> LeaderSlot | FollowerSlot:
        """An empty slot with the best response behind it."""

    @abstractmethod
    def _make_machine(self, slot: Any, session: int) -> MachineT:
        """The state machine of one life, whose policy is in ``slot``."""

    def _after(self, outputs: Sequence[Any], now: float) -> None:
        """What there is to do after the machine's ``outputs`` were published."""

    def _more_sections(self) -> Iterable[Section]:
        """Further diagnostics of the role."""
        return ()

    # Lifecycle.

    def configure(self) -> None:
        """Load and try the policy, make the publishers, begin to follow releases."""
        agent_id, limits = self._agent()
        self._reception = reception = make_reception(self.values, self.role, agent_id, limits)
        problem = read_first(reception, text(self.values, "policy_path"))
        self._problem = f"policy_path: {problem}" if problem else ""
        stamp = Stamper(self)
        self._topics = self._make_topics(stamp)
        self._reporter = Reporter(self, stamp, self.get_name(), self._sections)
        if folder := text(self.values, "policy_store"):
            store = PolicyStore(folder, self.role, agent_id)
            judge = make_reception(self.values, self.role, agent_id, limits)
            read_kept(reception, store, judge)
            self._keeper = PolicyKeeper(store)
        if bool(self.values["policy_releases"]):
            self._intake = PolicyIntake(
                self,
                reception,
                self._play,
                timeout=number(self.values, "policy_timeout"),
                threaded=text(self.values, "policy_runtime") != "numpy",
            )
        if reception.current is not None:
            self._note(reception.current)

    def activate(self) -> None:
        """Begin to play, as a new life."""
        assert self._topics is not None
        assert self._reporter is not None
        assert self._reception is not None
        # Also where the clock has been set back since the life before.
        self._session = max(time.time_ns(), self._session + 1)
        self._slot = slot = self._make_slot()
        if self._reception.current is not None:
            slot.load(self._reception.current)
        machine = self._make_machine(slot, self._session)
        self._seen = None
        self._life = Life(
            self,
            machine,
            self._topics,
            self._reporter,
            publishers=self.publishers_to_flush(),
            **life_settings(self.values),
            on_finished=self._finished,
            after=self._after,
            meanwhile=getattr(machine, "rehearse", None),
        )

    def deactivate(self) -> None:
        """Say goodbye and be silent."""
        if self._life is not None:
            self._session = max(self._session, self._life.machine.session)
            self._life.leave()
            self._life.close()
        self._life = self._slot = None

    def cleanup(self) -> None:
        """Give everything back."""
        self.deactivate()
        if self._intake is not None:
            self._intake.destroy()
        if self._keeper is not None:
            self._keeper.close()
        if self._reporter is not None:
            self._reporter.destroy()
        if self._topics is not None:
            for publisher in self._topics.publishers:
                self.destroy_publisher(publisher)
        self._reporter = self._topics = self._reception = None
        self._intake = self._keeper = None

    def shut_down(self) -> None:
        """Say goodbye; the process ends."""
        if self._life is not None:
            self._life.leave()
        if self._keeper is not None:
            self._keeper.close()

    def publishers_to_flush(self) -> Sequence[Publisher]:
        """Everything this node says matters to the record."""
        if self._topics is None or self._reporter is None:
            return ()
        return (*self._topics.publishers, *self._more_publishers(), self._reporter.publisher)

    def _more_publishers(self) -> Sequence[Publisher]:
        """Further publishers of the role."""
        return ()

    def _finished(self) -> None:
        """The game is over: so is this process, unless somebody manages its life."""
        if self._ends_with_game and not self.ended:
            self.end()

    # Policies.

    def _play(self, accepted: Accepted) -> None:
        """Decide with another policy from the next decision on."""
        self._problem = ""
        if self._slot is not None:
            self._slot.load(accepted)
        self._note(accepted)

    def _note(self, accepted: Accepted) -> None:
        self.get_logger().info(f"policy version {accepted.version}, {accepted.sha256}")
        if self._keeper is not None:
            self._keeper.keep(accepted)

    def _sections(self) -> Iterable[Section]:
        reception = self._reception
        view = PolicyView(
            report=PolicyReport() if self._slot is None else self._slot.report(),
            runtime=text(self.values, "policy_runtime"),
            accepted=0 if reception is None else reception.accepted,
            refusals={}
            if reception is None
            else {reason.value: n for reason, n in reception.refusals.items()},
            last_refusal="" if reception is None else reception.last_refusal or "",
            problem=self._problem or ("" if self._keeper is None else self._keeper.problem),
            release="" if self._intake is None else self._intake.release,
        )
        section = policy_section(view, self._seen)
        self._seen = view
        return (section, *self._more_sections())
