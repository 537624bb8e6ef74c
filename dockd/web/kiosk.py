"""The page on the dock's own screen, over HTTP on loopback: read-only, live, and never in the dock's way.

    GET /         the page, its style, its script and its words
    GET /events   server-sent events: everything on connecting, then what changed

Whoever connects gets everything first, so a page that was cut off is right again as soon as it is back, whatever it missed. What
a reader has not taken is never stored: each carries one number, and gets the latest of what changed since, once it listens
again. Nothing is worked out while nobody looks. A fact goes out at once; a storm of them is gathered, so that showing the dock
never costs more than a few hundredths of a core.

Anybody on this machine may look, nobody may act, and no other origin can read along: other hosts' names are refused (a name
that was rebound to loopback is a stranger's), and there are no CORS headers.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec
import structlog
from aiohttp import web

from dockd.clock import Clock
from dockd.web.assets import Assets
from dockd.web.loopback import HOST, listen, names
from dockd.web.screen import Header, Notice, Screen, Tile

_GAP_S = 0.15
_LARGEST_SHARE = 0.04
_BUSY_S = 1.0
_BEAT_S = 5.0
_PATIENCE_S = 10.0
_GRACE_S = 1.0
_MOST_READERS = 16
_MOST_CONNECTIONS = 64
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_OURS = frozenset({None, "same-origin", "none"})

_log = structlog.get_logger(__name__)


class Source(Protocol):
    """What the page asks of the daemon."""

    @property
    def change(self) -> int:
        """Counts the news."""
        ...

    async def news(self, since: int) -> None:
        """Wait until something changes after `change` was `since`."""
        ...

    def screen(self) -> Screen:
        """Everything as it is now."""
        ...


class _Update(msgspec.Struct, frozen=True, omit_defaults=True):
    """What changed; whoever gets the first one gets everything."""

    page: str
    full: bool = False
    header: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    notices: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    tiles: tuple[msgspec.Raw, ...] = ()


class _Frames:
    """The screen in its parts, each with the number of the picture in which it last changed."""

    def __init__(self, source: Source, page: str, clock: Clock) -> None:
        self._source, self._page, self._clock = source, page, clock
        self._parts: dict[str, tuple[int, bytes]] = {}
        self._seen_change = -1
        self._gap_s = _GAP_S
        self._costs_s: deque[float] = deque(maxlen=5)
        self._drawn_s = float("-inf")
        self._busy = False
        self.number = 0

    async def next(self, number: int) -> None:
        """Return when picture `number` may be outdated: at news, later while there is much of it, and now and then anyhow."""
        if number != self.number or number == 0:
            return  # a new reader, or another one's picture is newer
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_BUSY_S if self._busy else _BEAT_S):
                await self._source.news(self._seen_change)
        if number != self.number:
            return  # somebody who heard of it first had it drawn
        # The first after a quiet time goes at once.
        due_s = self._drawn_s + self._gap_s - self._clock.monotonic()
        if due_s > 0:
            await self._clock.sleep(due_s)

    def draw(self) -> None:
        """Bring the parts up to date, unless another reader had that done just now."""
        began_s = self._clock.monotonic()
        if began_s - self._drawn_s < 0.9 * self._gap_s:
            return
        self._seen_change = self._source.change
        screen = self._source.screen()
        self._busy = screen.busy
        self.number += 1
        parts: list[tuple[str, Header | Tile | tuple[Notice, ...]]] = [("header", screen.header), ("notices", screen.notices)]
        parts += [(f"tile {tile.bay}", tile) for tile in screen.tiles]
        for name, content in parts:
            encoded = msgspec.json.encode(content)
            if name not in self._parts or self._parts[name][1] != encoded:
                self._parts[name] = (self.number, encoded)
        self._drawn_s = self._clock.monotonic()
        # The least of a few: on a busy machine others' work falls into ours.
        self._costs_s.append(self._drawn_s - began_s)
        self._gap_s = min(max(_GAP_S, min(self._costs_s) / _LARGEST_SHARE), _BUSY_S)

    def since(self, number: int) -> bytes | None:
        """An event with what changed after picture `number`, None if nothing did; 0 for everything."""
        changed = {name: msgspec.Raw(encoded) for name, (at, encoded) in self._parts.items() if at > number}
        if not changed:
            return None
        update = _Update(
            page=self._page,
            full=number == 0,
            header=changed.pop("header", msgspec.UNSET),
            notices=changed.pop("notices", msgspec.UNSET),
            tiles=tuple(changed.values()),
        )
        return b"id: %d\nevent: screen\ndata: %b\n\n" % (self.number, msgspec.json.encode(update))


async def serve_kiosk(port: int, assets: Assets, source: Source, clock: Clock) -> None:
    """Serve the page until cancelled. A port that somebody else has is tried again: no screen ever holds up a dock."""
    listener = await listen(
        port,
        clock,
        lambda exc: _log.error("kiosk page cannot be served", port=port, why=exc.strerror, hint="Set kiosk.port to a free one."),
    )
    runner = web.AppRunner(
        _application(assets, source, clock, listener.getsockname()[1]),
        access_log=None,
        shutdown_timeout=_GRACE_S,
        handle_signals=False,
        handler_cancellation=True,
    )
    try:
        await runner.setup()
        server = await asyncio.get_running_loop().create_server(_bounded(runner), sock=listener)
        _log.info("kiosk page", url=f"http://{HOST}:{port}/")
        try:
            await asyncio.Event().wait()
        finally:
            server.close()
    finally:
        await runner.cleanup()
        listener.close()


def _bounded(runner: web.AppRunner) -> Callable[[], asyncio.Protocol]:
    """Accepts so many connections and no more: whoever may connect must not use up the dock's descriptors."""

    def accepted() -> asyncio.Protocol:
        if runner.server is None or len(runner.server.connections) >= _MOST_CONNECTIONS:
            return _Refusal()
        return runner.server()

    return accepted


