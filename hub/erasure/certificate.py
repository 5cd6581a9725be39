"""The certificate of an erasure: which keys, which rows, when, on which norm, who had it and what they answered. Pure.

It holds pseudonyms of the agency that asked, fingerprints and counts, never content, and no recipient's own pseudonym:
nobody who is handed it can join two offices' names of a person (R27). It is signed with a key derived from the hub's
secret; whoever has the public key can check it without the hub.
"""

import base64
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hub.ports import Certificate

_SIGNED = ("signature", "public_key")


def signed(secret: bytes, content: Mapping[str, Any]) -> dict[str, Any]:
    """The certificate with its signature and the key to check it with."""
    key = _key(secret)
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    plain = {name: value for name, value in content.items() if name not in _SIGNED}
    return plain | {"signature": _text(key.sign(_canonical(plain))), "public_key": _text(public)}


def sealed(secret: bytes, content: Mapping[str, Any]) -> str:
    """The signed certificate as it is kept."""
    return orjson.dumps(signed(secret, content)).decode()


def genuine(certificate: Mapping[str, Any], public_key: str) -> bool:
    """Whether the holder of this public key (base64) signed exactly this; the key inside it proves nothing."""
    plain = {name: value for name, value in certificate.items() if name not in _SIGNED}
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key, validate=True))
        key.verify(base64.b64decode(str(certificate.get("signature", "")), validate=True), _canonical(plain))
    except (InvalidSignature, ValueError):
        return False
    return True


def public_key(secret: bytes) -> str:
    """The hub's public key for certificates, base64."""
    return _text(_key(secret).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))


def destroyed(proofs: Iterable[Certificate]) -> list[dict[str, Any]]:
    """The keys that were destroyed; those that never were made are left out. A view key is named by recipient and
    sender alone."""
    return [
        {
            "kind": proof.ref.kind,
            "controller": proof.ref.controller,
            "sender": proof.ref.sender or proof.ref.controller,
            "subject": proof.ref.subject if proof.ref.kind != "view" else None,
            "versions": list(proof.versions),
            "fingerprints": list(proof.fingerprints),
            "destroyed_at": proof.at.isoformat(),
            "may_remain_in": [*proof.remains, *_ELSEWHERE],
            "remedy": _remedy(proof.remains),
        }
        for proof in proofs
        if proof.versions
    ]


_ELSEWHERE = ("backups", "replicas")
"""Copies of the key database that were made before: no database can tell of them, or overwrite them."""


def _remedy(remains: Sequence[str]) -> str:
    """How the wrapped copies go, too; without the master key none of them opens anything."""
    steps = ["`hub keys purge`"] if remains else []
    steps.append(
        "delete backups, archived logs and replicas from before; the ledger ends the key in a restored one"
    )
    return ", then ".join(steps)


def key_ids(keys: Sequence[Mapping[str, Any]]) -> list[str]:
    """The same as `ErasureExecuted` names them: kind, controller, sender, subject, version, fingerprint."""
    return [
        f"{key['kind']} {key['controller']} {key['sender']} {key['subject'] or '-'} {version} {fingerprint}"
        for key in keys
        for version, fingerprint in zip(key["versions"], key["fingerprints"], strict=True)
    ]


def box_versions(ids: Iterable[str]) -> dict[str, int]:
    """subject key → the newest box key version among `key_ids`."""
    newest: dict[str, int] = {}
    for kind, controller, _, subject, version, _ in (one.split(" ") for one in ids if one.count(" ") == 5):
        if kind == "box" and version.isdigit():
            key = f"{controller}:{subject}"
            newest[key] = max(newest.get(key, 0), int(version))
    return newest


def _key(secret: bytes) -> Ed25519PrivateKey:
    seed = HKDF(SHA256(), 32, salt=None, info=b"fallbruecke erasure certificate").derive(secret)
    return Ed25519PrivateKey.from_private_bytes(seed)


def _canonical(content: Mapping[str, Any]) -> bytes:
    return orjson.dumps(content, option=orjson.OPT_SORT_KEYS)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
