"""A cut as the record that the recipient's sink opens: one box per person and sender, in the recipient's own names."""

import orjson

from hub.domain.identifiers import recipient_pseudonym
from hub.domain.seal import place, seal
from hub.ports import Key, KeyRef
from hub.stages.case_file import CaseFile
from hub.stages.cut import Cut, Part
from hub.stages.parts import Parts
from schemas import encode_single, record_schema

VIEW = record_schema("view")


def view_record(
    parts: Parts,
    made: Cut,
    *,
    view_id: bytes,
    recipient: str,
    role: str,
    case_ref: str,
    generation: int,
    version: int,
    as_of: int,
    not_after: int,
    file: CaseFile,
) -> bytes:
    """The view, sealed with keys that only this recipient and the hub can open."""
    refs = {part.person: person_ref(parts.secret, recipient, part.person, file) for part in made.parts}
    wanted = [(part, KeyRef("view", recipient, refs[part.person], part.sender)) for part in made.parts]
    keys = parts.keys.sealing([ref for _, ref in wanted])
    boxes = [
        {"subject_ref": refs[part.person], "sender": part.sender, "box": _box(keys[ref], view_id, part, made)}
        for part, ref in wanted
    ]
    record = {
        "view_id": view_id,
        "recipient": recipient,
        "role": role,
        "case_ref": case_ref,
        "generation": generation,
        "version": version,
        "as_of": as_of,
        "not_after": not_after,
        "removed": not made.parts,
        "parts": boxes,
        "policy_version": parts.gate.policy.version,
    }
    return encode_single(VIEW, record)


def person_ref(secret: bytes, recipient: str, person: str, file: CaseFile) -> str:
    """The recipient's own pseudonym of a person, or one made for it alone: no two recipients can compare (R27)."""
    own = sorted(key for key, knowledge in file.known.items() if knowledge.person == person)
    mine = next((key for key in own if key.startswith(f"{recipient}:")), None)
    return mine.split(":", 1)[1] if mine else recipient_pseudonym(secret, recipient, person)


def _box(key: Key, view_id: bytes, part: Part, made: Cut) -> bytes:
    content = {
        "entries": [entry.as_json() for entry in part.entries],
        "withheld": list(made.withheld.get(part.person, ())),
    }
    where = place("view", VIEW.fingerprint, view_id, key.ref.subject, part.sender, key.version)
    return seal(key.cipher, key.version, orjson.dumps(content), where)
