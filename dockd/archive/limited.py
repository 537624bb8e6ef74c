"""Lets only so many recordings be on their way at once: a narrow link is better used one recording after the other."""

import asyncio
from datetime import datetime

from dockd.archive.protocol import Archive, Consignment, Progress
from dockd.core.proof import ArchiveProof
from dockd.core.recording import ResumePoint, StoredObject


class Limited:
    """Wraps an archive; implements `dockd.archive.protocol.Archive`.

    Put it inside `Retrying`, so that a recording that waits for its next try keeps no other from its turn. Proofs have turns of
    their own: a recording that is all sent never waits behind one that is not.
    """

    def __init__(self, inner: Archive, at_once: int) -> None:
        if at_once < 1:
            msg = f"{at_once} uploads at once would never send anything"
            raise ValueError(msg)
        self._inner = inner
        self._uploads = asyncio.Semaphore(at_once)
        self._proofs = asyncio.Semaphore(at_once)

    async def store(self, consignment: Consignment, resume: ResumePoint | None, progress: Progress) -> StoredObject:
        """As the protocol says."""
        async with self._uploads:
            return await self._inner.store(consignment, resume, progress)

    async def prove(self, stored: StoredObject, *, camera: str) -> ArchiveProof:
        """As the protocol says."""
        async with self._proofs:
            return await self._inner.prove(stored, camera=camera)

    async def prove_again(
        self, stored: StoredObject, nonce: str, *, camera: str, retain_until: datetime | None = None
    ) -> ArchiveProof:
        """As the protocol says."""
        async with self._proofs:
            return await self._inner.prove_again(stored, nonce, camera=camera, retain_until=retain_until)

    async def hold(self, stored: StoredObject) -> bool:
        """As the protocol says."""
        async with self._proofs:
            return await self._inner.hold(stored)

    async def close(self) -> None:
        """As the protocol says."""
        await self._inner.close()
