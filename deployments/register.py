"""Register blocks, work pool and a cluster's deployments on the running Prefect server.

Safe to run again at any time: existing ones are updated. Those of other clusters do not change.
"""

import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import DeploymentUpdate, WorkPoolCreate
from prefect.exceptions import ObjectAlreadyExists
from prefect.settings import temporary_settings
from prefect.workers.process import ProcessWorker

from blocks.accounts import ChosenAccount, QingCloudAccount, choose_account
from blocks.prefect_server import client_settings, client_variables, running_server
from deployments._command import print_line, run, run_prefect, waiting
from deployments._deployed import (
    account_of,
    choose_name,
    delete_deployments,
    find_deployed,
    flow_of,
    is_of_old,
    keep_paused,
    key_of,
)
from deployments._flags.register import Flags, app
from deployments._kinds import register_kinds
from deployments._late import has_worker
from deployments.automations import (
    automations_of,
    delete_automations,
    ensure_automations,
    find_services,
    notified_services,
)
from deployments.project import ROOT
from domain.kernel.errors import InvalidSpec
from domain.secrets.credentials import credentials_name
from domain.spec.cluster import parse_spec
from flows._cli.parsing import parse
from tasks.accounts import ACCOUNT_TAG
from tasks.accounts import account_of as account_of_key
from tasks.vault import find_user

FILE = Path(__file__).with_name("prefect.yaml")
POOL = "qingcloud"


def main(flags: Flags) -> None:
    """Register blocks, work pool and a cluster's deployments, or delete the latter."""
    cluster = parse_spec({"name": flags.name}).name
    url = running_server()
    with temporary_settings(client_settings(url)):
        if flags.remove:
            _remove(cluster, flags.account)
            return
        register_kinds(anew=True)
        services = _find_services(flags.notify)
        chosen = choose_account(flags.account)
        identity = _identify(chosen.account, cluster)
        deployment = _choose_name(cluster, identity, replace=flags.replace)
        block = _save_account(chosen, cluster, identity)
        _ensure_pool()
        with waiting(f"Registering the deployments of cluster {cluster} …"):
            _deploy(url, cluster, block, identity, deployment)
        _replace_old(cluster)
        _name_account_by_id(cluster, f"{cluster}-{identity}", block)
        _automate(cluster, f"{cluster}-{identity}", services)
        waits = _describe_wait()
    print_line(
        f"Deployed for cluster {cluster} with account block {block} (account {identity}): "
        f"autoscale/{deployment}, monitor/{deployment} and more; {waits}"
    )
    print_line(
        f"Each minute monitor/{deployment} measures and raises alarms, and autoscale/{deployment} "
        "may buy or remove machines within their groups' bounds; pause a schedule in the Prefect UI"
    )


def _describe_wait() -> str:
    """Say whether the schedules run already."""
    with get_client(sync_client=True) as client:
        if has_worker(client, POOL):
            return "a worker runs them"
    return "no worker runs them yet, start one with: make worker"


def _remove(cluster: str, account: str | None) -> None:
    """Delete a cluster's deployments, and the account block that was saved for them alone.

    Raises:
        InvalidSpec: two accounts have a cluster of that name, and none is chosen.
    """
    with get_client(sync_client=True) as client:
        found = find_deployed(client, cluster)
        accounts = sorted({account_of(one) for one in found} - {""})
        if len(accounts) > 1:
            if account is None:
                raise InvalidSpec(
                    f"accounts {' and '.join(accounts)} each have a cluster {cluster} on this "
                    "server; choose one with --account"
                )
            accounts = [_identify(choose_account(account).account, cluster)]
            found = [one for one in found if account_of(one) in accounts]
        for key in {key_of(one) for one in found}:
            delete_automations(client, key)
        deleted = delete_deployments(client, found)
    for block in (*(_block_of(cluster, one) for one in accounts), _old_block_of(cluster)):
        with suppress(ValueError):  # they used a block that the user had saved
            QingCloudAccount.delete(block)
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
        return account_of_key(credentials_name(cluster, account.zone, find_user(account, cloud)))


