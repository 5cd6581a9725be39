"""Reduced and own cells (`R` and `own` of the matrix): which records a role sees across controllers, and in which form.

`decide` says which fields of one event may go. This module says which records, and what of them, remains:

    passing(…)   R08 and protected workers: what may cross to another controller at all (asked at every gate)
    ROWS         (category, role) → which records, which fields; a pair that is not named shows nothing
    visible(…)   whether one record could be seen by a recipient (asked by the gates)
    view(…)      the records of one view: rows, totals (`BenefitTotal`), and what follows a start only beside it

Inside one controller nothing is reduced, and subject access never is. Pure. Norms: § 67a SGB X, § 62 SGB VIII
(necessity), § 67d SGB X (free text), § 35 SGB I (protected workers).
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import cache
from types import MappingProxyType
from typing import Any

from hub.policy.facts import Recipient
from schemas import UnknownSchema, event_schema

FREE_TEXT, NEEDLESS = "R08", "R03"
"""The rules under which this module drops: free text (§ 67d SGB X), and what the recipient's task does not need."""

TOTAL = "BenefitTotal"
LONGEST_SENTENCE = 160  # characters: of a released sentence, and of any value that is no text
EVIDENCE = frozenset({"read_back", "released_by"})
"""What shows that a sentence was released: read by the gates, shown to nobody."""

Fields = Mapping[str, Any]
Categories = Mapping[str, str]

_PERSON_OF_WORKER = frozenset({"name", "worker_id", "room", "mail", "substitute"})
_TAG = re.compile(r"[^\W\d_]+(?:[_-][^\W\d_]+)*")
_LONGEST_TAG = 30
_GOAL_TAGS = frozenset({"work", "childcare", "school"})
_MONTH = re.compile(r"[0-9]{4}-(?:0[1-9]|1[0-2])")
_LINES = frozenset({"BenefitGranted", "BenefitChanged"})
_FOLLOWS: Mapping[str, tuple[str, str]] = {
    "AgreementAcknowledged": ("AgreementMade", "agreement_ref"),
    "AgreementClosed": ("AgreementMade", "agreement_ref"),
    "TaskDone": ("TaskAssigned", "task_ref"),
}
"""What follows a start, and by which reference: shown only in a view that shows the start."""

STARTS = frozenset(start for start, _ in _FOLLOWS.values())
"""The events on which others in a view depend."""

