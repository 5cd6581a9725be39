"""The limits of what travels, in one list: lengths, sizes, characters and times (protocol rule 14a).

Each step takes at least what the step before it lets through: a connector's mapping ≤ an envelope that the hub decodes
≤ the columns and index rows of every store ≤ the broker's largest record. So nothing is admitted that cannot be
delivered.
Connectors and hub read this list; `docs/reference/limits.md` is made of it.

Lengths are in characters and sizes in bytes; a character takes at most four bytes, in UTF-8 and in MariaDB's utf8mb4.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Name:
    """An identifier: printable characters only, no line break, no invisible or directional character."""

    characters: int
    says: str


NAMES: Mapping[str, Name] = {
    "controller": Name(64, "id of an agency"),
    "ref": Name(64, "pseudonym of a person or a case, without a blank"),
    "role": Name(32, "role of a recipient"),
    "worker": Name(64, "id of a worker whom a consent or an event names"),
    "local id": Name(64, "an agency's own number of a person or a case, as its sink shows it"),
    "consent": Name(200, "an agency's own number of a consent"),
    "code": Name(64, "event type, field, category, purpose, legal domain, class of task, addressee"),
    "norm": Name(120, "norm of a ground, of a task, of a receipt"),
    "label": Name(200, "who attested a ground; digest of a pairing code"),
}
"""Identifiers, with the column or the header that is the narrowest on their way."""

ENVELOPE: Mapping[str, str] = {
    "event_type": "code",
    "controller_id": "controller",
    "legal_domain": "code",
    "subject_ref": "ref",
    "case_ref": "ref",
    "norm": "norm",
    "fields": "code",
    "purposes": "code",
    "consents": "consent",
    "task_norm": "norm",
    "attested_by": "label",
    "entrusted_by": "ref",
    "task_class": "code",
    "connection": "code",
    "merges_with": "label",
    "disputed": "code",
    "addressee": "code",
    "consent_id": "consent",
    "held": "code",
}
"""Text of an envelope → its limit; `scope` is bounded by `scope_problem`."""

PAYLOAD: Mapping[str, str] = {
    "id": "consent",
    "consent_id": "consent",
    "consents": "consent",
    "supersedes": "consent",
    "sender": "controller",
    "recipients": "controller",
    "recipient": "controller",
    "recipient_workers": "worker",
    "worker_id": "worker",
}
"""Field of an event that names somebody or something → its limit; every other text is bounded by `TEXT`."""

TEXT = 15_000
"""Characters of one field: of its text, or of a list's texts and three more for each of them."""
PUBLICATIONS = 2**31 - 1
"""The highest number of a publication: Avro's int, and the store's column."""
ITEMS = 1_000
"""Texts in one list."""
VALUE_BYTES = 4 * TEXT + 2
"""A field as a recipient's table holds it: a MySQL or MariaDB TEXT column takes 65,535."""

MAPPED_BYTES = 120_000
"""A record that a connector publishes, at most; `connector.max_event_bytes` may say less."""
EVENT_BYTES = 130_000
"""A record of an agency's topic that the hub takes."""
GROWTH = 3
"""How much longer an event's content can be as JSON of a view than as Avro: an empty text of a list takes one byte
there, three characters here; quotes and line breaks double."""
VIEW_CONTENT = 400_000
"""Content of one record of a view: the longest event alone fits into a part (rule 19)."""
VIEW_BYTES = 500_000
"""One record of a view; beyond its content it holds boxes, names and headers."""
RECORD_BYTES = 1_048_576
"""The broker's `max.message.bytes` of every topic, key and headers included."""
INDEX_ROW_BYTES = 2_704
"""One row of a btree index of PostgreSQL; InnoDB takes 3,072."""

FIRST_TIME, LAST_TIME = (
    datetime.fromisoformat("0001-01-02T00:00Z"),
    datetime.fromisoformat("3000-01-01T00:00Z"),
)
"""Times of an envelope that the hub takes; the day at the beginning keeps every zone's calendar within year 1."""
FIRST_MAPPED, LAST_MAPPED = (
    datetime.fromisoformat("1800-01-01T00:00Z"),
    datetime.fromisoformat("2500-01-01T00:00Z"),
)
"""Times of an event that a connector publishes."""

_CONTROL = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)


def text_problem(text: str) -> str | None:
    """Why this text cannot be carried, or None.

    Line feed, carriage return and tab are text. Refused are NUL and the other control characters (C0, C1, DEL), lone
    surrogates, the non-characters U+FFFE and U+FFFF, and the embeddings, overrides and isolates of the bidirectional
    algorithm (U+202A to U+202E, U+2066 to U+2069), which make a text look like another. Joiners, soft hyphens and
    directional marks belong to names in some scripts and pass.
    """
    if len(text) > TEXT:
        return f"is longer than {TEXT} characters"
    if text.isprintable():
        return None
    found = _CONTROL.search(text)
    return f"holds the character U+{ord(found[0]):04X}, which cannot be carried" if found else None


def name_problem(text: str, limit: str) -> str | None:
    """Why this text is no identifier of that kind (a key of `NAMES`), or None."""
    most = NAMES[limit].characters
    if len(text) > most:
        return f"is longer than {most} characters"
    if limit == "ref" and " " in text:
        return "holds a blank, and is a pseudonym"
    return None if text.isprintable() else "holds a character that is not printable"


def scope_problem(text: str) -> str | None:
    """Why this text is no scope of a withdrawal, or None: a JSON object of lists of codes, each said once. What a
    withdrawal of a part says in clear is kept in clear, so that nothing else may stand there."""
    if len(text) > TEXT or not text.isprintable():
        return f"is longer than {TEXT} characters or holds a character that is not printable"
    try:
        scope = json.loads(text, object_pairs_hook=_each_once)
    except (ValueError, RecursionError):
        return "is no JSON object"
    if not isinstance(scope, dict):
        return "is no JSON object"
    return _first(_codes_problem([name], codes) for name, codes in scope.items())


def _codes_problem(name: list[str], codes: Any) -> str | None:
    codes = [] if codes is None else codes
    if not isinstance(codes, list) or not all(isinstance(code, str) for code in codes):
        return "holds something else than lists of codes"
    return _first(name_problem(code, "code") for code in (*name, *codes))


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError
    return dict(pairs)


def value_problem(name: str, value: Any) -> str | None:
    """Why the value of an event's field cannot be carried, or None."""
    if isinstance(value, str):
        limit = PAYLOAD.get(name)
        return name_problem(value, limit) if limit else text_problem(value)
    if isinstance(value, Mapping):
        return _first(value_problem(part, listed) for part, listed in value.items())
    if not isinstance(value, list | tuple):
        return None
    if len(value) > ITEMS:
        return f"has more than {ITEMS} entries"
    if sum(len(one) + 3 for one in value if isinstance(one, str)) > TEXT:
        return f"is longer than {TEXT} characters"
    return _first(value_problem(name, one) for one in value)


def payload_problem(payload: Mapping[str, Any]) -> tuple[str, str] | None:
    """The first field that cannot be carried, and why; None when all can."""
    for name, value in payload.items():
        if problem := value_problem(name, value):
            return name, problem
    return None


def _first(problems: Iterable[str | None]) -> str | None:
    return next((problem for problem in problems if problem), None)
