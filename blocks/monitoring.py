"""The samples' database: a file on this machine, or a PostgreSQL that a team shares."""

from typing import TYPE_CHECKING

from prefect.blocks.core import Block
from pydantic import Field, HttpUrl, SecretStr

from blocks.looks import WithLogo
from blocks.server_calls import load_block
from blocks.settings import samples_file, samples_url
from domain.kernel.names import ClusterId

if TYPE_CHECKING:
    from clients.samples import SampleStore

DEFAULT = "default"


class MonitoringDatabase(WithLogo, Block):
    """The SQL database of samples. The one saved as `default` is used by all flows.

    Example:
        ```python
        from blocks.monitoring import MonitoringDatabase

        from domain.kernel.names import ClusterId

        database = MonitoringDatabase.load("BLOCK_NAME")  # `default` is the one of all flows
        with database.store(ClusterId("demo", "demo-1a2b3c4d")) as samples:
            print(samples.where)
        ```
    """

    _block_type_name = "Monitoring Database"
    _block_type_slug = "monitoring-database"
    _documentation_url = HttpUrl("https://docs.sqlalchemy.org/en/21/core/engines.html")

    url: SecretStr = Field(
        description="sqlite:////path/samples.db or postgresql+psycopg://user:password@host/name.",
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
