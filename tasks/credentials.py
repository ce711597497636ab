"""Steps of a cluster's secrets."""

from dataclasses import replace
from datetime import UTC, datetime

from domain.kernel.ensured import Ensured
from domain.kernel.errors import CredentialsMissing
from domain.secrets.credentials import Credentials, make_credentials
from domain.secrets.vault import describe_missing
from tasks.cluster import Cluster
from tasks.steps import step


def need_credentials(cluster: Cluster) -> None:
    """Refuse a cluster without credentials, whose machines cannot be reached from here.

    Raises:
        CredentialsMissing: the message names the remedies.
    """
    seen = cluster.inventory()
    if (seen.keypair or seen.instances) and cluster.find_credentials() is None:
        raise CredentialsMissing(describe_missing(cluster.vault, cluster.name))


@step("credentials of {cluster.name}")
def ensure_credentials(cluster: Cluster) -> Ensured[Credentials]:
    """Generate and save the cluster's secrets, before any resource of it exists.

    Raises:
        CredentialsMissing: machines exist, but the secrets to reach them do not.
    """
    seen = cluster.inventory()
    if not (seen.keypair or seen.instances):
        # No machine uses an older set, so nothing is lost by generating a new one. That of a run
        # that was killed at its begin is kept: its key pair may still appear in the cloud.
        found = cluster.find_credentials()
        if found and found.is_new:
            return Ensured(cluster.credentials(), "kept, those of a run that was ended early")
        made = make_credentials(cluster.name, datetime.now(UTC))
        cluster.change_credentials(lambda found: made)
        return Ensured(made, "generated and saved, before anything else exists")
    found = cluster.find_credentials()
    if found and found.ending:
        _set_ending(cluster, ending=False)
        return Ensured(cluster.credentials(), "kept; the teardown that had begun is cancelled")
    return Ensured(cluster.credentials(), "kept")


@step("teardown mark of {cluster.name}")
def mark_ending(cluster: Cluster) -> Ensured[None]:
    """Mark the cluster as being torn down, so that no run adds to it, the autoscaler included.

    A run under way fails before it starts another machine; `provision` removes the mark.
    """
    found = cluster.find_credentials()
    if found is None:
        return Ensured(None, "no credentials on this server")
    if not found.ending:
        _set_ending(cluster, ending=True)
    return Ensured(None, "set; nothing is added any more")


@step("credentials of {cluster.name}")
def delete_credentials(cluster: Cluster) -> Ensured[None]:
    """Delete the cluster's secrets, last of all: until then a run could still continue."""
    deleted = cluster.delete_credentials()
    return Ensured(None, "deleted" if deleted else "none were saved")


def _set_ending(cluster: Cluster, *, ending: bool) -> None:
    def change(found: Credentials | None) -> Credentials:
        if found is None:
            raise CredentialsMissing(describe_missing(cluster.vault, cluster.name))
        return replace(found, ending=ending)

    cluster.change_credentials(change)
