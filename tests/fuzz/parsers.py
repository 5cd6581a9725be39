"""Mutated inputs for everything that reads what others write: no exception but a refused file or a held row, and
bounded memory. `python -m tests.fuzz.parsers [PARSER …] --seconds 600 --seed N` (`make fuzz`); a short run is a test.
"""

import argparse
import json
import random
import sys
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from connectors.database.values import loads
from connectors.pipeline.config.connector import ConnectorConfig, parse_config
from connectors.pipeline.config.values import Style, value_of
from connectors.pipeline.mapping.cells import read
from connectors.pipeline.mapping.mapped import MappedEvent, Unmapped
from connectors.pipeline.mapping.mapper import Mapper
from connectors.pipeline.mapping.numbers import number_text
from connectors.sources.files.delivery import Entry
from connectors.sources.files.drop_settings import drop_settings
from connectors.sources.files.manifest import read_manifest
from connectors.sources.files.reader import CsvReader
from connectors.sources.files.rows import rows
from connectors.sources.rest.config import rest_settings
from connectors.sources.rest.document import parsed, rows_of
from connectors.sources.rest.paging import next_of
from connectors.sources.rest.reading import Picker
from connectors.sources.xml.config import xml_settings
from connectors.sources.xml.reader import XmlReader
from hub.domain.identifiers import AgencyKey
from hub.errors import DataError
from schemas import InvalidPayload, event_schema

LONGEST = 200_000
"""Characters of a mutated input, at most."""
MOST_MEMORY = 24_000_000
"""Bytes that one input may make its reader take at once: a hundred times the longest input, and room for a record."""
BROKEN = 0.6
"""Share of the inputs that are mutated byte by byte; the others are well-formed, with odd values."""
ODD = (
    "\0",
    "\x1a",
    "\x1f",
    "\x7f",
    "\x85",
    "\u2028",
    "\ufeff",
    "\u200b",
    "\u00a0",
    "\ud800",
    "\U0010ffff",
    "İ",
    "ß",
    "\r",
    "\n",
    "\r\n",
    "\t",
    ";",
    ",",
    '"',
    '""',
    "'",
    "<",
    ">",
    "&",
    "]]>",
    "<!--",
    "<!DOCTYPE x [",
    "&#0;",
    "&x;",
    "&#x110000;",
    "{",
    "}",
    "[",
    "]",
    ":",
    "\\",
    "\\u0000",
    "\\ud800",
    "null",
    "NaN",
    "Infinity",
    "-",
    "+",
    "e",
    "E9",
    "1e999999",
    "0x1",
    "٣",
    "²",
    "%",
    "=",
    "/",
    "..",
    "*",
    "~",
    "99991231",
    "0000",
    "24:00",
    "+25:00",
    "Z",
    "31",
    "1" * 400,
    "é" * 300,
    "[" * 5_000,
    "<a>" * 5_000,
    "9" * 5_000,
    " " * 5_000,
    "(" * 999,
)
KEY = AgencyKey(b"k" * 32)
Build = Callable[[random.Random], bytes]
"""Makes a valid input, perhaps with odd values in it."""
Run = Callable[[bytes, Path], str]
"""Reads one input; says in a word what became of it."""


@dataclass
class Outcome:
    """`became`: word → inputs; `peak`: most bytes at once; `slowest`: processor seconds, and their seed."""

    inputs: int = 0
    became: Counter[str] = field(default_factory=Counter)
    peak: int = 0
    slowest: tuple[float, int] = (0.0, 0)


class FoundError(Exception):
    """An input that a parser does not take as it should."""


