"""What the cameras held before they were docked, said by b3sum and sha256sum and kept in files that anybody can check."""

import asyncio
import os
from collections.abc import Sequence

import msgspec

from dockd.core.clearance import FileKind
from dockd.core.names import from_shown, shown
from dockd.demo.cameras import Camera
from dockd.demo.folder import WorkFolder
from dockd.demo.programs import digest_in, digest_lines
from dockd.errors import ConfigError, DockError


class Original(msgspec.Struct, frozen=True):
    """One file as it was on its camera.

    Attributes:
        camera: serial.
        folder: of its camera, on the shelf.
        name: `core.names.shown` of its path on the camera.
        size_bytes: its length.
        kind: what is to become of it.
        blake3: by b3sum, hexadecimal; empty for a file that is no evidence.
        sha256: by sha256sum, hexadecimal.
    """

    camera: str
    folder: str
    name: str
    size_bytes: int
    kind: FileKind
    blake3: str = ""
    sha256: str = ""

    @property
    def path(self) -> bytes:
        """On the camera."""
        return from_shown(self.name)

    @property
    def on_shelf(self) -> bytes:
        """Relative to the shelf, as the digest files have it."""
        return os.fsencode(self.folder) + b"/" + self.path

    @property
    def evidence(self) -> bool:
        """Whether it must be in the archive at the end."""
        return self.kind is not FileKind.IGNORABLE


async def measure(folder: WorkFolder, cameras: Sequence[Camera]) -> list[Original]:
    """Have every original hashed by both programs, and keep what they print.

    Raises:
        DockError: a file cannot be read.
    """
    listed = [
        Original(camera.serial, camera.folder, shown(file.path), file.size_bytes, file.kind)
        for camera in cameras
        for file in camera.files
    ]
    evidence = [each for each in listed if each.evidence]
    kept = [each for each in listed if not each.evidence]
    blake3, sha256, kept_sha256 = await asyncio.gather(
        digest_lines("b3sum", [each.on_shelf for each in evidence], folder.cameras),
        digest_lines("sha256sum", [each.on_shelf for each in evidence], folder.cameras),
        digest_lines("sha256sum", [each.on_shelf for each in kept], folder.cameras),
    )
    for place, lines in ((folder.blake3, blake3), (folder.sha256, sha256), (folder.kept_sha256, kept_sha256)):
        place.write_bytes(b"".join(line + b"\n" for line in lines))
    folder.originals.write_bytes(msgspec.json.format(msgspec.json.encode(evidence + kept)))
    return read_back(folder)


def read_back(folder: WorkFolder) -> list[Original]:
    """The originals of the folder's last demo, with the digests that stand in the programs' own files.

    Raises:
        ConfigError: the files are not as a demo wrote them.
    """
    try:
        listed = msgspec.json.decode(folder.originals.read_bytes(), type=list[Original])
        evidence = [each for each in listed if each.evidence]
        kept = [each for each in listed if not each.evidence]
        blake3, sha256, kept_sha256 = (
            [digest_in(line) for line in place.read_bytes().split(b"\n") if line]
            for place in (folder.blake3, folder.sha256, folder.kept_sha256)
        )
        found = [
            msgspec.structs.replace(each, blake3=one, sha256=other)
            for each, one, other in zip(evidence, blake3, sha256, strict=True)
        ]
        return found + [msgspec.structs.replace(each, sha256=one) for each, one in zip(kept, kept_sha256, strict=True)]
    except (OSError, ValueError, DockError) as exc:
        msg = f"the digests of the originals cannot be read: {exc}"
        raise ConfigError(msg, file=str(folder.root)) from exc
