"""Cameras for the demo: folders as cameras' file systems are, made here or copied from a user's own folders."""

import errno
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from dockd.core.clearance import FileKind
from dockd.core.names import shown
from dockd.core.profile import Found, Profile, classify
from dockd.demo.footage import Clip
from dockd.errors import ConfigError, DockError

IDENTITY = "MISC/CAMERA.TXT"
_JUNK = {"DCIM/.DS_Store": b"\0\0\0\1Bud1", "System Volume Information/WPSettings.dat": b"\x0c\0\0\0"}
_LEAVE_FREE_BYTES = 256 << 20
_COPIES = 3  # camera, spool and vault
_MADE_BYTES = 520_000_000  # of all clips together, about
_PIECE_BYTES = 1 << 20

# One of four cameras has a long recording, to be pulled in the middle of it; one has a recording that is marked critical.
_PLAN: tuple[tuple[str, str, tuple[tuple[str, str, int], ...]], ...] = (
    ("BWC-1001", "B. Jones", (("CLIP0001", "testsrc2", 60), ("CLIP0002", "smptebars", 45), ("CLIP0003", "mandelbrot", 20))),
    ("BWC-1002", "M. Alvarez", (("CLIP0001", "smptehdbars", 60), ("CLIP0002", "testsrc2", 225))),
    ("BWC-1003", "K. Novak", (("CLIP0001", "testsrc", 70), ("EVT_0002", "testsrc2", 45), ("CLIP0003", "rgbtestsrc", 40))),
    ("BWC-1004", "T. Okafor", (("CLIP0001", "testsrc2", 75), ("CLIP0002", "yuvtestsrc", 60), ("CLIP0003", "smptebars", 45))),
)

SERIALS = tuple(serial for serial, _, _ in _PLAN)

_PROFILE = """\
# Made by dockd demo for folders that no camera made: every file in them is taken as a recording.
name: demo-folder
present: DCIM/USER
folders: [DCIM]
recordings: ["*"]
serial:
  file: MISC/CAMERA.TXT
  line: '(?i)^\\s*serial\\s*[:=]\\s*(\\S+)'
officer:
  file: MISC/CAMERA.TXT
  line: '(?i)^\\s*officer\\s*[:=]\\s*(\\S.*)'
"""


@dataclass(frozen=True, slots=True)
class File:
    """One file on a camera before it was docked.

    Attributes:
        path: relative to the camera's root.
        kind: RECORDING and SIDECAR are to be archived and erased, UNKNOWN to be archived and left, IGNORABLE to be left.
    """

    path: bytes
    size_bytes: int
    kind: FileKind


@dataclass(frozen=True, slots=True)
class Camera:
    """One camera.

    Attributes:
        folder: its name on the shelf.
        serial: what it says that it is.
        files: everything on it.
        left_out: entries of a user's folder that no camera could hold, and that were not copied.
    """

    folder: str
    serial: str
    files: tuple[File, ...]
    left_out: tuple[bytes, ...] = ()

    @property
    def evidence(self) -> tuple[File, ...]:
        """What must be in the archive at the end."""
        return tuple(each for each in self.files if each.kind is not FileKind.IGNORABLE)

    @property
    def size_bytes(self) -> int:
        """Of everything that is to be archived."""
        return sum(each.size_bytes for each in self.evidence)


def planned_clips() -> list[Clip]:
    """What the made cameras are to hold."""
    listed = [(serial, name, source, frames) for serial, _, clips in _PLAN for name, source, frames in clips]
    return [
        Clip(serial, f"DCIM/100MEDIA/{name}", source, frames, seed)
        for seed, (serial, name, source, frames) in enumerate(listed, 1)
    ]


def finish_made(shelf: Path, clips: Sequence[Clip]) -> list[Camera]:
    """Give each camera that has its clips an identity and what computers leave behind. Blocks."""
    cameras = []
    for number, (serial, officer, _) in enumerate(_PLAN):
        root = shelf / serial
        _write(root / IDENTITY, f"serial: {serial}\nbattery: {38 + 17 * number}\nofficer: {officer}\n".encode())
        junk = dict(list(_JUNK.items())[: number % 3])
        for where, content in junk.items():
            _write(root / where, content)
        evidence = {file for clip in clips if clip.camera == serial for file in clip.files}
        files = []
        for path, size_bytes in _sizes(root):
            name = os.fsdecode(path)
            if name not in evidence | junk.keys() | {IDENTITY}:
                msg = f"{root / name} was not to be made"
                raise RuntimeError(msg)
            kind = (
                FileKind.IGNORABLE if name not in evidence else FileKind.RECORDING if name.endswith(".MP4") else FileKind.SIDECAR
            )
            files.append(File(path, size_bytes, kind))
        if len(evidence) != sum(each.kind is not FileKind.IGNORABLE for each in files):
            msg = f"{root} does not hold all that was made for it"
            raise RuntimeError(msg)
        cameras.append(Camera(serial, serial, tuple(files)))
    return cameras


def write_profile(folder: Path) -> None:
    """The profile for folders that no camera made. Blocks."""
    folder.mkdir(exist_ok=True)
    (folder / "demo-folder.yaml").write_text(_PROFILE)


