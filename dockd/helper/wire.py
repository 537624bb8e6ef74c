"""What is said to the helper and by it: a handful of typed messages, packed with msgpack, in frames of bounded length.

One connection is one session with one bay. The client asks, the helper answers each request once, after any number of `Alive`
where it takes long; a root folder's descriptor comes with the first byte of `Opened`. Whoever closes the connection ends the
session, and everything that it had mounted.

To erase, a client closes the root and sends its `Want`s, then `Examine`, which is answered with an `Entry` for each file before
the `Examined`; then a `Demand` for each recording with the archive's word for it, and `Erase`.
"""

import socket
import struct
from typing import Annotated, Literal, TypeAlias

import msgspec

from dockd.core.clearance import Rehash, ScannedFile
from dockd.core.erasure import Erasure, Method
from dockd.core.occupancy import Occupancy
from dockd.core.proof import ENVELOPE_LIMIT_BYTES
from dockd.core.recording import StoredObject

SOCKET = "/run/dockd-helper.sock"
"""Where systemd listens for the helper."""

FRAME_LIMIT_BYTES = 32 * 1024
HEADER_BYTES = 4

PATH_LIMIT_BYTES = 4096
"""Longer ones Linux does not open."""

_HEADER = struct.Struct("!I")

BayId = Annotated[str, msgspec.Meta(min_length=1, max_length=63)]
Word = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
FilePath = Annotated[bytes, msgspec.Meta(min_length=1, max_length=PATH_LIMIT_BYTES)]


class Request(msgspec.Struct, tag=True, frozen=True, forbid_unknown_fields=True):
    """Base of what is asked."""


class Hello(Request, frozen=True):
    """Which bays does the helper guard? Answer: `Welcome`."""


class Authorise(Request, frozen=True):
    """Let in what is plugged into this bay, if it is a camera. Answer: `Authorised`."""

    bay: BayId


class Open(Request, frozen=True):
    """Block writes to this disk of the camera in this bay and mount the volume. Answer: `Opened`, with the root's descriptor."""

    bay: BayId
    diskseq: Annotated[int, msgspec.Meta(ge=1, le=(1 << 63) - 1)]
    partition: Annotated[int, msgspec.Meta(ge=0, le=255)]


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One volume of a camera of several: its name in the profile, the disk, and its partition, 0 for the disk itself."""

    name: Word
    diskseq: Annotated[int, msgspec.Meta(ge=1, le=(1 << 63) - 1)]
    partition: Annotated[int, msgspec.Meta(ge=0, le=255)]


class OpenSeveral(Request, frozen=True):
    """As `Open`, of several volumes: each becomes a folder of the root, under its name. Answer: `Opened`."""

    bay: BayId
    parts: Annotated[tuple[Part, ...], msgspec.Meta(min_length=1, max_length=16)]


class Release(Request, frozen=True):
    """Unmount; every descriptor of the camera must be closed. Answer: `Released`."""


class SwitchPower(Request, frozen=True):
    """Switch the power of this bay's port; off it stays no longer than this session. Answer: `Switched`."""

    bay: BayId
    on: bool


class ShowLamps(Request, frozen=True):
    """Show these states, by bay; `off` is dark. When this session ends, lamps that it lit ask for help. Answer: `Noted`."""

    lamps: Annotated[dict[BayId, Literal["take it", "leave it", "get help", "off"]], msgspec.Meta(max_length=64)]


class Want(Request, frozen=True):
    """These are to be erased: the next examination reads them again. Answer: `Noted`."""

    paths: Annotated[tuple[FilePath, ...], msgspec.Meta(max_length=1024)]


class Examine(Request, frozen=True):
    """Mount afresh, walk, and read again from the device what is wanted. Answer: an `Entry` for each file, then `Examined`."""


