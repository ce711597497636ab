"""The lifetimes of a cluster's resources, in the samples' database.

They are stored because the cloud drops deleted resources, and because the cost is of interest after
the cluster is deleted.
"""

from collections.abc import Sequence
from dataclasses import asdict, fields

from sqlalchemy import Column, Integer, String, Table, and_, delete, insert, select

from clients.database import KEY_LENGTH, TABLES, Database, UtcTime
from domain.observe.cost import Life

_LIVES = Table(
    "lives",
    TABLES,
    Column("cluster", String(KEY_LENGTH), primary_key=True),
    Column("resource", String(32), primary_key=True),
    Column("group", String(32), nullable=False),
    Column("kind", String(64), nullable=False),
    Column("units", Integer, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("ended_at", UtcTime),
)


class LifeHistory:
    """One cluster's lifetimes in one database. They are never deleted.

    Every call raises `TemporaryError` when the database is locked or unreachable; then nothing of
    the call was written.
    """

    def __init__(self, database: Database, cluster: str) -> None:
        """Use the rows of a cluster by its key, in a database that the caller closes."""
        self._database = database
        self._cluster = cluster

    def read(self) -> list[Life]:
        """All lifetimes, the oldest first."""
        columns = _LIVES.c
        query = (
            select(*(columns[field.name] for field in fields(Life)))
            .where(columns.cluster == self._cluster)
            .order_by(columns.created_at, columns.resource)
        )
        with self._database.transaction() as connection:
            return [Life(**row._mapping) for row in connection.execute(query)]

    def write(self, lives: Sequence[Life]) -> None:
        """Add lifetimes, or replace those of the same resources."""
        if not lives:
            return
        columns = _LIVES.c
        known = and_(
            columns.cluster == self._cluster,
            columns.resource.in_([life.resource for life in lives]),
        )
        rows = [{"cluster": self._cluster, **asdict(life)} for life in lives]
        with self._database.transaction() as connection:
            connection.execute(delete(_LIVES).where(known))
            connection.execute(insert(_LIVES), rows)
