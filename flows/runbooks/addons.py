"""The runbook of add-ons: those that are wanted are installed, others of ours removed."""

from collections.abc import Collection

from domain.cluster.addon_objects import KEYS, AddOn, wanted_addons
from tasks.addons import (
    Keys,
    check_keys,
    end_made,
    install_addon,
    installed_addons,
    refuse_attached,
    refuse_used,
    remove_addon,
)
from tasks.cluster import Cluster
from tasks.executors import Steps


def prepare_addons(
    steps: Steps,
    cluster: Cluster,
    *,
    is_running: bool,
    going: Collection[AddOn] = (),
    keeps_others: bool = False,
) -> Keys:
    """Check the keys of the wanted add-ons, and that others can be removed, before any change.

    Args:
        is_running: whether the cluster's API answers.
        going: add-ons that are removed with what they have made.
        keeps_others: whether those stay that are not wanted.
    """
    wanted = wanted_addons(cluster.spec.addons)
    if is_running and not keeps_others:
        for addon in sorted(installed_addons(cluster) - wanted.keys() - set(going)):
            refuse_used(cluster, addon)
    if not KEYS.keys() & wanted.keys():
        return Keys()
    return steps.run(check_keys, cluster, is_running=is_running)


def ensure_addons(steps: Steps, cluster: Cluster, keys: Keys, *, removes_others: bool) -> None:
    """Install the wanted add-ons side by side; on demand, remove those that are not wanted."""
    wanted = wanted_addons(cluster.spec.addons)
    others = installed_addons(cluster) - wanted.keys() if removes_others else frozenset[AddOn]()
    installing = [steps.start(install_addon, cluster, addon, keys) for addon in wanted]
    for addon in sorted(others):
        steps.run(remove_addon, cluster, addon)
    for one in installing:
        one.result()


def remove_with_made(steps: Steps, cluster: Cluster, addon: AddOn) -> None:
    """Delete what an add-on has made for Services or claims, then the add-on itself."""
    refuse_attached(cluster, addon)
    steps.run(end_made, cluster, addon)
    steps.run(remove_addon, cluster, addon)
