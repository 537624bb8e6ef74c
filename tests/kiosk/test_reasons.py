"""Every reason that a lamp can have, as an officer reads it on the page: its words, its light, and that all of it fits."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources

import msgspec
import pytest
from msgspec.structs import replace
from playwright.sync_api import Browser

from dockd.clock import SystemClock
from dockd.core.battery import Quality
from dockd.core.estimate import Left, Unit
from dockd.core.readiness import Lamp
from dockd.web.assets import load_assets
from dockd.web.kiosk import serve_kiosk
from dockd.web.screen import Header, Screen, Tile
from tests.kiosk.conftest import Kiosk
from tests.sim.kiosk_here import HEADER, SimSource, answers
from tests.sim.lamp_reasons import OTHER, REASONS
from tests.sim.ports import free_port

WORDS: dict[str, dict[str, str]] = json.loads(resources.files("dockd.web").joinpath("page/words.json").read_text("utf-8"))
TAKE = {"done-verified", "done-archived", "done-erased", "checked-out"}
LEAVE = {"looking", "copying", "archiving", "clearing", "charging", "resting", "too-hot", "spool-full"}
NAMES = {Lamp.TAKE: "take", Lamp.LEAVE: "leave", Lamp.HELP: "help"}


def tile(bay: str, why: str) -> Tile:
    """A bay that says so."""
    lamp = Lamp.TAKE if why in TAKE else Lamp.LEAVE if why in LEAVE else Lamp.HELP
    charging = why == "charging"
    return Tile(
        bay, "resting", "X60A01234", "badge 4711", 62, Quality.ESTIMATED, why in {"resting", "too-hot"}, lamp,
        why="of tomorrow" if why == OTHER else why,  # a page that is older than its daemon
        detail="The camera hums." if why == OTHER else "",
        files=1 if why in {"copying", "archiving", "files-refused"} else 0,
        until="18:00" if why == "checked-out" else "",
        wanted_percent=80 if charging else None,
        stage="charge" if charging else None,
        permille=620 if charging else 0,
        left=Left(Unit.MINUTES, 25) if charging else None,
    )  # fmt: skip


def said(key: str, language: str) -> str:
    """The table's words, with what the tile puts into their blanks."""
    words = (WORDS.get(key) or WORDS[f"{key}.one"])[language]
    return words.format(count=1, officer="badge 4711", until="18:00", wanted=80)


@contextmanager
def served(tiles: tuple[Tile, ...], language: str, header: Header = HEADER) -> Iterator[int]:
    """The page that says so, at a port."""
    port, ready, loop = free_port(), threading.Event(), asyncio.new_event_loop()
    source = SimSource(Screen(header, tiles, (), busy=False))

    async def serve() -> None:
        serving = asyncio.ensure_future(serve_kiosk(port, load_assets(language, None), source, SystemClock()))
        await answers(port, serving)
        ready.set()
        await serving

    task = loop.create_task(serve())

    def run() -> None:
        with pytest.raises(asyncio.CancelledError):
            loop.run_until_complete(task)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert ready.wait(30)
        yield port
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(30)
        loop.close()


@pytest.mark.parametrize("language", ["en", "es"])
def test_every_reason_is_read_on_its_tile(browser: Browser, language: str) -> None:
    """With its light, what to do, and room for all of it on the smallest screen."""
    tiles = tuple(tile(str(number), why) for number, why in enumerate(REASONS, 1))
    misfits: list[str] = []
    for first in range(0, len(tiles), 4):
        some = tiles[first : first + 4]
        with served(some, language) as port:
            kiosk = Kiosk(browser.new_page(viewport={"width": 800, "height": 480}))
            kiosk.open(port)
            for each in some:
                kiosk.wait_lamp(int(each.bay), NAMES[each.lamp or Lamp.HELP])
                words = kiosk.tile(int(each.bay))
                known = OTHER if each.detail else each.why
                assert said(f"why.{known}", language) in words, each.why
                assert said(f"step.{known}", language) in words, each.why
                about = {"en": "battery about 62 %", "es": "batería: cerca del 62 %"}[language]
                assert about in words
            misfits += kiosk.misfits()
            assert kiosk.complaints == []
            kiosk.page.close()
    assert misfits == []


