"""The jobcenter's database: vendor-like tables (SQLAlchemy Core) and the writer of a day's changes.

Conventions of the pretended vendor: codes are text, flags are `J`/`N`, amounts are text with a decimal point,
lists are comma-separated, times are local (Berlin) without zone. The same statements in the same order give
the same file, given the same version of the SQLite library.
"""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from itertools import groupby

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Date,
    DateTime,
    Engine,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    bindparam,
    create_engine,
    inspect,
)

from hub.dev.simulate.changes import Change, Value
from hub.errors import ConfigurationError

metadata = MetaData()


def _table(name: str, key: Column[str] | Column[int], *columns: Column[object]) -> Table:
    marks = (
        Column("GELOESCHT_KZ", String(1), nullable=False),
        Column("GEAENDERT_AM", DateTime, nullable=False, index=True),
    )
    return Table(name, metadata, key, *columns, *marks)


def _text(*names: str) -> list[Column[object]]:
    return [Column(name, Text) for name in names]


def _dates(*names: str) -> list[Column[object]]:
    return [Column(name, Date) for name in names]


def _number(name: str) -> Column[int]:
    return Column(name, BigInteger, primary_key=True, autoincrement=False)


def _code(name: str) -> Column[str]:
    return Column(name, String(20), primary_key=True)


_table(
    "T_SACHBEARBEITER", _code("SB_ID"), *_text("NAME", "VORNAME", "FUNKTION", "TELEFON", "EMAIL", "SPRACHEN")
)
_table(
    "T_ZUSTAENDIGKEIT",
    _number("ZUST_ID"),
    *_text("SB_ID", "FUNKTION", "BUCHSTABE_VON", "BUCHSTABE_BIS"),
    *_dates("GUELTIG_VON", "GUELTIG_BIS"),
)
_table(
    "T_PERSON",
    _code("KDNR"),
    *_text("NACHNAME", "VORNAME"),
    *_dates("GEBDAT"),
    *_text(
        "GESCHLECHT",
        "STAATSANG",
        "STRASSE",
        "HAUSNR",
        "PLZ",
        "ORT",
        "SOZIALRAUM",
        "TELEFON",
        "EMAIL",
        "SPRACHE",
        "DOLMETSCHER",
        "EINSICHTSFAEHIG",
    ),
)
_table(
    "T_BG",
    _code("BG_NR"),
    *_text("KDNR_VERTRETER", "STATUS"),
    *_dates("BEGINN", "ENDE", "BEWILLIGT_VON", "BEWILLIGT_BIS"),
    *_text("VORLAEUFIG", "ENDGRUND"),
)
_table("T_BG_MITGLIED", _number("MITGLIED_ID"), *_text("BG_NR", "KDNR", "ROLLE"), *_dates("VON", "BIS"))
_table(
    "T_FALLZUSTAENDIGKEIT",
    _number("FALLZUST_ID"),
    *_text("BG_NR", "KDNR", "SB_ID", "FUNKTION"),
    *_dates("VON", "BIS"),
)
_table(
    "T_LEISTUNG",
    _number("LEISTUNG_ID"),
    *_text("BG_NR", "KDNR", "MONAT", "LEISTUNGSART", "BETRAG"),
    *_dates("ZEITRAUM_VON", "ZEITRAUM_BIS"),
    *_text("VORLAEUFIG"),
)
_table(
    "T_MASSNAHME",
    _number("MASSNAHME_ID"),
    *_text("KDNR", "BG_NR", "NORM", "TRAEGER_NR", "TRAEGER_NAME"),
    *_dates("BEGINN", "ENDE"),
    *_text("STATUS", "ERGEBNIS", "BEMERKUNG"),
)
_table(
    "T_TERMIN",
    _number("TERMIN_ID"),
    *_text("KDNR", "BG_NR", "ART"),
    Column("BEGINN", DateTime),
    *_text("ORT", "TEILNEHMER", "STATUS", "VEREINBARUNG_NR", "SB_ID"),
)
_table(
    "T_KOOPPLAN",
    _number("KOOPPLAN_ID"),
    *_text("KDNR", "BG_NR"),
    Column("FASSUNG", Integer),
    *_text("ZIEL_CODE", "SCHRITTE"),
    *_dates("VEREINBART_AM", "NAECHSTE_PRUEFUNG"),
    *_text("BEMERKUNG"),
)
_table(
    "T_MINDERUNG",
    _number("MINDERUNG_ID"),
    *_text("KDNR", "BG_NR", "NORM"),
    Column("PROZENT", Integer),
    *_dates("VON", "BIS", "AUFGEHOBEN_AM"),
)
_table("T_WIDERSPRUCH", _number("WIDERSPRUCH_ID"), *_text("KDNR", "NORM", "UMFANG"), *_dates("ERHOBEN_AM"))
_table(
    "T_EINWILLIGUNG",
    _code("EINW_NR"),
    *_text(
        "KDNR",
        "BG_NR",
        "UNTERZEICHNER",
        "ABSENDER",
        "EMPFAENGER",
        "EMPF_MITARBEITER",
        "ZWECKE",
        "KATEGORIEN",
        "FORM",
        "AUSDR_BESONDERE",
        "HINW_ZWECK",
        "HINW_FOLGEN",
        "HINW_WIDERRUF",
        "TEXTFASSUNG",
        "NACHWEIS",
    ),
    Column("ERTEILT_AM", DateTime),
    Column("GUELTIG_BIS", DateTime),
    *_text("SPRACHE"),
)
_table(
    "T_EINWILLIGUNG_WIDERRUF",
    _code("WIDERRUF_NR"),
    *_text("EINW_NR"),
    Column("WIDERRUFEN_AM", DateTime),
    *_text("UMFANG", "KATEGORIEN", "ZWECKE", "EMPFAENGER", "GRUND"),
)
_table(
    "T_PAARUNGSCODE",
    _number("PAARUNG_ID"),
    *_text("BG_NR", "KDNR", "CODE"),
    Column("MITGLIED_NR", Integer),
    *_dates("ERFASST_AM"),
)

