"""Debian root disks for the rig's machines, made without mounting anything and kept until what goes into them changes.

`mmdebstrap` makes the tree, `mkfs.ext4 -d` the disk, and the machine boots from the kernel that lies beside it. Nothing of dockd
is in it: the package is installed in the running machine, as on a clean system (`tests.rig.prepared`).
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / "build" / "rig"
SUITES = {"12": "bookworm", "13": "trixie"}

AGENT = Path(__file__).with_name("agent.py")
_PACKAGES = (
    *("linux-image-amd64", "initramfs-tools", "systemd-sysv", "udev", "dbus", "kmod", "iproute2"),
    # What the package depends on, and what a Debian system has anyway.
    *("ca-certificates", "python3", "tzdata", "libudev1", "e2fsprogs", "dosfstools", "procps"),
    # The spool's disk is encrypted.
    *("cryptsetup", "dmsetup"),
)
_PACKAGES_OF = {
    # With what systemd needs to speak to a TPM.
    "12": ("libtss2-esys-3.0.2-0", "libtss2-mu0", "libtss2-rc0", "libtss2-tcti-device0"),
    "13": (
        "systemd-cryptsetup",
        *("libtss2-esys-3.0.2-0t64", "libtss2-mu-4.0.1-0t64", "libtss2-rc0t64", "libtss2-tcti-device0t64"),
    ),
}
# A dock with a screen: what dockd-kiosk depends on, and what the machine has in place of a graphics card's driver.
SCREEN = ("cage", "chromium", "fonts-dejavu-core", "seatd", "xwayland")
_DISK_BYTES = 3 << 30

_FILES = {
    "etc/fstab": "/dev/vda / ext4 defaults 0 1\n",
    "etc/hostname": "dock\n",
    # Nothing of the tree is newer than these say, so the first boot rebuilds no catalogue, which takes a minute without KVM.
    "etc/.updated": "",
    "var/.updated": "",
    "etc/systemd/network/rig.network": "[Match]\nType=ether\n[Network]\nAddress=10.0.2.15/24\nGateway=10.0.2.2\n",
    # The agent answers on a port of its own; whoever logs in on the first serial port would be hung up by a getty there.
    "etc/systemd/system/rig-agent.service": (
        "[Unit]\nDescription=The rig's hand in this machine\n"
        "[Service]\nExecStart=/usr/bin/python3 -I /usr/local/lib/rig-agent.py /dev/virtio-ports/rig.agent\nRestart=always\n"
        "[Install]\nWantedBy=multi-user.target\n"
    ),
}
_LINKS = {
    "etc/systemd/system/serial-getty@ttyS0.service": "/dev/null",
    "etc/systemd/system/getty@tty1.service": "/dev/null",
    "etc/systemd/system/apt-daily.timer": "/dev/null",
    "etc/systemd/system/apt-daily-upgrade.timer": "/dev/null",
    "etc/systemd/system/dpkg-db-backup.timer": "/dev/null",
    "etc/systemd/system/e2scrub_all.timer": "/dev/null",
    "etc/systemd/system/systemd-timesyncd.service": "/dev/null",
    "etc/systemd/system/multi-user.target.wants/rig-agent.service": "/etc/systemd/system/rig-agent.service",
    "etc/systemd/system/multi-user.target.wants/systemd-networkd.service": "/usr/lib/systemd/system/systemd-networkd.service",
}


class RigError(Exception):
    """The rig itself does not work; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Image:
    """A clean Debian: its disk, never written to, and what boots it."""

    suite: str
    disk: Path
    kernel: Path
    initrd: Path
    key: str


def digest(*parts: bytes) -> str:
    """A short name for what these bytes make."""
    total = hashlib.sha256()
    for part in parts:
        total.update(len(part).to_bytes(8, "big") + part)
    return total.hexdigest()[:16]


def run(*command: str | Path, cwd: Path | None = None) -> str:
    """Run a program of the host and return what it said.

    Raises:
        RigError: it is not there, or it failed; with its last words.
    """
    environment = os.environ | {"PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin", "LC_ALL": "C.UTF-8"}
    program = shutil.which(command[0], path=environment["PATH"])
    if program is None:
        msg = f"{command[0]} is missing; `make rig` installs what tests/rig/apt-packages.txt lists"
        raise RigError(msg)
    done = subprocess.run([program, *command[1:]], cwd=cwd, env=environment, capture_output=True, check=False)
    if done.returncode != 0:
        msg = f"{' '.join(map(str, command))} failed: {done.stderr.decode(errors='replace')[-2000:]}"
        raise RigError(msg)
    return done.stdout.decode(errors="replace")


def image(suite: str, more: tuple[str, ...] = ()) -> Image:
    """The image of one release, made now if what goes into it has changed.

    Args:
        suite: the release.
        more: packages beyond what every Debian of the rig has; `SCREEN` or none.

    Raises:
        RigError: a program is missing or fails, or this is not root.
    """
    packages = (*_PACKAGES, *more)
    made_of = repr((suite, packages, _PACKAGES_OF[suite], _DISK_BYTES, _FILES, _LINKS)).encode()
    key = digest(made_of, AGENT.read_bytes())
    kind = "screen" if more else "debian"
    folder = KEPT / f"{kind}{suite}-{key}"
    with one_at_a_time(f"{kind}{suite}"):
        if not folder.exists():
            _make(suite, (*packages, *_PACKAGES_OF[suite]), folder)
            for old in set(KEPT.glob(f"{kind}{suite}-*")) - {folder}:
                shutil.rmtree(old)
    return Image(suite, folder / "disk.img", folder / "vmlinuz", folder / "initrd.img", key)


@contextmanager
def one_at_a_time(what: str) -> Iterator[None]:
    """Of several processes that find something missing, one makes it and the others wait for it."""
    KEPT.mkdir(parents=True, exist_ok=True)
    with (KEPT / f".{what}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _make(suite: str, packages: tuple[str, ...], folder: Path) -> None:
    if os.geteuid() != 0:
        msg = "making a Debian tree takes root: sudo make rig"
        raise RigError(msg)
    with tempfile.TemporaryDirectory(dir=KEPT, prefix="making-") as name:
        making = Path(name)
        tree = making / "tree"
        mirror = [os.environ["DEBIAN_MIRROR"]] if "DEBIAN_MIRROR" in os.environ else []
        run(
            *("mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(packages)}"),
            *(
                "--aptopt=Acquire::Retries 5",
                "--dpkgopt=path-exclude=/usr/share/locale/*",
                "--dpkgopt=path-exclude=/usr/share/doc/*",
            ),
            *(SUITES[suite], str(tree), *mirror),
        )
        _furnish(tree)
        done = making / "done"
        done.mkdir()
        for kind, kept in (("vmlinuz", "vmlinuz"), ("initrd.img", "initrd.img")):
            (found,) = (tree / "boot").glob(f"{kind}-*")
            shutil.copyfile(found, done / kept)
            found.unlink()
        run("mkfs.ext4", "-q", "-F", "-d", tree, done / "disk.img", str(_DISK_BYTES // 1024))
        done.rename(folder)


def _furnish(tree: Path) -> None:
    for name, content in _FILES.items():
        place = tree / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(content)
    for name, target in _LINKS.items():
        place = tree / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        place.symlink_to(target)
    shutil.copyfile(AGENT, tree / "usr/local/lib/rig-agent.py")
    # Not the host's resolver: the machine has no name to resolve.
    (tree / "etc/resolv.conf").unlink(missing_ok=True)
    (tree / "etc/resolv.conf").write_text("")
