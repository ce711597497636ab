import pytest

from domain.reports.cluster import NodeLine
from domain.reports.machines import (
    MachineState,
    MachineView,
    choose_shown,
    find_lone_nodes,
    lone_lines,
    match_machines,
    tally,
)
from tests.report_makers import make_machine, make_many, make_node, make_report


@pytest.mark.parametrize(
    ("node", "state"),
    [
        pytest.param(make_node(), MachineState.READY, id="ready"),
        pytest.param(make_node(schedulable=False), MachineState.CORDONED, id="cordoned"),
        pytest.param(make_node(ready=False), MachineState.NOT_READY, id="not ready"),
        pytest.param(
            make_node(ready=False, schedulable=False), MachineState.NOT_READY, id="both: worst wins"
        ),
        pytest.param(None, MachineState.NO_NODE, id="not joined"),
    ],
)
def test_state_of_a_machine_follows_from_its_node(
    node: NodeLine | None, state: MachineState
) -> None:
    assert MachineView(make_machine(), node).state is state


def test_state_of_a_machine_that_does_not_run_names_the_clouds_word() -> None:
    view = MachineView(make_machine(status="stopped"), make_node(ready=False))
    assert view.state_text == "NotReady (stopped)"


def test_broken_machine_is_shown_with_the_reason_whatever_its_node_says() -> None:
    view = MachineView(make_machine(status="stopped", fault="it is stopped"), make_node())
    assert (view.state, view.state_text) == (MachineState.BROKEN, "broken: it is stopped")


def test_node_without_a_machine_is_found() -> None:
    report = make_report(nodes=(make_node("k8s-node-a"), make_node("k8s-node-gone")))
    assert [node.name for node in find_lone_nodes(report)] == ["k8s-node-gone"]


def test_an_adopted_machine_is_named_apart_from_nodes_without_one() -> None:
    adopted = make_node("k8s-node-own", adopted="i-own", ready=False)
    report = make_report(nodes=(adopted, make_node("k8s-node-gone")))
    assert lone_lines(report) == [
        "Adopted machine i-own: node k8s-node-own NotReady",
        "Nodes without a machine: k8s-node-gone",
    ]


def test_tally_counts_only_the_states_that_occur() -> None:
    report = make_report(nodes=(make_node("k8s-node-a"), make_node("k8s-node-b", ready=False)))
    assert tally(match_machines(report)) == "1 Ready, 1 NotReady, 1 without a node"


def test_machine_in_trouble_is_shown_before_the_rest_is_cut() -> None:
    report = make_many(30)
    sick = make_node("k8s-node-029", ready=False)
    views = [
        MachineView(view.machine, sick if view.machine.name == sick.name else view.node)
        for view in match_machines(report)
    ]
    shown, hidden = choose_shown(views, 10)
    assert shown[0].machine.name == "k8s-node-029"
    assert (len(shown), len(hidden)) == (10, 20)
    assert {view.state for view in hidden} == {MachineState.READY}


def test_order_stays_where_all_fit() -> None:
    views = match_machines(make_report(nodes=(make_node("k8s-master-m"),)))
    assert choose_shown(views, 3) == (views, ())
