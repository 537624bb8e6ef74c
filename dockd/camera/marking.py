"""What a camera says of its recordings, in the sidecars beside them: their category, and marks that a supervisor must see.

A sidecar's lines are searched with the profile's expressions, whatever its form is: JSON, XML, CSV, text. A mark is what the
camera claims. A sidecar that cannot be read marks nothing, so its recording is kept longest; it is copied or refused by itself.
"""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from dockd.camera.identify import TooCostlyError, limited
from dockd.camera.tree import opened_file
from dockd.core.clearance import FileKind, Identity, ScannedFile
from dockd.core.names import shown
from dockd.core.profile import CRITICAL, MarkLines, Profile
from dockd.errors import CameraError, CameraGoneError, CameraUnknownError

_LARGEST_SIDECAR_BYTES = 64 * 1024
_LONGEST_CATEGORY = 64
_SEARCH_CPU_S = 2.0


@dataclass(frozen=True, slots=True)
class Marks:
    """What one sidecar says of its recording."""

    category: str | None = None
    first_amendment: bool = False
    critical: bool = False


class Marker:
    """Marks the files of one camera; what was read of a sidecar counts until it changes."""

    def __init__(self) -> None:
        self._known: dict[tuple[bytes, Identity], Marks] = {}

    def marked(
        self, root: int, profile: Profile, files: Iterable[ScannedFile], alive: Callable[[int], None]
    ) -> tuple[ScannedFile, ...]:
        """`files`, each recording with what its sidecars say of it, and each sidecar with its recording.

        Args:
            root: descriptor of the camera's root.
            profile: of this kind of camera.
            files: everything on it.
            alive: told of each sidecar that was read.

        Raises:
            CameraUnknownError: an expression takes for ever on this camera's sidecar.
            CameraGoneError: the camera does not answer.
        """
        listed = tuple(files)
        if profile.marks is None:
            return listed
        said: dict[bytes, Marks] = {}
        for file in listed:
            if file.kind is FileKind.SIDECAR and file.sidecar_of is not None and file.identity is not None and not file.problem:
                marks = self._marks(root, profile, profile.marks, file.path, file.identity)
                alive(1)
                said[file.sidecar_of] = _both(said.get(file.sidecar_of, Marks()), marks)
        return tuple(_with(file, said.get(file.sidecar_of or file.path, Marks())) for file in listed)

    def _marks(self, root: int, profile: Profile, lines: MarkLines, path: bytes, identity: Identity) -> Marks:
        key = (path, identity)
        if key not in self._known:
            text = _text(root, path, identity)
            try:
                with limited(_SEARCH_CPU_S):
                    self._known[key] = _found(text, lines)
            except TooCostlyError:
                msg = f"marks of profile {profile.name} take too long to search {shown(path)}"
                hint = "Call your admin: the camera's file is odd, or an expression repeats what already repeats."
                raise CameraUnknownError(msg, hint=hint) from None
        return self._known[key]


def _text(root: int, path: bytes, identity: Identity) -> str:
    if identity.size_bytes > _LARGEST_SIDECAR_BYTES:
        return ""
    try:
        with opened_file(root, path, identity, direct=False) as descriptor:
            return os.read(descriptor, _LARGEST_SIDECAR_BYTES).decode("utf-8", "replace")
    except CameraGoneError:
        raise
    except (CameraError, OSError):
        return ""


def _found(text: str, lines: MarkLines) -> Marks:
    category: str | None = None
    first_amendment = critical = False
    for line in text.splitlines():
        if category is None and lines.category is not None and (found := lines.category.search(line)):
            word = (found.group(1) or "").strip()[:_LONGEST_CATEGORY]
            category = word if word and word.isprintable() else None
        first_amendment = first_amendment or bool(lines.first_amendment and lines.first_amendment.search(line))
        critical = critical or bool(lines.critical and lines.critical.search(line))
    return Marks(category, first_amendment, critical)


def _both(one: Marks, other: Marks) -> Marks:
    return Marks(one.category or other.category, one.first_amendment or other.first_amendment, one.critical or other.critical)


def _with(file: ScannedFile, marks: Marks) -> ScannedFile:
    priority = min(file.priority, CRITICAL) if marks.critical else file.priority
    return replace(file, category=marks.category, first_amendment=marks.first_amendment, priority=priority)
