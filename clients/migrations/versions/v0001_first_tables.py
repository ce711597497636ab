"""The tables of samples, gaps, alarms, deliveries and lives.

Each is created only where it is missing: databases without a schema version already hold some of
them, and keep their rows.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    _create_measurements("samples", _column("value", sa.Double), _column("unit", sa.String(16)))
    _create_measurements("gaps", _column("reason", sa.String))
    _create("alarm_states", *_alarm_columns(primary_key=True))
    _create("alarm_steps", _number(), *_alarm_columns())
    _create(
        "alarm_deliveries",
        _number(),
        _column("cluster", sa.String(14)),
        _column("service", sa.String(128)),
        _column("written_at", _TIME),
        _column("title", sa.String),
        _column("body", sa.String),
        _column("level", sa.String(8)),
        _column("outcome", sa.String(8)),
        _column("attempts", sa.Integer),
        _column("reason", sa.String),
    )
    for name in ("alarm_steps", "alarm_deliveries"):
        op.create_index(f"ix_{name}_cluster", name, ["cluster"], if_not_exists=True)
    _create(
        "lives",
        _column("cluster", sa.String(14), primary_key=True),
        _column("resource", sa.String(32), primary_key=True),
        _column("group", sa.String(32)),
        _column("kind", sa.String(64)),
        _column("units", sa.Integer),
        _column("created_at", _TIME),
        sa.Column("ended_at", _TIME),
    )


def _create_measurements(name: str, *more: sa.Column[Any]) -> None:
    _create(
        name,
        _column("cluster", sa.String(14), primary_key=True),
        _column("metric", sa.String(64), primary_key=True),
        _column("time", _TIME, primary_key=True),
        _column("group", sa.String(32), primary_key=True),
        _column("machine", sa.String(64), primary_key=True),
        *more,
        sqlite_with_rowid=False,
    )
    op.create_index(f"{name}_cluster_time", name, ["cluster", "time"], if_not_exists=True)


def _alarm_columns(*, primary_key: bool = False) -> list[sa.Column[Any]]:
    return [
        _column("cluster", sa.String(14), primary_key=primary_key),
        _column("rule", sa.String(40), primary_key=primary_key),
        _column("group", sa.String(32), primary_key=primary_key),
        _column("machine", sa.String(64), primary_key=primary_key),
        _column("phase", sa.String(8)),
        _column("level", sa.String(8)),
        _column("since", _TIME),
        sa.Column("value", sa.Double),
    ]


def _number() -> sa.Column[Any]:
    return _column("number", sa.Integer, primary_key=True)


def _column(name: str, kind: Any, *, primary_key: bool = False) -> sa.Column[Any]:
    return sa.Column(name, kind, primary_key=primary_key, nullable=False)


def _create(name: str, *columns: sa.Column[Any], **options: Any) -> None:
    op.create_table(name, *columns, if_not_exists=True, **options)
