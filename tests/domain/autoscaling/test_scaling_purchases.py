"""Random pods, and machines that come other than promised: purchases for a pod are bounded."""

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.autoscaling.decide.evaluation import decide
from domain.autoscaling.decision import ScaleIn, ScaleOut
from domain.autoscaling.fit.packing import Room
from domain.autoscaling.fit.place import place_of_node
from domain.autoscaling.memory.pods import kind_of
from domain.autoscaling.see.placement import (
    HostPort,
    Operator,
    Placement,
    Requirement,
    Taint,
    Toleration,
)
from domain.autoscaling.see.snapshot import Resources, SeenMachine, SeenNode, SeenPod, Snapshot
from domain.spec.scaling import LowUse, ScalingPolicy
from tests.domain.autoscaling.scaling_makers import NOON, SIZE, TEMPLATE, make_snapshot, quiet

POLICY = ScalingPolicy(low_use=LowUse(seconds=60), cooldown_in_seconds=60, cooldown_out_seconds=0)
MINUTE = timedelta(minutes=1)
BOOT = 3
"""Minutes until a machine is a Ready node."""

ODD = Taint("vendor.example/odd")
EXPORTER = SeenPod("kube-system", "x", "DaemonSet", placement=Placement(host_ports=(HostPort(9),)))

SPECS = {
    "plain": {"requests": Resources(500, 2**29)},
    "large": {"requests": Resources(1800, 2**30)},
    "port": {"placement": Placement(host_ports=(HostPort(9),))},
    "picky": {"placement": Placement((Requirement("kubernetes.io/os", Operator.IN, ("linux",)),))},
    "tolerant": {"placement": Placement(tolerations=(Toleration(operator="Exists"),))},
}
DEFECTS = {
    "none": {},
    "taint": {"taints": (ODD,)},
    "small": {"allocatable": Resources(1000, 2**31)},
    "no label": {"labels": {}},
    "port taken": {"pods": (EXPORTER,)},
}
LABELS = {"kubernetes.io/os": "linux"}

pods = st.lists(st.tuples(st.sampled_from(sorted(SPECS)), st.integers(1, 4)), max_size=4)
defects = st.lists(st.sampled_from(sorted(DEFECTS)), min_size=1, max_size=6)


@dataclass
class World:
    """A cluster whose scheduler refuses some kinds of pods for reasons of its own."""

    waiting: list[SeenPod]
    defects: list[str]
    moody: str
    now: int = 0
    nodes: dict[str, SeenNode] = field(default_factory=dict)
    machines: list[SeenMachine] = field(default_factory=list)
    quiet_for: int = 0
    bought_machines: list[str] = field(default_factory=list)

    def snapshot(self) -> Snapshot:
        return replace(
            make_snapshot(maximum=30),
            time=NOON + self.now * MINUTE,
            nodes=tuple(self.nodes.values()),
            machines=tuple(self.machines),
            templates=(replace(TEMPLATE, labels=LABELS),),
            pending=tuple(self.waiting),
        )

    def buy(self, count: int) -> None:
        for _ in range(count):
            number = len(self.bought_machines)
            self.bought_machines.append(self.defects[number % len(self.defects)])
            name = f"k8s-node-{number}"
            self.machines.append(SeenMachine(f"i-{number}", name, NOON + self.now * MINUTE))

    def advance(self) -> None:
        self.now += 1
        for machine in self.machines:
            born = (machine.created_at - NOON) / MINUTE
            if machine.node not in self.nodes and self.now >= born + BOOT:
                number = int(machine.node.rpartition("-")[2])
                node = SeenNode(machine.node, allocatable=SIZE, places=40, labels=LABELS)
                defect = DEFECTS[self.bought_machines[number]]
                self.nodes[machine.node] = replace(node, **defect)  # type: ignore[arg-type]
        for pod in list(self.waiting):
            if pod.name.partition("-")[0] == self.moody:
                continue
            room = Room([place_of_node(node) for node in self.nodes.values()])
            for place in room.places:
                if room.misfit(pod, place) is None:
                    node = self.nodes[place.name]
                    self.nodes[place.name] = replace(node, pods=(*node.pods, pod))
                    self.waiting.remove(pod)
                    break

    def remove(self, machine: str, node: str) -> None:
        self.machines = [one for one in self.machines if one.id != machine]
        left = self.nodes.pop(node)
        self.waiting += [pod for pod in left.pods if pod.is_workload]


@settings(max_examples=60, deadline=None)
@given(pods, defects, st.sampled_from(["", *sorted(SPECS)]))
def test_purchases_for_pods_that_do_not_take_them_are_bounded(
    wanted: list[tuple[str, int]], defects: list[str], moody: str
) -> None:
    """At most two for one kind, although every machine may come with a defect; then it rests."""
    waiting = [
        SeenPod("default", f"{kind}-{group}-{n}", healthy=False, **SPECS[kind])  # type: ignore[arg-type]
        for group, (kind, count) in enumerate(wanted)
        for n in range(count)
    ]
    world, ran = World(list(waiting), defects, moody), set[str]()
    memory = quiet(world.snapshot(), POLICY)
    purchases: Counter[str] = Counter()
    for _ in range(45):
        decision, memory = decide(world.snapshot(), POLICY, memory)
        if isinstance(decision, ScaleOut):
            purchases.update(set(memory.purchases[-1].pods.values()))
            world.buy(decision.add)
        elif isinstance(decision, ScaleIn):
            world.remove(decision.machine, decision.node)
        world.quiet_for = 0 if decision.target != decision.basis.size else world.quiet_for + 1
        world.advance()
        ran |= {kind_of(pod) for node in world.nodes.values() for pod in node.pods}
    assert world.quiet_for >= 10, "it does not rest"
    for kind, count in purchases.items():
        alike = sum(kind_of(pod) == kind for pod in waiting)
        assert count <= (alike + 2 if kind in ran else 2)
    if defects == ["none"]:
        assert {pod.name.partition("-")[0] for pod in world.waiting} <= {moody}