@pytest.mark.parametrize("language", ["en", "es"])
def test_small_tiles_have_their_reasons_said_below_or_one_touch_away(browser: Browser, language: str) -> None:
    """Each bay that needs help is named once there, with why and what to do, or where to touch; in three lines at the most."""
    tiles = tuple(tile(str(number), why) for number, why in enumerate(REASONS[:32], 1))
    with served(tiles, language) as port:
        kiosk = Kiosk(browser.new_page(viewport={"width": 800, "height": 480}))
        kiosk.open(port)
        below = kiosk.page.locator("#asides li")
        for width, height in ((800, 480), (480, 800)):
            kiosk.page.set_viewport_size({"width": width, "height": height})
            below.nth(2).wait_for()
            kiosk.shoot(f"reasons-{language}-{width}x{height}")
            assert [*kiosk.misfits(), *kiosk.unexplained()] == []
            assert below.count() == 3
            first = next(each for each in tiles if each.lamp is Lamp.HELP)
            words = f"{said(f'why.{first.why}', language)} {said(f'step.{first.why}', language)}"
            assert words in below.nth(0).inner_text()
            assert below.nth(2).inner_text().endswith(said("aside.touch", language))
        bay = below.nth(2).inner_text().split(":")[0].split(", ")[-2]
        kiosk.page.locator(f'.tile[data-bay="{bay}"] .open').click()
        assert said(f"why.{tiles[int(bay) - 1].why}", language) in kiosk.page.locator("#more-body").inner_text()
        assert kiosk.violations() == []
        kiosk.page.keyboard.press("Escape")
        kiosk.page.set_viewport_size({"width": 3840, "height": 2160})
        below.first.wait_for(state="detached")
        assert [*kiosk.misfits(), *kiosk.unexplained()] == []


@pytest.mark.parametrize(
    ("language", "clears", "words"),
    [
        ("en", False, "Until it may be taken: about 40 minutes"),
        ("es", False, "Hasta que pueda llevársela: unos 40 minutos"),
        ("en", True, "Until it can be emptied: about 40 minutes"),
        ("es", True, "Hasta que se pueda vaciar: unos 40 minutos"),
    ],
)
def test_a_camera_says_how_long_all_of_it_takes(browser: Browser, language: str, words: str, *, clears: bool) -> None:
    """Copy, archive and battery together, where its bar tells of one of them."""
    shown = msgspec.structs.replace(tile("1", "copying"), ready=Left(Unit.MINUTES, 40), clears=clears)
    with served((shown,), language) as port:
        kiosk = Kiosk(browser.new_page(viewport={"width": 800, "height": 480}))
        kiosk.open(port)
        kiosk.wait_lamp(1, "leave")
        kiosk.page.locator(".open").first.click()
        assert words in kiosk.page.locator("#more-body").inner_text()


def test_a_resting_camera_says_how_old_its_charge_is(browser: Browser) -> None:
    """It is what was known while its port had power, and an estimate says that it is one."""
    with served((tile("1", "resting"),), "en") as port:
        kiosk = Kiosk(browser.new_page(viewport={"width": 800, "height": 480}))
        kiosk.open(port)
        kiosk.wait_lamp(1, "leave")
        kiosk.page.locator(".open").first.click()
        assert "Battery when it had power last: about 62 %" in kiosk.page.locator("#more-body").inner_text()


HEADS = {
    "nothing to do": ({}, ["balt-ero-01 · Baltimore", "connected", "nothing", "1 GB"]),
    "a queue": (
        {"queue_files": 12, "queue_bytes": 34 * 10**9, "left": Left(Unit.MINUTES, 25)},
        ["balt-ero-01 · Baltimore", "connected", "12 files, 34 GB, 25 min", "1 GB"],
    ),
    "no archive, no room": (
        {"archive": "away", "away_since": "18:55", "queue_files": 1, "queue_bytes": 10**9, "full": True, "free_bytes": 10**8},
        ["balt-ero-01 · Baltimore", "not reachable since 18:55", "1 file, 1 GB", "100 MB: no room to copy"],
    ),
}


@pytest.mark.parametrize("what", HEADS)
def test_the_head_says_how_the_dock_is(browser: Browser, what: str) -> None:
    """Which dock it is, whether the archive answers, what waits for it and for how long, and how much room there is."""
    change, said_there = HEADS[what]
    with served((Tile("1", "empty"),), "en", replace(HEADER, **change)) as port:
        kiosk = Kiosk(browser.new_page(viewport={"width": 800, "height": 480}))
        kiosk.open(port)
        places = ("#dock", "#archive dd", "#queue dd", "#space dd")
        assert [kiosk.page.locator(each).inner_text() for each in places] == said_there
        assert [*kiosk.misfits(), *kiosk.violations(), *kiosk.complaints] == []