WHO = {"subject": "nr", "case": "akte", "occurred_at": "ab"}
EVENTS = [
    {
        "type": "PersonRegistered",
        **WHO,
        "fields": {
            "names": "name",
            "birth_date": "geb",
            "languages": "sprachen",
            "sex": {"column": "g", "codes": "g"},
        },
    },
    {"type": "BenefitGranted", **WHO, "fields": {"amount": "betrag", "provisional": "vorl"}},
]
COLUMNS = ("nr", "akte", "ab", "name", "geb", "sprachen", "g", "betrag", "vorl")
ROWS = (
    ("004711", "F-1/26", "01.04.2026", "Öz, Ayse", "02.01.1990", "tr,de", "w", "1.234,56", "J"),
    ("K2", "F-1/26", "30.11.2026", 'Groß "Uwe"', "29.02.1988", "", "m", "-12,50", "N"),
    ("  4713 ", "F-2/26", "01.04.2026", "von der Heide", "", "uk", "", "7", ""),
)
CSV_DIALECTS: Sequence[Mapping[str, Any]] = (
    {"encoding": "cp1252", "delimiter": ";"},
    {"encoding": "utf-8", "delimiter": ",", "trailer": r"ENDE;(\d+)", "complete": "trailer"},
    {"encoding": "utf-16", "delimiter": "\t", "skip": 1},
    {"encoding": "iso-8859-15", "delimiter": "|", "quote": "", "escape": "\\"},
)
STREAM = {"key": "nr", "events": EVENTS, "derive": {"doppelt": {"columns": ["nr", "akte"], "join": "/"}}}


def config(kind: str, settings: Mapping[str, Any], stream: Mapping[str, Any]) -> ConnectorConfig:
    """A connector's configuration as a file would say it."""
    raw = {
        "agency": {"id": "jc-x", "kind": "jobcenter"},
        "connector": {"kind": kind, "state": "state.sqlite", "pseudonyms": "p.sqlite"},
        "defaults": {"date": "%d.%m.%Y", "decimal": ",", "thousands": ".", "open_end": ["31.12.9999"]},
        "codes": {"g": {"w": "f", "m": "m"}},
        "settings": dict(settings),
        "streams": {"zeilen": stream},
    }
    return parse_config(raw, Path())


def mapped(settings: ConnectorConfig, found: Iterator[Any]) -> str:
    """Every row through the mapping, as a run would; rows say events or wait."""
    mapper, words = Mapper(KEY, settings.agency_kind, settings.streams), set()
    for row in found:
        for one in mapper.events(row, {}):
            assert isinstance(one, MappedEvent | Unmapped)
            assert isinstance(one, MappedEvent) or one.remedy
            words.add("held" if isinstance(one, Unmapped) else "read")
    return "+".join(sorted(words)) or "nothing"


def csv_parser(dialect: Mapping[str, Any]) -> tuple[Build, Run]:
    settings = {"folder": "drop", "complete": "rename"} | dict(dialect)
    whole = config("file_drop", settings, {**STREAM, "file": "*.csv"})
    drop = drop_settings(whole)
    (stream,) = drop.files.streams.values()
    sign, quote = dialect["delimiter"], dialect.get("quote", '"')

    def build(chance: random.Random) -> bytes:
        found = [
            [cell if not quote else quote + cell.replace(quote, quote * 2) + quote for cell in row]
            for row in odd_rows(chance)
        ]
        lines = [*["Export 7"] * dialect.get("skip", 0), sign.join(COLUMNS), *map(sign.join, found)]
        lines += [f"ENDE;{len(ROWS)}"] if "trailer" in dialect else []
        return "\r\n".join([*lines, ""]).encode(dialect["encoding"], "ignore")

    def run(data: bytes, path: Path) -> str:
        path.write_bytes(data)
        entry = Entry(path, path.name, 0)
        reader = CsvReader(stream, drop.dialect, entry)
        told = mapped(whole, rows(lambda *_: reader, stream, entry))
        reader.verify()
        return told

    return build, run


