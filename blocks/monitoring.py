"""The samples' database: a file on this machine, or a PostgreSQL that a team shares."""

from typing import TYPE_CHECKING

from prefect.blocks.core import Block
from pydantic import Field, SecretStr

from blocks.server_calls import load_block
from blocks.settings import samples_file, samples_url
from domain.kernel.names import ClusterId

if TYPE_CHECKING:
    from clients.samples import SampleStore

DEFAULT = "default"


class MonitoringDatabase(Block):
    """The SQL database of samples. The one saved as `default` is used by all flows.

    Example:
        ```python
        from blocks.monitoring import MonitoringDatabase

        from domain.kernel.names import ClusterId

        cluster = ClusterId("demo", "demo-1a2b3c4d")
        with MonitoringDatabase.load("default").store(cluster) as samples:
            print(samples.where)
        ```
    """

    _block_type_name = "Monitoring Database"
    _block_type_slug = "monitoring-database"

    url: SecretStr = Field(
        description="sqlite:////path/samples.db or postgresql+psycopg://user:password@host/name",
        json_schema_extra={"position": 0},
    )

    def store(self, cluster: ClusterId) -> "SampleStore":
        """Open the samples of a cluster. Raises `InvalidSpec` for an invalid URL."""
        return _open(self.url.get_secret_value(), cluster)


def open_samples(cluster: ClusterId) -> "SampleStore":
    """Open the samples of a cluster; close it, or use it as a context manager.

    The environment's SAMPLES_URL comes first, then the block `default`, then a SQLite file in the
    user's data folder, beside the note on the Prefect server.

    Raises:
        InvalidSpec: the URL is not valid, or its driver is not installed.
    """
    if url := samples_url():
        return _open(url, cluster)
    if block := load_block(MonitoringDatabase, DEFAULT):
        return block.store(cluster)
    file = samples_file()
    return _open(f"sqlite:///{file}", cluster)


def _open(url: str, cluster: ClusterId) -> "SampleStore":
    from clients.samples import SampleStore  # here: SQLAlchemy takes a quarter of a second

    return SampleStore(url, cluster)
