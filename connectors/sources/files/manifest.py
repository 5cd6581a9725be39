"""A snapshot's manifest: which files, how many rows, which checksums, as of when. Without it nothing counts."""

import codecs
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from connectors.pipeline.mapping.clock_changes import hour
from connectors.sources.files.settings import Dialect
from hub.domain.clock import BERLIN, berlin_midnight, micros
from hub.errors import DataError

MOST_BYTES = 1_000_000
"""Length of a manifest, at most: some thousand files."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What the manifest says of one file."""

    rows: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """`as_of` in microseconds since 1970 UTC; `digest` names the content, whatever the folder is called."""

    name: str
    folder: Path
    as_of: int
    files: Mapping[str, Entry]
    digest: str


def read_manifest(folder: Path, file: str, dialect: Dialect) -> Manifest:
    """The manifest of a folder; raises DataError `manifest_wrong`, which says what is wrong with it."""
    place = f"{folder.name}/{file}"
    try:
        with (folder / file).open("rb") as found:
            raw = _parsed(found.read(MOST_BYTES + 1))
        entries = dict(_entry(item) for item in _member(raw, "files", list))
        as_of = _as_of(_member(raw, "as_of", str))
        declared = tuple(
            _member(raw, name, str) if name in raw else getattr(dialect, name)
            for name in ("encoding", "delimiter")
        )
    except OSError:
        raise _wrong("cannot be read", place) from None
    except ValueError as error:
        raise _wrong(str(error), place) from None
    if len(entries) != len(raw["files"]):
        raise _wrong("names a file twice", place)
    if declared != (dialect.encoding, dialect.delimiter):
        raise _wrong("names another encoding or delimiter than the configuration", place)
    return Manifest(folder.name, folder, as_of, entries, _digest(entries))


def _parsed(data: bytes) -> Mapping[str, Any]:
    """The object in these bytes, with or without a byte order mark; raises ValueError with what is wrong."""
    if len(data) > MOST_BYTES:
        raise ValueError(f"is longer than {MOST_BYTES} bytes")
    try:
        text = data.decode(
            "utf-16" if data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"
        )
    except UnicodeDecodeError as error:
        raise ValueError(f"is no UTF-8 (byte {error.start})") from None
    try:
        found = json.loads(text, object_pairs_hook=_once)
    except json.JSONDecodeError as error:
        raise ValueError(f"is no JSON (line {error.lineno}, column {error.colno})") from None
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError("is no JSON object")  # noqa: TRY004  one kind of error for whatever is wrong
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("has a member that comes twice in one object")
    return found


def _member(raw: Any, name: str, kind: type[Any]) -> Any:
    if not isinstance(raw, Mapping) or name not in raw:
        raise ValueError(f"lacks {name}")
    if type(raw[name]) is not kind:
        raise ValueError(f"{name} is no {_KINDS[kind]}")
    if kind is str and ("\0" in raw[name] or any("\ud800" <= sign <= "\udfff" for sign in raw[name])):
        raise ValueError(f"{name} holds signs that are no text")
    return raw[name]


_KINDS = {list: "list", str: "text", int: "whole number"}


def _entry(item: Any) -> tuple[str, Entry]:
    rows = _member(item, "rows", int)
    if rows < 0:
        raise ValueError("rows is less than nothing")
    return _member(item, "file", str), Entry(rows, _member(item, "sha256", str).lower())


def _as_of(raw: str) -> int:
    try:
        if len(raw) == 10:
            return micros(berlin_midnight(date.fromisoformat(raw)))
        moment = datetime.fromisoformat(raw)
    except ValueError:
        raise ValueError("as_of is neither a day nor a time") from None
    if hour(moment, BERLIN.key) == "never":
        raise ValueError(f"as_of never comes on the clock of {BERLIN.key}")
    return micros(moment if moment.tzinfo else moment.replace(tzinfo=BERLIN))


def _digest(entries: Mapping[str, Entry]) -> str:
    lines = "".join(f"{name}\n{entry.rows}\n{entry.sha256}\n" for name, entry in sorted(entries.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def _wrong(message: str, place: str) -> DataError:
    remedy = f"the manifest {message}: export the snapshot again, with its manifest"
    return DataError(message, reason="manifest_wrong", place=place, remedy=remedy)