class Demand(Request, frozen=True):
    """Erase this recording: the archive's fresh statement, as received, is its ground. Answer: `Noted`."""

    recording_id: Word
    path: FilePath
    stored: StoredObject
    envelope: Annotated[bytes, msgspec.Meta(max_length=ENVELOPE_LIMIT_BYTES)]


class Erase(Request, frozen=True):
    """Erase what was demanded since the last examination, and nothing else. Answer: `Erased`."""

    docking: Word
    method: Method


class Resume(Request, frozen=True):
    """Finish what `Unfinished` spoke of. Answer: `Erased`."""

    bay: BayId
    diskseq: Annotated[int, msgspec.Meta(ge=1, le=(1 << 63) - 1)]


Scope: TypeAlias = Literal["camera", "recording", "officer", "time"]
"""What an order that nothing may be erased can name, as in `core.holds`."""


class PlaceHold(Request, frozen=True):
    """Nothing of this may be erased, `case` being the name of the order. Whoever may connect may say so. Answer: `Noted`."""

    scope: Scope
    subject: Word
    by: Annotated[str, msgspec.Meta(max_length=256)]
    reason: Annotated[str, msgspec.Meta(max_length=1000)]
    case: Annotated[str, msgspec.Meta(max_length=256)] = ""


class LiftHold(Request, frozen=True):
    """The hold no longer stands. Only root may say so. Answer: `Noted`."""

    scope: Scope
    subject: Word
    by: Annotated[str, msgspec.Meta(max_length=256)]
    reason: Annotated[str, msgspec.Meta(max_length=1000)]
    case: Annotated[str, msgspec.Meta(max_length=256)] = ""


class ListHolds(Request, frozen=True):
    """Which holds stand? Answer: a `Held` for each, then `Noted`."""


AnyRequest = (
    Hello
    | Authorise
    | Open
    | OpenSeveral
    | Release
    | SwitchPower
    | ShowLamps
    | Want
    | Examine
    | Demand
    | Erase
    | Resume
    | PlaceHold
    | LiftHold  # root alone
    | ListHolds
)


class Reply(msgspec.Struct, tag=True, frozen=True, forbid_unknown_fields=True):
    """Base of what is answered."""


class Welcome(Reply, frozen=True):
    """The bays that the helper guards, by their ids."""

    bays: tuple[str, ...]


class Authorised(Reply, frozen=True):
    """The device is a camera, let in with its disks and nothing else; `profile` is the name of what recognised it."""

    profile: str


class Opened(Reply, frozen=True):
    """Mounted read-only, as the profile's file system.

    `in_use` is what each volume's file system has given away, by the volume's name, which is empty for an only one; it lacks
    those of which that is not known.
    """

    filesystem: str
    in_use: dict[str, Occupancy]


class Unfinished(Reply, frozen=True):
    """Not mounted: a clear of this camera was broken off, and this dock can finish it. `camera` is its serial."""

    camera: str
    docking: str


class Alive(Reply, frozen=True):
    """The work goes on: so many more bytes or entries. No answer yet."""

    count: int


class Entry(Reply, frozen=True):
    """One file of an examination, and what reading it from the device gave if it was wanted and could be read."""

    file: ScannedFile
    rehash: Rehash | None


class Examined(Reply, frozen=True):
    """The examination is complete.

    `nonce` must be repeated by every statement; `method` is the most that site and profile allow; `obstacles` stand against a
    clear; `officers` are those whose camera it is.
    """

    serial: str
    nonce: str
    method: Method
    obstacles: tuple[str, ...]
    officers: tuple[str, ...] = ()


class Erased(Reply, frozen=True):
    """It is done, and a look at the camera afterwards agreed.

    `repartitioned` if the kernel looks for partitions anew when this session ends.
    """

    erasure: Erasure
    repartitioned: bool = False


class Held(Reply, frozen=True):
    """One hold that stands here."""

    scope: str
    subject: str
    by: str
    reason: str
    since: str
    case: str = ""


class Noted(Reply, frozen=True):
    """Done."""


