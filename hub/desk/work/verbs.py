"""The verbs of joint work, and what the object of each may say. Pure data: reading and reference page follow it."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

LONGEST = 160
"""Characters of any text in an object."""

TALK_KINDS = ("dreiecksgespraech", "familienkonferenz", "hilfeplan")
TALK_STATES = ("planned", "held", "cancelled")
OUTCOMES = ("kept", "partly", "dropped", "moved")
WAYS = ("in_room", "signed", "phone", "own_system")
ANSWERS: Mapping[str, str] = MappingProxyType(
    {
        "accepted": "ReferralAccepted",
        "declined": "ReferralDeclined",
        "queried": "ReferralQueried",
        "completed": "ReferralCompleted",
        "taken_back": "ReferralTakenBack",
    }
)
"""Step of a referral → event."""
RESULTS = ("granted", "refused", "partly", "withdrawn")
ASSESSORS: Mapping[str, str] = MappingProxyType(
    {"jobcenter": "jobcenter", "youth_office": "youth_welfare", "family": ""}
)
"""Who assessed → the kind of agency that alone may record it; empty: any."""


@dataclass(frozen=True, slots=True)
class FieldRule:
    """One key of an object. `kind` names its reader in `objects`; `of`: code list, closed list, or kinds of what a
    reference names."""

    name: str
    kind: str
    of: tuple[str, ...] = ()
    required: bool = False


@dataclass(frozen=True, slots=True)
class VerbRules:
    """`fields` of a first step; `again`: of an object with `ref`, for verbs that have both. `text`: for people."""

    fields: Mapping[str, FieldRule]
    again: Mapping[str, FieldRule]
    text: str

    def of(self, said: Mapping[str, object]) -> Mapping[str, FieldRule]:
        """The rules for this object."""
        return self.again if self.again and "ref" in said else self.fields


_KINDS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "case": ("case", ()),
    "person": ("person", ()),
    "at": ("moment", ()),
    "key": ("text", ()),
    "kind": ("choice", TALK_KINDS),
    "state": ("choice", TALK_STATES),
    "date": ("day", ()),
    "due": ("due", ()),
    "answer_due": ("due", ()),
    "look_again": ("day", ()),
    "time": ("time", ()),
    "place": ("text", ()),
    "participants": ("owners", ()),
    "owner": ("owner", ()),
    "awaits": ("owner", ()),
    "by": ("owner", ()),
    "code": ("code", ("agreement_codes",)),
    "text": ("text", ()),
    "read_back": ("flag", ()),
    "released_by": ("owners", ()),
    "talk_ref": ("ref", ("talk",)),
    "agreement_ref": ("ref", ("agreement",)),
    "how": ("choice", WAYS),
    "outcome": ("choice", OUTCOMES),
    "addressee": ("addressee", ()),
    "offer_id": ("text", ()),
    "reason_code": ("code", ("referral_reasons",)),
    "benefit": ("code", ("benefits",)),
    "stamp": ("stamp", ()),
    "step": ("choice", tuple(ANSWERS)),
    "missing": ("codes", ("documents",)),
    "document": ("code", ("documents",)),
    "result": ("choice", RESULTS),
    "dimension": ("dimension", ()),
    "assessed_by": ("choice", tuple(ASSESSORS)),
    "next_step": ("text", ()),
}
"""Key → its reader and what that reader needs."""


def _rules(keys: str, special: Mapping[str, tuple[str, tuple[str, ...]]]) -> Mapping[str, FieldRule]:
    """The rules of `a* b`: a star marks what must be there; every object may say `at` and `key`."""
    found = {}
    for word in (*keys.split(), "at", "key"):
        name = word.rstrip("*")
        kind, of = special.get(name) or _KINDS[name]
        found[name] = FieldRule(name, kind, of, word.endswith("*"))
    return MappingProxyType(found)


def _verb(text: str, keys: str, again: str = "", **special: tuple[str, tuple[str, ...]]) -> VerbRules:
    return VerbRules(_rules(keys, special), _rules(again, special) if again else MappingProxyType({}), text)


_ENDS = ("code", ("step_down_reasons",))

LIST = _verb("Was dieses Amt zu einem Fall selbst eingetragen hat.", "case*")
"""The verb that only reads."""

STARTING = frozenset({"talk", "agree", "task", "refer", "apply", "assess", "stepdown", "end"})
"""The verbs that may begin something; the others always follow."""

VERBS: Mapping[str, VerbRules] = MappingProxyType(
    {
        "talk": _verb(
            "Ein Gespräch ansetzen; mit ref: verlegen, als geführt oder als abgesagt festhalten.",
            "case* person kind* date* time place participants* state",
            "ref* state* case person kind date time place participants",
            ref=("ref", ("talk",)),
        ),
        "agree": _verb(
            "Eine Vereinbarung festhalten.",
            "case* person owner* code text due awaits talk_ref read_back released_by",
        ),
        "ack": _verb(
            "Festhalten, wer eine Vereinbarung bestätigt hat.", "ref* by* how*", ref=("ref", ("agreement",))
        ),
        "close": _verb("Eine Vereinbarung abschließen.", "ref* outcome* date", ref=("ref", ("agreement",))),
        "task": _verb(
            "Eine Aufgabe festhalten.",
            "case* person owner* code text due awaits agreement_ref read_back released_by",
        ),
        "done": _verb("Eine Aufgabe als erledigt festhalten.", "ref* date", ref=("ref", ("task",))),
        "refer": _verb(
            "Jemanden an eine andere Stelle verweisen; mit ref: eine beendete Verweisung noch einmal.",
            "case* person* addressee* offer_id reason_code* answer_due",
            "ref* case person addressee offer_id reason_code answer_due",
            ref=("ref", ("referral",)),
        ),
        "apply": _verb(
            "Einen Antrag abgeben; mit ref: noch einmal.",
            "case* person* addressee* benefit* stamp",
            "ref* case person addressee benefit stamp",
            ref=("ref", ("application",)),
        ),
        "answer": _verb("Auf eine Verweisung antworten.", "ref* step* missing", ref=("ref", ("referral",))),
        "query": _verb(
            "Zu einem Antrag Fehlendes nachfordern.", "ref* missing*", ref=("ref", ("application",))
        ),
        "document": _verb(
            "Ein Dokument als eingegangen festhalten.",
            "ref* document*",
            ref=("ref", ("application", "referral")),
        ),
        "decide": _verb(
            "Die Entscheidung über einen Antrag festhalten.", "ref* result*", ref=("ref", ("application",))
        ),
        "assess": _verb(
            "Eine Einschätzung im Raster festhalten.",
            "case* person dimension* step assessed_by* talk_ref",
            step=("grid_step", ()),
        ),
        "stepdown": _verb(
            "Den Übergang in die Zeit ohne gemeinsame Fallarbeit festhalten.",
            "case* person next_step date* look_again reason_code",
            reason_code=_ENDS,
        ),
        "end": _verb(
            "Das Ende der gemeinsamen Fallarbeit festhalten.",
            "case* person next_step date* look_again reason_code",
            reason_code=_ENDS,
        ),
    }
)
"""Verb → the rules of its object."""
