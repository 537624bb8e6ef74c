"""Retries what may succeed later, for as long as it takes: a recording is never given up because the archive was away."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Self, TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_never

from dockd.archive.breaker import Breaker
from dockd.archive.protocol import Answered, Archive, Consignment, Progress, Witness
from dockd.clock import Clock
from dockd.core.note import Note
from dockd.core.proof import ArchiveProof
from dockd.core.recording import ResumePoint, StoredObject
from dockd.errors import ArchiveBusyError, ArchiveError, UploadLostError

_T = TypeVar("_T")

Report = Callable[[ArchiveError, float], None]
"""Told of every failure that is tried again, and in how many seconds: status says "archive unreachable" from it."""


PATIENCE_S = 3600.0
_SLOWEST_BYTES_S = 100_000
"""An archive that is fetched from is not taken for silent while the object is on its way."""


async def answered(asking: Awaitable[_T], about: StoredObject, patience_s: float = PATIENCE_S) -> _T:
    """What a patient archive answers about one object; one that its medium gives errors for would hold up all others for ever.

    Raises:
        ArchiveBusyError: no answer in `patience_s`, beside what fetching it takes.
        ArchiveError: as whoever is asked.
    """
    try:
        async with asyncio.timeout(patience_s + about.measured.size_bytes / _SLOWEST_BYTES_S):
            return await asking
    except TimeoutError as exc:
        msg = f"the archive gave no answer about {about.object_id} for {patience_s / 60:.0f} minutes"
        raise ArchiveBusyError(msg) from exc


class Retrying:
    """Wraps an archive; implements `dockd.archive.protocol.Archive`.

    Transient errors of the archive are tried again without end, exponentially later with full jitter (so that a thousand
    docks do not come back together), never before the archive's own Retry-After. An upload that moved on in between counts as
    news: the delays begin anew. While the archive is down one upload probes for all (`breaker`). Everything else is raised at
    once: permanent refusals, errors of the spool, and `UploadLostError` while proving, which only storing again can mend.
    """

    def __init__(
        self,
        inner: Archive,
        clock: Clock,
        report: Report,
        *,
        first_s: float = 1.0,
        most_s: float = 60.0,
        jitter: random.Random | None = None,
    ) -> None:
        self._inner, self._clock, self._report = inner, clock, report
        self._first_s, self._most_s = first_s, most_s
        self._breaker = Breaker(clock, first_s, most_s)
        self._jitter = jitter or random.Random()  # noqa: S311 - spreads load, guards nothing

    async def store(self, consignment: Consignment, resume: ResumePoint | None, progress: Progress) -> StoredObject:
        """As the protocol says; each try goes on from where the one before came to."""
        carried = _Carried(resume, progress, self._breaker.answered)

        async def once() -> StoredObject:
            return await self._breaker.attempt(lambda: self._inner.store(consignment, carried.point, carried.begun()))

        return await self.persist(once, _may_pass, carried.moved_on)

    async def prove(self, stored: StoredObject, *, camera: str) -> ArchiveProof:
        """As the protocol says."""

        async def once() -> ArchiveProof:
            return await self._inner.prove(stored, camera=camera)

        return await self.persist(once, _proof_may_pass)

    async def prove_again(
        self, stored: StoredObject, nonce: str, *, camera: str, retain_until: datetime | None = None
    ) -> ArchiveProof:
        """As the protocol says."""

        async def once() -> ArchiveProof:
            return await self._inner.prove_again(stored, nonce, camera=camera, retain_until=retain_until)

        return await self.persist(once, _proof_may_pass)

    async def hold(self, stored: StoredObject) -> bool:
        """As the protocol says."""

        async def once() -> bool:
            return await self._inner.hold(stored)

        return await self.persist(once, _proof_may_pass)

    async def close(self) -> None:
        """As the protocol says."""
        await self._inner.close()

    async def persist(
        self,
        once: Callable[[], Awaitable[_T]],
        may_pass: Callable[[BaseException], bool],
        moved_on: Callable[[], bool] = lambda: False,
    ) -> _T:
        """What `once` gives, as soon as it succeeds; it is tried until then or until it fails for good."""
        failures = 0

        def delay_s(state: RetryCallState) -> float:
            nonlocal failures
            failures = 1 if moved_on() else failures + 1
            ceiling_s = min(self._first_s * 2.0 ** min(failures - 1, 32), self._most_s)
            jitter_s = self._jitter.uniform(0, ceiling_s)
            error = _error_of(state)
            asked_s = error.retry_after_s if isinstance(error, ArchiveBusyError) else None
            return jitter_s if asked_s is None else asked_s + min(jitter_s, self._first_s)

        def tell(state: RetryCallState) -> None:
            error = _error_of(state)
            if isinstance(error, ArchiveError) and state.next_action is not None:
                self._report(error, float(state.next_action.sleep))

        return await AsyncRetrying(
            sleep=self._clock.sleep,
            stop=stop_never,
            wait=delay_s,
            retry=retry_if_exception(may_pass),
            before_sleep=tell,
            reraise=True,
        )(once)


class RetryingWitness:
    """Wraps a witness; implements `dockd.archive.protocol.Witness`. It is as patient as `patience`."""

    def __init__(self, inner: Witness, patience: Retrying) -> None:
        self._inner, self._patience = inner, patience

    async def add_checkpoint(self, note: Note, *, old_size: int, proof: Sequence[bytes], key: str) -> Answered:
        """As the protocol says."""

        async def once() -> Answered:
            return await self._inner.add_checkpoint(note, old_size=old_size, proof=proof, key=key)

        return await self._patience.persist(once, _may_pass)

    async def close(self) -> None:
        """As the protocol says."""
        await self._inner.close()


class _Carried:
    """A `Progress` that remembers where the next try goes on."""

    def __init__(self, point: ResumePoint | None, told: Progress, answered: Callable[[], None]) -> None:
        self.point = point
        self._told, self._answered = told, answered
        self._heard = False
        self._furthest_bytes = 0
        self._at_last_failure_bytes = 0

    def begun(self) -> Self:
        """A new try begins, of which nothing was heard yet."""
        self._heard = False
        return self

    async def placed(self, point: ResumePoint) -> None:
        """As the protocol says."""
        self._hear()
        await self._told.placed(point)
        self.point = point

    async def dropped(self, reason: str) -> None:
        """As the protocol says."""
        self.point = None
        self._furthest_bytes = self._at_last_failure_bytes = 0
        await self._told.dropped(reason)

    def sent(self, offset_bytes: int) -> None:
        """As the protocol says."""
        self._hear()
        self._furthest_bytes = max(self._furthest_bytes, offset_bytes)
        self._told.sent(offset_bytes)

    def _hear(self) -> None:
        """The archive said where the upload stands; what follows may be no more than what a socket's buffer took."""
        if not self._heard:
            self._heard = True
            self._answered()

    def moved_on(self) -> bool:
        """Whether more was sent since this was asked last."""
        before, self._at_last_failure_bytes = self._at_last_failure_bytes, self._furthest_bytes
        return self._furthest_bytes > before


def _error_of(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None


def _may_pass(error: BaseException) -> bool:
    """Whether the archive may take it later."""
    return isinstance(error, ArchiveError) and error.transient


def _proof_may_pass(error: BaseException) -> bool:
    """Whether the archive may prove it later; what it has lost it cannot."""
    return _may_pass(error) and not isinstance(error, UploadLostError)
