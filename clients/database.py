"""The SQL database of samples, alarms and lifetimes: SQLite or PostgreSQL. Times are in UTC."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    DateTime,
    Engine,
    MetaData,
    String,
    Table,
    create_engine,
    delete,
    event,
    select,
    update,
)
from sqlalchemy.engine import Dialect, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError, SQLAlchemyError
from sqlalchemy.types import TypeDecorator

from clients.closing import Closable
from clients.schema import NEWEST, Schema
from domain.kernel.errors import FinalError, InvalidSpec, TemporaryError
from domain.kernel.names import ClusterId

PATIENCE = 5.0
"""Seconds that a call waits for a locked or unresponsive database."""

TABLES = MetaData()
"""Every table of the database; each is declared in the module that uses it.

Their column `cluster` holds a cluster's key, its name and a digest of its account.
"""

KEY_LENGTH = 32

UNCLAIMED = Table("unclaimed", TABLES, Column("cluster", String(KEY_LENGTH), primary_key=True))
"""Clusters of which rows of an earlier release have the name in place of the key."""


class UtcTime(TypeDecorator[datetime]):
    """A time with its zone. SQLite stores no zone, so there it is always UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Database(Closable):
    """One database; threads may share it. Close it, or use it as a context manager."""

    def __init__(
        self,
        url: str,
        schema: Schema = NEWEST,
        patience: float = PATIENCE,
        owner: ClusterId | None = None,
    ) -> None:
        """Prepare it; nothing is opened before the first transaction.

        Args:
            owner: the cluster that is read and written. It gets the rows that an earlier release
                has kept under its name, unless another account's cluster already has them.
            patience: seconds that a call waits for a locked or unresponsive database.

        Raises:
            InvalidSpec: the URL is not valid, or its driver is not installed.
        """
        self.engine = _engine(url, patience)
        self._schema, self._owner = schema, owner
        self._is_current = False

    @property
    def where(self) -> str:
        """The URL without the password, which may be in the query, too."""
        url = self.engine.url
        secret = [key for key in url.query if "pass" in key]
        return url.difference_update_query(secret).render_as_string(hide_password=True)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Open a transaction; the first one creates or migrates the tables.

        Raises:
            TemporaryError: the database is locked or unreachable; nothing was written.
            BadRequest: a newer release wrote the database; nothing was changed.
            FinalError: the file is not a database, or the database refuses the statement.
        """
        try:
            if not self._is_current:
                self._migrate()
            with self.engine.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            # The file was deleted, or a newer release has migrated it meanwhile: look again.
            self._is_current = False
            raise _error_from(error, self.where) from error

    def _migrate(self) -> None:
        with self.engine.connect() as connection:
            is_current = self._schema.is_current(connection)
        if not is_current:
            with self.engine.begin() as connection:
                self._schema.migrate(connection, self.where)
        if self._owner:
            with self.engine.begin() as connection:
                _claim(connection, self._owner)
        self._is_current = True

    def close(self) -> None:
        self.engine.dispose()


def _claim(connection: Connection, owner: ClusterId) -> None:
    """Give a cluster the rows that bear its name alone, once; most often there are none."""
    ours = UNCLAIMED.c.cluster == owner.name
    if connection.execute(select(UNCLAIMED).where(ours)).first() is None:
        return
    if not connection.execute(delete(UNCLAIMED).where(ours)).rowcount:
        return  # another process was faster
    for table in TABLES.sorted_tables:
        if table is not UNCLAIMED:
            named = table.c.cluster == owner.name
            connection.execute(update(table).where(named).values(cluster=owner.key))


def _engine(url: str, patience: float) -> Engine:
    try:
        parsed = make_url(url)
        dialect = parsed.get_backend_name()
        if dialect == "sqlite":
            engine = create_engine(parsed, connect_args={"timeout": patience})
            event.listen(engine, "connect", _prepare_sqlite)
        elif dialect == "postgresql":
            arguments = {
                "connect_timeout": max(1, round(patience)),  # whole seconds; 0 would be none
                "options": f"-c lock_timeout={patience * 1000:.0f}ms",
                "client_encoding": "utf8",
            }
            engine = create_engine(parsed, connect_args=arguments, pool_pre_ping=True)
        else:
            raise InvalidSpec(f"samples are kept in SQLite or PostgreSQL, not in {dialect}")
    except (ArgumentError, NoSuchModuleError) as error:
        raise InvalidSpec(
            "the URL of the samples' database is not valid; valid are "
            "sqlite:////path/samples.db or postgresql+psycopg://user@host/name"
        ) from error
    except ImportError as error:
        raise InvalidSpec(
            f"the driver of {parsed.drivername} is not installed: {error}; "
            "for PostgreSQL: pip install 'psycopg[binary]'"
        ) from error
    return engine


def _prepare_sqlite(connection: Any, record: Any) -> None:
    """Allow reads during a write."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.close()


def _error_from(error: SQLAlchemyError, where: str) -> TemporaryError | FinalError:
    if isinstance(error, OperationalError):
        return TemporaryError(f"the database {where} does not answer: {_reason_of(error)}")
    return FinalError(f"the database {where}: {_reason_of(error)}")


def _reason_of(error: SQLAlchemyError) -> str:
    """The database's message on one line, without the statement and its values.

    Lines with a question are dropped: PostgreSQL's client asks whether the server is running.
    """
    origin = getattr(error, "orig", None) or error
    lines = [line for line in str(origin).splitlines() if not line.rstrip().endswith("?")]
    return " ".join(" ".join(lines).split())[:300].rstrip(".")
