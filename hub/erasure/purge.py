"""Taking away what is left of a person once no ground is: keys, rows of the read models, events on hold."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, select

from hub import read_models, topology
from hub.domain.clock import micros
from hub.parts import Parts
from hub.ports import Certificate, Forgotten, KeyRef, RecordVersion
from hub.sealed.decode import envelope_of
from hub.store import admissions, erasures
from hub.store.tables import erased
from hub.subjects.tombstones import dark
from hub.views.record import subject_at
from projections.joint_case.tables import case_row
from schemas import decode_single


def destroy_keys(parts: Parts, subject: str, names: Iterable[str], same: Sequence[str]) -> list[Certificate]:
    """Fence, destroy, evict: the key of the boxes, and those under which others were shown what was in them. `names`
    are the hub's for the person: a link may have given another one since; `same`: all its subject keys."""
    sender, ref = subject.split(":", 1)
    refs = {KeyRef("box", sender, ref)}
    for recipient in parts.agencies.keys() - {sender}:
        refs |= {
            KeyRef("view", recipient, subject_at(parts.secret, recipient, name, same), sender)
            for name in names
        }
    return [parts.keys.destroy(ref) for ref in sorted(refs)]


def newest_box(proofs: Iterable[Certificate]) -> int:
    """The newest version of the boxes' key among the destroyed ones; 0 when there never was one."""
    return max((v for proof in proofs if proof.ref.kind == "box" for v in proof.versions), default=0)


def purge(parts: Parts, versions: Mapping[str, int]) -> int:
    """Remove the rows of these subjects up to these key versions; how many the joint case had."""
    if not versions:
        return 0
    with parts.store.transaction() as connection:
        erasures.lock_forgetting(connection)
        return remove_rows(connection, parts, versions)[case_row.name]


def remove_rows(connection: Connection, parts: Parts, versions: Mapping[str, int]) -> Counter[str]:
    """Remove what is dark of these subjects (subject → newest destroyed key version) from every read model of the
    event store; how many rows each lost."""
    gone = [one for key, version in sorted(versions.items()) for one in _dark(connection, key, version)]
    return read_models.forget(connection, parts, topology.PROJECT.stage, gone)


def _dark(connection: Connection, subject: str, version: int) -> Iterator[Forgotten]:
    """The records whose boxes nobody can open any more. The joint case tells: it keeps each as it came."""
    for row in connection.execute(select(case_row).where(case_row.c.subject == subject)).all():
        if dark(envelope_of(decode_single(row.envelope)[1]), version):
            yield Forgotten(subject, version_of(row))


def version_of(row: Row[Any]) -> RecordVersion:
    """Which version of which record a row of the joint case holds."""
    return RecordVersion(row.controller, row.record_ref, row.source_version, row.publication)


def gone_with_rows(connection: Connection, beyond: str, limit: int) -> list[tuple[str, int]]:
    """The first subjects behind `beyond` with rows and a destroyed key, in order, with its newest version."""
    left = select(case_row.c.subject).where(case_row.c.subject == erased.c.subject)
    wanted = (
        select(erased.c.subject, erased.c.version)
        .where(erased.c.kind == "box", erased.c.subject > beyond, left.exists())
        .order_by(erased.c.subject)
        .limit(limit)
    )
    return [(row.subject, row.version) for row in connection.execute(wanted)]


def remove_held(connection: Connection, parts: Parts, subject: str, version: int, rule: str) -> int:
    """Events that wait for a decision end as withheld."""
    rows = [
        row
        for row in admissions.held_of(connection, subject)
        if dark(envelope_of(decode_single(row.value)[1]), version)
    ]
    at, policy = micros(parts.clock.now()), parts.gate.policy.version
    admissions.save_decisions(connection, [admissions.withheld(row, rule, policy, at) for row in rows])
    admissions.let_go(connection, rows)
    return len(rows)
