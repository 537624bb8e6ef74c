"""A dock in a machine, and the vault outside it that judges: configured, started, watched, and compared at the end.

What the archive holds is read from the vault's files on the host; what it ought to hold, from the cameras' trees on the host.
The machine is asked only when to look.
"""

import asyncio
import json
import os
import sqlite3
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from dockd.clock import SystemClock, rfc3339
from dockd.config import acceptance, load_site
from tests.rig.cameras import Camera, sha256_of
from tests.rig.guest import File, Guest
from tests.rig.image import ROOT, RigError, run
from tests.rig.machine import KIOSK, Machine, bay_path
from tests.rig.outside import DOCK_ID, Outside
from tests.rig.pki import HOST
from tests.sim.audit import objects_of
from tests.sim.vault_process import VaultProcess

# What is broken on purpose never comes; all else does, also where a host is several times slower.
ARCHIVED_S = 90.0 if os.environ.get("RIG_BREAK") else 900.0
_LOOK_AGAIN_S = 0.3
PROFILES, DIRECTORIES = "/etc/dockd/profiles", "/srv/dockd/bays"
EIGHT = tuple({"id": str(number), "usb_port": bay_path(str(number))} for number in range(1, 9))
HUB_PORT = "9"
BEHIND_HUB = tuple({"id": f"h{number}", "usb_port": bay_path(f"{HUB_PORT}.{number}")} for number in (1, 2))
DIRECTORY_BAYS = tuple({"id": f"d{number}", "directory": f"{DIRECTORIES}/{number}"} for number in (1, 2))
ALL_BAYS = (*EIGHT, *BEHIND_HUB, *DIRECTORY_BAYS)
SITE_FILE, ACCEPTED_FILE = "/etc/dockd/site.yaml", "/etc/dockd/site.accepted.json"


# The custody log as it lies in the journal, read without the daemon.
_CUSTODY = """
import json, sqlite3
journal = sqlite3.connect("file:/var/lib/dockd/spool/journal.sqlite?mode=ro", uri=True)
rows = journal.execute("SELECT entry FROM custody ORDER BY seq")
print(json.dumps([json.loads(entry) for entry, in rows]))
"""


