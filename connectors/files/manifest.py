"""A snapshot's manifest: which files, how many rows, which checksums, as of when. Without it nothing counts."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from connectors.files.settings import Dialect
from hub.domain.clock import BERLIN, berlin_midnight, micros
from hub.errors import DataError


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
    """The manifest of a folder; raises DataError `manifest_wrong`."""
    place = f"{folder.name}/{file}"
    try:
        raw = json.loads((folder / file).read_text(encoding="utf-8"))
        entries = {
            str(item["file"]): Entry(_rows(item["rows"]), str(item["sha256"]).lower())
            for item in raw["files"]
        }
        as_of = _as_of(raw["as_of"])
        declared = (raw.get("encoding", dialect.encoding), raw.get("delimiter", dialect.delimiter))
    except (OSError, UnicodeDecodeError, ValueError, KeyError, TypeError, AttributeError):
        raise _wrong("is no manifest", place) from None
    if declared != (dialect.encoding, dialect.delimiter):
        raise _wrong("names another encoding or delimiter than the configuration", place)
    return Manifest(folder.name, folder, as_of, entries, _digest(entries))


def _rows(raw: Any) -> int:
    if type(raw) is not int or raw < 0:
        raise ValueError
    return raw


def _as_of(raw: Any) -> int:
    if len(raw) == 10:
        return micros(berlin_midnight(date.fromisoformat(raw)))
    moment = datetime.fromisoformat(raw)
    return micros(moment if moment.tzinfo else moment.replace(tzinfo=BERLIN))


def _digest(entries: Mapping[str, Entry]) -> str:
    lines = "".join(f"{name}\n{entry.rows}\n{entry.sha256}\n" for name, entry in sorted(entries.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def _wrong(message: str, place: str) -> DataError:
    return DataError(
        message, reason="manifest_wrong", place=place, remedy="export the snapshot again, with its manifest"
    )
