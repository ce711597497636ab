"""The scalings of a cluster, with the run and the reason of each."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    time = sa.DateTime(timezone=True)
    op.create_table(
        "scalings",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("cluster", sa.String(32), nullable=False),
        *(
            sa.Column(name, kind, nullable=False)
            for name, kind in (
                ("group", sa.String(32)),
                ("began_at", time),
                ("ended_at", time),
                ("before", sa.Integer),
                ("wanted", sa.Integer),
                ("who", sa.String(32)),
                ("why", sa.String),
                ("failure", sa.String),
                ("run", sa.String),
            )
        ),
    )
    op.create_index("ix_scalings_cluster", "scalings", ["cluster"])
