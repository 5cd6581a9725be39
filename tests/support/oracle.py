"""What must hold after every fault (docs: reliability, I1 to I3), asked of log and store."""

from collections import Counter

from sqlalchemy import select

from hub.operations.rebuild import rebuild
from hub.parts import CASES
from hub.ports import Record
from hub.sealed.decode import decode_envelope
from hub.store import tables
from schemas import decode_single
from tests.support.workers import Rig


def assert_each_once(rig: Rig, told: set[str]) -> None:
    """I1: what was consented is in the joint case, each record once, and nothing else is."""
    assert set(rig.versions()) == told


def assert_rebuilt_equals_live(rig: Rig) -> None:
    """I2: a read model made anew from the log is the live one, row for row."""
    for name in ("joint_case", "consent_register"):
        outcome = rebuild(rig.parts, name)
        assert outcome.divergence == 0, name
        assert outcome.rows > 0, name


def assert_views_agree(rig: Rig) -> None:
    """I3, as far as the log tells: nothing is pending, the newest view on each topic is the one the store keeps, and
    every view that shows something has its disclosure entry."""
    v, d = tables.view_state.c, tables.disclosure.c
    with rig.parts.store.transaction() as connection:
        states = connection.execute(
            select(v.recipient, v.role, v.case_ref, v.version, v.view_id, v.state)
        ).all()
        disclosed = set(connection.execute(select(d.view_id)).scalars())
    newest: dict[tuple[str, str, str], dict[str, object]] = {}
    for agency in rig.parts.agencies:
        for record in read_all(rig, f"agency.{agency}.views"):
            _, view = decode_single(record.value)
            assert view["removed"] or view["view_id"].hex() in disclosed
            place = (view["recipient"], view["role"], view["case_ref"])
            if place not in newest or newest[place]["version"] < view["version"]:
                newest[place] = view
    assert "pending" not in {state.state for state in states}
    kept = {(state.recipient, state.role, state.case_ref): state.version for state in states}
    assert kept == {place: view["version"] for place, view in newest.items()}


def produced_again(rig: Rig) -> int:
    """How many events admission produced a second time because it died before it could say so."""
    events = Counter(decode_envelope(record).event_id for record in read_all(rig, CASES))
    return sum(count - 1 for count in events.values())


def read_all(rig: Rig, topic: str) -> list[Record]:
    """A topic from its beginning to its end."""
    state = rig.parts.log.state([topic])[topic]
    following, found = dict(state.first), list[Record]()
    while batch := rig.parts.log.read(topic, following, 2000):
        found += batch
        following |= {record.partition: record.offset + 1 for record in batch}
    return found
