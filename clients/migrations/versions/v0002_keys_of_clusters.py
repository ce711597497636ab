"""The column `cluster` holds a cluster's key, which has room for the account's digest.

Existing rows have the name alone. Which account they are of is not known here, so the names are
noted, and the first cluster that opens the database under one of them gets its rows.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_TABLES = ("samples", "gaps", "alarm_states", "alarm_steps", "alarm_deliveries", "lives")
_UNCLAIMED = sa.table("unclaimed", sa.column("cluster"))


def upgrade() -> None:
    op.create_table("unclaimed", sa.Column("cluster", sa.String(32), primary_key=True))
    for name in _TABLES:
        table = sa.table(name, sa.column("cluster"))
        known = sa.select(_UNCLAIMED.c.cluster)
        new = sa.select(table.c.cluster).distinct().where(table.c.cluster.not_in(known))
        op.execute(sa.insert(_UNCLAIMED).from_select(["cluster"], new))
    if op.get_bind().dialect.name == "sqlite":  # which keeps texts of any length in any column
        return
    for name in _TABLES:
        op.alter_column(name, "cluster", type_=sa.String(32))
