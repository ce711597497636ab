"""Handles of clusters for tests: with a given cloud, or with one that does not answer."""

import time
from typing import cast

from pydantic import SecretStr

from blocks.accounts import QingCloudAccount
from domain.cloud.api import Cloud
from domain.kernel.waiting import Clock
from domain.secrets.vault import Vault
from domain.spec.cluster import ClusterSpec
from localcloud.iaas.signature import Account
from tasks.cluster import Cluster
from tests.iaas_daemon import ACCOUNT, ZONE
from tests.memory_vault import MemoryJournal, MemoryVault

NOWHERE = "http://127.0.0.1:9/iaas/"


def make_account(endpoint: str = NOWHERE, key: Account = ACCOUNT) -> QingCloudAccount:
    return QingCloudAccount(
        zone=ZONE,
        access_key_id=key.key_id,
        secret_access_key=SecretStr(key.secret),
        endpoint=endpoint,
        bills=False,
    )


def make_cluster(
    spec: ClusterSpec,
    account: QingCloudAccount | None = None,
    vault: Vault | None = None,
    clock: Clock = time,
) -> Cluster:
    account = account or make_account()
    cloud = cast(Cloud, account.client())
    key = f"{spec.name}-1a2b3c4d"
    vault = vault or MemoryVault()
    journal = MemoryJournal(clock)
    cluster = Cluster(
        account, spec.name, key, cloud=cloud, vault=vault, journal=journal, clock=clock
    )
    return cluster.wanting(spec)
