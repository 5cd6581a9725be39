"""How brokers are reached: TLS, and who is asking by certificate or by SCRAM. One set of settings for every client.

SASL without TLS is not offered: pseudonyms and times of a family's matters would cross the network in clear.
"""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from hub.errors import ConfigurationError

Protocol = Literal["plaintext", "ssl", "sasl_ssl"]
Mechanism = Literal["SCRAM-SHA-256", "SCRAM-SHA-512"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerSecurity:
    """`ssl` asks for `ca`, and for `cert` with `key` where the broker wants one; `sasl_ssl` for `user` and
    `password_file` besides. `place` begins the names of the settings in errors."""

    protocol: Protocol = "plaintext"
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    mechanism: Mechanism = "SCRAM-SHA-512"
    user: str = field(default="", repr=False)
    password_file: Path | None = None
    place: str = "HUB_KAFKA"

    def __post_init__(self) -> None:
        """Raises ConfigurationError for what is missing, and for what would have no effect."""
        if self.protocol not in get_args(Protocol) or self.mechanism not in get_args(Mechanism):
            raise self._wrong("unknown security", " | ".join((*get_args(Protocol), *get_args(Mechanism))))
        sasl = (self.user, self.password_file)
        if self.protocol == "plaintext" and any((self.ca, self.cert, self.key, *sasl)):
            raise self._wrong(
                "certificates or a user are named, but no security", "set it to ssl or sasl_ssl"
            )
        if self.protocol != "plaintext" and not self.ca:
            raise self._wrong(
                "TLS needs the authority that the brokers' certificates come from", "name its PEM file"
            )
        if bool(self.cert) != bool(self.key):
            raise self._wrong("a certificate and its private key belong together", "name both")
        if self.protocol == "sasl_ssl" and not all(sasl):
            raise self._wrong("SCRAM needs a user and a file with the password", "name both")

    def clients(self) -> Mapping[str, Any]:
        """Settings as kafka-python and aiokafka both take them; files are read now. Raises ConfigurationError."""
        if self.protocol == "plaintext":
            return {}
        found: dict[str, Any] = {
            "security_protocol": self.protocol.upper(),
            "ssl_context": self.context(),
        }
        if self.protocol == "sasl_ssl":
            found |= {
                "sasl_mechanism": self.mechanism,
                "sasl_plain_username": self.user,
                "sasl_plain_password": self.password(),
            }
        return found

    def context(self) -> ssl.SSLContext:
        """Checks the broker's certificate and its name; TLS 1.2 at least."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_verify_locations(self.ca)
            if self.cert:
                context.load_cert_chain(self.cert, self.key)
        except (OSError, ssl.SSLError):
            raise self._wrong("certificates cannot be used", "give PEM files that belong together") from None
        return context

    def password(self) -> str:
        try:
            found = self.password_file.read_text(encoding="utf-8").strip() if self.password_file else ""
        except (OSError, ValueError):
            found = ""
        if not found:
            raise self._wrong("the password cannot be read", "name a file that holds it")
        return found

    def _wrong(self, message: str, remedy: str) -> ConfigurationError:
        return ConfigurationError(message, place=self.place, remedy=remedy)
