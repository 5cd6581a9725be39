"""A redacted view as the records that the recipient's sink opens: one box per person and sender, in its own names.

A view that fits one record is a `View`. A longer one is cut into `ViewPart` records, none above 500 kB; a sink of an
earlier release cannot read those, so a removal goes before them when the last view was a `View`: it shows nothing then,
rather than what may be shown no longer.

Each box says until when its view may be appended (`append_by`), under the seal, so that nobody alters it: a worker that
stood still in transaction two has lost its locks by then, and the sink drops what it appends. The auditor, who may have
lost the key, reads the same from the record's header, under the hub's secret (`append_deadline`).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

import orjson

from hub.domain.identifiers import recipient_pseudonym
from hub.domain.seal import seal
from hub.domain.stamp import stamp, stamped
from hub.domain.view_box import bound
from hub.errors import DataError
from hub.parts import Parts
from hub.ports import Key, KeyRef, Outgoing, Record
from hub.store.views import ViewKey
from hub.views.case_file import CaseFile
from hub.views.redaction import RedactedView, ViewPart
from schemas import encode_single, limits, record_schema
from schemas.wire import HEADER

VIEW = record_schema("view")
VIEW_PART = record_schema("view_part")
MOST = limits.VIEW_BYTES  # of a record on a views topic
_CONTENT = limits.VIEW_CONTENT
APPEND_BY = "append_by"


@dataclass(frozen=True, slots=True)
class Draft:
    """A view that was decided and waits to be sealed."""

    made: RedactedView
    contents: Sequence[bytes] = field(repr=False)  # of each part, in clear: in memory only
    file: CaseFile
    recipient: str
    role: str
    worker: str
    case_ref: str
    view_id: bytes
    generation: int
    version: int
    as_of: int
    not_after: int
    mac: str
    tell_old_sinks: bool = False  # the last view was one record: if this one has more, a removal goes first

    @property
    def key(self) -> ViewKey:
        return self.file.joint_case, self.recipient, self.role, self.worker

    def refs(self, secret: bytes) -> list[KeyRef]:
        """The view key of each part, named by the recipient's own pseudonym of the person."""
        return [
            KeyRef(
                "view",
                self.recipient,
                person_ref(secret, self.recipient, part.person, self.file),
                part.sender,
            )
            for part in self.made.parts
        ]


@dataclass(frozen=True, slots=True)
class SealedView:
    """The records of one view, in order; `value` is what the store keeps of it: the record, or where there are several
    only the header of their format."""

    value: bytes
    records: Sequence[Outgoing]


def seal_views(parts: Parts, drafts: Sequence[Draft], append_by: int) -> list[SealedView]:
    """The views, sealed with keys that only their recipient and the hub can open; one call for all keys.

    `append_by`: microseconds since 1970 UTC. Raises DataError (`view_too_long`) where names leave no room in a record.
    """
    refs = [draft.refs(parts.secret) for draft in drafts]
    keys = parts.keys.sealing({ref for of in refs for ref in of})
    made = []
    for draft, of in zip(drafts, refs, strict=True):
        sealing = _Sealing(draft, of, keys, parts.gate.policy.version, append_by)
        values = list(sealing.values())
        if any(len(value) > MOST for value in values):
            raise DataError("a view's record is too long", reason="view_too_long", place="disclose")
        made.append(SealedView(_kept(values), _outgoing(parts.secret, draft, values, append_by)))
    return made


def append_deadline(secret: bytes, record: Record) -> int | None:
    """Until when a record of a views topic may have been appended, in microseconds since 1970 UTC: appended later, no
    sink shows it. None where it does not say so under the hub's own secret, as of an earlier release."""
    said = next((value for name, value in record.headers if name == APPEND_BY), b"")
    return stamped(secret, APPEND_BY, said, record.value)


def _outgoing(secret: bytes, draft: Draft, values: Iterable[bytes], append_by: int) -> list[Outgoing]:
    key = draft.case_ref.encode()
    return [
        Outgoing(key, value, ((APPEND_BY, stamp(secret, APPEND_BY, append_by, value)),)) for value in values
    ]


def _kept(values: Sequence[bytes]) -> bytes:
    return values[0] if len(values) == 1 else values[-1][:HEADER]