def xml_parser() -> tuple[Build, Run]:
    paths = {name: f"f:{name}" for name in COLUMNS} | {
        "akte": "/f:A/f:F/@nr",
        "nr": "@nr",
        "sprachen": "f:s/@k",
    }
    records = {"path": "f:A/f:F/f:P", "columns": paths, "optional": list(COLUMNS[2:]), "ignored": ["*"]}
    settings = {
        "folder": "drop",
        "complete": "rename",
        "encoding": "utf-8",
        "namespaces": {"f": "urn:f"},
        "limits": {"depth": 16, "record_bytes": 100_000},
    }
    own = {name: value for name, value in STREAM.items() if name != "derive"}
    whole = config("xml", settings, {**own, "file": "*.xml", "records": records})
    found = xml_settings(whole)
    (stream,) = found.drop.files.streams.values()

    def build(chance: random.Random) -> bytes:
        people = "".join(
            f"<f:P nr={quoteattr(row[0])}><f:ab>{escape(row[2])}</f:ab><f:name>{escape(row[3])}<!-- x --></f:name>"
            f"<f:geb>{escape(row[4])}</f:geb>{''.join(f'<f:s k={quoteattr(one)}/>' for one in row[5].split(','))}"
            f"<f:g>{escape(row[6])}</f:g><f:betrag><![CDATA[{row[7]}]]></f:betrag></f:P>"
            for row in odd_rows(chance)
        )
        head = '<?xml version="1.0" encoding="UTF-8"?>\n<f:A xmlns:f="urn:f"><f:F nr="F-1/26">'
        return f"{head}{people}</f:F></f:A>".encode("utf-8", "ignore")

    def run(data: bytes, path: Path) -> str:
        path.write_bytes(data)
        entry = Entry(path, path.name, 0)
        reader = XmlReader(stream, found, entry)
        told = mapped(whole, rows(lambda *_: reader, stream, entry))
        reader.verify()
        return told

    return build, run


def json_parser() -> tuple[Build, Run]:
    """An interface's answer, and a JSON column of a database."""
    own = {name: value for name, value in STREAM.items() if name != "derive"}
    outer = {"subject": "nr", "case": "../akte", "occurred_at": "ab"}
    events = [{**event, **outer} for event in EVENTS]
    request = {"path": "/x", "rows": "/daten/*/personen", "optional": ["personen"]}
    whole = config("rest", {"url": "https://x.example"}, {**own, "events": events, "request": request})
    settings = rest_settings(whole)
    (stream,), endpoint = settings.files.streams.values(), settings.endpoints["zeilen"]

    def build(chance: random.Random) -> bytes:
        people = [
            dict(zip(COLUMNS, row, strict=True)) | {"sprachen": row[5].split(",")} for row in odd_rows(chance)
        ]
        found = {"daten": [{"akte": "F-1/26", "personen": people}, {"akte": 2}], "x": [1.5, None, 2]}
        return json.dumps(found, ensure_ascii=chance.random() < 0.5).encode("utf-8", "ignore")

    class Reader:
        def __init__(self, data: bytes) -> None:
            self._data, self.rows = data, 0

        def cells(self) -> Iterator[tuple[int, list[str]]]:
            found, _ = rows_of(parsed(self._data, "page"), endpoint.rows, "page", endpoint.optional)
            picker = Picker(stream, endpoint, settings.ordering, datetime(2026, 11, 30, tzinfo=UTC))
            yield from enumerate((picker.of(row, "page") for row in found), 1)

        def header(self) -> tuple[str, ...]:
            return ()

        def verify(self) -> None:
            """Nothing."""

    def run(data: bytes, path: Path) -> str:
        loads(data.decode("utf-8", "replace"))
        return mapped(whole, rows(lambda *_: Reader(data), stream, Entry(path, "page", 0)))

    return build, run


def manifest_parser() -> tuple[Build, Run]:
    dialect = drop_settings(
        config("file_drop", {"folder": "d", "complete": "rename", **CSV_DIALECTS[0]}, {**STREAM, "file": "x"})
    ).dialect
    sample = b'{"as_of": "2026-11-20", "files": [{"file": "a.csv", "rows": 3, "sha256": "%b"}], "encoding": "cp1252"}'
    samples = [sample % (b"a" * 64), (sample % (b"B" * 64)).replace(b"11-20", b"11-20T18:00:00+01:00")]

    def run(data: bytes, path: Path) -> str:
        path.write_bytes(data)
        made = read_manifest(path.parent, path.name, dialect)
        assert all(isinstance(entry.rows, int) for entry in made.files.values())
        return "read"

    return lambda chance: chance.choice(samples), run


def link_parser() -> tuple[Build, Run]:
    samples = [
        b'<https://x.example/p?at=2>; rel="next", </p>; rel=first',
        b'</p?a,b>; title="a, \\"b"; rel="prev next"',
        b'<>;rel=next;anchor="#x" , <a> ; rel = "last" ;; x*=UTF-8\'\'%e2',
    ]

    def run(data: bytes, _: Path) -> str:
        try:
            found = next_of(data.decode("latin-1"))
        except ValueError:
            return "refused"
        assert found is None or isinstance(found, str)
        return "read" if found else "nothing"

    return lambda chance: chance.choice(samples), run


