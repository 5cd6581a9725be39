"""What a rehearsal file tells. Pure values; the names and meanings are those of the rehearse contract."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, NamedTuple

from hub.domain.consent import Consent
from hub.policy.facts import ConsentGround, NormGround, Recipient


class AgencyRef(NamedTuple):
    """`agency:ref`: a person as one agency knows them."""

    agency: str
    ref: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    ref: str
    birth_date: date | None
    capable: bool | None
    custodians: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    ref: str
    members: tuple[str, ...]
    known_to: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    by: str
    consent: Consent


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawal:
    """`scope`: dimension → what is taken back; None takes back everything."""

    by: str
    consent_id: str
    scope: Mapping[str, tuple[str, ...]] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Objection:
    by: str
    subject: str
    norm: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Custody:
    """`custodians` hold custody from `since` on; none: nobody does."""

    by: str
    child: str
    custodians: tuple[str, ...]
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What differs from an event's defaults. `ground` None: every consent of the subject that the connector knows."""

    ground: ConsentGround | NormGround | None = None
    entrusted_by: str | None = None
    source_203: bool = False
    objected_76: bool = False
    task_class: str | None = None
    connection: date | None = None
    merges_with: str | None = None
    endangers_help: bool = False
    disputed: tuple[str, ...] = ()
    addressee: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Something happened in an agency's system. `told` is the payload as the story writes it, `payload` as types."""

    by: str
    id: str
    family: str
    subject: str
    type: str
    told: Mapping[str, Any] = field(repr=False)
    payload: Mapping[str, Any] = field(repr=False)
    circumstances: Circumstances
    occurred_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    by: str
    id: str
    told: Mapping[str, Any] = field(repr=False)
    payload: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Linking:
    """Records are linked, or (`apart`) split. Who is meant: `persons`, and all of `family` where it is named."""

    apart: bool
    persons: tuple[AgencyRef, ...]
    family: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """`expect`: what the story says that the worker sees; None when it says nothing."""

    recipient: Recipient
    purpose: str
    family: str
    expect: Mapping[str, Any] | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    by: str
    subject: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Redelivery:
    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkAct:
    """A verb of the work book. `id`: the reference, the id of its start; `name`: of its own entry (`id#2` …);
    `said`: the object of the verb, but for its time."""

    by: str
    verb: str
    id: str
    name: str
    family: str
    subject: str
    said: Mapping[str, Any] = field(repr=False)
    occurred_at: datetime
    dry_run: bool


class Rebuild(NamedTuple):
    """All projections from the log, then switched."""


class Restart(NamedTuple):
    """Every process ends without warning and starts again."""


class Tick(NamedTuple):
    """Nothing but time passes."""


Act = (
    Grant
    | Withdrawal
    | Objection
    | Custody
    | Record
    | Correction
    | Linking
    | View
    | Erasure
    | Redelivery
    | WorkAct
    | Rebuild
    | Restart
    | Tick
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step; `number` is its place in the list, from 0."""

    number: int
    at: datetime
    act: Act


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    agencies: Mapping[str, str]  # id → kind
    persons: Mapping[str, Person]
    families: Mapping[str, Family]
    steps: Sequence[Step]

    def families_of(self, ref: str, agency: str) -> list[str]:
        """The families of this person that the agency knows, in the order of the file."""
        return [f.ref for f in self.families.values() if ref in f.members and agency in f.known_to]

    def record(self, name: str) -> Record:
        """The record that the story calls by this id; raises StopIteration when there is none."""
        return next(step.act for step in self.steps if isinstance(step.act, Record) and step.act.id == name)

    def about(self, name: str) -> str:
        """Whom the record or work step of this id is about; raises StopIteration when there is none."""
        acts = (step.act for step in self.steps)
        return next(
            act.subject
            for act in acts
            if (isinstance(act, Record) and act.id == name) or (isinstance(act, WorkAct) and act.name == name)
        )

    def grants(self) -> dict[str, Grant]:
        """The first grant of each consent id; the hub refuses a second one of the same agency."""
        found: dict[str, Grant] = {}
        for step in self.steps:
            if isinstance(step.act, Grant):
                found.setdefault(step.act.consent.id, step.act)
        return found

    def takes(self, act: Grant) -> bool:
        """Whether its agency may use the id: a story gives each once. To the hub equal numbers of two agencies are two
        consents."""
        return self.grants()[act.consent.id].by == act.by
