"""What has been kept long enough, in the tables that know its age themselves."""

from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import Column, Connection, Table, delete, func, select

from hub.store import evidence
from hub.store.bulk import among, values
from hub.store.tables import (
    disclosure,
    erasure,
    erasure_answer,
    former_person,
    pairing,
    register_dirty,
    retrieval,
)


class Aged(NamedTuple):
    """A table whose rows go when the moment in `column` lies far enough back."""

    table: Table
    column: Column[int]


AGED = {
    "disclosed": Aged(disclosure, disclosure.c.at),
    "retrieved": Aged(retrieval, retrieval.c.at),
    "erasure_completed": Aged(erasure, erasure.c.completed_at),
}
"""State → where it stands."""


def count(connection: Connection, aged: Aged, until: int) -> int:
    wanted = select(func.count()).select_from(aged.table).where(aged.column <= until)
    return int(connection.execute(wanted).scalar_one())


def remove(connection: Connection, aged: Aged, until: int) -> None:
    connection.execute(delete(aged.table).where(aged.column <= until))
    if aged.table is disclosure:
        evidence.remove(connection, until)
    if aged.table is erasure:
        known = select(erasure.c.id)
        connection.execute(delete(erasure_answer).where(erasure_answer.c.erasure.not_in(known)))


def forget_links(connection: Connection, subjects: Iterable[str]) -> None:
    """The pairings of persons whose proofs are gone; their register entries are looked at once more, and end."""
    bound = {"keys": values(connection, set(subjects))}
    for table in (pairing, former_person, register_dirty):
        connection.execute(delete(table).where(among(connection, table.c.subject)), bound)
