"""Keeps the custody log's checkpoints in the bucket, each under a key of its own that no later one can take.

A bucket witnesses nothing: whoever has the dock's keys can put there what they like. But what was put there stays, under Object
Lock where the site locks, and so a log that was rolled back or forked since differs from what lies there. The dock itself looks,
too: a checkpoint of a longer log, or another one of the same length, is an alarm.
"""

from collections.abc import Sequence
from datetime import timedelta
from urllib.parse import quote

from dockd.archive.protocol import Answered, Deposited
from dockd.archive.s3.settings import Lock, S3Settings
from dockd.archive.s3.wire import S3Wire
from dockd.clock import Clock
from dockd.core.note import NOTE_LIMIT_BYTES, Note, parse_checkpoint
from dockd.errors import ArchiveDeniedError, LogRefusedError, UploadLostError


class S3Keeper:
    """Implements `dockd.archive.protocol.Witness` for a store that cannot sign."""

    def __init__(self, settings: S3Settings, clock: Clock) -> None:
        self._settings, self._clock = settings, clock
        self._wire = S3Wire(settings)

    async def add_checkpoint(
        self,
        note: Note,
        *,
        old_size: int,  # noqa: ARG002 - as the protocol says, and so are the next two
        proof: Sequence[bytes],  # noqa: ARG002
        key: str,  # noqa: ARG002
    ) -> Answered:
        """Put it there, once.

        Raises:
            ArchiveError: transient.
            LogRefusedError: what lies there is not of this log.
        """
        checkpoint = parse_checkpoint(note.text)
        folder = f"{self._settings.prefix}checkpoints/{quote(checkpoint.origin.removeprefix('dockd/'), safe='/')}/"
        place = f"{folder}{checkpoint.size:016d}"
        if (longest := await self._after(folder, place)) is not None:
            msg = f"this log has {checkpoint.size} entries, but {longest} lies in the bucket: it was rolled back"
            raise LogRefusedError(msg)
        there = await self._there(place)
        if there is None:
            await self._put(place, note.encode())
        elif there != note.encode():
            msg = f"the bucket has another checkpoint of {checkpoint.size} entries of this log: it was rolled back, or forked"
            raise LogRefusedError(msg)
        return Deposited(self._settings.name, place)

    async def close(self) -> None:
        """As the protocol says."""
        await self._wire.close()

    async def _after(self, folder: str, place: str) -> str | None:
        """The first key of a longer log; None if there is none, or nobody may look."""
        listing = {"Prefix": folder, "StartAfter": place, "MaxKeys": 1}
        try:
            answer = await self._wire.ask("list_objects_v2", "listing checkpoints", listing)
        except ArchiveDeniedError:
            return None  # who may only write still keeps checkpoints; others look at them
        return next((str(each["Key"]) for each in answer.get("Contents", ())), None)

    async def _there(self, place: str) -> bytes | None:
        found = b""
        try:
            async with self._wire.fetch(f"reading {place}", Key=place) as pieces:
                async for piece in pieces:
                    found += piece
                    if len(found) > NOTE_LIMIT_BYTES:
                        return found  # longer than any checkpoint, so it is another
        except UploadLostError:
            return None
        return found

    async def _put(self, place: str, content: bytes) -> None:
        parameters: dict[str, object] = {"IfNoneMatch": "*"}  # of two that are put at once, only one stays
        if self._settings.lock is not Lock.NONE:
            until = (self._clock.now() + timedelta(days=self._settings.retain_days)).replace(microsecond=0)
            parameters |= {"ObjectLockMode": self._settings.lock.value, "ObjectLockRetainUntilDate": until}
        await self._wire.put(place, content, "text/plain; charset=utf-8", parameters)
