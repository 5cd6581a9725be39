"""What the rows of all read models have in common: the newest version stands, a set of rows is a generation."""

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Table,
    delete,
    false,
    func,
    or_,
    select,
    true,
    tuple_,
)

from hub.ports import Forgotten, ProjectedEvent
from hub.store.bulk import among, values


def newest(events: Iterable[ProjectedEvent]) -> list[ProjectedEvent]:
    """One event a record: within a batch, too, the highest (source version, publication) stands."""
    found: dict[tuple[str, bytes], ProjectedEvent] = {}
    for event in events:
        record = event.head.controller_id, event.head.record_ref
        held = found.get(record)
        if held is None or _order(held) < _order(event):
            found[record] = event
    return list(found.values())


def _order(event: ProjectedEvent) -> tuple[int, int]:
    return event.head.source_version, event.head.publication


def newest_stands(table: Table) -> str:
    """The ON CONFLICT clause (for `merge`) by which a row of a higher (source version, publication) replaces another of
    the same primary key."""
    keys = ", ".join(column.name for column in table.primary_key.columns)
    others = [column.name for column in table.columns if not column.primary_key]
    changed = ", ".join(f"{name} = excluded.{name}" for name in others)
    order = f"({table.name}.source_version, {table.name}.publication)"
    return f"({keys}) DO UPDATE SET {changed} WHERE {order} < (excluded.source_version, excluded.publication)"


def remove(connection: Connection, table: Table, gone: Sequence[Forgotten]) -> int:
    """Delete the rows of these in every generation; how many. A table of records has the columns `controller`,
    `record_ref`, `source_version` and `publication`."""
    c, removed = table.c, 0
    for record in (one.record for one in gone if one.record):
        mine = (c.controller == record.controller, c.record_ref == record.record_ref)
        until = tuple_(c.source_version, c.publication) <= tuple_(record.source_version, record.publication)
        removed += connection.execute(delete(table).where(*mine, until)).rowcount
    return removed + remove_subjects(connection, table, {one.subject for one in gone if not one.record})


def remove_subjects(connection: Connection, table: Table, subjects: Iterable[str]) -> int:
    """Delete all rows of these subjects in every generation; how many."""
    bound = {"keys": values(connection, sorted(set(subjects)))}
    return connection.execute(delete(table).where(among(connection, table.c.subject)), bound).rowcount


def of_agencies(key: Column[str], agencies: AbstractSet[str] | None) -> ColumnElement[bool]:
    """Whether a key `agency:…` is one of these agencies'; of any where it is None."""
    if agencies is None:
        return true()
    return or_(false(), *(key.startswith(f"{agency}:", autoescape=True) for agency in sorted(agencies)))


def compare(connection: Connection, table: Table, live: int, new: int) -> tuple[int, int]:
    """How many rows differ between two generations in either direction, and how many the new one has."""
    columns = [column for column in table.columns if column.name != "generation"]
    old_rows, new_rows = (select(*columns).where(table.c.generation == number) for number in (live, new))
    extra = select(func.count()).select_from(new_rows.except_(old_rows).subquery())
    missing = select(func.count()).select_from(old_rows.except_(new_rows).subquery())
    total = select(func.count()).where(table.c.generation == new)
    divergence = sum(int(connection.execute(wanted).scalar_one()) for wanted in (extra, missing))
    return divergence, int(connection.execute(total).scalar_one())