@dataclass(slots=True)
class Dock:
    """dockd in one machine.

    Args:
        machine: runs, with the package installed.
        outside: where it delivers to.
        bays: as the site file has them.
        site: what else the site file says, over what all of them say.
        filesystem: of the cameras in USB bays.
    """

    machine: Machine
    outside: Outside
    bays: Sequence[dict[str, str]] = ALL_BAYS
    site: dict[str, Any] = field(default_factory=dict)
    filesystem: str = "vfat"
    _changes: int = field(init=False, default=0)

    @property
    def guest(self) -> Guest:
        """The machine's inside."""
        return self.machine.guest

    async def ready(self) -> "Dock":
        """Have it run as it is described here; a dock that was saved running, and that all of this fits, goes on."""
        if self.machine.parts.docked and self._is_standard():
            await self._set_clock()
            if os.environ.get("RIG_BREAK"):
                await break_it(self.guest)
                await self.start()
        else:
            await self.configure()
            await self.start()
        return self

    async def configure(self) -> None:
        """Write the site file, the profile and the secrets, and set the machine's clock, which stood still while it was saved."""
        await self._set_clock()
        await break_it(self.guest)
        await self.describe()

    async def describe(self) -> None:
        """Write the site file, with what an admin accepted of it, the cameras' profile and the secrets."""
        known, folder = self.outside.certificates, "/etc/dockd"
        secrets = {
            "token": self.outside.token.encode(),
            "ca.pem": known.authority.read_bytes(),
            "dock.pem": known.dock.read_bytes(),
            "dock.key": known.dock_key.read_bytes(),
        }
        files = [File(f"{folder}/{name}", content, 0o600, "dockd") for name, content in secrets.items()]
        text = yaml.safe_dump(self._site_file())
        files.append(File(f"{PROFILES}/rig.yaml", _profile(self.filesystem).encode()))
        files += [File(SITE_FILE, text.encode()), File(ACCEPTED_FILE, accepted(text, self.machine.console.parent))]
        await self.guest.sh(f"mkdir -p {PROFILES} {DIRECTORIES}")
        await self.guest.write_all(files)

    async def change(self, **sections: object) -> None:
        """Say something else of what a running dock takes over from its site file, and return when it has."""
        self.site |= sections
        await self.describe()
        self._changes += 1
        await self.heard("configuration changed", count=self._changes)

    def _site_file(self) -> dict[str, Any]:
        return {
            "agency": "ICE",
            "division": "ERO",
            "site": "Baltimore",
            "dock": DOCK_ID,
            "time_zone": "America/New_York",
            "bays": list(self.bays),
            "spool": {"directory": "/var/lib/dockd/spool", "keep_free": "8 MiB"},
            "archive": {
                "kind": "tus",
                "url": f"https://{HOST}:{self.outside.vault.port}/files/",
                "key": self.outside.vault.public_key,
                "token_file": "/etc/dockd/token",
                "ca_file": "/etc/dockd/ca.pem",
                "client_cert": "/etc/dockd/dock.pem",
                "client_key": "/etc/dockd/dock.key",
            },
            "profiles": {"directory": PROFILES},
            # A loaded host without KVM lets everything wait; a scenario about devices that stall says so itself.
            "offload": {"stall_after_s": 120},
        } | self.site

    def _is_standard(self) -> bool:
        return not self.site and self.filesystem == "vfat" and all(bay in ALL_BAYS for bay in self.bays)

    async def _set_clock(self) -> None:
        await self.guest.sh(f"date -s @{time.time():.0f}")

    async def start(self) -> None:
        """Start the service, anew if it runs; returns when it says that it is ready. Half a minute without KVM: see `change`.

        Raises:
            RigError: it does not; with the end of its log.
        """
        started = await self.guest.call("systemctl", "restart", "dockd.service", timeout_s=600)
        if started.status != 0:
            msg = f"the dock does not start: {started.stderr}\n{await self.log()}"
            raise RigError(msg)

    async def status(self) -> dict[str, Any]:
        """What the daemon says of itself."""
        document: dict[str, Any] = await self.ask("GET", "status")
        return document

    async def ask(self, method: str, path: str) -> Any:  # noqa: ANN401 - as dockd answers
        """What the daemon answers on its control socket.

        Raises:
            RigError: it refuses, or is not there.
        """
        return json.loads(await self.guest.http("/run/dockd/control.sock", method, f"/api/v1/{path}"))

    async def retry_refused(self) -> None:
        """Say that everything that was refused may be tried again, as a person does."""
        for each in (await self.ask("GET", "recordings?state=refused"))["recordings"]:
            await self.ask("POST", f"retry/{each['recording']}")

    async def lamp(self, bay: str) -> dict[str, Any]:
        """What one bay shows."""
        shown: dict[str, Any] = next(each for each in (await self.status())["bays"] if each["bay"] == bay)
        return shown

    async def lamp_until(self, bay: str, *, deadline_s: float = ARCHIVED_S, **members: object) -> dict[str, Any]:
        """What one bay shows as soon as it shows these members.

        Raises:
            RigError: it did not in time; with what it shows and the end of the daemon's log.
        """
        given_up_s = time.monotonic() + deadline_s
        while not members.items() <= (shown := await self.lamp(bay)).items():
            if time.monotonic() > given_up_s:
                msg = f"bay {bay} does not show {members} but {shown}\n{await self.log()}"
                raise RigError(msg)
            await asyncio.sleep(_LOOK_AGAIN_S)
        return shown

    async def heard(self, words: str, *, count: int = 1, deadline_s: float = ARCHIVED_S) -> str:
        """Wait until the daemon's log has so many lines with these words (a regular expression); the last of them."""
        script = f"journalctl -b -u dockd.service -o cat | grep -E '{words}' | sed -n {count}p | grep ."
        return await self.guest.until(script, deadline_s=deadline_s)

    async def entered(self, event: str, *, count: int) -> list[dict[str, Any]]:
        """Wait until the custody log has so many entries of one kind, which a lamp may be ahead of; all that it has of them.

        Raises:
            RigError: it has not, in time; with the end of the daemon's log.
        """
        given_up_s = time.monotonic() + ARCHIVED_S
        while len(entries := await custody(self.guest, event)) < count:
            if time.monotonic() > given_up_s:
                msg = f"the custody log has {len(entries)} of {count} entries {event}\n{await self.log()}"
                raise RigError(msg)
            await asyncio.sleep(_LOOK_AGAIN_S)
        return entries

    async def log(self, lines: int = 60) -> str:
        """The end of what the services said."""
        return (await self.guest.call("journalctl", "-b", "-u", "dockd*", "-o", "cat", "-n", str(lines))).stdout

    async def some_archived(self, *, deadline_s: float = ARCHIVED_S) -> None:
        """Wait until the vault has made its first object.

        Raises:
            RigError: it did not in time; with the end of the daemon's log.
        """
        await self._held(1, deadline_s)

    async def upload_slowly(self) -> None:
        """Have each recording of some MiB be on its way to the archive for seconds, so that a scenario meets it there."""
        await self.change(bandwidth=[{"limit": "512 KB/s"}])

    @asynccontextmanager
    async def archive_stops(self) -> AsyncIterator[None]:
        """Have the archive stand still in the middle of an upload, as soon as it holds something.

        Raises:
            RigError: it did not come to that in time; with the end of the daemon's log.
        """
        await self.some_archived()
        await self.uploading()
        with self.outside.standing_still():
            yield

    async def uploading(self, *, deadline_s: float = ARCHIVED_S) -> None:
        """Wait until some recording is on its way to the archive.

        Raises:
            RigError: none was, in time; with the end of the daemon's log.
        """
        given_up_s = time.monotonic() + deadline_s
        while not (await self.status())["recordings"]["uploading"]:
            if time.monotonic() > given_up_s:
                msg = f"nothing is being uploaded\n{await self.log()}"
                raise RigError(msg)
            await asyncio.sleep(_LOOK_AGAIN_S)

    async def archived(self, cameras: Iterable[Camera], *, deadline_s: float = ARCHIVED_S) -> None:
        """Wait until the vault holds as many objects as the cameras have files, then compare every byte.

        Raises:
            RigError: it did not in time; with the end of the daemon's log.
            AssertionError: it holds something else.
        """
        listed = list(cameras)
        wanted = sum(len(each.originals) for each in listed)
        await self._held(wanted, deadline_s)
        compare(self.outside.vault, listed)

    async def _held(self, wanted: int, deadline_s: float) -> None:
        given_up_s = time.monotonic() + deadline_s
        while (held := objects_count(self.outside.vault)) < wanted:
            if time.monotonic() > given_up_s:
                msg = f"{held} of {wanted} recordings are archived after {deadline_s:.0f} s\n{await self.log()}"
                raise RigError(msg)
            await asyncio.sleep(_LOOK_AGAIN_S)


