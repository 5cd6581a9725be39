"""The work book at one agency's desk: what was said is checked, shown as others would see it, and written once."""

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from connectors.contract import Row
from connectors.pipeline.gate.knowledge import GateKnowledge
from connectors.pipeline.gate.register import Register
from connectors.pipeline.mapping.mapped import MappedEvent
from connectors.pipeline.mapping.mapper import Mapper
from connectors.pipeline.publish.pseudonyms import Pseudonyms
from connectors.pipeline.run.pipeline import gate, looking_names
from hub.desk.config import desk_settings
from hub.desk.desk import Desk, Family
from hub.desk.records import OwnRecords
from hub.desk.work.book import Kept, WorkBook, columns, written, written_time
from hub.desk.work.entries import WorkEntry, entry
from hub.desk.work.mapping import STREAM
from hub.desk.work.objects import WorkError, values
from hub.desk.work.shown import shown_steps
from hub.desk.work.sight import Sight
from hub.desk.work.steps import FOLLOWING, Thread, WorkStep, thread
from hub.domain.clock import micros
from hub.domain.identifiers import Naming
from hub.errors import ConfigurationError
from hub.failpoints import fail_point
from hub.policy.facts import Sender
from hub.ports import EventLog, KeyStore
from schemas import to_json

REF_BYTES = 12
"""Random bytes of a reference."""


@dataclass(frozen=True)
class WorkDesk:
    """One agency's work book with what it asks: the desk, the log with the hub's word, and the agency's keys."""

    desk: Desk
    log: EventLog = field(repr=False)
    keys: KeyStore = field(repr=False)
    policy_files: tuple[Path, ...] = ()

    def say(self, verb: str, said: object, now: datetime, *, dry_run: bool = False) -> Mapping[str, Any]:
        """The answer of contract `work`; with `dry_run` nothing is written. Raises WorkError."""
        with self._opened() as (book, names):
            key = str(said.get("key") or "") if isinstance(said, dict) else ""
            if (before := book.answered(key)) is not None:
                return before
            found = values(verb, said, now, self._agency, self._kind, self._agencies)
            here = _Here(self, book, names, now)
            made = entry(verb, found, here)
            return self._written(made, here, key, dry_run=dry_run)

    def listed(self, said: object, now: datetime) -> Mapping[str, Any]:
        """What this agency itself recorded of a case, open first. Raises WorkError."""
        case = values("list", said, now, self._agency, self._kind, self._agencies)["case"]
        with self._opened() as (book, names):
            case_id = _Here(self, book, names, now).case_id(case)
            return {"case": case_id, "entries": list(_listed(book.of_case(case_id)))}

    def _written(self, made: WorkEntry, here: "_Here", key: str, *, dry_run: bool) -> Mapping[str, Any]:
        kept = Kept(secrets.token_hex(REF_BYTES), made, here.now)
        event, *_ = here.mapped(kept)
        decisions = here.sight(made).of(event, here.start_of(made), here.now)
        answer = {
            "ref": made.ref,
            "event_id": event.event_id.hex(),
            "written": not dry_run,
            "decisions": decisions,
        }
        if dry_run:
            return answer
        answer = dict(here.book.enter(kept.entry_id, made, here.now, key, answer))
        fail_point("work.saved")
        return answer

    @contextmanager
    def _opened(self) -> Iterator[tuple[WorkBook, Naming]]:
        with ExitStack() as opened:
            book = WorkBook(desk_settings(self.desk.config).book, self._agency)
            opened.enter_context(closing(book))
            yield book, opened.enter_context(looking_names(self.desk.config, self.desk.keys))

    @property
    def _agency(self) -> str:
        return self.desk.config.agency

    @property
    def _kind(self) -> str:
        return self.desk.config.agency_kind

    @property
    def _agencies(self) -> tuple[str, ...]:
        return (self._agency, *self.desk.others)


