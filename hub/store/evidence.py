"""What an auditor judges a release by, beside the disclosure register itself.

`FieldsGround`: what each released field rested on, never joined into one text. `Appended`: when the broker took the
view. `applied_at`: when the consents stage had committed what stands before an offset.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import orjson
from sqlalchemy import Connection, delete, select

from hub.store.bulk import among, merge, values
from hub.store.tables import consents_applied, disclosure_ground, view_append

Release = tuple[str, str, str]
"""View id, person and sender: the key of one entry of the disclosure register."""


class FieldsGround(NamedTuple):
    """Fields of one category that rested on the same ground: `norm`, or else any one of `consents` covers them all.

    Records that name other consents are another ground, although they show fields of the same name.
    """

    category: str
    fields: tuple[str, ...]
    consents: tuple[str, ...]
    norm: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """What it is called where people read it: the norm, or each consent."""
        return (self.norm,) if self.norm else self.consents


class Appended(NamedTuple):
    """When the broker appended a view, and until when the view itself said that this counts (None: no such limit)."""

    at: int
    until: int | None

    @property
    def in_time(self) -> bool:
        """Whether a sink may have applied it."""
        return self.until is None or self.at <= self.until


def save_grounds(connection: Connection, grounds: Iterable[tuple[Release, Sequence[FieldsGround]]]) -> None:
    """The grounds of releases that were entered in the disclosure register in this transaction."""
    rows = [
        (*release, number, one.category, _text(one.fields), _text(one.consents), one.norm)
        for release, of in grounds
        for number, one in enumerate(of)
    ]
    merge(connection, disclosure_ground, rows, "(view_id, person, sender, number) DO NOTHING")


def grounds_of(connection: Connection, view_ids: Iterable[str]) -> Mapping[Release, list[FieldsGround]]:
    """The grounds of all releases of these views; none for those that an older version of the hub entered."""
    g = disclosure_ground.c
    wanted = select(g.view_id, g.person, g.sender, g.category, g.fields, g.consents, g.norm)
    wanted = wanted.where(among(connection, g.view_id)).order_by(g.view_id, g.person, g.sender, g.number)
    found: defaultdict[Release, list[FieldsGround]] = defaultdict(list)
    for row in connection.execute(wanted, {"keys": values(connection, set(view_ids))}):
        ground = FieldsGround(
            row.category, tuple(orjson.loads(row.fields)), tuple(orjson.loads(row.consents)), row.norm
        )
        found[row.view_id, row.person, row.sender].append(ground)
    return found


def names_of(grounds: Sequence[FieldsGround], joined: str) -> tuple[str, ...]:
    """What a release rested on, for people to read; `joined` is the text of an entry that has no grounds of its own."""
    if grounds:
        return tuple(sorted({name for ground in grounds for name in ground.names}))
    return tuple(name for name in joined.split(",") if name)


def note_appended(connection: Connection, seen: Mapping[str, Appended]) -> None:
    """Keep when these views were appended; of a view that was appended twice, as its lease was renewed, the last time
    that was in time."""
    later = "(view_id) DO UPDATE SET appended_at = excluded.appended_at, append_until = excluded.append_until"
    later += " WHERE view_append.appended_at < excluded.appended_at AND (excluded.append_until IS NULL"
    later += " OR excluded.appended_at <= excluded.append_until OR view_append.appended_at > view_append.append_until)"
    merge(connection, view_append, [(name, *one) for name, one in sorted(seen.items())], later)


def appended(connection: Connection, view_ids: Iterable[str]) -> Mapping[str, Appended]:
    """When these views were appended, as far as it was ever noted."""
    wanted = select(view_append).where(among(connection, view_append.c.view_id))
    rows = connection.execute(wanted, {"keys": values(connection, set(view_ids))})
    return {row.view_id: Appended(row.appended_at, row.append_until) for row in rows}


def note_applied(connection: Connection, topic: str, following: Mapping[int, int], at: int) -> None:
    """The transaction that commits now applies all before these offsets (partition → next offset)."""
    rows = [(topic, partition, offset, at) for partition, offset in sorted(following.items())]
    merge(connection, consents_applied, rows, "(topic, partition, next_offset) DO NOTHING")


class Applied:
    """When the records of one partition between two offsets were applied."""

    def __init__(self, connection: Connection, topic: str, partition: int, first: int, last: int) -> None:
        a = consents_applied.c
        mine = (a.topic == topic, a.partition == partition, a.next_offset > first)
        wanted = select(a.next_offset, a.committed_at).where(*mine).order_by(a.next_offset)
        rows = connection.execute(wanted.limit(last - first + 1)).all()
        self._offsets, self._times = [row.next_offset for row in rows], [row.committed_at for row in rows]

    def at(self, offset: int) -> int | None:
        """None where it was not noted: not applied yet, or by an older version of the hub."""
        found = bisect_right(self._offsets, offset)
        return self._times[found] if found < len(self._times) else None


def remove(connection: Connection, until: int) -> None:
    """What was noted for releases that are kept no longer; their grounds go with the register's entries."""
    connection.execute(delete(view_append).where(view_append.c.appended_at <= until))
    connection.execute(delete(consents_applied).where(consents_applied.c.committed_at <= until))


def _text(names: Sequence[str]) -> str:
    return orjson.dumps(names).decode()
