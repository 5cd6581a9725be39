"""Until when certificates hold, so that a renewal is asked for before a connection fails."""

import socket
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509

from hub.adapters.keys.tls import TlsFiles, client_context
from hub.errors import ConfigurationError, KeyServiceUnavailable

_PATIENCE = 2.0  # seconds


def not_after(path: Path) -> datetime:
    """When the first certificate in this PEM file ends (UTC); raises ConfigurationError."""
    try:
        found = x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError):
        raise ConfigurationError(
            "is no certificate that can be read", place=path.name, remedy="name a PEM file"
        ) from None
    return min(one.not_valid_after_utc for one in found)


def server_not_after(url: str, files: TlsFiles) -> datetime:
    """When the certificate ends that the key service at `url` shows (UTC); raises KeyServiceUnavailable, also for one
    that has ended already."""
    parsed = urlsplit(url)
    host = parsed.hostname or ""
    try:
        with (
            socket.create_connection((host, parsed.port or 443), _PATIENCE) as plain,
            client_context(files).wrap_socket(plain, server_hostname=host) as secured,
        ):
            shown = secured.getpeercert(binary_form=True)
    except OSError as error:
        raise KeyServiceUnavailable(
            f"shows no certificate ({type(error).__name__})", place="key service", remedy="it is tried again"
        ) from None
    return x509.load_der_x509_certificate(shown or b"").not_valid_after_utc
