"""How each kind of source is given a table: a writer holds the system, and writes one delivery after the other."""

import csv
import io
import json
import random
from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol
from xml.sax.saxutils import escape

from sqlalchemy import (
    Column,
    Date,
    DateTime,
    Engine,
    Integer,
    MetaData,
    Numeric,
    String,
    Table,
    Text,
    create_engine,
)

from hub.domain.clock import BERLIN
from tests.integration.connectors.interface import TOKEN, Interface
from tests.integration.connectors.truth.tables import COLUMNS, Row

Rows = Sequence[Row]
TYPES: Mapping[str, Any] = {"geb": Date, "ab": Date, "betrag": Numeric(14, 3)}


class Writer(Protocol):
    """`settings`, `stream`, `style`: what the configuration of its kind says. `wide`: it can write every character."""

    kind: str
    style: Mapping[str, str]
    settings: Mapping[str, Any]
    stream: Mapping[str, Any]
    wide: bool

    def write(self, rows: Rows, at: datetime) -> None: ...

    def close(self) -> None: ...


class Folder:
    """What writers of files share."""

    style: Mapping[str, str] = {}

    def __init__(self, folder: Path, chance: random.Random) -> None:
        self.folder, self.chance = folder, chance
        self.encoding = chance.choice(("utf-8", "utf-8-sig", "cp1252", "iso-8859-15", "utf-16"))
        self.wide = self.encoding.startswith("utf")
        self.delimiter = chance.choice((";", "\t", "|"))
        self.quoting = chance.choice((csv.QUOTE_MINIMAL, csv.QUOTE_ALL))

    def sheet(self, rows: Rows) -> bytes:
        text = io.StringIO(newline="")
        writer = csv.writer(text, delimiter=self.delimiter, quoting=self.quoting, lineterminator="\r\n")  # type: ignore[arg-type]
        names = self.chance.sample((*COLUMNS, "uebrig"), len(COLUMNS) + 1)
        writer.writerow(names)
        for row in rows:
            writer.writerow([row.cells[name].text if name in row.cells else "nichts" for name in names])
        return text.getvalue().encode(self.encoding)

    def close(self) -> None:
        """Files need no closing."""


class Snapshots(Folder):
    kind = "snapshot_csv"

    def __init__(self, folder: Path, chance: random.Random) -> None:
        super().__init__(folder, chance)
        (folder / "export").mkdir()
        self.settings: Mapping[str, Any] = {
            "folder": "export",
            "encoding": self.encoding,
            "delimiter": self.delimiter,
            "vanish_limit": 1.0,
        }
        self.stream: Mapping[str, Any] = {"file": "zeilen.csv"}

    def write(self, rows: Rows, at: datetime) -> None:
        into, content = self.folder / "export" / f"{at:%Y-%m-%dT%H%M}", self.sheet(rows)
        into.mkdir()
        (into / "zeilen.csv").write_bytes(content)
        told = {"file": "zeilen.csv", "rows": len(rows), "sha256": sha256(content).hexdigest()}
        (into / "manifest.json").write_text(
            json.dumps({"as_of": at.isoformat(), "files": [told]}), encoding="utf-8"
        )


class Drops(Folder):
    kind, ending = "file_drop", "csv"

    def __init__(self, folder: Path, chance: random.Random) -> None:
        super().__init__(folder, chance)
        (folder / "drop" / "inbox").mkdir(parents=True)
        self.settings: Mapping[str, Any] = {
            "folder": "drop",
            "complete": "rename",
            "as_of": rf"_(\d{{8}})\.{self.ending}$",
            "vanish_limit": 1.0,
            **self.written(),
        }
        self.stream: Mapping[str, Any] = {"file": f"zeilen_*.{self.ending}"}

    def written(self) -> Mapping[str, Any]:
        return {"encoding": self.encoding, "delimiter": self.delimiter}

    def content(self, rows: Rows) -> bytes:
        return self.sheet(rows)

    def write(self, rows: Rows, at: datetime) -> None:
        part = self.folder / "drop" / "inbox" / "zeilen.part"
        part.write_bytes(self.content(rows))
        part.rename(part.with_name(f"zeilen_{at:%Y%m%d}.{self.ending}"))


class Xml(Drops):
    kind, ending = "xml", "xml"

    def __init__(self, folder: Path, chance: random.Random) -> None:
        super().__init__(folder, chance)
        records = {"path": "Export/Zeile", "columns": {name: name for name in COLUMNS}}
        self.stream = {**self.stream, "records": records}

    def written(self) -> Mapping[str, Any]:
        self.encoding = self.chance.choice(("utf-8", "iso-8859-1"))
        self.wide = self.encoding == "utf-8"
        return {"encoding": self.encoding}

    def content(self, rows: Rows) -> bytes:
        elements = ("".join(self._element(row, name) for name in COLUMNS) for row in rows)
        records = "\n".join(f"<Zeile>{each}</Zeile>" for each in elements)
        head = f'<?xml version="1.0" encoding="{self.encoding}"?>'
        return f"{head}\n<Export>\n{records}\n</Export>\n".encode(self.encoding)

    def _element(self, row: Row, name: str) -> str:
        """XML has no word for most control characters, but for DEL."""
        text = escape(row.cells[name].text.replace("\x01", "\x7f"))
        return f"<{name}>{text}</{name}>"


