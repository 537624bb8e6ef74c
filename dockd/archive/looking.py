"""Proves what a plain tus server holds by fetching it back: it signs nothing, and checksums cover only pieces on the way."""

import asyncio
import base64
import hashlib
from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import quote

from blake3 import blake3
from yarl import URL

from dockd.archive.answers import error_for
from dockd.archive.introduction import lost_there
from dockd.archive.wire import Wire
from dockd.clock import Clock
from dockd.core.observation import ReadBack
from dockd.core.proof import ArchiveProof, StatementError, StatementKind, observe
from dockd.core.recording import Digests, Measured, StoredObject
from dockd.errors import ProofRefusedError, UploadLostError


def file_name(values: Mapping[str, str]) -> str:
    """What Upload-Metadata calls the file for a plain tus server: many give back nothing but that name and a type.

    It says whose the upload is, so that an object that was put in its place is not taken for it.
    """
    return "+".join(quote(values[key], safe="") for key in ("recording", "nonce", "dock", "camera"))


async def look(
    wire: Wire, url: URL, clock: Clock, *, kind: StatementKind, stored: StoredObject, nonce: str, dock: str, camera: str
) -> ArchiveProof:
    """Compare what the server was told of the object, and every byte of it, with what the dock knows.

    Raises:
        UploadLostError: the server does not have all of it.
        ProofRefusedError: it has something else.
        ArchiveError: it cannot be asked.
    """
    answer = await wire.ask("HEAD", url)
    await lost_there(wire, url, answer)
    if answer.status not in {HTTPStatus.OK, HTTPStatus.NO_CONTENT} or not answer.is_tus:
        raise error_for(answer, f"asking for {url}", now=clock.now())
    if answer.number("Upload-Offset") != answer.number("Upload-Length"):
        msg = f"the archive has not all of {url}"
        raise UploadLostError(msg)
    wanted = {
        "recording": stored.recording_id,
        "dock": dock,
        "camera": camera,
        "blake3": stored.measured.digests.blake3.hex(),
        "sha256": stored.measured.digests.sha256.hex(),
        "nonce": stored.nonce,
    }
    _compare(url, _metadata(answer.headers.get("Upload-Metadata", "")), wanted)
    size_bytes, both = 0, (blake3(), hashlib.sha256())

    def hashed(piece: bytes) -> None:
        for each in both:
            each.update(piece)

    async def taken(piece: bytes) -> None:
        nonlocal size_bytes
        size_bytes += len(piece)
        await asyncio.to_thread(hashed, piece)

    answer = await wire.fetch(url, taken)
    if answer.status != HTTPStatus.OK:
        raise error_for(answer, f"fetching {url} back", now=clock.now())
    seen = ReadBack(Measured(size_bytes, Digests(*(each.digest() for each in both))))
    try:
        proof = observe(
            seen,
            kind=kind,
            stored=stored,
            nonce=nonce,
            dock=dock,
            camera=camera,
            time=clock.now(),
        )
    except StatementError as exc:
        msg = f"what was fetched back from {url} proves nothing: {exc}"
        raise ProofRefusedError(msg) from exc
    return proof


def _compare(url: URL, said: Mapping[str, str], wanted: Mapping[str, str]) -> None:
    """Whose the object is, from what the server gives back of what it was told.

    Raises:
        ProofRefusedError: it is another's, or nobody can say whose.
    """
    if wanted.keys().isdisjoint(said):
        said, wanted = {"filename": said.get("filename", "")}, {"filename": file_name(wanted)}
    for key, want in wanted.items():
        if said.get(key) != want:
            msg = f"the archive says that {url} has {key} {said.get(key)!r}, not {want!r}"
            raise ProofRefusedError(msg)


def _metadata(header: str) -> dict[str, str]:
    """Upload-Metadata, as far as it can be read."""
    values = {}
    for pair in header.split(","):
        key, _, value = pair.strip().partition(" ")
        try:
            values[key] = base64.b64decode(value, validate=True).decode()
        except ValueError:
            continue
    return values
