from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from clients.lives import LifeHistory
from clients.samples import SampleStore
from domain.observe.cost import Life

NOON = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
LIFE = Life("i-1", "k8s-node", "s1.large.r2", NOON)


@pytest.fixture
def lives(store: SampleStore) -> LifeHistory:
    """On SQLite and on PostgreSQL, if it is installed."""
    return LifeHistory(store.database, "demo")


def test_lifetimes_are_stored_and_replaced(lives: LifeHistory) -> None:
    address = replace(LIFE, resource="eip-1", created_at=NOON + timedelta(hours=1), units=10)
    ended = replace(LIFE, ended_at=NOON + timedelta(hours=9))
    lives.write([LIFE, address])
    lives.write([ended])
    lives.write([])
    assert lives.read() == [ended, address]


def test_clusters_share_a_database_and_no_lifetimes(lives: LifeHistory, store: SampleStore) -> None:
    lives.write([LIFE])
    other = LifeHistory(store.database, "other")
    assert other.read() == []
    other.write([LIFE])
    assert lives.read() == [LIFE]
