"""Reading the consent register."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, or_, select

from hub.adapters.store.bulk import among, values
from projections.consent_register.tables import consent_row

_ROW = consent_row.c


class RegisterRow(NamedTuple):
    """One event of a consents topic as the register keeps it."""

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


_LINKING = ("IdentityLinkProposed", "IdentityLinked", "IdentitySplit")
ENDING = ("ConsentWithdrawn", "ConsentExpired")
"""The events that take a consent back, wholly or in part."""
_COLUMNS = [_ROW[name] for name in RegisterRow._fields]


def about(connection: Connection, generation: int, subjects: Iterable[str]) -> list[RegisterRow]:
    """What may matter to the policy about these subjects (keys `controller:subject_ref`): everything but links, which
    stand in tables of their own."""
    wanted = select(*_COLUMNS).where(
        _ROW.generation == generation, among(connection, _ROW.subject), _ROW.event_type.not_in(_LINKING)
    )
    return _rows(connection, wanted, subjects)


def said_by(connection: Connection, generation: int, subjects: Iterable[str]) -> list[RegisterRow]:
    """What these subjects said that takes a consent back, whosever it is."""
    wanted = select(*_COLUMNS).where(
        _ROW.generation == generation, among(connection, _ROW.subject), _ROW.event_type.in_(ENDING)
    )
    return _rows(connection, wanted, subjects)


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


def ending_between(connection: Connection, generation: int, after: int, until: int) -> list[str]:
    """Subjects of whom a consent ends in (after, until]."""
    wanted = select(_ROW.subject).where(
        _ROW.generation == generation, _ROW.valid_until > after, _ROW.valid_until <= until
    )
    return sorted(set(connection.execute(wanted).scalars()))


def beginning_between(connection: Connection, generation: int, after: int, until: int) -> list[str]:
    """Subjects of whom a consent begins in (after, until]."""
    wanted = select(_ROW.subject).where(
        _ROW.generation == generation,
        _ROW.event_type == "ConsentGranted",
        _ROW.valid_from > after,
        _ROW.valid_from <= until,
    )
    return sorted(set(connection.execute(wanted).scalars()))


def with_custody(connection: Connection, generation: int) -> set[str]:
    """Subjects whose custodians are known: who is meant by one of them may change without anybody naming the child."""
    wanted = select(_ROW.subject).where(_ROW.generation == generation, _ROW.event_type == "CustodyChanged")
    return set(connection.execute(wanted.distinct()).scalars())


def with_control_data(connection: Connection, generation: int) -> list[RegisterRow]:
    """Every birth date and capacity: the consents worker looks through them at each Berlin midnight."""
    wanted = select(*_COLUMNS).where(
        _ROW.generation == generation,
        or_(_ROW.event_type == "SubjectRecorded", _ROW.event_type == "SubjectChanged"),
    )
    return [RegisterRow(*row) for row in connection.execute(wanted)]
