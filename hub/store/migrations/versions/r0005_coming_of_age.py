"""When persons come of age, as keyed hashes, and which records begin to hold at a moment: midnight by pages."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add a table and an index; an older release goes on beside them. The hub fills the table when it starts."""
    op.create_table(
        "coming_of_age",
        sa.Column("event_id", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("fifteenth", sa.String(), nullable=False),
        sa.Column("eighteenth", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("event_id"),
    )
    op.create_index("coming_of_age_subject", "coming_of_age", ["subject"])
    op.create_index("coming_of_age_fifteenth", "coming_of_age", ["fifteenth", "subject"])
    op.create_index("coming_of_age_eighteenth", "coming_of_age", ["eighteenth", "subject"])
    op.create_index("consent_row_occurred", "consent_row", ["generation", "occurred_at"])
