"""The archive as witness of the custody log: asks the vault's `add-checkpoint` (C2SP tlog-witness) for one cosignature.

A plain tus server witnesses nothing. It is sent each checkpoint as an upload, so that it lies beside the recordings, elsewhere
than on the dock: whoever doubts the log later compares it with what lies there.
"""

import asyncio
import base64
import hashlib
from collections.abc import Sequence
from http import HTTPStatus

from yarl import URL

from dockd.archive.answers import error_for
from dockd.archive.introduction import BODY_TYPE, Identity, created_at, identify, metadata_header
from dockd.archive.protocol import Answered, Cosigned, Deposited, Elsewhere, NoWitness
from dockd.archive.settings import TusSettings
from dockd.archive.wire import Wire
from dockd.clock import Clock
from dockd.core.note import Note, NoteError, key_name, parse_checkpoint, parse_signatures
from dockd.dsse import PinnedKeys
from dockd.errors import ArchiveUnreachableError, LogRefusedError

_SIZE_TYPE = "text/x.tlog.size"
_REFUSALS = {HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY}


class TusWitness:
    """Implements `dockd.archive.protocol.Witness`."""

    def __init__(self, settings: TusSettings, clock: Clock) -> None:
        self._settings, self._clock = settings, clock
        self._keys = PinnedKeys(*settings.pinned_keys)
        self._wire = Wire(settings)
        self._meeting = asyncio.Lock()
        self._identity: Identity | None = None

    async def add_checkpoint(self, note: Note, *, old_size: int, proof: Sequence[bytes], key: str) -> Answered:
        """As the protocol says."""
        async with self._meeting:
            if self._identity is None:
                self._identity = await identify(self._wire, self._settings, self._clock)
        if not self._identity.signs:
            return Deposited(self._identity.archive_id, await self._deposit(note))
        if not self._identity.witnesses:
            return NoWitness()
        lines = [f"old {old_size}", *(base64.b64encode(each).decode() for each in proof)]
        body = "\n".join(lines).encode() + b"\n\n" + note.encode()
        url = URL(self._settings.url).join(URL("../add-checkpoint"))
        answer = await self._wire.ask("POST", url, headers={"Dockd-Log-Key": key}, body=body)
        if answer.status == HTTPStatus.CONFLICT and answer.headers.get("Content-Type", "") == _SIZE_TYPE and answer.is_tus:
            return Elsewhere(_size(answer.body))
        if answer.status in _REFUSALS and answer.is_tus:
            raise LogRefusedError(answer.words)
        if answer.status != HTTPStatus.OK:
            raise error_for(answer, f"POST {url}", now=self._clock.now())
        return self._checked(note, answer.body, self._identity.archive_id)

    async def close(self) -> None:
        """As the protocol says."""
        await self._wire.close()

    async def _deposit(self, note: Note) -> str:
        """The checkpoint as an upload of its own, of a few hundred bytes; what breaks is begun anew."""
        checkpoint, content, endpoint = parse_checkpoint(note.text), note.encode(), URL(self._settings.url)
        name = f"checkpoint-{key_name(checkpoint.origin).replace('/', '-')}-{checkpoint.size:016d}.txt"
        values = {
            "filename": name,
            "filetype": "text/plain",
            "dock": self._settings.dock,
            "log": checkpoint.origin,
            "size": str(checkpoint.size),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        headers = {"Upload-Length": str(len(content)), "Upload-Metadata": metadata_header(values)}
        created = await self._wire.ask("POST", endpoint, headers=headers)
        if created.status != HTTPStatus.CREATED or not created.is_tus:
            raise error_for(created, f"announcing {name}", now=self._clock.now())
        upload = created_at(created, endpoint)
        headers = {"Upload-Offset": "0", "Content-Type": BODY_TYPE}
        patched = await self._wire.ask("PATCH", upload, headers=headers, body=content)
        if not patched.is_tus or patched.number("Upload-Offset") != len(content):
            raise error_for(patched, f"sending {name}", now=self._clock.now())
        return upload.name

    def _checked(self, note: Note, body: bytes, archive: str) -> Cosigned:
        """The cosignature in an answer, if it is one under the pinned key; what else came with it is left out."""
        try:
            found = self._keys.cosigned_at(Note(note.text, parse_signatures(body.decode())), key_name(archive))
        except (NoteError, UnicodeDecodeError) as exc:
            msg = f"the archive answered a checkpoint with something else: {exc}"
            raise ArchiveUnreachableError(msg) from exc
        if found is None:
            msg = "the archive cosigned the checkpoint with a key that is not the pinned one"
            raise LogRefusedError(msg)
        line, time_s = found
        return Cosigned(Note(note.text, (*note.signatures, line)), time_s)


def _size(body: bytes) -> int:
    text = body.decode("ascii", "replace").strip()
    if not text.isdigit() or len(text) > 16:  # noqa: PLR2004 - as long as a checkpoint's size may be
        msg = "the archive does not say where the log stands"
        raise ArchiveUnreachableError(msg)
    return int(text)
