"""Restore a cluster from a backup: `python -m flows.restore`."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from prefect import flow
from prefect.task_runners import ThreadPoolTaskRunner
from pydantic import Field

from blocks.accounts import QingCloudAccount
from blocks.backups import open_backups
from blocks.folders import private_folder
from domain.backup.judging import check_fits, fingerprint
from domain.backup.labels import Label
from domain.backup.store import find_label
from domain.cloud.plan import Action, Plan, PlanItem
from domain.kernel.durations import format_seconds
from domain.reports.cluster import ClusterReport
from domain.spec.cluster import ClusterName, ClusterSpec, changed, parse_spec
from domain.spec.given import GivenSpec
from domain.spec.part import Whole
from flows._cli.command import (
    cluster_name,
    report_billed,
    reporting,
    run,
    session,
)
from flows._cli.flags.restore import MOST_DAYS, Flags, app
from flows._cli.parsing import parse
from flows._cli.terminal import show_plan, show_report
from flows.provision import make_plan, provision
from flows.runbooks.nodes import MOST_AT_ONCE
from flows.runbooks.restore import restore as restore_objects
from tasks.accounts import account_of
from tasks.approval import approve
from tasks.backups import Place
from tasks.cluster import Cluster, open_cluster
from tasks.control_plane import find_spec
from tasks.executors import PrefectSteps
from tasks.finish import finish_run
from tasks.overview import need_spec, with_sources
from tasks.restores import (
    Opened,
    adopt_credentials,
    end_unfinished,
    open_backup,
)
from tasks.run_log import keep_log_short
from tasks.runs import only_run
from tasks.steps import Recorder, listening


@dataclass(frozen=True)
class Wanted:
    """A backup that fits the cluster that it is restored into.

    Attributes:
        is_new: whether that cluster does not exist yet, or is what a restore that was cut off has
            begun to create: then it has the CA of the backup, and does not answer yet.
    """

    label: Label
    place: Place
    is_new: bool

    def plan(self, cluster: Cluster) -> Plan:
        """What the restore of an existing cluster does."""
        age = format_seconds((datetime.now(UTC) - self.label.made_at).total_seconds())
        why = f"becomes that of {self.label.name}; what was changed in the last {age} is lost"
        masters = cluster.inventory().masters
        items = [PlanItem("etcd", one.name, Action.REPLACE, why, one.id) for one in masters]
        return Plan(cluster.name, tuple(items))


@flow(
    name="restore",
    flow_run_name="restore {name}",
    on_running=[keep_log_short],
    task_runner=ThreadPoolTaskRunner(max_workers=MOST_AT_ONCE),  # type: ignore[arg-type]
)
def restore(
    account: QingCloudAccount,
    name: ClusterName = "demo",
    backup: str = "latest",
    store: str = "",
    into: str = "",
    max_days: Annotated[Whole, Field(ge=1, le=36500)] = MOST_DAYS,
) -> ClusterReport:
    """Restore a cluster's objects from a backup, into the same cluster or a new one.

    A cluster that does not exist is created first, with the backup's description and CA.

    Args:
        account: The account that the cluster is in, or will be.
        name: The cluster of the backup.
        backup: The name of a backup, or `latest`.
        store: A Backup Store block, or a folder; if empty, that of the description.
        into: The name of the cluster to restore; if empty, that of the backup.
        max_days: How old the backup may be.
    """
    steps, recorder = PrefectSteps(), Recorder()
    with (
        open_cluster(account, into or name) as cluster,
        listening(recorder),
        private_folder("restore") as folder,
    ):
        recover(cluster)
        wanted = find_wanted(cluster, name, backup, store, max_days)
        opened = steps.run(open_backup, cluster, wanted.place, wanted.label, folder)
        approve(cluster, lambda: planned(cluster, wanted, opened))
        with only_run(cluster):
            if wanted.is_new:
                steps.run(adopt_credentials, cluster, opened.facts)
        if wanted.is_new:
            provision(account, GivenSpec.of(new_spec(cluster, opened)), demo=False, ui=False)
            cluster.look_again()
        with only_run(cluster):
            spec = with_sources(account, need_spec(cluster))
            restore_objects(steps, cluster.wanting(spec), opened)
        return finish_run(cluster, spec, recorder.timeline(f"restore {cluster.name}"))


def recover(cluster: Cluster) -> None:
    """Go back where a restore was cut off while control planes were stopped."""
    if cluster.inventory().masters and cluster.find_credentials():
        with only_run(cluster):
            end_unfinished(cluster)


def find_wanted(cluster: Cluster, source: str, backup: str, store: str, max_days: int) -> Wanted:
    """Find the backup, and check that it fits.

    Raises:
        NotThisBackup, NoBackup, InvalidSpec: the reason; nothing was changed.
    """
    spec, exists = find_spec(cluster), bool(cluster.inventory().instances)
    place = Place(*open_backups(store or (spec.backup.store if spec else "")))
    label = find_label(place.store, backup, f"{source}-{account_of(cluster.key)}-")
    check_fits(
        label,
        ca=fingerprint(cluster.credentials().ca.certificate) if exists else None,
        kubernetes=cluster.api().read_version() if spec else label.kubernetes,
        now=datetime.now(UTC),
        most_days=max_days,
    )
    return Wanted(label, place, is_new=spec is None)


def planned(cluster: Cluster, wanted: Wanted, opened: Opened) -> Plan:
    """The plan of a restore; that of a new cluster is what is created for it, with its cost."""
    if not wanted.is_new:
        return wanted.plan(cluster)
    return make_plan(cluster, with_sources(cluster.account, new_spec(cluster, opened)))


def new_spec(cluster: Cluster, opened: Opened) -> ClusterSpec:
    """The description of a new cluster: the backup's, of the version that the snapshot needs."""
    spec = parse_spec({**opened.facts.spec, "name": cluster.name}, stored=True)
    changes: dict[str, Any] = {"kubernetes": {"version": opened.label.kubernetes}}
    if cluster.name != opened.label.cluster:  # the old one may still use what existed before it
        changes |= {"network": {"vpc": "", "vxnets": []}, "address": {"eip": ""}}
    return changed(spec, changes)


def main(flags: Flags) -> None:
    """Show what a restore replaces, and restore after a yes."""
    source = cluster_name(flags.common)
    target = parse_spec({"name": flags.into or source}).name
    with session(flags.common, target) as opened:
        cluster = opened.cluster
        if not flags.plan:
            recover(cluster)
        wanted = find_wanted(cluster, source, flags.backup, flags.store, flags.max_days)
        with private_folder("restore") as folder:
            found = open_backup(cluster, wanted.place, wanted.label, folder)
            shown = planned(cluster, wanted, found)
        if flags.plan:
            show_plan(shown)
            opened.print_result(shown)
            return
        opened.confirm(shown, f"Restore cluster {target} like this?", yes=flags.yes)
        with reporting(lambda: report_billed(opened)):
            report = restore(
                opened.account, source, wanted.label.name, flags.store, target, flags.max_days
            )
    show_report(report)
    opened.print_result(report)


if __name__ == "__main__":
    run(main, parse(app))
