"""Planner, helper and docking together: the real helper switches the port of a camera that a real docking is done with."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, time
from pathlib import Path

import pytest

from dockd.charging.outlets import Outlets, charger_of, hubs_of, least_of
from dockd.config import load_site
from dockd.config.model import Site
from dockd.control.reloading import orders_of
from dockd.core.battery import Quality, Reading
from dockd.core.charging import Rules, until_s
from dockd.core.erasure import Method
from dockd.core.profile import Profile, UsbId
from dockd.core.readiness import Lamp, Least
from dockd.core.recording import State
from dockd.core.usb import UsbSource, Volume
from dockd.dock.board import Phase
from dockd.docking.attendant import CUT
from dockd.helper import port_power
from dockd.helper.permitted import Permitted
from dockd.helper.sysfs import text
from tests.sim.archive import SimArchive
from tests.sim.bay_sysfs import BAY, PORT, BaySysfs, diskseq, loop_device
from tests.sim.dock_here import DockHere, dock_here
from tests.sim.helper_here import HelperHere, camera_image
from tests.sim.usb_devices import BULK

PROFILE = Profile(
    "cam", "DCIM", ("DCIM",), ("*.MP4",), ignore=("lost+found", "lost+found/*"), usb=(UsbId("2c9b"),), filesystem="ext4"
)
SITE = f"""\
agency: ICE
division: ERO
site: Buffalo
dock: buf-ero-02
time_zone: America/New_York
bays:
  - {{id: "1", directory: /srv/1}}
  - {{id: "2", directory: /srv/2}}
  - {{id: "{BAY}", usb_port: "{PORT}"}}
spool: {{directory: /var/lib/dockd/spool}}
archive: {{kind: tus, url: "http://127.0.0.1:8080/files/", key: "ed25519:4ER87XYQ41M8xOKoyDKsL5ft3QDVdboZgquKMXe0ea8="}}
charging: {{hubs: [{{name: left, bays: ["{BAY}"], budget: 100 mA}}], slice_minutes: 1, rest_minutes: 1, enough: 70, hottest: 40}}
ready: {{min_battery: 60, min_free: 1 GB, assigned: true}}
cameras: [{{serial: SER-1, shift_starts: "06:00"}}]
"""


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A site whose hub feeds no camera at all."""
    path = tmp_path / "site.yaml"
    path.write_text(SITE)
    return load_site(path)


def test_the_site_files_words_reach_the_planner(site: Site, tmp_path: Path) -> None:
    """Minutes are seconds there, and each bay knows its hub."""
    hubs = hubs_of(site)
    assert (hubs.budgets_ma, hubs.of) == ({"left": 100}, {BAY: "left"})
    assert hubs.rules == Rules(slice_s=60, rest_s=60, patience_s=7200, ready_percent=70, hot_celsius=40)
    assert least_of(site) == Least(60, 10**9, assigned=True)
    assert orders_of(site).shift_starts == {"SER-1": time(6)}
    (tmp_path / "plain.yaml").write_text(
        "\n".join(line for line in SITE.splitlines() if not line.startswith(("charging", "ready")))
    )
    plain = load_site(tmp_path / "plain.yaml")
    assert (hubs_of(plain).of, least_of(plain)) == ({}, Least())


def test_the_rosters_shifts_reach_the_planner(tmp_path: Path) -> None:
    """As the fleet's spreadsheet has them, by serial."""
    (tmp_path / "site.yaml").write_text(SITE.partition("cameras:")[0] + "roster: fleet.csv\n")
    (tmp_path / "fleet.csv").write_text(
        "Camera serial;Assigned officer;Start of shift\nSER-1;A. Smith;06:00\nSER-2;B. Jones;22:30\n"
    )
    site = load_site(tmp_path / "site.yaml")
    assert orders_of(site).shift_starts == {"SER-1": time(6), "SER-2": time(22, 30)}


def test_the_next_shift_is_today_or_tomorrow() -> None:
    """Whatever time it is."""
    assert until_s(time(6), datetime(2026, 11, 24, 5, 30, tzinfo=UTC)) == 1800
    assert until_s(time(6), datetime(2026, 11, 24, 6, tzinfo=UTC)) == 86400


def test_sysfs_says_what_can_be_switched_and_how_full_a_battery_is(site: Site, tmp_path: Path) -> None:
    """Of bays that are ports, by what is at them now."""
    bay = BaySysfs(tmp_path / "sys")
    outlets = Outlets(site, bay.sysfs)
    assert not outlets.can_switch(BAY)
    assert not outlets.can_switch("1")
    bay.port(2)
    assert outlets.can_switch(BAY)
    assert outlets.report(BAY, "t") is None
    supply = bay.plug(BULK) / "power_supply" / "cam"
    supply.mkdir(parents=True)
    (supply / "capacity").write_text("62\n")
    assert outlets.report(BAY, "t") == Reading(Quality.REPORTED, 62, "the camera over USB", "t")
    assert outlets.report("1", "t") is None


