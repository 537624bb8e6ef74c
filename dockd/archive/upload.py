"""Brings one recording's bytes into one upload: PATCH by PATCH, from the archive's own offset, hashed again on their way."""

import base64
import contextlib
from collections.abc import AsyncIterator
from http import HTTPStatus

from yarl import URL

from dockd.archive.answers import Answer, error_for
from dockd.archive.introduction import BODY_TYPE, lost_there
from dockd.archive.pace import Pace
from dockd.archive.protocol import Consignment, Progress
from dockd.archive.reading import SpoolFile, SpoolPass
from dockd.archive.wire import PieceBody, Wire
from dockd.clock import Clock
from dockd.core.recording import VerifiedRecording
from dockd.errors import ArchiveBusyError, ArchiveRefusedError, ArchiveUnreachableError


class OtherUploadError(ArchiveRefusedError):
    """The archive says things about this upload that cannot be true of it."""

    default_hint = "The archive's answers are wrong; treat it as tampering until explained. The recording is kept."


class Upload:
    """One upload at the archive, and what a call of `store` needs to bring it to its end.

    Args:
        wire: the archive's connections.
        clock: to measure, and to read dates.
        url: of the upload.
        pace: what is known about the way.
    """

    def __init__(self, wire: Wire, clock: Clock, url: URL, pace: Pace) -> None:
        self._wire, self._clock, self._url, self._pace = wire, clock, url, pace

    async def offset(self, size_bytes: int) -> int:
        """Where the archive stands.

        Raises:
            OtherUploadError: this cannot be our upload.
            UploadLostError: the archive does not know it.
            ArchiveError: it cannot be asked.
        """
        answer = await self._wire.ask("HEAD", self._url)
        await lost_there(self._wire, self._url, answer)
        if answer.status not in {HTTPStatus.OK, HTTPStatus.NO_CONTENT} or not answer.is_tus:
            raise error_for(answer, f"asking how far {self._url} came", now=self._clock.now())
        offset_bytes, length_bytes = answer.number("Upload-Offset"), answer.number("Upload-Length")
        if offset_bytes is None:
            msg = f"the archive does not say how far {self._url} came"
            raise ArchiveUnreachableError(msg)
        if length_bytes != size_bytes or offset_bytes > size_bytes:
            msg = (
                f"the archive says that {self._url} stands at byte {offset_bytes} of {length_bytes}, "
                f"but {size_bytes} bytes are to be sent there"
            )
            raise OtherUploadError(msg)
        return offset_bytes

    async def send(self, consignment: Consignment, offset_bytes: int, progress: Progress) -> None:
        """Send what the archive has not; nothing when it has all.

        When the archive stands elsewhere than it said (409) it is asked again, once.

        Raises:
            SpoolMismatchError: the spool's bytes are no longer those that were verified; the upload is left incomplete.
            ArchiveError: the break; a later call goes on from the archive's offset.
        """
        size_bytes = consignment.verified.measured.size_bytes
        asked_again = False
        async with _opened_twice(consignment) as (file, ahead):
            while offset_bytes < size_bytes:
                reading = SpoolPass(file)
                await reading.skip_to(offset_bytes)
                conflict = await self._send_from(reading, ahead, consignment.verified, progress)
                if conflict is None:
                    return
                if asked_again:
                    msg = f"the archive's offset of {self._url} keeps changing: someone else seems to send there too"
                    raise ArchiveBusyError(msg)
                asked_again = True
                offset_bytes = await self.offset(size_bytes)

    async def _send_from(
        self, reading: SpoolPass, ahead: SpoolFile, verified: VerifiedRecording, progress: Progress
    ) -> Answer | None:
        """PATCH after PATCH to the end; the answer if it was 409."""
        size_bytes = verified.measured.size_bytes
        coming = None
        count_bytes = self._pace.next_patch_bytes(reading.position_bytes, size_bytes)
        try:
            while True:
                start_bytes = reading.position_bytes
                end_bytes = start_bytes + count_bytes
                digest = await coming if coming else await self._digest(ahead, start_bytes, count_bytes)
                next_bytes = self._pace.next_patch_bytes(end_bytes, size_bytes) if end_bytes < size_bytes else 0
                if self._pace.algorithm is not None and next_bytes:
                    coming = ahead.run(ahead.digest_range, self._pace.algorithm, end_bytes, next_bytes)
                answer = await self._patch(reading, count_bytes, digest, progress)
                if answer.status == HTTPStatus.CONFLICT and answer.is_tus:
                    return answer
                self._judge(answer, start_bytes, end_bytes)
                progress.sent(end_bytes)
                if end_bytes == size_bytes:
                    return None
                count_bytes = next_bytes
        finally:
            if coming:
                coming.cancel()

    def _judge(self, answer: Answer, start_bytes: int, end_bytes: int) -> None:
        """Believe that a body was taken only if the archive says so, and says where it stands now."""
        doing = f"sending bytes {start_bytes} to {end_bytes} of {self._url}"
        if answer.status != HTTPStatus.NO_CONTENT or not answer.is_tus:
            raise error_for(answer, doing, now=self._clock.now())
        if answer.number("Upload-Offset") != end_bytes:
            msg = f"{doing}: the archive took them but says that it stands at {answer.headers.get('Upload-Offset')!r}"
            raise ArchiveUnreachableError(msg)

    async def _digest(self, ahead: SpoolFile, start_bytes: int, count_bytes: int) -> bytes | None:
        """The checksum of the first PATCH; a whole recording's is known."""
        digests = ahead.verified.measured.digests
        match self._pace.algorithm:
            case None:
                return None
            case "blake3" if count_bytes == ahead.verified.measured.size_bytes:
                return digests.blake3
            case "sha256" if count_bytes == ahead.verified.measured.size_bytes:
                return digests.sha256
            case algorithm:
                return await ahead.run(ahead.digest_range, algorithm, start_bytes, count_bytes)

    async def _patch(self, reading: SpoolPass, count_bytes: int, digest: bytes | None, progress: Progress) -> Answer:
        """Send one body, and learn how fast it went, whether it arrived or not."""
        start_bytes = reading.position_bytes
        headers = {"Upload-Offset": str(start_bytes), "Content-Type": BODY_TYPE}
        if digest is not None:
            headers["Upload-Checksum"] = f"{self._pace.algorithm} {base64.b64encode(digest).decode()}"
        body = PieceBody(reading.pieces(count_bytes), count_bytes, lambda handed: progress.sent(start_bytes + handed))
        began_s = self._clock.monotonic()
        try:
            answer = await self._wire.ask("PATCH", self._url, headers=headers, body=body, work_bytes=count_bytes)
        except ArchiveUnreachableError:
            self._pace.broke(count_bytes, body.handed_bytes, self._clock.monotonic() - began_s)
            raise
        if answer.status == HTTPStatus.NO_CONTENT:
            self._pace.learn(count_bytes, self._clock.monotonic() - began_s)
        return answer


@contextlib.asynccontextmanager
async def _opened_twice(consignment: Consignment) -> AsyncIterator[tuple[SpoolFile, SpoolFile]]:
    """The recording's bytes for sending, and for hashing ahead; two threads, so that neither waits for the other."""
    async with (
        SpoolFile(consignment.path, consignment.verified) as file,
        SpoolFile(consignment.path, consignment.verified) as ahead,
    ):
        yield file, ahead
