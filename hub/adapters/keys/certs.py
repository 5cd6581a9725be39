"""A throw-away authority for tests and demonstrations: its own key is never written, so it signs nothing more.

Real installations use their agencies' PKI; what a certificate must say stands in `tls`.
"""

import ipaddress
import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from hub.adapters.keys.tls import CONNECTOR, HUB, TlsFiles
from hub.errors import NoInput, UsageError

_LIFE = timedelta(days=90)


class _Issued(NamedTuple):
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def make_certificates(
    folder: Path, agencies: Iterable[str], hosts: Sequence[str] = ("localhost", "127.0.0.1")
) -> Mapping[str, TlsFiles]:
    """Write an authority, the key service's certificate for `hosts`, one of the hub and one per agency: name → files.

    Raises UsageError when the folder holds certificates already, and NoInput when it cannot be written.
    """
    ca = folder / "ca.pem"
    if ca.exists():
        raise UsageError("certificates are there already", place=folder.name, remedy="name a new folder")
    authority = _authority()
    wanted = {"service": [_host(one) for one in hosts], "hub": [_uri(HUB)]}
    wanted |= {f"connector-{one}": [_uri(CONNECTOR + one)] for one in agencies}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        ca.write_bytes(authority.certificate.public_bytes(Encoding.PEM))
        return {
            name: _write(folder, name, ca, _issue(authority, name, names)) for name, names in wanted.items()
        }
    except OSError as error:
        raise NoInput(
            f"cannot be written: {error.strerror}", place=folder.name, remedy="name a writable folder"
        ) from None


def _authority() -> _Issued:
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("Fallbruecke throw-away authority")
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    made = (
        _builder(name, name, key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return _Issued(made.sign(key, hashes.SHA256()), key)


def _issue(authority: _Issued, name: str, names: Sequence[x509.GeneralName]) -> _Issued:
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = authority.key.public_key()
    use = ExtendedKeyUsageOID.SERVER_AUTH if name == "service" else ExtendedKeyUsageOID.CLIENT_AUTH
    made = (
        _builder(_name(name), authority.certificate.subject, key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.ExtendedKeyUsage([use]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer), critical=False)
    )
    return _Issued(made.sign(authority.key, hashes.SHA256()), key)


def _builder(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + _LIFE)
    )


def _write(folder: Path, name: str, ca: Path, issued: _Issued) -> TlsFiles:
    files = TlsFiles(ca, folder / f"{name}.pem", folder / f"{name}.key")
    files.cert.write_bytes(issued.certificate.public_bytes(Encoding.PEM))
    private = issued.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with os.fdopen(os.open(files.key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        out.write(private)
    return files


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _uri(text: str) -> x509.GeneralName:
    return x509.UniformResourceIdentifier(text)


def _host(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)
