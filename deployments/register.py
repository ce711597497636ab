"""Register blocks, work pool and a cluster's deployments on the running Prefect server.

Safe to run again at any time: what is there is updated. Other clusters' deployments stay as is.
"""

import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.exceptions import ObjectAlreadyExists
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.workers.process import ProcessWorker

from blocks.accounts import QingCloudAccount, choose_account
from blocks.prefect_server import running_server
from blocks.settings import environment_with
from deployments._command import run, say
from deployments._deployed import find_deployed, is_of_old, keep_paused, take_away
from deployments._kinds import register_kinds
from domain.spec.cluster import parse_spec

ROOT = Path(__file__).resolve().parent.parent
FILE = Path(__file__).with_name("prefect.yaml")
POOL = "qingcloud"
DEADLINE = 180.0
"""Seconds for Prefect's own command, which imports every flow."""

app = App(name="python -m deployments.register", help=__doc__, version_flags=())


@app.default
def main(
    *,
    name: Annotated[str, Parameter(help="Cluster that the deployments are for")] = "demo",
    account: Annotated[
        str | None, Parameter(help="`local`, or the name of a saved QingCloud Account block")
    ] = None,
    remove: Annotated[
        bool, Parameter(negative=(), help="Take the cluster's deployments away instead")
    ] = False,
) -> None:
    """Register blocks, work pool and a cluster's deployments, or take the latter away."""
    cluster = parse_spec({"name": name}).name
    url = running_server()
    with temporary_settings({PREFECT_API_URL: url}):
        if remove:
            _remove(cluster)
            return
        register_kinds(anew=True)
        block = _save_account(account, cluster)
        _ensure_pool()
        _deploy(url, cluster, block)
        _replace_old(cluster)
    say(
        f"Deployed for cluster {cluster} with account block {block}: autoscale/{cluster}, "
        f"monitor/{cluster} and more; run: make worker"
    )


def _remove(cluster: str) -> None:
    """Delete a cluster's deployments, and the account that was saved for them alone."""
    with get_client(sync_client=True) as client:
        gone = take_away(client, find_deployed(client, cluster))
    with suppress(ValueError):  # they had a block of their user's
        QingCloudAccount.delete(_block_of(cluster))
    say(f"Removed: {gone}" if gone else f"Nothing is deployed for cluster {cluster}")


def _replace_old(cluster: str) -> None:
    """Delete what an earlier version has deployed for the cluster: two would scale it."""
    with get_client(sync_client=True) as client:
        found = find_deployed(client, cluster)
        old = [one for one in found if is_of_old(one)]
        if paused := keep_paused(client, old, [one for one in found if one not in old]):
            say(f"Paused, as what it replaces was: {paused}")
        if gone := take_away(client, old):
            say(f"Removed: {gone}, which an earlier version has deployed for cluster {cluster}")


def _save_account(wish: str | None, cluster: str) -> str:
    """Save the account as a block where it is none yet; returns the block's name.

    That of the environment is saved for each cluster, because the next cluster may have another.

    Raises:
        InvalidSpec: no such block, or half an account in the environment.
    """
    chosen = choose_account(wish)
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
    told = {
        "PREFECT_API_URL": url,
        "PROJECT_ROOT": str(ROOT),
        "CLUSTER": cluster,
        "ACCOUNT_BLOCK": block,
    }
    done = subprocess.run(
        [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all", "--prefect-file", FILE],
        cwd=ROOT,
        env=environment_with(told),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    if done.returncode:
        say(done.stdout + done.stderr)
        sys.exit(1)


if __name__ == "__main__":
    run(app)
