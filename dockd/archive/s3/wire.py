"""One S3 request and its answer; every foreign error of the store, its client and the network is wrapped here, once.

aiobotocore is imported when the first request is made, so that a dock with another archive never pays for it.
"""

import asyncio
import base64
import hashlib
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import aiohttp
import structlog

from dockd.archive.s3.settings import Credentials, S3Settings
from dockd.archive.sockets import attentive
from dockd.archive.throttle import Throttle
from dockd.archive.wire import SLOWEST_STORE_BYTES_S
from dockd.errors import (
    ArchiveBusyError,
    ArchiveChecksumError,
    ArchiveDeniedError,
    ArchiveError,
    ArchiveRefusedError,
    ArchiveUnreachableError,
    UploadLostError,
)

_log = structlog.get_logger(__name__)

_SKEWED = frozenset({"RequestTimeTooSkewed", "RequestExpired"})
_LOST = frozenset({"NoSuchUpload", "NoSuchKey", "NoSuchVersion"})
_BUSY = frozenset(
    {"SlowDown", "ServiceUnavailable", "RequestLimitExceeded", "OperationAborted", "QuotaExceeded", "XMinioStorageFull"}
)
_CHECKSUM = frozenset({"BadDigest", "InvalidDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch"})
_REFUSED = frozenset({"EntityTooLarge", "KeyTooLongError", "MetadataTooLarge"})
_STATUS_BUSY = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.INSUFFICIENT_STORAGE})

_LEAST_WRITE_BYTES, _MOST_WRITE_BYTES = 64 * 1024, 1024 * 1024
"""Handed to a connection at once: large writes spare the processor on a fast way, small ones show that a slow way is alive."""

_QUICK_S, _SLOW_S = 0.1, 1.0

Answer = dict[str, Any]


