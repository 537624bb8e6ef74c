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
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any

import yaml

from tests.rig.cameras import Camera, sha256_of
from tests.rig.guest import Guest
from tests.rig.image import RigError, run
from tests.rig.machine import KIOSK, Machine
from tests.rig.pki import HOST, Certificates
from tests.sim.audit import objects_of
from tests.sim.vault_process import VaultProcess

DOCK_ID = "rig-1"
ARCHIVED_S = 90.0
_LOOK_AGAIN_S = 0.3
_SITE_FILE = "/etc/dockd/site.yaml"

# Python's own client, because a Debian without curl is a Debian that we support.
_STATUS = """
import http.client, socket
line = http.client.HTTPConnection("dockd", timeout=20)
line.sock = socket.socket(socket.AF_UNIX)
line.sock.connect("/run/dockd/control.sock")
line.request("GET", "/api/v1/status")
print(line.getresponse().read().decode())
"""


@dataclass(frozen=True, slots=True)
class Outside:
    """What is outside the machine: the vault, and what the dock needs to know it by."""

    vault: VaultProcess
    certificates: Certificates
    token: str


@dataclass(slots=True)
class Dock:
    """dockd in one machine.

    Args:
        machine: runs, with the package installed.
        outside: where it delivers to.
        bays: as the site file has them.
        site: what else the site file says, over what all of them say.
    """

    machine: Machine
    outside: Outside
    bays: Sequence[dict[str, str]]
    site: dict[str, Any] = field(default_factory=dict)

    @property
    def guest(self) -> Guest:
        """The machine's inside."""
        return self.machine.guest

    async def configure(self) -> None:
        """Write the site file and the secrets, and set the machine's clock, which stood still while it was saved."""
        guest, known = self.guest, self.outside.certificates
        await guest.sh(f"date -s @{time.time():.0f}")
        await break_it(guest)
        secrets = {
            "token": self.outside.token.encode(),
            "ca.pem": known.authority.read_bytes(),
            "dock.pem": known.dock.read_bytes(),
            "dock.key": known.dock_key.read_bytes(),
        }
        for name, content in secrets.items():
            await guest.write(f"/etc/dockd/{name}", content, mode="0600", owner="dockd")
        site = {
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
        }
        await guest.write(_SITE_FILE, yaml.safe_dump(site | self.site))
        await guest.sh("dockd config accept --yes --unencrypted-spool")

    async def start(self) -> None:
        """Start the service; returns when it says that it is ready."""
        await self.guest.sh("systemctl start dockd.service", timeout_s=180)

    async def status(self) -> dict[str, Any]:
        """What the daemon says of itself."""
        document: dict[str, Any] = json.loads(await self.guest.sh("/usr/bin/python3 -I -", stdin=_STATUS.encode()))
        return document

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

    async def heard(self, words: str, *, deadline_s: float = ARCHIVED_S) -> str:
        """Wait until the daemon's log has a line with these words (a regular expression); the line."""
        return await self.guest.until(f"journalctl -b -u dockd.service -o cat | grep -m1 -E '{words}'", deadline_s=deadline_s)

    async def log(self, lines: int = 60) -> str:
        """The end of what the services said."""
        return (await self.guest.call("journalctl", "-b", "-u", "dockd*", "-o", "cat", "-n", str(lines))).stdout

    async def some_archived(self, *, deadline_s: float = ARCHIVED_S) -> None:
        """Wait until the vault has made its first object.

        Raises:
            RigError: it did not in time; with the end of the daemon's log.
        """
        await self._held(1, deadline_s)

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


async def carry_in(machine: Machine, camera: Camera, folder: str) -> None:
    """Bring a camera's tree into a folder of the machine, over a disk that is none of the dock's business."""
    await machine.plug(camera.disk, name="carried", port="3", serial="carried", controller=KIOSK)
    device = "/dev/disk/by-id/usb-QEMU_QEMU_HARDDISK_carried-0:0" + ("-part1" if camera.offset_bytes else "")
    await machine.guest.until(f"test -b {device}")
    await machine.guest.sh(
        f"mkdir -p /run/carried {folder}.new; mount -o ro,utf8=1 {device} /run/carried; "
        f"cp -r /run/carried/. {folder}.new; umount /run/carried; chmod -R a+rX {folder}.new; sync; mv {folder}.new {folder}"
    )
    await machine.pull("carried")


async def break_it(guest: Guest) -> None:
    """For showing that a scenario fails when what it guards is broken: RIG_BREAK is a script for the machine, run first."""
    if script := os.environ.get("RIG_BREAK"):
        await guest.sh(script)


async def fill_exfat(machine: Machine, camera: Camera) -> Camera:
    """Have the machine's kernel copy the camera's tree onto its exfat disk, before any dock looks; the camera as it is then."""
    carrier = camera.disk.with_suffix(".carrier")
    with carrier.open("wb") as file:
        file.truncate(camera.disk.stat().st_size)
    run("mkfs.ext4", "-q", "-F", "-d", camera.tree, carrier)
    await machine.plug(carrier, name="carrier", port="3", serial="carrier", controller=KIOSK)
    await machine.plug(camera.disk, name="filled", port="4", serial="filled", controller=KIOSK)
    disks = "/dev/disk/by-id/usb-QEMU_QEMU_HARDDISK_"
    camera_disk = f"{disks}filled-0:0" + ("-part1" if camera.offset_bytes else "")
    await machine.guest.until(f"test -b {disks}carrier-0:0 && test -b {camera_disk}")
    await machine.guest.sh(
        f"mkdir -p /run/carrier /run/filled; mount -o ro {disks}carrier-0:0 /run/carrier; "
        f"mount -t exfat {camera_disk} /run/filled; "
        "cp -r /run/carrier/DCIM /run/carrier/MISC /run/filled; umount /run/filled /run/carrier"
    )
    await machine.pull("filled")
    await machine.pull("carrier")
    return replace(camera, sha256=sha256_of(camera.disk))
