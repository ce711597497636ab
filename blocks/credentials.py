"""A cluster's secrets as a Prefect block: encrypted at rest, masked in the UI."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from prefect.blocks.core import Block
from pydantic import Field, HttpUrl, SecretStr

from blocks.looks import WithLogo
from domain.secrets.credentials import Credentials
from domain.secrets.kubeconfig import ClusterAccess, make_access
from domain.secrets.pki import CertifiedKey, SshKeyPair

if TYPE_CHECKING:
    from clients.kubernetes import ClusterClient

CERTIFICATE_VALIDITY = timedelta(hours=12)
"""A client certificate cannot be revoked, so each run makes its own, valid for a short time."""


def connect_api(access: ClusterAccess) -> "ClusterClient":
    """Open the API of a cluster."""
    from clients.kubernetes import (
        ClusterClient,  # here: Kubernetes' models take a third of a second
    )

    return ClusterClient(access)


class ClusterCredentials(WithLogo, Block):
    """Cluster CA, SSH key and pinned host keys of one cluster, written by the flows.

    Without it no login to the cluster's machines is possible; a teardown still works.

    Example:
        ```python
        from blocks.credentials import ClusterCredentials

        credentials = ClusterCredentials.load("BLOCK_NAME")  # such as demo-1a2b3c4d
        with credentials.client("https://203.0.113.7:8080") as api:
            print(api.list_nodes())
        ```
    """

    _block_type_name = "Cluster Credentials"
    _block_type_slug = "cluster-credentials"
    _documentation_url = HttpUrl("https://kubernetes.io/docs/setup/best-practices/certificates/")

    ca_certificate: str = Field(
        description="Certificate of the cluster's CA, PEM.", json_schema_extra={"position": 0}
    )
    ca_key: SecretStr = Field(description="Its key, PEM.", json_schema_extra={"position": 1})
    ssh_public_key: str = Field(
        description="Public key of logins to machines, one line.", json_schema_extra={"position": 2}
    )
    ssh_private_key: SecretStr = Field(
        description="Its private key, OpenSSH PEM.", json_schema_extra={"position": 3}
    )
    first_host_keys: list[str] = Field(
        default_factory=list,
        description="Public host keys accepted at the first connection to a machine.",
        json_schema_extra={"position": 4},
    )
    next_host_keys: dict[str, str] = Field(
        default_factory=dict,
        description="Public host keys that machines are about to use, by instance id.",
        json_schema_extra={"position": 5},
    )
    host_keys: dict[str, str] = Field(
        default_factory=dict,
        description="Pinned public keys, by instance id.",
        json_schema_extra={"position": 6},
    )
    ending: bool = Field(
        False,
        description="Whether the cluster is being torn down: then no run may add to it.",
        json_schema_extra={"position": 7},
    )

    @classmethod
    def of(cls, credentials: Credentials) -> "ClusterCredentials":
        return cls(
            ca_certificate=credentials.ca.certificate,
            ca_key=SecretStr(credentials.ca.key),
            ssh_public_key=credentials.ssh.public_key,
            ssh_private_key=SecretStr(credentials.ssh.private_key),
            first_host_keys=list(credentials.first_host_keys),
            next_host_keys=dict(credentials.next_host_keys),
            host_keys=dict(credentials.host_keys),
            ending=credentials.ending,
        )

    def credentials(self) -> Credentials:
        return Credentials(
            ca=CertifiedKey(self.ca_certificate, self.ca_key.get_secret_value()),
            ssh=SshKeyPair(self.ssh_public_key, self.ssh_private_key.get_secret_value()),
            first_host_keys=tuple(self.first_host_keys),
            next_host_keys=dict(self.next_host_keys),
            host_keys=dict(self.host_keys),
            ending=self.ending,
        )

    def access(self, url: str, user: str, validity: timedelta) -> ClusterAccess:
        """Make an administrator's client certificate for the API server at `url`."""
        return make_access(self.credentials().ca, url, user, datetime.now(UTC), validity)

    def client(self, url: str) -> "ClusterClient":
        """Open the cluster's API as an administrator, with a certificate made for this run."""
        return connect_api(self.access(url, "qingcloud-flows", CERTIFICATE_VALIDITY))
