"""Each change of the cloud is announced once it was accepted, with the ids of its resources."""

from contextlib import suppress
from typing import Any, cast

import pytest

from domain.cloud.announcing import EVENTS, WorldChange, announcing
from domain.cloud.api import Cloud
from domain.cloud.known import CHANGES
from domain.cloud.records import InstanceSpec, Launch
from domain.kernel.errors import UnknownOutcome
from domain.spec.prices import Billing

GROUP = InstanceSpec("k8s.demo.k8s-node", 2, "noble", "s1", 20, "vxnet-a", "kp-a", "sg-m", "uda-1")


class Answering:
    """A cloud that gives one answer to every call."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any) -> Any:
            if isinstance(self._answer, BaseException):
                raise self._answer
            return self._answer

        return call


def announced(call: str, *args: Any, answer: Any = "j-1") -> list[WorldChange]:
    heard: list[WorldChange] = []
    cloud = announcing(cast(Cloud, Answering(answer)), heard.append)
    with suppress(UnknownOutcome):
        assert getattr(cloud, call)(*args) == answer
    return heard


def test_every_call_that_changes_something_has_an_event() -> None:
    assert EVENTS.keys() == CHANGES.keys()


@pytest.mark.parametrize(
    ("call", "args", "answer", "change"),
    [
        pytest.param(
            "run_instances",
            (GROUP,),
            Launch(("i-1", "i-2"), "j-1"),
            WorldChange("machine", "added", ("i-1", "i-2"), "k8s.demo.k8s-node"),
            id="machines are named by the reply",
        ),
        pytest.param(
            "create_vpc",
            ("k8s.demo.router", "192.168.0.0/16", "sg-1"),
            ("rtr-1", "j-1"),
            WorldChange("router", "added", ("rtr-1",), "k8s.demo.router"),
            id="a reply with its job",
        ),
        pytest.param(
            "allocate_eip",
            ("k8s.demo.eip", 10, Billing.TRAFFIC),
            "eip-1",
            WorldChange("address", "added", ("eip-1",), "k8s.demo.eip"),
            id="a reply that is the id",
        ),
        pytest.param(
            "terminate_instances",
            (["i-1", "i-2"],),
            "j-1",
            WorldChange("machine", "removed", ("i-1", "i-2")),
            id="what is deleted is in the call",
        ),
        pytest.param(
            "delete_vpc", ("rtr-1",), "j-1", WorldChange("router", "removed", ("rtr-1",)), id="one"
        ),
        pytest.param(
            "leave_router",
            ("rtr-1", ["vxnet-1"]),
            "j-1",
            WorldChange("vxnet", "left", ("vxnet-1",)),
            id="the second argument is what leaves",
        ),
    ],
)
def test_a_change_names_its_resources(
    call: str, args: tuple[Any, ...], answer: Any, change: WorldChange
) -> None:
    assert announced(call, *args, answer=answer) == [change]


def test_a_read_is_not_announced() -> None:
    assert announced("find_vpcs", "k8s.demo", answer=[]) == []


def test_a_change_without_a_reply_is_not_announced() -> None:
    assert announced("delete_vpc", "rtr-1", answer=UnknownOutcome("the reply was lost")) == []
