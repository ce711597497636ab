"""Whether a machine serves, from the cloud's state, its age and its node."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.cloud.records import InstanceStatus
from domain.cluster.api import Node
from domain.kernel.names import NODES, node_name
from domain.node.serving import (
    BOOTING,
    LEAVING,
    NOT_READY,
    SERVING,
    Fault,
    Kubelet,
    Machine,
    Patience,
    Standing,
    State,
    find_standing,
    find_standings,
)
from tests.domain.makers import CREATED, make_instance

RUNNING, STOPPED = InstanceStatus.RUNNING, InstanceStatus.STOPPED
UNPAID = InstanceStatus.SUSPENDED
YOUNG, OLD = Machine(RUNNING, "", 60), Machine(RUNNING, "", 3600)
READY, SILENT = Kubelet(ready=True), Kubelet(ready=False, unready_seconds=299)
DEAD = Kubelet(ready=False, unready_seconds=300)


def broken(fault: Fault) -> Standing:
    return Standing(State.BROKEN, fault)


@pytest.mark.parametrize(
    ("machine", "kubelet", "standing"),
    [
        pytest.param(YOUNG, None, BOOTING, id="boots"),
        pytest.param(Machine(InstanceStatus.PENDING, "creating", 5), None, BOOTING, id="pending"),
        pytest.param(YOUNG, SILENT, BOOTING, id="has joined and is not Ready yet"),
        pytest.param(YOUNG, READY, SERVING, id="joined quickly"),
        pytest.param(OLD, READY, SERVING, id="serves"),
        pytest.param(OLD, None, broken(Fault.NO_NODE), id="never joined"),
        pytest.param(OLD, SILENT, NOT_READY, id="silent for a short time"),
        pytest.param(OLD, DEAD, broken(Fault.NOT_READY), id="silent for long"),
        pytest.param(replace(YOUNG, status=STOPPED), None, broken(Fault.STOPPED), id="stopped"),
        pytest.param(
            replace(OLD, status=STOPPED), READY, broken(Fault.STOPPED), id="stopped, still Ready"
        ),
        pytest.param(replace(OLD, transition="stopping"), READY, broken(Fault.STOPPED), id="stops"),
        pytest.param(replace(OLD, status=UNPAID), DEAD, broken(Fault.SUSPENDED), id="unpaid"),
        pytest.param(
            Machine(STOPPED, "starting", 9999), DEAD, BOOTING, id="is being started again"
        ),
        pytest.param(Machine(RUNNING, "terminating", 9999), READY, LEAVING, id="is being deleted"),
        pytest.param(None, READY, broken(Fault.GONE), id="a node has lost its machine"),
    ],
)  # fmt: skip
def test_standing_of_a_machine(
    machine: Machine | None, kubelet: Kubelet | None, standing: Standing
) -> None:
    assert find_standing(machine, kubelet) == standing


def test_a_machine_that_is_being_removed_leaves_whatever_else_is_wrong() -> None:
    assert find_standing(replace(OLD, status=STOPPED), DEAD, leaving=True) == LEAVING


@given(
    status=st.sampled_from(InstanceStatus),
    transition=st.sampled_from(["", "starting", "stopping", "resuming", "terminating", "updating"]),
    age=st.floats(0, 10_000),
    kubelet=st.none() | st.builds(Kubelet, st.booleans(), st.floats(0, 1000)),
    leaving=st.booleans(),
)
def test_each_machine_has_one_standing_and_only_a_broken_one_has_a_fault(
    status: InstanceStatus, transition: str, age: float, kubelet: Kubelet | None, leaving: bool
) -> None:
    found = find_standing(Machine(status, transition, age), kubelet, leaving=leaving)
    assert found.is_broken is (found.fault is not None)
    if found.state is State.SERVING:
        assert kubelet
        assert kubelet.ready
        assert status in (RUNNING, InstanceStatus.PENDING) or transition
    if found.state is State.BOOTING and transition == "":
        assert age < Patience().boot


def test_standings_of_a_group_use_the_machines_and_their_nodes() -> None:
    machines = [make_instance(1), make_instance(2), make_instance(3, status=STOPPED)]
    names = [node_name(NODES, machine.id) for machine in machines]
    nodes = [Node(names[0], "", True, True, 40), Node(names[2], "", True, True, 40)]
    found = find_standings(NODES, machines, nodes, CREATED + timedelta(minutes=30))
    assert [found[machine.id].words for machine in machines] == [
        "serving",
        "broken: it has not become a node in its time",
        "broken: it is stopped",
    ]
