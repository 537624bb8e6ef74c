"""A certificate authority of a test's own, and what it vouches for, as PEM files."""

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

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


class Authority:
    """One authority.

    Attributes:
        certificate: what a site file pins.

    Args:
        folder: for the files; made if missing.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._key = folder, ec.generate_private_key(ec.SECP256R1())
        self.certificate = folder / "ca.pem"
        made = self._sign("authority", self._key, timedelta(hours=1), x509.BasicConstraints(ca=True, path_length=0), _SIGNS)
        self.certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))

    def issue(self, *names: str, lasts: timedelta = timedelta(hours=1)) -> tuple[Path, Path]:
        """Certificate and key for host names or addresses; one that `lasts` less than nothing has expired."""
        key = ec.generate_private_key(ec.SECP256R1())
        general: list[x509.GeneralName] = [
            x509.IPAddress(ip_address(name)) if name.replace(".", "").isdigit() else x509.DNSName(name) for name in names
        ]
        basic = x509.BasicConstraints(ca=False, path_length=None)
        made = self._sign(names[0], key, lasts, basic, x509.SubjectAlternativeName(general))
        certificate, private = self._folder / f"{names[0]}.pem", self._folder / f"{names[0]}.key"
        certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
        plain = serialization.NoEncryption()
        private.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
        return certificate, private

    @staticmethod
    def serving(pair: tuple[Path, Path]) -> ssl.SSLContext:
        """A server with that certificate."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*pair)
        return context

    def trusting(self) -> ssl.SSLContext:
        """A client that believes this authority alone."""
        return ssl.create_default_context(cafile=self.certificate)

    def _sign(
        self, name: str, key: ec.EllipticCurvePrivateKey, lasts: timedelta, *extensions: x509.ExtensionType
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder(
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")]),
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]),
            key.public_key(),
            x509.random_serial_number(),
            now - timedelta(days=1),
            now + lasts,
        )
        for extension in extensions:
            builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
        own = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = builder.add_extension(own, critical=False)
        subject = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        return builder.add_extension(subject, critical=False).sign(self._key, hashes.SHA256())
