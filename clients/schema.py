"""The schema version of the samples database, and the migrations that lead to it."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, column, inspect, select, table

from domain.kernel.errors import BadRequest

HEAD = "0003"
"""The revision of the last file in `clients/migrations/versions`."""

VERSION_TABLE = "samples_schema_version"
"""A name of its own, because a Prefect server in the same PostgreSQL uses Alembic's default."""

_LOCK = 0x6B38732D716373
"""Key of the advisory lock under which PostgreSQL is migrated: an arbitrary number."""


@dataclass(frozen=True, slots=True)
class Schema:
    """A schema that databases are migrated to.

    Args:
        head: the revision of the newest migration.
        scripts: Alembic's script location, a folder or `package:folder`.
    """

    head: str = HEAD
    scripts: str = "clients:migrations"

    def is_current(self, connection: Connection) -> bool:
        """Whether the database has this schema. Reads its version, and imports no Alembic."""
        return _read_version(connection) == self.head

    def migrate(self, connection: Connection, where: str) -> None:
        """Run the missing migrations in the connection's transaction, which the caller commits.

        Waits for another process that migrates the same database, and then does nothing. Existing
        tables of a database without a version are adopted with their rows.

        Args:
            where: names the database in messages; without its password.

        Raises:
            BadRequest: a newer release wrote the database; nothing was changed.
        """
        from alembic import command  # here: the import takes 0.1 s, and most runs need none of it
        from alembic.config import Config
        from alembic.script import ScriptDirectory

        _lock(connection)
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", self.scripts.replace("%", "%%"))
        known = {one.revision for one in ScriptDirectory.from_config(config).walk_revisions()}
        found = _read_version(connection)
        if found is not None and found not in known:
            raise BadRequest(
                f"the database {where} has schema version {found}, and this release knows none "
                f"after {self.head}: use the newer release that wrote it, or name another database "
                "with SAMPLES_URL"
            )
        command.upgrade(config, self.head)


NEWEST = Schema()
"""The schema of this release."""


def _read_version(connection: Connection) -> str | None:
    """The revision that the database is at, None where it has none."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    revision: Any = column("version_num")
    found: str | None = connection.execute(
        select(revision).select_from(table(VERSION_TABLE))
    ).scalar()
    return found


def _lock(connection: Connection) -> None:
    """Keep other migrations out until the transaction ends."""
    if connection.dialect.name == "sqlite":
        # The driver by itself begins no transaction before a statement that changes tables.
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
