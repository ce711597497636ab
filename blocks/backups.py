"""The store of backups: a folder, or a bucket that speaks S3, and the pass phrase."""

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from prefect.blocks.core import Block
from pydantic import Field, HttpUrl, SecretStr

from blocks.looks import WithLogo
from blocks.server_calls import load_block
from blocks.settings import backup_pass_phrase
from domain.backup.sealing import check_pass_phrase
from domain.kernel.errors import InvalidSpec

if TYPE_CHECKING:
    from domain.backup.store import Store

DEFAULT = "default"


class BackupStore(WithLogo, Block):
    """Where backups of clusters are kept, off the cluster, and what seals them.

    Example:
        ```python
        from blocks.backups import BackupStore

        store = BackupStore.load("BLOCK_NAME")  # `default` is used where none is named
        print(store.store().names())
        ```
    """

    _block_type_name = "Backup Store"
    _block_type_slug = "backup-store"
    _documentation_url = HttpUrl("https://docs.qingcloud.com/qingstor/")

    url: str = Field(
        description="A folder such as /srv/backups, or s3://bucket/prefix.",
        json_schema_extra={"position": 0},
    )
    pass_phrase: SecretStr = Field(
        description="Seals each backup. Keep it elsewhere, too: without it none is of any use.",
        json_schema_extra={"position": 1},
    )
    endpoint: str = Field(
        "",
        description="Of a bucket, such as https://s3.pek3b.qingstor.com; Amazon's if empty.",
        json_schema_extra={"position": 2},
    )
    region: str = Field(
        "", description="Of a bucket, such as pek3b.", json_schema_extra={"position": 3}
    )
    access_key_id: str = Field(
        "", description="The key of a bucket.", json_schema_extra={"position": 4}
    )
    secret_access_key: SecretStr = Field(
        SecretStr(""), description="Its secret.", json_schema_extra={"position": 5}
    )

    def store(self) -> "Store":
        """Open the store. Raises `InvalidSpec` for an address that is neither."""
        if self.url.startswith("/"):
            return open_folder(Path(self.url))
        parts = urlsplit(self.url)
        if parts.scheme != "s3" or not parts.netloc:
            raise InvalidSpec(
                f"the backup store's url {self.url!r} is neither a folder (/srv/backups) nor a "
                "bucket (s3://bucket/prefix)"
            )
        return self._bucket(parts.netloc, parts.path.strip("/"))

    def _bucket(self, name: str, prefix: str) -> "Store":
        try:
            from clients.stores.s3 import Bucket, S3Store  # here: boto3 takes half a second
        except ImportError as error:
            raise InvalidSpec(
                "a bucket needs boto3; install kubernetes-on-qingcloud[s3], or use a folder"
            ) from error
        secret = self.secret_access_key.get_secret_value()
        prefix = f"{prefix}/" if prefix else ""
        bucket = Bucket(name, prefix, self.endpoint, self.region, self.access_key_id, secret)
        return S3Store(bucket)


def open_folder(folder: Path) -> "Store":
    from clients.stores.folder import FolderStore

    return FolderStore(folder)


def open_backups(name: str) -> tuple["Store", str]:
    """Open the store of a saved block, or a folder.

    Args:
        name: of the block, or a folder's path; if empty, the block `default`.

    Returns:
        The store, and the pass phrase: for a folder that of the environment.

    Raises:
        InvalidSpec: there is no such block, or no pass phrase.
        WrongPassPhrase: it is too short.
    """
    if "/" in name:
        phrase = backup_pass_phrase()
        if not phrase:
            raise InvalidSpec(
                "a backup in a folder is sealed with a pass phrase: set BACKUP_PASS_PHRASE, or "
                "save a Backup Store block in the Prefect UI and name it with --store"
            )
        check_pass_phrase(phrase)
        return open_folder(Path(name).expanduser().absolute()), phrase
    block = load_block(BackupStore, name or DEFAULT)
    if block is None:
        raise InvalidSpec(
            f"there is no Backup Store block named {name or DEFAULT!r} on this Prefect server; "
            "save one in its UI under Blocks, or give a folder with --store ./backups"
        )
    phrase = block.pass_phrase.get_secret_value()
    check_pass_phrase(phrase)
    return block.store(), phrase
