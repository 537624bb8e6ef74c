"""The kiosk page's server, without a browser."""

import asyncio
import contextlib
import re
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import aiohttp
import pytest
from structlog.testing import capture_logs

from dockd.clock import SystemClock
from dockd.web import kiosk
from dockd.web.assets import load_assets
from dockd.web.screen import Tile
from tests.sim.consignments import HurriedClock
from tests.sim.kiosk_here import DEADLINE_S, Events, KioskHere, SimSource, answers, kiosk_here
from tests.sim.ports import free_port
from tests.sim.standing_clock import StandingClock


@pytest.fixture
def source() -> SimSource:
    """Two empty bays."""
    return SimSource()


@pytest.fixture
async def here(source: SimSource) -> AsyncIterator[KioskHere]:
    """A running server."""
    async with kiosk_here(source) as running:
        yield running


async def test_the_page_asks_nobody_but_the_dock(here: KioskHere) -> None:
    """Nothing on it comes from elsewhere, nothing stands inline, and the browser is told to refuse both."""
    async with here.session.get(here.url()) as answer:
        html = await answer.text()
        policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "require-trusted-types-for 'script'" in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert re.findall(r"https?://(?!www\.w3\.org/2000/svg)", html) == []
    assert re.findall(r"<script(?![^>]*src=)|<style| style=| on[a-z]+=", html) == []
    assert re.findall(r"\[\[|\{\{", html) == []


@pytest.mark.parametrize("language", ["en", "es"])
async def test_the_page_is_small(source: SimSource, language: str) -> None:
    """Under 60 kB with everything that a browser loads for it."""
    total = 0
    async with kiosk_here(source, language=language) as here:
        for path in ("/", "/page.css", "/page.js", "/room.js", "/settings.js", "/icon.svg"):
            async with here.session.get(here.url(path)) as answer:
                assert answer.status == 200
                total += len(await answer.read())
    assert 10_000 < total < 60_000


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "localhost.evil.example", "[::1]:8480", "10.0.0.1"])
@pytest.mark.parametrize("path", ["/", "/events"])
async def test_other_hosts_names_are_refused(here: KioskHere, host: str, path: str) -> None:
    """A name that was rebound to loopback would let a stranger's page read this one."""
    async with here.session.get(here.url(path), headers={"Host": host}) as answer:
        assert answer.status == 421
        assert "balt-ero-01" not in await answer.text()


async def test_the_machines_own_name_is_let_in(here: KioskHere) -> None:
    """Chromium may be pointed at localhost as well."""
    async with here.session.get(here.url(), headers={"Host": f"localhost:{here.port}"}) as answer:
        assert answer.status == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_other_pages_may_not_fetch_it(here: KioskHere, site: str) -> None:
    """They could not read it without CORS; they may not even hold its connections."""
    async with here.session.get(here.url("/events"), headers={"Sec-Fetch-Site": site}) as answer:
        assert answer.status == 403


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("path", ["/", "/events"])
async def test_it_can_only_be_read(here: KioskHere, source: SimSource, method: str, path: str) -> None:
    """Nothing about the dock can be changed from its screen."""
    async with here.session.request(method, here.url(path)) as answer:
        assert answer.status == 405
        assert "GET" in answer.headers["Allow"]
    assert source.drawn == 0


async def test_what_is_not_there_is_not_there(here: KioskHere) -> None:
    """Only the page's own files are served, whatever path is asked for."""
    for path in ("/../kiosk.py", "/words.json", "/page.css/", "/%2e%2e/view.py", "//etc/passwd"):
        async with here.session.get(here.url(path)) as answer:
            assert answer.status == 404, path


