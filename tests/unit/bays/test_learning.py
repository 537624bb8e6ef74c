"""Learning which port is which bay: with a machine in the test's hand, and with libudev on devices of umockdev."""

import itertools
import os
import subprocess
import sys
import threading

from dockd.bays.learning import Connected, UdevWatch, learned

MOCKED = "umockdev" in os.environ.get("LD_PRELOAD", "")
OWN = Connected("pci-0-usb-0:9", (1, 2), "Keyboard", "")


def camera(port: int, number: int, serial: str = "S1") -> Connected:
    """A camera at a port."""
    return Connected(f"pci-0-usb-0:{port}", (1, number), "Cam", serial)


class Hands:
    """Whoever plugs: what is plugged in after each wait; the end of the list is the press of Enter."""

    def __init__(self, *sights: list[Connected]) -> None:
        self._sights = iter(sights)
        self._now: list[Connected] = [OWN]

    def look(self) -> list[Connected]:
        """What is plugged in."""
        return self._now

    def wait(self) -> bool:
        """The next that happens."""
        try:
            self._now = next(self._sights)
        except StopIteration:
            return False
        return True


if not MOCKED:

    def test_each_bay_is_the_port_where_the_camera_appears() -> None:
        """One camera is carried from bay to bay; what was plugged in before is none."""
        said: list[str] = []
        hands = Hands([OWN, camera(1, 3)], [OWN], [OWN, camera(2, 4)])
        found = learned(["1", "left"], hands, said.append)
        assert found == {"1": camera(1, 3), "left": camera(2, 4)}
        assert said == [
            "Plug one camera into bay 1. If one is in it, take it out and put it in again.",
            "Bay 1 is pci-0-usb-0:1 (Cam, serial S1).",
            "Plug one camera into bay left. If one is in it, take it out and put it in again.",
            "Bay left is pci-0-usb-0:2 (Cam, serial S1).",
        ]

    def test_a_port_is_no_second_bay() -> None:
        """A camera that goes back into a learned bay, or comes back by itself, is told and not counted."""
        said: list[str] = []
        found = learned(["1", "2"], Hands([camera(1, 3)], [camera(1, 4)], [camera(1, 4), camera(2, 5, "")]), said.append)
        assert found == {"1": camera(1, 3), "2": camera(2, 5, "")}
        assert "That is bay 1 again; take the next one." in said
        assert said[-1] == "Bay 2 is pci-0-usb-0:2 (Cam, which shows no serial)."

    def test_two_at_once_are_neither() -> None:
        """Which of them is meant is not guessed."""
        said: list[str] = []
        found = learned(["1"], Hands([camera(1, 3), camera(2, 4)], [], [camera(2, 5)]), said.append)
        assert found == {"1": camera(2, 5)}
        assert said[1] == "2 devices came at once (pci-0-usb-0:1, pci-0-usb-0:2). Take them out and plug in one."

    def test_whoever_plugs_says_when_it_is_enough() -> None:
        """Of bays without end."""
        found = learned(map(str, itertools.count(1)), Hands([camera(1, 3)]), lambda words: None)
        assert list(found) == ["1"]

    def test_libudev_tells_of_what_is_plugged_in() -> None:
        """The scene below, with libudev seeing a test bed."""
        command = ["umockdev-wrapper", sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def test_enter_is_heard() -> None:
        """On a line of its own, by the machine itself."""
        read, write = os.pipe()
        with os.fdopen(read) as person, os.fdopen(write, "w") as hand:
            hand.write("\n")
            hand.flush()
            assert UdevWatch(person).wait() is False

else:
    from tests.sim.mock_udev import MockUdev

    def test_a_camera_is_seen_at_its_port_and_a_hub_is_none() -> None:
        """By its place in the tree alone: no rule of dockd has named it."""
        bed = MockUdev()
        pci = bed.add("pci", "0000:00:14.0", None, {}, {})
        root = bed.add("usb", "usb1", pci, {"bDeviceClass": "09"}, {"DEVTYPE": "usb_device", "BUSNUM": "1", "DEVNUM": "1"})
        hub = bed.add("usb", "1-1", root, {"bDeviceClass": "09"}, {"DEVTYPE": "usb_device", "BUSNUM": "1", "DEVNUM": "2"})
        watch = UdevWatch(None)
        assert watch.look() == []
        properties = {"DEVTYPE": "usb_device", "BUSNUM": "1", "DEVNUM": "3", "ID_MODEL": "Cam", "ID_SERIAL_SHORT": "S"}
        path = bed.add("usb", "1-1.2", hub, {"bDeviceClass": "00"}, properties)
        bed.add("usb", "1-1.3", hub, {}, {"DEVTYPE": "usb_device", "BUSNUM": "1", "DEVNUM": "4"})
        threading.Timer(0, bed.tell, [path, "add"]).start()
        assert watch.wait() is True
        assert watch.look() == [Connected("pci-0000:00:14.0-usb-0:1.2", (1, 3), "Cam", "S")]
