"""The plan of a repair of what has drifted."""

from domain.cloud.plan import Action
from domain.kernel.names import NODES
from flows.drift import plan_repair
from tasks.overview import need_cluster, need_spec
from tests.flows.runbooks.world import SPEC, World


def test_machines_beyond_the_description_are_in_the_plan(world: World) -> None:
    world.provision()
    world.scale(SPEC.nodes.count + 1)
    cluster = world.open()
    need_cluster(cluster)
    planned = plan_repair(cluster, need_spec(cluster).with_count(NODES, SPEC.nodes.count))
    [leaving] = [item for item in planned.changes if item.action is Action.DELETE]
    assert (leaving.kind, leaving.billed) == ("machine", True)
