"""The sink's book: which version of which view was handed over, how far was read, what could not be read.

It stands where the rows stand if that is a database, so that both change together; else in a file of the sink's own.
Its names are German, for an agency's people read it.
"""

from sqlalchemy import BigInteger, Boolean, Column, Integer, MetaData, String, Table

metadata = MetaData()

fassung = Table(
    "fallbruecke_fassung",
    metadata,
    Column("fall_ref", String(64), primary_key=True),
    Column("rolle", String(32), primary_key=True),
    Column("fachkraft", String(64), primary_key=True),
    Column("generation", Integer, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("entfernt", Boolean, nullable=False),
)

stand = Table(
    "fallbruecke_stand",
    metadata,
    Column("thema", String(200), primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("position", BigInteger, nullable=False),
    Column("thema_id", String(64), nullable=False),
)

unlesbar = Table(
    "fallbruecke_unlesbar",
    metadata,
    Column("ort", String(250), primary_key=True),
    Column("grund", String(64), nullable=False),
    Column("am", BigInteger, nullable=False),
)

uebernommen = (
    Table(  # written by the agency's people or system: whose data they took into their own file, and why
        "fallbruecke_uebernommen",
        metadata,
        Column("fall_ref", String(64), primary_key=True),
        Column("person_ref", String(64), primary_key=True),
        Column("norm", String(120), nullable=False),
    )
)
