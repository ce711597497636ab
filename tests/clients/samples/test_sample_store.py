"""The store on SQLite and on a real PostgreSQL: the same questions, the same answers."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, event, inspect, text

from clients.samples import SampleStore
from domain.kernel.errors import FinalError, InvalidSpec, TemporaryError
from domain.kernel.names import ClusterId
from domain.observe.metrics.records import COLUMNS, Gap, Sample, Trouble, Window, WindowStatistics
from domain.spec.metrics import Per
from tests.domain.makers import DEMO

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
HOUR = Window(NOON - timedelta(hours=1), NOON + timedelta(hours=1))


def sample(value: float = 1.0, minute: int = 0, machine: str = "n1", **changes: object) -> Sample:
    time = NOON + timedelta(minutes=minute)
    made = Sample(time, "demo", "k8s-node", machine, "podsNum", value, "pods")
    return replace(made, **changes)  # type: ignore[arg-type]


def gap(minute: int = 0, reason: str = "it printed two numbers") -> Gap:
    return Gap(NOON + timedelta(minutes=minute), "demo", "k8s-node", "n1", "custom", reason)


def test_samples_are_read_as_a_tidy_frame(store: SampleStore) -> None:
    store.add([sample(2.0, minute=1), sample(1.0)])
    frame = store.frame(HOUR)
    assert tuple(frame.columns) == COLUMNS
    assert list(frame["value"]) == [1.0, 2.0]
    assert list(frame["time"]) == [NOON, NOON + timedelta(minutes=1)]
    assert str(frame["time"].dt.tz) == "UTC"


def test_an_empty_window_is_an_empty_frame_of_the_same_shape(store: SampleStore) -> None:
    frame = store.frame(HOUR)
    assert tuple(frame.columns) == COLUMNS
    assert frame.empty
    assert store.statistics(HOUR) == []
    assert store.latest(HOUR) == []


def test_existing_sample_is_kept(store: SampleStore) -> None:
    store.add([sample(1.0)])
    store.add([sample(9.0), sample(2.0, minute=1)])
    assert [
        one.value for one in store.latest(replace(HOUR, until=NOON + timedelta(seconds=1)))
    ] == [1.0]
    assert list(store.frame(HOUR)["value"]) == [1.0, 2.0]


def test_a_time_of_another_zone_is_the_same_moment(store: SampleStore) -> None:
    beijing = NOON.astimezone(timezone(timedelta(hours=8)))
    store.add([sample(time=beijing)])
    assert store.latest(HOUR) == [sample()]


@pytest.mark.parametrize(
    ("per", "expected"),
    [
        (Per.CLUSTER, [("", "", 4, 25.0, 10.0, 40.0)]),
        (
            Per.GROUP,
            [("k8s-master", "", 1, 40.0, 40.0, 40.0), ("k8s-node", "", 3, 20.0, 10.0, 30.0)],
        ),
        (
            Per.MACHINE,
            [
                ("k8s-master", "m1", 1, 40.0, 40.0, 40.0),
                ("k8s-node", "n1", 2, 15.0, 10.0, 20.0),
                ("k8s-node", "n2", 1, 30.0, 30.0, 30.0),
            ],
        ),
    ],
)
def test_statistics_of_a_window_by_cluster_group_or_machine(
    store: SampleStore, per: Per, expected: list[tuple[object, ...]]
) -> None:
    store.add(
        [
            sample(10.0),
            sample(20.0, minute=1),
            sample(30.0, machine="n2"),
            sample(40.0, machine="m1", group="k8s-master"),
            sample(99.0, minute=-120),
            sample(99.0, cluster="other"),
        ]
    )
    found = store.statistics(HOUR, per)
    assert [
        (one.group, one.machine, one.count, one.average, one.minimum, one.maximum) for one in found
    ] == expected
    assert {(one.metric, one.unit) for one in found} == {("podsNum", "pods")}


def test_statistics_have_the_time_of_the_latest_sample(store: SampleStore) -> None:
    store.add([sample(1.0), sample(3.0, minute=2)])
    latest = NOON + timedelta(minutes=2)
    assert store.statistics(HOUR) == [
        WindowStatistics("k8s-node", "", "podsNum", "pods", 2, 2.0, 1.0, 3.0, latest)
    ]


def test_a_window_begins_with_its_first_moment_and_ends_before_its_last(store: SampleStore) -> None:
    store.add([sample(1.0), sample(2.0, minute=5)])
    window = Window(NOON, NOON + timedelta(minutes=5))
    assert list(store.frame(window)["value"]) == [1.0]


def test_a_window_chooses_metrics_and_group(store: SampleStore) -> None:
    store.add(
        [
            sample(1.0),
            sample(2.0, machine="n2"),
            sample(3.0, metric="cpu"),
            sample(4.0, machine="m1", group="k8s-master"),
        ]
    )
    window = replace(HOUR, metrics=("podsNum",), group="k8s-node")
    assert [one.value for one in store.latest(window)] == [1.0, 2.0]


def test_latest_sample_of_each_series_is_read(store: SampleStore) -> None:
    store.add([sample(1.0), sample(2.0, minute=1), sample(3.0, machine="n2")])
    store.add([sample(4.0, minute=1, metric="cpu", unit="%")])
    assert {(one.metric, one.machine): one.value for one in store.latest(HOUR)} == {
        ("cpu", "n1"): 4.0,
        ("podsNum", "n1"): 2.0,
        ("podsNum", "n2"): 3.0,
    }


def test_repeated_gap_is_one_trouble_with_its_reason(store: SampleStore) -> None:
    store.add([], [gap(1, "it hung"), gap(3, "it hung"), gap(2), gap(-90)])
    one = gap()
    where = (one.group, one.machine, one.metric)
    minutes = [NOON + timedelta(minutes=number) for number in range(4)]
    assert store.troubles(HOUR) == [
        Trouble(*where, "it hung", 2, minutes[1], minutes[3]),
        Trouble(*where, one.reason, 1, minutes[2], minutes[2]),
    ]


def test_older_samples_and_gaps_are_deleted(store: SampleStore, url: str) -> None:
    store.add([sample(), sample(minute=-90)], [gap(-90)])
    other = SampleStore(url, ClusterId("other", "other-1a2b3c4d"))
    other.add([sample(minute=-90, cluster="other")])
    assert store.prune(NOON - timedelta(hours=1)) == 1
    day = Window(NOON - timedelta(days=1), NOON + timedelta(days=1))
    assert [one.time for one in store.latest(day)] == [NOON]
    assert store.troubles(day) == []
    with other:
        assert len(other.latest(day)) == 1


def test_clusters_of_one_name_in_two_accounts_share_nothing(store: SampleStore, url: str) -> None:
    store.add([sample(1.0)], [gap(1, "of this account")])
    with SampleStore(url, ClusterId("demo", "demo-5e6f7a8b")) as other:
        other.add([sample(2.0)], [gap(1, "of the other one")])
        assert [one.value for one in other.latest(HOUR)] == [2.0]
        assert [one.reason for one in other.troubles(HOUR)] == ["of the other one"]
        assert other.prune(NOON + timedelta(hours=1)) == 1
    assert store.latest(HOUR) == [sample(1.0)]
    assert len(store.frame(HOUR)) == 1
    assert store.statistics(HOUR)[0].maximum == 1.0


def test_thousands_of_samples_are_written_at_once(store: SampleStore) -> None:
    store.add([sample(float(n), machine=f"n{n}") for n in range(5000)])
    (found,) = store.statistics(HOUR)
    assert (found.count, found.maximum) == (5000, 4999.0)


def test_the_tables_have_an_index_for_deleting_by_time(store: SampleStore, url: str) -> None:
    store.add([sample()])
    engine = create_engine(url)
    found = inspect(engine)
    for table in ("samples", "gaps"):
        assert [index["column_names"] for index in found.get_indexes(table)] == [
            ["cluster", "time"]
        ]
        key = found.get_pk_constraint(table)["constrained_columns"]
        assert key == ["cluster", "metric", "time", "group", "machine"]
    engine.dispose()


def test_two_stores_create_the_tables_at_the_same_time(url: str) -> None:
    with SampleStore(url, DEMO) as one, SampleStore(url, DEMO) as other:
        one.add([sample()])
        other.add([sample(minute=1)])
        assert len(one.frame(HOUR)) == 2


@contextmanager
def locked(file: Path) -> Iterator[None]:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield
        connection.rollback()


def test_queries_of_each_minute_do_not_read_the_whole_history(tmp_path: Path) -> None:
    file = tmp_path / "samples.db"
    with SampleStore(f"sqlite:///{file}", DEMO) as store:
        store.add([sample()], [gap()])
        statements = statements_of(store)
        store.latest(replace(HOUR, metrics=()))
        store.statistics(replace(HOUR, metrics=("podsNum",)), Per.MACHINE)
        store.prune(NOON)
    with closing(sqlite3.connect(file)) as connection:
        plans = [
            str(step)
            for statement, values in statements
            for (*_, step) in connection.execute(f"EXPLAIN QUERY PLAN {statement}", values)
        ]
    reads = [step for step in plans if "SEARCH" in step or "SCAN" in step]
    assert len(reads) >= 4
    assert all("time" in step for step in reads), reads


def statements_of(store: SampleStore) -> list[tuple[str, Any]]:
    """Record the statements of the store from now on, with their values."""
    statements: list[tuple[str, Any]] = []

    def note(
        connection: Any, cursor: Any, statement: str, values: Any, context: Any, many: bool
    ) -> None:
        if not many:
            statements.append((statement, values))

    event.listen(store.database.engine, "before_cursor_execute", note)
    return statements


def test_a_locked_file_is_a_temporary_error_and_works_again_later(tmp_path: Path) -> None:
    file = tmp_path / "samples.db"
    with SampleStore(f"sqlite:///{file}", DEMO, patience=0.1) as store:
        store.add([sample()])
        with locked(file), pytest.raises(TemporaryError, match=r"does not answer: database is lo"):
            store.add([sample(minute=1)])
        store.add([sample(minute=2)])
        assert len(store.frame(HOUR)) == 2


def test_a_locked_table_of_postgresql_is_a_temporary_error(postgres: str) -> None:
    engine = create_engine(postgres)
    with SampleStore(postgres, DEMO, patience=0.1) as store:
        store.add([sample()])
        with engine.begin() as connection:
            connection.execute(text("LOCK TABLE samples IN ACCESS EXCLUSIVE MODE"))
            with pytest.raises(TemporaryError, match=r"does not answer: .*lock timeout"):
                store.add([sample(minute=1)])
        store.add([sample(minute=2)])
    engine.dispose()


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("//user:a-secret@127.0.0.1:9/name", "user:***@127.0.0.1:9/name does not"),
        ("//127.0.0.1:9/name?user=me&password=a-secret", "127.0.0.1:9/name?user=me does not"),
    ],
)
def test_unreachable_database_is_a_temporary_error_without_its_password(
    url: str, shown: str
) -> None:
    gone = SampleStore(f"postgresql+psycopg:{url}", DEMO)
    with gone as store, pytest.raises(TemporaryError, match="does not answer") as info:
        store.frame(HOUR)
    assert "a-secret" not in str(info.value)
    assert shown in str(info.value)
    assert str(info.value).endswith("Connection refused")  # and no question whether it runs


def test_deleted_file_is_created_again(tmp_path: Path) -> None:
    file = tmp_path / "samples.db"
    with SampleStore(f"sqlite:///{file}", DEMO) as store:
        store.add([sample()])
    file.unlink()
    with SampleStore(f"sqlite:///{file}", DEMO) as store:
        store.add([sample()])
        assert len(store.frame(HOUR)) == 1


def test_file_that_is_not_a_database_is_a_final_error(tmp_path: Path) -> None:
    file = tmp_path / "samples.db"
    file.write_text("This is a text, and a long one, so that nobody takes it for a database. " * 9)
    with (
        SampleStore(f"sqlite:///{file}", DEMO) as store,
        pytest.raises(FinalError, match="not a datab"),
    ):
        store.frame(HOUR)


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("samples.db", "valid are sqlite:////path"),
        ("mysql://host/name", "in SQLite or PostgreSQL, not in mysql"),
        ("postgresql+nodriver://host/name", "is not valid"),
    ],
)
def test_invalid_url_is_refused_with_valid_examples(url: str, sentence: str) -> None:
    with pytest.raises(InvalidSpec, match=sentence):
        SampleStore(url, DEMO)
