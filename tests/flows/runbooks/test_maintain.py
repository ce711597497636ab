"""Certificates of masters are renewed in time, and only then."""

from datetime import UTC, datetime, timedelta

import pytest

from domain.kernel.errors import InvalidSpec
from flows.runbooks.maintain import renew
from tasks.certificates import Renewals, find_renewals
from tasks.executors import PlainSteps
from tasks.metrics import need_machines
from tasks.overview import need_spec, read_status
from tests.flows.runbooks.world import World


def maintain(world: World, *asked: str) -> Renewals:
    cluster = world.open()
    cluster = cluster.wanting(need_spec(cluster))
    found = find_renewals(cluster, need_machines(cluster), asked)
    renew(PlainSteps(world.clock), cluster, found)
    return found


def master(world: World) -> str:
    [found] = [machine.id for machine in world.machines() if "master" in machine.name]
    return found


def test_what_ends_soon_is_renewed_once(world: World) -> None:
    world.provision()
    assert maintain(world).plan().items == ()
    world.ends[master(world)] = datetime.now(UTC) + timedelta(days=20)
    [item] = maintain(world).plan().items
    assert item.reason.startswith("1 certificates are renewed")
    assert maintain(world).plan().items == ()
    assert len(maintain(world, "all").masters) == 1


def test_a_renewal_that_was_cut_off_is_brought_into_use(world: World) -> None:
    world.provision()
    world.renewing.add(master(world))
    [item] = maintain(world).plan().items
    assert "brought into use" in item.reason
    assert maintain(world).plan().items == ()


def test_the_rotation_of_the_authority_is_refused_by_name(world: World) -> None:
    world.provision()
    with pytest.raises(InvalidSpec, match="ca is an authority of the cluster and is not rotated"):
        maintain(world, "ca")


def test_status_names_all_ends_and_goes_on_where_a_master_cannot_be_reached(world: World) -> None:
    world.provision()
    names = [one.name for one in read_status(world.open()).certificates]
    assert names == ["apiserver", "ca", "kubelet"]
    world.mute = True
    assert read_status(world.open()).certificates == ()
