"""`dockd journal rebuild`: a lost journal is made anew from the spool, by command."""

import asyncio
from pathlib import Path

import pytest
import yaml

from dockd.clock import SystemClock
from dockd.core.manifest import Manifest
from dockd.core.recording import State
from dockd.delivery.recovery import open_journal
from dockd.dsse import SigningKey
from dockd.errors import JournalError
from dockd.offload.spool import Spool
from tests.sim.cli_documents import as_described, installed
from tests.sim.evidence import measure


def _site_file(root: Path) -> Path:
    site = {
        "agency": "ICE",
        "division": "ERO",
        "site": "Baltimore",
        "dock": "dock-1",
        "time_zone": "America/New_York",
        "bays": [{"id": "1", "directory": str(root / "bay")}],
        "spool": {"directory": str(root / "spool")},
        "archive": {"kind": "tus", "url": "http://127.0.0.1:9/files/", "key": SigningKey.generate().public_text},
    }
    path = root / "site.yaml"
    path.write_text(yaml.safe_dump(site))
    return path


def _spool_one(spool: Spool, recording_id: str, content: bytes, *, on_disk: bytes | None = None) -> None:
    manifest = Manifest(recording_id, "dock-1", "C1", "d" * 32, b"DCIM/1.MP4", 1, None, 100, "", measure(content))
    (spool.recordings / f"{recording_id}.json").write_bytes(manifest.encode())
    spool.path_of(recording_id).write_bytes(content if on_disk is None else on_disk)


async def test_a_missing_journal_is_never_taken_for_a_new_dock(tmp_path: Path) -> None:
    """A spool with recordings and no journal stops the daemon, which says what to do."""
    spool = Spool(tmp_path / "spool")
    spool.prepare()
    _spool_one(spool, "a" * 32, b"evidence")
    with pytest.raises(JournalError, match="missing") as refused:
        await open_journal(spool, SystemClock())
    assert "rebuild" in refused.value.hint
    assert not spool.journal.exists()


async def test_rebuild_believes_the_medium_and_not_the_manifest(tmp_path: Path) -> None:
    """Good bytes are verified again and changed ones refused; a bad manifest is named, an unfinished copy left out."""
    site = _site_file(tmp_path)
    spool = Spool(tmp_path / "spool")
    spool.prepare()
    _spool_one(spool, "a" * 32, b"evidence")
    _spool_one(spool, "b" * 32, b"evidence", on_disk=b"evidencf")
    (spool.recordings / f"{'c' * 32}.json").write_bytes(b"{")
    _spool_one(spool, "d" * 32, b"unfinished")
    spool.path_of("d" * 32).unlink()
    result = await asyncio.to_thread(installed, "journal", "rebuild", "--config", site)
    assert result.returncode == 0, result.stderr
    assert "1 verified recordings, 1 refused" in result.stdout
    assert f"{'c' * 32}.json: cannot be read as a manifest" in result.stderr
    assert "release --case journal-rebuilt" in result.stdout
    journal = await open_journal(spool, SystemClock())
    try:
        states = {each.recording_id: each.state for each in await journal.recordings()}
        assert states == {"a" * 32: State.VERIFIED, "b" * 32: State.REFUSED}
        assert b'"event":"journal.rebuilt"' in (await journal.custody())[0].entry
    finally:
        await journal.close()
    await (await open_journal(spool, SystemClock())).close()
    sound = await asyncio.to_thread(installed, "journal", "rebuild", "--config", site)
    assert "on hold" in sound.stdout, "what was in doubt stays so until it is released"


def test_rebuild_answers_a_program_with_its_document_alone(tmp_path: Path) -> None:
    """What is logged of an old journal that is no journal goes to standard error."""
    site, spool = _site_file(tmp_path), Spool(tmp_path / "spool")
    spool.prepare()
    _spool_one(spool, "a" * 32, b"evidence")
    spool.journal.write_text("no journal")
    done = installed("journal", "rebuild", "--json", "--config", site)
    told = as_described("journal-rebuild", done.stdout)
    assert told == {"journal": str(spool.journal), "verified": 1, "refused": 0, "held": True}
    assert (done.returncode, "old journal not read whole" in done.stderr) == (0, True)
