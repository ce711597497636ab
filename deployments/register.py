"""Register blocks, work pool and a cluster's deployments on the running Prefect server.

Safe to run again at any time: existing ones are updated. Those of other clusters do not change.
"""

import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.exceptions import ObjectAlreadyExists
from prefect.settings import temporary_settings
from prefect.workers.process import ProcessWorker

from blocks.accounts import QingCloudAccount, choose_account
from blocks.prefect_server import client_settings, client_variables, running_server
from deployments._command import print_line, run, run_prefect
from deployments._deployed import delete_deployments, find_deployed, is_of_old, keep_paused
from deployments._kinds import register_kinds
from domain.spec.cluster import parse_spec

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
) -> None:
    """Register blocks, work pool and a cluster's deployments, or delete the latter."""
    cluster = parse_spec({"name": name}).name
    url = running_server()
    with temporary_settings(client_settings(url)):
        if remove:
            _remove(cluster)
            return
        register_kinds(anew=True)
        block = _save_account(account, cluster)
        _ensure_pool()
        _deploy(url, cluster, block)
        _replace_old(cluster)
    print_line(
        f"Deployed for cluster {cluster} with account block {block}: autoscale/{cluster}, "
        f"monitor/{cluster} and more; run: make worker"
    )


def _remove(cluster: str) -> None:
    """Delete a cluster's deployments, and the account block that was saved for them alone."""
    with get_client(sync_client=True) as client:
        deleted = delete_deployments(client, find_deployed(client, cluster))
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


def _save_account(name: str | None, cluster: str) -> str:
    """Save an account of the environment as a block. Returns: the name of the account's block.

    The block is the cluster's own, because the next cluster may have another account.

    Raises:
        InvalidSpec: no such block, or half an account in the environment.
    """
    chosen = choose_account(name)
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


def _deploy(url: str, cluster: str, block: str) -> None:
    variables = {
        **client_variables(url),
        "PROJECT_ROOT": str(ROOT),
        "CLUSTER": cluster,
        "ACCOUNT_BLOCK": block,
    }
    arguments = ("--no-prompt", "deploy", "--all", "--prefect-file", str(FILE))
    done = run_prefect(*arguments, variables=variables, folder=ROOT)
    if done.returncode:
        print_line(done.stdout + done.stderr)
        sys.exit(1)


if __name__ == "__main__":
    run(app)
