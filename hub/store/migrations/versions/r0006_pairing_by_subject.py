"""Pairings are found by person: one who was named before the hub knew their case joins it later."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """An index only: a process of the release before goes on as it did."""
    op.create_index("pairing_subject", "pairing", ["subject"], unique=False)
