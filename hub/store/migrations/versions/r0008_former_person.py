"""Whom a split took apart: what they had taken back while they were one person stays taken back."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """A table of its own: a process of the release before goes on as it did."""
    op.create_table(
        "former_person",
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("person", sa.String(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("subject", "person", "until"),
    )
    op.create_index("former_person_person", "former_person", ["person"], unique=False)
