import datetime as dt
import http.client
import os
import socket
import ssl
import subprocess
import sys
from ipaddress import ip_address
from pathlib import Path
from random import Random

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from dockd.vault import serve
from dockd.vault.service import open_ledger
from tests.sim.simple_dock import BODY_TYPE, SimpleDock
from tests.sim.vault_process import VaultDiedError, VaultProcess


def dockd(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `dockd vault` to its end."""
    command = [sys.executable, "-c", "from dockd.cli import main; main()", "vault", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        ([], 2, "--root is needed"),
        (["token", "dock-1"], 2, "--root is needed"),
        (["--root", "ROOT", "--listen", "nowhere"], 2, "HOST:PORT"),
        (["--root", "ROOT", "--listen", "127.0.0.1:70000"], 2, "HOST:PORT"),
        (["--root", "ROOT", "--listen", "0.0.0.0:0"], 5, "plain HTTP is refused"),
        (["--root", "ROOT", "--listen", "192.0.2.1:0"], 5, "plain HTTP is refused"),
        (["--root", "ROOT", "--tls-cert", __file__], 2, "go together"),
        (["--root", "ROOT", "--tls-cert", __file__, "--tls-key", __file__], 5, "TLS files"),
        (["token", " ", "--root", "ROOT"], 2, "printable"),
    ],
)
def test_a_wrong_call_starts_nothing(tmp_path: Path, arguments: list[str], status: int, words: str) -> None:
    """What cannot be served is refused with the reason and the published exit code."""
    run = dockd(*[str(tmp_path / "store") if word == "ROOT" else word for word in arguments])
    assert (run.returncode, words in run.stderr) == (status, True), run.stderr


@pytest.mark.parametrize(
    ("host", "loopback"), [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True), ("192.0.2.1", False)]
)
def test_loopback_is_what_no_other_machine_reaches(host: str, *, loopback: bool) -> None:
    """Only addresses of this machine alone may be served without TLS."""
    assert serve.is_loopback(host) is loopback


def test_tokens_and_key_are_printed_for_the_admin(tmp_path: Path) -> None:
    """`token` prints a token that opens the vault, `key` the key that the archive introduces itself with."""
    root = tmp_path / "store"
    token = dockd("token", "dock-1", "--root", str(root)).stdout.strip()
    key = dockd("key", "--root", str(root)).stdout.strip()
    with VaultProcess(root) as vault:
        assert vault.public_key == key
        dock = SimpleDock(vault, "dock-1", vault.restart, Random(1), token=token)
        dock.deliver(dock.new(b"bytes"))
        assert dock.proof(dock.sent[0]).statement.dock == "dock-1"
        dockd("token", "dock-1", "--root", str(root), "--replace")
        assert dock.ask("HEAD", dock.sent[0].upload_path).status == 401


def test_a_stop_in_the_middle_of_a_body_is_clean(tmp_path: Path) -> None:
    """SIGTERM in the middle of a body ends the vault cleanly and soon, and the dock goes on at the next start."""
    with VaultProcess(tmp_path / "store") as vault:
        dock = SimpleDock(vault, "dock-1", vault.restart, Random(1))
        recording = dock.new(Random(2).randbytes(5_000_000))
        dock.place(recording)
        with socket.create_connection(("127.0.0.1", vault.port)) as connection:
            head = (
                f"PATCH {recording.upload_path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {dock.token}\r\n"
                f"Tus-Resumable: 1.0.0\r\nExpect: 100-continue\r\nContent-Type: {BODY_TYPE}\r\nUpload-Offset: 0\r\n"
                f"Content-Length: {len(recording.data)}\r\n\r\n"
            )
            connection.sendall(head.encode())
            assert b"100 Continue" in connection.recv(4096)
            connection.sendall(recording.data[:3_000_000])
            before = os.times().elapsed
            assert vault.stop() == 0
            assert os.times().elapsed - before < 5
            assert b" 503 " in connection.recv(4096)
        vault.start()
        assert dock.offset(recording) <= 3_000_000
        dock.deliver(recording)
        assert dock.proof(recording).statement.measured.size_bytes == 5_000_000
        assert '"event": "vault stopped"' in vault.log()


def test_a_stop_does_not_wait_for_waiting_docks(tmp_path: Path) -> None:
    """An idle connection does not hold up a stop."""
    with VaultProcess(tmp_path / "store") as vault, socket.create_connection(("127.0.0.1", vault.port)):
        before = os.times().elapsed
        assert vault.stop() == 0
        assert os.times().elapsed - before < 5


def test_an_address_in_use_is_named(tmp_path: Path) -> None:
    """A vault that cannot listen says where it tried."""
    with VaultProcess(tmp_path / "one") as first:
        second = VaultProcess(tmp_path / "two")
        second.port = first.port
        with pytest.raises(VaultDiedError, match=rf"cannot listen on 127\.0\.0\.1:{first.port}"):
            second.start()


def test_a_dock_without_the_right_certificate_is_not_served(tmp_path: Path) -> None:
    """With a client authority, TLS itself refuses whoever shows no certificate of it; others reach the vault."""
    authority, key = _authority(tmp_path)
    server = _certificate(tmp_path, "server", authority, key)
    client = _certificate(tmp_path, "client", authority, key)
    ca = str(tmp_path / "ca.pem")
    options = ("--tls-cert", str(server), "--tls-key", str(server), "--client-ca", ca)
    with VaultProcess(tmp_path / "store", arguments=options) as vault:
        trusting = ssl.create_default_context(cafile=ca)
        with pytest.raises(OSError, match=r"(?i)certificate|reset|eof|closed|broken pipe"):
            _status(vault.port, trusting)
        trusting.load_cert_chain(client)
        assert _status(vault.port, trusting) == 200


def _status(port: int, context: ssl.SSLContext) -> int:
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=10)
    try:
        connection.request("GET", "/archive")
        return connection.getresponse().status
    finally:
        connection.close()


def _authority(folder: Path) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
    constraints = x509.BasicConstraints(ca=True, path_length=0)
    usage = x509.KeyUsage(*(index in {5, 6} for index in range(9)))
    built = _builder(name, name, key).add_extension(constraints, critical=True).add_extension(usage, critical=True)
    certificate = built.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False).sign(
        key, hashes.SHA256()
    )
    (folder / "ca.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return certificate, key


def _certificate(folder: Path, name: str, authority: x509.Certificate, authority_key: ec.EllipticCurvePrivateKey) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
    built = _builder(subject, authority.subject, key).add_extension(names, critical=False).add_extension(issuer, critical=False)
    certificate = built.sign(authority_key, hashes.SHA256())
    path = folder / f"{name}.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
    )


def test_logs_and_alarms_are_listed_and_a_new_log_is_accepted(tmp_path: Path) -> None:
    """An admin sees each dock's log, what was wrong with any, and lets a new one take its place by name."""
    root = ("--root", str(tmp_path))
    assert dockd("logs", *root).stdout == ""
    _place, ledger = open_ledger(tmp_path)
    for origin, state in (("dockd/d/1", "current"), ("dockd/d/2", "waiting")):
        ledger._connection.execute(
            "INSERT INTO logs VALUES (?, 'd', ?, 'K', 7, zeroblob(32), x'00', '2026-11-24T19:10:00.000Z', '')", (origin, state)
        )
    accepted = dockd("logs", *root, "--accept", "dockd/d/2", "--by", "anna")
    assert accepted.returncode == 0
    assert accepted.stdout.splitlines() == [
        "dockd/d/1: former, 7 entries at 2026-11-24T19:10:00.000Z, key K",
        "dockd/d/2: current, 0 entries at 2026-11-24T19:10:00.000Z, key K, accepted by anna",
    ]
    assert dockd("logs", *root, "--accept", "dockd/d/1").returncode == 2, "somebody must have looked"
    again = dockd("logs", *root, "--accept", "dockd/d/1", "--by", "anna")
    assert (again.returncode, "is not a log that waits to be accepted" in again.stderr) == (5, True)
    ledger._connection.execute("INSERT INTO log_alarms VALUES (1, 'T', 'd', 'dockd/d/1', 'fork', 'It forked.', x'00')")
    ledger.close()
    assert dockd("logs", *root, "--show", "dockd/d/2").stdout == "\0"
    assert "is not a log that was ever shown here" in dockd("logs", *root, "--show", "dockd/d/3").stderr
    listed = dockd("logs", *root)
    assert (listed.returncode, listed.stdout.splitlines()[-1]) == (1, "ALARM 1 T dockd/d/1: fork: It forked.")
