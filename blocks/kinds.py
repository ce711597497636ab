"""The kinds of blocks that we have: importing this registers them with Prefect.

The package's entry point `prefect.collections` names this module, so that a new Prefect server, and
a worker, know them without a command of ours.
"""

from prefect.blocks.core import Block

from blocks.accounts import QingCloudAccount
from blocks.backups import BackupStore
from blocks.credentials import ClusterCredentials
from blocks.monitoring import MonitoringDatabase
from blocks.notifications import SERVICES

KINDS: tuple[type[Block], ...] = (
    QingCloudAccount,
    ClusterCredentials,
    MonitoringDatabase,
    BackupStore,
    *SERVICES,
)
