"""A decision about a group's size, with its reason and the numbers behind it."""

from dataclasses import dataclass
from enum import StrEnum

from domain.kernel.texts import count_machines


class Reason(StrEnum):
    """Why the group changes or does not, or why a machine may not be removed.

    The texts are stored in the cluster's memory: a memory with a text that is not in this list
    cannot be read, and is dropped.
    """

    # It grows.
    BELOW_MINIMUM = "the group is below its minimum"
    PODS_WAIT = "pods wait for room"
    RULE_ADDS = "a metric rule adds"
    # It shrinks.
    ABOVE_MAXIMUM = "the group is above its maximum"
    RULE_REMOVES = "a metric rule removes"
    LOW_USE = "little is asked of a node"
    # A broken machine is removed.
    REPAIR = "a machine is broken"
    # It should grow, but not now.
    AT_MAXIMUM = "more is needed, but the group is at its maximum"
    MACHINES_BOOT = "machines that boot are not here yet"
    COOLING_OUT = "cooling down after the last addition"
    LAUNCHES_BACK_OFF = "launches failed, and are not tried again yet"
    NO_TEMPLATE = "it is not known what a new machine would look like"
    JOINS_FAILED = "new machines did not join, and no more are bought yet"
    MANY_BROKEN = "too many machines are broken at once"
    # It should shrink, but not now.
    AT_MINIMUM = "less would do, but the group is at its minimum"
    REMOVAL_UNDER_WAY = "another machine is on its way out"
    COOLING_IN = "cooling down before a removal"
    MANY_NOT_READY = "too many nodes are NotReady"
    NODES_CHANGED = "the nodes changed within the rule's window"
    CAME_BACK_BEFORE = "at this size and load, machines had to come back before"
    RULE_UNREADABLE = "it is not known whether a rule would add again"
    RULE_WOULD_ADD = "a rule would add again"
    # This machine may not be removed.
    HAND_MADE = "made by hand"
    EXEMPT = "exempt"
    REMOVAL_DISABLED = "annotated against scale-down"
    CORDONED = "cordoned by somebody else"
    NOT_READY = "its node is NotReady"
    DRAIN_FAILED = "it could not be emptied a while ago"
    MACHINE_WITHOUT_NODE = "the machine has no node"
    POD_HAS_NO_PLACE = "a pod would lose its place"
    POD_UNSAFE = "a pod is annotated against eviction"
    POD_ALONE = "a pod has no controller that would start it elsewhere"
    POD_KEEPS_DATA = "a pod keeps data on the node's disk"
    POD_OF_SYSTEM = "a pod of kube-system has no disruption budget"
    BUDGET_USED_UP = "a disruption budget allows no eviction now"
    BUDGETS_OVERLAP = "a pod has two disruption budgets, so it cannot be evicted"
    # Nothing to do.
    ALL_WELL = "every pod has room and no rule asks for a change"
    SAMPLES_MISSING = "samples are missing"
    UNKNOWN_METRIC = "nobody measures this metric"
    NO_NODES = "there is no node to measure"
    NOT_DUE = "the metric rules are looked at later"
    NO_MACHINE_HOLDS = "no machine of the group can hold a pod that waits"
    NOT_TAKEN = "a pod does not take a machine that should hold it"
    HELD = "a pod waits for something that no machine gives"
    LOW_PRIORITY = "the policy buys no machine for a pod of so low a priority"
    ARRIVED = "new machines are Ready, and their pods are not on them yet"
    ROOM_IS_THERE = "pods wait although there is room"
    NODE_WITHOUT_MACHINE = "a node has no machine"
    BROKEN = "it is broken"
    CLOCKS_DIFFER = "clocks differ"
    # Something is wrong with the question.
    ANOTHER_AUTOSCALER = (
        "another autoscaler runs in this cluster, and would undo what this one does"
    )
    BOUNDS_CONTRADICT = "the minimum in force is above the maximum"
    CLOCK_JUMPED = "the clock went backwards"


@dataclass(frozen=True, slots=True)
class Reading:
    """The reading of one rule.

    Args:
        rule: its title.
        value: the statistic over the samples; None where it is unknown.
        fires: whether the rule wants its step.
        obstacle: why the rule could not be evaluated, or was not due.
    """

    rule: str
    value: float | None
    threshold: float
    fires: bool = False
    obstacle: Reason | None = None

    @property
    def words(self) -> str:
        value = "?" if self.value is None else f"{self.value:.4g}"
        outcome = f", {self.obstacle}" if self.obstacle else ", holds" if self.fires else ""
        return f"{self.rule} (now {value}{outcome})"


@dataclass(frozen=True, slots=True)
class Note:
    """A fact about one subject: a machine, a node, a pod, a rule."""

    reason: Reason
    about: str
    detail: str = ""

    @property
    def words(self) -> str:
        return f"{self.about}: {self.reason}" + (f" ({self.detail})" if self.detail else "")


@dataclass(frozen=True, slots=True)
class Basis:
    """The facts behind a decision.

    Args:
        size: machines of the group that serve, boot or were launched, without those that are
            broken or being removed.
        booting: how many of them have no node yet and are still expected to join.
        detail: the number that decided, in words.
    """

    reason: Reason
    size: int
    booting: int = 0
    detail: str = ""
    readings: tuple[Reading, ...] = ()
    notes: tuple[Note, ...] = ()

    @property
    def why(self) -> str:
        return str(self.reason) + (f": {self.detail}" if self.detail else "")

    @property
    def facts(self) -> tuple[str, ...]:
        """The readings and the notes in words."""
        facts: tuple[Reading | Note, ...] = (*self.readings, *self.notes)
        return tuple(fact.words for fact in facts)


@dataclass(frozen=True, slots=True)
class ScaleOut:
    """Bring the group to `target` machines.

    Args:
        add: machines to buy.
        instance_type: of the new machines.
    """

    basis: Basis
    target: int
    add: int
    instance_type: str

    @property
    def sentence(self) -> str:
        return f"{self.basis.size} → {count_machines(self.target)}, because {self.basis.why}"


@dataclass(frozen=True, slots=True)
class ScaleIn:
    """Drain exactly this machine and remove it."""

    basis: Basis
    machine: str
    node: str

    @property
    def target(self) -> int:
        return self.basis.size - 1

    @property
    def sentence(self) -> str:
        return (
            f"{self.basis.size} → {count_machines(self.target)}, because {self.basis.why}; "
            f"{self.node} leaves"
        )


@dataclass(frozen=True, slots=True)
class Repair:
    """Remove exactly this broken machine, without waiting for its pods.

    Args:
        machine: empty where only its node is left.
    """

    basis: Basis
    machine: str
    node: str

    @property
    def target(self) -> int:
        return self.basis.size

    @property
    def sentence(self) -> str:
        return (
            f"stays at {count_machines(self.target)}, because {self.basis.why}; "
            f"{self.machine or self.node} leaves"
        )


@dataclass(frozen=True, slots=True)
class Hold:
    """Change nothing."""

    basis: Basis

    @property
    def target(self) -> int:
        return self.basis.size

    @property
    def sentence(self) -> str:
        return f"stays at {count_machines(self.basis.size)}, because {self.basis.why}"


Decision = ScaleOut | ScaleIn | Repair | Hold

KINDS: dict[type[Decision], str] = {
    ScaleOut: "out",
    ScaleIn: "in",
    Repair: "repair",
    Hold: "hold",
}
"""One word for each kind of decision, in the memory and in output."""
