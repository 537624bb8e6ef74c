"""A kiosk page's server in the test's own process, a source that the test speaks for, and a reader of its events."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from msgspec.structs import replace

from dockd.clock import Clock, SystemClock
from dockd.core.readiness import Lamp
from dockd.web.assets import load_assets
from dockd.web.kiosk import serve_kiosk
from dockd.web.screen import Header, Screen, Tile
from tests.sim.ports import free_port

DEADLINE_S = 30.0
HEADER = Header(
    dock="balt-ero-01",
    site="Baltimore",
    time="19:10",
    night=True,
    archive="answers",
    away_since="",
    archive_detail="",
    free_bytes=10**9,
    full=False,
    site_file="",
    queue_files=0,
    queue_bytes=0,
)


@dataclass(slots=True)
class SimSource:
    """Implements `web.kiosk.Source`: shows what it was told to, and counts how often it was asked."""

    shown: Screen = field(default_factory=lambda: Screen(HEADER, (Tile("1", "empty"), Tile("2", "empty")), (), busy=False))
    drawn: int = 0
    change: int = 0
    error: Exception | None = None
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def news(self, since: int) -> None:
        """As the board does it."""
        if since == self.change:
            await self._changed.wait()

    def screen(self) -> Screen:
        """What the test shows."""
        self.drawn += 1
        if self.error is not None:
            raise self.error
        return self.shown

    def show(self, bay: str, reason: str) -> None:
        """This bay says something new."""
        tiles = tuple(
            replace(each, phase="copying", camera="X1", lamp=Lamp.LEAVE, detail=reason) if each.bay == bay else each
            for each in self.shown.tiles
        )
        self.shown = replace(self.shown, tiles=tiles)
        self.tell()

    def tell(self) -> None:
        """Something happened."""
        self.change += 1
        self._changed.set()
        self._changed = asyncio.Event()


@dataclass(slots=True)
class KioskHere:
    """A running server."""

    port: int
    session: aiohttp.ClientSession

    def url(self, path: str = "/") -> str:
        """Where something of it is."""
        return f"http://127.0.0.1:{self.port}{path}"

    @asynccontextmanager
    async def events(self) -> AsyncIterator["Events"]:
        """A reader that was just connected."""
        async with self.session.get(self.url("/events")) as response:
            assert response.status == 200, await response.text()
            yield Events(response)


class Events:
    """Server-sent events as they come."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response
        self.last_id = 0

    async def next(self, kind: str = "screen") -> dict[str, Any]:
        """The next event of a kind; a beat is an empty one."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                fields = await self._one()
                if fields.get("event") == kind:
                    self.last_id = int(fields.get("id", self.last_id))
                    data = json.loads(fields["data"])
                    return data if isinstance(data, dict) else {}

    async def _one(self) -> dict[str, str]:
        fields: dict[str, str] = {}
        while line := (await self.response.content.readuntil(b"\n")).decode().rstrip("\n"):
            name, _, value = line.partition(": ")
            fields[name] = value
        return fields


@asynccontextmanager
async def kiosk_here(source: SimSource, *, clock: Clock | None = None, language: str = "en") -> AsyncIterator[KioskHere]:
    """Serve until the block ends."""
    port = free_port()
    serving = asyncio.create_task(serve_kiosk(port, load_assets(language, None), source, clock or SystemClock()))
    try:
        async with aiohttp.ClientSession() as session:
            await answers(port, serving)
            yield KioskHere(port, session)
    finally:
        serving.cancel()
        await asyncio.wait([serving])


async def answers(port: int, serving: asyncio.Task[None]) -> None:
    """Wait until the server can be reached."""
    async with asyncio.timeout(DEADLINE_S):
        while not serving.done():
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                await SystemClock().sleep(0.01)
            else:
                writer.close()
                await writer.wait_closed()
                return
    serving.result()
