"""The notes of creates whose outcome is not known."""

from typing import Any, cast

import pytest

from domain.cloud.api import Cloud
from domain.cloud.creating import ACTING
from domain.cloud.journal import acting_for, journaled
from domain.cloud.records import Instance, InstanceSpec, Launch
from domain.kernel.errors import Refused, UnknownOutcome
from domain.kernel.names import NODES
from tests.domain.clocks import JumpingClock
from tests.domain.makers import make_instance
from tests.memory_vault import MemoryJournal


class Ended(BaseException):
    """The run was killed."""


class Machines:
    """The part of a cloud that starts machines, and lists them."""

    def __init__(self) -> None:
        self.existing: list[Instance] = []
        self.sent = 0
        self.outcome: BaseException | None = None

    def run_instances(self, spec: InstanceSpec) -> Launch:
        self.sent += 1
        if self.outcome:
            raise self.outcome
        self.start(spec.count)
        return Launch((), "j-1")

    def start(self, count: int) -> None:
        first = len(self.existing) + 1
        self.existing += [make_instance(first + number) for number in range(count)]

    def find_instances(self, prefix: str) -> list[Instance]:
        return list(self.existing)


def request(count: int) -> InstanceSpec:
    name = make_instance(1, NODES).name
    return InstanceSpec(name, count, "noble", "s1", 20, "vxnet-a", "kp-a", "sg-m", "uda-1")


@pytest.fixture
def machines() -> Machines:
    return Machines()


@pytest.fixture
def clock() -> JumpingClock:
    return JumpingClock()


@pytest.fixture
def journal(clock: JumpingClock) -> MemoryJournal:
    return MemoryJournal(clock)


@pytest.fixture
def cloud(machines: Machines, journal: MemoryJournal) -> Any:
    return journaled(cast(Cloud, machines), journal)


def kill(machines: Machines, cloud: Any, count: int) -> None:
    machines.outcome = Ended()
    with pytest.raises(Ended):
        cloud.run_instances(request(count))
    machines.outcome = None


def test_a_create_of_a_killed_run_is_not_sent_again_while_it_may_act(
    machines: Machines, cloud: Any, journal: MemoryJournal, clock: JumpingClock
) -> None:
    kill(machines, cloud, 2)
    clock.sleep(40)
    with pytest.raises(UnknownOutcome, match="sent this call 40 s ago"):
        cloud.run_instances(request(2))
    assert machines.sent == 1
    assert acting_for(journal) == ACTING.timeout - 40
    clock.sleep(ACTING.timeout)
    cloud.run_instances(request(2))
    assert (machines.sent, journal.ages()) == (2, {})


def test_machines_that_appeared_end_the_note_of_their_call(
    machines: Machines, cloud: Any, journal: MemoryJournal
) -> None:
    cloud.run_instances(request(3))
    cloud.find_instances("k8s.demo.")
    kill(machines, cloud, 2)
    machines.start(1)
    cloud.find_instances("k8s.demo.")
    assert journal.ages() != {}
    machines.start(1)
    cloud.find_instances("k8s.demo.")
    assert journal.ages() == {}
    cloud.run_instances(request(1))


def test_a_refusal_ends_the_note(machines: Machines, cloud: Any, journal: MemoryJournal) -> None:
    machines.outcome = Refused("no")
    with pytest.raises(Refused):
        cloud.run_instances(request(1))
    assert journal.ages() == {}


def test_a_lost_reply_keeps_it(machines: Machines, cloud: Any, journal: MemoryJournal) -> None:
    machines.outcome = UnknownOutcome("no reply")
    with pytest.raises(UnknownOutcome):
        cloud.run_instances(request(1))
    assert list(journal.ages()) == ["run_instances k8s.demo.k8s-node to 1"]


def test_a_teardown_does_not_wait_for_rules(journal: MemoryJournal) -> None:
    journal.begin("add_rules sg-1")
    assert acting_for(journal) == 0
