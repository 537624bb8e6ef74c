"""Reads tus headers: pure functions from text to values, with a refusal in words for everything else."""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from dockd.clock import parse_rfc3339
from dockd.core.recording import Digests
from dockd.vault.refusal import RefusedError

VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,checksum,expiration,termination"
CHECKSUM_ALGORITHMS = {"sha256": 32, "sha1": 20, "blake3": 32}
BODY_TYPE = "application/offset+octet-stream"

REQUIRED_METADATA = ("recording", "camera", "blake3", "sha256", "nonce")
_NAME_LIMIT = 256
_RETAIN_LIMIT_DAYS = 36_500
_LARGEST = 2**63 - 1

_DECIMAL = re.compile(r"[0-9]{1,19}", re.ASCII)
_RECORDING = re.compile(r"[0-9a-f]{32}", re.ASCII)
_NONCE = re.compile(r"[0-9a-fA-F]{16,64}", re.ASCII)
_METADATA_KEY = re.compile(r"[!-+\--~]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Announcement:
    """What a dock says that it is about to send.

    Attributes:
        length_bytes: all of the recording.
        recording_id, camera, nonce: repeated in the receipt.
        digests: what the vault must find when it reads back what it stored.
        retain_days: asked for by the dock; 0 when it asked for nothing.
    """

    length_bytes: int
    recording_id: str
    camera: str
    nonce: str
    digests: Digests
    retain_days: int


@dataclass(frozen=True, slots=True)
class BodyChecksum:
    """What the bytes of one request body must hash to."""

    algorithm: str
    digest: bytes


def decimal(headers: Mapping[str, str], name: str) -> int:
    """The non-negative number in header `name`.

    Raises:
        RefusedError: 400, there is none.
    """
    text = headers.get(name)
    if text is None:
        msg = f"The {name} header is missing; send it as a decimal number of bytes."
        raise RefusedError(400, msg)
    if not _DECIMAL.fullmatch(text) or int(text) > _LARGEST:
        msg = f"{name}: {text[:40]!r} is not a decimal number of bytes."
        raise RefusedError(400, msg)
    return int(text)


def metadata(header: str) -> dict[str, str]:
    """Upload-Metadata: comma-separated pairs of key and base64 value; a value may be absent.

    Raises:
        RefusedError: 400, naming the pair that cannot be read.
    """
    found: dict[str, str] = {}
    for pair in header.split(",") if header.strip() else ():
        key, _, encoded = pair.strip(" ").partition(" ")
        if not _METADATA_KEY.fullmatch(key):
            msg = f"Upload-Metadata: {key[:40]!r} is not a key (printable ASCII without space and comma)."
            raise RefusedError(400, msg)
        if key in found:
            msg = f"Upload-Metadata: {key[:40]!r} is there twice."
            raise RefusedError(400, msg)
        try:
            found[key] = base64.b64decode(encoded.encode("ascii"), validate=True).decode()
        except (binascii.Error, UnicodeError) as exc:
            msg = f"Upload-Metadata: the value of {key[:40]!r} is not base64 of UTF-8 text."
            raise RefusedError(400, msg) from exc
    return found


def announcement(header: str, *, length_bytes: int, dock: str) -> Announcement:
    """What Upload-Metadata announces for an upload by `dock`, whose token was accepted.

    Raises:
        RefusedError: 400 naming what is missing or wrong; 403 when it names another dock.
    """
    found = metadata(header)
    missing = [key for key in REQUIRED_METADATA if not found.get(key)]
    if missing:
        msg = f"Upload-Metadata lacks: {', '.join(missing)}."
        raise RefusedError(400, msg)
    if found.get("dock", dock) != dock:
        msg = f"This token is dock {dock!r}'s; it cannot send for dock {found['dock'][:40]!r}."
        raise RefusedError(403, msg)
    if found.get("size", str(length_bytes)) != str(length_bytes):
        msg = f"Upload-Metadata says size {found['size'][:20]!r}, Upload-Length says {length_bytes}."
        raise RefusedError(400, msg)
    _match("recording", found["recording"], _RECORDING, "32 lower-case hexadecimal digits")
    if len(found["camera"]) > _NAME_LIMIT:
        msg = f"Upload-Metadata: camera is longer than {_NAME_LIMIT} characters."
        raise RefusedError(400, msg)
    retain_days = found.get("retain_days", "0")
    if not _DECIMAL.fullmatch(retain_days) or int(retain_days) > _RETAIN_LIMIT_DAYS:
        msg = f"Upload-Metadata: retain_days is not a decimal number up to {_RETAIN_LIMIT_DAYS}."
        raise RefusedError(400, msg)
    try:
        digests = Digests.from_hex(found["blake3"], found["sha256"])
    except ValueError as exc:
        msg = "Upload-Metadata: blake3 and sha256 are 64 hexadecimal digits each."
        raise RefusedError(400, msg) from exc
    return Announcement(
        length_bytes=length_bytes,
        recording_id=found["recording"],
        camera=found["camera"],
        nonce=nonce(found["nonce"]),
        digests=digests,
        retain_days=int(retain_days),
    )


def nonce(text: object) -> str:
    """A dock's random word.

    Raises:
        RefusedError: 400, it is not 16 to 64 hexadecimal digits.
    """
    if not isinstance(text, str):
        msg = "The nonce is not a string."
        raise RefusedError(400, msg)
    _match("nonce", text, _NONCE, "16 to 64 hexadecimal digits")
    return text


def retain_until(text: object, now: datetime) -> datetime:
    """Until when a dock asks to keep what it sent.

    Raises:
        RefusedError: 400, it is no RFC 3339 time with a zone, or too far away.
    """
    try:
        asked = parse_rfc3339(text if isinstance(text, str) else "")
    except ValueError as exc:
        msg = "retain_until is not an RFC 3339 time with a zone."
        raise RefusedError(400, msg) from exc
    if asked > now + timedelta(days=_RETAIN_LIMIT_DAYS):
        msg = f"retain_until is more than {_RETAIN_LIMIT_DAYS} days away."
        raise RefusedError(400, msg)
    return asked


def body_checksum(header: str | None) -> BodyChecksum | None:
    """Upload-Checksum: algorithm, a space, base64 of the digest.

    Raises:
        RefusedError: 400, an algorithm that is not offered or a digest that cannot be one.
    """
    if header is None:
        return None
    algorithm, _, encoded = header.strip().partition(" ")
    if algorithm not in CHECKSUM_ALGORITHMS:
        msg = f"Upload-Checksum: {algorithm[:40]!r} is not offered; use one of {', '.join(CHECKSUM_ALGORITHMS)}."
        raise RefusedError(400, msg)
    try:
        digest = base64.b64decode(encoded.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeError) as exc:
        msg = "Upload-Checksum: the digest is not base64."
        raise RefusedError(400, msg) from exc
    if len(digest) != CHECKSUM_ALGORITHMS[algorithm]:
        msg = f"Upload-Checksum: a {algorithm} digest has {CHECKSUM_ALGORITHMS[algorithm]} bytes, not {len(digest)}."
        raise RefusedError(400, msg)
    return BodyChecksum(algorithm, digest)


def _match(what: str, text: str, pattern: re.Pattern[str], wanted: str) -> None:
    if not pattern.fullmatch(text):
        msg = f"{what}: {text[:80]!r} is not {wanted}."
        raise RefusedError(400, msg)
