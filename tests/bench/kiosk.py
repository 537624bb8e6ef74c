"""What the dock's own page costs and how soon it shows what happened: 32 busy bays, a real board, a real browser."""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

from playwright.async_api import Page, async_playwright

from dockd.control.display import Display
from dockd.core.clearance import FileKind
from dockd.core.recording import Refusal, State
from dockd.dock.board import Board, Phase, Presence
from dockd.web.assets import load_assets
from dockd.web.kiosk import serve_kiosk
from tests.bench.figures import Figure, Part, at_most, told
from tests.bench.measuring import median
from tests.bench.occasion import Occasion
from tests.sim.dock_of import dock_in
from tests.sim.evidence import seen
from tests.sim.kiosk_here import answers
from tests.sim.ports import free_port

_MIB = 1 << 20
_STEP_S = 0.25
# When a tile's lamp has changed and the next frame was drawn.
_WATCH = """() => {
  window.shown = [];
  new MutationObserver((all) => requestAnimationFrame(() => {
    for (const each of all) window.shown.push([each.target.dataset.bay, performance.timeOrigin + performance.now()]);
  })).observe(document.querySelector("#bays"), { subtree: true, attributeFilter: ["data-lamp"] });
}"""
_PAINTED = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0"


def measure(occasion: Occasion, *, bays: int, recordings: int, seconds: float, facts: int) -> Part:
    """The server with a reader against the same dock without one; then a browser."""
    figures = asyncio.run(_measured(occasion, bays, recordings, seconds, facts))
    what = f"A board with {bays} busy bays of {recordings} recordings each, in one process; curl, then Chromium, read along."
    return Part("kiosk", what, figures, occasion.quick)


async def _measured(occasion: Occasion, bays: int, recordings: int, seconds: float, facts: int) -> list[Figure]:
    async with dock_in(occasion.work, bays=tuple(str(number) for number in range(1, bays + 1))) as dock:
        _fill(dock.board, recordings)
        port = free_port()
        assets = load_assets("en", None)
        serving = asyncio.create_task(serve_kiosk(port, assets, Display(dock, "Baltimore", "America/New_York"), dock.clock))
        await answers(port, serving)
        feeding = asyncio.create_task(_feed(dock.board))
        try:
            occasion.say("kiosk: processor time of the server")
            alone = await _cpu_share(seconds)
            async with _reader(port, occasion.work / "events"):
                read = await _cpu_share(seconds)
            occasion.say("kiosk: a fact's way to the tile, and the first paint")
            waits_s, paints_ms = await _in_browser(dock.board, port, facts, occasion.rounds)
        finally:
            for task in (feeding, serving):
                task.cancel()
            await asyncio.wait([feeding, serving])
    return [
        at_most(f"processor for one reader, {bays} busy bays", max(0.0, 100 * (read - alone)), 5, "% of a core"),
        told("processor of the board alone", 100 * alone, "% of a core"),
        at_most("fact to drawn tile, worst", 1000 * max(waits_s), 250, "ms"),
        told("fact to drawn tile, median", 1000 * median(waits_s), "ms"),
        at_most("first paint, median", median(paints_ms), 300, "ms"),
        at_most("size of the page", sum(len(each.body) for each in assets.files.values()) / 1000, 60, "kB"),
    ]


def _fill(board: Board, recordings: int) -> None:
    for bay in board.bays.values():
        bay.phase, bay.camera, bay.officer, bay.scanned = Phase.COPYING, f"X1-{bay.bay}", "badge 4711", True
        listed = [seen(f"{int(bay.bay):016x}{number:016x}", size_bytes=100 * _MIB) for number in range(recordings)]
        bay.present = {each.recording_id: Presence(each, FileKind.RECORDING) for each in listed}


async def _feed(board: Board) -> None:
    """Every bay reads 40 MB/s and finishes a recording now and then, as bays do."""
    number = 0
    while True:
        for bay in board.bays.values():
            bay.meter.add(int(40e6 * _STEP_S))
            bay.reading = {b"A.MP4": (number * 10_000_000) % (100 * _MIB)}
            if (number + int(bay.bay)) % 8 == 0:
                done = list(bay.present.values())[number % len(bay.present)]
                board.stepped(replace(done.recording, state=State.COPYING if number % 3 else State.SEEN))
        number += 1
        await asyncio.sleep(_STEP_S)


async def _cpu_share(seconds: float) -> float:
    await asyncio.sleep(1)
    began, cpu = time.monotonic(), time.process_time()
    await asyncio.sleep(seconds)
    return (time.process_time() - cpu) / (time.monotonic() - began)


@asynccontextmanager
async def _reader(port: int, into: Path) -> AsyncIterator[None]:
    curl = await asyncio.create_subprocess_exec("curl", "-sN", "-o", str(into), f"http://127.0.0.1:{port}/events")
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            curl.kill()
        await curl.wait()


async def _in_browser(board: Board, port: int, facts: int, rounds: int) -> tuple[list[float], list[float]]:
    """How long each fact took to its tile, in seconds; how long each load took to its first paint, in milliseconds."""
    async with async_playwright() as playwright:
        chromium = shutil.which("chromium")
        browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-dev-shm-usage"])
        # The hardest for the page: no tile has room for its words.
        page = await browser.new_page(viewport={"width": 800, "height": 480})
        paints_ms = []
        for _ in range(max(rounds, 3)):
            await page.goto(f"http://127.0.0.1:{port}/")
            await page.wait_for_selector(".tile")
            await page.wait_for_function(f"() => {_PAINTED} > 0")
            paints_ms.append(float(await page.evaluate(_PAINTED)))
        await page.evaluate(_WATCH)
        waits_s = [await _one_fact(board, page, number) for number in range(facts)]
        await browser.close()
    return waits_s, paints_ms


async def _one_fact(board: Board, page: Page, number: int) -> float:
    """One bay's lamp changes; when it is drawn."""
    bay = list(board.bays.values())[number % len(board.bays)]
    await asyncio.sleep(0.05 + (number * 37 % 100) / 300)
    bay.failure = None if bay.failure else Refusal("camera-stalled", "It does not answer.", "Wait.")
    happened = time.time()
    board.tell()
    await page.wait_for_function("bay => window.shown.some(each => each[0] === bay)", arg=bay.bay)
    at_ms = await page.evaluate("bay => window.shown.splice(0).find(each => each[0] === bay)[1]", bay.bay)
    return float(at_ms) / 1000 - happened
