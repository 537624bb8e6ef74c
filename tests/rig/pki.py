"""Certificates for one scenario: an authority, the vault's under the address that machines see, and the dock's."""

import datetime as dt
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

# QEMU's user network shows the host's loopback to the machine under this address.
HOST = "10.0.2.2"
# And the host reaches a port of a machine here (Machine.reach).
LOOPBACK = "127.0.0.1"
_BEGIN = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
_SIGNS = x509.KeyUsage(
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
_END = dt.datetime(2099, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True)
class Certificates:
    """PEM files."""

    authority: Path
    vault: Path
    vault_key: Path
    dock: Path
    dock_key: Path

    @classmethod
    def below(cls, folder: Path) -> "Certificates":
        """Those that `certificates` made below `folder`."""
        return cls(*(folder / name for name in ("ca.pem", "vault.pem", "vault.key", "dock.pem", "dock.key")))


def certificates(folder: Path) -> Certificates:
    """Make them below `folder`."""
    key = ec.generate_private_key(ec.SECP256R1())
    authority = _certificate("rig", key, "rig", key, x509.BasicConstraints(ca=True, path_length=0), _SIGNS)
    (folder / "ca.pem").write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    for name in ("vault", "dock"):
        own = ec.generate_private_key(ec.SECP256R1())
        address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(each)) for each in (HOST, LOOPBACK)])
        made = _certificate(name, own, "rig", key, x509.BasicConstraints(ca=False, path_length=None), address)
        (folder / f"{name}.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
        (folder / f"{name}.key").write_bytes(
            own.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        )
    return Certificates.below(folder)


def _certificate(
    name: str, key: ec.EllipticCurvePrivateKey, issuer: str, issuer_key: ec.EllipticCurvePrivateKey, *more: x509.ExtensionType
) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_BEGIN)
        .not_valid_after(_END)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
    for extension in more:
        builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
    return builder.sign(issuer_key, hashes.SHA256())
