"""What a kind of camera keeps where: which of its files are evidence, which belong to one, which may be let be.

`classify` decides from names alone. Folders and patterns are matched without regard to ASCII case, since FAT has none. A file
in no recording folder, or with no known pattern, is UNKNOWN: it is named on the camera's page and never erased.
"""

import fnmatch
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from dockd.core.battery import Appetite
from dockd.core.clearance import FileKind, Identity, ScannedFile
from dockd.core.erasure import Erasing
from dockd.core.names import basename
from dockd.core.volumes import NamedVolume


@dataclass(frozen=True, slots=True)
class Source:
    """Where a fact about the camera is written on it.

    Attributes:
        file: path relative to the camera's root.
        expression: matched against each line; its first group is the fact.
    """

    file: str
    expression: re.Pattern[str]


@dataclass(frozen=True, slots=True)
class MarkLines:
    """How a recording's sidecars say what it is; each expression is searched in every line, None for what they never say.

    Attributes:
        category: its first group is the category.
        first_amendment: found where a recording was marked as solely of First Amendment activity.
        critical: found where a recording is of a critical incident.
    """

    category: re.Pattern[str] | None = None
    first_amendment: re.Pattern[str] | None = None
    critical: re.Pattern[str] | None = None


@dataclass(frozen=True, slots=True)
class UsbId:
    """Numbers by which a kind of device is known, each as four hexadecimal digits.

    Attributes:
        product: empty for every device of the vendor.
    """

    vendor: str
    product: str = ""


@dataclass(frozen=True, slots=True)
class Profile:
    """One kind of camera.

    Attributes:
        name: as in the site file.
        present: a path that every such camera has; what makes a tree a camera's tree.
        folders: recordings lie in or below these.
        recordings: patterns for the last part of a recording's name.
        critical: patterns for the last part of the name of a recording that goes first.
        sidecars: patterns for the last part of a sidecar's name; it belongs to the recording beside it with the same stem.
        ignore: patterns for whole paths that may be let be.
        serial, battery, officer: where those facts are, None if nowhere; without a serial the folder's name serves.
        erase: how it may be emptied, at most.
        usb: the devices that are such cameras; none for a kind that is only met in directory bays.
        filesystem: what their disks are mounted as, whatever they look like; empty without `usb`.
        owner: the user who writes on them, where the file system knows owners.
        volumes: what such a camera shows, if that is not exactly one; each is a folder of its root then.
        marks: what sidecars say of their recordings, None if nothing.
        appetite: what it draws; what a fast port may give at most, where the profile does not say.
        reserves_room: whether it keeps room reserved behind its files, so that more is in use than its files show.
        numbering: its only group is the number in a recording's name, None where names have none that shows what is missing.
    """

    name: str
    present: str
    folders: tuple[str, ...]
    recordings: tuple[str, ...]
    critical: tuple[str, ...] = ()
    sidecars: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    serial: Source | None = None
    battery: Source | None = None
    officer: Source | None = None
    erase: Erasing = field(default_factory=Erasing)
    usb: tuple[UsbId, ...] = ()
    filesystem: str = ""
    owner: int = 0
    volumes: tuple[NamedVolume, ...] = ()
    marks: MarkLines | None = None
    reserves_room: bool = False
    numbering: re.Pattern[str] | None = None
    appetite: Appetite = field(default_factory=Appetite)

    def is_device(self, vendor: int, product: int) -> bool:
        """Whether a USB device with these numbers is such a camera."""
        return any(each.vendor == f"{vendor:04x}" and each.product in {"", f"{product:04x}"} for each in self.usb)


CRITICAL, ROUTINE = 10, 100


@dataclass(frozen=True, slots=True)
class Found:
    """One entry of a walk: `problem` says why it can never be read, and then `identity` may be None."""

    path: bytes
    identity: Identity | None
    problem: str = ""


def classify(profile: Profile, found: Iterable[Found]) -> tuple[ScannedFile, ...]:
    """Every entry with what `profile` says about it, sorted by path.

    A sidecar with no recording beside it is a recording of its own: evidence is never left behind for want of a partner.
    """
    entries = sorted(found, key=lambda entry: entry.path)
    kinds = {entry.path: _kind(profile, entry) for entry in entries}
    owners = {_stem(path): path for path, kind in kinds.items() if kind is FileKind.RECORDING}
    files = []
    for entry in entries:
        kind, owner = kinds[entry.path], None
        if kind is FileKind.SIDECAR:
            owner = owners.get(_stem(entry.path))
            kind = kind if owner is not None else FileKind.RECORDING
        critical = _any(profile.critical, basename(owner or entry.path))
        priority = CRITICAL if critical else ROUTINE
        files.append(ScannedFile(entry.path, kind, entry.identity, owner, entry.problem, priority))
    return tuple(files)


def _kind(profile: Profile, entry: Found) -> FileKind:
    path, name = entry.path, basename(entry.path)
    if _any(profile.ignore, path):
        return FileKind.IGNORABLE
    if entry.problem:
        return FileKind.UNREADABLE
    if not any(_within(folder, path) for folder in profile.folders):
        return FileKind.UNKNOWN
    if _any(profile.recordings, name):
        return FileKind.RECORDING
    if _any(profile.sidecars, name):
        return FileKind.SIDECAR
    return FileKind.UNKNOWN


def _within(folder: str, path: bytes) -> bool:
    """Whether `path` lies in or below `folder`; the empty folder is the camera's root."""
    wanted = folder.encode().strip(b"/").lower()
    return not wanted or path.lower().startswith(wanted + b"/")


def _any(patterns: tuple[str, ...], name: bytes) -> bool:
    """Whether a shell pattern matches; Latin-1 makes every byte one character, so that no name escapes a pattern."""
    text = name.lower().decode("latin-1")
    return any(fnmatch.fnmatchcase(text, pattern.encode().lower().decode("latin-1")) for pattern in patterns)


def _stem(path: bytes) -> bytes:
    """Folder and name without the last extension, without case."""
    folder, slash, name = path.rpartition(b"/")
    stem, dot, _ = name.rpartition(b".")
    return (folder + slash + (stem if dot else name)).lower()