def _profile(filesystem: str) -> str:
    """A profile for QEMU's disks as cameras, in which the site's policy may ask for a clear; else as the one that ships."""
    shipped = (ROOT / "dockd/config/profiles/dcf.yaml").read_text("utf-8")
    text = shipped.partition("\n")[2].replace("name: dcf", "name: rig", 1).replace("method: delete", "method: clear")
    return f'{text}usb:\n  - vendor: "46f4"\nfilesystem: {filesystem}\n'


def accepted(text: str, place: Path) -> bytes:
    """What `dockd config accept` writes for a site file, made here: in the machine it takes ten seconds; one scenario does."""
    site_file = place / "site.yaml"
    site_file.write_text(text)
    acceptance.path_of(site_file).unlink(missing_ok=True)
    acceptance.accept(site_file, load_site(site_file), by="the rig", at=rfc3339(SystemClock().now()), unencrypted_spool=False)
    return acceptance.path_of(site_file).read_bytes()


def objects_count(vault: VaultProcess) -> int:
    """How many objects the vault has made and signed for."""
    with closing(sqlite3.connect(f"{(vault.root / 'vault.sqlite').as_uri()}?mode=ro", uri=True, timeout=30)) as ledger:
        count: int = ledger.execute("SELECT count(*) FROM objects").fetchone()[0]
        return count


