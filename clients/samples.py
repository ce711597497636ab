"""Samples in a SQL database: SQLite or PostgreSQL, written and read with pandas.

Two tables: `samples` is the tidy frame, `gaps` holds missing samples with the reason. Times are in
UTC. An existing sample is kept, so the same minutes may be read twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Double,
    Index,
    Select,
    String,
    Table,
    delete,
    func,
    literal,
    select,
    tuple_,
)
from sqlalchemy.dialects import postgresql, sqlite

from clients.alarm_history import AlarmHistory
from clients.closing import Closable
from clients.database import KEY_LENGTH, PATIENCE, TABLES, Database, UtcTime
from clients.lives import LifeHistory
from clients.scalings import ScalingHistory
from domain.kernel.names import ClusterId
from domain.observe.metrics.records import (
    COLUMNS,
    Gap,
    Sample,
    SampleReader,
    Trouble,
    Window,
    WindowStatistics,
)
from domain.spec.metrics import Per

if TYPE_CHECKING:
    import pandas as pd


def _table(name: str, *more: Column[Any]) -> Table:
    # The order of the key is that of the query: one metric of one cluster in a span of time.
    return Table(
        name,
        TABLES,
        Column("cluster", String(KEY_LENGTH), primary_key=True),
        Column("metric", String(64), primary_key=True),
        Column("time", UtcTime, primary_key=True),
        Column("group", String(32), primary_key=True),
        Column("machine", String(64), primary_key=True),
        *more,
        Index(f"{name}_cluster_time", "cluster", "time"),
        sqlite_with_rowid=False,
    )


_SAMPLES = _table(
    "samples", Column("value", Double, nullable=False), Column("unit", String(16), nullable=False)
)
_GAPS = _table("gaps", Column("reason", String, nullable=False))


class SampleStore(Closable):
    """The samples of one cluster in a database; threads may share it. Satisfies `SampleReader`.

    Records carry the cluster's name, for people; rows carry its key, because two accounts may have
    a cluster of one name.

    Every call raises `TemporaryError` when the database is locked or unreachable; then nothing of
    the call was written.
    """

    def __init__(self, url: str, cluster: ClusterId, patience: float = PATIENCE) -> None:
        """Prepare the store; other arguments and errors are those of `Database`."""
        self.database = Database(
            url, patience=patience, owner=cluster
        )  # for the other tables in it
        self._cluster = cluster

    @property
    def scalings(self) -> ScalingHistory:
        """The cluster's scalings, in the same database."""
        return ScalingHistory(self.database, self._cluster.key)

    @property
    def alarms(self) -> AlarmHistory:
        """The cluster's alarms, in the same database."""
        return AlarmHistory(self.database, self._cluster.key)

    @property
    def lives(self) -> LifeHistory:
        """The lives of the cluster's billed resources, in the same database."""
        return LifeHistory(self.database, self._cluster.key)

    @property
    def where(self) -> str:
        """The database's URL without its password."""
        return self.database.where

    def add(self, samples: Sequence[Sample], gaps: Sequence[Gap] = ()) -> None:
        """Write samples and gaps in one transaction; existing ones are kept."""
        import pandas as pd  # here: the import takes a second, and most commands need none of it

        with self.database.transaction() as connection:
            for table, rows in ((_SAMPLES, samples), (_GAPS, gaps)):
                if rows:
                    frame = pd.DataFrame([asdict(row) for row in rows])
                    frame["cluster"] = self._cluster.key
                    frame.to_sql(
                        table.name,
                        connection,
                        if_exists="append",
                        index=False,
                        chunksize=2000,
                        method=_insert_new(table),
                    )

    def frame(self, window: Window) -> pd.DataFrame:
        """The samples of a window as a tidy frame, oldest first; `time` is in UTC."""
        import pandas as pd

        query = self._chosen(select(*self._columns()), _SAMPLES, window).order_by(
            _SAMPLES.c.time, _SAMPLES.c.metric, _SAMPLES.c.group, _SAMPLES.c.machine
        )
        with self.database.transaction() as connection:
            frame = pd.read_sql(query, connection)
        frame["time"] = pd.to_datetime(frame["time"], utc=True)
        return frame

    def statistics(self, window: Window, per: Per = Per.GROUP) -> list[WindowStatistics]:
        """Average, minimum and maximum by metric; no row for a metric without samples."""
        samples = _SAMPLES.c
        nothing = literal("")
        group = nothing if per is Per.CLUSTER else samples.group
        machine = samples.machine if per is Per.MACHINE else nothing
        keys: list[ColumnElement[Any]] = [samples.metric]
        keys += [key for key in (group, machine) if key is not nothing]
        query = self._chosen(
            select(
                group.label("group"),
                machine.label("machine"),
                samples.metric,
                func.max(samples.unit).label("unit"),
                func.count().label("count"),
                func.avg(samples.value).label("average"),
                func.min(samples.value).label("minimum"),
                func.max(samples.value).label("maximum"),
                func.max(samples.time, type_=UtcTime).label("latest"),
            ),
            _SAMPLES,
            window,
        )
        with self.database.transaction() as connection:
            rows = connection.execute(query.group_by(*keys).order_by(*keys)).all()
        return [WindowStatistics(**row._mapping) for row in rows]

    def latest(self, window: Window) -> list[Sample]:
        """The latest sample of each machine (or group) and metric inside the window."""
        samples = _SAMPLES.c
        series = (samples.metric, samples.group, samples.machine)
        newest = self._chosen(
            select(*series, func.max(samples.time, type_=UtcTime)), _SAMPLES, window
        ).group_by(*series)
        query = (
            select(*self._columns())
            .where(samples.cluster == self._cluster.key)
            .where(tuple_(*series, samples.time).in_(newest))
            .order_by(*series)
        )
        with self.database.transaction() as connection:
            return [Sample(**row._mapping) for row in connection.execute(query)]

    def troubles(self, window: Window) -> list[Trouble]:
        """The gaps in the window, each once, the most recent one first."""
        gaps = _GAPS.c
        keys = (gaps.group, gaps.machine, gaps.metric, gaps.reason)
        last = func.max(gaps.time, type_=UtcTime).label("last")
        counts = func.count().label("count"), func.min(gaps.time, type_=UtcTime).label("first")
        query = self._chosen(select(*keys, *counts, last), _GAPS, window).group_by(*keys)
        with self.database.transaction() as connection:
            rows = connection.execute(query.order_by(last.desc(), *keys))
            return [Trouble(**row._mapping) for row in rows]

    def prune(self, before: datetime) -> int:
        """Delete the cluster's older samples and gaps. Returns: the number of deleted samples."""
        with self.database.transaction() as connection:
            counts = [
                connection.execute(
                    delete(table).where(table.c.cluster == self._cluster.key, table.c.time < before)
                ).rowcount
                for table in (_SAMPLES, _GAPS)
            ]
        return counts[0]

    def close(self) -> None:
        self.database.close()

    def _columns(self) -> list[ColumnElement[Any]]:
        name = literal(self._cluster.name).label("cluster")
        return [name if column == "cluster" else _SAMPLES.c[column] for column in COLUMNS]

    def _chosen(self, query: Select[Any], table: Table, window: Window) -> Select[Any]:
        columns = table.c
        query = query.where(
            columns.cluster == self._cluster.key,
            columns.time >= window.since,
            columns.time < window.until,
        )
        if window.metrics:
            query = query.where(columns.metric.in_(window.metrics))
        if window.group:
            query = query.where(columns.group == window.group)
        return query


def _insert_new(
    table: Table,
) -> Callable[[Any, Any, list[str], Iterable[tuple[Any, ...]]], int]:
    """The method by which pandas inserts rows; rows with an existing key are skipped."""

    def insert(_: Any, connection: Any, names: list[str], rows: Iterable[tuple[Any, ...]]) -> int:
        dialect: Any = sqlite if connection.dialect.name == "sqlite" else postgresql
        statement = dialect.insert(table).on_conflict_do_nothing()
        values = [dict(zip(names, row, strict=True)) for row in rows]
        return int(connection.execute(statement, values).rowcount)

    return insert


if TYPE_CHECKING:
    _proof: Callable[[str, ClusterId], SampleReader] = SampleStore
