"""Brings one recording's bytes into one multipart upload: part by part, what is there already proved and not sent again."""

import asyncio
import base64
import hashlib
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from functools import partial

from blake3 import blake3

from dockd.archive.protocol import Consignment, Progress
from dockd.archive.reading import Hasher, SpoolFile, buffer_for
from dockd.archive.s3.manifest import Place
from dockd.archive.s3.wire import S3Wire
from dockd.core.concurrency import Concurrency
from dockd.errors import ArchiveChecksumError, ArchiveUnreachableError, DockError

_AHEAD = 1
"""Parts that are read and hashed while as many as may are on their way."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A part that the store says it has.

    Attributes:
        etag: its name for the part's bytes, in quotes.
        sha256: base64; empty where the store names none.
    """

    size_bytes: int
    etag: str
    sha256: str


@dataclass(slots=True)
class _Hashers:
    """Several digests of the same bytes; implements `reading.Hasher`."""

    hashers: tuple[Hasher, ...]

    def update(self, data: memoryview, /) -> None:
        for each in self.hashers:
            each.update(data)

    def digest(self) -> bytes:
        return self.hashers[0].digest()


@dataclass(frozen=True, slots=True)
class Sent:
    """What an upload consists of.

    Attributes:
        parts: for its completion, in order.
        checksum: composite, as S3 writes it: base64 of the SHA-256 of the parts' SHA-256, and how many there are.
    """

    parts: tuple[Mapping[str, object], ...]
    checksum: str


@dataclass(slots=True)
class _Progressing:
    """Counts over all parts that are under way."""

    told: Progress
    done_bytes: int = 0
    handed: dict[int, int] = field(default_factory=dict)

    def moved(self, number: int, handed_bytes: int) -> None:
        self.handed[number] = handed_bytes
        self.told.sent(self.done_bytes + sum(self.handed.values()))

    def done(self, number: int, size_bytes: int) -> None:
        self.handed.pop(number, None)
        self.done_bytes += size_bytes


class _Lanes:
    """The parts that are on their way together.

    One that breaks off lets the others arrive, for what the store has is not sent again; and after it fewer go together, so that
    a link that breaks again and again costs less than a part each time.

    Args:
        group: whose tasks they are.
        at_once: how many there may be now.
    """

    def __init__(self, group: asyncio.TaskGroup, at_once: Concurrency) -> None:
        self._group, self._at_once = group, at_once
        self._under_way: set[asyncio.Task[None]] = set()
        self._broken: list[DockError] = []

    async def send(self, sending: Callable[[], Coroutine[None, None, None]]) -> bool:
        """Begin with one as soon as there is a lane for it; whether it was begun, for after a break none is."""
        self._under_way = {each for each in self._under_way if not each.done()}
        while len(self._under_way) >= self._at_once.allowed:
            _, self._under_way = await asyncio.wait(self._under_way, return_when=asyncio.FIRST_COMPLETED)
        if not self._broken:
            self._under_way.add(self._group.create_task(self._watched(sending)))
        return not self._broken

    async def _watched(self, sending: Callable[[], Coroutine[None, None, None]]) -> None:
        try:
            await sending()
        except DockError as error:
            self._at_once.failed()
            self._broken.append(error)
        else:
            self._at_once.went_well()

    def judge(self) -> None:
        """Raise what broke: an error that will not pass by waiting before one that may."""
        if self._broken:
            raise min(self._broken, key=lambda error: error.transient)


