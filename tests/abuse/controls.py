"""The controls, one by one: what stops each abuse case, and what stands in its place when it is switched off.

Where two controls stand behind each other, both are switched off together: either one alone stops the attack.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from unittest.mock import patch

from hub.adapters.keys import rotation
from hub.domain.agencies import Agency
from hub.errors import ConfigurationError, DataError
from hub.policy.decision import Decision
from hub.policy.facts import Request
from hub.ports import Record
from hub.subjects.knowledge import Knowledge, KnowledgeCache
from hub.views.case_file import CaseFile
from hub.views.redaction import RedactedView
from tests.abuse import cases, hidden
from tests.abuse.cases import Case
from tests.abuse.hidden import Hide


@dataclass(frozen=True, slots=True)
class Control:
    """`without` maps the place of each part of the control to what stands there when it is off."""

    name: str
    without: Mapping[str, Any]
    case: Case

    @contextmanager
    def off(self) -> Iterator[None]:
        with switched_off(self.without):
            yield


@dataclass(frozen=True, slots=True)
class Veil:
    """A control of case 12: without it, the twin world in which `hide` happens looks different."""

    name: str
    without: Mapping[str, Any]
    hide: Hide


@contextmanager
def switched_off(without: Mapping[str, Any]) -> Iterator[None]:
    with ExitStack() as stack:
        for where, instead in without.items():
            stack.enter_context(patch(where, instead))
        yield


def _nothing(*_args: object, **_options: object) -> int:
    return 0


def _yes(*_args: object) -> bool:
    return True


def all_is_kept(_policy: object, request: Request) -> Decision:
    """As admission decided once."""
    return Decision(
        outcome="allow",
        kept=tuple(request.event.fields),
        dropped={},
        marked=(),
        reasons=(),
        needed=(),
        obligations=(),
        policy_version="off",
    )


def _whatever_the_epoch(cache: KnowledgeCache, subject: str, _epoch: int) -> Knowledge | None:
    return found[0] if (found := cache._kept.get(subject)) else None


def _quoting_it(record: Record, reason: str, message: str) -> DataError:
    return DataError(message, reason=f"{reason} {record.key!r}", place=str(record.place))


def _bound_to_nothing(*_parts: object) -> bytes:
    return b""


def _verified_in_vain(*args: Any) -> None:
    with suppress(ConfigurationError):
        _verify(*args)


_verify = rotation.verify
CONTROLS: tuple[Control, ...] = (
    Control(
        "R01, and nothing is read for who is not assigned",
        {"hub.policy.decide.ends_the_matter": lambda request: None, "hub.views.opening.may_read": _yes},
        cases.a_worker_opens_a_family_that_is_not_theirs,
    ),
    Control(
        "epochs are compared in the transaction that delivers",
        {"hub.stages.disclose._unchanged": _yes},
        cases.a_view_is_on_its_way_when_the_consent_is_withdrawn,
    ),
    Control(
        "knowledge is remembered by epoch",
        {"hub.subjects.knowledge.KnowledgeCache.get": _whatever_the_epoch},
        cases.what_was_known_of_a_person_is_out_of_date,
    ),
    Control(
        "delivery decides again",
        {"hub.views.redaction.decide": all_is_kept},
        cases.everything_is_read_again_after_a_withdrawal,
    ),
    Control(
        "the key goes with the last ground",
        {"hub.stages.consents.end_grounds": _nothing, "hub.stages.timers.end_grounds": _nothing},
        cases.the_withdrawal_itself_is_lost,
    ),
    Control(
        "reasons are codes",
        {"hub.sealed.decode._bad": _quoting_it},
        cases.a_canary_flies_through_every_failure,
    ),
    Control(
        "lanes are hashes",
        {"hub.stages.intake.lane": lambda record: str(record.key)},
        cases.a_canary_flies_through_every_failure,
    ),
    Control(
        "an opened record prints its name only",
        {
            "hub.views.redaction.Evidence.__repr__": lambda self: repr(self.content),
            "hub.sealed.boxes.Content.__repr__": lambda self: str(self.fields),
        },
        cases.everything_that_is_opened_is_printed,
    ),
    Control(
        "an entry prints no fields",
        {"hub.views.redaction.Entry.__repr__": lambda self: str(self.fields)},
        cases.everything_that_is_opened_is_printed,
    ),
    Control(
        "knowledge prints no birth date",
        {
            "hub.subjects.knowledge.Knowledge.__repr__": lambda self: str(
                [one.value for one in self.control.births]
            )
        },
        cases.everything_that_is_opened_is_printed,
    ),
    Control(
        "the ledger outside tells that keys are older",
        {"hub.adapters.keys.database.restored.finish": _nothing},
        cases.a_backup_brings_a_key_back,
    ),
    Control(
        "the key-encryption key is checked at the start",
        {"hub.adapters.keys.database.rotation.verify": _verified_in_vain},
        cases.the_hub_starts_with_another_key,
    ),
    Control(
        "a box is bound to its place",
        {"hub.sealed.boxes.place": _bound_to_nothing, "tests.support.publisher.place": _bound_to_nothing},
        cases.a_box_is_moved_to_another_record,
    ),
    Control(
        "each person, sender and recipient has a key of their own",
        {"hub.adapters.keys.database.new_master": lambda: bytes(32)},
        cases.one_tenant_opens_what_is_anothers,
    ),
)


def _one_name_for_all(agency: Agency, file: CaseFile) -> Iterable[tuple[str, str, str]]:
    """A coordinator is shown something when all consents name the same one."""
    named = {w for one in file.known.values() for c in one.consents for w in c.recipient_workers}
    for role in agency.roles:
        if role != "coordinator":
            yield agency.id, role, ""
        elif len(named) == 1:
            yield agency.id, role, min(named)


def _every_consents_end(
    now: datetime, lease: int, _shown: object, known: Iterable[Knowledge], _changes: object = None
) -> datetime:
    ends = [consent.valid_until for one in known for consent in one.consents if consent.valid_until]
    return min([now + timedelta(seconds=lease), *(end for end in ends if end > now)])


def in_the_hubs_order(_secret: bytes, _recipient: str, made: RedactedView, _file: CaseFile) -> RedactedView:
    return made


def _all_passes(event_type: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    return dict(fields)


VEILS: tuple[Veil, ...] = (
    Veil(
        "every named coordinator has a view of their own",
        {"hub.views.plan.units": _one_name_for_all},
        hidden.another_coordinator,
    ),
    Veil(
        "a view ends with what it rests on",
        {"hub.views.plan.shown_until": _every_consents_end},
        hidden.something_confided,
    ),
    Veil(
        "the register is written when it says something else",
        {"hub.stages.register._registered": lambda connection, names: {}},
        hidden.consents_that_come_and_go,
    ),
    Veil(
        "an acknowledgement shows beside its start alone",
        {"hub.policy.reduce._beside_their_start": lambda shown: shown},
        hidden.an_acknowledgement_without_its_start,
    ),
    Veil(
        "free text never passes",
        {"hub.policy.gate.dropped": lambda event_type, fields: {}, "hub.policy.reduce.passing": _all_passes},
        hidden.free_text,
    ),
    Veil(
        "a code that may tell of health is no line of a total",
        {
            "schemas.event.EventSchema._is_special": lambda schema, payload, on: False,
            "schemas.event.EventSchema._category_of_codes": lambda schema, payload, on: "",
        },
        hidden.a_line_that_tells_of_health,
    ),
)
