"""Each register entry has a number of its own: one for all would tell an agency how often others' entries change."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """A table of its own: a process of the release before goes on as it did."""
    op.create_table(
        "register_order",
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("consent_id", sa.String(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("subject", "consent_id"),
    )
