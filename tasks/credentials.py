"""Tasks around a cluster's secrets: made first, kept in its block, updated one at a time."""

from collections.abc import Callable
from datetime import UTC, datetime
from threading import Lock
from typing import cast

from prefect.exceptions import ObjectNotFound

from blocks.accounts import QingCloudAccount
from blocks.credentials import ClusterCredentials
from domain.credentials import Credentials, credentials_name, make_credentials
from domain.ensured import Ensured
from domain.errors import CredentialsMissing
from domain.view import ClusterView
from tasks.steps import step

_saving = Lock()  # machines of one run pin their keys at the same time


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
    """
    found = find_credentials(account, cluster)
    if found is None:
        raise CredentialsMissing(
            f"cluster {cluster} has no saved credentials on this Prefect server (block "
            f"cluster-credentials/{block_name(account, cluster)}); use the server that made it, "
            "or tear the cluster down, which works without them"
        )
    return found


def update_credentials(
    account: QingCloudAccount, cluster: str, change: Callable[[Credentials], Credentials]
) -> Credentials:
    """Change the saved credentials; one at a time, so that no pinned key is lost."""
    with _saving:
        now = change(read_credentials(account, cluster).credentials())
        ClusterCredentials.of(now).save(block_name(account, cluster), overwrite=True)
        return now


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
        return Ensured(read_credentials(account, view.name), "kept")
    # No machine knows an older set, so nothing is lost by beginning anew.
    made = ClusterCredentials.of(make_credentials(view.name, datetime.now(UTC)))
    made.save(block_name(account, view.name), overwrite=True)
    return Ensured(made, "made and saved, before anything else exists")