class Released(Reply, frozen=True):
    """Nothing of this session is mounted any more."""


class Switched(Reply, frozen=True):
    """The port was told. `obeyed`: it answers that it did; that is the hub's word, and no measurement."""

    on: bool
    obeyed: bool


class Refused(Reply, frozen=True):
    """The request is refused; the session goes on. `kind` says what the refusal is to the daemon."""

    kind: Literal["unknown", "gone", "failed", "proof", "kept", "erase", "lamp"]
    message: str
    hint: str


AnyReply = (
    Welcome
    | Authorised
    | Opened
    | Unfinished
    | Released
    | Switched
    | Alive
    | Entry
    | Examined
    | Erased
    | Held
    | Noted  # the end of all answers that need no other
    | Refused
)

_encoder = msgspec.msgpack.Encoder()
_requests: msgspec.msgpack.Decoder[AnyRequest] = msgspec.msgpack.Decoder(AnyRequest)
_replies: msgspec.msgpack.Decoder[AnyReply] = msgspec.msgpack.Decoder(AnyReply)


class ProtocolError(ValueError):
    """What came is no message; nothing further of this conversation is believed."""


def frame(message: AnyRequest | AnyReply) -> bytes:
    """`message` as one frame."""
    body = _encoder.encode(message)
    if len(body) > FRAME_LIMIT_BYTES:
        msg = f"a message of {len(body)} bytes"
        raise ProtocolError(msg)
    return _HEADER.pack(len(body)) + body


def body_bytes(header: bytes) -> int:
    """Length of the body after `header`.

    Raises:
        ProtocolError: longer than any message, or empty.
    """
    (length,) = _HEADER.unpack(header)
    if not 0 < length <= FRAME_LIMIT_BYTES:
        msg = f"a frame of {length} bytes"
        raise ProtocolError(msg)
    return int(length)


def request(body: bytes) -> AnyRequest:
    """The request in a frame's body.

    Raises:
        ProtocolError: it is none.
    """
    try:
        return _requests.decode(body)
    except msgspec.MsgspecError as exc:
        raise ProtocolError(str(exc)) from exc


def reply(body: bytes) -> AnyReply:
    """The reply in a frame's body.

    Raises:
        ProtocolError: it is none.
    """
    try:
        return _replies.decode(body)
    except msgspec.MsgspecError as exc:
        raise ProtocolError(str(exc)) from exc


def next_request(conversation: socket.socket) -> AnyRequest | None:
    """The next request, None when the client has closed the connection.

    Descriptors that a client might send are never taken: the kernel closes them.

    Raises:
        ProtocolError: no request, or cut off.
        OSError: the connection failed, or nothing came within its timeout.
    """
    header = _received(conversation, HEADER_BYTES)
    return request(_received(conversation, body_bytes(header), whole=True)) if header else None


def next_reply(conversation: socket.socket) -> tuple[AnyReply, int]:
    """The next reply, with the descriptor that came with it or -1.

    Raises:
        ProtocolError: no reply, or cut off.
        OSError: the connection failed, or nothing came within its timeout.
    """
    header, descriptors, _, _ = socket.recv_fds(conversation, HEADER_BYTES, 1, socket.MSG_CMSG_CLOEXEC)
    descriptor = descriptors[0] if descriptors else -1
    if not header:
        msg = "the helper ended the conversation"
        raise ProtocolError(msg)
    header += _received(conversation, HEADER_BYTES - len(header), whole=True)
    return reply(_received(conversation, body_bytes(header), whole=True)), descriptor


def _received(conversation: socket.socket, size: int, *, whole: bool = False) -> bytes:
    """Exactly `size` bytes; none at the conversation's end unless it must be `whole`."""
    content = b""
    while len(content) < size:
        more = conversation.recv(size - len(content))
        if not more:
            if content or whole:
                msg = "the conversation ended within a message"
                raise ProtocolError(msg)
            return b""
        content += more
    return content
