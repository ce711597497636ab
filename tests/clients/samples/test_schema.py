"""Databases of no, an older, the current and a newer version, on SQLite and on PostgreSQL."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, event, inspect, text

from clients import migrations
from clients.alarm_history import AlarmHistory
from clients.database import TABLES, Database
from clients.lives import LifeHistory
from clients.samples import SampleStore
from clients.schema import HEAD, NEWEST, VERSION_TABLE, Schema
from domain.kernel.errors import BadRequest, ClusterError
from domain.kernel.names import ClusterId
from domain.observe.cost import Life
from domain.observe.metrics.records import Sample, Window
from tests.domain.makers import DEMO

NOON = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
LIFE = Life("i-1", "k8s-node", "s1.large.r2", NOON)
CASES = Path(__file__).parents[2] / "cases" / "samples"


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    engine = create_engine(url)
    with engine.begin() as connection:
        yield connection
    engine.dispose()


def read_versions(url: str) -> list[str]:
    with connected(url) as connection:
        return list(connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalars())


def list_tables(url: str) -> set[str]:
    with connected(url) as connection:
        return set(inspect(connection).get_table_names())


def make_unversioned(url: str, tables: int | None = None) -> None:
    """Create tables as releases before the first migration did, all or the first few."""
    name = "sqlite" if url.startswith("sqlite") else "postgresql"
    statements = (CASES / f"unversioned_{name}.sql").read_text().split(";\n")[:tables]
    with connected(url) as connection:
        for statement in filter(str.strip, statements):
            connection.execute(text(statement))
        connection.execute(
            text("INSERT INTO samples VALUES ('demo', 'cpu', :t, 'k8s-node', 'n1', 7.5, '%')"),
            {"t": "2026-11-01 12:00:00.000000" + ("" if name == "sqlite" else "+00")},
        )


def make_next(folder: Path, change: str) -> Schema:
    """The schema of a later release, which has one migration more."""
    shutil.copytree(Path(migrations.__file__).parent, folder)
    lines = ["from alembic import op", "import sqlalchemy as sa", "revision = 'next'"]
    lines += [f"down_revision = {HEAD!r}", "def upgrade():", f"    {change}"]
    (folder / "versions" / "next.py").write_text("\n".join(lines))
    return Schema("next", str(folder))


@pytest.fixture
def later(tmp_path: Path) -> Schema:
    return make_next(
        tmp_path / "100% later", "op.add_column('lives', sa.Column('note', sa.String))"
    )


def test_tables_of_a_new_database_are_those_that_the_code_declares(url: str) -> None:
    with Database(url) as database, database.transaction() as connection:
        # SQLite keeps texts of any length, so a migration does not change a column's there.
        ours = {
            "include_name": lambda name, kind, _: name != VERSION_TABLE,
            "compare_type": connection.dialect.name != "sqlite",
        }
        context = MigrationContext.configure(connection, opts=ours)
        assert compare_metadata(context, TABLES) == []
        assert {"samples", "alarm_steps", "lives"} <= TABLES.tables.keys()
    assert read_versions(url) == [HEAD]


def test_head_is_the_last_migration() -> None:
    config = Config()
    config.set_main_option("script_location", NEWEST.scripts)
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD


@pytest.mark.parametrize("tables", [None, 4], ids=["all-tables", "samples-and-gaps-only"])
def test_database_without_a_version_is_adopted_with_its_rows(url: str, tables: int | None) -> None:
    make_unversioned(url, tables)
    with SampleStore(url, DEMO) as store:
        lives = LifeHistory(store.database, DEMO.key)
        lives.write([LIFE])
        assert lives.read() == [LIFE]
        assert AlarmHistory(store.database, DEMO.key).read_states() == []
        window = Window(NOON, NOON.replace(hour=13))
        assert store.latest(window) == [Sample(NOON, "demo", "k8s-node", "n1", "cpu", 7.5, "%")]
    assert read_versions(url) == [HEAD]


def test_rows_that_bear_a_name_alone_are_of_the_first_cluster_of_that_name(url: str) -> None:
    make_unversioned(url)
    window = Window(NOON, NOON.replace(hour=13))
    with SampleStore(url, ClusterId("burst", "burst-1a2b3c4d")) as burst:
        assert burst.latest(window) == []
    with SampleStore(url, DEMO) as first:
        assert len(first.latest(window)) == 1
    with SampleStore(url, ClusterId("demo", "demo-5e6f7a8b")) as second:
        assert second.latest(window) == []
    with SampleStore(url, DEMO) as again:
        assert len(again.latest(window)) == 1


def test_database_of_an_older_version_is_migrated_with_its_rows(url: str, later: Schema) -> None:
    with Database(url) as database:
        LifeHistory(database, "demo").write([LIFE])
    with Database(url, later) as database:
        assert LifeHistory(database, "demo").read() == [LIFE]
        with database.transaction() as connection:
            columns = {one["name"] for one in inspect(connection).get_columns("lives")}
    assert "note" in columns
    assert read_versions(url) == ["next"]


def test_database_of_a_newer_version_is_refused_and_keeps_its_rows(url: str, later: Schema) -> None:
    with Database(url, later) as database:
        LifeHistory(database, "demo").write([LIFE])
    with (
        Database(url) as database,
        pytest.raises(BadRequest, match=f"has schema version next, and .* none after {HEAD}: use"),
    ):
        LifeHistory(database, "demo").read()
    with Database(url, later) as database:
        assert LifeHistory(database, "demo").read() == [LIFE]


def test_database_that_is_migrated_during_a_run_is_refused_after_the_first_error(
    url: str, tmp_path: Path
) -> None:
    renamed = make_next(tmp_path / "later", "op.rename_table('lives', 'resources')")
    with Database(url) as database:
        lives = LifeHistory(database, "demo")
        lives.write([LIFE])
        with Database(url, renamed) as other, other.transaction():
            pass
        with pytest.raises(ClusterError, match="lives"):
            lives.read()
        with pytest.raises(BadRequest, match="use the newer release"):
            lives.read()


def test_migration_that_fails_changes_nothing(url: str, tmp_path: Path) -> None:
    half = "op.add_column('lives', sa.Column('note', sa.String)); op.execute('INSERT INTO lives')"
    broken = make_next(tmp_path / "broken", half)
    with Database(url) as database:
        LifeHistory(database, "demo").write([LIFE])
    with Database(url, broken) as database, pytest.raises(ClusterError, match=r"syntax|incomplete"):
        LifeHistory(database, "demo").read()
    with Database(url) as database:
        assert LifeHistory(database, "demo").read() == [LIFE]


def test_second_process_waits_for_the_migration_of_the_first(url: str) -> None:
    waiting = Event()

    def note(connection: Any, cursor: Any, statement: str, *others: Any) -> None:
        if "BEGIN IMMEDIATE" in statement or "pg_advisory_xact_lock" in statement:
            waiting.set()

    with Database(url) as first, Database(url) as second, ThreadPoolExecutor(1) as pool:
        event.listen(second.engine, "before_cursor_execute", note)
        with first.engine.begin() as connection:
            NEWEST.migrate(connection, first.where)
            reading = pool.submit(LifeHistory(second, "demo").read)
            assert waiting.wait(30)
            assert not reading.done()
        assert reading.result(30) == []
    assert read_versions(url) == [HEAD]


def test_versions_of_other_programs_in_the_same_database_are_left_alone(url: str) -> None:
    with connected(url) as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32))"))
        connection.execute(text("INSERT INTO alembic_version VALUES ('of-another-program')"))
    with Database(url) as database:
        LifeHistory(database, "demo").write([LIFE])
    with connected(url) as connection:
        found = connection.execute(text("SELECT version_num FROM alembic_version")).scalars()
        assert list(found) == ["of-another-program"]


def test_table_of_another_program_with_a_name_of_ours_is_left_alone(url: str) -> None:
    with connected(url) as connection:
        connection.execute(text("CREATE TABLE samples (title VARCHAR)"))
    with SampleStore(url, DEMO) as store, pytest.raises(ClusterError, match="cluster"):
        store.latest(Window(NOON, NOON))
    assert list_tables(url) == {"samples"}


def test_current_database_is_opened_without_alembic(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/samples.db"
    with Database(url) as database:
        LifeHistory(database, "demo").write([LIFE])
    program = (
        "import sys; from clients.database import Database; from clients.lives import LifeHistory\n"
        "assert LifeHistory(Database(sys.argv[1]), 'demo').read()\n"
        "sys.exit('alembic' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program, url], check=True, timeout=60)
