"""Another key-encryption key: stored keys are rewrapped a batch at a time while the hub works on.

The database says which one wraps; from the moment that changes, nothing is wrapped under the old one any more. What is
still wrapped under it is opened with it until it has been rewrapped. Killed anywhere, it goes on where it was.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Engine, Row, bindparam, delete, func, select, true, update

from hub.adapters.keys.engine import transaction
from hub.adapters.keys.tables import REF, check, insert_new, key, ref_of, retiring
from hub.adapters.keys.wrapping import Wrapper, Wrappers
from hub.errors import ConfigurationError

BATCH = 500


def current(connection: Connection, wrappers: Wrappers, controllers: Iterable[str]) -> dict[str, Wrapper]:
    """The wrappers to wrap with, as long as this transaction is open: it holds up whoever would change them."""
    names = _hold(connection, sorted(set(controllers)))
    return {controller: wrappers.require(controller, name) for controller, name in names.items()}


def verify(connection: Connection, wrappers: Wrappers, controller: str) -> None:
    """Whether this process holds what the controller's keys are wrapped under; raises ConfigurationError."""
    mine = check.c.controller == controller
    if connection.scalar(select(check.c.name).where(mine)) is None:
        master = _hold(connection, [""]).get("")
        name = wrappers.beginning(controller, master).name
        insert_new(connection, check, [{"controller": controller, "name": name}])
    leaving = select(retiring.c.name).where(retiring.c.controller == controller)
    wanted = connection.scalars(select(check.c.name).where(mine).union(leaving)).all()
    if any(wrappers.named(controller, name) is None for name in wanted):
        raise ConfigurationError(
            "this is not the key-encryption key the keys were wrapped under",
            place=f"HUB_KEK ({controller or 'master'})",
            remedy="give the key this key database was begun with, or was rotated to",
        )


def _hold(
    connection: Connection, controllers: Sequence[str] | None = None, *, change: bool = False
) -> dict[str, str]:
    """Controller → name of what wraps, which stays so until the transaction ends; of all controllers by default."""
    mine = true() if controllers is None else check.c.controller.in_(controllers)
    if (
        connection.dialect.name == "sqlite"
    ):  # a first statement that writes is what makes SQLite hold others up
        held: Any = update(check).where(mine).values(name=check.c.name)
        held = held.returning(check.c.controller, check.c.name)
    else:
        held = select(check.c.controller, check.c.name).where(mine).order_by(check.c.controller)
        held = held.with_for_update(read=not change)
    return {row.controller: row.name for row in connection.execute(held)}


def rotate(engine: Engine, wrappers: Wrappers, told: Callable[[int], None]) -> int:
    """Rewrap every key under the key-encryption key that follows the current one; `told` hears of each batch. Returns
    how many were rewrapped; 0 when it was all done before. Raises ConfigurationError without one to follow."""
    with transaction(engine) as connection:
        _begin(connection, wrappers)
    count = 0
    while True:
        with transaction(engine) as connection:
            rows = _old(connection)
            _rewrap(connection, wrappers, rows)
        if not rows:
            break
        count += len(rows)
        told(len(rows))
    with transaction(engine) as connection:
        connection.execute(delete(retiring).where(~_wraps_something()))
    return count


def waiting(engine: Engine) -> int:
    """How many keys are still wrapped under a key-encryption key that is on its way out."""
    with transaction(engine) as connection:
        under = select(func.count()).select_from(key).join(retiring, key.c.kek == retiring.c.name)
        return connection.execute(under).scalar_one()


def _begin(connection: Connection, wrappers: Wrappers) -> None:
    """In one transaction for all controllers: the old one retires, the new one wraps."""
    begun = _hold(connection, change=True)
    for controller in sorted(begun):
        following = wrappers.following(controller)
        if following is None:
            if connection.execute(select(func.count()).select_from(retiring)).scalar_one():
                return  # begun before, and the new one stands in the first place already
            raise ConfigurationError(
                "there is no key to rotate to",
                place="HUB_KEK_NEXT_FILE",
                remedy="`hub keys init FILE.next` writes one beside the FILE that HUB_KEK_FILE names",
            )
        if begun[controller] != following.name:
            insert_new(connection, retiring, [{"controller": controller, "name": begun[controller]}])
            mine = check.c.controller == controller
            connection.execute(update(check).where(mine).values(name=following.name))


def _old(connection: Connection) -> list[Row[Any]]:
    columns = (*REF, key.c.version, key.c.wrapped, key.c.kek)
    old = select(*columns).join(retiring, key.c.kek == retiring.c.name).where(key.c.wrapped.is_not(None))
    return list(connection.execute(old.limit(BATCH)))


def _rewrap(connection: Connection, wrappers: Wrappers, rows: Iterable[Row[Any]]) -> None:
    """Only where the row is still as it was read: what was destroyed meanwhile stays destroyed."""
    names = {row.controller: row.name for row in connection.execute(select(check.c.controller, check.c.name))}
    changed = [_rewrapped(wrappers, row, names) for row in rows]
    if not changed:
        return
    same = [column == bindparam(f"b_{column.name}") for column in (*REF, key.c.version, key.c.kek)]
    connection.execute(
        update(key)
        .where(*same, key.c.wrapped.is_not(None))
        .values(wrapped=bindparam("n_wrapped"), kek=bindparam("n_kek")),
        changed,
    )


def _rewrapped(wrappers: Wrappers, row: Row[Any], names: dict[str, str]) -> dict[str, Any]:
    ref = ref_of(row)
    secret = wrappers.require(ref.controller, row.kek).unwrap(ref, row.version, row.wrapped)
    new = wrappers.require(ref.controller, names[ref.controller])
    was = {**ref._asdict(), "version": row.version, "kek": row.kek}
    return {
        **{f"b_{name}": value for name, value in was.items()},
        "n_wrapped": new.wrap(ref, row.version, secret),
        "n_kek": new.name,
    }


def _wraps_something() -> Any:
    return select(key.c.version).where(key.c.kek == retiring.c.name, key.c.wrapped.is_not(None)).exists()
