"""Mutual TLS: who both sides are. A certificate says in a URI among its alternative names whose it is:
`urn:fallbruecke:hub`, or `urn:fallbruecke:connector:<agency's id>`; a certificate without such a name gets nothing."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from hub.errors import ConfigurationError

HUB = "urn:fallbruecke:hub"
CONNECTOR = "urn:fallbruecke:connector:"


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files: the authority that both sides trust, the own certificate, and its private key."""

    ca: Path
    cert: Path
    key: Path


class Peer(NamedTuple):
    """Who is at the other end; `controller` is empty for the hub."""

    role: Literal["hub", "connector"]
    controller: str = ""


def tls_files(ca: object, cert: object, key: object, *, place: str = "HUB_TLS") -> TlsFiles:
    """All three; raises ConfigurationError naming what is missing."""
    given = {"CA": ca, "CERT": cert, "KEY": key}
    if missing := [name for name, path in given.items() if not path]:
        raise ConfigurationError(
            f"mutual TLS needs three files; missing: {', '.join(missing)}",
            place=place,
            remedy="name them; for a try-out `hub keys certs FOLDER` writes a set",
        )
    return TlsFiles(*(Path(str(path)) for path in given.values()))


def server_context(files: TlsFiles) -> ssl.SSLContext:
    """Asks every client for a certificate of the same authority; TLS 1.3 only."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    return _loaded(context, files)


def client_context(files: TlsFiles) -> ssl.SSLContext:
    """Checks the server's certificate and its name, and shows its own; TLS 1.3 only."""
    return _loaded(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), files)


def peer_of(certificate: Mapping[str, Any] | None) -> Peer | None:
    """Who a verified certificate (`SSLSocket.getpeercert`) names; None when it names nobody, or two."""
    names = [value for kind, value in (certificate or {}).get("subjectAltName", ()) if kind == "URI"]
    if len(names) != 1:
        return None
    if names[0] == HUB:
        return Peer("hub")
    controller = names[0].removeprefix(CONNECTOR)
    return Peer("connector", controller) if controller and controller != names[0] else None


def _loaded(context: ssl.SSLContext, files: TlsFiles) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        context.load_verify_locations(files.ca)
        context.load_cert_chain(files.cert, files.key)
    except (OSError, ssl.SSLError):
        raise ConfigurationError(
            "certificate, key or authority cannot be used",
            place=files.cert.name,
            remedy="give PEM files that belong together and can be read",
        ) from None
    return context
