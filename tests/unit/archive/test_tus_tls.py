"""Over TLS: only a pinned authority is believed, the client shows its certificate, and every byte arrives."""

import ssl
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from blake3 import blake3
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from dockd.archive.reading import PIECE_BYTES
from dockd.archive.settings import TusSettings
from dockd.archive.tus import TusArchive
from dockd.dsse import SigningKey
from dockd.errors import ArchiveDeniedError, ArchiveError, ArchiveUnreachableError, ConfigError
from tests.sim.consignments import HurriedClock, Watched, consign, noise
from tests.sim.evidence import DOCK
from tests.sim.tus_server import Canned, TusServer


@dataclass(frozen=True, slots=True)
class Pair:
    """A self-signed certificate and its key, as files."""

    certificate: Path
    key: Path


def make_pair(folder: Path, name: str) -> Pair:
    """Good for 127.0.0.1, for an hour."""
    private = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(subject, subject, private.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(private, hashes.SHA256())
    )
    pair = Pair(folder / f"{name}.pem", folder / f"{name}.key")
    pair.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    pair.key.write_bytes(
        private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return pair


def server_context(server: Pair, client: Pair) -> ssl.SSLContext:
    """Speaks as `server` to nobody but `client`."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=client.certificate)
    context.load_cert_chain(server.certificate, server.key)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def client_context(server: Pair, client: Pair) -> ssl.SSLContext:
    """Speaks as `client` to nobody but `server`."""
    context = ssl.create_default_context(cafile=server.certificate)
    context.load_cert_chain(client.certificate, client.key)
    return context


async def test_only_the_pinned_authority_and_the_known_dock_speak(tmp_path: Path) -> None:
    """Several pieces arrive whole; with another authority, or as another dock, nothing does."""
    vault, dock, stranger = (make_pair(tmp_path, name) for name in ("vault", "dock", "stranger"))
    key = SigningKey.generate()
    content = noise(2 * PIECE_BYTES + 54_321)
    async with TusServer(key, server_context(vault, dock)) as server:
        settings = TusSettings(server.url, DOCK, (key.public_text,), "token-1", tls=client_context(vault, dock))
        archive = TusArchive(settings, HurriedClock())
        try:
            stored = await archive.store(consign(tmp_path, content), None, Watched())
            assert blake3(server.uploads[stored.object_id].body).digest() == blake3(content).digest()
            assert (await archive.prove(stored, camera="C1")).statement.measured == stored.measured
        finally:
            await archive.close()
        seen = len(server.seen)
        for context in (client_context(stranger, dock), client_context(vault, stranger), None):
            archive = TusArchive(replace(settings, tls=context), HurriedClock())
            try:
                with pytest.raises(ArchiveError) as caught:
                    await archive.store(consign(tmp_path, noise(10)), None, Watched())
                assert type(caught.value) is ArchiveUnreachableError
            finally:
                await archive.close()
        assert len(server.seen) == seen


async def test_certificates_and_token_are_renewed_without_a_restart(tmp_path: Path) -> None:
    """A server that no longer takes the old ones is met again with what lies there now; what cannot be read changes nothing."""
    vault, old, new = (make_pair(tmp_path, name) for name in ("vault", "old", "new"))
    key = SigningKey.generate()
    papers: list[tuple[str, ssl.SSLContext] | None] = [None, ("token-2", client_context(vault, new))]

    def renew() -> tuple[str, ssl.SSLContext]:
        found = papers.pop(0)
        if found is None:
            message = "half written"
            raise ConfigError(message, file="dock.pem")
        return found

    async with TusServer(key, server_context(vault, new)) as server:
        tls = client_context(vault, old)
        archive = TusArchive(TusSettings(server.url, DOCK, (key.public_text,), "token-1", tls=tls, renew=renew), HurriedClock())
        try:
            for _ in range(2):
                with pytest.raises(ArchiveUnreachableError):
                    await archive.store(consign(tmp_path, noise(10)), None, Watched())
            stored = await archive.store(consign(tmp_path, noise(10)), None, Watched())
            assert (await archive.prove(stored, camera="C1")).statement.measured == stored.measured
        finally:
            await archive.close()
        assert {each.headers["Authorization"] for each in server.seen if "Authorization" in each.headers} == {"Bearer token-2"}
    assert papers == []


async def test_a_token_that_expired_is_read_again(tmp_path: Path) -> None:
    """After a 401 the file counts, not what was in it when the dock started; after a fetch that broke, too."""
    key = SigningKey.generate()
    async with TusServer(key) as server:
        settings = TusSettings(server.url, DOCK, (key.public_text,), "token-1", renew=lambda: ("token-2", None))
        archive = TusArchive(settings, HurriedClock())
        try:
            server.wrong.canned = [Canned("POST", 401, part="/files/")]
            with pytest.raises(ArchiveDeniedError):
                await archive.store(consign(tmp_path, noise(10)), None, Watched())
            await archive.store(consign(tmp_path, noise(10)), None, Watched())
        finally:
            await archive.close()
        tokens = [each.headers["Authorization"] for each in server.seen if "Authorization" in each.headers]
        assert (tokens[0], set(tokens[1:])) == ("Bearer token-1", {"Bearer token-2"})
