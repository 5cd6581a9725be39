"""From the rows of the sealed consent register to what is known of a person: opened in memory, then folded.

The fold does not depend on the order in which events came (protocol rules 7 and 8). The consents themselves, and what
ends them: `hub.subjects.consent_fold`.
"""

from collections.abc import Iterable, Sequence
from datetime import date

from hub.domain.clock import moment
from hub.domain.consent import objects_76
from hub.policy.control import ControlData, Statement
from hub.subjects.consent_fold import consents_of
from hub.subjects.consent_index import Index, Opened, effective
from hub.subjects.knowledge import Knowledge

_RECORDING = frozenset({"SubjectRecorded", "SubjectChanged"})
_CUSTODY = frozenset({"CustodyChanged"})
_OBJECTING = frozenset({"ObjectionRaised"})


def facts_of(key: str, aliases: Iterable[str], index: Index) -> Knowledge:
    same = sorted(aliases)
    mine = [one for alias in same for one in index.by_subject.get(alias, ())]
    objections = _objections([*mine, *_said_before_a_split(same, index)])
    granted = list(consents_of(mine, index))
    control = _control(mine, index)
    held = {name for one in control.custody for name in one.value}
    return Knowledge(
        person=key,
        epoch=0,
        control=control,
        consents=tuple(consent for consent, _ in granted),
        recorded_at={consent.id: office for consent, office in granted},
        offices={name: index.offices[name] for name in held if name in index.offices},
        objections=tuple(sorted(effective(one) for one in objections if _objects_76(one))),
    )


def _said_before_a_split(same: Sequence[str], index: Index) -> Iterable[Opened]:
    """What was said about those who were the same person then: a split takes no objection back."""
    found = {
        one.row.event_id: one
        for key in same
        for other, until in index.former.get(key, {}).items()
        for one in index.by_subject.get(other, ())
        if other not in same and one.row.received_at <= until
    }
    return found.values()


def _control(mine: Iterable[Opened], index: Index) -> ControlData:
    """What the newest version of each record states, from its own date on. A version without any field takes the
    record back; one that cannot be read narrows."""
    mine = list(mine)
    births: list[Statement[date | None]] = []
    capacities: list[Statement[bool | None]] = []
    for one in _newest(mine, _RECORDING):
        since = moment(one.row.occurred_at)
        readable = one.content.state == "open"
        if not readable or one.fields.get("birth_date"):
            births.append(Statement(one.controller, since, one.fields.get("birth_date")))
        if not readable or one.fields:
            capable = one.fields.get("capable") if readable else False
            capacities.append(Statement(one.controller, since, capable))
    custody = [
        Statement(
            one.controller,
            moment(one.row.occurred_at),
            tuple(index.name(one.controller, ref) for ref in one.fields.get("custodians") or ()),
        )
        for one in _newest(mine, _CUSTODY)
        if one.fields or one.content.state != "open"
    ]
    return ControlData(tuple(births), tuple(capacities), tuple(custody))


def _newest(mine: Iterable[Opened], types: frozenset[str]) -> list[Opened]:
    """The newest version of each record of these types, readable or not."""
    newest: dict[tuple[str, str], Opened] = {}
    for one in mine:
        if one.row.event_type in types:
            record = one.controller, one.row.record_ref
            held = newest.get(record)
            if held is None or _version(held) < _version(one):
                newest[record] = one
    return [newest[record] for record in sorted(newest)]


def _objections(mine: Iterable[Opened]) -> list[Opened]:
    """All that was said under the newest version of each record: a publication of it takes nothing back that another
    one says. One that nobody can open counts where none can be read."""
    said: dict[tuple[str, str], dict[int, list[Opened]]] = {}
    for one in mine:
        if one.row.event_type in _OBJECTING:
            versions = said.setdefault((one.controller, one.row.record_ref), {})
            versions.setdefault(one.row.source_version, []).append(one)
    newest = [versions[max(versions)] for _, versions in sorted(said.items())]
    return [one for of in newest for one in [each for each in of if each.content.state == "open"] or of]


def _version(one: Opened) -> tuple[int, int, str]:
    return one.row.source_version, one.row.publication, one.row.event_id


def _objects_76(one: Opened) -> bool:
    """An objection whose norm cannot be read counts (fail closed)."""
    return objects_76(str(one.fields.get("norm") or "76"))