class Rest:
    kind, wide = "rest", True
    style: Mapping[str, str] = {}

    def __init__(self, folder: Path, chance: random.Random, interface: Interface) -> None:
        self._interface = interface
        (folder / "token").write_text(TOKEN, encoding="ascii")
        self.settings: Mapping[str, Any] = {
            "url": interface.url,
            "token_file": "token",
            "poll_minutes": 0,
            "tries": 1,
            "vanish_limit": 1.0,
            "paging": chance.choice(({"kind": "none"}, {"kind": "next", "at": "/weiter"})),
        }
        interface.paging, interface.size = self.settings["paging"]["kind"], chance.choice((2, 100))
        self.stream: Mapping[str, Any] = {"request": {"path": "/zeilen", "rows": "/daten"}}

    def write(self, rows: Rows, at: datetime) -> None:
        self._interface.lists["/zeilen"] = [{name: row.cells[name].json for name in COLUMNS} for row in rows]

    def close(self) -> None:
        """The interface is the test's."""


class Sql:
    """A typed table with a time of change."""

    kind, wide = "sql", True

    def __init__(self, folder: Path, chance: random.Random, url: str) -> None:
        self._chance, self._known = chance, dict[tuple[str, str], list[Any]]()
        self._engine: Engine = create_engine(url)
        self._typed = (
            self._engine.dialect.name != "sqlite"
        )  # which has days as ISO text, and no exact decimals
        self.style: Mapping[str, str] = {} if self._typed else {"date": "%Y-%m-%d"}
        types = TYPES if self._typed else {**TYPES, "betrag": String(200)}
        columns = (Column(name, types.get(name, String(200))) for name in COLUMNS)
        self._table = Table(f"zeilen_{folder.name}", MetaData(), *columns, Column("stand", DateTime))
        self._table.metadata.create_all(self._engine)
        self.settings: Mapping[str, Any] = {
            "url": url,
            "reconcile_minutes": 0.001,
            "vanish_limit": 1.0,
            "overlap_seconds": chance.choice((0.0, 7200.0)),
        }
        self.stream: Mapping[str, Any] = {"table": self._table.name, "version": "stand"}

    def write(self, rows: Rows, at: datetime) -> None:
        stamp = at.astimezone(BERLIN).replace(tzinfo=None)
        there, told = self._table, {row.key: [self._told(row, name) for name in COLUMNS] for row in rows}
        with self._engine.begin() as connection:
            for key in {*self._known} | {*told}:
                if self._known.get(key) != told.get(key):
                    mine = (there.c.id == key[0]) & (there.c.teil == key[1])
                    connection.execute(there.delete().where(mine))
                    if key in told:
                        values = dict(zip(COLUMNS, told[key], strict=True))
                        connection.execute(there.insert().values(**values, stand=stamp))
        self._known = told

    def _told(self, row: Row, name: str) -> Any:
        return row.cells[name].told if self._typed or name != "betrag" else row.cells[name].text

    def close(self) -> None:
        self._table.drop(self._engine)
        self._engine.dispose()


class Outbox:
    """An entry for each change, with the whole record as JSON."""

    kind, wide = "sql_outbox", True
    style: Mapping[str, str] = {}

    def __init__(self, folder: Path, chance: random.Random, url: str) -> None:
        self._known: dict[tuple[str, str], str] = {}
        self._engine = create_engine(url)
        self._table = Table(
            f"ausgang_{folder.name}",
            MetaData(),
            Column("lfd", Integer, primary_key=True),
            Column("daten", Text),
        )
        self._table.metadata.create_all(self._engine)
        self.settings: Mapping[str, Any] = {
            "url": url,
            "table": self._table.name,
            "id": "lfd",
            "payload": "daten",
        }
        self.stream: Mapping[str, Any] = {"gone": {"column": "weg", "in": ["True"]}, "optional": ["weg"]}

    def write(self, rows: Rows, at: datetime) -> None:
        said = {row.key: json.dumps({name: row.cells[name].json for name in COLUMNS}) for row in rows}
        gone = [{"id": key[0], "teil": key[1], "weg": True} for key in self._known.keys() - said.keys()]
        entries = [text for key, text in said.items() if self._known.get(key) != text]
        with self._engine.begin() as connection:
            for text in (*entries, *map(json.dumps, gone)):
                connection.execute(self._table.insert().values(daten=text))
        self._known = said

    def close(self) -> None:
        self._table.drop(self._engine)
        self._engine.dispose()
