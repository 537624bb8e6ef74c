"""Trees as cameras hold them, with the digests that must come out at the other end.

Every builder writes deterministic bytes for its seed and answers what a dock must find: SHA-256 by path, the path as the exact
bytes relative to the camera's root. `make_zoo` adds the names and kinds of file that a hostile or broken camera can hold.
"""

import hashlib
import os
import random
import socket
import stat
from dataclasses import dataclass, field
from pathlib import Path

FIRST_MODIFIED_NS = 1_764_000_000_000_000_000
_PIECE_BYTES = 1 << 20


def deterministic_bytes(seed: str, size_bytes: int) -> bytes:
    """`size_bytes` bytes that look random and are the same for the same seed."""
    return random.Random(seed).randbytes(size_bytes)


def write_file(root: Path, path: bytes, size_bytes: int, seed: str) -> str:
    """Write deterministic bytes, in pieces so that a long file needs no memory; returns the SHA-256 in hexadecimal."""
    source, digest = random.Random(seed), hashlib.sha256()
    place = Path(os.fsdecode(os.fsencode(root) + b"/" + path))
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("wb") as file:
        for start in range(0, size_bytes, _PIECE_BYTES):
            piece = source.randbytes(min(_PIECE_BYTES, size_bytes - start))
            digest.update(piece)
            file.write(piece)
    return digest.hexdigest()


def make_camera(
    root: Path,
    serial: str,
    *,
    recordings: int = 3,
    size_bytes: int = 300_000,
    sidecars: bool = True,
    seed: int = 0,
    officer: str = "badge 4711",
    battery_percent: int = 87,
) -> dict[bytes, str]:
    """A DCF camera: `DCIM/100MEDIA/CLIP0001.MP4` and on, each with a `.THM` beside it, and its identity in `MISC/CAMERA.TXT`.

    A folder holds 999 recordings; the next ones go to `101MEDIA`, as on a real camera.

    Returns:
        SHA-256 in hexadecimal of every recording and sidecar, by path; the identity file is not evidence and not among them.
    """
    digests: dict[bytes, str] = {}
    for number in range(recordings):
        stem = f"DCIM/{100 + number // 999}MEDIA/CLIP{number % 999 + 1:04}"
        files = {f"{stem}.MP4": size_bytes} | ({f"{stem}.THM": 3_000 + number} if sidecars else {})
        for name, length in files.items():
            path = name.encode()
            digests[path] = write_file(root, path, length, f"{seed}/{serial}/{name}")
            modified_ns = FIRST_MODIFIED_NS + number * 60_000_000_000
            os.utime(root / name, ns=(modified_ns, modified_ns))
    (root / "DCIM").mkdir(parents=True, exist_ok=True)
    identity = root / "MISC" / "CAMERA.TXT"
    identity.parent.mkdir(exist_ok=True)
    identity.write_text(f"serial: {serial}\nbattery: {battery_percent}\nofficer: {officer}\n")
    return digests


@dataclass(slots=True)
class Zoo:
    """What `make_zoo` put on the camera.

    Attributes:
        files: SHA-256 in hexadecimal of every plain file that must come out byte for byte, by path.
        never_read: entries that must be named on the camera's page and never opened: links, sockets, pipes, devices.
        too_deep: a file so deep that no whole path of it fits into a system call; read or refused, never lost in silence.
    """

    files: dict[bytes, str] = field(default_factory=dict)
    never_read: set[bytes] = field(default_factory=set)
    too_deep: bytes = b""


ODD_NAMES: tuple[bytes, ...] = (
    b"new\nline.MP4",
    b"invalid \xff\xfe\x80.MP4",
    b"overlong \xc0\xaf.MP4",
    b"n" * 251 + b".MP4",
    "r\N{LATIN SMALL LETTER E WITH ACUTE}sum\N{LATIN SMALL LETTER E WITH ACUTE}.MP4".encode(),
    "re\N{COMBINING ACUTE ACCENT}sume\N{COMBINING ACUTE ACCENT}.MP4".encode(),
    b"case.MP4",
    b"CASE.MP4",
    b"Case.mp4",
    b"....MP4",
    b"..MP4",
    b".. .MP4",
    b"..%2f..%2fescape.MP4",
    b"..\\..\\escape.MP4",
    b"%00.MP4",
    b" leading and trailing .MP4",
    b"-rf.MP4",
    b"*.MP4",
    b"$(reboot);`reboot`.MP4",
    b"'quote\".MP4",
    b"\x01\x1b[2Jcontrol\x7f.MP4",
    "\N{RIGHT-TO-LEFT OVERRIDE}4PM.MP4".encode(),
    b"CON.MP4",
    b".partial.MP4",
    b"manifest.json.MP4",
)