FREE_TEXT = frozenset(
    {
        "NAME",
        "NACHNAME",
        "VORNAME",
        "STRASSE",
        "HAUSNR",
        "ORT",
        "SOZIALRAUM",
        "TELEFON",
        "EMAIL",
        "TRAEGER_NAME",
        "BEMERKUNG",
        "VEREINBARUNG_NR",
    }
)
"""Columns in which a canary is planted: all that hold what a person typed."""


def _native(value: Value) -> object:
    if isinstance(value, bool):
        return "J" if value else "N"
    if isinstance(value, tuple):
        return ",".join(value) or None
    return str(value) if isinstance(value, Decimal) else value


class Jobcenter:
    """Writes into one database. The tables are made on the first day, and must not exist before."""

    def __init__(self, url: str, plant: Callable[[object], object] | None = None) -> None:
        self._url, self._plant = url, plant

    def apply(self, changes: Iterable[Change], *, first: bool) -> dict[str, int]:
        """One transaction for a day; the number of changed rows per table."""
        engine = create_engine(self._url)
        try:
            with engine.begin() as connection:
                if first:
                    _create(engine, connection)
                return self._write(connection, changes)
        finally:
            engine.dispose()

    def _write(self, connection: Connection, changes: Iterable[Change]) -> dict[str, int]:
        counts: dict[str, int] = {}
        for (name, operation), group in groupby(_in_order(changes), key=_kind):
            table = metadata.tables[name]
            rows = [self._row(change) for change in group]
            counts[name] = counts.get(name, 0) + len(rows)
            _execute(connection, table, operation, rows)
        return counts

    def _row(self, change: Change) -> dict[str, object]:
        row = {column: _native(value) for column, value in change.row.items()}
        if self._plant:
            row |= {c: self._plant(v) for c, v in row.items() if c in FREE_TEXT}
        return row | {"GELOESCHT_KZ": "J" if change.gone else "N", "GEAENDERT_AM": change.at}


def _create(engine: Engine, connection: Connection) -> None:
    if set(inspect(connection).get_table_names()) & set(metadata.tables):
        raise ConfigurationError(
            "the database already holds a simulated jobcenter",
            place=f"jobcenter database ({engine.dialect.name})",
            remedy="name an empty database or another --out",
        )
    metadata.create_all(connection)


def _kind(change: Change) -> tuple[str, str]:
    operation = "update" if change.gone else change.operation
    return change.table, operation


def _in_order(changes: Iterable[Change]) -> list[Change]:
    """By table and operation, so that each goes out as one statement; stable inside."""
    order = {name: n for n, name in enumerate(metadata.tables)}
    kinds = {"delete": 0, "update": 1, "insert": 2}
    return sorted(changes, key=lambda c: (order[c.table], kinds[_kind(c)[1]]))


def _execute(connection: Connection, table: Table, operation: str, rows: list[dict[str, object]]) -> None:
    (key,) = table.primary_key.columns
    if operation == "insert":
        connection.execute(table.insert(), rows)
        return
    keyed: list[Mapping[str, object]] = [row | {"_key": row[key.name]} for row in rows]
    where = key == bindparam("_key")
    if operation == "delete":
        connection.execute(table.delete().where(where), [{"_key": row["_key"]} for row in keyed])
    else:
        values: dict[str, object] = {c.name: bindparam(c.name) for c in table.columns if c is not key}
        connection.execute(table.update().where(where).values(values), keyed)
