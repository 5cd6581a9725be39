"""Reading the consent register."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, func, select, union

from hub.domain.consent import NARROWING
from hub.store.bulk import among, values
from hub.store.tables import coming_of_age
from projections.consent_register.apply import SEPARATOR
from projections.consent_register.tables import consent_row

_ROW = consent_row.c


class RegisterRow(NamedTuple):
    """One event of a consents topic as the register keeps it; `event_id` is the row's own (`apply.row_id`)."""

    event_id: str
    record_ref: str
    source_version: int
    publication: int
    subject: str
    event_type: str
    consent_id: str | None
    occurred_at: int
    received_at: int
    scope: str | None
    envelope: bytes

    @property
    def event(self) -> str:
        """The id that the event bears."""
        return self.event_id.partition(SEPARATOR)[0]


_LINKING = ("IdentityLinkProposed", "IdentityLinked", "IdentitySplit")
GRANT = "ConsentGranted"
RECORDING = ("SubjectRecorded", "SubjectChanged")
"""The events that may hold a birth date."""
DATED = (GRANT, "CustodyChanged", *RECORDING)
"""The events that hold from their own date."""
_COLUMNS = [_ROW[name] for name in RegisterRow._fields]


def about(connection: Connection, generation: int, subjects: Iterable[str]) -> list[RegisterRow]:
    """What may matter to the policy about these subjects (keys `controller:subject_ref`): everything but links, which
    stand in tables of their own."""
    wanted = select(*_COLUMNS).where(
        _ROW.generation == generation, among(connection, _ROW.subject), _ROW.event_type.not_in(_LINKING)
    )
    return _rows(connection, wanted, subjects)


def said_by(connection: Connection, generation: int, subjects: Iterable[str]) -> list[RegisterRow]:
    """What these subjects said that takes something back: a consent, whosever it is, or by an objection."""
    wanted = select(*_COLUMNS).where(
        _ROW.generation == generation,
        among(connection, _ROW.subject),
        _ROW.event_type.in_(NARROWING.difference(_LINKING)),
    )
    return _rows(connection, wanted, subjects)


def known_since(connection: Connection, generation: int, subjects: Iterable[str]) -> dict[str, int]:
    """subject → when its agency first said anything about it that takes nothing back; absent where it never did."""
    wanted = (
        select(_ROW.subject, func.min(_ROW.received_at))
        .where(
            _ROW.generation == generation,
            among(connection, _ROW.subject),
            _ROW.event_type.not_in(NARROWING),
        )
        .group_by(_ROW.subject)
    )
    found = connection.execute(wanted, {"keys": values(connection, subjects)})
    return {subject: int(since) for subject, since in found}


def by_id(connection: Connection, generation: int, row_ids: Iterable[str]) -> list[RegisterRow]:
    """Those of these rows that the register holds."""
    wanted = select(*_COLUMNS).where(_ROW.generation == generation, among(connection, _ROW.event_id))
    return _rows(connection, wanted, row_ids)


def present(connection: Connection, generation: int, row_ids: Iterable[str]) -> set[str]:
    """Those of these rows that the register holds."""
    wanted = select(_ROW.event_id).where(_ROW.generation == generation, among(connection, _ROW.event_id))
    return set(connection.execute(wanted, {"keys": values(connection, row_ids)}).scalars())


def granted(connection: Connection, generation: int, agency: str) -> list[RegisterRow]:
    """Every grant that this agency recorded; of all agencies where none is named."""
    wanted = select(*_COLUMNS).where(_ROW.generation == generation, _ROW.event_type == "ConsentGranted")
    if agency:
        wanted = wanted.where(_ROW.subject.startswith(f"{agency}:", autoescape=True))
    return list(map(RegisterRow._make, connection.execute(wanted).all()))


def naming(connection: Connection, generation: int, consent_ids: Iterable[str]) -> list[RegisterRow]:
    """All rows that name these consents, whoever recorded them: a withdrawal works from any agency."""
    wanted = select(*_COLUMNS).where(_ROW.generation == generation, among(connection, _ROW.consent_id))
    return _rows(connection, wanted, consent_ids)


def splits(connection: Connection, generation: int, subject: str) -> list[RegisterRow]:
    """What says of this subject that it is another person than was thought."""
    wanted = select(*_COLUMNS).where(
        _ROW.generation == generation, among(connection, _ROW.subject), _ROW.event_type == "IdentitySplit"
    )
    return _rows(connection, wanted, [subject])


def _rows(connection: Connection, wanted: Select[Any], keys: Iterable[str]) -> list[RegisterRow]:
    return list(map(RegisterRow._make, connection.execute(wanted, {"keys": values(connection, keys)}).all()))


def changing_between(
    connection: Connection, generation: int, after: int, until: int, beyond: str, limit: int
) -> list[str]:
    """The first subjects behind `beyond` of whom a consent ends or begins in (after, until], or a control record begins
    to hold, in order."""
    mine = (_ROW.generation == generation, _ROW.subject > beyond)
    found = union(
        select(_ROW.subject).where(*mine, _ROW.valid_until > after, _ROW.valid_until <= until),
        select(_ROW.subject).where(
            *mine, _ROW.event_type == GRANT, _ROW.valid_from > after, _ROW.valid_from <= until
        ),
        select(_ROW.subject).where(
            *mine, _ROW.event_type.in_(DATED), _ROW.occurred_at > after, _ROW.occurred_at <= until
        ),
    ).subquery()
    wanted = select(found.c.subject).order_by(found.c.subject).limit(limit)
    return list(connection.execute(wanted).scalars())


def ending_between(
    connection: Connection, generation: int, after: int, until: int, subjects: Iterable[str]
) -> list[str]:
    """Those of these subjects of whom a consent ends in (after, until]."""
    wanted = select(_ROW.subject).where(
        _ROW.generation == generation,
        among(connection, _ROW.subject),
        _ROW.valid_until > after,
        _ROW.valid_until <= until,
    )
    bound = {"keys": values(connection, subjects)}
    return list(connection.execute(wanted.distinct(), bound).scalars())


def with_custody(connection: Connection, generation: int) -> set[str]:
    """Subjects whose custodians are known: who is meant by one of them may change without anybody naming the child."""
    wanted = select(_ROW.subject).where(_ROW.generation == generation, _ROW.event_type == "CustodyChanged")
    return set(connection.execute(wanted.distinct()).scalars())


def without_birthdays(connection: Connection, generation: int, limit: int) -> list[RegisterRow]:
    """Some records that may hold a birth date whose days of coming of age are not noted."""
    noted = select(coming_of_age.c.event_id).where(coming_of_age.c.event_id == _ROW.event_id)
    wanted = (
        select(*_COLUMNS)
        .where(_ROW.generation == generation, _ROW.event_type.in_(RECORDING), ~noted.exists())
        .limit(limit)
    )
    return [RegisterRow(*row) for row in connection.execute(wanted)]
