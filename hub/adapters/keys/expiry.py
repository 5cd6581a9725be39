"""Until when certificates hold, so that a renewal is asked for before a connection fails."""

from datetime import datetime
from pathlib import Path

from cryptography import x509

from hub.errors import ConfigurationError


def not_after(path: Path) -> datetime:
    """When the first certificate in this PEM file ends (UTC); raises ConfigurationError."""
    try:
        found = x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError):
        raise ConfigurationError(
            "is no certificate that can be read", place=path.name, remedy="name a PEM file"
        ) from None
    return min(one.not_valid_after_utc for one in found)