def compare(vault: VaultProcess, cameras: Iterable[Camera]) -> None:
    """The archive's bytes are the cameras', each recording once, and nothing else is there.

    Raises:
        AssertionError: it is not so.
    """
    wanted = Counter((each.serial, digest) for each in cameras for digest in each.originals.values())
    held = Counter((each.camera, each.sha256) for each in objects_of(vault))
    assert held == wanted, f"missing: {wanted - held}; too many: {held - wanted}"


@asynccontextmanager
async def lent(machine: Machine, tree: Path) -> AsyncIterator[str]:
    """A folder of the host, to be read in the machine: on a disk that is none of the dock's business; where it is mounted."""
    disk = machine.console.with_name("lent.img")
    await asyncio.to_thread(_make_disk_of, tree, disk)
    await machine.plug(disk, name="lent", port="3", serial="lent", controller=KIOSK)
    device, where = "/dev/disk/by-id/usb-QEMU_QEMU_HARDDISK_lent-0:0", "/run/lent"
    await machine.guest.until(f"mkdir -p {where}; mount -o ro {device} {where}")
    yield where
    await machine.guest.sh(f"umount {where}")
    await machine.pull("lent")
    disk.unlink()


def _make_disk_of(tree: Path, disk: Path) -> None:
    files = [each.lstat() for each in tree.rglob("*")]
    kilobytes = 16 * 1024 + sum(each.st_size // 1024 + 8 for each in files)
    disk.unlink(missing_ok=True)
    run("mkfs.ext4", "-q", "-F", "-O", "^has_journal", "-N", str(len(files) + 64), "-d", tree, disk, f"{kilobytes}k")


async def carry_in(machine: Machine, camera: Camera, folder: str) -> None:
    """Bring a camera's tree into a folder of the machine."""
    async with lent(machine, camera.tree) as tree:
        await machine.guest.sh(
            f"mkdir -p {folder}.new; cd {tree}; cp -r [!l]* {folder}.new; cd /; chmod -R a+rX {folder}.new; sync -f {folder}.new"
        )
    # Only when all is put away again: whoever wants to meet it half-way must not come too late.
    await machine.guest.sh(f"mv {folder}.new {folder}")


async def break_it(guest: Guest) -> None:
    """For showing that a scenario fails when what it guards is broken: RIG_BREAK is a script for the machine, run first."""
    if script := os.environ.get("RIG_BREAK"):
        await guest.sh(script)


async def fill_exfat(machine: Machine, camera: Camera) -> Camera:
    """Have the machine's kernel copy the camera's tree onto its exfat disk, before any dock looks; the camera as it is then."""
    await machine.plug(camera.disk, name="filled", port="4", serial="filled", controller=KIOSK)
    device = "/dev/disk/by-id/usb-QEMU_QEMU_HARDDISK_filled-0:0" + ("-part1" if camera.offset_bytes else "")
    async with lent(machine, camera.tree) as tree:
        # A disk that has just come may be looked at by others yet.
        await machine.guest.until(f"mkdir -p /run/filled; mount -t exfat {device} /run/filled")
        await machine.guest.sh(f"cd {tree}; cp -r [!l]* /run/filled; cd /; umount /run/filled")
    await machine.pull("filled")
    return replace(camera, sha256=sha256_of(camera.disk))


async def custody(guest: Guest, event: str) -> list[dict[str, Any]]:
    """The custody entries of one kind."""
    entries: list[dict[str, Any]] = json.loads(await guest.sh("/usr/lib/dockd/bin/python -I -", stdin=_CUSTODY.encode()))
    return [each for each in entries if each["event"] == event]