@pytest.fixture
def archive() -> SimArchive:
    """An archive whose key the helper knows."""
    return SimArchive()


@pytest.fixture
def helper(tmp_path: Path, archive: SimArchive) -> Iterator[HelperHere]:
    """A helper with a hub that switches."""
    made = HelperHere(tmp_path)
    made.start(permitted=lambda: Permitted({BAY: PORT}, (PROFILE,), "dock-1", (archive.pinned_key,), Method.NEVER))
    yield made
    made.stop()


class Scene:
    """A dock with a camera at a hub that switches, and a charger at work."""

    def __init__(self, dock: DockHere, helper: HelperHere, node: Path) -> None:
        self.dock, self.helper, self.port = dock, helper, helper.port.port(2)
        device = helper.port.plug(BULK)
        (device / "serial").write_text("SER-1\n")
        (helper.port.disk(device, node) / "device").mkdir()  # as the kernel has it, with a file to let the disk go by
        self._source = UsbSource(BAY, "SER-1", (Volume(diskseq(node), 0),), helper.path)

    def insert(self) -> None:
        """The camera comes, or comes back."""
        self.dock.insert(self._source, BAY, PROFILE)

    async def cut(self) -> None:
        """Until its port has no power; the kernel then takes the camera away, which its bay tells."""
        await self.dock.until(lambda: self.dock.bay(BAY).resting is not None)
        await asyncio.to_thread(_until_is, self.port / "disable", "1")
        self.dock.remove(BAY)
        await self.dock.until(lambda: self.dock.bay(BAY).phase is Phase.UNPOWERED)


def _until_is(file: Path, value: str) -> None:
    for _ in range(3000):
        if text(file) == value:
            return
        os.sched_yield()
        signal.sigtimedwait([], 0.01)
    pytest.fail(f"{file} never said {value}")


def _kill_sessions(helper: HelperHere) -> None:
    """None of them has a last word."""
    for pid in helper.sessions():
        os.kill(pid, signal.SIGKILL)


@asynccontextmanager
async def at_hub(helper: HelperHere, archive: SimArchive, site: Site, tmp_path: Path) -> AsyncIterator[Scene]:
    """A camera at a hub that feeds none, in a dock that is done with it soon."""
    with loop_device(camera_image(tmp_path / "card")) as node:
        async with dock_here(tmp_path / "spool", archive, may_erase=False, bays=3) as dock:
            scene = Scene(dock, helper, node)
            charger = charger_of(site, dock.dock, helper.path, helper.port.sysfs)
            task = asyncio.create_task(charger.run())
            try:
                yield scene
            finally:
                task.cancel()
                await asyncio.wait([task])


pytest_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")


@pytest_root
async def test_a_camera_that_is_done_with_is_cut_and_docked_anew(
    helper: HelperHere, archive: SimArchive, site: Site, tmp_path: Path
) -> None:
    """Its docking ends with the reason, the bay says resting; when the charger ends, however, the port has power again."""
    async with at_hub(helper, archive, site, tmp_path) as scene:
        scene.insert()
        await scene.cut()
        light = scene.dock.lamp(BAY)
        assert (light.lamp, light.code) == (Lamp.LEAVE, "resting")
        assert await scene.dock.states() == {b"DCIM/A.MP4": State.ARCHIVED}
        (ended,) = await scene.dock.entries("docking.ended")
        assert ended["reason"] == CUT
    await asyncio.to_thread(_until_is, scene.port / "disable", "0")


@pytest_root
async def test_a_helper_that_dies_in_mid_cut_leaves_no_port_without_power(
    helper: HelperHere, archive: SimArchive, site: Site, tmp_path: Path
) -> None:
    """What the next one does as it starts switches it on; the camera is a new docking, and nothing of it is copied again."""
    async with at_hub(helper, archive, site, tmp_path) as scene:
        scene.insert()
        await scene.cut()
        _kill_sessions(helper)
        assert text(scene.port / "disable") == "1"
        port_power.restore(helper.port.sysfs, helper.folder / "power")
        assert text(scene.port / "disable") == "0"
        scene.insert()
        await scene.dock.until(lambda: scene.dock.bay(BAY).camera == "SER-1" and scene.dock.bay(BAY).idle)
        assert scene.dock.bay(BAY).resting is None
        assert await scene.dock.states() == {b"DCIM/A.MP4": State.ARCHIVED}
        assert len(await scene.dock.entries("camera.docked")) == 2
