"""The youth office's nightly export: a folder of full snapshots per day, CSV as its vendor writes it.

`;`, cp1252, CRLF, `"` quotes, DD.MM.YYYY, `1.234,56`, `ja`/`nein`, empty for unknown, 31.12.9999 for an open
end. The manifest comes last: a folder without one is not finished.
"""

import csv
import hashlib
import io
import json
from collections.abc import Callable, Iterable
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

from hub.dev.simulate.changes import YOUTH_OFFICE, Change, Row, Value
from hub.errors import ConfigurationError

ENCODING, DELIMITER, LINE_END = "cp1252", ";", "\r\n"

COLUMNS: dict[str, tuple[str, ...]] = {
    "personen": (
        "personen_nr",
        "nachname",
        "vorname",
        "geburtsdatum",
        "geschlecht",
        "strasse",
        "hausnummer",
        "plz",
        "ort",
        "sozialraum",
        "telefon",
        "email",
        "sprache",
        "dolmetscher",
        "einsichtsfaehig",
    ),
    "familien": ("aktenzeichen", "familienname", "sozialraum", "beginn", "ende", "grund"),
    "mitglieder": ("mitglied_nr", "aktenzeichen", "personen_nr", "rolle", "im_haushalt", "von", "bis"),
    "sorgerecht": ("kind_nr", "sorgeberechtigte", "umfang", "seit"),
    "hilfen": (
        "hilfe_nr",
        "aktenzeichen",
        "personen_nr",
        "paragraf",
        "traeger",
        "traegerart",
        "ort",
        "fachleistungsstunden",
        "kosten_monat",
        "kostentraeger",
        "beginn",
        "ende",
        "endegrund",
        "gruende",
        "aufgabe",
        "verbunden_am",
        "vertraulich_von",
        "quelle_203",
        "gefaehrdet_hilfe",
        "notiz",
    ),
    "hilfeplaene": (
        "hilfeplan_nr",
        "hilfe_nr",
        "aktenzeichen",
        "personen_nr",
        "ziele",
        "gruende",
        "gueltig_ab",
        "ueberpruefung_am",
        "vertraulich_von",
        "quelle_203",
        "gefaehrdet_hilfe",
    ),
    "termine": (
        "termin_nr",
        "aktenzeichen",
        "personen_nr",
        "art",
        "datum",
        "uhrzeit",
        "ort",
        "teilnehmer",
        "status",
    ),
    "zustaendigkeit": (
        "zustaendigkeit_nr",
        "aktenzeichen",
        "personen_nr",
        "fachkraft_nr",
        "funktion",
        "bezirk",
        "nachname",
        "vorname",
        "telefon",
        "email",
        "sprachen",
        "von",
        "bis",
    ),
    "einwilligungen": (
        "einwilligung_nr",
        "personen_nr",
        "aktenzeichen",
        "unterzeichner",
        "absender",
        "empfaenger",
        "empfaenger_fachkraefte",
        "zwecke",
        "kategorien",
        "form",
        "ausdruecklich_besondere",
        "hinweis_zweck",
        "hinweis_folgen",
        "hinweis_widerruf",
        "textfassung",
        "nachweis",
        "erteilt_am",
        "gueltig_bis",
        "sprache",
    ),
    "widerrufe": (
        "widerruf_nr",
        "einwilligung_nr",
        "widerrufen_am",
        "umfang",
        "kategorien",
        "zwecke",
        "empfaenger",
        "grund",
    ),
    "paarung": ("paarung_nr", "aktenzeichen", "personen_nr", "code", "mitglied_nr", "erfasst_am"),
}
"""File (without `.csv`) → columns in their order; the first is the key of a row."""

FREE_TEXT = frozenset(
    {
        "nachname",
        "vorname",
        "strasse",
        "hausnummer",
        "ort",
        "sozialraum",
        "telefon",
        "email",
        "familienname",
        "traeger",
        "notiz",
        "bezirk",
    }
)
"""Columns in which a canary is planted: all that hold what a person typed."""


def render(value: Value) -> str:
    """One value as the export writes it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "ja" if value else "nein"
    if isinstance(value, datetime):
        return f"{value:%d.%m.%Y %H:%M}"
    if isinstance(value, date):
        return f"{value:%d.%m.%Y}"
    if isinstance(value, Decimal):
        return f"{value:,.2f}".translate(str.maketrans(",.", ".,"))
    return ",".join(value) if isinstance(value, tuple) else str(value)


class YouthOffice:
    """Keeps the present state of every file and writes it out whole."""

    def __init__(self, folder: Path, plant: Callable[[object], object] | None = None) -> None:
        self._folder, self._plant = folder, plant
        self._files: dict[str, dict[str, Row]] = {name: {} for name in COLUMNS}

    def require_new(self, day: date) -> None:
        """Raise ConfigurationError if that day's folder is there already: an export is never written twice."""
        if (self._folder / day.isoformat()).exists():
            raise ConfigurationError(
                "this day has been exported before",
                place=f"folder {day.isoformat()} of the youth office",
                remedy="name another --out",
            )

    def apply(self, changes: Iterable[Change], day: date) -> dict[str, int]:
        """Take the day's changes in and write its snapshot; the rows in each file."""
        for change in changes:
            rows, key = self._files[change.table], str(change.row[COLUMNS[change.table][0]])
            if change.operation == "delete":
                del rows[key]
            else:
                rows[key] = change.row
        return self._snapshot(day)

    def _snapshot(self, day: date) -> dict[str, int]:
        folder = self._folder / day.isoformat()
        folder.mkdir(parents=True)
        entries = [self._write(folder, name, day) for name in COLUMNS]
        _write_manifest(folder, day, entries)
        return {name: len(rows) for name, rows in self._files.items()}

    def _write(self, folder: Path, name: str, day: date) -> dict[str, object]:
        buffer = io.StringIO()
        writer = csv.writer(buffer, delimiter=DELIMITER, quotechar='"', lineterminator=LINE_END)
        writer.writerow(COLUMNS[name])
        writer.writerows(self._cells(name, row) for row in self._files[name].values())
        content = buffer.getvalue().encode(ENCODING)
        (folder / f"{name}.csv").write_bytes(content)
        return {
            "file": f"{name}.csv",
            "rows": len(self._files[name]),
            "sha256": hashlib.sha256(content).hexdigest(),
            "as_of": day.isoformat(),
            "encoding": ENCODING,
            "delimiter": DELIMITER,
        }

    def _cells(self, name: str, row: Row) -> list[str]:
        cells = [render(row[column]) for column in COLUMNS[name]]
        if not self._plant:
            return cells
        free = (column in FREE_TEXT for column in COLUMNS[name])
        return [str(self._plant(cell)) if f else cell for cell, f in zip(cells, free, strict=True)]


def _write_manifest(folder: Path, day: date, entries: list[dict[str, object]]) -> None:
    manifest = {
        "agency": YOUTH_OFFICE,
        "as_of": day.isoformat(),
        "encoding": ENCODING,
        "delimiter": DELIMITER,
        "files": entries,
    }
    draft = folder / "manifest.json.part"
    draft.write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8", newline="\n")
    draft.replace(folder / "manifest.json")