class PartBody:
    """A part's bytes as a request's body: `moved` hears how many the client has taken, each time that it takes some.

    botocore takes for a body whatever can be read, and goes to its start before it sends it to another place; aiohttp iterates.
    """

    def __init__(self, view: memoryview, moved: Callable[[int], None]) -> None:
        self._view, self._moved = view, moved

    def __len__(self) -> int:
        """All of it, wherever it stands."""
        return len(self._view)

    async def __aiter__(self) -> AsyncGenerator[memoryview, None]:
        """Piece by piece from the start; the next one is asked for when the connection has taken the last one."""
        loop = asyncio.get_running_loop()
        start, count_bytes = 0, _LEAST_WRITE_BYTES
        while start < len(self._view):
            piece = self._view[start : start + count_bytes]
            began_s = loop.time()
            yield piece
            took_s = loop.time() - began_s
            start += len(piece)
            self._moved(start)
            if took_s < _QUICK_S:
                count_bytes = min(count_bytes * 2, _MOST_WRITE_BYTES)
            elif took_s > _SLOW_S:
                count_bytes = max(count_bytes // 2, _LEAST_WRITE_BYTES)

    def read(self) -> bytes:
        """All of it; for a client that would sign it."""
        return bytes(self._view)

    def seek(self, offset: int) -> int:
        """To the start: whoever iterates begins there anyway."""
        return offset


@dataclass(slots=True)
class _Client:
    """One of botocore's, under the papers that it was made with; given back once nobody uses it and another took its place."""

    client: Any
    papers: object
    stack: AsyncExitStack
    users: int = 0
    retired: bool = False

    @asynccontextmanager
    async def used(self) -> AsyncGenerator[Any, None]:
        self.users += 1
        try:
            yield self.client
        finally:
            self.users -= 1
            if self.retired and not self.users:
                await self.stack.aclose()

    async def retire(self) -> None:
        self.retired = True
        if not self.users:
            await self.stack.aclose()


class S3Wire:
    """Connections to one bucket."""

    def __init__(self, settings: S3Settings, throttle: Throttle | None = None) -> None:
        self._settings, self._throttle = settings, throttle
        self._opening = asyncio.Lock()
        self._now: _Client | None = None
        self._doubtful = False
        self._closed = False

    async def ask(self, operation: str, doing: str, parameters: Mapping[str, object], *, work_bytes: int = 0) -> Answer:
        """Ask once.

        Args:
            operation: the method of botocore's client.
            doing: in words, as in "listing parts".
            parameters: of the operation, without the bucket.
            work_bytes: what the store must move before it can answer.

        Raises:
            ArchiveError: no answer, or one that is none, or a refusal.
        """
        answer_s = self._settings.connect_s + self._settings.answer_s + work_bytes / SLOWEST_STORE_BYTES_S
        async with self._wrapped(doing, answer_s, f"no answer for {answer_s:g} s") as (client, _):
            return await self._call(client, operation, doing, parameters)

    async def put(self, key: str, content: bytes, kind: str, parameters: Mapping[str, object]) -> None:
        """Store something small whole, with its SHA-256 for the store to check; `kind` is its media type.

        Raises:
            ArchiveUnreachableError: what answered is not the store.
            ArchiveError: as `ask`.
        """
        body = {
            "Key": key,
            "Body": content,
            "ContentType": kind,
            "ChecksumAlgorithm": "SHA256",  # S3 wants it said of what is locked, though the checksum itself names it
            "ChecksumSHA256": base64.b64encode(hashlib.sha256(content).digest()).decode(),
        }
        answer = await self.ask("put_object", f"storing {key}", {**body, **parameters})
        if not answer.get("ETag"):
            msg = f"storing {key}: what answered is not the store"
            raise ArchiveUnreachableError(msg)

    async def send(self, doing: str, view: memoryview, moved: Callable[[int], None], **parameters: object) -> Answer:
        """Upload one part; it may take any time, as long as something moves. A limited rate is kept part by part.

        Raises:
            ArchiveError: as `ask`.
        """
        settings = self._settings
        if self._throttle is not None:
            await self._throttle.take(len(view))
        answer_s = settings.answer_s + len(view) / SLOWEST_STORE_BYTES_S
        loop = asyncio.get_running_loop()
        words = f"nothing moved for {settings.stall_s:g} s"
        async with self._wrapped(doing, settings.connect_s + settings.stall_s, words) as (client, deadline):

            def told(handed_bytes: int) -> None:
                moved(handed_bytes)
                if not deadline.expired():
                    deadline.reschedule(loop.time() + (answer_s if handed_bytes == len(view) else settings.stall_s))

            body = {"Body": PartBody(view, told), "ContentLength": len(view)}
            return await self._call(client, "upload_part", doing, {**body, **parameters})

    @asynccontextmanager
    async def fetch(self, doing: str, **parameters: object) -> AsyncGenerator[AsyncGenerator[bytes, None], None]:
        """An object's bytes, piece by piece; it may take any time, as long as something moves.

        Raises:
            ArchiveError: as `ask`, also while the pieces are taken.
        """
        settings = self._settings
        loop = asyncio.get_running_loop()
        async with self._wrapped(doing, settings.connect_s + settings.answer_s, "nothing came any more") as (client, deadline):
            answer = await self._call(client, "get_object", doing, parameters)

            async def pieces() -> AsyncGenerator[bytes, None]:
                async for piece in answer["Body"].iter_chunks(1 << 20):
                    deadline.reschedule(loop.time() + settings.stall_s)
                    yield piece

            async with answer["Body"]:
                yield pieces()

    async def close(self) -> None:
        """Give back the connections."""
        self._closed = True
        if self._now is not None:
            await self._now.stack.aclose()
            self._now = None

    async def _call(self, client: Any, operation: str, doing: str, parameters: Mapping[str, object]) -> Answer:  # noqa: ANN401 - botocore makes its classes at run time
        answer: Answer = await getattr(client, operation)(Bucket=self._settings.bucket, **parameters)
        if not _is_s3(answer["ResponseMetadata"]):
            msg = f"{doing}: what answered is not an S3 store"
            raise ArchiveUnreachableError(msg)
        return answer

    async def _open(self) -> _Client:
        """The client, made by the first who needs it, and made anew where the last one's papers were at fault and are others now.

        An admin, or a program that renews them, replaces the files; requests that are under way go on under the old ones. A file
        that cannot be used now, perhaps since it is just being written, changes nothing.
        """
        async with self._opening:
            if self._closed:
                msg = "the archive was closed"
                raise RuntimeError(msg)
            if self._now is None:
                self._now = await self._made(_papers(self._settings, self._settings.credentials))
            elif self._doubtful:
                self._doubtful = False
                try:
                    await self._renew(self._now)
                except (OSError, ValueError):
                    self._doubtful = True
            return self._now

    async def _renew(self, before: _Client) -> None:
        settings = self._settings
        credentials = settings.credentials if settings.renew is None else await asyncio.to_thread(settings.renew)
        papers = _papers(settings, credentials)
        if papers != before.papers:
            self._now = await self._made(papers)
            _log.info("the archive is spoken to under other papers", archive=settings.name)
            await before.retire()

    async def _made(self, papers: "_Papers") -> _Client:
        stack = AsyncExitStack()
        session = await asyncio.to_thread(_session)
        client = await stack.enter_async_context(_client_of(session, self._settings, papers[0]))
        return _Client(client, papers, stack)

    @asynccontextmanager
    async def _wrapped(self, doing: str, within_s: float, late: str) -> AsyncGenerator[tuple[Any, asyncio.Timeout], None]:
        """Someone to ask, and by when; foreign errors become dockd's."""
        at_work = await self._open()  # takes a while, and is no business of the archive's
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - see the module's docstring

        try:
            async with at_work.used() as client, asyncio.timeout(within_s) as deadline:
                yield client, deadline
        except TimeoutError as exc:
            msg = f"{doing}: {late}"
            raise ArchiveUnreachableError(msg) from exc
        except ClientError as exc:
            error = _error_for(doing, exc.response)
            self._doubtful |= isinstance(error, ArchiveDeniedError)
            raise error from exc
        except (BotoCoreError, aiohttp.ClientError, OSError, ValueError, RecursionError) as exc:
            self._doubtful = True
            words = " ".join(str(exc).split())[:300] or type(exc).__name__
            msg = f"{doing}: {words}"
            raise ArchiveUnreachableError(msg) from exc


def _session() -> Any:  # noqa: ANN401 - botocore makes its classes at run time
    """Botocore with its descriptions of S3 read: megabytes, for a thread."""
    from aiobotocore.session import get_session  # noqa: PLC0415 - see the module's docstring

    session = get_session()
    loader = session.get_component("data_loader")
    for name in ("service-2", "endpoint-rule-set-1"):
        loader.load_service_model("s3", name)
    for name in ("endpoints", "partitions", "sdk-default-configuration", "_retry"):
        loader.load_data(name)
    return session


_Papers = tuple[Credentials, tuple[tuple[int, int], ...]]


def _papers(settings: S3Settings, credentials: Credentials) -> _Papers:
    """The credentials, and which files hold the certificates: what a client is made with."""
    files = [each for each in (settings.ca_file, settings.client_cert, settings.client_key) if each is not None and each.exists()]
    return credentials, tuple((each.stat().st_ino, each.stat().st_mtime_ns) for each in files)


def _client_of(session: Any, settings: S3Settings, credentials: Credentials) -> Any:  # noqa: ANN401 - as above
    """A context that gives the client."""
    from aiobotocore.config import AioConfig  # noqa: PLC0415 - see the module's docstring

    certificate = None
    if settings.client_cert is not None:
        certificate = (str(settings.client_cert), str(settings.client_key))
    return session.create_client(
        "s3",
        endpoint_url=settings.url,
        region_name=settings.region,
        aws_access_key_id=credentials.access_key,
        aws_secret_access_key=credentials.secret_key,
        aws_session_token=credentials.session_token,
        verify=str(settings.ca_file) if settings.ca_file else None,
        config=AioConfig(
            s3={
                "addressing_style": "path" if settings.path_style else "virtual",
                # The signature covers a part's checksum, and TLS the rest; another pass over every part would prove nothing more.
                "payload_signing_enabled": False,
            },
            retries={"total_max_attempts": 1},  # the wrapper around every backend tries again, and says so
            connect_timeout=settings.connect_s,
            read_timeout=settings.answer_s,
            client_cert=certificate,
            proxies={},  # a proxy in the environment would see evidence; the site file names none
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            ignore_configured_endpoint_urls=True,
            max_pool_connections=50,
            connector_args={"socket_factory": attentive(settings.stall_s)},
        ),
    )


def _is_s3(metadata: Mapping[str, Any]) -> bool:
    """Whether a store gave the answer; a captive portal or a proxy in the way carries none of its headers."""
    return any(name.startswith("x-amz") for name in metadata.get("HTTPHeaders", {}))


def _error_for(doing: str, response: Mapping[str, Any]) -> ArchiveError:
    """The error that a refusal is.

    The loss of an upload or of an object is believed only from an S3 store: what stands in the way must not throw an upload away.
    """
    metadata = response.get("ResponseMetadata", {})
    status, headers = metadata.get("HTTPStatusCode", 0), metadata.get("HTTPHeaders", {})
    error = response.get("Error", {})
    code = str(error.get("Code", ""))
    words = " ".join(str(error.get("Message", "")).split())[:300]
    said = f"{doing}: the archive answered {status} {code}: {words}"
    speaks_s3 = _is_s3(metadata) or (code != "" and not code.isdigit())
    if code in _SKEWED:
        return ArchiveDeniedError(said, hint="The dock's clock differs from the archive's: admins, check both clocks.")
    if code in _CHECKSUM:
        return ArchiveChecksumError(said)
    if code in _BUSY or status in _STATUS_BUSY:
        retry_after = str(headers.get("retry-after", ""))
        return ArchiveBusyError(said, retry_after_s=float(retry_after) if retry_after.isdigit() else None)
    if code in _REFUSED:
        return ArchiveRefusedError(said)
    if code in _LOST or (status == HTTPStatus.NOT_FOUND and code == "404" and speaks_s3):
        return UploadLostError(said)
    if HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR and speaks_s3:
        return ArchiveDeniedError(said, hint="Admins: check the archive's bucket, its Object Lock, and the dock's access key.")
    return ArchiveUnreachableError(said)