@dataclass(frozen=True, slots=True)
class _Sealing:
    """One view, its keys, and until when it may be appended."""

    draft: Draft
    refs: Sequence[KeyRef]
    keys: Mapping[KeyRef, Key]
    policy: str
    append_by: int

    def values(self) -> Iterator[bytes]:
        contents = [content[:-1] + b',"append_by":%d}' % self.append_by for content in self.draft.contents]
        if sum(map(len, contents)) <= _CONTENT:
            yield self._view(contents)
            return
        if self.draft.tell_old_sinks:
            yield self._view(())
        records = list(_pieces(contents, _CONTENT))
        for number, pieces in enumerate(records, 1):
            head = self._head() | {"part": number, "part_count": len(records)}
            boxes = [self._box(VIEW_PART.fingerprint, head, self.refs[of], piece) for of, piece in pieces]
            yield encode_single(VIEW_PART, head | {"parts": boxes})

    def _view(self, contents: Sequence[bytes]) -> bytes:
        head = self._head()
        refs = islice(self.refs, len(contents))
        boxes = [
            self._box(VIEW.fingerprint, head, ref, content)
            for content, ref in zip(contents, refs, strict=True)
        ]
        return encode_single(VIEW, head | {"removed": not boxes, "parts": boxes})

    def _head(self) -> dict[str, object]:
        draft = self.draft
        return {
            "view_id": draft.view_id,
            "recipient": draft.recipient,
            "role": draft.role,
            "worker": draft.worker or None,
            "case_ref": draft.case_ref,
            "generation": draft.generation,
            "version": draft.version,
            "as_of": draft.as_of,
            "not_after": draft.not_after,
            "policy_version": self.policy,
        }

    def _box(
        self, schema: bytes, head: Mapping[str, object], ref: KeyRef, content: bytes
    ) -> dict[str, object]:
        key = self.keys[ref]
        part: dict[str, object] = {"subject_ref": key.ref.subject, "sender": key.ref.sender}
        where = bound(schema, head, part, key.version)
        return part | {"box": seal(key.cipher, key.version, content, where)}


def _pieces(contents: Sequence[bytes], most: int) -> Iterator[list[tuple[int, bytes]]]:
    """The contents, in order, as records of at most so many bytes: (number of the content, piece of it)."""
    record: list[tuple[int, bytes]] = []
    room = most
    for number, content in enumerate(contents):
        start = 0
        while start < len(content):
            piece = content[start : start + room]
            record.append((number, piece))
            start, room = start + len(piece), room - len(piece)
            if not room:
                yield record
                record, room = [], most
    if record:
        yield record


def person_ref(secret: bytes, recipient: str, person: str, file: CaseFile) -> str:
    """The recipient's own pseudonym of a person, or one made for it alone: no two recipients can compare (R27)."""
    same = (key for key, knowledge in file.known.items() if knowledge.person == person)
    return subject_at(secret, recipient, person, same)


def subject_at(secret: bytes, recipient: str, person: str, same: Iterable[str]) -> str:
    """The same from all subject keys that mean the person."""
    mine = next((key for key in sorted(same) if key.startswith(f"{recipient}:")), None)
    return mine.split(":", 1)[1] if mine else recipient_pseudonym(secret, recipient, person)


def in_own_order(secret: bytes, recipient: str, made: RedactedView, file: CaseFile) -> RedactedView:
    """The parts in order of what the recipient itself calls the persons: the hub's names follow links, of which others'
    may not be guessed from an order that changed."""
    refs = {part.person: person_ref(secret, recipient, part.person, file) for part in made.parts}
    ordered = sorted(made.parts, key=lambda part: (refs[part.person], part.sender))
    return replace(made, parts=tuple(ordered))


def part_content(part: ViewPart, made: RedactedView) -> bytes:
    """The content that the recipient opens of one person: entries, withheld categories, and the number of records that
    could not be opened, if any (`unreadable`)."""
    content: dict[str, object] = {
        "entries": [entry.as_json() for entry in part.entries],
        "withheld": made.withheld.get(part.person, ()),
    }
    if part.unreadable:
        content["unreadable"] = part.unreadable
    return orjson.dumps(content)
