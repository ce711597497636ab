"""The column `cluster` holds a cluster's key, which has room for the account's digest.

Existing rows have the name alone. Which account they are of is not known here, so the names are
noted, and the first cluster that opens the database under one of them gets its rows.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_TABLES = ("samples", "gaps", "alarm_states", "alarm_steps", "alarm_deliveries", "lives")


def upgrade() -> None:
    op.create_table("unclaimed", sa.Column("cluster", sa.String(32), primary_key=True))
    names = " UNION ".join(f"SELECT DISTINCT cluster FROM {table}" for table in _TABLES)
    op.execute(f"INSERT INTO unclaimed {names}")  # noqa: S608 - names of our own tables
    if op.get_bind().dialect.name == "sqlite":  # which keeps texts of any length in any column
        return
    for table in _TABLES:
        op.alter_column(table, "cluster", type_=sa.String(32))
