"""The agency's keys in their file, and whether they belong to its table of pseudonyms.

One key to a line, in base64, the newest first; a file of one line is a key that was never changed. The table is
marked with the fingerprints of the keys that its names were made with; whatever disagrees is refused (fail closed),
because a name made under the wrong key would be a second person.
"""

import base64
from functools import lru_cache
from pathlib import Path

from connectors.pipeline.publish.pseudonyms import Pseudonyms
from hub.domain.identifiers import AgencyKey, AgencyKeys, KeyRing, Naming
from hub.errors import ConfigurationError

SECRET_SIZE = 32
PLACE = "keys.agency_key_file"
REMEMBERED = 1 << 17
"""Answers of the table that a process keeps: within one life they never change, for the newest key alone gives
names."""

Keys = AgencyKey | AgencyKeys
"""One key as it is, without a look at the table (trials, stories), or all that the file holds."""


def agency_keys(path: Path | None) -> AgencyKeys:
    """The agency's own secrets (32 bytes each), the newest first; there is no default. Raises ConfigurationError."""
    keys = tuple(map(AgencyKey, secrets_of(path, PLACE)))
    if len(set(keys)) != len(keys):
        raise ConfigurationError(
            "holds a key twice", place=f"config.{PLACE}", remedy="put the file back from its copy"
        )
    return keys


def secrets_of(path: Path | None, place: str) -> list[bytes]:
    """Secrets of 32 bytes, one to a line, in base64; raises ConfigurationError."""
    if path and not path.exists():
        raise ConfigurationError(
            f"the key file {path.name} is not there", place=f"config.{place}", remedy="create the key file"
        )
    try:
        lines = path.read_text(encoding="ascii").split() if path else []
        secrets = [base64.b64decode(line, validate=True) for line in lines]
    except (OSError, ValueError):
        secrets = []
    if not secrets or any(len(secret) != SECRET_SIZE for secret in secrets):
        raise ConfigurationError(
            f"must name a file with {SECRET_SIZE} bytes in base64",
            place=f"config.{place}",
            remedy="create the key file",
        )
    return secrets


def written(keys: AgencyKeys) -> bytes:
    """The content of the file."""
    return b"".join(base64.b64encode(key.secret) + b"\n" for key in keys)


def fingerprints(keys: AgencyKeys) -> tuple[str, ...]:
    return tuple(key.fingerprint for key in keys)


def first_of(keys: Keys) -> AgencyKey:
    """The key that serves the agency's own files; where nothing leaves the house it may name everybody."""
    return keys if isinstance(keys, AgencyKey) else keys[-1]


def naming(keys: Keys, table: Pseudonyms) -> Naming:
    """Who names whom, for a connector that gives names: a table without a mark is marked with a first key, and binds
    the process to these keys. Raises ConfigurationError where keys and table do not belong together."""
    if isinstance(keys, AgencyKey):
        return keys
    check(keys, table)
    table.mark(keys[-1].fingerprint, 1)
    check(keys, table)
    table.bind(fingerprints(keys))
    return _named(keys, table)


def naming_to_look(keys: Keys, table: Pseudonyms | None) -> Naming:
    """The same for whoever only looks; None where no table was made yet. Raises ConfigurationError."""
    if isinstance(keys, AgencyKey):
        return keys
    if table is not None:
        check(keys, table)
    elif len(keys) > 1:
        raise _lost()
    return keys[0] if table is None else _named(keys, table)


def _named(keys: AgencyKeys, table: Pseudonyms) -> Naming:
    return keys[0] if len(keys) == 1 else KeyRing(keys, lru_cache(REMEMBERED)(table.stands))


def check(keys: AgencyKeys, table: Pseudonyms) -> None:
    """Whether the table's names were made with exactly these keys; raises ConfigurationError."""
    held, marked = fingerprints(keys), tuple(mark.fingerprint for mark in table.marked())
    if held == marked:
        return
    if not marked and len(held) > 1:
        raise _lost()
    if not marked and _made_with(keys[0], table):
        return
    if unfinished(keys, table):
        raise _refused("a rotation was begun and not ended", "call hub connect key rotate again")
    if marked and held[-len(marked) :] == marked:
        raise _refused("the table is older than the key file", "put its newest copy back")
    if marked and marked[-len(held) :] == held:
        raise _refused("the key file is older than the table", "put the newest key file back")
    raise _refused("the table was made with another key", "put key file and table back that belong together")


def _made_with(key: AgencyKey, table: Pseudonyms) -> bool:
    """Whether a table without a mark can be this key's: its first name is."""
    known = ((ref, local) for ref, local in table.all() if local is not None)
    ref, local = next(known, ("", None))
    return local is None or ref == (key.person if local.kind == "person" else key.case)(local.local_id)


def unfinished(keys: AgencyKeys, table: Pseudonyms) -> bool:
    """Whether a rotation died between the file and the mark."""
    held, marked = fingerprints(keys), tuple(mark.fingerprint for mark in table.marked())
    return bool(marked) and held[1:] == marked and table.begun() == held[0]


def _lost() -> ConfigurationError:
    return _refused("the table does not know the older keys", "put it back from its copy; it is not guessed")


def _refused(message: str, remedy: str) -> ConfigurationError:
    return ConfigurationError(
        message, place="config.connector.pseudonyms and .keys.agency_key_file", remedy=remedy
    )
