"""A folder as a target: one file per view, replaced whole, and taken away whole.

A file's name is made of pseudonyms, never of people. Taking away leaves a file of the same name without rows, so that
an importing system that only looks at what is there learns of it. What may be shown no longer is taken away at every
step: a folder has nothing that filters by lease, so a sink that stands still must be watched (alert ConnectorSilent).
A sign that the encoding does not know is written as a character reference (&#1048;), one that no XML may hold is left
out in both formats. A cell of a CSV file that a spreadsheet would take for a formula begins with an apostrophe.
"""

import csv
import hashlib
import io
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from sqlalchemy import BigInteger, Column, Connection, MetaData, String, Table, delete, insert, select

from connectors.sinks.folder.config import OutSettings
from connectors.sinks.rows import View
from hub.domain.clock import micros
from hub.errors import ServiceUnavailable

COLUMNS = (
    "fall",
    "fall_ref",
    "rolle",
    "fachkraft",
    "person",
    "person_ref",
    "absender",
    "ereignis",
    "eintrag",
    "zeitpunkt",
    "feld",
    "wert",
    "bestritten",
    "stand",
    "gilt_bis",
)
_NO_CHAR = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_FORMULA = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]")
_NUMBER = re.compile(r"[+-]?\d+([.,]\d+)?")
lease = Table(
    "fallbruecke_datei",
    MetaData(),
    Column("datei", String(80), primary_key=True),
    Column("gilt_bis", BigInteger),
)


class FolderTarget:
    """One folder; a file appears under its name only when it is whole."""

    def __init__(self, settings: OutSettings) -> None:
        self._settings = settings

    def create(self, connection: Connection) -> None:
        lease.create(connection, checkfirst=True)
        try:
            self._settings.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _away(error) from None

    def replace(self, connection: Connection, view: View, new: Sequence[Mapping[str, Any]]) -> None:
        name = f"{_slot(view)}.{self._settings.format}"
        self._write(name, new)
        connection.execute(delete(lease).where(lease.c.datei == name))
        if new:
            connection.execute(insert(lease).values(datei=name, gilt_bis=view["not_after"]))

    def expire(self, connection: Connection, now: datetime) -> None:
        over = lease.c.gilt_bis <= micros(now)
        for name in connection.execute(select(lease.c.datei).where(over)).scalars().all():
            self._write(name, ())
        connection.execute(delete(lease).where(over))

    def _write(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        path = self._settings.folder / name
        part = path.with_name(f"{name}.part")
        written = _csv if self._settings.format == "csv" else _xml
        try:
            part.write_bytes(written(rows, self._settings))
            part.chmod(
                0o600 | self._settings.folder.stat().st_mode & 0o060
            )  # for the folder's group, where it has one
            part.replace(path)
        except OSError as error:
            raise _away(error) from None


def _slot(view: View) -> str:
    """The view's place as a file name: stable, and telling nobody's name."""
    parts = "\x1f".join((view["case_ref"], view["role"], view["worker"] or ""))
    return f"sicht-{hashlib.sha256(parts.encode()).hexdigest()[:32]}"


def _csv(rows: Sequence[Mapping[str, Any]], settings: OutSettings) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=settings.delimiter, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    writer.writerows([_cell(row[name], settings.encoding) for name in COLUMNS] for row in rows)
    return text.getvalue().encode(settings.encoding)


def _cell(value: Any, encoding: str) -> str:
    """As text that the encoding knows: before the cells are joined, for a reference holds a semicolon."""
    text = _clean(_text(value))
    if _FORMULA.match(text) and not _NUMBER.fullmatch(text):
        text = f"'{text}"
    return text.encode(encoding, "xmlcharrefreplace").decode(encoding)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "J" if value else "N"
    return "" if value is None else str(value)


def _xml(rows: Sequence[Mapping[str, Any]], settings: OutSettings) -> bytes:
    root = Element("sicht")
    for row in rows:
        entry = SubElement(root, "angabe")
        for name in COLUMNS:
            if row[name] is not None:
                SubElement(entry, name).text = _clean(_text(row[name]))
    indent(root)
    found: bytes = tostring(root, encoding=settings.encoding, xml_declaration=True)
    return found


def _clean(text: str) -> str:
    """Without the signs that XML 1.0 has no way to write (its production 2, Char)."""
    return _NO_CHAR.sub("", text)


def _away(error: OSError) -> ServiceUnavailable:
    return ServiceUnavailable(
        f"the folder cannot be written ({type(error).__name__})",
        place="config.settings.folder",
        remedy="check disk and permissions; it is tried again",
    )
