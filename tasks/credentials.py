"""Steps around a cluster's secrets, and the lock that keeps its runs apart."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

from blocks.locks import alone_if_free
from blocks.settings import lock_file
from domain.kernel.ensured import Ensured
from domain.kernel.errors import CredentialsMissing, OtherRun
from domain.secrets.credentials import Credentials, make_credentials
from domain.secrets.vault import describe_missing
from tasks.cluster import Cluster
from tasks.steps import step


@contextmanager
def only_run(cluster: Cluster) -> Iterator[None]:
    """Let one provision, scale or teardown at a time change a cluster, among this machine's.

    Two that begin a cluster at the same moment would each find nothing, and create all twice. Runs
    of other machines are kept apart by the deployments' concurrency limits.

    Raises:
        OtherRun: another run is changing it.
    """
    with unless_other_run(cluster) as other:
        if other:
            raise OtherRun(f"{other}; wait for its end, then run the same command again")
        cluster.look_again_unless_fresh()
        yield


@contextmanager
def unless_other_run(cluster: Cluster) -> Iterator[str]:
    """As `only_run`. Yields: words about the other run, or an empty text where there is none."""
    with alone_if_free(lock_file(f"{cluster.key}.run")) as free:
        if free:
            yield ""
        else:
            yield f"another run on this machine is changing cluster {cluster.name}"


def need_credentials(cluster: Cluster) -> None:
    """Refuse a cluster whose machines cannot be reached from here; one that is ending is no such.

    Raises:
        CredentialsMissing: the sentence says what can be done.
    """
    seen = cluster.inventory()
    if (seen.keypair or seen.instances) and cluster.find_credentials() is None:
        raise CredentialsMissing(describe_missing(cluster.vault, cluster.name))


@step("credentials of {cluster.name}")
def ensure_credentials(cluster: Cluster) -> Ensured[Credentials]:
    """Make and save the cluster's secrets, before anything of it exists.

    Raises:
        CredentialsMissing: machines exist, but the secrets to reach them do not.
    """
    seen = cluster.inventory()
    if not (seen.keypair or seen.instances):
        # No machine knows an older set, so nothing is lost by beginning anew.
        made = make_credentials(cluster.name, datetime.now(UTC))
        cluster.change_credentials(lambda found: made)
        return Ensured(made, "made and saved, before anything else exists")
    found = cluster.find_credentials()
    if found and found.ending:
        _set_ending(cluster, ending=False)
        return Ensured(cluster.credentials(), "kept, and the teardown that had begun is off")
    return Ensured(cluster.credentials(), "kept")


@step("notice of the end of {cluster.name}")
def announce_end(cluster: Cluster) -> Ensured[None]:
    """Let no other run add to the cluster from now on, the autoscaler's least of all.

    What it has begun fails before it starts another machine; `provision` takes the notice back.
    """
    found = cluster.find_credentials()
    if found is None:
        return Ensured(None, "its credentials are not here")
    if not found.ending:
        _set_ending(cluster, ending=True)
    return Ensured(None, "nothing is added any more")


@step("credentials of {cluster.name}")
def forget_credentials(cluster: Cluster) -> Ensured[None]:
    """Delete the cluster's secrets, last of all: until then a run could still continue."""
    deleted = cluster.forget_credentials()
    return Ensured(None, "deleted" if deleted else "none were saved")


def _set_ending(cluster: Cluster, *, ending: bool) -> None:
    def change(found: Credentials | None) -> Credentials:
        if found is None:
            raise CredentialsMissing(describe_missing(cluster.vault, cluster.name))
        return replace(found, ending=ending)

    cluster.change_credentials(change)
