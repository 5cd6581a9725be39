"""What the auditor judges by: the ground of each released field, when views were appended and consents applied."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_RELEASE = ["view_id", "person", "sender"]


def upgrade() -> None:
    """New tables only: a process of the release before goes on writing the old ones."""
    op.create_table(
        "disclosure_ground",
        sa.Column("view_id", sa.String(), nullable=False),
        sa.Column("person", sa.String(), nullable=False),
        sa.Column("sender", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("category", sa.String(), nullable=False),
        sa.Column("fields", sa.String(), nullable=False),
        sa.Column("consents", sa.String(), nullable=False),
        sa.Column("norm", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint(*_RELEASE, "number"),
        sa.ForeignKeyConstraint(_RELEASE, [f"disclosure.{name}" for name in _RELEASE], ondelete="CASCADE"),
    )
    op.create_table(
        "view_append",
        sa.Column("view_id", sa.String(), nullable=False),
        sa.Column("appended_at", sa.BigInteger(), nullable=False),
        sa.Column("append_until", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("view_id"),
    )
    op.create_index(op.f("ix_view_append_appended_at"), "view_append", ["appended_at"], unique=False)
    op.create_table(
        "consents_applied",
        sa.Column("topic", sa.String(), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("next_offset", sa.BigInteger(), nullable=False),
        sa.Column("committed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("topic", "partition", "next_offset"),
    )
    op.create_index(
        op.f("ix_consents_applied_committed_at"), "consents_applied", ["committed_at"], unique=False
    )
