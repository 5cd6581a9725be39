"""The steps that other agencies' joint work shows to this agency: the newest views of its own topic, opened and kept
nowhere."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from connectors.pipeline.publish.pseudonyms import Local, Pseudonyms
from connectors.sinks.rows import ReceivedRecord, opened, received, refs, wanted_keys
from hub.desk.work.steps import REF_OF, WorkStep
from hub.domain.clock import micros
from hub.ports import EventLog, KeyStore, Record
from schemas import event_schema, from_json, topics

_AT_ONCE = 1000


def shown_steps(
    agency: str, log: EventLog, keys: KeyStore, pseudonyms: Pseudonyms, now: datetime, case_ref: str = ""
) -> list[WorkStep]:
    """Every step of other agencies that some role of this agency is shown now; of one case, or all. A step that several
    roles are shown stands once, with all that any of them is shown. Raises ServiceUnavailable."""
    found: dict[str, WorkStep] = {}
    for records in _newest(agency, log, now, case_ref):
        wanted = {key for one in records for key in wanted_keys(one.view)}
        local = pseudonyms.local(refs(records[0].view).union(*(refs(one.view) for one in records)))
        for entry_id, step in _steps(agency, records, keys.opening(wanted), local):
            before = found.get(entry_id)
            fields = {**(before.fields if before else {}), **step.fields}
            found[entry_id] = WorkStep(
                event_type=step.event_type,
                sender=step.sender,
                case_id=step.case_id,
                person_id=step.person_id,
                occurred_at=step.occurred_at,
                fields=fields,
            )
    return list(found.values())


def _newest(agency: str, log: EventLog, now: datetime, case_ref: str) -> Iterator[list[ReceivedRecord]]:
    """The records of the newest version of each view, where all have come and it may still be shown."""
    held: dict[tuple[Any, ...], dict[int, ReceivedRecord]] = defaultdict(dict)
    newest: dict[tuple[Any, ...], tuple[int, int]] = {}
    for record in _records(log, topics()["views"].of(agency)):
        one = received(str(record.place), record.value, record.timestamp, agency)
        if one is None or (case_ref and one.view["case_ref"] != case_ref):
            continue
        slot = (one.view["case_ref"], one.view["role"], one.view["worker"])
        version = (one.view["generation"], one.view["version"])
        if version > newest.get(slot, (-1, -1)):
            newest[slot] = version
            held[slot].clear()
        if version == newest[slot]:
            held[slot][one.part] = one
    for parts in held.values():
        records = [parts[number] for number in sorted(parts)]
        first = records[0]
        if len(records) == first.part_count and not first.removed and first.view["not_after"] > micros(now):
            yield records


def _records(log: EventLog, topic: str) -> Iterator[Record]:
    state = log.state([topic]).get(topic)
    positions = dict(state.first) if state else {}
    while state and any(positions[p] < end for p, end in state.end.items()):
        records = log.read(topic, positions, _AT_ONCE)
        if not records:
            return
        yield from records
        positions.update({record.partition: record.offset + 1 for record in records})


def _steps(
    agency: str, records: list[ReceivedRecord], keys: Any, local: Mapping[str, Local]
) -> Iterable[tuple[str, WorkStep]]:
    view = records[0].view
    case = local.get(view["case_ref"])
    for (subject, sender), content in opened(records, keys).contents.items():
        person = local.get(subject)
        if sender == agency or case is None:
            continue
        for entry in content.get("entries", ()):
            if entry["type"] in REF_OF:
                yield (
                    str(entry["id"]),
                    WorkStep(
                        event_type=entry["type"],
                        sender=sender,
                        case_id=case.local_id,
                        person_id=person.local_id if person and person.kind == "person" else "",
                        occurred_at=datetime.fromisoformat(entry["occurred_at"]),
                        fields=dict(from_json(event_schema(entry["type"]), entry["fields"])),
                    ),
                )
