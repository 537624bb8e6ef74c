"""The screen of a dock that was switched on: dockd-kiosk's unit, Debian's compositor and its browser.

The proof is a picture of that screen, taken by QEMU, which knows nothing of what draws there. No KVM and no graphics card: a
browser takes a minute to start.
"""

import asyncio
import time
from pathlib import Path

import pytest

from tests.rig.cameras import build
from tests.rig.docks import DIRECTORIES, Dock, carry_in
from tests.rig.image import ROOT, SCREEN, RigError, image
from tests.rig.machine import Machine, Parts, overlay
from tests.rig.outside import Outside
from tests.rig.prepared import ENCRYPT_THE_SPOOL, INSTALL_S, SPOOL_BYTES, Prepared, booted, empty, install, package

PORT = 8480
SHOWN_S = 900.0
_LOOK_AGAIN_S = 3.0
# The page's own green of "take it" (web/page), and how much of it a lamp of one bay has at least.
TAKE, LAMP_PIXELS = bytes((0x00, 0x9E, 0x73)), 1000
UNIT = "dockd-kiosk.service"
OURS = f"/sys/fs/cgroup/system.slice/{UNIT}"

# Every process of the account is in the unit, so that what the kernel holds by the unit holds for all of them.
ALL_IN_THE_UNIT = f"""
for each in $(pgrep -u dockd-kiosk); do
    grep -qx $each {OURS}/cgroup.procs || {{ cat /proc/$each/cgroup /proc/$each/cmdline; exit 1; }}
done
"""
# The browser's own sandbox: whatever runs a page is in namespaces of its own, without a sandbox switched off.
SANDBOXED = """
said() { pgrep -u dockd-kiosk -a; journalctl -b -u dockd-kiosk.service -o cat -n 60; dmesg | tail -n 5; exit 1; } >&2
pages=$(pgrep -u dockd-kiosk -f -- --type=renderer) || said
for each in $pages; do
    test "$(readlink /proc/$each/ns/user)" != "$(readlink /proc/1/ns/user)" || said
done
! pgrep -u dockd-kiosk -af -- --no-sandbox >&2
"""
# Run as a process of the unit: this machine answers, and everything beyond it is out of reach.
LOOPBACK_ALONE = f"""
echo $$ >{OURS}/cgroup.procs
exec python3 -c '
import socket
socket.create_connection(("127.0.0.1", {PORT}), 20).close()
try:
    socket.create_connection(("10.0.2.2", 8443), 20).close()
except OSError as exc:
    print(exc)
else:
    raise SystemExit("reached the network")
'
"""


async def lamps(machine: Machine, place: Path, *, seen: bool) -> None:
    """Return when the screen shows a green lamp, or none.

    Raises:
        RigError: it did not in time; with what the unit said.
    """
    given_up_s = time.monotonic() + SHOWN_S
    while ((screen := await machine.screenshot(place / "screen.ppm")).count(TAKE) > LAMP_PIXELS) is not seen:
        if time.monotonic() > given_up_s:
            await _keep(machine, "kiosk-failed.png")
            said = await machine.guest.call("journalctl", "-b", "-u", UNIT, "-u", "seatd", "-o", "cat", "-n", "80")
            msg = f"{screen.count(TAKE)} green pixels on the screen (build/screens/kiosk-failed.png)\n{said.stdout}"
            raise RigError(msg)
        await asyncio.sleep(_LOOK_AGAIN_S)


async def _keep(machine: Machine, name: str) -> None:
    kept = ROOT / "build" / "screens" / name
    kept.parent.mkdir(parents=True, exist_ok=True)
    await machine.screenshot(kept, "png")


@pytest.mark.once
async def test_dock_that_is_switched_on_shows_its_page(prepared_machine: Prepared, place: Path, outside: Outside) -> None:
    """Installed, switched off and on: the screen shows the lamp by itself, in a browser that may do nothing."""
    base = image(prepared_machine.suite, SCREEN)
    root, spool = overlay(base.disk, "raw", place / "root.qcow2"), empty(place / "spool.img", SPOOL_BYTES)
    parts = Parts(base.kernel, base.initrd, root, spool, spool_format="raw", screen=True)
    camera = build(place, "CAM-1")
    async with Machine(parts, place / "console") as machine:
        await booted(machine.guest)
        await machine.guest.sh(ENCRYPT_THE_SPOOL, timeout_s=INSTALL_S)
        for name in ("dockd", "dockd-kiosk"):
            await install(machine, package(prepared_machine.suite, name), place)
        bays = ({"id": "d1", "directory": f"{DIRECTORIES}/1"},)
        await Dock(machine, outside, bays=bays, site={"kiosk": {"port": PORT}}).configure()
        await carry_in(machine, camera, f"{DIRECTORIES}/1")
        await machine.guest.sh("sync")
        await machine.quit()

    async with Machine(parts, place / "console") as machine:
        guest = machine.guest
        dock = Dock(machine, outside)
        await booted(guest)
        await dock.archived([camera])
        await lamps(machine, place, seen=True)
        await _keep(machine, "kiosk-booted.png")
        assert (await guest.sh(f"systemctl is-active {UNIT}")).strip() == "active"
        await guest.until(ALL_IN_THE_UNIT)
        await guest.sh(SANDBOXED)
        await guest.sh(LOOPBACK_ALONE)
        refused = await guest.call("runuser", "-u", "dockd-kiosk", "--", "dockd", "status")
        assert refused.status != 0, refused.stdout

        # The page stays and says that it is out of date: no lamp is shown that may no longer be true.
        await guest.sh("systemctl stop dockd.service")
        await lamps(machine, place, seen=False)
        await guest.sh("systemctl start dockd.service", timeout_s=INSTALL_S)
        await lamps(machine, place, seen=True)

        # A browser may die; a screen may not.
        await guest.sh("pkill -KILL -o -u dockd-kiosk -x chromium")
        await guest.until(f"test $(systemctl show -P NRestarts {UNIT}) -ge 1")
        await lamps(machine, place, seen=True)