FORMS = (
    "%d.%m.%Y",
    "%-d.%-m.%Y",
    "%Y-%m-%dT%H:%M:%S.%f%z",
    "%Y%j",
    "%d-%b-%Y",
    "epoch_days",
    "epoch_milliseconds",
    "%Y%m%d",
    "%H:%M %d.%m.%Y",
    "%A, %d. %B %Y %Z",
)


def date_parser() -> tuple[Build, Run]:
    samples = [
        b"01.04.2026",
        b"2026-11-02T07:15:30.120Z",
        b"2026-03-29T02:30:00+02:00",
        b"2026366",
        b"31-DEC-9999",
        b"20999",
        b"1763500000000",
        b"20260401",
        b"24:00 31.12.2026",
        b"9999-12-31",
    ]
    values = [value_of({"column": "c", "date": form, "timestamp": form}, "x", Style(), {}) for form in FORMS]
    shown = value_of({"column": "c", "date": "%Y%m", "out": "%Y-%m"}, "x", Style(), {})

    def run(data: bytes, _: Path) -> str:
        text, became = data.decode("utf-8", "surrogateescape"), set()
        for raw in (text, *_numbers(text)):
            for value in values:
                for kind in ("date", "timestamp-micros"):
                    became.add(_read(value, raw, kind, date))
            became.add(_read(shown, raw, "string", str))
        return "+".join(sorted(became))

    return lambda chance: chance.choice(samples), run


def decimal_parser() -> tuple[Build, Run]:
    samples = [
        b"1.234,56",
        b"-12,50",
        b"1250-",
        b"7",
        b"+0,1",
        b"1.000.000,00",
        b"4711",
        b"1,23E+11",
        b'="004711"',
        b"4711.0",
    ]
    german = Style(decimal=",", thousands=".")
    values = [
        value_of(raw, "x", german, {})
        for raw in ("c", {"column": "c", "factor": 0.01}, {"column": "c", "thousands": ""})
    ]

    def run(data: bytes, _: Path) -> str:
        from decimal import Decimal

        text, became = data.decode("utf-8", "surrogateescape"), set()
        for raw in (text, *_numbers(text)):
            for value in values:
                became.add(_read(value, raw, "decimal", Decimal))
                became.add(_encoded(value, raw))
                became.add(_read(value, raw, "double", float))
            became.add(_read(values[0], raw, "long", int))
            became.add(_read(values[0], raw, "boolean", bool))
            became.add(_read(values[0], raw, "string", str))
            try:
                number_text(raw, "c").encode()
            except DataError as error:
                became.add(_held(error))
        return "+".join(sorted(became))

    return lambda chance: chance.choice(samples), run


def _numbers(text: str) -> Iterator[object]:
    """What a typed column would hold."""
    from decimal import Decimal, InvalidOperation

    for made in (Decimal, float, int):
        try:
            yield made(text[:400])
        except (ValueError, InvalidOperation, OverflowError):
            continue


def _read(value: Any, raw: object, kind: str, expected: type) -> str:
    try:
        found = read(value, {"c": raw}, kind)
    except DataError as error:
        return _held(error)
    assert found is None or isinstance(found, expected)
    return "read"


def _encoded(value: Any, raw: object) -> str:
    """The amount as it would be sealed."""
    try:
        event_schema("BenefitGranted").encode({"amount": read(value, {"c": raw}, "decimal")})
    except (DataError, InvalidPayload):
        return "held"
    return "read"


def _held(error: DataError, word: str = "held") -> str:
    if not error.reason or not error.remedy:
        raise FoundError(f"says no reason or no remedy: {error.reason}")
    return word


def parsers() -> Mapping[str, Sequence[tuple[Build, Run]]]:
    """Name → what is tried, each with valid samples."""
    return {
        "csv": [csv_parser(dialect) for dialect in CSV_DIALECTS],
        "xml": [xml_parser()],
        "json": [json_parser()],
        "manifest": [manifest_parser()],
        "link": [link_parser()],
        "dates": [date_parser()],
        "decimals": [decimal_parser()],
    }


