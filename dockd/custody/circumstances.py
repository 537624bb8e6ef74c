"""What a court asks about the dock itself: which software ran, what its clock was worth, and how it had ended the time before.

Each answer is a custody entry, measured at the start, and the clock's again at every docking. A camera's clock cannot be asked
over USB mass storage; what its files are dated is what can be measured of it.
"""

import asyncio
import hashlib
import json
import os
import platform
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import dockd
from dockd.clock import discipline, rfc3339, rfc3339_from_ns
from dockd.core.clearance import FileKind, ScannedFile
from dockd.core.custody import Noted
from dockd.journal import Journal

STARTED, STOPPED = "daemon.started", "daemon.stopped"

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_BOOT_SAID = "DOCKD_BOOT"
"""By the service manager, to a daemon that it shows nothing of /proc but processes."""
_UNKNOWN_BOOT = "not known"
_KEEPERS = {"systemd-timesyncd": Path("/run/systemd/timesync/synchronized"), "chrony": Path("/run/chrony")}


def started(dock: str) -> Noted:
    """The dock starts: its version, and the machine's boot, by which a later start knows whether the machine was restarted."""
    return Noted(STARTED, {"version": dockd.__version__, "dock": dock, "boot": _boot()})


def stopped(dock: str) -> Noted:
    """The dock stops in good order."""
    return Noted(STOPPED, {"version": dockd.__version__, "dock": dock})


async def interrupted(journal: Journal) -> list[Noted]:
    """What is to be recorded if the dock ended without a word the last time; ask before anything is recorded."""
    last = await journal.last_note(STARTED, STOPPED)
    if last is None or last["event"] == STOPPED:
        return []
    before, now = last.get("boot", _UNKNOWN_BOOT), _boot()
    if _UNKNOWN_BOOT in {before, now}:
        cause = "the program ended without notice, or the machine lost its power: which boot of the machine it was is not known"
    elif before != now:
        cause = "the machine was restarted or lost its power"
    else:
        cause = "the program ended without notice"
    (newest,) = await journal.custody(await journal.head(), 1)
    last_entry = json.loads(newest.entry)["time"]
    return [Noted("daemon.interrupted", {"cause": cause, "started": last["time"], "last_entry": last_entry})]


async def running() -> list[Noted]:
    """The software that runs, and the clock that it reads."""
    return [await asyncio.to_thread(software), clock()]


def software() -> Noted:
    """Version, and a digest over every file of dockd as installed: SHA-256 over the lines that sha256sum would print. Blocks."""
    root = Path(dockd.__file__).parent
    files = {path.relative_to(root).as_posix(): path for path in root.rglob("*") if path.is_file()}
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {name}\n"
        for name, path in sorted(files.items())
        if "__pycache__" not in path.parts
    ]
    return Noted(
        "software.running",
        {
            "version": dockd.__version__,
            "files": len(lines),
            "digest": hashlib.sha256("".join(lines).encode()).hexdigest(),
            "python": platform.python_version(),
            "kernel": os.uname().release,
        },
    )


def clock() -> Noted:
    """Who keeps the machine's clock, and how wrong the kernel says that it may be at most."""
    kept = discipline()
    synchronised = kept is not None and kept.synchronised
    keeper = next((name for name, sign in _KEEPERS.items() if sign.exists()), "nobody that the dock knows")
    error_us = str(kept.error_us) if kept is not None and synchronised else None
    return Noted("clock.checked", {"source": keeper, "synchronised": synchronised, "error_us": error_us})


def camera_clock(files: Iterable[ScannedFile], *, camera: str, docking: str, now: datetime) -> list[Noted]:
    """How a camera's clock stands to the dock's, as far as its recordings are dated; nothing where it has none.

    The newest recording was ended before the docking: what is ahead of the dock's clock is so by at least as much, and what lies
    back is the time since that recording, or a clock that is behind.
    """
    dated = [each.identity.modified_ns for each in files if each.kind is FileKind.RECORDING and each.identity is not None]
    if not dated:
        return []
    newest = max(dated)
    ahead_s = newest // 1_000_000_000 - int(now.timestamp())
    details = {
        "camera": camera,
        "docking": docking,
        "newest_recording": rfc3339_from_ns(newest),
        "dock_time": rfc3339(now),
        "ahead_s": str(ahead_s),
        "how": "dates of its recordings",
    }
    return [Noted("camera.clock", details)]


def _boot() -> str:
    """The machine's boot id, as 32 hexadecimal digits."""
    try:
        said = os.environ.get(_BOOT_SAID) or _BOOT.read_text("ascii")
    except OSError:
        return _UNKNOWN_BOOT
    return said.strip().replace("-", "")
