"""The vault is killed at every durable step and at random instants; nothing is lost, half-written or signed twice."""

import ast
import base64
import hashlib
import os
import signal
import threading
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pytest
import yaml
from blake3 import blake3

import dockd.vault
from dockd.vault.ledger import UploadState
from dockd.vault.service import open_ledger
from dockd.vault.store import Store
from tests.sim.cli_documents import installed
from tests.sim.simple_dock import BODY_TYPE, Sent, SimpleDock
from tests.sim.vault_process import VaultDiedError, VaultProcess

pytestmark = pytest.mark.crash

POINTS = (
    "vault.creating",
    "vault.created",
    "vault.file-created",
    "vault.file-reserved",
    "vault.batch-written",
    "vault.data-syncing",
    "vault.data-synced",
    "vault.body-undoing",
    "vault.body-undone",
    "vault.offset-committing",
    "vault.offset-committed",
    "vault.reread",
    "vault.blob-linking",
    "vault.blob-linked",
    "vault.blob-synced",
    "vault.duplicate-reread",
    "vault.damage-marking",
    "vault.damage-marked",
    "vault.retention-extending",
    "vault.retention-extended",
    "vault.damaged-linked",
    "vault.damaged-set-aside",
    "vault.receipt-committing",
    "vault.receipt-committed",
    "vault.quarantine-linking",
    "vault.quarantine-linked",
    "vault.rejected",
    "vault.upload-unlinked",
    "vault.dropping",
    "vault.dropped",
)

SWITCHING = ("vault.key-replacing", "vault.key-replaced")
"""Steps that `dockd vault rotate --switch` takes, while no vault runs."""

KILLS = 30


def _points_in_the_source() -> set[str]:
    """The argument of every call of crashpoint.passing below dockd/vault."""
    found = set()
    for path in Path(dockd.vault.__path__[0]).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(func=ast.Attribute(attr="passing") | ast.Name(id="passing"), args=[ast.Constant(value=str(name))]):
                    found.add(name)
                case _:
                    pass
    return found


def test_every_crash_point_of_the_vault_is_walked() -> None:
    """A durable step that gains a crash point gains a crash test with it."""
    assert {*POINTS, *SWITCHING} == _points_in_the_source()


REPEATED = ("vault.reread", "vault.blob-linked", "vault.blob-synced", "vault.receipt-committing", "vault.quarantine-linked")
"""Steps that the next start takes again by itself, so that it can die there as well."""


@pytest.mark.parametrize("point", POINTS)
def test_a_kill_at_a_durable_step_loses_nothing(point: str, tmp_path: Path) -> None:
    """Killed at one step, the vault starts again, every recording is completed, and each has its one receipt."""
    vault = VaultProcess(tmp_path / "store")
    deaths = []

    def revive() -> None:
        deaths.append(vault.wait())
        if point in REPEATED and len(deaths) == 1:
            try:
                vault.start(crash_at=point)
            except VaultDiedError:
                deaths.append(-signal.SIGKILL)
                vault.start()
        else:
            vault.start()

    vault.start(crash_at=point)
    try:
        dock = SimpleDock(vault, "dock-1", revive, Random(point))
        _everything_that_a_vault_does(dock)
        assert deaths == [-signal.SIGKILL] * (2 if point in REPEATED else 1)
        _check_nothing_is_lost(dock)
    finally:
        vault.kill()


@pytest.mark.parametrize("point", SWITCHING)
def test_a_kill_in_the_change_of_keys_leaves_one_of_the_two(point: str, tmp_path: Path) -> None:
    """Nothing but the old key or the new one signs afterwards; asked for again, it is the new one, and nothing is lost."""
    with VaultProcess(tmp_path / "store") as vault:
        dock = SimpleDock(vault, "dock-1", vault.start, Random(point))
        dock.deliver(dock.new(b"before"), piece_bytes=0, checksum=True)
        before = vault.public_key
        following: str = yaml.safe_load(installed("vault", "rotate", "--root", vault.root).stdout)["archive"]["key"]
        vault.stop()
        switch = ("vault", "rotate", "--root", vault.root, "--switch")
        assert installed(*switch, crash_at=point).returncode == -signal.SIGKILL
        vault.start()
        assert vault.public_key == (following if point == "vault.key-replaced" else before)
        vault.stop()
        again = installed(*switch)
        assert (again.returncode == 0) == (point == "vault.key-replacing"), again.stderr
        vault.start()
        assert vault.public_key == following != before
        dock.earlier_keys = (before,)
        dock.deliver(dock.new(b"after"), piece_bytes=0, checksum=True)
        _check_nothing_is_lost(dock)