async def test_a_reader_gets_everything_and_then_what_changes(here: KioskHere, source: SimSource) -> None:
    """The first event is the whole screen; a later one has only the bay that changed."""
    async with here.events() as events:
        first = await events.next()
        assert first["full"] is True
        assert first["header"]["dock"] == "balt-ero-01"
        assert [tile["bay"] for tile in first["tiles"]] == ["1", "2"]
        assert first["notices"] == []
        source.show("2", "one")
        second = await events.next()
        assert "header" not in second
        assert "full" not in second
        assert [(tile["bay"], tile["detail"]) for tile in second["tiles"]] == [("2", "one")]


async def test_a_reader_that_comes_back_gets_everything(here: KioskHere, source: SimSource) -> None:
    """Whatever it missed, and whatever it says that it had."""
    async with here.events() as events:
        await events.next()
    source.show("1", "meanwhile")
    headers = {"Last-Event-ID": "999999"}
    async with here.session.get(here.url("/events"), headers=headers) as answer:
        events = Events(answer)
        update = await events.next()
        assert update["full"] is True
        # Another reader's picture of a moment ago does for the beginning; the news follow at once.
        while update["tiles"][0]["detail"] != "meanwhile":
            update = await events.next()


async def test_a_quiet_dock_still_beats(source: SimSource, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a beat the page could not tell a quiet dock from a dead one."""
    monkeypatch.setattr(kiosk, "_BEAT_S", 0.05)
    async with kiosk_here(source) as here, here.events() as events:
        await events.next()
        await events.next("beat")
        await events.next("beat")


async def test_nothing_is_drawn_while_nobody_looks(here: KioskHere, source: SimSource) -> None:
    """A dock without a screen pays nothing for it."""
    for _ in range(100):
        source.tell()
        await asyncio.sleep(0)
    assert source.drawn == 0
    async with here.events() as events:
        await events.next()
    assert source.drawn == 1


async def test_a_storm_of_news_is_gathered(here: KioskHere, source: SimSource) -> None:
    """A thousand facts in a moment are a few pictures, and the last of them is right."""
    async with here.events() as events:
        await events.next()
        for number in range(1000):
            source.show("1", f"fact {number}")
            await asyncio.sleep(0)
        while (await events.next())["tiles"][0]["detail"] != "fact 999":
            pass
        assert source.drawn < 50


async def test_two_readers_share_one_picture(here: KioskHere, source: SimSource) -> None:
    """Each gets it, and it is drawn once."""
    async with here.events() as one, here.events() as other:
        await one.next()
        await other.next()
        drawn = source.drawn
        source.show("1", "news")
        for events in (one, other):
            assert (await events.next())["tiles"][0]["detail"] == "news"
        assert source.drawn == drawn + 1


async def test_two_readers_share_one_picture_after_a_quiet_time(source: SimSource) -> None:
    """Whoever hears of the news second sends what was drawn for the first, at once and not a gap later."""
    clock = StandingClock()
    async with kiosk_here(source, clock=clock) as here, here.events() as one, here.events() as other:
        await one.next()
        await other.next()
        await clock.passes(60)
        drawn = source.drawn
        source.show("1", "news")
        for events in (one, other):
            assert (await events.next())["tiles"][0]["detail"] == "news"
        assert source.drawn == drawn + 1


async def test_a_reader_that_takes_nothing_holds_up_nobody(source: SimSource, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is dropped after a while; nothing is stored for it; others see every change meanwhile."""
    monkeypatch.setattr(kiosk, "_PATIENCE_S", 2.0)  # the one that takes all shares the processor with whoever else tests
    monkeypatch.setattr(kiosk, "_GAP_S", 0.0)
    async with kiosk_here(source) as here:
        with socket.socket() as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.connect(("127.0.0.1", here.port))
            deaf.sendall(f"GET /events HTTP/1.1\r\nHost: 127.0.0.1:{here.port}\r\n\r\n".encode())
            number = 0
            async with here.events() as events:
                await events.next()
                with capture_logs() as log:
                    async with asyncio.timeout(DEADLINE_S):
                        while not any(line["event"] == "kiosk page dropped" for line in log):
                            number += 1
                            source.show("1", f"{number} " + "x" * 100_000)
                            assert (await events.next())["tiles"][0]["detail"].startswith(f"{number} ")
            assert number > 3
            assert await _taken_bytes(deaf) < 10_000_000


async def _taken_bytes(deaf: socket.socket) -> int:
    """What the kernel had taken for it, to its end."""
    deaf.setblocking(False)
    loop, taken = asyncio.get_running_loop(), 0
    async with asyncio.timeout(DEADLINE_S):
        with contextlib.suppress(ConnectionResetError):
            while piece := await loop.sock_recv(deaf, 1 << 20):
                taken += len(piece)
    return taken


async def test_readers_are_counted(here: KioskHere) -> None:
    """Some program that opens connections for ever gets no more of them; who leaves makes room."""
    async with AsyncExitStack() as stack:
        for _ in range(kiosk._MOST_READERS):
            await (await stack.enter_async_context(here.events())).next()
        async with here.session.get(here.url("/events")) as answer:
            assert answer.status == 503
    async with asyncio.timeout(DEADLINE_S):
        while True:
            async with here.session.get(here.url("/events")) as answer:
                if answer.status == 200:
                    break
            await SystemClock().sleep(0.01)


async def test_connections_are_counted(here: KioskHere, source: SimSource) -> None:
    """A program that connects and says nothing uses up none of the dock's descriptors; when it goes, the page is there again."""
    async with AsyncExitStack() as stack:
        for _ in range(kiosk._MOST_CONNECTIONS):
            _, writer = await asyncio.open_connection("127.0.0.1", here.port)
            stack.callback(writer.close)
        reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
        stack.callback(writer.close)
        async with asyncio.timeout(DEADLINE_S):
            assert await reader.read() == b""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            with contextlib.suppress(aiohttp.ClientError):
                async with here.session.get(here.url()) as answer:
                    assert answer.status == 200
                    break
            await SystemClock().sleep(0.01)


async def test_a_screen_that_cannot_be_drawn_ends_no_daemon(here: KioskHere, source: SimSource) -> None:
    """The connection ends, the next one works."""
    source.error = ZeroDivisionError("a bug")
    async with here.session.get(here.url("/events")) as answer:
        assert await answer.content.read() == b""
    source.error = None
    async with here.events() as events:
        assert (await events.next())["full"] is True


class Thrice(HurriedClock):
    """Says when somebody has waited three times."""

    def __init__(self) -> None:
        super().__init__()
        self.thrice = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        """Let others run."""
        await super().sleep(seconds)
        if len(self.slept_s) == 3:
            self.thrice.set()


async def test_a_port_that_is_taken_is_tried_again(source: SimSource) -> None:
    """A screen never holds up a dock: it is said once, and the page comes as soon as the port is free."""
    clock = Thrice()
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", free_port()))
        squatter.listen()
        port = squatter.getsockname()[1]
        serving = asyncio.create_task(kiosk.serve_kiosk(port, load_assets("en", None), source, clock))
        async with asyncio.timeout(DEADLINE_S):
            await clock.thrice.wait()
        assert not serving.done()
    await answers(port, serving)
    serving.cancel()
    await asyncio.wait([serving])
    assert serving.cancelled()


async def test_a_slow_picture_is_drawn_seldom(source: SimSource) -> None:
    """What takes long is done so seldom that it costs a twenty-fifth of a core, up to once a second."""
    now_s = 100.0

    class Passing(HurriedClock):
        def monotonic(self) -> float:
            nonlocal now_s
            now_s += 0.02
            return now_s

    frames = kiosk._Frames(source, "v", Passing())
    frames.draw()
    assert frames._gap_s == pytest.approx(0.5)
    drawn = source.drawn
    frames.draw()
    assert source.drawn == drawn
    now_s += 1
    source.shown = type(source.shown)(source.shown.header, (Tile("1", "empty"),), (), busy=True)
    frames.draw()
    assert source.drawn == drawn + 1
