"""The samples' database: a file on this machine, or a PostgreSQL that a team shares."""

from typing import TYPE_CHECKING

from prefect.blocks.core import Block
from pydantic import Field, SecretStr

from blocks.server_calls import load_block
from blocks.settings import samples_file, samples_url

if TYPE_CHECKING:
    from clients.samples import SampleStore

DEFAULT = "default"


class MonitoringDatabase(Block):
    """The SQL database of samples. The one saved as `default` is used by all flows.

    Example:
        ```python
        from blocks.monitoring import MonitoringDatabase

        with MonitoringDatabase.load("default").store() as samples:
            print(samples.where)
        ```
    """

    _block_type_name = "Monitoring Database"
    _block_type_slug = "monitoring-database"

    url: SecretStr = Field(
        description="sqlite:////path/samples.db or postgresql+psycopg://user:password@host/name",
        json_schema_extra={"position": 0},
    )

    def store(self) -> "SampleStore":
        """Open the database. Raises `InvalidSpec` for an invalid URL."""
        return _open(self.url.get_secret_value())


def open_samples() -> "SampleStore":
    """Open the database of samples; close it, or use it as a context manager.

    The environment's SAMPLES_URL comes first, then the block `default`, then a SQLite file in the
    user's data folder, beside the note on the Prefect server.

    Raises:
        InvalidSpec: the URL is not valid, or its driver is not installed.
    """
    if url := samples_url():
        return _open(url)
    if block := load_block(MonitoringDatabase, DEFAULT):
        return block.store()
    file = samples_file()
    return _open(f"sqlite:///{file}")


def _open(url: str) -> "SampleStore":
    from clients.samples import SampleStore  # here: SQLAlchemy takes a quarter of a second

    return SampleStore(url)
