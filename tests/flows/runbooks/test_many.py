"""Many machines at once cost as few calls as some."""

from collections import Counter

from domain.spec.cluster import changed
from tasks.overview import need_spec, wanted_spec
from tests.flows.runbooks.world import SPEC, World


def test_a_hundred_nodes_more_of_three_groups(world: World) -> None:
    small = {"count": 1, "maximum": 60}
    world.provision(spec=changed(SPEC, {"nodes": small, "groups": {"web": small, "batch": small}}))
    before = Counter(world.daemon.iaas.calls)
    cluster, many = world.open(), {"count": 35, "maximum": 60}
    given = {"nodes": {"count": 33}, "groups": {"web": many, "batch": many}}
    world.provision(spec=wanted_spec(cluster, need_spec(cluster), given))
    made = Counter(world.daemon.iaas.calls) - before
    assert len(world.nodes) == 1 + 33 + 35 + 35
    assert made["RunInstances"] == 3
    assert sum(made.values()) <= 75
