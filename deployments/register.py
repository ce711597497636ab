"""Register blocks, work pool and a cluster's deployments on the running Prefect server.

Safe to run again at any time: existing ones are updated. Those of other clusters do not change.
"""

import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated
from uuid import UUID

from cyclopts import App, Parameter
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.exceptions import ObjectAlreadyExists
from prefect.settings import temporary_settings
from prefect.workers.process import ProcessWorker

from blocks.accounts import ChosenAccount, QingCloudAccount, choose_account
from blocks.prefect_server import client_settings, client_variables, running_server
from deployments._command import print_line, run, run_prefect
from deployments._deployed import (
    delete_deployments,
    find_deployed,
    flow_of,
    is_of_old,
    keep_paused,
    key_of,
)
from deployments._kinds import register_kinds
from deployments.automations import (
    automations_of,
    delete_automations,
    ensure_automations,
    find_services,
    notified_services,
)
from domain.kernel.errors import OtherAccount
from domain.secrets.credentials import credentials_name
from domain.spec.cluster import parse_spec
from tasks.cluster import ACCOUNT_TAG, account_of
from tasks.vault import find_user

ROOT = Path(__file__).resolve().parent.parent
FILE = Path(__file__).with_name("prefect.yaml")
POOL = "qingcloud"

app = App(name="python -m deployments.register", help=__doc__, version_flags=())


@app.default
def main(
    *,
    name: Annotated[str, Parameter(help="Cluster that the deployments are for")] = "demo",
    account: Annotated[
        str | None, Parameter(help="`local`, or the name of a saved QingCloud Account block")
    ] = None,
    remove: Annotated[
        bool, Parameter(negative=(), help="Delete the cluster's deployments instead")
    ] = False,
    replace: Annotated[
        bool, Parameter(negative=(), help="Replace those of a cluster of another account")
    ] = False,
    notify: Annotated[
        list[str] | None,
        Parameter(
            negative=(),
            help="Block that is notified when a run fails or the autoscaler is silent, such as "
            "dingtalk-robot/oncall; repeatable (default: the ones of before)",
        ),
    ] = None,
) -> None:
    """Register blocks, work pool and a cluster's deployments, or delete the latter."""
    cluster = parse_spec({"name": name}).name
    url = running_server()
    with temporary_settings(client_settings(url)):
        if remove:
            _remove(cluster)
            return
        register_kinds(anew=True)
        services = _find_services(notify)
        chosen = choose_account(account)
        identity = _identify(chosen.account, cluster)
        if not replace:
            _refuse_others(cluster, identity)
        block = _save_account(chosen, cluster)
        _ensure_pool()
        _deploy(url, cluster, block, identity)
        _replace_old(cluster)
        _automate(cluster, f"{cluster}-{identity}", services)
    print_line(
        f"Deployed for cluster {cluster} with account block {block} (account {identity}): "
        f"autoscale/{cluster}, monitor/{cluster} and more; run: make worker"
    )


def _remove(cluster: str) -> None:
    """Delete a cluster's deployments, and the account block that was saved for them alone."""
    with get_client(sync_client=True) as client:
        found = find_deployed(client, cluster)
        for key in {key_of(one) for one in found}:
            delete_automations(client, key)
        deleted = delete_deployments(client, found)
    with suppress(ValueError):  # they used a block that the user had saved
        QingCloudAccount.delete(_block_of(cluster))
    print_line(f"Removed: {deleted}" if deleted else f"Nothing is deployed for cluster {cluster}")


def _replace_old(cluster: str) -> None:
    """Delete the deployments of an earlier version: two autoscalers would scale the cluster."""
    with get_client(sync_client=True) as client:
        found = find_deployed(client, cluster)
        old = [one for one in found if is_of_old(one)]
        if paused := keep_paused(client, old, [one for one in found if one not in old]):
            print_line(f"Paused, like the ones that they replace: {paused}")
        if deleted := delete_deployments(client, old):
            print_line(f"Removed: {deleted}, deployed by an earlier version for cluster {cluster}")


def _identify(account: QingCloudAccount, cluster: str) -> str:
    """Identify an account by its user on the cloud, who stays the same with another key.

    Raises:
        ClusterError: the cloud does not answer, or refuses the key.
    """
    with account.client() as cloud:
        return account_of(credentials_name(cluster, account.zone, find_user(account, cloud)))


def _refuse_others(cluster: str, identity: str) -> None:
    """Refuse to replace the deployments of a cluster of this name of another account.

    Raises:
        OtherAccount: its cluster would not be watched nor scaled any more.
    """
    with get_client(sync_client=True) as client:
        tags = [tag for one in find_deployed(client, cluster) for tag in one.tags]
    others = {tag.removeprefix(ACCOUNT_TAG) for tag in tags if tag.startswith(ACCOUNT_TAG)}
    if others - {identity}:
        raise OtherAccount(
            f"cluster {cluster} of account {', '.join(sorted(others))} is deployed on this server, "
            f"and this is account {identity}; use another Prefect server, or give it up with "
            "--replace"
        )


def _find_services(notify: Sequence[str] | None) -> list[UUID] | None:
    if notify is None:
        return None
    with get_client(sync_client=True) as client:
        return find_services(client, notify)


def _automate(cluster: str, key: str, services: Sequence[UUID] | None) -> None:
    """Make the cluster's automations, with the services of before where none are named."""
    with get_client(sync_client=True) as client:
        deployments = {flow_of(one): one.id for one in find_deployed(client, cluster)}
        notified = notified_services(client, key) if services is None else services
        ensure_automations(client, automations_of(key, deployments, notified))
    if not notified:
        print_line("Nobody is notified of failed runs; name a block with --notify")


def _save_account(chosen: ChosenAccount, cluster: str) -> str:
    """Save an account of the environment as a block. Returns: the name of the account's block.

    The block is the cluster's own, because the next cluster may have another account.
    """
    if chosen.block:
        return chosen.block
    chosen.account.save(_block_of(cluster), overwrite=True)
    return _block_of(cluster)


def _block_of(cluster: str) -> str:
    return f"environment-{cluster}"


def _ensure_pool() -> None:
    template = ProcessWorker.get_default_base_job_template()
    pool = WorkPoolCreate(name=POOL, type=ProcessWorker.type, base_job_template=template)
    with get_client(sync_client=True) as client:
        try:
            client.create_work_pool(pool)
        except ObjectAlreadyExists:
            return


def _deploy(url: str, cluster: str, block: str, identity: str) -> None:
    variables = {
        **client_variables(url),
        "PROJECT_ROOT": str(ROOT),
        "CLUSTER": cluster,
        "ACCOUNT_BLOCK": block,
        "ACCOUNT_TAG": f"{ACCOUNT_TAG}{identity}",
    }
    arguments = ("--no-prompt", "deploy", "--all", "--prefect-file", str(FILE))
    done = run_prefect(*arguments, variables=variables, folder=ROOT)
    if done.returncode:
        print_line(done.stdout + done.stderr)
        sys.exit(1)


if __name__ == "__main__":
    run(app)
