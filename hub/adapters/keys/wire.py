"""What the key service and those who ask it say to each other: JSON over mutual TLS, one POST per question.

`/v1/seal` {refs} → {keys: [[version, key], …]} and `/v1/open` {wanted: [ref + version, …]} → {answers: [[state, key?],
…]} answer in the order of the question, however many are asked at once. `/v1/fence`, `/v1/destroy` {ref}, `/v1/ledger`,
`/v1/replay` {ledger}, `/v1/standing` {reached} and `/v1/secret` are the hub's. Nothing stands in an address.
"""

import base64
import binascii
from typing import Any, get_args

from hub.adapters.keys.source import Answer, Material, Wanted
from hub.domain.clock import micros, moment
from hub.errors import DataError
from hub.ports import Certificate, Erased, FencedKey, KeyRef
from schemas import limits

MOST = 1000
"""Keys in one question; whoever wants more asks again."""
LARGEST = 8_000_000  # bytes of a question or an answer; a ledger comes in parts
_KINDS = frozenset(get_args(KeyRef.__annotations__["kind"])) - {"hub"}
_SIZE = 32
_LIMITS = ("controller", "ref", "controller")  # of controller, subject and sender


def ref_of(value: Any) -> KeyRef:
    """Raises DataError for anything that is no reference of a person's key."""
    if not isinstance(value, list) or len(value) != len(KeyRef._fields):
        raise malformed()
    if value[0] not in _KINDS or not all(isinstance(one, str) for one in value):
        raise malformed()
    if any(limits.name_problem(one, kind) for one, kind in zip(value[1:], _LIMITS, strict=True)):
        raise malformed()
    return KeyRef(*value)


def wanted_of(value: Any) -> Wanted:
    if not isinstance(value, list) or not value or not _number(value[-1]):
        raise malformed()
    return ref_of(value[:-1]), value[-1]


def answer(found: Answer) -> list[Any]:
    """One line of `/v1/open`."""
    if isinstance(found, Material):
        return ["active", text(found.reveal())]
    return ["erased" if isinstance(found, Erased) else "fenced"]


def answer_of(wanted: Wanted, value: Any) -> Answer:
    match value:
        case ["active", str(key)]:
            return material(*wanted, key)
        case ["erased"]:
            return Erased(*wanted)
        case ["fenced"]:
            return FencedKey(*wanted)
    raise malformed()


def material(ref: KeyRef, version: Any, key: Any) -> Material:
    """A key as it came; raises DataError."""
    if not _number(version):
        raise malformed()
    secret = bytes_of(key)
    return Material(ref, version, lambda: secret)


def text(key: bytes) -> str:
    return base64.b64encode(key).decode()


def bytes_of(value: Any) -> bytes:
    """The 32 bytes of a key; raises DataError."""
    try:
        found = base64.b64decode(value, validate=True) if isinstance(value, str) else b""
    except binascii.Error:
        found = b""
    if len(found) != _SIZE:
        raise malformed()
    return found


def certificate(proof: Certificate) -> dict[str, Any]:
    return {
        "ref": list(proof.ref),
        "versions": proof.versions,
        "fingerprints": proof.fingerprints,
        "at": micros(proof.at),
        "remains": proof.remains,
    }


def certificate_of(value: Any) -> Certificate:
    match value:
        case {"ref": ref, "versions": list(versions), "fingerprints": list(prints), "at": int(at)} if (
            all(map(_number, versions))
            and len(versions) == len(prints)
            and all(isinstance(p, str) for p in prints)
        ):
            left = tuple(str(one) for one in value.get("remains", ()))
            return Certificate(ref_of(ref), tuple(versions), tuple(prints), moment(at), left)
    raise malformed()


def malformed() -> DataError:
    """What was said is not what this page of the protocol allows; says nothing of what it was."""
    return DataError(
        "this is no question or answer of the key service",
        reason="malformed",
        place="key service",
        remedy="let both sides be of the same release",
    )


def _number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
