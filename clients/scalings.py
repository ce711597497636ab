"""The scalings of a cluster, in the samples' database.

The cluster's Events expire after an hour, and the runs of the Prefect server after some time; the
page of charts shows a month.
"""

from dataclasses import asdict, fields
from datetime import datetime

from sqlalchemy import Column, Integer, String, Table, insert, select

from clients.database import KEY_LENGTH, TABLES, Database, UtcTime
from domain.observe.scalings import Scaling

_SCALINGS = Table(
    "scalings",
    TABLES,
    Column("number", Integer, primary_key=True),
    Column("cluster", String(KEY_LENGTH), nullable=False, index=True),
    Column("group", String(32), nullable=False),
    Column("began_at", UtcTime, nullable=False),
    Column("ended_at", UtcTime, nullable=False),
    Column("before", Integer, nullable=False),
    Column("wanted", Integer, nullable=False),
    Column("who", String(32), nullable=False),
    Column("why", String, nullable=False),
    Column("failure", String, nullable=False),
    Column("run", String, nullable=False),
)


class ScalingHistory:
    """One cluster's scalings in one database. They are never deleted.

    Every call raises `TemporaryError` when the database is locked or unreachable; then nothing of
    the call was written.
    """

    def __init__(self, database: Database, cluster: str) -> None:
        """Use the rows of a cluster by its key, in a database that the caller closes."""
        self._database = database
        self._cluster = cluster

    def add(self, scaling: Scaling) -> None:
        row = {"cluster": self._cluster, **asdict(scaling)}
        with self._database.transaction() as connection:
            connection.execute(insert(_SCALINGS), row)

    def read(self, since: datetime) -> list[Scaling]:
        """The scalings that ended since then, the oldest first."""
        columns = _SCALINGS.c
        query = (
            select(*(columns[field.name] for field in fields(Scaling)))
            .where(columns.cluster == self._cluster, columns.ended_at >= since)
            .order_by(columns.began_at, columns.number)
        )
        with self._database.transaction() as connection:
            return [Scaling(**row._mapping) for row in connection.execute(query)]
