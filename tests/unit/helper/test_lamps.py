"""The lamps at the helper, which outlives the daemon: the real process, and a folder like the kernel's LED class."""

import asyncio
import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dockd.core.lamp import COLOURS, Wiring
from dockd.core.readiness import Lamp
from dockd.errors import CameraUnknownError, LampError, WorkerError
from dockd.helper import client
from tests.sim.bay_sysfs import BAY, PERMITTED
from tests.sim.helper_here import HelperHere
from tests.sim.led_class import LedClass

LAMPS = {BAY: Wiring("one"), "5": Wiring("rgb"), "4": Wiring(by_lamp={Lamp.TAKE: "take", Lamp.LEAVE: "leave", Lamp.HELP: "help"})}


@pytest.fixture
def helper(tmp_path: Path) -> Iterator[HelperHere]:
    """A helper that knows two lamps."""
    here = HelperHere(tmp_path)
    here.start(permitted=lambda: replace(PERMITTED, lamps=LAMPS))
    yield here
    here.stop()


@pytest.fixture
def leds(helper: HelperHere) -> LedClass:
    """Their LEDs."""
    leds = LedClass(helper.port.root / "class" / "leds")
    for name in ("one", "take", "leave", "help"):
        leds.add(name)
    return leds


async def test_lamps_are_shown_and_go_dark(helper: HelperHere, leds: LedClass) -> None:
    """As long as somebody who knows is there; a daemon that stops in order leaves them dark."""
    async with client.lamps(helper.path) as lamps:
        await lamps.show({BAY: Lamp.TAKE, "4": Lamp.LEAVE})
        assert (leds["one"]["trigger"], leds["one"]["brightness"]) == ("none", "255")
        assert [leds[name]["trigger"] for name in ("take", "leave", "help")] == ["none", "pattern", "none"]
        for name in ("one", "take", "leave", "help"):
            leds.offer(name)
        await lamps.show({BAY: None, "4": None})
    await asyncio.to_thread(helper.end_sessions)
    assert {leds[name]["brightness"] for name in ("one", "take", "leave", "help")} == {"0"}
    assert leds["one"]["trigger"] == "none"


async def test_lamps_ask_for_help_when_the_daemon_is_gone(helper: HelperHere, leds: LedClass) -> None:
    """However it went: the connection's end is all that it takes. A dark one stays dark."""
    async with client.lamps(helper.path) as lamps:
        await lamps.show({BAY: Lamp.TAKE, "4": None})
        leds.offer("one")
    await asyncio.to_thread(helper.end_sessions)
    assert (leds["one"]["trigger"], leds["one"]["delay_on"]) == ("timer", "150")
    assert leds["help"]["trigger"] == "none"


async def test_bay_without_a_lamp_is_refused_in_words(helper: HelperHere, leds: LedClass) -> None:
    """Nothing else that was asked for is shown then."""
    async with client.lamps(helper.path) as lamps:
        with pytest.raises(CameraUnknownError, match="bay 9 has no lamp"):
            await lamps.show({BAY: Lamp.TAKE, "9": Lamp.TAKE})
    assert leds["one"]["brightness"] == "7"


async def test_broken_lamp_is_named_and_the_others_are_shown(helper: HelperHere, leds: LedClass) -> None:
    """Also when they are abandoned."""
    leds.offer("one", "[none]")
    async with client.lamps(helper.path) as lamps:
        with pytest.raises(LampError, match="the lamp one cannot blink by itself"):
            await lamps.show({BAY: Lamp.HELP, "4": Lamp.TAKE})
        assert leds["take"]["brightness"] == "255"
        for name in ("take", "leave", "help"):
            leds.offer(name)
    await asyncio.to_thread(helper.end_sessions)
    assert leds["help"]["trigger"] == "timer"


async def test_lamp_that_could_not_be_darkened_is_not_taken_for_dark(helper: HelperHere, leds: LedClass) -> None:
    """It may be green over nothing: when the daemon is gone it asks for help with the others."""
    async with client.lamps(helper.path) as lamps:
        await lamps.show({BAY: Lamp.TAKE})
        leds.offer("one")
        brightness = leds.folder / "one" / "brightness"
        brightness.rename(brightness.with_name("gone"))
        with pytest.raises(LampError, match="the lamp one cannot be set"):
            await lamps.show({BAY: None})
        brightness.with_name("gone").rename(brightness)
        leds.offer("one")
    await asyncio.to_thread(helper.end_sessions)
    assert (leds["one"]["trigger"], leds["one"]["delay_on"]) == ("timer", "150")


def died(helper: HelperHere) -> None:
    """What systemd does then."""
    script = Path(__file__).parents[3] / "packaging/systemd/leds-ask-for-help"
    subprocess.run([script, helper.folder / "lamps"], timeout=60, check=True)


async def test_lamps_ask_for_help_when_the_helper_dies(helper: HelperHere, leds: LedClass) -> None:
    """The daemon hears of it, and those that were lit blink, in the colour of that; dark ones stay dark."""
    leds.add("rgb", colours="blue red green")
    async with client.lamps(helper.path) as lamps:
        await lamps.show({BAY: Lamp.TAKE, "4": Lamp.TAKE, "5": Lamp.LEAVE})
        for name in ("take", "leave", "help"):
            leds.offer(name)
        await lamps.show({"4": None})
        for pid in helper.sessions():
            os.kill(pid, signal.SIGKILL)
        with pytest.raises(WorkerError):
            await lamps.lost()
    await asyncio.to_thread(helper.end_sessions)
    assert leds["one"]["brightness"] == "255"
    died(helper)
    assert (leds["one"]["trigger"], leds["one"]["delay_on"]) == ("timer", "150")
    red, green, blue = COLOURS[Lamp.HELP]
    assert (leds["rgb"]["trigger"], leds["rgb"]["multi_intensity"]) == ("timer", f"{blue} {red} {green}")
    assert {leds[name]["trigger"] for name in ("take", "leave", "help")} == {"none"}
    leds.offer("one")
    died(helper)
    assert leds["one"]["trigger"] != "timer"  # once is enough: whoever comes next knows better


async def test_lamps_are_shown_where_no_notes_can_be_kept(helper: HelperHere, leds: LedClass) -> None:
    """It is logged, and the lamp says what is so."""
    (helper.folder / "lamps").touch()
    async with client.lamps(helper.path) as lamps:
        await lamps.show({BAY: Lamp.TAKE})
        assert leds["one"]["brightness"] == "255"