def odd_rows(chance: random.Random) -> list[list[str]]:
    """The rows, some of their cells otherwise."""
    found = [list(row) for row in ROWS]
    for _ in range(chance.choice((0, 1, 1, 2, 5))):
        row = chance.choice(found)
        at = chance.randrange(len(row))
        cut = chance.randrange(len(row[at]) + 1)
        row[at] = f"{row[at][:cut]}{chance.choice(ODD)}{row[at][cut + chance.choice((0, 1, 9)) :]}"
    return found


def mutated(chance: random.Random, sample: bytes) -> bytes:
    """The sample with some pieces cut, repeated, exchanged or put in."""
    data = bytearray(sample)
    for _ in range(chance.choice((1, 1, 2, 3, 8))):
        at, to = sorted(chance.choices(range(len(data) + 1), k=2))
        match chance.randrange(7):
            case 0:
                del data[at : min(to, at + chance.choice((1, 4, 4000)))]
            case 1:
                data[at:at] = data[at:to] * chance.choice((1, 2, 50))
            case 2:
                odd = chance.choice(ODD).encode(chance.choice(("utf-8", "utf-16-le", "latin-1")), "ignore")
                data[at : chance.choice((at, to))] = odd
            case 3 if data:
                data[at % len(data)] = chance.randrange(256)
            case 4:
                data[at:at] = chance.randbytes(chance.choice((1, 3, 300)))
            case 5:
                data[at:at] = str(chance.choice((0, -1, 2**31, 2**63, 10**20, 0.1))).encode()
            case _:
                del data[at:]
        if len(data) > LONGEST:
            del data[LONGEST:]
    return bytes(data)


def fuzz(name: str, seed: int, *, seconds: float = 0.0, inputs: int = 0) -> Outcome:
    """Try this parser with inputs of seeds from `seed` on; raises FoundError with the seed that repeats it."""
    tried, outcome, until = parsers()[name], Outcome(), time.monotonic() + seconds
    tracemalloc.start()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "input"
        while outcome.inputs < inputs or time.monotonic() < until:
            _one(tried, seed + outcome.inputs, path, outcome)
            outcome.inputs += 1
    tracemalloc.stop()
    return outcome


def _one(tried: Sequence[tuple[Build, Run]], seed: int, path: Path, outcome: Outcome) -> None:
    chance = random.Random(seed)  # noqa: S311  a seed that repeats a run
    build, run = chance.choice(tried)
    data = build(chance)
    if chance.random() < BROKEN:
        data = mutated(chance, data)
    tracemalloc.reset_peak()
    before, began = tracemalloc.get_traced_memory()[0], time.process_time()
    try:
        outcome.became[run(data, path)] += 1
    except DataError as error:
        outcome.became[_held(error, "refused")] += 1
    except Exception as error:
        raise FoundError(f"{type(error).__name__}: seed {seed}, {len(data)} bytes") from error
    taken = tracemalloc.get_traced_memory()[1] - before
    if taken > MOST_MEMORY:
        raise FoundError(f"{taken} bytes of memory: seed {seed}, {len(data)} bytes")
    outcome.peak = max(outcome.peak, taken)
    outcome.slowest = max(outcome.slowest, (time.process_time() - began, seed))


def main(arguments: Sequence[str]) -> int:
    """One parser after the other; raises FoundError."""
    known = [*parsers()]
    given = argparse.ArgumentParser(description="Mutated inputs for the parsers.")
    given.add_argument("parser", nargs="*", choices=[*known, []], default=[])
    given.add_argument("--seconds", type=float, default=60.0, help="for each parser")
    given.add_argument("--inputs", type=int, default=0, help="instead: how many inputs for each parser")
    given.add_argument("--seed", type=int, default=0, help="of the first input; 0: a new one")
    told = given.parse_args(arguments)
    seed = told.seed or random.SystemRandom().randrange(1, 10**9)
    for name in told.parser or known:
        found = fuzz(name, seed, seconds=0.0 if told.inputs else told.seconds, inputs=told.inputs)
        became = ", ".join(f"{word} {count}" for word, count in sorted(found.became.items()))
        slowest, at = found.slowest
        sys.stdout.write(
            f"{name}: {found.inputs} inputs from seed {seed}, most memory {found.peak / 1e6:.1f} MB,"
            f" slowest {slowest:.2f} s (seed {at}); {became}\n"
        )
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
