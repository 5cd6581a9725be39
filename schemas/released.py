"""The released schema versions and the content of each at its release: `schemas/fingerprints.toml`.

Records under a released version stand in logs for ever, and other agencies' connectors write it. So its file never
changes, in what it means no more than on the wire: Avro's fingerprint leaves out categories, code lists and defaults,
and a field that changes its category would change who may see old records. Texts (`doc`) may be corrected.

A new version is entered by `python -m schemas.released`, which never alters an entry.
"""

import hashlib
import json
import tomllib
from collections.abc import Iterator, Mapping
from importlib.resources import files
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from schemas import avro
from schemas.registry import raw_events, raw_records

FILE = "fingerprints.toml"


class Released(NamedTuple):
    """`wire`: the 8 bytes before each record (CRC-64-AVRO); `meaning`: SHA-256 of everything but texts."""

    wire: str
    meaning: str


def released() -> dict[str, Released]:
    """`Name.vN` → what was entered at its release."""
    entries = tomllib.loads((files("schemas") / FILE).read_text(encoding="utf-8"))
    return {name: Released(**entry) for name, entry in entries.items()}


def present() -> dict[str, Released]:
    """`Name.vN` → what its file says now."""
    return {
        f"{name}.v{version}": Released(avro.fingerprint(raw).hex(), _meaning(raw))
        for name, version, raw in chain(raw_events(), raw_records())
    }


def problems(now: Mapping[str, Released], then: Mapping[str, Released]) -> Iterator[str]:
    """Differences from the release, each with its remedy."""
    versions = sorted(_split(name) for name in now.keys() | then.keys())
    newest = dict(versions)
    for stem, version in versions:
        name = f"{stem}.v{version}"
        if name not in now:
            yield f"{name} was released and its file is gone: put it back, records in logs need it"
        elif name not in then:
            yield f"{name} is not entered: when it is final, run `python -m schemas.released`"
        elif now[name] != then[name]:
            yield (
                f"{name} was released with another fingerprint: put {name}.avsc back and"
                f" add the change as {stem}.v{newest[stem] + 1}.avsc"
            )


def _split(name: str) -> tuple[str, int]:
    stem, _, version = name.rpartition(".v")
    return stem, int(version)


def enter() -> list[str]:
    """Enter the versions that are new; returns their names. Entries that are there stay as they are."""
    then, now = released(), present()
    new = sorted(now.keys() - then.keys())
    entries = then | {name: now[name] for name in new}
    lines = [
        f'"{name}" = {{ wire = "{one.wire}", meaning = "{one.meaning}" }}\n'
        for name, one in sorted(entries.items())
    ]
    path = Path(str(files("schemas") / FILE))
    path.write_text("".join([_HEAD, *lines]), encoding="utf-8")
    return new


_HEAD = "# Written by `python -m schemas.released`, which adds versions and never alters one.\n"


def _meaning(raw: Mapping[str, Any]) -> str:
    said = json.dumps(_without_texts(raw), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(said.encode()).hexdigest()


def _without_texts(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_texts(inner) for name, inner in value.items() if name != "doc"}
    return [_without_texts(inner) for inner in value] if isinstance(value, list) else value


if __name__ == "__main__":
    print("\n".join(f"entered {name}" for name in enter()) or "nothing is new")  # noqa: T201
