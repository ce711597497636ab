"""Register blocks, work pool and deployments on the running Prefect server: `make deploy`.

Safe to run again at any time: what is there is updated.
"""

import subprocess
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.exceptions import ObjectAlreadyExists
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.workers.process import ProcessWorker

from blocks.accounts import choose_account
from blocks.prefect_server import running_server
from blocks.settings import environment_with
from deployments._command import run, say
from deployments._kinds import register_kinds
from domain.spec import parse_spec

ROOT = Path(__file__).resolve().parent.parent
FILE = Path(__file__).with_name("prefect.yaml")
POOL = "qingcloud"
ENVIRONMENT_BLOCK = "environment"
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
) -> None:
    """Register blocks, work pool and deployments."""
    cluster = parse_spec({"name": name}).name
    url = running_server()
    with temporary_settings({PREFECT_API_URL: url}):
        register_kinds(anew=True)
        block = _save_account(account)
        _ensure_pool()
    _deploy(url, cluster, block)
    say(f"Deployed for cluster {cluster} with account block {block}; run: make worker")


def _save_account(wish: str | None) -> str:
    """Save the account as a block where it is none yet; returns the block's name.

    Raises:
        InvalidSpec: no such block, or half an account in the environment.
    """
    chosen = choose_account(wish)
    if chosen.block:
        return chosen.block
    chosen.account.save(ENVIRONMENT_BLOCK, overwrite=True)
    return ENVIRONMENT_BLOCK


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
