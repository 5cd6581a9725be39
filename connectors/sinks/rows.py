"""A view → the rows of the staging table. Pure, apart from the keys and pseudonyms it is given."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson
from cryptography.exceptions import InvalidTag

from connectors.pipeline.publish.pseudonyms import Local
from hub.domain.seal import key_version, open_box
from hub.domain.view_box import bound
from hub.ports import Erased, FencedKey, Key, KeyRef
from schemas import InvalidPayload, UnknownSchema, decode_single, record_schema

View = Mapping[str, Any]
Answers = Mapping[tuple[KeyRef, int], Key | Erased | FencedKey]
Gone = Literal["destroyed", "unreadable"]
UNREADABLE_FIELD = "nicht_lesbar"
"""`feld` of a row that says of a person and sender: there is more, and it cannot be read. `wert`: how many records, if
the hub said so; empty where the part itself does not open."""
_MOST_PARTS = 10_000
"""Of one view; what says more is no view."""


@dataclass(frozen=True, slots=True)
class ReceivedRecord:
    """One record of a views topic: a whole view, or a part of one. `timestamp`: when the broker appended it."""

    place: str
    value: bytes = field(repr=False)
    timestamp: int
    schema: bytes
    view: View = field(repr=False)

    @property
    def part(self) -> int:
        return int(self.view.get("part", 1))

    @property
    def part_count(self) -> int:
        return int(self.view.get("part_count", 1))

    @property
    def removed(self) -> bool:
        return bool(self.view.get("removed", False))


def received(place: str, value: bytes, timestamp: int, agency: str) -> ReceivedRecord | None:
    """The record as a view of this agency; None if it is none."""
    try:
        schema, view = decode_single(value)
    except (UnknownSchema, InvalidPayload):
        return None
    if schema not in (record_schema("view"), record_schema("view_part")) or view["recipient"] != agency:
        return None
    one = ReceivedRecord(place, value, timestamp, schema.fingerprint, view)
    return one if 1 <= one.part <= one.part_count <= _MOST_PARTS else None


def wanted_keys(view: View) -> set[tuple[KeyRef, int]]:
    """The keys that this view's parts are sealed with."""
    return {(_ref(view, part), key_version(part["box"])) for part in view["parts"]}


def refs(view: View) -> set[str]:
    """Every pseudonym in it."""
    return {view["case_ref"], *(part["subject_ref"] for part in view["parts"])}


@dataclass(frozen=True, slots=True)
class Opened:
    """A whole view: (person's pseudonym, sender) → content; a person whose key is destroyed is absent.

    `unreadable`: whose box does not open although its key is there, or holds no content.
    """

    view: View = field(repr=False)
    contents: Mapping[tuple[str, str], Mapping[str, Any]] = field(repr=False)
    unreadable: frozenset[tuple[str, str]] = field(default=frozenset(), repr=False)

    @property
    def append_by(self) -> int | None:
        """Until when it might be appended, in microseconds since 1970 UTC; an earlier release's views do not say."""
        said = [content["append_by"] for content in self.contents.values() if "append_by" in content]
        return min(said, default=None)

    def rows(self, local: Mapping[str, Local]) -> Iterator[dict[str, Any]]:
        """One row per field; of whom something cannot be read a row says so (`UNREADABLE_FIELD`)."""
        for (subject, sender), content in self.contents.items():
            yield from _part_rows(self.view, subject, sender, content, local)
        for subject, sender in sorted(self.unreadable):
            yield _note(_common(self.view, subject, sender, local), UNREADABLE_FIELD, None)


def opened(records: Sequence[ReceivedRecord], keys: Answers) -> Opened:
    """All records of one version, in order, opened."""
    pieces: dict[tuple[str, str], list[bytes | Gone]] = {}
    for one in records:
        for part in one.view["parts"]:
            pieces.setdefault((part["subject_ref"], part["sender"]), []).append(_piece(one, part, keys))
    joined = {whose: _joined(of) for whose, of in pieces.items()}
    contents = {whose: content for whose, content in joined.items() if not isinstance(content, str)}
    unreadable = frozenset(whose for whose, content in joined.items() if content == "unreadable")
    return Opened(records[0].view, contents, unreadable)


def _joined(pieces: Sequence[bytes | Gone]) -> Mapping[str, Any] | Gone:
    there = [piece for piece in pieces if isinstance(piece, bytes)]
    if len(there) < len(pieces):
        return "destroyed" if "destroyed" in pieces else "unreadable"
    try:
        found = orjson.loads(b"".join(there))
    except orjson.JSONDecodeError:
        return "unreadable"
    return found if isinstance(found, dict) else "unreadable"


def _piece(one: ReceivedRecord, part: Mapping[str, Any], keys: Answers) -> bytes | Gone:
    key = keys.get((_ref(one.view, part), key_version(part["box"])))
    if not isinstance(key, Key):
        return "destroyed"
    try:
        return open_box(key.cipher, part["box"], bound(one.schema, one.view, part, key.version))
    except InvalidTag:
        return "unreadable"


def _ref(view: View, part: Mapping[str, Any]) -> KeyRef:
    return KeyRef("view", view["recipient"], part["subject_ref"], part["sender"])


def _part_rows(
    view: View, subject: str, sender: str, content: Mapping[str, Any], local: Mapping[str, Local]
) -> Iterator[dict[str, Any]]:
    common = _common(view, subject, sender, local)
    for entry in content.get("entries", ()):
        head = {
            "ereignis": entry["type"],
            "eintrag": str(entry["id"]),
            "zeitpunkt": str(entry["occurred_at"]),
        }
        for name, value in entry["fields"].items():
            marked = name in entry.get("marked", ())
            yield common | head | {"feld": name, "wert": _text(value), "bestritten": marked}
    for category in content.get("withheld", ()):
        yield _note(common, category, None)
    if number := content.get("unreadable"):
        yield _note(common, UNREADABLE_FIELD, str(number))


def _common(view: View, subject: str, sender: str, local: Mapping[str, Local]) -> dict[str, Any]:
    return {
        "fall": _local(local, view["case_ref"]),
        "fall_ref": view["case_ref"],
        "rolle": view["role"],
        "fachkraft": view["worker"] or "",
        "person": _local(local, subject),
        "person_ref": subject,
        "absender": sender,
        "stand": view["as_of"],
        "gilt_bis": view["not_after"],
    }


def _note(common: Mapping[str, Any], name: str, value: str | None) -> dict[str, Any]:
    """A row that is no entry: a category that is withheld, or that something cannot be read."""
    head = {"ereignis": "", "eintrag": "", "zeitpunkt": "", "bestritten": False}
    return {**common, **head, "feld": name, "wert": value}


def _local(local: Mapping[str, Local], ref: str) -> str | None:
    found = local.get(ref)
    return found.local_id if found else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()
