"""A cut as the record that the recipient's sink opens: one box per person and sender, in the recipient's own names."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import orjson

from hub.domain.identifiers import recipient_pseudonym
from hub.domain.seal import place, seal
from hub.ports import Key, KeyRef
from hub.stages.case_file import CaseFile
from hub.stages.cut import Cut, Part
from hub.stages.parts import Parts
from schemas import encode_single, record_schema

VIEW = record_schema("view")


@dataclass(frozen=True, slots=True)
class Draft:
    """A view that was decided and waits to be sealed."""

    made: Cut
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


def view_records(parts: Parts, drafts: Sequence[Draft]) -> list[bytes]:
    """The views, sealed with keys that only their recipient and the hub can open; one call for all keys."""
    refs = [draft.refs(parts.secret) for draft in drafts]
    keys = parts.keys.sealing({ref for of in refs for ref in of})
    policy = parts.gate.policy.version
    return [_record(draft, of, keys, policy) for draft, of in zip(drafts, refs, strict=True)]


def _record(draft: Draft, refs: Sequence[KeyRef], keys: Mapping[KeyRef, Key], policy: str) -> bytes:
    boxes = [
        {"subject_ref": ref.subject, "sender": ref.sender, "box": _box(keys[ref], draft.view_id, content)}
        for content, ref in zip(draft.contents, refs, strict=True)
    ]
    record = {
        "view_id": draft.view_id,
        "recipient": draft.recipient,
        "role": draft.role,
        "worker": draft.worker or None,
        "case_ref": draft.case_ref,
        "generation": draft.generation,
        "version": draft.version,
        "as_of": draft.as_of,
        "not_after": draft.not_after,
        "removed": not draft.made.parts,
        "parts": boxes,
        "policy_version": policy,
    }
    return encode_single(VIEW, record)


def person_ref(secret: bytes, recipient: str, person: str, file: CaseFile) -> str:
    """The recipient's own pseudonym of a person, or one made for it alone: no two recipients can compare (R27)."""
    same = (key for key, knowledge in file.known.items() if knowledge.person == person)
    return subject_at(secret, recipient, person, same)


def subject_at(secret: bytes, recipient: str, person: str, same: Iterable[str]) -> str:
    """The same from all subject keys that mean the person."""
    mine = next((key for key in sorted(same) if key.startswith(f"{recipient}:")), None)
    return mine.split(":", 1)[1] if mine else recipient_pseudonym(secret, recipient, person)


def in_own_order(secret: bytes, recipient: str, made: Cut, file: CaseFile) -> Cut:
    """The parts in order of what the recipient itself calls the persons: the hub's names follow links, of which others'
    may not be guessed from an order that changed."""
    refs = {part.person: person_ref(secret, recipient, part.person, file) for part in made.parts}
    ordered = sorted(made.parts, key=lambda part: (refs[part.person], part.sender))
    return replace(made, parts=tuple(ordered))


def part_content(part: Part, made: Cut) -> bytes:
    """What the recipient opens of one person: the entries, and the categories that are withheld."""
    content = {
        "entries": [entry.as_json() for entry in part.entries],
        "withheld": made.withheld.get(part.person, ()),
    }
    return orjson.dumps(content)


def _box(key: Key, view_id: bytes, content: bytes) -> bytes:
    where = place("view", VIEW.fingerprint, view_id, key.ref.subject, key.ref.sender, key.version)
    return seal(key.cipher, key.version, content, where)
