"""Deletions that the cloud refuses at first, and resources that another run has deleted."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from domain.cloud import teardown
from domain.cloud.deleting import REFUSED_FOR
from domain.cloud.inventory import Inventory
from domain.cloud.records import Instance, InstanceStatus, Job, JobStatus
from domain.kernel.errors import FinalError, NotFound, Refused
from domain.spec.cluster import ClusterSpec
from tests.domain.clocks import JumpingClock
from tests.domain.makers import make_instance, make_view


class Machines:
    """The part of a cloud that ends machines; terminates only what is running, as the real one."""

    def __init__(self, *machines: Instance, refusals: Sequence[FinalError] = ()) -> None:
        self.machines = {machine.id: machine for machine in machines}
        self.refusals = list(refusals)

    def find_instances(self, prefix: str) -> list[Instance]:
        return [machine for machine in self.machines.values() if machine.is_alive]

    def terminate_instances(self, ids: Sequence[str]) -> str:
        if self.refusals:
            raise self.refusals.pop(0)
        for machine_id in ids:
            if not self.machines[machine_id].is_alive:
                raise Refused(f"{machine_id} is not running")
            ceased = replace(self.machines[machine_id], status=InstanceStatus.CEASED)
            self.machines[machine_id] = ceased
        return "j-1"

    def read_jobs(self, ids: Sequence[str]) -> list[Job]:
        return [Job(job_id, "TerminateInstances", JobStatus.SUCCESSFUL) for job_id in ids]


ONE, TWO = make_instance(1), make_instance(2)


def remove(cloud: Machines, clock: JumpingClock) -> None:
    teardown.remove_machines(cloud, "demo", [ONE, TWO], clock)  # type: ignore[arg-type]


def test_machines_that_another_run_has_deleted_do_not_stop_the_others() -> None:
    cloud = Machines(replace(ONE, status=InstanceStatus.CEASED), TWO)
    remove(cloud, JumpingClock())
    assert not any(machine.is_alive for machine in cloud.machines.values())


@pytest.mark.parametrize("refusal", [Refused("still used"), NotFound("i-1")], ids=repr)
def test_a_deletion_that_is_refused_for_a_moment_is_retried(refusal: FinalError) -> None:
    cloud = Machines(ONE, TWO, refusals=[refusal] * 3)
    remove(cloud, JumpingClock())
    assert not any(machine.is_alive for machine in cloud.machines.values())


def test_a_deletion_that_stays_refused_fails_with_the_reason() -> None:
    clock = JumpingClock()
    with pytest.raises(Refused, match="you may not"):
        remove(Machines(ONE, TWO, refusals=[Refused("you may not")] * 100), clock)
    assert clock.monotonic() < 2 * REFUSED_FOR


class Growing:
    """A cluster to which another run adds a machine, so many times, while it is swept."""

    def __init__(self, times: int) -> None:
        self.view = make_view(ClusterSpec(), nodes=1)
        self.times = times
        self.swept: list[int] = []

    def sweep(self, view: Inventory) -> None:
        self.swept.append(len(view.instances))
        self.view = Inventory(view.name)
        if len(self.swept) <= self.times:
            self.view = replace(self.view, instances=(make_instance(len(self.swept)),))

    def take_down(self) -> None:
        teardown.sweep_until_gone(self.view, self.sweep, lambda: self.view)


def test_a_cluster_that_no_run_adds_to_is_swept_once() -> None:
    cluster = Growing(times=0)
    cluster.take_down()
    assert cluster.swept == [2]


def test_resources_that_another_run_adds_are_swept_too() -> None:
    cluster = Growing(times=2)
    cluster.take_down()
    assert cluster.swept == [2, 1, 1]


def test_a_cluster_that_never_stops_growing_fails_and_names_its_resources() -> None:
    cluster = Growing(times=100)
    with pytest.raises(FinalError, match=r"grows again .*\(machine i-k8s-node3\); end the auto"):
        cluster.take_down()
