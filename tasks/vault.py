"""The vault of a cluster on the Prefect server: its credentials as a block."""

import hashlib
from collections.abc import Callable

from blocks.accounts import QingCloudAccount
from blocks.credentials import ClusterCredentials
from blocks.locks import alone
from blocks.server_calls import (
    delete_block,
    load_block,
    read_variable,
    save_block,
    write_variable,
)
from blocks.settings import lock_file
from domain.cloud.api import Cloud
from domain.secrets.credentials import Credentials

_users: dict[str, str] = {}


def find_user(account: QingCloudAccount, cloud: Cloud) -> str:
    """Find the id of the user of the account's API key.

    A key never changes its user, so the cloud is asked once for each key: a Prefect variable keeps
    the answer, and so does this process.
    """
    key = hashlib.sha256(f"{account.endpoint}|{account.access_key_id}".encode()).hexdigest()
    variable = f"qingcloud-user-{key[:16]}"
    if variable not in _users:
        known = read_variable(variable)
        if known is None:
            known = cloud.read_user()
            write_variable(variable, known)
        _users[variable] = str(known)
    return _users[variable]


class PrefectVault:
    """Satisfies `domain.secrets.vault.Vault` with a block of the Prefect server.

    Machines of one run pin their keys at the same time, and so do several runs on this machine: a
    file lock allows one change at a time, so that no pinned key is lost.
    """

    def __init__(self, block: str) -> None:
        self._block = block

    @property
    def place(self) -> str:
        return f"block cluster-credentials/{self._block}"

    def find(self) -> Credentials | None:
        found = load_block(ClusterCredentials, self._block)
        return found.credentials() if found else None

    def save(self, credentials: Credentials) -> None:
        save_block(ClusterCredentials.of(credentials), self._block)

    def update(self, change: Callable[[Credentials | None], Credentials]) -> Credentials:
        with alone(lock_file(f"{self._block}.credentials")):
            changed = change(self.find())
            self.save(changed)
            return changed

    def delete(self) -> bool:
        return delete_block(ClusterCredentials, self._block)
