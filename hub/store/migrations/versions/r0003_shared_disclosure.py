"""Several disclose workers share the marks; receipts, renewal, retention and audit find their rows by index."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the claims and three indexes; no table that an earlier release copies rows into gains a column."""
    op.create_table(
        "view_claim",
        sa.Column("joint_case", sa.String(), nullable=False),
        sa.Column("claim", sa.BigInteger(), nullable=False),
        sa.Column("case_key", sa.String(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("joint_case"),
    )
    op.create_index("view_state_id", "view_state", ["view_id"], unique=False)
    op.create_index("view_state_ending", "view_state", ["removed", "not_after"], unique=False)
    op.create_index("disclosure_at", "disclosure", ["at", "view_id"], unique=False)