def make_zoo(root: Path, *, seed: int = 0, size_bytes: int = 2_000) -> Zoo:
    """Put every hostile name and kind of file below `root/DCIM/666ODD`, on a file system that tells case apart."""
    folder, zoo = b"DCIM/666ODD", Zoo()

    def plain(path: bytes, length: int = size_bytes) -> None:
        zoo.files[path] = write_file(root, path, length, f"{seed}/{path.hex()}")

    def at(path: bytes) -> Path:
        return Path(os.fsdecode(os.fsencode(root) + b"/" + path))

    for name in ODD_NAMES:
        plain(folder + b"/" + name)
    plain(folder + b"/...")
    plain(folder + b"/zero.MP4", 0)
    plain(folder + b"/" + b"/".join([b"deep"] * 40) + b"/deep.MP4")
    plain(folder + b"/" + b"d" * 255 + b"/" + b"e" * 251 + b".MP4")

    plain(folder + b"/linked.MP4")
    os.link(at(folder + b"/linked.MP4"), at(folder + b"/linked again.MP4"))
    zoo.files[folder + b"/linked again.MP4"] = zoo.files[folder + b"/linked.MP4"]
    zoo.files[folder + b"/sparse.MP4"] = _sparse(at(folder + b"/sparse.MP4"))

    links = {b"passwd.MP4": "/etc/passwd", b"above.MP4": "../..", b"dangling.MP4": "nowhere", b"itself.MP4": "itself.MP4"}
    for name, target in links.items():
        at(folder + b"/" + name).symlink_to(target)
        zoo.never_read.add(folder + b"/" + name)
    at(folder + b"/folder.link").symlink_to("/etc")
    os.mkfifo(at(folder + b"/pipe.MP4"))
    _socket(at(folder), "socket.MP4")
    zoo.never_read |= {folder + b"/folder.link", folder + b"/pipe.MP4", folder + b"/socket.MP4"}
    if os.geteuid() == 0:
        os.mknod(at(folder + b"/device.MP4"), stat.S_IFCHR | 0o600, os.makedev(1, 5))
        zoo.never_read.add(folder + b"/device.MP4")
    return zoo


def make_too_deep(root: Path, zoo: Zoo, *, levels: int = 60) -> None:
    """Add a file whose whole path has more bytes than PATH_MAX, as only relative calls can make and read it."""
    names = [b"p" * 100] * levels
    here = os.open(root / "DCIM", os.O_RDONLY | os.O_DIRECTORY)
    for name in names:
        os.mkdir(name, dir_fd=here)
        below = os.open(name, os.O_RDONLY | os.O_DIRECTORY, dir_fd=here)
        os.close(here)
        here = below
    fd = os.open(b"bottom.MP4", os.O_WRONLY | os.O_CREAT, 0o600, dir_fd=here)
    os.write(fd, b"deep")
    os.close(fd)
    os.close(here)
    zoo.too_deep = b"DCIM/" + b"/".join(names) + b"/bottom.MP4"


def _sparse(place: Path) -> str:
    size_bytes, data = 5_000_000, b"an island"
    with place.open("wb") as file:
        file.truncate(size_bytes)
        file.seek(3_000_000)
        file.write(data)
    return hashlib.sha256(bytes(3_000_000) + data + bytes(size_bytes - 3_000_000 - len(data))).hexdigest()


def _socket(folder: Path, name: str) -> None:
    """Bind through the folder's descriptor: a socket's path may have 107 bytes only, and a test's folder has more."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(f"/proc/self/fd/{fd}/{name}")
    finally:
        os.close(fd)
