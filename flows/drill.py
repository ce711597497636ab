"""Try a backup: restore it into a throw-away cluster, compare, delete: `python -m flows.drill`."""

import secrets
from pathlib import Path

from prefect import flow
from prefect.task_runners import ThreadPoolTaskRunner

from blocks.accounts import LOCAL, QingCloudAccount, choose_account
from blocks.backups import open_backups
from blocks.folders import private_folder
from domain.backup.drill import DrillFailed, DrillReport
from domain.backup.store import find_label
from domain.kernel.texts import begin
from domain.spec.cluster import ClusterName
from domain.spec.given import GivenSpec
from flows._cli.command import cluster_name, run, session
from flows._cli.flags.drill import Flags, app
from flows._cli.parsing import parse
from flows.provision import make_plan, provision
from flows.runbooks.nodes import MOST_AT_ONCE
from flows.runbooks.restore import restore as restore_objects
from flows.teardown import teardown
from tasks.backups import Place
from tasks.cluster import Cluster, open_cluster
from tasks.control_plane import find_spec
from tasks.drills import compare_objects, throw_away_spec
from tasks.executors import PrefectSteps
from tasks.overview import need_spec, with_sources
from tasks.restores import Opened, adopt_credentials, open_backup
from tasks.run_log import keep_log_short
from tasks.runs import only_run
from tasks.tables import publish_drill

NAME = "drill-"
"""The begin of the throw-away cluster's name; a few random characters follow."""


@flow(
    name="drill",
    flow_run_name="drill {name}",
    on_running=[keep_log_short],
    task_runner=ThreadPoolTaskRunner(max_workers=MOST_AT_ONCE),  # type: ignore[arg-type]
)
def drill(
    account: QingCloudAccount,
    name: ClusterName = "demo",
    backup: str = "latest",
    store: str = "",
    place: str = LOCAL,
) -> DrillReport:
    """Restore a backup into a throw-away cluster, compare its objects, and delete it again.

    Args:
        account: The account that the cluster is in.
        name: The cluster of the backup.
        backup: The name of a backup, or `latest`.
        store: A Backup Store block, or a folder; if empty, that of the description.
        place: Where the throw-away cluster is made: `local`, or a saved account, which pays for it.

    Raises:
        DrillFailed: objects are missing; it carries the report.
    """
    with open_cluster(account, name) as cluster, private_folder("drill") as folder:
        began = cluster.clock.monotonic()
        opened = open_wanted(cluster, backup, store, folder)
        elsewhere, target = choose_account(place).account, f"{NAME}{secrets.token_hex(3)}"
        with open_cluster(elsewhere, target, elsewhere=True) as throw_away:
            try:
                report = _try(throw_away, opened, began)
            finally:
                throw_away.look_again()
                # Its Services and claims are copies: what they name belongs to the source.
                teardown(elsewhere, target, keep_addons=True)
        publish_drill(report, cluster.key)
    if report.missing:
        raise DrillFailed(report)
    return report


def open_wanted(cluster: Cluster, backup: str, store: str, folder: Path) -> Opened:
    """Find a backup and open it. Raises as `open_backups`, `find_label` and `open_backup` do."""
    spec = None if store else find_spec(cluster)
    place = Place(*open_backups(store or (spec.backup.store if spec else "")))
    label = find_label(place.store, backup, f"{cluster.key}-")
    return open_backup(cluster, place, label, folder)


def _try(cluster: Cluster, opened: Opened, began: float) -> DrillReport:
    """Make the throw-away cluster, restore, and compare."""
    steps, account = PrefectSteps(), cluster.account
    with only_run(cluster):
        steps.run(adopt_credentials, cluster, opened.facts)
    provision(account, GivenSpec.of(throw_away_spec(cluster, opened)), demo=False, ui=False)
    cluster.look_again()
    with only_run(cluster):
        wanting = cluster.wanting(with_sources(account, need_spec(cluster)))
        restore_objects(steps, wanting, opened)
        return steps.run(compare_objects, wanting, opened, began)


def main(flags: Flags) -> None:
    """Try whether a backup restores all that it names."""
    name = cluster_name(flags.common)
    with session(flags.common, name) as opened:
        elsewhere = choose_account(flags.place).account
        if elsewhere.bills:
            with private_folder("drill") as folder:
                found = open_wanted(opened.cluster, flags.backup, flags.store, folder)
                with open_cluster(elsewhere, NAME + "plan", elsewhere=True) as throw_away:
                    planned = make_plan(throw_away, throw_away_spec(throw_away, found))
            opened.confirm(planned, "Create this, and delete it after the drill?", yes=flags.yes)
        report = drill(opened.account, name, flags.backup, flags.store, flags.place)
        opened.print_line(begin(report.sentence))
        opened.print_line(f"It took {report.seconds:.0f} s until everything was there again")
    opened.print_result(report)


if __name__ == "__main__":
    run(main, parse(app))
