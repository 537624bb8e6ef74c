"""What the daemon and a bay's worker say to each other: typed messages, packed with msgpack, one length-prefixed frame each.

The daemon sends one command at a time; the worker answers with any number of reports, the last of which is `Done` or
`Failed`. Any report is a sign of life. There is no cancel: a worker that is not wanted any more is killed, and everything
that it does survives that. Only a copy can be asked to end early (`GiveWay`), for something more urgent on the same camera.
"""

import re
import struct
from typing import Any

import msgspec

from dockd.core.clearance import CameraScan, Identity, Rehash
from dockd.core.erasure import Erasure, Method
from dockd.core.holds import Holds
from dockd.core.profile import Profile
from dockd.core.recording import Measured, MediumReading, StoredObject
from dockd.core.usb import UsbSource

FRAME_LIMIT_BYTES = 256 * 1024 * 1024
_HEADER = struct.Struct("!I")


class Open(msgspec.Struct, tag=True, frozen=True):
    """Open the camera, in a folder or at a USB port, and say who it is. Answer: `Identified`, or `Unfinished`."""

    root: str | UsbSource
    profile: Profile


class Rest(msgspec.Struct, tag=True, frozen=True):
    """Let go of a camera at a USB port until it is opened again: nothing of it stays mounted. Answer: `Done` alone."""


class Resume(msgspec.Struct, tag=True, frozen=True):
    """Finish the clear that `Unfinished` spoke of. Answer: `Resumed`."""


class Scan(msgspec.Struct, tag=True, frozen=True):
    """Walk the camera afresh. Answer: `Scanned`."""


class CopyJob(msgspec.Struct, frozen=True):
    """One recording to be copied; the fields are those of `core.manifest.Manifest`, `identity` is what the scan saw."""

    recording_id: str
    dock: str
    camera: str
    docking: str
    path: bytes
    identity: Identity
    sidecar_of: str | None
    priority: int
    seen: str


class Copy(msgspec.Struct, tag=True, frozen=True):
    """Copy these, in this order. Answers: `Moved`, `Copied`, `Skipped`."""

    spool: str
    jobs: list[CopyJob]


class GiveWay(msgspec.Struct, tag=True, frozen=True):
    """End the `Copy` that is under way as soon as what was read is kept; nothing, if none is. It has no answer of its own.

    Of the copy's list whatever was not reported is as it was; a recording that was being read goes on where it was left.
    """


class Recognise(msgspec.Struct, tag=True, frozen=True):
    """Measure these files without copying them. Answers: `Moved`, `Known`, `Skipped` (with the path as its recording)."""

    files: list[tuple[bytes, Identity]]


class Examine(msgspec.Struct, tag=True, frozen=True):
    """Scan afresh and read these again from the device, for a clearance. Answer: `Examined`."""

    paths: list[bytes]


class ClaimedHolding(msgspec.Struct, frozen=True):
    """A recording to be erased, and the archive's fresh statement as received; nothing in it is believed unchecked."""

    path: bytes
    stored: StoredObject
    recording_id: str
    envelope: bytes


class Erase(msgspec.Struct, tag=True, frozen=True):
    """Erase what a permit covers that the eraser mints itself from these and its own `Examine`. Answer: `Erased`."""

    docking: str
    method: Method
    dock: str
    pinned_keys: list[str]
    unsigned: bool
    claims: list[ClaimedHolding]
    holds: Holds


Command = Open | Rest | Resume | Scan | Copy | Recognise | Examine | Erase


class Identified(msgspec.Struct, tag=True, frozen=True):
    """The camera's own claims; `named` is whether the serial was written on it, not taken from its folder's name."""

    serial: str
    named: bool
    battery_percent: int | None
    officer: str | None


class Unfinished(msgspec.Struct, tag=True, frozen=True):
    """Nothing of the camera can be read: a clear of it was broken off, in the docking of that id, and can be finished."""

    camera: str
    docking: str


