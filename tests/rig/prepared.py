"""Machines saved in the middle of running, once with the package just installed and once with a dock: continued in seconds.

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

from tests.rig.docks import Dock
from tests.rig.guest import Guest
from tests.rig.image import KEPT, ROOT, Image, RigError, digest, image, one_at_a_time, run
from tests.rig.machine import KIOSK, Machine, Parts, overlay
from tests.rig.outside import Outside, model, outside

SPOOL_BYTES = 1 << 30
SPOOL_DEVICE = "/dev/mapper/spool"
MIB = 1 << 20
INSTALL_S = 600.0

# As an admin does it, by docs/HARDWARE.md, but that deriving the key from a file of random bytes need not be slow.
ENCRYPT_THE_SPOOL = f"""
head -c 64 /dev/urandom >/etc/spool.key
chmod 600 /etc/spool.key
cryptsetup --batch-mode luksFormat --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 /dev/vdb /etc/spool.key
echo 'spool /dev/vdb /etc/spool.key luks' >>/etc/crypttab
echo '{SPOOL_DEVICE} /var/lib/dockd ext4 defaults 0 2' >>/etc/fstab
mkdir -p /var/lib/dockd
systemctl daemon-reload
systemctl start systemd-cryptsetup@spool.service
mkfs.ext4 -q -O verity -L spool -m 0 {SPOOL_DEVICE}
mount /var/lib/dockd
"""


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

    @property
    def model(self) -> Path:
        """What the saved dock knows of its vault; for `tests.rig.outside`."""
        return self.folder / "outside"

    def parts(self, place: Path, *, logged: bool = False) -> Parts:
        """The machine with the package just installed, with disks of its own below `place`.

        Args:
            place: an empty folder.
            logged: keeps a log of the spool disk's writes, for `tests.rig.power_cut`.
        """
        return _parts(self.image, self.folder / "installed", place, logged=logged)

    def docking(self, place: Path, *, logged: bool = False) -> Parts:
        """The machine in which a dock runs, as `tests.rig.docks` describes it by default; else as `parts`."""
        return replace(_parts(self.image, self.folder / "docked", place, logged=logged), docked=True)

    def spool_of(self, parts: Parts) -> Path:
        """The raw spool disk that these parts began with."""
        return self.folder / ("docked" if parts.docked else "installed") / "spool.img"

    def with_spool(self, place: Path, spool: Path) -> Parts:
        """As `parts`, with a raw disk of the scenario's for the spool."""
        return replace(self.parts(place), spool=spool, spool_format="raw")

    def again(self, parts: Parts) -> Parts:
        """The same disks after a power cut: they boot, and no memory continues."""
        return replace(parts, state=None, docked=False, writes_log=None)


def package(suite: str, name: str = "dockd") -> Path:
    """The .deb of this release: `dockd`, or `dockd-kiosk`.

    Raises:
        RigError: it was not built.
    """
    found = sorted((ROOT / "build" / "deb" / suite).glob(f"{name}_*.deb"))
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
    version = run("qemu-system-x86_64", "--version")
    # A saved memory fits the machine that it was saved from, and disks name the disks below them by their whole path.
    hardware = repr(Machine(Parts(base.kernel, base.initrd, base.disk, base.disk), Path("console")).command(0, 0))
    sources = [Path(__file__).with_name(name) for name in ("prepared.py", "docks.py", "outside.py", "pki.py")]
    key = digest(hardware.encode(), version.encode(), *(each.read_bytes() for each in (deb, *sources)))
    folder = KEPT / f"dock{suite}-{key}"
    with one_at_a_time(f"dock{suite}"):
        if not folder.exists():
            with tempfile.TemporaryDirectory(dir=KEPT, prefix="making-") as name:
                making = Path(name) / "done"
                for each in ("installed", "docked"):
                    (making / each).mkdir(parents=True)
                await _make(base, deb, making)
                for old in KEPT.glob(f"dock{suite}-*"):
                    shutil.rmtree(old)
                making.rename(folder)
    return Prepared(suite, folder, base)


def _parts(base: Image, saved: Path, place: Path, *, logged: bool = False) -> Parts:
    return Parts(
        kernel=base.kernel,
        initrd=base.initrd,
        root=overlay(saved / "root.qcow2", "qcow2", place / "root.qcow2"),
        spool=overlay(saved / "spool.img", "raw", place / "spool.qcow2"),
        state=saved / "state",
        writes_log=empty(place / "writes.log") if logged else None,
    )


async def _make(base: Image, deb: Path, folder: Path) -> None:
    told = await _make_installed(base, deb, folder / "installed")
    (folder / "told.json").write_text(json.dumps(told, indent=1))
    model(folder / "outside")
    await _make_docked(base, folder / "installed", folder / "docked", outside(folder / "outside", folder))


async def _make_installed(base: Image, deb: Path, folder: Path) -> dict[str, str]:
    spool = empty(folder / "spool.img", SPOOL_BYTES)
    root = overlay(base.disk, "raw", folder / "root.qcow2")
    parts = Parts(base.kernel, base.initrd, root, spool, spool_format="raw")
    async with Machine(parts, folder / "console") as running:
        guest = running.guest
        told = {"booted": await booted(guest)}
        await guest.sh(ENCRYPT_THE_SPOOL, timeout_s=INSTALL_S)
        told["installed"] = await install(running, deb, folder)
        # Unmounted and forgotten, so that a scenario may give the machine another spool; the service's start mounts it again.
        await guest.sh("umount /var/lib/dockd; sync; echo 3 >/proc/sys/vm/drop_caches")
        await running.save(folder / "state")
    return told


async def _make_docked(base: Image, installed: Path, folder: Path, known: Outside) -> None:
    # Named from here, because both folders are renamed together.
    root = overlay(Path("../installed/root.qcow2"), "qcow2", folder / "root.qcow2")
    spool = folder / "spool.img"
    run("cp", "--sparse=always", installed / "spool.img", spool)
    parts = Parts(base.kernel, base.initrd, root, spool, spool_format="raw", state=installed / "state")
    async with Machine(parts, folder / "console") as running:
        with known.vault:
            dock = Dock(running, known)
            await dock.describe()
            await dock.start()
            await dock.status()
            await running.guest.sh("sync; echo 3 >/proc/sys/vm/drop_caches")
            await running.save(folder / "state")


async def booted(guest: Guest) -> str:
    """What systemd says when it has started everything."""
    return (await guest.call("systemctl", "is-system-running", "--wait", timeout_s=INSTALL_S)).stdout.strip()


async def install(running: Machine, deb: Path, folder: Path) -> str:
    """Carry a package in on a disk and install it; what was said."""
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
        timeout_s=INSTALL_S,
    )
    await running.pull("payload")
    await asyncio.to_thread(disk.unlink)
    return said


def empty(place: Path, size_bytes: int = 0) -> Path:
    """A file of zeros, which take no room."""
    with place.open("wb") as file:
        file.truncate(size_bytes)
    return place
