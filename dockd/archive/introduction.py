"""Gets to know an archive before evidence is sent to it: who it says it is, and whether it truly checks checksums."""

import base64
import hashlib
import json
import secrets
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from http import HTTPStatus

from blake3 import blake3
from yarl import URL

from dockd.archive.answers import CHECKSUM_MISMATCH, TUS_VERSION, Answer, error_for
from dockd.archive.pace import Pace
from dockd.archive.reading import HASHERS
from dockd.archive.settings import TusSettings
from dockd.archive.wire import PieceBody, Wire
from dockd.clock import Clock
from dockd.errors import ArchiveDeniedError, ArchiveError, ArchiveUnreachableError, UploadLostError

BODY_TYPE = "application/offset+octet-stream"

_LITTLE_BYTES, _CANARY_BYTES = 64 * 1024, 1024 * 1024
"""Sent first, on any way; and then, if that took no time, large enough that the time it takes says how fast the way is."""

_NO_TIME_S = 0.2


@dataclass(frozen=True, slots=True)
class Identity:
    """Who an archive says it is.

    Attributes:
        archive_id: what its statements will name.
        signs: whether it has dockd's interface for proofs, beyond plain tus.
        witnesses: whether it cosigns custody logs.
        looked_at: whether the dock proves by its own look what this archive holds, since it signs nothing.
    """

    archive_id: str
    signs: bool
    witnesses: bool = False
    looked_at: bool = False


def metadata_header(values: Mapping[str, str]) -> str:
    """Upload-Metadata."""
    return ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in values.items())


def created_at(answer: Answer, endpoint: URL) -> URL:
    """Where the archive put a new upload: always under our own endpoint, whatever host the archive believes that it has.

    Behind a proxy an archive often names its inner address; only the name of the upload is taken from it, so that neither
    evidence nor the token ever goes elsewhere.

    Raises:
        ArchiveUnreachableError: it names no place under the endpoint's path.
    """
    location = answer.headers.get("Location", "")
    try:
        url = endpoint.join(URL(location))
    except ValueError:
        url = endpoint
    if not url.name or url.parent.path.rstrip("/") != endpoint.path.rstrip("/"):
        msg = f"the archive made an upload at {location!r}, which is not under {endpoint}"
        raise ArchiveUnreachableError(msg)
    return endpoint / url.name


async def identify(wire: Wire, settings: TusSettings, clock: Clock) -> Identity:
    """Ask who the archive is, and compare with what the site file says.

    Raises:
        ArchiveDeniedError: it is another one, or signs with another key; the admin must look before anything is sent there.
        ArchiveError: as the wire says.
    """
    if settings.read_back and settings.archive_id is not None:
        return Identity(settings.archive_id, signs=False, looked_at=True)  # nobody who could introduce himself
    url = URL(settings.url).join(URL("../archive"))
    answer = await wire.ask("GET", url, public=True)
    if answer.status in {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED} and settings.archive_id is not None:
        return Identity(settings.archive_id, signs=False)
    if answer.status != HTTPStatus.OK:
        raise error_for(answer, f"GET {url}", now=clock.now())
    try:
        match json.loads(answer.body):
            case {"archive": str(archive_id), "key": str(key), **others} if archive_id:
                witnesses = others.get("witness") is True
            case _:
                msg = "no archive and key in it"
                raise ValueError(msg)
    except (ValueError, RecursionError) as exc:
        msg = f"GET {url}: that is not an archive's introduction: {answer.words}"
        raise ArchiveUnreachableError(msg) from exc
    if settings.archive_id not in {None, archive_id}:
        msg = f"the archive at {url.origin()} calls itself {archive_id!r}; the site file names {settings.archive_id!r}"
        raise ArchiveDeniedError(msg, hint="Admins: check archive.url, archive.id and the network; nothing is sent until then.")
    if settings.archive_id is None and settings.bound_id not in {None, archive_id}:
        msg = (
            f"the archive at {url.origin()} calls itself {archive_id!r}, but this dock's recordings went to "
            f"{settings.bound_id!r}, and the site file names neither"
        )
        raise ArchiveDeniedError(
            msg, hint="Admins: if the archive was replaced, name the new one as archive.id; nothing is sent until then."
        )
    if key not in settings.pinned_keys:
        msg = f"the archive at {url.origin()} signs with {key!r}, which the site file does not pin"
        raise ArchiveDeniedError(msg, hint="Admins: check archive.url and archive.key; nothing is sent until then.")
    return Identity(archive_id, signs=True, witnesses=witnesses)


