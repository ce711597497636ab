"""What is asked for, and which answers count."""

from typing import Any

import pytest

from domain.cloud.plan import Action, Plan, PlanItem
from domain.kernel.errors import NotConfirmed
from tasks.approval import Approval, check_answer, needs_approval

pytestmark = pytest.mark.pure


def plan(*actions: Action, cluster: str = "demo") -> Plan:
    items = (PlanItem("machine", "k8s.demo.k8s-node", one, "more than wanted") for one in actions)
    return Plan(cluster, tuple(items))


@pytest.mark.parametrize(
    ("actions", "bills", "asked"),
    [
        pytest.param((), True, False, id="nothing changes"),
        pytest.param((Action.KEEP,), True, False, id="everything is kept"),
        pytest.param((Action.CREATE,), False, False, id="a purchase that costs nothing"),
        pytest.param((Action.CREATE,), True, True, id="a purchase"),
        pytest.param((Action.CREATE, Action.DELETE), False, True, id="a deletion"),
        pytest.param((Action.REPLACE,), False, True, id="a replacement"),
    ],
)
def test_what_deletes_or_costs_is_asked_for(
    actions: tuple[Action, ...], bills: bool, asked: bool
) -> None:
    assert needs_approval(plan(*actions), bills=bills) is asked


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        pytest.param({}, "was not approved; nothing was changed", id="submitted as it is"),
        pytest.param(
            {"cluster": "demo", "reason": "not today"}, r"not approved \(not today\)", id="no"
        ),
        pytest.param({"approve": True}, "type 'demo'", id="no name"),
        pytest.param(
            {"approve": True, "cluster": "demo2"}, "'demo2', which is another", id="other"
        ),
        pytest.param({"approve": True, "cluster": "Demo"}, "'Demo', which is another", id="case"),
    ],
)
def test_an_answer_without_the_name_changes_nothing(answer: dict[str, Any], words: str) -> None:
    with pytest.raises(NotConfirmed, match=words):
        check_answer(Approval(**answer), plan(Action.DELETE))


def test_leftovers_have_no_name_to_type() -> None:
    leftovers = plan(Action.DELETE, cluster="")
    check_answer(Approval(approve=True), leftovers)
    with pytest.raises(NotConfirmed, match="leave the name empty"):
        check_answer(Approval(approve=True, cluster="demo"), leftovers)
