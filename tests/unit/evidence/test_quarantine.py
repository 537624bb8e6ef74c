"""What was refused: kept through everything that makes room, listed, and taken out with its bytes and its record."""

import hashlib
import json
from pathlib import Path

import pytest

from dockd.core import custody, life
from dockd.core.recording import Refusal
from dockd.delivery.keeping import discard_proved
from dockd.delivery.recovery import recover
from dockd.dock.parts import Dock
from dockd.errors import EvidenceError, JournalCorruptError
from dockd.evidence.quarantine import quarantined, take_out
from tests.sim.dock_of import dock_in, docked, spooled
from tests.sim.evidence import seen

REFUSED, UNREAD, ALTERED, FINE = ("1" * 32, "2" * 32, "3" * 32, "4" * 32)
TOO_LARGE = Refusal("archive-refused", "the archive takes nothing so large", "Ask the archive's admin.")


async def _filled(dock: Dock) -> None:
    """One that the archive refused, one that could not be read, one whose copy was set aside, and one that goes on."""
    await docked(dock)
    await spooled(dock, REFUSED, b"refused by the archive")
    await dock.journal.record(
        custody.Stepped(REFUSED, life.Refused(TOO_LARGE)),
        custody.RecordingSeen(seen(UNREAD, camera="C1", docking="d1", path=b"DCIM/\xff.MP4")),
        custody.Stepped(UNREAD, life.Refused(Refusal("source-unreadable", "a bad sector"))),
    )
    (dock.spool.recordings / f"{UNREAD}.part").write_bytes(b"as far as it")
    await spooled(dock, ALTERED, b"right")
    dock.spool.path_of(ALTERED).write_bytes(b"wrong")
    dock.spool.set_aside(ALTERED)
    await spooled(dock, FINE, b"fine")


async def test_all_of_it_is_listed_with_why_and_what_is_kept(tmp_path: Path) -> None:
    """In order of discovery; what goes on is not among it."""
    async with dock_in(tmp_path) as dock:
        assert quarantined(dock.spool) == []
        await _filled(dock)
        lines = [each.words() for each in quarantined(dock.spool)]
    assert lines == [
        f"{REFUSED} C1 {REFUSED}: the archive takes nothing so large (kept: {REFUSED})",
        f"{UNREAD} C1 DCIM/%FF.MP4: a bad sector (kept: {UNREAD}.part)",
        f"{ALTERED} C1 {ALTERED}: bytes that are no longer those that were verified were set aside (kept: {ALTERED}.1)",
    ]


async def test_nothing_of_it_ever_expires(tmp_path: Path) -> None:
    """Neither a start nor whatever makes room removes a byte of it."""
    async with dock_in(tmp_path) as dock:
        await _filled(dock)
    async with dock_in(tmp_path) as dock:
        before = [each.copies for each in quarantined(dock.spool)]
        await recover(dock)
        assert await discard_proved(dock, dock.spool.every_id()) == 0
        assert [each.copies for each in quarantined(dock.spool)][: len(before)] == before
        assert [path.read_bytes() for each in before for path in each] == [b"refused by the archive", b"as far as it", b"wrong"]


async def test_bytes_and_record_are_taken_out(tmp_path: Path) -> None:
    """Each in a folder of its own, with both digests of what was read; the dock keeps its own, and nothing is written over."""
    async with dock_in(tmp_path) as dock:
        await _filled(dock)
        found = quarantined(dock.spool)
        assert take_out(found, tmp_path / "out") == 6
        assert [path.exists() for each in found for path in each.copies] == [True] * 3
        with pytest.raises(EvidenceError, match="File exists"):
            take_out(found, tmp_path / "out")
    record = json.loads((tmp_path / "out" / REFUSED / "record.json").read_bytes())
    (copy,) = record["files"]
    content = (tmp_path / "out" / REFUSED / REFUSED).read_bytes()
    assert content == b"refused by the archive"
    assert (copy["name"], copy["size"], copy["sha256"]) == (REFUSED, str(len(content)), hashlib.sha256(content).hexdigest())
    assert (record["code"], record["message"], record["sha256"]) == (TOO_LARGE.code, TOO_LARGE.message, copy["sha256"])
    assert record["refused"].endswith("Z")
    altered = json.loads((tmp_path / "out" / ALTERED / "record.json").read_bytes())
    assert (altered["state"], altered["refused"], altered["code"]) == ("verified", None, None)
    assert altered["files"][0]["sha256"] != altered["sha256"], "what was set aside is not what was verified"
    assert json.loads((tmp_path / "out" / UNREAD / "record.json").read_bytes())["sha256"] is None


async def test_a_journal_that_is_none_is_said_so(tmp_path: Path) -> None:
    """Nothing is guessed from the files alone."""
    async with dock_in(tmp_path) as dock:
        spool = dock.spool
    spool.journal.write_bytes(b"no journal at all, but longer than a header of one" * 100)
    with pytest.raises(JournalCorruptError):
        quarantined(spool)