def test_kills_at_random_instants_lose_nothing(tmp_path: Path) -> None:
    """Through dozens of kills at random instants the dock goes on from the vault's offset until everything is proved."""
    random = Random(20261124)
    vault = VaultProcess(tmp_path / "store")
    deaths = []
    timers: list[threading.Timer] = []

    def arm() -> None:
        timer = threading.Timer(random.uniform(0.0, 0.15), os.killpg, (vault.pid, signal.SIGKILL))
        timers.append(timer)
        timer.start()

    def revive() -> None:
        timers[-1].join()
        deaths.append(vault.wait())
        vault.start()
        if len(deaths) < KILLS:
            arm()

    vault.start()
    try:
        dock = SimpleDock(vault, "dock-1", revive, random)
        arm()
        while len(deaths) < KILLS:
            data = random.randbytes(random.choice((0, 1, 4096, 100_001, 6_000_000)))
            for _ in range(random.choice((1, 1, 2))):
                dock.deliver(dock.new(data), piece_bytes=random.choice((0, 700_001)), checksum=random.random() < 0.3)
        assert deaths == [-signal.SIGKILL] * KILLS
        _check_nothing_is_lost(dock)
    finally:
        timers[-1].cancel()
        vault.kill()


def _everything_that_a_vault_does(dock: SimpleDock) -> None:
    """Pass every crash point: pieces, a wrong checksum, an end, a rejection, a duplicate, damage, and its healing."""
    first = dock.new(dock.random.randbytes(300_001))
    dock.place(first)
    _send_a_body_with_a_wrong_checksum(dock, first)
    dock.deliver(first, piece_bytes=100_003)

    unwanted = dock.new(dock.random.randbytes(5000))
    dock.place(unwanted)
    assert dock.insist("DELETE", unwanted.upload_path).status in {204, 410}
    dock.sent.remove(unwanted)

    dock.deliver(dock.new(dock.random.randbytes(70_000), wrong_sha256=True))
    dock.deliver(dock.new(first.data), checksum=True)
    dock.deliver(dock.new(b""))

    kept_longer = dock.proof_again(first, retain_until="2050-01-01T00:00:00Z")
    assert kept_longer.statement.retain_until == datetime(2050, 1, 1, tzinfo=UTC)

    blob = Store(dock.vault.root).blob_path(blake3(first.data).digest())
    blob.chmod(0o600)
    with blob.open("r+b") as file:
        file.write(b"rot")
    assert dock.insist("POST", f"{first.upload_path}/holding", body=b'{"nonce": "0011223344556677"}').status == 422
    assert dock.insist("GET", first.upload_path).status == 422
    dock.deliver(dock.new(first.data))
    assert dock.proof_again(first).statement.retain_until == datetime(2050, 1, 1, tzinfo=UTC)


def _send_a_body_with_a_wrong_checksum(dock: SimpleDock, recording: Sent) -> None:
    wrong = "sha256 " + base64.b64encode(hashlib.sha256(b"other bytes").digest()).decode()
    headers = {"Upload-Offset": "0", "Content-Type": BODY_TYPE, "Upload-Checksum": wrong}
    assert dock.insist("PATCH", recording.upload_path, headers, recording.data[:9000]).status == 460
    assert dock.offset(recording) == 0


def _check_nothing_is_lost(dock: SimpleDock) -> None:
    """Every recording is whole, proved by one receipt, or rejected in words; no file is half-written or astray."""
    store = Store(dock.vault.root)
    for recording in dock.sent:
        if recording.refusal:
            assert recording.sha256 != hashlib.sha256(recording.data).hexdigest()
            assert "SHA-256" in recording.refusal
            assert store.quarantine_path(recording.upload_path.rpartition("/")[2]).read_bytes() == recording.data
            continue
        assert dock.insist("GET", recording.upload_path).body == recording.data
        assert dock.proof(recording).statement.recording_id == recording.recording_id
        assert dock.insist("GET", f"{recording.upload_path}/receipt").body == recording.receipt
        assert dock.proof_again(recording).statement.measured.size_bytes == len(recording.data)
    assert {path.name for path in (store.root / "blobs").rglob("*") if path.is_file()} == {
        blake3(recording.data).hexdigest() for recording in dock.sent if not recording.refusal
    }
    _place, ledger = open_ledger(store.root)
    try:
        for name in store.leftovers():  # only creations whose answer never arrived
            upload = ledger.upload(name)
            assert upload is not None
            assert (upload.state, upload.offset_bytes) == (UploadState.RECEIVING, 0)
    finally:
        ledger.close()