class Parts:
    """One upload, and what one call of `store` needs to bring it to its end.

    Args:
        wire: the store's connections.
        place: the upload.
        at_once: how many parts may be on their way together; told how they fare.
        checks: whether the store was seen to check checksums.
    """

    def __init__(self, wire: S3Wire, place: Place, at_once: Concurrency, *, checks: bool) -> None:
        self._wire, self._place, self._at_once, self._checks = wire, place, at_once, checks

    async def listed(self) -> dict[int, Listed]:
        """What the store has, by part number.

        Raises:
            UploadLostError: it does not know the upload.
            ArchiveError: it cannot be asked.
        """
        parts: dict[int, Listed] = {}
        marker = 0
        while True:
            answer = await self._wire.ask(
                "list_parts", f"listing the parts of {self._place.key}", {"PartNumberMarker": marker, **self._target}
            )
            if answer.get("UploadId") != self._place.upload_id:
                msg = f"listing the parts of {self._place.key}: what answered is not the store"
                raise ArchiveUnreachableError(msg)
            for part in answer.get("Parts", ()):
                parts[part["PartNumber"]] = Listed(part["Size"], part["ETag"], part.get("ChecksumSHA256", ""))
            following = answer.get("NextPartNumberMarker", 0)
            if not answer.get("IsTruncated") or following <= marker:
                return parts
            marker = following

    async def send(self, consignment: Consignment, there: Mapping[int, Listed] | None, progress: Progress) -> Sent:
        """Read everything, send what is not there.

        Args:
            consignment: the recording.
            there: what `listed` gave; None if nothing is to be sent any more, because the upload was completed.
            progress: told.

        Raises:
            SpoolMismatchError: the spool's bytes are no longer those that were verified; the upload must not be completed.
            ArchiveError: the break; a later call goes on from what the store has.
        """
        measured = consignment.verified.measured
        count = max(1, -(-measured.size_bytes // self._place.part_bytes))
        digests: list[bytes] = []
        etags = [""] * count
        counting = _Progressing(progress, sum(each.size_bytes for each in (there or {}).values()))
        whole = blake3()
        try:
            async with SpoolFile(consignment.path, consignment.verified) as file, asyncio.TaskGroup() as group:
                lanes = _Lanes(group, self._at_once)
                buffers: asyncio.Queue[memoryview] = asyncio.Queue()
                for _ in range(min(self._at_once.most + _AHEAD, count)):
                    buffers.put_nowait(buffer_for(min(self._place.part_bytes, measured.size_bytes)))
                for number in range(1, count + 1):
                    start_bytes = (number - 1) * self._place.part_bytes
                    size_bytes = min(self._place.part_bytes, measured.size_bytes - start_bytes)
                    buffer = await buffers.get()
                    known = None if there is None else there.get(number)
                    sha256, md5 = hashlib.sha256(), _md5(known)
                    hashers = (whole, sha256) if md5 is None else (whole, sha256, md5)
                    view = await file.run(file.read_hashed, buffer, start_bytes, size_bytes, _Hashers(hashers))
                    digests.append(sha256.digest())
                    if number == count and whole.digest() != measured.digests.blake3:
                        how = f"BLAKE3 {whole.hexdigest()} instead of {measured.digests.blake3.hex()}"
                        raise file.mismatch(how)
                    if there is None or (known is not None and _is_there(known, size_bytes, digests[-1], md5)):
                        etags[number - 1] = known.etag if known else ""
                        buffers.put_nowait(buffer)
                        continue
                    if known is not None:
                        counting.done_bytes -= known.size_bytes

                    async def send_one(number: int, view: memoryview, digest: bytes, buffer: memoryview) -> None:
                        try:
                            etags[number - 1] = await self._send_part(number, view, digest, counting)
                        finally:
                            buffers.put_nowait(buffer)

                    if not await lanes.send(partial(send_one, number, view, digests[-1], buffer)):
                        break
        except* DockError as errors:
            raise _first(errors) from None
        lanes.judge()
        composite = base64.b64encode(hashlib.sha256(b"".join(digests)).digest()).decode()
        parts = tuple(
            self._named(number, etag, digest) for number, (etag, digest) in enumerate(zip(etags, digests, strict=True), 1)
        )
        return Sent(parts, f"{composite}-{count}")

    async def _send_part(self, number: int, view: memoryview, digest: bytes, counting: _Progressing) -> str:
        """Send one part; the store's name for it."""
        doing = f"sending part {number} of {self._place.key}"
        sha256 = base64.b64encode(digest).decode()
        answer = await self._wire.send(
            doing,
            view,
            lambda handed_bytes: counting.moved(number, handed_bytes),
            PartNumber=number,
            ChecksumSHA256=sha256,
            **self._target,
        )
        etag = answer.get("ETag")
        if not etag:
            msg = f"{doing}: what answered is not the store"
            raise ArchiveUnreachableError(msg)
        if answer.get("ChecksumSHA256", sha256) != sha256:
            msg = f"{doing}: the store has other bytes than were sent"
            raise ArchiveChecksumError(msg)
        counting.done(number, len(view))
        return str(etag)

    @property
    def _target(self) -> dict[str, object]:
        return {"Key": self._place.key, "UploadId": self._place.upload_id}

    def _named(self, number: int, etag: str, digest: bytes) -> Mapping[str, object]:
        named: dict[str, object] = {"PartNumber": number, "ETag": etag}
        if self._checks:
            named["ChecksumSHA256"] = base64.b64encode(digest).decode()
        return named


def _md5(known: Listed | None) -> Hasher | None:
    """A store that lists no SHA-256 names a part by its MD5: enough to see that it is there, while nothing is proved by it."""
    return hashlib.md5(usedforsecurity=False) if known is not None and not known.sha256 else None


def _is_there(known: Listed, size_bytes: int, sha256: bytes, md5: Hasher | None) -> bool:
    """Whether the store's part is this one."""
    if known.size_bytes != size_bytes:
        return False
    if md5 is None:
        return known.sha256 == base64.b64encode(sha256).decode()
    return known.etag.strip('"') == md5.digest().hex()


def _first(errors: BaseExceptionGroup[DockError]) -> DockError:
    """The error that ended the others, which only the spool can have raised: the parts keep theirs."""
    error = errors.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
