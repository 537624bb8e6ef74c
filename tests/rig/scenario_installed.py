"""The package on a clean system, and footage that reaches the archive through directory bays: the way without USB."""

from pathlib import Path

import pytest

from tests.rig.cameras import build
from tests.rig.docks import ACCEPTED_FILE, DIRECTORIES, Dock, break_it, carry_in, custody
from tests.rig.machine import Machine
from tests.rig.outside import Outside
from tests.rig.prepared import Prepared

# What a time service tells the kernel: synchronised, and a millisecond wrong at most (adjtimex(2): status and maxerror are set).
_KEEP_THE_CLOCK = """python3 -c '
import ctypes, struct
said = ctypes.create_string_buffer(struct.pack("=I4xqqqqi", 0x14, 0, 0, 1000, 0, 0), 512)
print(ctypes.CDLL(None).adjtimex(said))
'"""


@pytest.mark.always
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
        for service in ("dockd", "dockd-vault"):
            await guest.sh(f"systemd-analyze security --no-pager --threshold=20 {service}.service")
        if prepared_machine.suite != "12":  # whose udevadm cannot verify yet
            await guest.sh("udevadm verify /usr/lib/udev/rules.d/*dockd*.rules")


async def test_directory_bay_brings_footage_to_the_archive(prepared_machine: Prepared, place: Path, outside: Outside) -> None:
    """What lies in a directory bay of the installed dock ends in the vault outside the machine, byte for byte."""
    camera = build(place, "CAM-1")
    async with Machine(prepared_machine.parts(place), place / "console") as machine:
        dock = Dock(machine, outside)
        await dock.configure()
        await machine.guest.sh(f"rm {ACCEPTED_FILE}")
        refused = await machine.guest.call("systemctl", "start", "dockd.service", timeout_s=600)
        assert refused.status != 0
        await dock.heard("nobody has accepted this site file")
        await machine.guest.sh("dockd config accept --yes")
        # Accepted or not, a spool that is not encrypted is refused: here the machine's own disk, with the spool's unmounted.
        await machine.guest.sh("umount /var/lib/dockd; sed -i.kept /dockd/d /etc/fstab; systemctl daemon-reload")
        refused = await machine.guest.call("systemctl", "start", "dockd.service", timeout_s=600)
        assert refused.status != 0
        await dock.heard("read every recording")
        await machine.guest.sh("mv /etc/fstab.kept /etc/fstab; systemctl daemon-reload")
        await dock.start()
        await carry_in(machine, camera, f"{DIRECTORIES}/1")
        await dock.archived([camera])
        # What the kernel and the service manager know of the machine gets into the custody log through the sandbox.
        boot = await machine.guest.sh("cat /proc/sys/kernel/random/boot_id")
        assert (await custody(machine.guest, "daemon.started"))[-1]["boot"] == boot.strip().replace("-", "")
        assert (await machine.guest.sh(_KEEP_THE_CLOCK)).strip() == "0"
        await dock.start()
        kept = (await custody(machine.guest, "clock.checked"))[-1]
        assert kept["synchronised"]
        assert kept["error_us"].isdigit()
        assert camera.as_it_was()
