"""Machines on which the package was just installed, saved in the middle of running: a scenario continues one in seconds.

The package is installed as on a clean system: the machine boots a Debian that never saw dockd, gets the .deb on a USB disk, and
`dpkg` runs its scripts under the real systemd and udev. What the scenarios need to know of that is kept beside it.
"""

import asyncio
import hashlib
import json
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from tests.rig import machine as machines
from tests.rig.guest import Guest
from tests.rig.image import KEPT, ROOT, Image, RigError, digest, image, run
from tests.rig.machine import KIOSK, Machine, Parts, overlay

_SPOOL_BYTES = 1 << 30
MIB = 1 << 20
_INSTALL_S = 300.0


@dataclass(frozen=True, slots=True)
class Prepared:
    """A saved machine and what happened while it was made."""

    suite: str
    folder: Path
    image: Image

    @property
    def told(self) -> dict[str, str]:
        """What was said while the package was installed."""
        told: dict[str, str] = json.loads((self.folder / "told.json").read_text())
        return told

    def parts(self, place: Path, *, cold: bool = False, logged: bool = False) -> Parts:
        """Disks of its own for one scenario, below `place`.

        Args:
            place: an empty folder.
            cold: boots the disks instead of continuing the saved memory.
            logged: keeps a log of the spool disk's writes, for `tests.rig.power_cut`.
        """
        return Parts(
            kernel=self.image.kernel,
            initrd=self.image.initrd,
            root=overlay(self.folder / "root.qcow2", "qcow2", place / "root.qcow2"),
            spool=overlay(self.folder / "spool.img", "raw", place / "spool.qcow2"),
            state=None if cold else self.folder / "state",
            writes_log=_empty(place / "writes.log") if logged else None,
        )

    def with_spool(self, place: Path, spool: Path) -> Parts:
        """As `parts`, with a raw disk of the scenario's for the spool."""
        return replace(self.parts(place), spool=spool, spool_format="raw")

    def again(self, parts: Parts) -> Parts:
        """The same disks after a power cut: they boot, and no memory continues."""
        return replace(parts, state=None, writes_log=None)


def package(suite: str) -> Path:
    """The .deb of this release.

    Raises:
        RigError: it was not built.
    """
    found = sorted((ROOT / "build" / "deb" / suite).glob("dockd_*.deb"))
    if len(found) != 1:
        msg = f"{len(found)} packages in build/deb/{suite}; build one with packaging/deb/build.sh {suite}"
        raise RigError(msg)
    return found[0]


async def prepared(suite: str) -> Prepared:
    """The saved machine of one release, made now if Debian, the package or the machine itself has changed.

    Raises:
        RigError: it cannot be made.
    """
    base, deb = image(suite), package(suite)
    parts_of_it = (Path(machines.__file__), Path(__file__))
    version = run("qemu-system-x86_64", "--version")
    # Disks name the disks below them by their whole path.
    key = digest(str(base.disk).encode(), deb.read_bytes(), version.encode(), *(each.read_bytes() for each in parts_of_it))
    folder = KEPT / f"dock{suite}-{key}"
    if not folder.exists():
        with tempfile.TemporaryDirectory(dir=KEPT, prefix="making-") as name:
            making = Path(name) / "done"
            making.mkdir()
            await _make(base, deb, making)
            for old in KEPT.glob(f"dock{suite}-*"):
                shutil.rmtree(old)
            making.rename(folder)
    return Prepared(suite, folder, base)


async def _make(base: Image, deb: Path, folder: Path) -> None:
    spool = _empty(folder / "spool.img", _SPOOL_BYTES)
    run("mkfs.ext4", "-q", "-F", "-L", "spool", spool)
    root = overlay(base.disk, "raw", folder / "root.qcow2")
    parts = Parts(base.kernel, base.initrd, root, spool, spool_format="raw")
    async with Machine(parts, folder / "console") as running:
        guest = running.guest
        told = {"booted": await _booted(guest)}
        await guest.sh(
            "echo 'LABEL=spool /var/lib/dockd ext4 defaults 0 2' >>/etc/fstab; mkdir -p /var/lib/dockd; "
            "systemctl daemon-reload; mount /var/lib/dockd"
        )
        told["installed"] = await _install(running, deb, folder)
        # Unmounted and forgotten, so that a scenario may give the machine another spool; the service's start mounts it again.
        await guest.sh("umount /var/lib/dockd; sync; echo 3 >/proc/sys/vm/drop_caches")
        (folder / "told.json").write_text(json.dumps(told, indent=1))
        await running.save(folder / "state")


async def _booted(guest: Guest) -> str:
    """What systemd says when it has started everything."""
    return (await guest.call("systemctl", "is-system-running", "--wait", timeout_s=_INSTALL_S)).stdout.strip()


async def _install(running: Machine, deb: Path, folder: Path) -> str:
    """Carry the package in on a disk and install it; what was said."""
    data = await asyncio.to_thread(deb.read_bytes)
    disk = folder / "payload.img"
    await asyncio.to_thread(disk.write_bytes, data + bytes(-len(data) % MIB))
    await running.plug(disk, name="payload", port="1", serial="payload", controller=KIOSK)
    device = "/dev/disk/by-id/usb-QEMU_QEMU_HARDDISK_payload-0:0"
    await running.guest.until(f"test -b {device}")
    said = await running.guest.sh(
        f"head -c {len(data)} {device} >/var/tmp/dockd.deb; "
        f"sha256sum /var/tmp/dockd.deb | grep -q {hashlib.sha256(data).hexdigest()}; "
        "DEBIAN_FRONTEND=noninteractive dpkg -i /var/tmp/dockd.deb 2>&1; rm /var/tmp/dockd.deb",
        timeout_s=_INSTALL_S,
    )
    await running.pull("payload")
    await asyncio.to_thread(disk.unlink)
    return said


def _empty(place: Path, size_bytes: int = 0) -> Path:
    with place.open("wb") as file:
        file.truncate(size_bytes)
    return place
