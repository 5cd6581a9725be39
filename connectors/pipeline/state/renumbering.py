"""What the agency's file of aliases means for what was already said under a number's own name.

Nothing takes back what is known under another name, so a number about which something was published cannot silently
become somebody else's. A number that was only read, or only mentioned by others, can: its records were not said yet,
and those that mention it are read and published again.

Where a person's number is part of a row's key, the row with the newer number continues the record of the older one.
Never where both stand in the source: then they are two rows, and each counts under its own key for good.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from connectors.contract import Row
from connectors.pipeline.config.aliases import Aliases
from connectors.pipeline.state.erased import ErasedSubjects
from connectors.pipeline.state.state import State
from hub.domain.identifiers import Naming
from hub.errors import ConfigurationError

HEEDED = "aliases"


def refuse_spoken_of(numbers: Collection[str], key: Naming, state: State) -> None:
    """Raises ConfigurationError when something that was published under one of these numbers has not ended."""
    ended = ErasedSubjects(state.db)
    if any(ended.speaks_of(name) for number in numbers for name in key.persons(number)):
        raise ConfigurationError(
            "something was published about a new number as about a person of its own",
            place="config.connector.aliases",
            remedy="erase it (hub subject erase, or ErasureRequested), let the connector heed it, then add the alias",
        )


def apply_aliases(aliases: Aliases, key: Naming, state: State) -> None:
    """Where the file says something else than when this state was last used, everybody known is owed a look."""
    told = key.row_hash(repr(sorted(aliases.first.items())).encode()).hex()
    if state.meta(HEEDED) != told:
        with state.transaction():
            state.note_all_changed()
            state.set_meta(HEEDED, told)


class Numbered(NamedTuple):
    """A row that names a person with several numbers: its own key, the one by the first numbers, whether it says that
    it is gone, and its place in the order of what the source said."""

    key: str
    before: str
    gone: bool
    at: int = 0


def numbered(row: Row, at: int = 0) -> Numbered:
    return Numbered(row.key, row.before, row.gone, at)


class RowKeys:
    """Under which key such rows count. A row that was read under its own key keeps it."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._counts: dict[str, dict[str, str | None]] = defaultdict(dict)

    def settle(self, stream: str, rows: Iterable[Numbered], *, ends_told: bool = True) -> None:
        """All rows of the persons in question, as they stand. `ends_told`: a row that stands no longer is missing among
        them, or says that it is gone; otherwise what was said last counts."""
        groups: dict[str, list[Numbered]] = defaultdict(list)
        for row in rows:
            groups[row.before].append(row)
        for before, members in groups.items():
            self._counts[stream] |= self._settled(stream, before, members, ends_told=ends_told)

    def forget(self, stream: str) -> None:
        """The stream is looked at anew."""
        self._counts.pop(stream, None)

    def counted(self, stream: str, key: str, before: str) -> str | None:
        """The key under which a row counts; None where another one continues its record."""
        if not before:
            return key
        counts = self._counts.get(stream, {})
        if key in counts:
            return counts[key]
        return key if key == before or self._known(stream, key) else before

    def rows(self, stream: str, rows: Iterable[Row]) -> Iterator[Row]:
        """The rows under the keys under which they count."""
        for row in rows:
            if (key := self.counted(stream, row.key, row.before)) is not None:
                yield row._replace(key=key, before="") if row.before else row

    def apart(self, stream: str, rows: Iterable[Numbered]) -> bool:
        """Whether one of these rows counts under its own key beside the first number's, and was never read under it."""
        return any(
            not row.gone
            and row.key != row.before
            and self.counted(stream, row.key, row.before) == row.key
            and not self._known(stream, row.key)
            for row in rows
        )

    def _settled(
        self, stream: str, before: str, members: Collection[Numbered], *, ends_told: bool
    ) -> dict[str, str | None]:
        unknown = [row for row in members if row.key != before and not self._known(stream, row.key)]
        first = next((row for row in members if row.key == before and not row.gone), None)
        heirs = {row.key: row for row in unknown if not row.gone}
        if len(heirs) == 1:
            heir = next(iter(heirs.values()))
            if first is None or (not ends_told and first.at < heir.at):
                return _continued(members, before, heir, unknown)
        if first is None and not heirs and unknown:
            return _continued(members, before, max(unknown, key=lambda row: (row.at, row.key)), unknown)
        return {row.key: row.key for row in members}

    def _known(self, stream: str, key: str) -> bool:
        """Whether a row was read under this key."""
        query = """SELECT EXISTS (SELECT 1 FROM seen WHERE stream = :stream AND key = :key)
            OR EXISTS (SELECT 1 FROM quarantine WHERE stream = :stream AND key = :key)"""
        found = self._state.db.execute(query, {"stream": stream, "key": self._state.key_hash(key)})
        return bool(found.fetchone()[0])


def _continued(
    members: Collection[Numbered], before: str, heir: Numbered, unknown: Collection[Numbered]
) -> dict[str, str | None]:
    """The heir continues the record; what ended and was never read under its own key leaves nothing to say."""
    found: dict[str, str | None] = {row.key: row.key for row in members}
    found |= {row.key: None for row in unknown if row.gone}
    return {**found, before: None, heir.key: before}
