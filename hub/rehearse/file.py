"""A rehearsal file as models: each step's keys stand here, and nowhere else. Pure.

What is as in `hub decide` (a consent, a recipient, the ground of a release) is read by the policy's own readers.
"""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Annotated, Any, TypeVar

from pydantic import ConfigDict, Field, PlainValidator, ValidationError
from pydantic_core import PydanticCustomError

from hub.desk.work.verbs import VERBS
from hub.file_models import FileTable, place_of
from hub.policy import reading as read
from hub.policy.facts import (
    AGENCY_KINDS,
    CATEGORIES,
    CONSENT_PURPOSES,
    TASK_CLASSES,
    ConsentGround,
    NormGround,
)
from hub.policy.request import parse_ground


def _read(reader: Callable[[Any, str], Any]) -> PlainValidator:
    def validate(raw: Any) -> Any:
        try:
            return reader(raw, "")
        except read.UnreadablePolicy:
            raise PydanticCustomError("unreadable", "cannot be read") from None

    return PlainValidator(validate)


def _of(options: frozenset[str]) -> PlainValidator:
    return _read(lambda raw, key: read.choice(raw, key, options))


Moment = Annotated[datetime, _read(read.time)]
Day = Annotated[date, _read(read.day)]
Refs = Annotated[tuple[str, ...], _read(read.texts)]
TaskClass = Annotated[str, _of(frozenset(TASK_CLASSES))]


class AgencyTable(FileTable):
    id: str
    kind: Annotated[str, _of(frozenset(AGENCY_KINDS))]


class PersonTable(FileTable):
    """Null says that something is not known; it is never left out."""

    ref: str
    birth_date: Day | None
    capable: bool | None
    custodians: Refs


class FamilyTable(FileTable):
    ref: str
    members: Refs
    known_to: Refs


class StoryFile(FileTable):
    """The whole file. What else stands in it is a remark."""

    model_config = ConfigDict(extra="ignore")

    agencies: list[AgencyTable]
    persons: list[PersonTable]
    families: list[FamilyTable]
    steps: list[Any]


class StepTable(FileTable):
    """What every step has. `do` chose the model."""

    do: str
    at: Moment


class _ByAgency(StepTable):
    by: str


class ConsentStep(_ByAgency):
    consent: Any = Field(repr=False)


class ScopeTable(FileTable):
    purposes: (
        Annotated[frozenset[str], _read(lambda raw, key: read.choices(raw, key, CONSENT_PURPOSES))] | None
    ) = None
    categories: (
        Annotated[frozenset[str], _read(lambda raw, key: read.choices(raw, key, CATEGORIES))] | None
    ) = None
    recipients: Refs | None = None


class WithdrawStep(_ByAgency):
    consent_id: str
    scope: ScopeTable | None = None


class ObjectStep(_ByAgency):
    subject: str
    norm: str


class CustodyStep(_ByAgency):
    child: str
    custodians: Refs
    from_: Moment | None = Field(default=None, alias="from")


class CircumstancesTable(FileTable):
    """What differs from an event's defaults; null is as if it were left out."""

    ground: Annotated[ConsentGround | NormGround, _read(parse_ground)] | None = None
    entrusted_by: str | None = None
    source_203: bool | None = None
    objected_76: bool | None = None
    task_class: TaskClass | None = None
    connection: Day | None = None
    merges_with: TaskClass | None = None
    endangers_help: bool | None = None
    disputed: Refs | None = None
    addressee: str | None = None


class RecordStep(CircumstancesTable, _ByAgency):
    id: str
    family: str
    subject: str
    type: str
    payload: Any = Field(repr=False)
    occurred_at: Moment | None = None


class CorrectStep(_ByAgency):
    id: str
    payload: Any = Field(repr=False)


class LinkStep(StepTable):
    """Exactly one of the two."""

    persons: Refs | None = None
    family: str | None = None


class ViewStep(StepTable):
    recipient: Any
    purpose: str
    family: str
    expect: dict[str, Any] | None = None


class EraseStep(_ByAgency):
    subject: str


class RedeliverStep(StepTable):
    ids: Refs


class WorkTable(_ByAgency):
    """A step of joint work. What else stands in it is the verb's object, which the work book reads."""

    model_config = ConfigDict(extra="allow")

    id: str | None = None
    ref: str | None = None
    family: str | None = None
    subject: str | None = None
    occurred_at: Moment | None = None
    dry_run: bool = False


STEPS: Mapping[str, type[StepTable]] = {
    "consent": ConsentStep,
    "withdraw": WithdrawStep,
    "object": ObjectStep,
    "custody": CustodyStep,
    "record": RecordStep,
    "correct": CorrectStep,
    "link": LinkStep,
    "split": LinkStep,
    "view": ViewStep,
    "erase": EraseStep,
    "rebuild": StepTable,
    "restart": StepTable,
    "redeliver": RedeliverStep,
    "tick": StepTable,
    **dict.fromkeys(VERBS, WorkTable),
}
"""`do` → the keys that a step has."""

T = TypeVar("T", bound=FileTable)


def given(model: type[T], raw: Any) -> T:
    """The table as a model; raises UnreadablePolicy with the first key that is missing, unknown or cannot be read."""
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        steps = error.errors(include_url=False, include_input=False)[0]["loc"]
        raise read.UnreadablePolicy(place_of("", steps).removeprefix(".") or "(file)") from None
