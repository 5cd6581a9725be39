"""Withdrawals that name a consent of their own agency which is, as far as the hub knows, not their author's.

The agency's row has the wrong number or the wrong person, and somebody must look: of an author whom nobody knows the
withdrawal took effect (`hub.subjects.consent_index.nobodys_word`), of one who is known to be somebody else it did not.
It stands in quarantine as an item, so that `doctor` and a metric say so, until an operator drops it; nothing waits
behind it. Who signed is sealed, so an item is noted in the transaction and taken out again where its author had
signed.
"""

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection

from hub.domain.consent import ENDING
from hub.parts import Parts
from hub.ports import RecordPosition
from hub.stages.intake import TOOK_EFFECT
from hub.store import quarantines, subjects
from hub.store.quarantines import DroppedRecord, Item
from hub.subjects.consent_index import nobodys_word, open_naming
from projections.consent_register.queries import GRANT, RegisterRow, known_since

STAGE = "consents"
_UNKNOWN = f"{TOOK_EFFECT}unknown_subject"
NOT_THEIRS = "not_theirs"
_NOTED, CHECKED = 0, 1
Key = tuple[str, str]  # agency, consent id


def note(connection: Connection, live: int, rows: Sequence[RegisterRow], at: int) -> None:
    """Note those of these rows that end a consent of somebody else; `at` in microseconds since 1970 UTC."""
    grants, endings = _by_id(rows, (GRANT,)), _by_id(rows, ENDING)
    pairs = [(one, grants[key]) for key, of in endings.items() if key in grants for one in of]
    persons = subjects.persons(connection, {row.subject for row in rows})
    strange = [
        one
        for one, theirs in pairs
        if _person(persons, one) not in {_person(persons, grant) for grant in theirs}
        and not one.subject.endswith(":")
    ]
    if not strange:
        return
    standing = {one.item for one in quarantines.items(connection, STAGE)}
    known = known_since(connection, live, {one.subject for one in strange})
    for one in strange:
        if item_name(one) not in standing:
            reason = _UNKNOWN if nobodys_word(one, known) else NOT_THEIRS
            quarantines.put_item(connection, Item(STAGE, item_name(one), reason, at, _NOTED))


def check(parts: Parts) -> None:
    """Open what was noted since the last time, and let those go whose author signed. Raises ServiceUnavailable."""
    with parts.store.transaction() as connection:
        noted = [one for one in quarantines.items(connection, STAGE) if one.number == _NOTED]
        if not noted:
            return
        theirs = _signed(connection, parts, [one.item.split(":", 1)[1] for one in noted])
        quarantines.remove_items(connection, STAGE, [one.item for one in noted if one.item in theirs])
        for one in noted:
            if one.item not in theirs:
                quarantines.put_item(connection, one._replace(number=CHECKED))


def agency_of(item: Item) -> str:
    """The agency whose control record it is."""
    return item.item.split(":", 1)[0]


def drop(connection: Connection, items: Iterable[Item], operator: str, reason: str, at: int) -> None:
    """Somebody has looked: they leave quarantine, on record."""
    for one in items:
        given_up = DroppedRecord(STAGE, RecordPosition(one.item, 0, 0), one.reason, reason, operator, at)
        quarantines.drop(connection, [given_up])
        quarantines.remove_items(connection, STAGE, [one.item])


def _signed(connection: Connection, parts: Parts, row_ids: Sequence[str]) -> set[str]:
    """The items of these rows whose author signed a consent that they name."""
    endings, grants = open_naming(connection, parts.keys, row_ids)
    people = {key for grant in grants for key in grant.people}
    persons = subjects.persons(connection, people | {one.subject for one in endings})
    return {
        item_name(one)
        for one in endings
        for grant in grants
        if _key(one) == _key(grant.row)
        and _person(persons, one) in {persons.get(key, key) for key in grant.people}
    }


def _by_id(rows: Iterable[RegisterRow], types: Iterable[str]) -> dict[Key, list[RegisterRow]]:
    found: dict[Key, list[RegisterRow]] = {}
    for row in rows:
        if row.event_type in types and row.consent_id:
            found.setdefault(_key(row), []).append(row)
    return found


def _key(row: RegisterRow) -> Key:
    return row.subject.split(":", 1)[0], str(row.consent_id)


def item_name(row: RegisterRow) -> str:
    """The name of a control record in quarantine: its agency and the id of its row."""
    return f"{row.subject.split(':', 1)[0]}:{row.event_id}"


def _person(persons: dict[str, str], row: RegisterRow) -> str:
    return persons.get(row.subject, row.subject)
