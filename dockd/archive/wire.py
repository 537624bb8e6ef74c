"""One HTTP request to the archive and its whole answer; every foreign error of the network is wrapped here, once."""

import asyncio
import contextlib
import re
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from http import HTTPStatus

import aiohttp
from aiohttp import payload
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import StreamWriter
from yarl import URL

from dockd import __version__
from dockd.archive.answers import TUS_VERSION, Answer
from dockd.archive.settings import TusSettings
from dockd.archive.sockets import attentive
from dockd.archive.throttle import Throttle
from dockd.errors import ArchiveUnreachableError, DockError

_ANSWER_LIMIT_BYTES = 64 * 1024

_LEAST_WRITE_BYTES = 16 * 1024
_MOST_WRITE_BYTES = 2 * 1024 * 1024
"""Handed to the socket at once. What it does not take is copied by asyncio, and progress is seen only between two writes: large
writes spare the processor on a fast way, small ones show that a slow way is alive."""

_QUICK_S, _SLOW_S = 0.1, 1.0

SLOWEST_STORE_BYTES_S = 10_000_000
"""An archive's disk at its slowest: what must be synced or read again before the answer is given that much more time."""


class PieceBody(payload.Payload):
    """A request body that comes piece by piece, and is handed to the kernel completely before the next piece is asked for.

    aiohttp wraps what goes wrong inside a body; the error itself is kept here.

    Attributes:
        failure: why the body ended early, where that was our side's doing.
        handed_bytes: what the kernel has taken.
        moved: called whenever that grew.
        throttle: what holds it back; None for nothing.
    """

    def __init__(self, pieces: AsyncGenerator[memoryview, None], size_bytes: int, moved: Callable[[int], None]) -> None:
        super().__init__(pieces, content_type="application/offset+octet-stream")
        self._size = size_bytes
        self._pieces = pieces
        self.moved = moved
        self.throttle: Throttle | None = None
        self.failure: DockError | None = None
        self.handed_bytes = 0
        self._write_bytes = 4 * _LEAST_WRITE_BYTES

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:  # noqa: ARG002 - aiohttp's signature
        """Never asked for: evidence is not text."""
        msg = "a recording is not text"
        raise RuntimeError(msg)

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Send every piece."""
        if isinstance(writer, StreamWriter) and writer.transport is not None:
            # Draining then means that nothing of the piece waits here any more, and its buffer can be filled again. asyncio's TLS
            # pauses at its limit, not beyond it, so that a limit of 0 would pause for ever.
            encrypted = writer.transport.get_extra_info("sslcontext") is not None
            writer.transport.set_write_buffer_limits(high=1 if encrypted else 0, low=0)
        try:
            async with contextlib.aclosing(self._pieces) as pieces:
                async for piece in pieces:
                    await self._hand_over(piece, writer)
        except DockError as exc:
            self.failure = exc
            raise

    async def _hand_over(self, piece: memoryview, writer: AbstractStreamWriter) -> None:
        """Write one piece in steps that are seen to move."""
        loop = asyncio.get_running_loop()
        start = 0
        while start < len(piece):
            count_bytes = min(self._write_bytes, len(piece) - start)
            if self.throttle is not None:
                count_bytes = self.throttle.piece_bytes(count_bytes)
                await self.throttle.take(count_bytes)
            part = piece[start : start + count_bytes]
            began_s = loop.time()
            await writer.write(part)
            await writer.drain()
            took_s = loop.time() - began_s
            start += len(part)
            self.handed_bytes += len(part)
            self.moved(self.handed_bytes)
            if took_s < _QUICK_S:
                self._write_bytes = min(self._write_bytes * 2, _MOST_WRITE_BYTES)
            elif took_s > _SLOW_S:
                self._write_bytes = max(self._write_bytes // 2, _LEAST_WRITE_BYTES)


class Wire:
    """Connections to one archive."""

    def __init__(self, settings: TusSettings, throttle: Throttle | None = None) -> None:
        self._settings, self._throttle = settings, throttle
        self._session: aiohttp.ClientSession | None = None
        self._token, self._tls = settings.token, settings.tls
        self._doubtful = False
        self._closed = False

    @property
    def plain(self) -> bool:
        """Whether a plain tus server is expected at the other end, one that proves nothing by itself."""
        return self._settings.read_back

    async def ask(
        self,
        method: str,
        url: URL,
        *,
        headers: Mapping[str, str] | None = None,
        body: PieceBody | bytes | None = None,
        work_bytes: int = 0,
        public: bool = False,
    ) -> Answer:
        """Ask once; redirects are not followed, cookies not kept.

        Args:
            method: of HTTP.
            url: on the archive's own origin.
            headers: besides those of tus and the token.
            body: to send.
            work_bytes: what the archive must sync or read before it can answer.
            public: leave the token out.

        Raises:
            ArchiveUnreachableError: no answer came, or not in time.
            DockError: what went wrong on our side while the body was sent.
        """
        settings = self._settings
        await self._renew()
        all_headers = {"Tus-Resumable": TUS_VERSION, **(headers or {})}
        if self._token is not None and not public:
            all_headers["Authorization"] = f"Bearer {self._token}"
        loop = asyncio.get_running_loop()
        answer_s = settings.answer_s + work_bytes / SLOWEST_STORE_BYTES_S
        streamed = body if isinstance(body, PieceBody) else None
        doing = f"{method} {url}"
        try:
            async with asyncio.timeout(settings.connect_s + (settings.stall_s if streamed else answer_s)) as deadline:
                if streamed:
                    streamed.throttle = self._throttle
                    streamed.moved = _extending(streamed, deadline, loop, settings.stall_s, answer_s)
                async with self._request(method, url, headers=all_headers, data=body) as response:
                    text = await _beginning(response)
                    if len(text) > _ANSWER_LIMIT_BYTES or (streamed and streamed.handed_bytes < (streamed.size or 0)):
                        response.close()  # neither the rest of this answer nor of our body has a place on a reused connection
                    return Answer(response.status, response.headers, text[:_ANSWER_LIMIT_BYTES])
        except TimeoutError as exc:
            if streamed and streamed.handed_bytes < (streamed.size or 0):
                msg = f"{doing}: not one byte moved for {settings.stall_s:g} s"
            else:
                msg = f"{doing}: no answer for {answer_s:g} s"
            raise ArchiveUnreachableError(msg) from exc
        except (aiohttp.ClientError, OSError, ValueError) as exc:
            if streamed and streamed.failure:
                raise streamed.failure from None
            self._doubtful = True
            msg = f"{doing}: {_reason(exc)}"
            raise ArchiveUnreachableError(msg) from exc

    async def fetch(self, url: URL, taken: Callable[[bytes], Awaitable[object]]) -> Answer:
        """GET everything; the body of a 200 goes to `taken`, piece by piece, and may take any time as long as something moves.

        Raises:
            ArchiveUnreachableError: no answer came, or it broke off.
        """
        settings, loop = self._settings, asyncio.get_running_loop()
        await self._renew()
        headers = {"Tus-Resumable": TUS_VERSION, "Accept-Encoding": "identity"}
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token}"
        try:
            async with (
                asyncio.timeout(settings.connect_s + settings.answer_s) as deadline,
                self._request("GET", url, headers=headers) as response,
            ):
                if response.status != HTTPStatus.OK:
                    return Answer(response.status, response.headers, (await _beginning(response))[:_ANSWER_LIMIT_BYTES])
                async for piece in response.content.iter_chunked(_MOST_WRITE_BYTES):
                    deadline.reschedule(loop.time() + settings.stall_s)
                    await taken(piece)
                return Answer(response.status, response.headers, b"")
        except TimeoutError as exc:
            msg = f"GET {url}: nothing came for {settings.stall_s:g} s"
            raise ArchiveUnreachableError(msg) from exc
        except (aiohttp.ClientError, OSError, ValueError) as exc:
            self._doubtful = True
            msg = f"GET {url}: {_reason(exc)}"
            raise ArchiveUnreachableError(msg) from exc

    async def close(self) -> None:
        """Give back the connections."""
        self._closed = True
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _renew(self) -> None:
        """Read token and certificates again if the last request failed by what may have been their fault.

        An admin, or a program that renews certificates, replaces the files; connections that stand go on under the old ones. A
        file that cannot be used now, perhaps since it is just being written, changes nothing.
        """
        if self._doubtful and self._settings.renew is not None:
            self._doubtful = False
            try:
                self._token, self._tls = await asyncio.to_thread(self._settings.renew)
            except DockError:
                self._doubtful = True

    @contextlib.asynccontextmanager
    async def _request(
        self, method: str, url: URL, *, headers: Mapping[str, str], data: PieceBody | bytes | None = None
    ) -> AsyncGenerator[aiohttp.ClientResponse, None]:
        """One request under the papers of now."""
        tls = True if self._tls is None else self._tls
        async with self._open().request(method, url, headers=headers, data=data, allow_redirects=False, ssl=tls) as response:
            if response.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
                self._doubtful = True
            yield response

    def _open(self) -> aiohttp.ClientSession:
        """The session, made on the event loop that uses it."""
        if self._closed:
            msg = "the archive was closed"
            raise RuntimeError(msg)
        if self._session is None:
            settings = self._settings
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, socket_factory=attentive(settings.stall_s)),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": f"dockd/{__version__}"},
                timeout=aiohttp.ClientTimeout(total=None, connect=settings.connect_s, sock_connect=settings.connect_s),
                trust_env=False,  # a proxy in the environment would see evidence; the site file names none
            )
        return self._session


async def _beginning(response: aiohttp.ClientResponse) -> bytes:
    """The answer's body, up to one byte more than is ever kept."""
    text = b""
    async for part in response.content.iter_any():
        text += part
        if len(text) > _ANSWER_LIMIT_BYTES:
            break
    return text


def _extending(
    body: PieceBody, deadline: asyncio.Timeout, loop: asyncio.AbstractEventLoop, stall_s: float, answer_s: float
) -> Callable[[int], None]:
    """`body.moved`, which also moves the deadline: one stall from now, or one answer once all is handed over."""
    told = body.moved

    def moved(handed_bytes: int) -> None:
        told(handed_bytes)
        with contextlib.suppress(RuntimeError):  # it has just passed
            deadline.reschedule(loop.time() + (answer_s if handed_bytes == body.size else stall_s))

    return moved


def _reason(exc: Exception) -> str:
    """A foreign error in a sentence."""
    if isinstance(exc, aiohttp.ClientConnectorCertificateError | ssl.SSLError):
        words = f"its TLS certificate is not accepted: {exc}"
        timely = not re.search("expired|not yet valid", words)
        return words if timely else f"{words}; if the certificate is good, this dock's clock is wrong"
    return str(exc) or type(exc).__name__
