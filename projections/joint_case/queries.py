"""Reading the joint case."""

from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import Connection, exists, select

from hub.store.bulk import among, values
from projections.joint_case.tables import case_row

_ROW = case_row.c


class CaseRow(NamedTuple):
    """The newest version of one record."""

    record_ref: str
    case_key: str
    subject: str
    controller: str
    event_type: str
    occurred_at: int
    envelope: bytes


_COLUMNS = [_ROW[name] for name in CaseRow._fields]


def of_cases(connection: Connection, generation: int, cases: Iterable[str]) -> list[CaseRow]:
    """The records of these cases (keys `controller:case_ref`), by time, then record."""
    wanted = (
        select(*_COLUMNS)
        .where(_ROW.generation == generation, among(connection, _ROW.case_key))
        .order_by(_ROW.occurred_at, _ROW.record_ref)
    )
    return [CaseRow(*row) for row in connection.execute(wanted, {"keys": values(connection, cases)})]


def has_norm_ground(connection: Connection, generation: int, subject: str) -> bool:
    """Whether a record about this subject stands on an attested norm instead of a consent."""
    wanted = select(exists().where(_ROW.generation == generation, _ROW.subject == subject, _ROW.by_norm))
    return bool(connection.execute(wanted).scalar_one())
