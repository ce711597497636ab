"""Leftovers of an account: what belongs to no living cluster."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime

from domain.cloud import addons
from domain.cloud.addons import AddOns, Requests
from domain.cloud.foreign import Surroundings, read_surroundings
from domain.cloud.inventory import Inventory
from domain.cloud.leftovers import Clusters, Orphans, find_clusters, find_orphans
from domain.cloud.plan import Action, Plan, PlanItem
from domain.cloud.planning import TORN_DOWN, plan_teardown
from domain.cluster.addons import read_requests
from domain.kernel.ensured import Ensured
from domain.kernel.errors import ClusterError
from domain.observe.cost import lives_of, lives_of_addons, price_items
from domain.spec.prices import Prices
from tasks.cluster import Cluster
from tasks.control_plane import answers
from tasks.steps import run_logger, step


@dataclass(frozen=True, slots=True)
class Leftovers:
    """Everything that is left over, and the plan that names it with its price."""

    clusters: Clusters
    orphans: Orphans
    plan: Plan


Opened = Callable[[str], AbstractContextManager[Cluster]]
"""Opens the handle of a cluster of the account by its name."""


def find_leftovers(
    cluster: Cluster, open_other: Opened, now: datetime, *, volumes: bool = False
) -> Leftovers:
    """Read the account's resources, and ask the living clusters what is theirs.

    Args:
        cluster: the handle whose client of the cloud is used.
        now: the present; what is young is left alone.
        volumes: whether volumes that no machine uses are left over.
    """
    cloud = cluster.cloud
    clusters = find_clusters(cloud, now)
    requests: dict[str, Requests | None] = {}
    vxnets = set(clusters.adopted)  # others use these networks as well
    for name in (*clusters.living, *clusters.young):
        with open_other(name) as other:
            requests[name] = _ask(other) if name in clusters.living else Requests()
        vxnets |= {one.id for one in cloud.find_vxnets(f"k8s.{name}.")}
    orphans = find_orphans(cloud, requests, vxnets, now)
    items: list[PlanItem] = []
    for name in clusters.dead:
        with open_other(name) as dead:
            items += _plan_dead(dead)
    planned = {item.id for item in items}  # what is inside a dead cluster goes with it
    orphaned = _plan_orphans(orphans, volumes=volumes)
    items += [item for item in orphaned if item.id not in planned]
    return Leftovers(clusters, orphans, Plan("", tuple(items)))


def _ask(cluster: Cluster) -> Requests | None:
    """What a living cluster asks its add-ons for; None where it does not answer."""
    try:
        return read_requests(cluster.api()) if answers(cluster) else None
    except ClusterError as error:
        run_logger().warning("cluster %s cannot be asked: %s", cluster.name, error)
        return None


def _plan_dead(cluster: Cluster) -> Iterator[PlanItem]:
    """The resources of a dead cluster; one that cannot be told from others is kept whole."""
    try:
        seen = cluster.inventory()
        around = read_surroundings(cluster.cloud, seen, Requests())
    except ClusterError as error:
        yield PlanItem("cluster", cluster.name, Action.KEEP, str(error))
        return
    lives = (*lives_of(seen), *lives_of_addons(around.addons))
    why = f"cluster {cluster.name} has no {'master' if seen.vpc else 'router'}"
    for item in price_items(_items_of(seen, around), lives, Prices()):
        reason = why if item.reason == TORN_DOWN else f"{why}; {item.reason}"
        yield replace(item, reason=reason)


def _items_of(seen: Inventory, around: Surroundings) -> tuple[PlanItem, ...]:
    planned = plan_teardown(seen, around)
    if not around.foreign:
        return planned.items
    return tuple(replace(item, action=Action.KEEP) for item in planned.items)


def _plan_orphans(orphans: Orphans, *, volumes: bool) -> tuple[PlanItem, ...]:
    found = replace(orphans.sure, volumes=orphans.doubtful)
    why = f"cluster {', '.join(orphans.silent)} does not answer, and it may be its"
    action = Action.KEEP if orphans.silent else Action.DELETE
    items = [
        replace(item, action=action, reason=why if orphans.silent else "no cluster uses it")
        for item in plan_teardown(Inventory(""), Surroundings(found)).items
    ]
    if not volumes and not orphans.silent:
        unasked = "no machine uses it; --volumes deletes it"
        items = [
            replace(item, action=Action.KEEP, reason=unasked) if item.kind == "volume" else item
            for item in items
        ]
    return price_items(items, lives_of_addons(found), Prices())


@step("what add-ons have left")
def remove_orphans(cluster: Cluster, found: AddOns) -> Ensured[None]:
    """Delete what add-ons have made and no cluster uses."""
    done = addons.remove_balancers(cluster.cloud, found, cluster.clock)
    if not found.volumes:
        return done
    volumes = addons.remove_volumes(cluster.cloud, found, cluster.clock)
    return Ensured(None, f"{done.did}; {volumes.did}")
