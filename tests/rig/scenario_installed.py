"""The package on a clean system, and footage that reaches the archive through directory bays: the way without USB."""

from pathlib import Path

from tests.rig.cameras import build
from tests.rig.docks import Dock, Outside, break_it, carry_in
from tests.rig.machine import Machine
from tests.rig.prepared import Prepared

BAYS = "/srv/dockd/bays"
DIRECTORY_BAYS = [{"id": str(number), "directory": f"{BAYS}/{number}"} for number in (1, 2)]


async def test_clean_system_takes_the_package_and_runs_its_services(prepared_machine: Prepared, place: Path) -> None:
    """After `dpkg -i` everything is as it should be: no unit has failed, and units and rules are without fault."""
    assert prepared_machine.told["booted"] == "running"
    async with Machine(prepared_machine.parts(place), place / "console") as machine:
        guest = machine.guest
        await break_it(guest)
        assert (await guest.sh("systemctl --failed --no-legend --plain")).strip() == ""
        # Not a dock yet: the site file is the example, which is a reason to wait and no failure.
        assert (await guest.sh("systemctl is-enabled dockd.service")).strip() == "enabled"
        assert (await guest.call("systemctl", "is-failed", "dockd.service")).status != 0
        # It ends well whatever it has to say, so what it says counts.
        said = await guest.sh("systemd-analyze verify --man=no /usr/lib/systemd/system/dockd*.* 2>&1")
        assert "dockd" not in said, said
        if prepared_machine.suite != "12":  # whose udevadm cannot verify yet
            await guest.sh("udevadm verify /usr/lib/udev/rules.d/*dockd*.rules")


async def test_directory_bay_brings_footage_to_the_archive(prepared_machine: Prepared, place: Path, outside: Outside) -> None:
    """What lies in a directory bay of the installed dock ends in the vault outside the machine, byte for byte."""
    camera = build(place, "CAM-1")
    async with Machine(prepared_machine.parts(place), place / "console") as machine:
        dock = Dock(machine, outside, DIRECTORY_BAYS)
        await dock.configure()
        await machine.guest.sh(f"mkdir -p {BAYS}")
        await dock.start()
        await carry_in(machine, camera, f"{BAYS}/1")
        await dock.archived([camera])
        assert camera.as_it_was()
