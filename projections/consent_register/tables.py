"""Rows of the consent register: places, times and ids in clear, everything else in the sealed envelope."""

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, String, Table

metadata = MetaData()

consent_row = Table(
    "consent_row",
    metadata,
    Column("generation", Integer, primary_key=True),
    Column("event_id", String, primary_key=True),
    Column("publication", Integer, nullable=False),
    Column("record_ref", String, nullable=False),
    Column("source_version", BigInteger, nullable=False),
    Column("subject", String, nullable=False),
    Column("case_key", String, nullable=False),
    Column("event_type", String, nullable=False),
    Column("consent_id", String),
    Column("occurred_at", BigInteger, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("valid_from", BigInteger),
    Column("valid_until", BigInteger),
    Column("scope", String),
    Column("envelope", LargeBinary, nullable=False),
    Index("consent_row_subject", "generation", "subject"),
    Index("consent_row_consent", "generation", "consent_id"),
    Index("consent_row_from", "generation", "valid_from"),
    Index("consent_row_until", "generation", "valid_until"),
    Index("consent_row_occurred", "generation", "occurred_at"),
)

ON_CONFLICT = (
    "(generation, event_id) DO UPDATE SET publication = excluded.publication, envelope = excluded.envelope"
    " WHERE consent_row.publication < excluded.publication AND consent_row.subject = excluded.subject"
)