def _choose_name(cluster: str, identity: str, *, replace: bool) -> str:
    """Choose the name of the deployments; those of another account's cluster keep theirs.

    Args:
        replace: delete the deployments of other accounts' clusters of this name.
    """
    with get_client(sync_client=True) as client:
        found = find_deployed(client, cluster)
        others = [one for one in found if account_of(one) not in ("", identity)]
        if not others:
            return choose_name(found, cluster, identity)
        whose = ", ".join(sorted({account_of(one) for one in others}))
        if replace:
            for key in {key_of(one) for one in others}:
                delete_automations(client, key)
            print_line(f"Removed, of account {whose}: {delete_deployments(client, others)}")
            found = [one for one in found if one not in others]
        else:
            print_line(
                f"Note: account {whose} has a cluster {cluster} on this server, too; its "
                "deployments stay, and --replace would remove them"
            )
        return choose_name(found, cluster, identity)


def _find_services(notify: Sequence[str] | None) -> list[UUID] | None:
    if notify is None:
        return None
    with get_client(sync_client=True) as client:
        return find_services(client, notify)


def _automate(cluster: str, key: str, services: Sequence[UUID] | None) -> None:
    """Make the cluster's automations, with the services of before where none are named."""
    with get_client(sync_client=True) as client:
        ours = [one for one in find_deployed(client, cluster) if key_of(one) == key]
        deployments = {flow_of(one): one.id for one in ours}
        notified = notified_services(client, key) if services is None else services
        ensure_automations(client, automations_of(key, deployments, notified))
    if not notified:
        print_line("Nobody is notified of failed runs; name a block with --notify")


def _save_account(chosen: ChosenAccount, cluster: str, identity: str) -> str:
    """Save an account of the environment as a block. Returns: the name of the account's block.

    The block is the cluster's own, because the next cluster may have another account.
    """
    if chosen.block:
        return chosen.block
    chosen.account.save(_block_of(cluster, identity), overwrite=True)
    return _block_of(cluster, identity)


def _block_of(cluster: str, identity: str) -> str:
    return f"environment-{cluster}-{identity}"


def _old_block_of(cluster: str) -> str:
    """The name that earlier versions gave to the block, whatever the account."""
    return f"environment-{cluster}"


def _ensure_pool() -> None:
    template = ProcessWorker.get_default_base_job_template()
    pool = WorkPoolCreate(name=POOL, type=ProcessWorker.type, base_job_template=template)
    with get_client(sync_client=True) as client:
        try:
            client.create_work_pool(pool)
        except ObjectAlreadyExists:
            return


def _name_account_by_id(cluster: str, key: str, block: str) -> None:
    """Refer to the account by its id, too: the forms of the UI show no account named otherwise.

    The id stays the same when the block is saved again.
    """
    slug = str(QingCloudAccount._block_type_slug)
    with get_client(sync_client=True) as client:
        account = client.read_block_document_by_name(block, block_type_slug=slug)
        reference = {"$ref": {"block_document_id": str(account.id)}}
        for one in (one for one in find_deployed(client, cluster) if key_of(one) == key):
            changed = DeploymentUpdate(parameters=one.parameters | {"account": reference})
            client.update_deployment(one.id, changed)


def _deploy(url: str, cluster: str, block: str, identity: str, deployment: str) -> None:
    variables = {
        **client_variables(url),
        "CLUSTER": cluster,
        "DEPLOYMENT": deployment,
        "ACCOUNT_BLOCK": block,
        "ACCOUNT_TAG": f"{ACCOUNT_TAG}{identity}",
    }
    arguments = ("--no-prompt", "deploy", "--all", "--prefect-file", str(FILE))
    done = run_prefect(*arguments, variables=variables, folder=ROOT)
    if done.returncode:
        print_line(done.stdout + done.stderr)
        sys.exit(1)


if __name__ == "__main__":
    run(main, parse(app))