_GROUPS: Mapping[str, frozenset[str]] = {
    "ambulant": frozenset({"27(2)", "27(3)", "28", "29", "30", "31", "35"}),
    "teilstationär": frozenset({"32"}),
    "stationär": frozenset({"33", "34"}),
    "junge Volljährige": frozenset({"41", "41a"}),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the reduce contract.

    `records`: all, or those whose code names the recipient: `provider`, `participant`, `promised`; `total`: benefit
    lines as one entry a month. `fields`: those of the category that remain; None = as `decide` keeps them.
    """

    records: str
    fields: frozenset[str] | None = None


def _row(records: str, names: str = "") -> Row:
    return Row(records, frozenset(names.split()) if names else None)


_TALK = "talk_ref kind date time place"
_PLAN = "goals review_date"
_MEMBER = "role from until"

ROWS: Mapping[tuple[str, str], Row] = MappingProxyType(
    {
        ("HS", "provider_worker"): _row("provider"),
        ("EG", "provider_worker"): _row("provider"),
        ("BT", "provider_worker"): _row("provider"),
        ("TM", "provider_worker"): _row("participant", _TALK),
        ("TM", "jc_case_manager"): _row("all", _TALK),
        ("TM", "ja_asd"): _row("all", _TALK),
        ("VB", "provider_worker"): _row("promised"),
        ("VB", "jc_benefits"): _row("promised"),
        ("VG", "provider_worker"): _row("all"),  # `decide` lets sender and addressee alone see a matter
        ("HP", "provider_worker"): _row("provider", _PLAN),
        ("HI", "provider_worker"): _row("provider", "reasons"),
        ("HP", "jc_case_manager"): _row("all", _PLAN),
        ("HP", "coordinator"): _row("all", _PLAN),
        ("HP", "ja_wjh"): _row("all", _PLAN),
        ("KO", "provider_worker"): _row("provider"),
        ("LS", "ja_asd"): _row("total"),
        ("LS", "coordinator"): _row("total"),
        ("LB", "ja_asd"): _row("total"),
        ("LB", "ja_wjh"): _row("all", "amount month"),
        ("LM", "ja_asd"): _row("all", "until"),
        ("HS", "coordinator"): _row("all", "paragraph start end"),
        ("G9", "jc_case_manager"): _row("all", "intensity"),
        ("G9", "ja_asd"): _row("all", "intensity"),
        ("ID", "provider_worker"): _row("all", "names contact"),
        ("ID", "office_clerk"): _row("all", "names contact"),
        ("HH", "jc_case_manager"): _row("all", _MEMBER),
        ("HH", "ja_asd"): _row("all", _MEMBER),
        ("HH", "ja_wjh"): _row("all", _MEMBER),
        ("HH", "coordinator"): _row("all", _MEMBER),
    }
)
"""(category, role) → which records, in which form; a pair that is not named shows nothing, so new ones start hidden."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """One record with what the decision lets through.

    `fields` is all that its boxes hold, `kept` names what may go to this recipient, `obliged` the categories that the
    matrix reduces. `person` and `sender` say whose entry it is in the view.
    """

    ref: str
    person: str
    sender: str
    event_type: str
    occurred_at: datetime
    fields: Fields = field(repr=False)
    categories: Categories
    kept: Collection[str]
    obliged: frozenset[str]
    marked: tuple[str, ...] = ()

    def labels(self, shown: Collection[str]) -> dict[str, str]:
        """Shown field → the category under which this record gives it. The month of a total whose status is closed is
        given with the amount."""
        found = {name: self.categories[name] for name in shown if name in self.kept and name in self.fields}
        if "month" in shown and "month" not in found and "amount" in found:
            found["month"] = found["amount"]
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One entry of a view; `behind` are the records that it is made of, the newest last."""

    ref: str
    person: str
    sender: str
    event_type: str
    occurred_at: datetime
    fields: Fields = field(repr=False)
    marked: tuple[str, ...]
    behind: tuple[Released, ...]


def passing(event_type: str, fields: Fields) -> dict[str, Any]:
    """What of a record may cross to another controller at all, whatever grounds there are (R08, protected workers).

    Free text is left out; of a goal its tag remains; the sentence of an agreement or task stays when it was read back
    and released and is short. Of a protected worker the unit's contact remains.
    """
    protected = event_type == "WorkerAssigned" and fields.get("protected") is True
    left = {}
    for name, value in fields.items():
        if protected and name in _PERSON_OF_WORKER:
            continue
        kept = _without_text(_free_text(event_type).get(name, "dropped"), value, fields)
        if kept not in (None, [], ()):
            left[name] = kept
    return left


def dropped(event_type: str, fields: Fields) -> dict[str, str]:
    """Field → rule for what `passing` leaves out."""
    left = passing(event_type, fields)
    gone = [name for name, value in fields.items() if name not in left and value not in (None, [], ())]
    person = event_type == "WorkerAssigned"
    return {name: NEEDLESS if person and name in _PERSON_OF_WORKER else FREE_TEXT for name in gone}


@cache
def _free_text(event_type: str) -> Mapping[str, str]:
    """Field → how its schema marks it, in any version of the event; a field of no version is free text."""
    found: dict[str, str] = {}
    try:
        latest = event_schema(event_type)
        for version in range(1, latest.version + 1):
            for name, spec in event_schema(event_type, version).fields.items():
                found[name] = found.get(name) or spec.free_text
    except UnknownSchema:
        return {}
    return MappingProxyType(found)


def _without_text(mark: str, value: Any, fields: Fields) -> Any:
    if mark == "released":
        return value if _was_released(value, fields) else None
    if mark == "tagged":
        return [tag for one in value or () if (tag := _tag(one))]
    if mark == "dropped":
        return None
    if isinstance(value, str):
        return None if len(value) > LONGEST_SENTENCE else value
    if isinstance(value, list | tuple):
        return [one for one in value if not isinstance(one, str) or len(one) <= LONGEST_SENTENCE]
    return value


def _was_released(value: Any, fields: Fields) -> bool:
    """§ 67d SGB X: not automatic, when people read the sentence back and released it, in the room."""
    return (
        isinstance(value, str)
        and len(value) <= LONGEST_SENTENCE
        and fields.get("read_back") is True
        and any(isinstance(one, str) and one.strip() for one in fields.get("released_by") or ())
    )


def _tag(goal: Any) -> str:
    """The tag of `tag: text`, or a tag alone (as a gate leaves it); empty for what has none."""
    tag = str(goal).partition(":")[0].strip().lower()
    return tag if len(tag) <= _LONGEST_TAG and _TAG.fullmatch(tag) else ""


def obliged_categories(obligations: Iterable[str]) -> frozenset[str]:
    """The categories of `reduce:<category>:<role>` among a decision's obligations."""
    return frozenset(text.split(":")[1] for text in obligations if text.startswith("reduce:"))


def compared(event_type: str, fields: Fields) -> tuple[object, ...]:
    """All that `visible` asks of a record's values: two records with the same labels and this are seen alike."""
    codes = tuple(_frozen(fields.get(name)) for name in ("provider_id", "participants", "owner", "awaits"))
    return (*codes, _month(fields) != "", tuple(sorted(passing(event_type, fields))), _tags(fields))


def _frozen(value: Any) -> object:
    return tuple(value) if isinstance(value, list) else value


def _tags(fields: Fields) -> bool:
    return any(_tag(goal) in _GOAL_TAGS for goal in fields.get("goals") or ())


def needed_for_total(record: Released, role: str) -> frozenset[str]:
    """The fields of other categories from which the total of a shown amount is made: its month, and the kind by which
    a change replaces what it changes. They travel sealed, and of them the month alone is shown."""
    summed = record.event_type in _LINES and "amount" in record.kept and record.categories["amount"] == "LB"
    if not summed or not _totalled(record, role):
        return frozenset()
    return frozenset({"month", "kind"} & record.fields.keys())


def visible(record: Released, recipient: Recipient) -> bool:
    """Whether this recipient could see anything of the record, in a view that shows its start."""
    if _whole(record, recipient):
        return bool(_open_fields(record))
    return (_totalled(record, recipient.role) and bool(_month(record.fields))) or bool(
        _reduced(record, recipient)
    )


def view(records: Iterable[Released], recipient: Recipient) -> list[Shown]:
    """The entries of one view, in order of time; what a view lacks tells nothing of what was left out."""
    shown: list[Shown] = []
    lines: dict[tuple[str, str, str], list[Released]] = {}
    for one in records:
        if _whole(one, recipient):
            shown += _entry(one, _open_fields(one) if recipient.role != "subject" else _plain(one))
            continue
        if _totalled(one, recipient.role) and (month := _month(one.fields)):
            lines.setdefault((one.person, one.sender, month), []).append(one)
        shown += _entry(one, _reduced(one, recipient))
    shown += [_total(month, same) for (*_, month), same in lines.items()]
    shown = list(shown) if recipient.role == "subject" else _beside_their_start(shown)
    return sorted(shown, key=lambda one: (one.occurred_at, one.ref))


def _whole(record: Released, recipient: Recipient) -> bool:
    return record.sender == recipient.controller or recipient.role == "subject"


def _plain(record: Released) -> dict[str, Any]:
    """What was kept, the gate's evidence aside."""
    return {
        name: record.fields[name] for name in record.kept if name in record.fields and name not in EVIDENCE
    }


def _open_fields(record: Released) -> dict[str, Any]:
    """The same without free text: a view shows what may leave an agency, at home too."""
    return {
        name: value
        for name, value in passing(record.event_type, record.fields).items()
        if name in _plain(record)
    }


def _reduced(record: Released, recipient: Recipient) -> dict[str, Any]:
    """What this role sees of the record as an entry of its own."""
    left = {}
    for name, value in _open_fields(record).items():
        category = record.categories[name]
        if category not in record.obliged:
            left[name] = value
            continue
        row = ROWS.get((category, recipient.role))
        if (
            row
            and (row.fields is None or name in row.fields)
            and _names(row.records, record.fields, recipient)
        ):
            left[name] = _form(category, recipient.role, name, value)
    return {name: value for name, value in left.items() if value not in (None, [], ())}


def _names(records: str, fields: Fields, recipient: Recipient) -> bool:
    """Whether the record is one of those that the row shows to this recipient; without a code it is not."""
    provider = f"provider:{recipient.controller}"
    match records:
        case "all":
            return True
        case "provider":
            return bool(fields.get("provider_id") == recipient.controller)
        case "participant":
            return fields.get("provider_id") == recipient.controller or provider in _listed(
                fields.get("participants")
            )
        case "promised":
            mine = provider if recipient.role == "provider_worker" else recipient.role
            return mine in (fields.get("owner"), fields.get("awaits"))
    return False  # a total has no entry of its own


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else (value,)


def _form(category: str, role: str, name: str, value: Any) -> Any:
    if (category, role, name) == ("HP", "jc_case_manager", "goals"):
        return [tag for tag in value if tag in _GOAL_TAGS]
    if (category, role, name) == ("HS", "coordinator", "paragraph"):
        return next((group for group, helps in _GROUPS.items() if str(value) in helps), "Hilfe zur Erziehung")
    return value


def _entry(record: Released, fields: Fields) -> Iterator[Shown]:
    if fields:
        marked = tuple(name for name in record.marked if name in fields)
        yield _shown(record, record.event_type, fields, marked, (record,))


def _shown(
    newest: Released, event_type: str, fields: Fields, marked: tuple[str, ...], behind: tuple[Released, ...]
) -> Shown:
    return Shown(
        ref=newest.ref,
        person=newest.person,
        sender=newest.sender,
        event_type=event_type,
        occurred_at=newest.occurred_at,
        fields=fields,
        marked=marked,
        behind=behind,
    )


def _totalled(record: Released, role: str) -> bool:
    """Whether it is a benefit line that this role sees as a part of a month's total."""
    return record.event_type in _LINES and any(
        category in record.obliged
        and (row := ROWS.get((category, role))) is not None
        and row.records == "total"
        for category in {record.categories[name] for name in record.kept}
    )


def _month(fields: Fields) -> str:
    month = fields.get("month")
    return month if isinstance(month, str) and _MONTH.fullmatch(month) else ""


def _total(month: str, lines: Sequence[Released]) -> Shown:
    """One person's lines of one month as one entry, with the name and time of the newest."""
    lines = sorted(lines, key=lambda one: (one.occurred_at, one.ref))
    status = [one for one in lines if "LS" in {one.categories[name] for name in one.kept}]
    fields: dict[str, Any] = {"month": month}
    if periods := [
        one.fields["period"] for one in status if "period" in one.kept and one.fields.get("period")
    ]:
        fields["period"] = periods[-1]
    if amounts := [one for one in _counting(lines) if "amount" in one.kept and "amount" in one.fields]:
        fields["amount"] = sum((one.fields["amount"] for one in amounts), Decimal("0.00"))
    marked = {name for one in lines for name in one.marked}
    return _shown(lines[-1], TOTAL, fields, tuple(name for name in fields if name in marked), tuple(lines))


def _counting(lines: Sequence[Released]) -> Iterator[Released]:
    """The lines whose amounts make the sum: a change stands for all lines of its kind, of several the newest."""
    changed = {one.fields.get("kind"): one for one in lines if one.event_type == "BenefitChanged"}
    yield from changed.values()
    yield from (
        one for one in lines if one.event_type != "BenefitChanged" and one.fields.get("kind") not in changed
    )


def _beside_their_start(shown: Sequence[Shown]) -> list[Shown]:
    """Without acknowledgements, closings and tasks done of which the view does not show the start."""
    started = {
        (one.event_type, name, ref)
        for one in shown
        for name in ("agreement_ref", "task_ref")
        if (ref := one.fields.get(name))
    }
    return [
        one
        for one in shown
        if one.event_type not in _FOLLOWS or (*_FOLLOWS[one.event_type], _ref(one)) in started
    ]


def _ref(shown: Shown) -> Any:
    return shown.fields.get(_FOLLOWS[shown.event_type][1])
