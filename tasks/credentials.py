"""Tasks around a cluster's secrets: made first, kept in its block, updated one at a time."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import cast

from prefect.exceptions import ObjectNotFound
from prefect.variables import Variable

from blocks.accounts import QingCloudAccount
from blocks.credentials import ClusterCredentials
from blocks.locks import alone, alone_if_free
from blocks.settings import lock_file
from domain.cloud.inventory import Inventory
from domain.kernel.ensured import Ensured
from domain.kernel.errors import BeingTornDown, CredentialsMissing, OtherRun
from domain.secrets.credentials import Credentials, credentials_name, make_credentials
from tasks.steps import step

_users: dict[str, str] = {}


def block_name(account: QingCloudAccount, cluster: str) -> str:
    """Name the cluster's block. Raises what asking the cloud for the key's user raises."""
    return credentials_name(cluster, account.zone, find_user(account))


def find_user(account: QingCloudAccount) -> str:
    """The id of the user whom the account's API key belongs to.

    A key never changes its user, so the cloud is asked once for each: the Prefect server remembers
    the answer, and so does this process.
    """
    key = hashlib.sha256(f"{account.endpoint}|{account.access_key_id}".encode()).hexdigest()
    variable = f"qingcloud-user-{key[:16]}"
    if variable not in _users:
        known = Variable.get(variable)
        if known is None:
            with account.client() as cloud:
                known = cloud.read_user()
            Variable.set(variable, known, overwrite=True)
        _users[variable] = str(known)
    return _users[variable]


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
        raise CredentialsMissing(say_missing(account, cluster))
    if found.ending:
        raise BeingTornDown(
            f"cluster {cluster} is being torn down; finish that with: python -m flows.teardown "
            f"--name {cluster}, or keep it with: python -m flows.provision --name {cluster}"
        )
    return found


def need_credentials(account: QingCloudAccount, view: Inventory) -> None:
    """Refuse a cluster whose machines nobody here can reach; one that is ending is no such one.

    Raises:
        CredentialsMissing: as `read_credentials` does.
    """
    if (view.keypair or view.instances) and find_credentials(account, view.name) is None:
        raise CredentialsMissing(say_missing(account, view.name))


def say_missing(account: QingCloudAccount, cluster: str) -> str:
    """Say that the cluster's block is not here, and what can be done."""
    return (
        f"cluster {cluster} has no saved credentials on this Prefect server (block "
        f"cluster-credentials/{block_name(account, cluster)}); use the server that made it "
        "(PREFECT_API_URL), or tear the cluster down, which works without them"
    )


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
        OtherRun: another run is at it.
    """
    with unless_other_run(account, cluster) as other:
        if other:
            raise OtherRun(f"{other}; wait for its end, then run the same command again")
        yield


@contextmanager
def unless_other_run(account: QingCloudAccount, cluster: str) -> Iterator[str]:
    """As `only_run`; where another run is at it, yields words that say so, else an empty text."""
    with alone_if_free(lock_file(f"{block_name(account, cluster)}.run")) as free:
        yield "" if free else f"another run on this machine is changing cluster {cluster}"


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
def ensure_credentials(account: QingCloudAccount, view: Inventory) -> Ensured[ClusterCredentials]:
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
