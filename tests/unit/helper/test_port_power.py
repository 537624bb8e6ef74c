"""Port power: at a sysfs of plain files, and through the helper's socket with a disk that somebody has open."""

import asyncio
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from dockd.core.usb import Volume
from dockd.errors import CameraGoneError, CameraUnknownError
from dockd.helper import client, port_power
from dockd.helper.port_power import Switch
from dockd.helper.sysfs import text
from tests.sim.bay_sysfs import BAY, PERMITTED, BaySysfs, diskseq, loop_device
from tests.sim.helper_here import HelperHere, camera_image
from tests.sim.usb_devices import BULK


class Scene:
    """A hub whose ports can be switched, and a session's switch."""

    def __init__(self, tmp_path: Path) -> None:
        self.bay = BaySysfs(tmp_path / "sys")
        self.notes = tmp_path / "notes"
        self.port = self.bay.port(2)
        self.other = self.bay.port(3)
        self.root = self.bay.root_port(1)
        self.switch = Switch(self.bay.sysfs, lambda: PERMITTED, self.notes)

    def noted(self) -> list[str]:
        """Which ports are noted as off."""
        return sorted(each.name for each in self.notes.iterdir()) if self.notes.exists() else []


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """One hub."""
    return Scene(tmp_path)


def test_a_ports_power_is_switched_and_that_of_no_other(scene: Scene) -> None:
    """Off with a note, on without one; neighbours and the hub's own port keep theirs."""
    assert scene.switch.turn(BAY, on=False) is True
    assert [text(each / "disable") for each in (scene.port, scene.other, scene.root)] == ["1", "0", "0"]
    assert (scene.switch.is_off, scene.noted()) == (True, ["1-1-port2"])
    assert scene.switch.turn(BAY, on=True) is True
    assert (text(scene.port / "disable"), scene.switch.is_off, scene.noted()) == ("0", False, [])


def test_a_socket_for_fast_devices_is_two_ports(scene: Scene) -> None:
    """Both are switched, for either gives power."""
    fast = scene.bay.port(2, bus=2)
    assert scene.switch.turn(BAY, on=False) is True
    assert [text(each / "disable") for each in (scene.port, fast)] == ["1", "1"]
    scene.switch.restore()
    assert [text(each / "disable") for each in (scene.port, fast)] == ["0", "0"]
    assert scene.noted() == []


def test_a_port_that_cannot_be_switched_on_leaves_none_of_the_others_off(scene: Scene) -> None:
    """The other half of a socket gives power too; the half that failed stays noted, for systemd and the next start."""
    fast = scene.bay.port(2, bus=2)
    scene.switch.turn(BAY, on=False)
    (scene.port / "disable").unlink()
    (scene.port / "disable").mkdir()  # no write reaches it
    scene.switch.restore()
    assert (text(fast / "disable"), scene.noted()) == ("0", ["1-1-port2"])
    assert scene.switch.is_off


def test_a_hub_that_says_that_it_did_not_is_told_of(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel asks the hub when `disable` is read; the answer is handed on, and the port counts as off."""
    write = Path.write_text
    monkeypatch.setattr(Path, "write_text", lambda path, data: write(path, "0") if path.name == "disable" else write(path, data))
    assert scene.switch.turn(BAY, on=False) is False
    assert scene.switch.is_off


@pytest.mark.parametrize("bay", ["", "9", "../1", "usb1-port1"])
def test_only_ports_of_bays_are_switched(scene: Scene, bay: str) -> None:
    """The kiosk's keyboard, the hub itself and every other port of the machine are out of reach."""
    with pytest.raises(CameraUnknownError, match="is no USB bay of this dock"):
        scene.switch.turn(bay, on=False)


def test_a_port_without_a_switch_is_named(scene: Scene) -> None:
    """An old kernel, or a hub that is unplugged."""
    (scene.port / "disable").unlink()
    with pytest.raises(CameraUnknownError, match="bay 3 has no port whose power can be switched"):
        scene.switch.turn(BAY, on=False)


def test_a_hub_that_leaves_meanwhile_is_gone(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel's error is the hub's removal, not the helper's end; and at the session's end it is only written down."""

    def gone(path: Path, data: str) -> int:
        raise OSError(19, "No such device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", gone)
        with pytest.raises(CameraGoneError, match="could not be switched: No such device"):
            scene.switch.turn(BAY, on=False)
        scene.switch.restore()
        port_power.restore(scene.bay.sysfs, scene.notes)
    assert scene.noted() == ["1-1-port2"]


def test_the_next_helper_switches_on_what_the_last_one_left_off(scene: Scene) -> None:
    """However it ended; ports that an admin switched off stay as they are."""
    scene.switch.turn(BAY, on=False)
    (scene.other / "disable").write_text("1")
    port_power.restore(scene.bay.sysfs, scene.notes)
    assert [text(each / "disable") for each in (scene.port, scene.other)] == ["0", "1"]
    assert scene.noted() == []
    port_power.restore(scene.bay.sysfs, scene.notes / "none")


def test_systemd_switches_on_what_a_dead_helper_left_off(scene: Scene) -> None:
    """Without Python, which starts too slowly on a small machine; only what is noted, and a port that refuses stays noted."""
    scene.switch.turn(BAY, on=False)
    (scene.other / "disable").write_text("1")
    (scene.notes / "9-9-port9").touch()
    script = Path(__file__).parents[3] / "packaging/systemd/ports-have-power"
    for _ in range(2):
        subprocess.run([script, scene.notes, scene.bay.root], check=True)
    assert [text(each / "disable") for each in (scene.port, scene.other)] == ["0", "1"]
    assert scene.noted() == []
    (scene.notes / scene.port.name).touch()
    (scene.port / "disable").unlink()
    (scene.port / "disable").mkdir()
    subprocess.run([script, scene.notes, scene.bay.root], check=False, stderr=subprocess.DEVNULL)
    assert scene.noted() == [scene.port.name]


def test_a_hub_that_was_unplugged_needs_nothing(scene: Scene) -> None:
    """Its ports have power when it comes back."""
    scene.switch.turn(BAY, on=False)
    (scene.port / "disable").unlink()
    scene.switch.restore()
    assert scene.noted() == []


@pytest.fixture
def helper(tmp_path: Path) -> Iterator[HelperHere]:
    """A helper at its socket."""
    made = HelperHere(tmp_path)
    made.port.port(2)
    made.start()
    yield made
    made.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
async def test_a_camera_that_is_read_keeps_its_power(helper: HelperHere) -> None:
    """Released, its disk is removed first, then the port is switched; and the end of the session switches it on again."""
    disable = helper.port.hub / "1-1:1.0/1-1-port2/disable"
    with loop_device(camera_image(helper.folder / "card")) as node:
        disk = helper.port.disk(helper.port.plug(BULK), node)
        (disk / "device").mkdir()
        async with client.port_power(helper.path, BAY) as power:
            with helper.session() as session:
                root = session.open(BAY, Volume(diskseq(node), 0))
                with pytest.raises(CameraUnknownError, match="bay 3 is in use, so its power stays on"):
                    await power.switch(on=False)
                os.close(root)
                session.release()
            assert text(disable) == "0"
            assert await power.switch(on=False) is True
            assert (text(disk / "device/delete"), text(disable)) == ("1", "1")
    await asyncio.to_thread(helper.end_sessions)
    assert text(disable) == "0"
