"""Rows of the joint case: refs, types, times and versions in clear, content in the sealed envelope (rule 6)."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, MetaData, String, Table

metadata = MetaData()

case_row = Table(
    "case_row",
    metadata,
    Column("generation", Integer, primary_key=True),
    Column("record_ref", String, primary_key=True),
    Column("case_key", String, nullable=False),
    Column("subject", String, nullable=False),
    Column("controller", String, primary_key=True),
    Column("event_type", String, nullable=False),
    Column("event_id", String, nullable=False),
    Column("source_version", BigInteger, nullable=False),
    Column("publication", Integer, nullable=False),
    Column("occurred_at", BigInteger, nullable=False),
    Column("recorded_at", BigInteger, nullable=False),
    Column("by_norm", Boolean, nullable=False),
    Column("envelope", LargeBinary, nullable=False),
    Index("case_row_case", "generation", "case_key"),
    Index("case_row_subject", "generation", "subject"),
)

ON_CONFLICT = (
    "(generation, record_ref, controller) DO UPDATE SET event_id = excluded.event_id,"
    " source_version = excluded.source_version,"
    " publication = excluded.publication, occurred_at = excluded.occurred_at, recorded_at = excluded.recorded_at,"
    " by_norm = excluded.by_norm, event_type = excluded.event_type, subject = excluded.subject,"
    " case_key = excluded.case_key, envelope = excluded.envelope"
    " WHERE (case_row.source_version, case_row.publication) < (excluded.source_version, excluded.publication)"
)
"""The highest (source version, publication) of a record stands; older ones have no effect (rule 2). A record is its
agency's own: others see its ref in views, and must not replace it by naming it."""
