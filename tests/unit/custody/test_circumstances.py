"""What is entered about the dock itself: its software, its clock, how it ended before; and about a camera's clock."""

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

import dockd
from dockd.clock import Discipline
from dockd.core.clearance import FileKind, ScannedFile
from dockd.core.custody import Noted
from dockd.custody import circumstances
from dockd.journal import Journal
from tests.sim.consignments import HurriedClock
from tests.sim.evidence import identity_of

NOW = datetime(2026, 11, 24, 19, 10, tzinfo=UTC)


async def _ended(path: Path, *notes: Noted) -> list[Noted]:
    """What a start finds of a journal with these notes."""
    journal = await Journal.create(path, HurriedClock())
    await journal.record(*notes)
    found = await circumstances.interrupted(journal)
    await journal.close()
    return found


async def test_a_first_start_and_a_stop_in_good_order_leave_nothing_to_say(tmp_path: Path) -> None:
    """No crash is seen where there was none."""
    assert await _ended(tmp_path / "1", Noted("test", {})) == []
    assert await _ended(tmp_path / "2", circumstances.started("d"), circumstances.stopped("d")) == []


async def test_a_crash_is_told_from_a_loss_of_power(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's boot id tells whether it was restarted; the last entry says until when the dock lived."""
    (crash,) = await _ended(tmp_path / "1", circumstances.started("d"), Noted("test", {}))
    assert crash.event == "daemon.interrupted"
    assert crash.details["cause"] == "the program ended without notice"
    assert crash.details["last_entry"] == "2026-11-24T19:10:00.000Z"
    started = circumstances.started("d")
    monkeypatch.setenv("DOCKD_BOOT", "0" * 32)
    (loss,) = await _ended(tmp_path / "2", started)
    assert loss.details["cause"] == "the machine was restarted or lost its power"


async def test_a_boot_that_is_not_known_is_not_claimed_to_be_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service manager says which boot it is, as the kernel does; where neither can, nothing is said of the machine."""
    by_kernel = circumstances.started("d")
    monkeypatch.setenv("DOCKD_BOOT", str(by_kernel.details["boot"]))
    monkeypatch.setattr(circumstances, "_BOOT", tmp_path / "none")
    (crash,) = await _ended(tmp_path / "1", by_kernel)
    assert crash.details["cause"] == "the program ended without notice"
    monkeypatch.delenv("DOCKD_BOOT")
    for number, before in enumerate((by_kernel, circumstances.started("d"))):
        (either,) = await _ended(tmp_path / f"unknown-{number}", before)
        assert "is not known" in str(either.details["cause"])


async def test_the_software_is_named_by_what_is_installed() -> None:
    """Whoever has the same files computes the same digest with sha256sum."""
    software, clock = await circumstances.running()
    root = Path(dockd.__file__).parent
    names = sorted(
        each.relative_to(root).as_posix() for each in root.rglob("*") if each.is_file() and "__pycache__" not in str(each)
    )
    listing = "".join(f"{hashlib.sha256((root / name).read_bytes()).hexdigest()}  {name}\n" for name in names)
    assert software.details["version"] == dockd.__version__
    assert software.details["files"] == len(names) > 100
    assert sorted(listing.splitlines(), key=lambda line: line[66:]) == listing.splitlines()
    assert software.details["digest"] == hashlib.sha256(listing.encode()).hexdigest()
    assert clock.event == "clock.checked"


def test_the_clock_says_who_keeps_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that keeps it leaves a sign; the kernel says whether it is synchronised, and how wrong it may be at most."""
    monkeypatch.setattr(circumstances, "_KEEPERS", {"a service": tmp_path, "none": tmp_path / "none"})
    details = circumstances.clock().details
    assert details["source"] == "a service"
    assert (details["error_us"] is not None) == details["synchronised"]
    monkeypatch.setattr(circumstances, "_KEEPERS", {})
    assert circumstances.clock().details["source"] == "nobody that the dock knows"
    monkeypatch.setattr(circumstances, "discipline", lambda: Discipline(synchronised=True, offset_s=0.0, error_us=512))
    assert circumstances.clock().details["error_us"] == "512"
    monkeypatch.setattr(circumstances, "discipline", lambda: None)
    assert circumstances.clock().details["error_us"] is None, "a kernel that does not say is not believed to be right"


def test_a_cameras_clock_is_what_its_recordings_are_dated() -> None:
    """A clock ahead of the dock's is seen by as much at least; other files and unreadable ones say nothing."""
    ahead = identity_of(b"1", b"x")
    ahead = type(ahead)(ahead.device, ahead.inode, 1, int(NOW.timestamp() + 90) * 10**9, 1)
    files = [
        ScannedFile(b"1", FileKind.RECORDING, ahead),
        ScannedFile(b"2", FileKind.RECORDING, identity_of(b"2", b"x")),
        ScannedFile(b"3", FileKind.RECORDING, None, problem="a link"),
        ScannedFile(b"4", FileKind.IGNORABLE, identity_of(b"4", b"x")),
    ]
    (note,) = circumstances.camera_clock(files, camera="C1", docking="d1", now=NOW)
    assert json.loads(json.dumps(dict(note.details))) == {
        "camera": "C1",
        "docking": "d1",
        "newest_recording": "2026-11-24T19:11:30.000000000Z",
        "dock_time": "2026-11-24T19:10:00.000Z",
        "ahead_s": "90",
        "how": "dates of its recordings",
    }
    assert circumstances.camera_clock(files[3:], camera="C1", docking="d1", now=NOW) == []
