"""RFC 3161: an authority made with openssl stamps a checkpoint, and openssl itself says that it is good."""

import http.server
import re
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dockd.errors import EvidenceError
from dockd.evidence import living, timestamp, verifier
from dockd.evidence.exporting import export
from dockd.evidence.gathering import Wish
from dockd.evidence.reading import WrongError
from tests.sim.bundle_of import Story

Answer = Callable[[bytes], tuple[int, bytes]]

_CONFIGURATION = """
[req]
distinguished_name = name
prompt = no
x509_extensions = stamping
[name]
CN = Authority of a test
[stamping]
extendedKeyUsage = critical, timeStamping
[tsa]
default_tsa = tsa1
[tsa1]
serial = {folder}/serial
signer_cert = {folder}/cert.pem
signer_key = {folder}/key.pem
signer_digest = sha256
default_policy = 1.2.3.4
digests = sha256
accuracy = secs:1
"""


@pytest.fixture
def serve() -> Iterator[Callable[[Answer], str]]:
    """Answers timestamp queries on loopback in the way that the test says."""
    servers: list[http.server.HTTPServer] = []

    def start(answer: Answer) -> str:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                status, body = answer(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(status)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Nobody reads it."""

        servers.append(http.server.HTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_port}/"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def _openssl(*arguments: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


def test_an_authority_stamps_a_checkpoint(story: Story, tmp_path: Path, serve: Callable[[Answer], str]) -> None:
    """The query is one to openssl, the answer is kept as it came, and openssl verifies it over the bundle's checkpoint."""
    configuration = tmp_path / "openssl.cnf"
    configuration.write_text(_CONFIGURATION.format(folder=tmp_path))
    (tmp_path / "serial").write_text("01\n")
    made = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-config", configuration)
    _openssl(*made, "-keyout", tmp_path / "key.pem", "-out", tmp_path / "cert.pem")

    def answer(query: bytes) -> tuple[int, bytes]:
        (tmp_path / "query").write_bytes(query)
        _openssl("ts", "-reply", "-config", configuration, "-queryfile", tmp_path / "query", "-out", tmp_path / "reply")
        return 200, (tmp_path / "reply").read_bytes()

    files = export(story.journal, Wish(camera="C1"), replace(story.maker(), tsa=serve(answer)), None)
    (tmp_path / "data").write_bytes(files[verifier.CHECKPOINT])
    (tmp_path / "tsr").write_bytes(files[verifier.TIMESTAMP])
    _openssl("ts", "-verify", "-data", tmp_path / "data", "-in", tmp_path / "tsr", "-CAfile", tmp_path / "cert.pem")
    lines = list(verifier.verify(files, [story.archive.key.public_text], story.key.public_text))
    assert [words for mark, words in lines if mark == living.NOTE and "RFC 3161" in words]
    with pytest.raises(WrongError, match="no timestamp over this checkpoint"):
        list(verifier._timestamp(files | {verifier.CHECKPOINT: b"another"}))


def test_whatever_is_no_timestamp_is_refused(serve: Callable[[Answer], str]) -> None:
    """Errors, refusals and stamps over something else leave no bundle behind."""
    granted = bytes.fromhex("3003020100")
    for status, body in ((500, b""), (200, b""), (200, granted + b"\0" * 40), (200, bytes.fromhex("3003020102"))):
        with pytest.raises(EvidenceError, match="timestamp authority"):
            timestamp.stamp(b"data", serve(lambda _, answered=(status, body): answered))  # type: ignore[misc]
    with pytest.raises(EvidenceError, match="is not the address"):
        timestamp.stamp(b"data", "file:///etc/passwd")


@pytest.mark.parametrize("nonce", [0, 1, 127, 128, 255, 256, 2**63 - 1])
def test_every_query_is_one_to_openssl(nonce: int, tmp_path: Path) -> None:
    """Numbers in DER have no spare zeros and no sign by accident."""
    (tmp_path / "query").write_bytes(timestamp.request(b"data", nonce))
    said = _openssl("ts", "-query", "-in", tmp_path / "query", "-text").stdout.decode()
    found = re.search(r"Nonce: 0x([0-9A-F]+)", said)
    assert found is not None
    assert int(found[1], 16) == nonce
    assert "Certificate required: yes" in said