async def lost_there(wire: Wire, url: URL, answer: Answer) -> None:
    """Whether a 404 or 410 about an upload is a plain server's own word, where it does not say in it that it speaks tus.

    Some of them leave Tus-Resumable out of their errors, so the endpoint is asked, by the same way: if tus answers there, it did
    here. The worst that a proxy in between can bring about is that bytes are sent again.

    Raises:
        UploadLostError: the archive does not know the upload.
        ArchiveError: it cannot be asked.
    """
    if not wire.plain or answer.is_tus or answer.status not in {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}:
        return
    options = await wire.ask("OPTIONS", url.parent / "", public=True)
    if (
        options.status in {HTTPStatus.OK, HTTPStatus.NO_CONTENT}
        and options.is_tus
        and TUS_VERSION in _listed(options, "Tus-Version")
    ):
        msg = f"the archive does not know {url}: it answered {answer.status}"
        raise UploadLostError(msg)


async def sound_out(wire: Wire, settings: TusSettings, clock: Clock) -> Pace:
    """Find out what the archive checks, by sending it one wrong checksum, and how fast the way is.

    Raises:
        ArchiveError: it cannot be asked now.
    """
    endpoint = URL(settings.url)
    answer = await wire.ask("OPTIONS", endpoint, public=True)
    versions = _listed(answer, "Tus-Version")
    if answer.status not in {HTTPStatus.OK, HTTPStatus.NO_CONTENT} or TUS_VERSION not in versions:
        if answer.status < HTTPStatus.BAD_REQUEST:
            msg = f"OPTIONS {endpoint}: what answered is not a tus {TUS_VERSION} archive: {answer.status} {answer.words}"
            raise ArchiveUnreachableError(msg)
        raise error_for(answer, f"OPTIONS {endpoint}", now=clock.now())
    offered = _listed(answer, "Tus-Checksum-Algorithm") if "checksum" in _listed(answer, "Tus-Extension") else set()
    algorithm = next((name for name in HASHERS if name in offered), None)
    pace = Pace(None, 0.0, settings.patch_size_bytes, settings.whole_limit_bytes)
    if algorithm is not None and await _checks(wire, settings, clock, algorithm, pace):
        pace.algorithm = algorithm
    return pace


async def _checks(wire: Wire, settings: TusSettings, clock: Clock, algorithm: str, pace: Pace) -> bool:
    """Whether a wrong checksum is refused and nothing of its body kept; `pace` learns how fast the body went."""
    body = bytes(_CANARY_BYTES)
    values = {
        "recording": secrets.token_hex(16),
        "dock": settings.dock,
        "camera": "dockd-canary",
        "docking": "dockd-canary",
        "name": "dockd-canary",
        "size": str(len(body)),
        "blake3": blake3(body).hexdigest(),
        "sha256": hashlib.sha256(body).hexdigest(),
        "nonce": secrets.token_hex(16),
    }
    headers = {"Upload-Length": str(len(body)), "Upload-Metadata": metadata_header(values)}
    endpoint = URL(settings.url)
    created = await wire.ask("POST", endpoint, headers=headers)
    if created.status != HTTPStatus.CREATED or not created.is_tus:
        raise error_for(created, "creating an upload to try checksums on", now=clock.now())
    upload = created_at(created, endpoint)
    try:
        wrong = base64.b64encode(HASHERS[algorithm]().digest()).decode()
        headers = {"Upload-Offset": "0", "Content-Type": BODY_TYPE, "Upload-Checksum": f"{algorithm} {wrong}"}
        for size_bytes in (_LITTLE_BYTES, _CANARY_BYTES):
            began_s = clock.monotonic()
            # Piece by piece, so that a narrow way is given its time as long as something moves.
            sent = PieceBody(_pieces(body[:size_bytes]), size_bytes, lambda _handed_bytes: None)
            patched = await wire.ask("PATCH", upload, headers=headers, body=sent)
            took_s = clock.monotonic() - began_s
            pace.learn(size_bytes, took_s)
            if patched.status != CHECKSUM_MISMATCH:
                return False
            if took_s > _NO_TIME_S:
                break
        asked = await wire.ask("HEAD", upload)
        return asked.number("Upload-Offset") == 0
    finally:
        await _withdraw(wire, upload)


async def _pieces(body: bytes) -> AsyncGenerator[memoryview, None]:
    yield memoryview(body)


async def _withdraw(wire: Wire, upload: URL) -> None:
    """End the canary's upload; where that fails it expires."""
    try:
        await wire.ask("DELETE", upload)
    except ArchiveError:
        return


def _listed(answer: Answer, header: str) -> set[str]:
    return {word.strip() for word in answer.headers.get(header, "").split(",")}