def copy_of(
    source: Path, shelf: Path, number: int, profiles: Sequence[Profile], *, said: Callable[[str], None], stop: threading.Event
) -> Camera:
    """Copy a user's folder to the shelf, as a camera. Only reads `source`. Blocks.

    Args:
        source: the folder.
        shelf: where the copy is made.
        number: of the folder, from 1.
        profiles: as the dock will try them.
        said: told what is being done.
        stop: set when nobody waits for the copy any more.

    Raises:
        ConfigError: it cannot be used.
        DockError: it cannot be copied.
    """
    root = shelf / f"camera-{number}"
    is_camera = (source / "DCIM").is_dir()
    target = root if is_camera else root / "DCIM" / "USER"
    try:
        entries = list(_walk(source))
        size_bytes = sum(entry.size_bytes for entry in entries)
        need_room(shelf, to_make_bytes=size_bytes, made_bytes=sum(size for _, size in _sizes(shelf)))
        said(f"copying {sum(entry.plain for entry in entries)} files, {size_bytes / 1e6:.1f} MB, of {source}")
        target.mkdir(parents=True)
        for entry in entries:
            if entry.plain:
                _copy(source, target, entry.path, stop)
    except OSError as exc:
        msg = f"{source} cannot be copied: {exc.strerror}: {exc.filename!r}"
        raise DockError(msg, hint="The folder itself was not touched.") from exc
    profile = next(each for each in profiles if (root / each.present).exists())
    serial = _serial(root, profile, number)
    files = _classified(root, profile)
    if not any(each.kind is not FileKind.IGNORABLE for each in files):
        msg = "holds no file that a dock would take"
        raise ConfigError(msg, file=str(source))
    return Camera(root.name, serial, files, tuple(entry.path for entry in entries if not entry.plain))


def tell_apart(cameras: Sequence[Camera]) -> None:
    """Refuse two cameras of one serial: the dock takes the second for a mistake, and rightly.

    Raises:
        ConfigError: there are two.
    """
    seen: dict[str, str] = {}
    for each in cameras:
        if each.serial in seen:
            msg = f"says that it is camera {each.serial}, and so does {seen[each.serial]}"
            raise ConfigError(msg, file=each.folder, hint="Give the folders one after the other, in two demos.")
        seen[each.serial] = each.folder


def need_room(place: Path, *, to_make_bytes: int = _MADE_BYTES, made_bytes: int = 0) -> None:
    """Refuse what cannot end well.

    Args:
        place: on the disk that is meant.
        to_make_bytes: of cameras that are still to be made there.
        made_bytes: of those that are made already.

    Raises:
        DockError: the disk has no room for cameras, spool and vault.
    """
    needed = to_make_bytes * _COPIES + made_bytes * (_COPIES - 1) + _LEAVE_FREE_BYTES
    free = shutil.disk_usage(place).free
    if needed > free:
        msg = f"the demo needs {needed / 1e9:.1f} GB on the disk of {place}, and {free / 1e9:.1f} GB are free"
        raise DockError(msg, hint="Make room, or choose a work folder on another disk with --directory.")


@dataclass(frozen=True, slots=True)
class _Entry:
    path: bytes
    size_bytes: int
    plain: bool


def _walk(root: Path) -> Iterator[_Entry]:
    """Everything below `root` but its folders; links are not followed."""
    top = os.fsencode(root)
    pending = [b""]
    while pending:
        below = pending.pop()
        with os.scandir(os.path.join(top, below)) as listing:  # noqa: PTH118 - names are bytes
            for entry in sorted(listing, key=lambda each: each.name):
                path = os.path.join(below, entry.name)  # noqa: PTH118 - names are bytes
                status = entry.stat(follow_symlinks=False)
                if S_ISDIR(status.st_mode):
                    pending.append(path)
                else:
                    plain = S_ISREG(status.st_mode)
                    yield _Entry(path, status.st_size if plain else 0, plain)


def _sizes(root: Path) -> list[tuple[bytes, int]]:
    return sorted((entry.path, entry.size_bytes) for entry in _walk(root))


def _copy(source: Path, target: Path, path: bytes, stop: threading.Event) -> None:
    """Bytes and time of one file; modes are the copy's own, so that it can be read and taken away."""
    read, written = source / os.fsdecode(path), target / os.fsdecode(path)
    written.parent.mkdir(parents=True, exist_ok=True)
    with open(read, "rb", opener=_opened_as_plain) as here, written.open("xb") as there:
        while piece := here.read(_PIECE_BYTES):
            if stop.is_set():
                raise InterruptedError(errno.EINTR, os.strerror(errno.EINTR), read)
            there.write(piece)
        status = os.fstat(here.fileno())
    os.utime(written, ns=(status.st_atime_ns, status.st_mtime_ns))


def _opened_as_plain(path: str, flags: int) -> int:
    """Not through a link, and not waiting at a pipe, that took the file's place after the walk."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def _classified(root: Path, profile: Profile) -> tuple[File, ...]:
    sizes = dict(_sizes(root))
    return tuple(
        File(each.path, sizes[each.path], each.kind) for each in classify(profile, (Found(path, None) for path in sizes))
    )


def _serial(root: Path, profile: Profile, number: int) -> str:
    """What the copy says that it is; a folder that says nothing is named here."""
    place = root / (profile.serial.file if profile.serial is not None else IDENTITY)
    if place.is_file() and profile.serial is not None:
        for line in place.read_text("utf-8", "replace").splitlines():
            if found := profile.serial.expression.search(line):
                return found.group(1).strip()
    if place.exists():
        msg = f"{shown(os.fsencode(place.relative_to(root)))} says no serial, so the dock would not know this camera"
        raise ConfigError(msg, file=str(root))
    serial = f"USER-{number}"
    _write(place, f"serial: {serial}\nofficer: user {number}\n".encode())
    return serial


def _write(place: Path, content: bytes) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)
