"""Rows of the joint case: refs, types, times and versions in clear, content in the sealed envelope (rule 6)."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, MetaData, String, Table

from hub.store.read_models import newest_stands

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

ON_CONFLICT = newest_stands(case_row)
"""The highest (source version, publication) of a record stands; older ones have no effect (rule 2). A record is its
agency's own: others see its ref in views, and must not replace it by naming it."""
