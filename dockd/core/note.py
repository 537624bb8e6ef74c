"""Checkpoints of the custody log and the notes that carry their signatures, in the forms that C2SP publishes.

- signed-note: a text, an empty line, and signature lines `(em dash) NAME base64(key id, signature)`.
- tlog-checkpoint: a text of three lines, the log's origin, its size, and its root in base64.
- tlog-cosignature: an archive's timestamped signature that the log only grew.

Text in, values out; `dockd.dsse` signs and checks. Read strictly: one value has one spelling, so that no byte of a note can
change unseen. The origin is `dockd/DOCK/ID`, where ID is the beginning of the first entry's leaf hash: another log, another
origin.
"""

import base64
import hashlib
import re
from dataclasses import dataclass
from enum import IntEnum

NOTE_LIMIT_BYTES = 16 * 1024

_HASH_BYTES = 32
_KEY_ID_BYTES = 4
_SIGNATURES_LIMIT = 16
_DASH = "\N{EM DASH}"
_SIZE = re.compile(r"0|[1-9][0-9]{0,15}", re.ASCII)
_NAME = re.compile(r"[!-*,-~]{1,255}", re.ASCII)
_UNNAMEABLE = re.compile(rb"[^!-$&-*,-~]")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")


class NoteError(ValueError):
    """This is no note or no checkpoint; the message says why."""


class SignatureType(IntEnum):
    """What kind of signature a key makes; part of the key's id."""

    ED25519 = 1
    COSIGNATURE = 4


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of one log.

    Attributes:
        origin: which log.
        size: how many entries it has.
        root: the Merkle root over them.
    """

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """The text of its note."""
        return f"{self.origin}\n{self.size}\n{_encoded(self.root)}\n"


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line: who says that they signed, with which key, and the signature's bytes; unproved."""

    name: str
    key_id: bytes
    signature: bytes

    def line(self) -> str:
        """As it stands in a note."""
        return f"{_DASH} {self.name} {_encoded(self.key_id + self.signature)}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A text and what is said to be signatures over it."""

    text: str
    signatures: tuple[NoteSignature, ...]

    def encode(self) -> bytes:
        """The note as it is sent and kept."""
        return (self.text + "\n" + "".join(each.line() for each in self.signatures)).encode()


def origin_of(dock: str, first_leaf: bytes) -> str:
    """The origin of the log of `dock` whose first entry has that leaf hash."""
    return f"dockd/{dock}/{first_leaf.hex()[:16]}"


def key_name(text: str) -> str:
    """`text` as a key's name: what may not stand in one is percent-encoded."""
    return _UNNAMEABLE.sub(lambda found: b"%%%02X" % found.group()[0], text.encode()).decode()


def note_key_id(name: str, kind: SignatureType, public: bytes) -> bytes:
    """The four bytes by which a note names a key."""
    return hashlib.sha256(name.encode() + b"\n" + bytes([kind]) + public).digest()[:_KEY_ID_BYTES]


def cosigned(text: str, time_s: int) -> bytes:
    """What a cosignature over a checkpoint's text signs, at `time_s` since 1970."""
    return f"cosignature/v1\ntime {time_s}\n{text}".encode()


def parse_note(data: bytes) -> Note:
    """The note in `data`.

    Raises:
        NoteError: it is none.
    """
    if len(data) > NOTE_LIMIT_BYTES:
        msg = f"a note of {len(data)} bytes"
        raise NoteError(msg)
    try:
        whole = data.decode()
    except UnicodeDecodeError as exc:
        msg = "a note that is not UTF-8"
        raise NoteError(msg) from exc
    text, gap, signed = whole.rpartition("\n\n")
    if not gap or not text or _CONTROL.search(whole):
        msg = "no text, an empty line and signatures"
        raise NoteError(msg)
    return Note(text + "\n", parse_signatures(signed))


def parse_signatures(text: str) -> tuple[NoteSignature, ...]:
    """The signature lines in `text`, which holds nothing else.

    Raises:
        NoteError: it holds none, too many, or something else.
    """
    lines = text.split("\n")
    if lines.pop() or not lines or len(lines) > _SIGNATURES_LIMIT:
        msg = "no whole lines of signatures, or too many"
        raise NoteError(msg)
    return tuple(_signature(each) for each in lines)


def parse_checkpoint(text: str) -> Checkpoint:
    """The checkpoint that a note's text is; extension lines are not ours, and refused.

    Raises:
        NoteError: it is none.
    """
    match text.split("\n"):
        case [origin, size, root, ""] if origin and _SIZE.fullmatch(size):
            decoded = _decoded(root)
            if len(decoded) == _HASH_BYTES:
                return Checkpoint(origin, int(size), decoded)
    msg = "not the three lines of a checkpoint"
    raise NoteError(msg)


def _signature(line: str) -> NoteSignature:
    match line.split(" "):
        case [dash, name, encoded] if dash == _DASH and _NAME.fullmatch(name):
            decoded = _decoded(encoded)
            if len(decoded) > _KEY_ID_BYTES:
                return NoteSignature(name, decoded[:_KEY_ID_BYTES], decoded[_KEY_ID_BYTES:])
    msg = "a line that is no signature"
    raise NoteError(msg)


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _decoded(text: str) -> bytes:
    """The bytes in `text`; base64 has bits to spare, and a second spelling of the same bytes is refused."""
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError as exc:
        msg = "not base64"
        raise NoteError(msg) from exc
    if _encoded(data) != text:
        msg = "base64 in a spelling that is not the only one"
        raise NoteError(msg)
    return data