class _Refusal(asyncio.Protocol):
    """Hangs up."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


def _application(assets: Assets, source: Source, clock: Clock, port: int) -> web.Application:
    frames = _Frames(source, assets.version, clock)
    readers: set[asyncio.Task[object]] = set()
    hosts = names(port)

    @web.middleware
    async def guard(request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> web.StreamResponse:
        if request.host not in hosts or request.headers.get("Sec-Fetch-Site") not in _OURS:
            return _plain(421 if request.host not in hosts else 403, "This page is for the dock's own screen only.")
        try:
            return await handler(request)
        except web.HTTPException as exc:
            answer = _plain(exc.status, exc.reason)
            answer.headers.update({name: value for name, value in exc.headers.items() if name == "Allow"})
            return answer

    async def file(request: web.Request) -> web.Response:
        asset = assets.files.get(request.path)
        if asset is None:
            raise web.HTTPNotFound
        return web.Response(body=asset.body, headers=_HEADERS | {"Content-Type": asset.kind})

    async def events(request: web.Request) -> web.StreamResponse:
        me = asyncio.current_task()
        if len(readers) >= _MOST_READERS or me is None:
            return _plain(503, "Too many pages are open on this dock.")
        readers.add(me)
        try:
            response = web.StreamResponse(headers=_HEADERS | {"Content-Type": "text/event-stream; charset=utf-8"})
            await response.prepare(request)
            try:
                await _follow(response, frames)
            except ConnectionError:
                pass  # it went
            except TimeoutError:
                _log.warning("kiosk page dropped", why=f"it took nothing for {_PATIENCE_S:g} s")
                if request.transport is not None:
                    request.transport.abort()
            except Exception:  # noqa: BLE001 - a screen that cannot be drawn ends no daemon; it is logged with its trace
                _log.exception("kiosk page cannot be drawn")
            return response
        finally:
            readers.discard(me)

    async def leave(_: web.Application) -> None:
        for each in tuple(readers):
            each.cancel()

    application = web.Application(middlewares=[guard])
    application.add_routes([web.get("/events", events, allow_head=False), web.get("/{path:.*}", file)])
    application.on_shutdown.append(leave)
    return application


async def _follow(response: web.StreamResponse, frames: _Frames) -> None:
    """Send what changes, for as long as somebody takes it.

    Raises:
        TimeoutError: nobody did.
    """
    number = 0
    while True:
        await frames.next(number)
        frames.draw()
        event = frames.since(number)
        number = frames.number
        async with asyncio.timeout(_PATIENCE_S):
            # A beat tells the page that the dock is there, and is how a reader that is gone is noticed.
            await response.write(event or b"event: beat\ndata: 1\n\n")


def _plain(status: int, words: str) -> web.Response:
    return web.Response(status=status, text=words + "\n", headers=_HEADERS)
