import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dockd.core.recording import Digests, Measured
from dockd.errors import VaultError
from dockd.vault.ledger import Ledger, Upload, UploadState
from dockd.vault.service import open_ledger

NOW = datetime(2026, 11, 24, 19, 10, tzinfo=UTC)
UPLOAD = Upload("ab" * 16, "dock-1", 10, 0, UploadState.RECEIVING, "", NOW, NOW + timedelta(hours=1))
MEASURED = Measured(10, Digests(b"b" * 32, b"s" * 32))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the ledger is."""
    return tmp_path / "vault.sqlite"


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    """A new ledger."""
    with closing(Ledger.open(path, may_create=True)) as opened:
        yield opened


def test_every_commit_is_on_the_medium(ledger: Ledger) -> None:
    """The ledger runs in WAL mode with synchronous=FULL."""
    assert ledger._connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    assert ledger._connection.execute("PRAGMA synchronous").fetchone()[0] == 2


def _garbage(path: Path) -> None:
    path.write_bytes(b"not a database at all" * 500)


def _foreign(path: Path) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE bookmarks (url TEXT)")
        other.commit()


def _newer(path: Path) -> None:
    Ledger.open(path, may_create=True).close()
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA user_version = 99")


def _damaged(path: Path) -> None:
    with closing(Ledger.open(path, may_create=True)) as ledger:
        for number in range(200):
            ledger.meta(f"key-{number:04}", "v" * 200)
    data = bytearray(path.read_bytes())
    data[4096 * 8 : 4096 * 12] = b"\xff" * 4096 * 4
    path.write_bytes(data)


@pytest.mark.parametrize("spoil", [_garbage, _foreign, _newer, _damaged])
def test_a_file_that_is_not_this_ledger_is_refused_and_left_alone(path: Path, spoil: Callable[[Path], None]) -> None:
    """Damaged, foreign and newer files are refused, never repaired and never replaced."""
    spoil(path)
    before = path.read_bytes()
    with pytest.raises(VaultError):
        Ledger.open(path, may_create=True)
    assert path.read_bytes() == before


def test_a_store_without_its_ledger_is_refused(tmp_path: Path) -> None:
    """The vault never starts afresh over blobs that it once signed for."""
    place, ledger = open_ledger(tmp_path)
    ledger.close()
    place.ledger_path.unlink()
    place.quarantine_path("something").touch()
    with pytest.raises(VaultError, match="missing"):
        open_ledger(tmp_path)


def test_only_the_digest_of_a_token_is_kept(ledger: Ledger, path: Path) -> None:
    """A token opens its dock's uploads, and a thief of the ledger finds none in it."""
    token = ledger.issue_token("dock-1", NOW, replace=False)
    assert ledger.dock_of(token) == "dock-1"
    assert ledger.dock_of(token[:-1]) is None
    ledger.close()
    assert token.encode() not in path.read_bytes()


def test_a_replaced_token_ends(ledger: Ledger) -> None:
    """Tokens of a dock live side by side until one replaces them; other docks' stay."""
    first, second = (ledger.issue_token("dock-1", NOW, replace=False) for _ in range(2))
    other = ledger.issue_token("dock-2", NOW, replace=False)
    assert ledger.dock_of(first) == ledger.dock_of(second) == "dock-1"
    third = ledger.issue_token("dock-1", NOW, replace=True)
    assert [ledger.dock_of(token) for token in (first, second, third, other)] == [None, None, "dock-1", "dock-2"]


def test_an_upload_is_complete_at_its_length(ledger: Ledger) -> None:
    """Moving the offset to the length is what makes an upload complete."""
    ledger.create(UPLOAD)
    ledger.advance(UPLOAD.upload_id, 9, NOW)
    assert [upload.state for upload in ledger.unsettled()] == [UploadState.RECEIVING]
    ledger.advance(UPLOAD.upload_id, 10, NOW)
    assert [upload.state for upload in ledger.unsettled()] == [UploadState.COMPLETE]


def test_steps_out_of_order_are_bugs_and_change_nothing(ledger: Ledger) -> None:
    """An unfinished upload cannot become an object, and what is settled cannot move again."""
    ledger.create(UPLOAD)
    with pytest.raises(RuntimeError):
        ledger.accept(UPLOAD.upload_id, MEASURED, NOW, b"receipt")
    assert ledger.held(UPLOAD.upload_id) is None
    ledger.advance(UPLOAD.upload_id, 10, NOW)
    ledger.accept(UPLOAD.upload_id, MEASURED, NOW, b"receipt")
    for step in (ledger.reject, ledger.drop):
        with pytest.raises(RuntimeError):
            step(UPLOAD.upload_id, "why")
    with pytest.raises(RuntimeError):
        ledger.advance(UPLOAD.upload_id, 3, NOW)
    held = ledger.held(UPLOAD.upload_id)
    assert held is not None
    assert (held.receipt, held.measured, held.damage) == (b"receipt", MEASURED, "")


def test_damage_stays_until_good_bytes_come(ledger: Ledger) -> None:
    """A damaged blob concerns each of its objects, until an upload of the same bytes was re-read."""
    for name in ("1" * 32, "2" * 32):
        ledger.create(Upload(name, "dock-1", 10, 0, UploadState.RECEIVING, "", NOW, NOW))
        ledger.advance(name, 10, NOW)
    ledger.accept("1" * 32, MEASURED, NOW, b"one")
    ledger.mark_damaged(MEASURED.digests.blake3, "rot")
    damaged = ledger.held("1" * 32)
    ledger.accept("2" * 32, MEASURED, NOW, b"two")
    healed = ledger.held("1" * 32)
    assert damaged is not None
    assert healed is not None
    assert (damaged.damage, healed.damage) == ("rot", "")


def test_a_failing_ledger_is_a_vault_error(ledger: Ledger) -> None:
    """SQLite's own errors do not leave the ledger."""
    ledger._connection.execute("DROP TABLE objects")
    with pytest.raises(VaultError, match="ledger failed"):
        ledger.held("x")
