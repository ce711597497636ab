"""Install, change and remove the add-ons of a cluster: `python -m flows.addons`."""

from collections.abc import Sequence
from typing import Any

from prefect import flow
from prefect.task_runners import ThreadPoolTaskRunner

from blocks.accounts import QingCloudAccount
from domain.cluster.addon_objects import KEYS, AddOn, wanted_addons
from domain.kernel.errors import InvalidSpec
from domain.spec.cluster import ClusterName, ClusterSpec, changed
from flows._cli.command import cluster_name, read_document, run, session
from flows._cli.flags.addons import Flags, app
from flows._cli.parsing import parse
from flows.runbooks.addons import ensure_addons, prepare_addons, remove_with_made
from flows.runbooks.nodes import MOST_AT_ONCE
from tasks.addons import installed_addons, refuse_attached, requests_of
from tasks.cluster import Cluster, open_cluster
from tasks.control_plane import store_spec
from tasks.executors import PrefectSteps
from tasks.network import ensure_machine_group
from tasks.overview import need_cluster, need_spec
from tasks.run_log import keep_log_short
from tasks.runs import only_run


@flow(
    name="addons",
    flow_run_name="addons {name}",
    on_running=[keep_log_short],
    task_runner=ThreadPoolTaskRunner(max_workers=MOST_AT_ONCE),  # type: ignore[arg-type]
)
def addons(
    account: QingCloudAccount,
    name: ClusterName = "demo",
    add: Sequence[str] = (),
    remove: Sequence[str] = (),
    key: str = "",
) -> list[str]:
    """Bring the add-ons of a cluster to its description, after changes of that.

    Args:
        account: The account that the cluster is in.
        name: The cluster's name.
        add: Add-ons to add: metrics-server, cloud-controller, csi.
        remove: Add-ons to remove, with what they have made.
        key: Account block of a sub-account, whose key an added one keeps in the cluster.

    Returns:
        The add-ons that the cluster has now.
    """
    with open_cluster(account, name) as cluster, only_run(cluster):
        need_cluster(cluster)
        steps = PrefectSteps()
        before = need_spec(cluster)
        cluster = cluster.wanting(with_changes(before, add, remove, key))
        for addon in read_names(remove):
            refuse_attached(cluster, addon)
        going = installed_addons(cluster) & set(read_names(remove))
        keys = prepare_addons(steps, cluster, is_running=True, going=going)
        steps.run(ensure_machine_group, cluster)
        for addon in sorted(going):
            remove_with_made(steps, cluster, addon)
        ensure_addons(steps, cluster, keys, removes_others=True)
        steps.run(store_spec, cluster)
        return [addon.value for addon in wanted_addons(cluster.spec.addons)]


def read_names(names: Sequence[str]) -> list[AddOn]:
    """The add-ons of these names, with dashes or underscores. Raises `InvalidSpec`."""
    known = {addon.value: addon for addon in AddOn}
    found = [known.get(name.replace("-", "_")) for name in names]
    for name, addon in zip(names, found, strict=True):
        if addon is None:
            shown = ", ".join(one.replace("_", "-") for one in known)
            raise InvalidSpec(f"there is no add-on {name!r}; known are {shown}")
    return [addon for addon in found if addon]


def with_changes(
    spec: ClusterSpec, add: Sequence[str], remove: Sequence[str], key: str
) -> ClusterSpec:
    """The description with add-ons added and removed. Raises `InvalidSpec`."""
    added, removed = read_names(add), read_names(remove)
    if both := set(added) & set(removed):
        raise InvalidSpec(f"add-on {min(both)} cannot be added and removed at once")
    if key and not KEYS.keys() & set(added):
        raise InvalidSpec("--key is for an add-on that is added with --add, and needs one")
    parts: dict[str, Any] = {addon.value: None for addon in removed}
    for addon in added:
        given = {"account": key} if key and addon in KEYS else {}
        parts[addon.value] = getattr(spec.addons, addon.value) or {}
        if not isinstance(parts[addon.value], dict):
            parts[addon.value] = parts[addon.value].model_dump(mode="json")
        parts[addon.value] |= given
    return changed(spec, {"addons": parts})


def describe_made(cluster: Cluster, names: Sequence[AddOn]) -> list[str]:
    """The Services and claims that go with add-ons."""
    words = []
    for addon in names:
        found = requests_of(cluster, addon)
        words += [f"Service {one.full_name} and its load balancer" for one in found.services]
        words += [f"claim {one.full_name} and its volume" for one in found.claims]
    return words


def main(flags: Flags) -> None:
    """Show what goes with an add-on, and install, change or remove after a yes."""
    name, document = cluster_name(flags.common), read_document(flags.common)
    if document.keys() - {"name"}:
        raise InvalidSpec("add-ons of a file are installed by: python -m flows.provision --file …")
    removed = read_names(flags.remove)
    with session(flags.common, name) as opened:
        need_cluster(opened.cluster)
        spec = need_spec(opened.cluster)
        with_changes(spec, flags.add, flags.remove, flags.key)
        for addon in removed:
            refuse_attached(opened.cluster, addon)
        made = describe_made(opened.cluster, removed)
        for words in made:
            opened.print_line(f"Deleted with its add-on: {words}")
        if made:
            opened.agree("Delete this, with all data of the volumes?", yes=flags.yes)
        now = addons(opened.account, name, list(flags.add), list(flags.remove), flags.key)
    shown = ", ".join(one.replace("_", "-") for one in now) or "none"
    opened.print_line(f"Add-ons of cluster {name}: {shown}")
    opened.print_result({"cluster": name, "addons": now})


if __name__ == "__main__":
    run(main, parse(app))
