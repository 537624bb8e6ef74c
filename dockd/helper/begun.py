"""A clear that was begun and is not finished: what the helper wrote down before it touched the disk, and the token that it left.

    the helper's own state   written first, durably: token, whose camera, which disk, under which permit, what is to be on it
    the token on the disk    its very first block, written second, and replaced last, by what belongs there

So a disk with a token was cleared in part, and its recordings are proved. A clear that a pull or a power cut broke off is done
again from its beginning when the token is still on the medium and what is written about it here fits the device; anything else is
a new camera. docs/adr/0020 says why the first block.
"""

import secrets
from dataclasses import dataclass
from pathlib import Path

import msgspec

from dockd.core.clearance import OverwritePermit
from dockd.core.erasure import ReadBack
from dockd.core.holds import Holds
from dockd.core.profile import Profile
from dockd.errors import CameraUnknownError, EraseFailedError
from dockd.helper.kept import Kept
from dockd.helper.sectors import SECTOR_BYTES, Sectors, exactly

_MAGIC = b"This disk is being cleared by a docking station; its recordings are in the archive.\n"
_TOKEN_BYTES = 32
_VERSION = 1

_UNFIT = "a docking station began to clear this camera and did not finish, and this one knows nothing that fits it"


class Device(msgspec.Struct, frozen=True):
    """Which disk: what tells it from others while nothing on it can be read.

    Attributes:
        serial: of the USB device.
        disk_bytes: all that can be addressed.
    """

    vendor: int
    product: int
    serial: str
    disk_bytes: int


class Was(msgspec.Struct, frozen=True):
    """One recording or sidecar that was on the disk and is overwritten: what an order could name it by."""

    recording_id: str
    modified_ns: int


class _Written(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The state file; the last two members are missing from those of the version before."""

    version: int
    token: str
    camera: str
    docking: str
    nonce: str
    device: Device
    partition: int
    read_back: ReadBack
    passes: int
    files: int
    restored: tuple[bytes, ...]
    sectors: dict[int, bytes]
    officers: tuple[str, ...] = ()
    were: tuple[Was, ...] | None = None


@dataclass(frozen=True, slots=True)
class Begun:
    """Leave to overwrite one disk, as it was given by a permit; `BegunBook` makes it, from a permit or from what it wrote then.

    Attributes:
        token: also on the disk, as hexadecimal digits.
        camera: its serial.
        docking: id of the docking whose permit it stands on.
        partition: where the file system is, 0 for the disk itself.
        read_back: how much.
        passes: over every block.
        files: recordings and sidecars that were on it.
        restored: files that it puts back.
        content: what is to be on the disk.
        officers: whose camera it was.
        were: what it overwrites; None where nobody wrote that down.
    """

    token: str
    camera: str
    docking: str
    partition: int
    read_back: ReadBack
    passes: int
    files: int
    restored: tuple[bytes, ...]
    content: Sectors
    officers: tuple[str, ...]
    were: tuple[Was, ...] | None

    def held(self, holds: Holds, officer: str | None) -> str:
        """Why an order forbids to go on, by now; empty if none does.

        Args:
            holds: in force.
            officer: to whom the roster assigns the camera.
        """
        if whole := holds.on_camera(self.camera, (*self.officers, officer)):
            return whole
        if self.were is None:
            return "something of it may be on hold" if holds.recordings or holds.spans else ""
        words = (holds.on_recording(each.recording_id, each.modified_ns) for each in self.were)
        return next((f"one of its recordings is {each}" for each in words if each), "")

    def block(self, size_bytes: int) -> bytes:
        """The token as it is on the disk: one block of that size, which is written whole or not at all."""
        return (_MAGIC + self.token.encode() + b"\n").ljust(size_bytes, b"\0")


@dataclass(frozen=True, slots=True)
class Fresh:
    """What a clear leaves on a disk.

    Attributes:
        content: of the whole disk.
        partition: where its file system is.
        restored: files in it.
    """

    content: Sectors
    partition: int
    restored: tuple[bytes, ...]


class BegunBook:
    """All clears that were begun here."""

    def __init__(self, state: Path) -> None:
        self._kept = Kept(state / "clearing")

    def begin(self, permit: OverwritePermit, device: Device, profile: Profile, fresh: Fresh, officers: tuple[str, ...]) -> Begun:
        """Write down that this disk, of a camera of these officers, is going to be overwritten.

        Raises:
            EraseFailedError: it could not be made durable, so nothing was begun.
        """
        written = _Written(
            version=_VERSION,
            token=secrets.token_hex(_TOKEN_BYTES),
            camera=permit.clearance.camera,
            docking=permit.clearance.docking,
            nonce=permit.clearance.nonce,
            device=device,
            partition=fresh.partition,
            read_back=profile.erase.read_back,
            passes=profile.erase.passes,
            files=len(permit.clearance.covered),
            restored=fresh.restored,
            sectors=dict(fresh.content.sectors),
            officers=officers,
            were=tuple(Was(each.recording_id, each.identity.modified_ns) for each in permit.clearance.covered),
        )
        try:
            self._kept.write(written.token, msgspec.msgpack.encode(written))
        except OSError as exc:
            msg = f"the helper could not write down that it begins: {exc.strerror}"
            raise EraseFailedError(msg, hint="Have the dock's disk examined. Nothing on the camera was changed.") from exc
        return _begun(written)

    def finished(self, begun: Begun) -> None:
        """Forget it.

        Raises:
            EraseFailedError: that could not be made durable.
        """
        try:
            self._kept.remove(begun.token)
        except OSError as exc:
            msg = f"the helper could not write down that it is done: {exc.strerror}"
            raise EraseFailedError(msg, hint="Have the dock's disk examined. The camera is cleared.") from exc

    def found(self, disk: int, device: Device) -> Begun | None:
        """The clear that was begun on this disk and not finished; None for a disk that has no token on it.

        Args:
            disk: descriptor.
            device: what it is now.

        Raises:
            CameraUnknownError: there is a token, but nothing here that fits it.
            OSError: its first block cannot be read, as when it is just being pulled; nothing is forgotten.
        """
        token = _token(disk)
        known = {written.token: written for written in self._all()}
        if token is None:
            for each in known.values():
                if each.device == device and device.serial:
                    self._kept.remove(each.token)  # that camera has been made another by whoever wrote its first block
            return None
        written = known.get(token)
        if written is None or written.device != device:
            raise CameraUnknownError(_UNFIT, hint="Its recordings are in the archive. Admins: format the camera.")
        return _begun(written)

    def _all(self) -> list[_Written]:
        try:
            return [msgspec.msgpack.decode(content, type=_Written) for _, content in self._kept.all()]
        except (OSError, msgspec.MsgspecError) as exc:
            msg = f"the helper cannot read what it has begun: {exc}"
            raise CameraUnknownError(msg, hint="Call your admin: the dock's disk may be damaged.") from exc


def _begun(written: _Written) -> Begun:
    return Begun(
        written.token,
        written.camera,
        written.docking,
        written.partition,
        written.read_back,
        written.passes,
        written.files,
        written.restored,
        Sectors(written.device.disk_bytes, written.sectors),
        written.officers,
        written.were,
    )


def _token(disk: int) -> str | None:
    """What is in the disk's first sector, None if that is no token; a disk that cannot be read has not said so."""
    first = exactly(disk, SECTOR_BYTES, 0)
    begin, end = len(_MAGIC), len(_MAGIC) + 2 * _TOKEN_BYTES
    return first[begin:end].decode("ascii", "replace") if first.startswith(_MAGIC) else None
