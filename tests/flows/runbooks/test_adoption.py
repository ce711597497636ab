"""Machines that were adopted, and are not as they were."""

import pytest

from domain.kernel.errors import InvalidSpec
from domain.kernel.names import NODES
from flows.runbooks.adopt import adopt_machine
from tasks.adoption import find_released, plan_adoption
from tasks.executors import PlainSteps
from tasks.overview import need_spec
from tasks.runs import only_run
from tests.flows.runbooks.world import World


def test_the_node_of_a_machine_that_is_gone_is_named(world: World) -> None:
    """Else nothing would tell how the node goes: only machines of the cluster are looked after."""
    world.provision()
    other = world.create_other().id
    cluster = world.open()
    with only_run(cluster):
        wanting = cluster.wanting(need_spec(cluster), accept_new_host_keys=True)
        adopt_machine(PlainSteps(world.clock), wanting, plan_adoption(wanting, other, NODES))
    world.cloud.terminate_instances([other])
    while any(one.is_alive for one in world.onlooker.read_instances([other])):
        world.clock.sleep(1)
    name = f"k8s-node-{other.removeprefix('i-')}"
    with pytest.raises(InvalidSpec, match=f"does not exist any more; .*kubectl delete node {name}"):
        find_released(wanting, other)
    with pytest.raises(InvalidSpec, match="no node of cluster demo is the adopted machine i-else"):
        find_released(wanting, "i-else")
