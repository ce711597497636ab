"""Tasks around a cluster's secrets: made first, kept in its block, updated one at a time."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import cast

from prefect.exceptions import ObjectNotFound

from blocks.accounts import QingCloudAccount
from blocks.credentials import ClusterCredentials
from blocks.locks import alone, alone_or_never
from blocks.settings import lock_file
from domain.credentials import Credentials, credentials_name, make_credentials
from domain.ensured import Ensured
from domain.errors import BeingTornDown, CredentialsMissing
from domain.view import ClusterView
from tasks.steps import step


def block_name(account: QingCloudAccount, cluster: str) -> str:
    return credentials_name(cluster, account.zone, account.access_key_id)


def find_credentials(account: QingCloudAccount, cluster: str) -> ClusterCredentials | None:
    """Load the cluster's block, or None when it has none on this Prefect server."""
    try:
        # Outside an event loop, where every task of ours is, this is no coroutine.
        return cast(ClusterCredentials, ClusterCredentials.load(block_name(account, cluster)))
    except (ValueError, ObjectNotFound):
        return None


def read_credentials(account: QingCloudAccount, cluster: str) -> ClusterCredentials:
    """Load the cluster's block.

    Raises:
        CredentialsMissing: there is none; the sentence says what can be done.
        BeingTornDown: a teardown has begun, so a run that adds something must end here.
    """
    found = find_credentials(account, cluster)
    if found is None:
        raise CredentialsMissing(
            f"cluster {cluster} has no saved credentials on this Prefect server (block "
            f"cluster-credentials/{block_name(account, cluster)}); use the server that made it, "
            "or tear the cluster down, which works without them"
        )
    if found.ending:
        raise BeingTornDown(
            f"cluster {cluster} is being torn down; finish that with: python -m flows.teardown "
            f"--name {cluster}, or keep it with: python -m flows.provision --name {cluster}"
        )
    return found


def update_credentials(
    account: QingCloudAccount, cluster: str, change: Callable[[Credentials], Credentials]
) -> Credentials:
    """Change the saved credentials; one at a time, so that no pinned key is lost.

    Machines of one run pin their keys at the same time, and so do several runs on this machine.
    """
    name = block_name(account, cluster)
    with alone(lock_file(f"{name}.credentials")):
        now = change(read_credentials(account, cluster).credentials())
        ClusterCredentials.of(now).save(name, overwrite=True)
        return now


@contextmanager
def only_run(account: QingCloudAccount, cluster: str) -> Iterator[None]:
    """Let one provision, scale or teardown at a time change a cluster, among this machine's.

    Two that begin a cluster at the same moment would each find nothing there, and make all twice.
    Runs of other machines are kept apart by the deployments' concurrency limits.

    Raises:
        BadRequest: another run is at it.
    """
    refusal = (
        f"another run on this machine is changing cluster {cluster}; "
        "wait for its end, then run the same command again"
    )
    with alone_or_never(lock_file(f"{block_name(account, cluster)}.run"), refusal):
        yield


@step("notice of the end of {cluster}")
def announce_end(account: QingCloudAccount, cluster: str) -> Ensured[None]:
    """Let no other run add to the cluster from now on, the autoscaler's least of all.

    What it has begun fails before it starts another machine; `provision` takes the notice back.
    """
    found = find_credentials(account, cluster)
    if found is None:
        return Ensured(None, "nobody has its credentials here")
    if not found.ending:
        _set_ending(account, cluster, ending=True)
    return Ensured(None, "nothing is added any more")


def _set_ending(account: QingCloudAccount, cluster: str, *, ending: bool) -> ClusterCredentials:
    name = block_name(account, cluster)
    with alone(lock_file(f"{name}.credentials")):
        found = cast(ClusterCredentials, ClusterCredentials.load(name))
        found.ending = ending
        found.save(name, overwrite=True)
        return found


def delete_credentials(account: QingCloudAccount, cluster: str) -> bool:
    """Delete the cluster's block; False when there was none."""
    if find_credentials(account, cluster) is None:
        return False
    ClusterCredentials.delete(block_name(account, cluster))
    return True


@step("credentials of {view.name}")
def ensure_credentials(account: QingCloudAccount, view: ClusterView) -> Ensured[ClusterCredentials]:
    """Make and save the cluster's secrets, before anything of it exists.

    Raises:
        CredentialsMissing: machines are there, but the secrets to reach them are not.
    """
    if view.keypair or view.instances:
        found = find_credentials(account, view.name)
        if found and found.ending:
            found = _set_ending(account, view.name, ending=False)
            return Ensured(found, "kept, and the teardown that had begun is off")
        return Ensured(read_credentials(account, view.name), "kept")
    # No machine knows an older set, so nothing is lost by beginning anew.
    made = ClusterCredentials.of(make_credentials(view.name, datetime.now(UTC)))
    made.save(block_name(account, view.name), overwrite=True)
    return Ensured(made, "made and saved, before anything else exists")