class Resumed(msgspec.Struct, tag=True, frozen=True):
    """It is finished. `repartitioned` if the camera's volumes are made known anew once it rests: its bay tells of it again."""

    erasure: Erasure
    repartitioned: bool


class Scanned(msgspec.Struct, tag=True, frozen=True):
    """Everything on the camera, and the room that is left on it; None where it shows several volumes."""

    scan: CameraScan
    free_bytes: int | None = None


class Moved(msgspec.Struct, tag=True, frozen=True):
    """Bytes (or entries) since the last report: progress, and a sign of life. `reading` while they come from the camera."""

    path: bytes
    count: int
    reading: bool


class CopyEvidence(msgspec.Struct, frozen=True):
    """What was read from the camera and what the medium gave back."""

    recording_id: str
    from_camera: Measured
    from_medium: MediumReading


class Copied(msgspec.Struct, tag=True, frozen=True):
    """These lie in the spool under their final names, durably."""

    evidence: list[CopyEvidence]


class Known(msgspec.Struct, tag=True, frozen=True):
    """The whole of a file was read and measured."""

    path: bytes
    measured: Measured


class Skipped(msgspec.Struct, tag=True, frozen=True):
    """One file could not be taken; the others go on."""

    path: bytes
    code: str
    message: str
    hint: str
    transient: bool


class Examined(msgspec.Struct, tag=True, frozen=True):
    """A fresh scan, the re-hash of each file that could be read, and the nonce that this erasing will want.

    `method` is the most that whoever erases will do, `obstacles` why it would not clear the camera.
    """

    scan: CameraScan
    rehashes: list[tuple[bytes, Rehash]]
    nonce: str
    method: Method = Method.DELETE
    obstacles: list[str] = []


class Erased(msgspec.Struct, tag=True, frozen=True):
    """What the eraser's own permit covered is gone from the camera: a later look did not find it."""

    covered: list[bytes]
    erasure: Erasure


class Done(msgspec.Struct, tag=True, frozen=True):
    """The command is finished."""


class Failed(msgspec.Struct, tag=True, frozen=True):
    """The command cannot go on: a class name of `dockd.errors`, and its words."""

    error: str
    message: str
    hint: str


Report = Identified | Unfinished | Resumed | Scanned | Moved | Copied | Known | Skipped | Examined | Erased | Done | Failed


def _plain(value: object) -> object:
    if isinstance(value, re.Pattern):
        return value.pattern
    msg = f"{type(value).__name__} is not sent between processes"
    raise NotImplementedError(msg)


def _rich(kind: Any, value: Any) -> object:  # noqa: ANN401 - msgspec hands over what it found
    if kind is re.Pattern or getattr(kind, "__origin__", None) is re.Pattern:
        return re.compile(value)
    msg = f"{kind} is not sent between processes"
    raise NotImplementedError(msg)


_encoder = msgspec.msgpack.Encoder(enc_hook=_plain)
_commands: msgspec.msgpack.Decoder[Command | GiveWay] = msgspec.msgpack.Decoder(Command | GiveWay, dec_hook=_rich)
_reports: msgspec.msgpack.Decoder[Report] = msgspec.msgpack.Decoder(Report, dec_hook=_rich)


def frame(message: Command | GiveWay | Report) -> bytes:
    """`message` as one frame."""
    body = _encoder.encode(message)
    return _HEADER.pack(len(body)) + body


def body_bytes(header: bytes) -> int:
    """Length of the body after a 4-byte header.

    Raises:
        ValueError: longer than any message is.
    """
    (length,) = _HEADER.unpack(header)
    if length > FRAME_LIMIT_BYTES:
        msg = f"a frame of {length} bytes"
        raise ValueError(msg)
    return int(length)


HEADER_BYTES = _HEADER.size


def command(body: bytes) -> Command | GiveWay:
    """The command in a frame's body."""
    return _commands.decode(body)


def report(body: bytes) -> Report:
    """The report in a frame's body."""
    return _reports.decode(body)