@dataclass
class _Here:
    """A `WorkOffice` for one call."""

    at: WorkDesk
    book: WorkBook
    names: Naming = field(repr=False)
    now: datetime
    families: dict[str, Family] = field(default_factory=dict, repr=False)
    new_ref: Callable[[], str] = lambda: secrets.token_hex(REF_BYTES)

    @property
    def agency(self) -> str:
        return self.at.desk.config.agency

    @property
    def kind(self) -> str:
        return self.at.desk.config.agency_kind

    def case_id(self, case: str) -> str:
        found = self.at.desk.family(case, self.now)
        if found is None:
            raise WorkError(
                "unknown_case", "case", "is no case of this agency", "use the agency's own number"
            )
        self.families[found.household.id] = found
        return found.household.id

    def person_id(self, case_id: str, person: str) -> str:
        members = (
            self.families[case_id].household.members if case_id in self.families else self._members(case_id)
        )
        found = next((one.id for one in members if person in (one.id, one.ref)), None)
        if found is None:
            raise WorkError(
                "unknown_person", "person", "is not of this family", "use the agency's own number"
            )
        return found

    def _members(self, case_id: str) -> Any:
        return self.families[self.case_id(case_id)].household.members

    def thread(self, ref: str) -> Thread | None:
        return thread(ref, [*self.book.under(ref), *self._shown])

    def start_of(self, made: WorkEntry) -> MappedEvent | WorkStep | None:
        """The start that the entry follows; one of our own as the pipeline maps it."""
        found = self.thread(made.ref) if made.step.event_type in FOLLOWING else None
        if found is None:
            return None
        if found.start.sender != self.agency:
            return found.start
        own = [one for one in self.book.of_case(found.start.case_id) if one.entry.step.ref == made.ref]
        return next(iter(self.mapped(own[0])), None) if own else None

    def sight(self, made: WorkEntry) -> Sight:
        desk = self.at.desk
        knowledge = GateKnowledge(self.agency, self.names, Register(self.agency, self.at.log, self.at.keys))
        knowledge.register.refresh(set())
        for config in (desk.records, desk.config):
            with closing(OwnRecords(config, desk.keys)) as records:
                knowledge.learn(records.control(), complete=False)
        judge = gate(desk.config, self.at.policy_files)
        return Sight(Sender(controller=self.agency, kind=self.kind), judge, knowledge, frozenset(desk.others))

    def mapped(self, kept: Kept) -> list[MappedEvent]:
        """The event that the pipeline makes of the entry."""
        step, config = kept.entry.step, self.at.desk.config
        cells: dict[str, object] = {**dict.fromkeys(columns()), **written(step.fields)}
        cells |= {
            "entry_id": kept.entry_id,
            "event_type": step.event_type,
            "case_id": step.case_id,
            "person_id": step.person_id,
            "about": "person" if step.person_id else "family",
            "sent_to": kept.entry.addressee,
            "said_at": written_time(step.occurred_at),
            "recorded_at": written_time(kept.recorded_at),
        }
        row = Row(STREAM, kept.entry_id, STREAM, cells, micros(kept.recorded_at))
        found = list(Mapper.of(config, self.names).events(row, {}))
        events = [one for one in found if isinstance(one, MappedEvent)]
        if not events:
            where = ", ".join(sorted({one.column for one in found if not isinstance(one, MappedEvent)}))
            raise ConfigurationError(
                "the entry cannot be mapped", place=f"work book: {where}", remedy="report it"
            )
        return events

    @cached_property
    def _shown(self) -> list[WorkStep]:
        with closing(Pseudonyms(self.at.desk.config.pseudonyms)) as table:
            return shown_steps(self.agency, self.at.log, self.at.keys, table, self.now)


def _listed(entries: list[Kept]) -> Iterator[Mapping[str, Any]]:
    """Each thread as one object, with its steps in order; open ones first, then by time."""
    threads: dict[str, list[Kept]] = {}
    for one in entries:
        threads.setdefault(one.entry.ref, []).append(one)
    told = [_thread_told(ref, steps) for ref, steps in threads.items()]
    yield from sorted(told, key=lambda one: (one["ended"], one["steps"][0]["at"], one["ref"]))


def _thread_told(ref: str, entries: list[Kept]) -> dict[str, Any]:
    found = thread(ref, [one.entry.step for one in entries])
    first = entries[0].entry.step
    return {
        "ref": ref,
        "person": first.person_id or None,
        "ended": bool(found and found.ended),
        "steps": [
            {
                "event": one.entry.step.event_type,
                "at": rfc3339_of(one.entry.step.occurred_at),
                "fields": to_json(one.entry.step.fields),
            }
            for one in entries
        ],
    }


def rfc3339_of(at: datetime) -> str:
    """A time as the contracts write it."""
    return at.isoformat().replace("+00:00", "Z")
