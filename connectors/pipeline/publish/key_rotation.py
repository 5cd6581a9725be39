"""A new agency key: announced in the table of pseudonyms, written into the file (whole or not at all), marked in the
table.

Between file and mark no connector starts; one that runs still names under the old key, and the table keeps these names.
With the mark the new key counts. Whoever dies on the way calls again: a rotation that was begun is ended, and no
further key is made.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from connectors.pipeline.config.connector import ConnectorConfig
from connectors.pipeline.publish.keyring import agency_keys, check, unfinished, written
from connectors.pipeline.publish.pseudonyms import Pseudonyms
from connectors.pipeline.state.sqlite_files import held_folder, replace_file
from connectors.pipeline.state.state import State
from hub.domain.identifiers import AgencyKey, AgencyKeys
from hub.errors import ConfigurationError
from hub.failpoints import fail_point


@dataclass(frozen=True, slots=True)
class Named:
    """What a key names: persons and cases whom the agency knows; `since` None: the table was never marked with it."""

    fingerprint: str
    since: str | None
    persons: int
    cases: int


def rotate(key_file: Path, table: Pseudonyms, fresh: Callable[[], AgencyKey]) -> AgencyKeys:
    """All keys afterwards, the newest first. Raises ConfigurationError, ServiceUnavailable."""
    with held_folder(key_file.resolve().parent):
        keys = agency_keys(key_file)
        if not unfinished(keys, table):
            check(keys, table)
            table.mark(keys[-1].fingerprint, 1)
            keys = (fresh(), *keys)
            table.begin(keys[0].fingerprint, len(keys))
            replace_file(key_file, written(keys))
            fail_point("rotation.before_mark")
        table.mark(keys[0].fingerprint, len(keys))
        check(keys, table)
    return keys


def marked(table: Pseudonyms) -> tuple[str, ...]:
    return tuple(mark.fingerprint for mark in table.marked())


def named_by(keys: AgencyKeys, table: Pseudonyms) -> tuple[list[Named], int]:
    """How many each key names, the newest first, and how many pseudonyms stand for nobody any more (erased)."""
    since = {mark.fingerprint: mark.since for mark in table.marked()}
    counts, gone = {key: {"person": 0, "case": 0} for key in keys}, 0
    for ref, local in table.all():
        if local is None:
            gone += 1
            continue
        for key in keys:
            if ref == (key.person if local.kind == "person" else key.case)(local.local_id):
                counts[key][local.kind] += 1
    return [
        Named(key.fingerprint, since.get(key.fingerprint), counts[key]["person"], counts[key]["case"])
        for key in keys
    ], gone


def refuse_forgotten(configs: Iterable[ConnectorConfig], table: Pseudonyms | None) -> None:
    """Whoever was published must stand in the table: none, an empty one or an old copy would give all of them new
    names. Raises ConfigurationError."""
    for config in configs:
        if config.state.exists():
            state = State(config.state, lambda _: b"", alone=False)
            try:
                told = [row[0] for row in state.db.execute("SELECT DISTINCT subject_ref FROM published")]
            finally:
                state.close()
            missing = sum(table is None or not table.stands(ref) for ref in told)
            if missing:
                raise ConfigurationError(
                    f"the table of pseudonyms lacks {missing} that were published",
                    place="config.connector.pseudonyms",
                    remedy="put its newest copy back, or fill it: run the connectors, hub connect backfill",
                )
