"""The package's life under a real systemd and udev: exchanged in the middle of uploads, removed over footage, and back again."""

from pathlib import Path

import pytest

from tests.rig.cameras import MIB, build
from tests.rig.docks import DIRECTORIES, Dock, carry_in, lent, objects_count
from tests.rig.image import ROOT, run
from tests.rig.machine import Machine
from tests.rig.outside import Outside
from tests.rig.prepared import Prepared, package
from tests.rig.scenario_usb import dock_camera, ready, usb_dock

CONTROLLER = "/sys/bus/pci/devices/0000:00:04.0"
_INSTALL_S = 600.0


def repacked(kind: str, deb: Path, folder: Path) -> Path:
    """The package as its own later version, or the same."""
    folder.mkdir(exist_ok=True)
    run(ROOT / "tests/package/repack.sh", kind, deb, folder / f"{kind}.deb")
    return folder / f"{kind}.deb"


@pytest.mark.always
async def test_upgrade_in_the_middle_of_uploads(prepared_machine: Prepared, place: Path, outside: Outside) -> None:
    """The new version goes on where the old one was; the way back is refused before anything is changed."""
    camera = build(place, "CAM-1", recordings=6, recording_bytes=2 * MIB)
    deb = package(prepared_machine.suite)
    repacked("later", deb, place / "debs")
    (place / "debs" / "now.deb").hardlink_to(deb)
    async with Machine(prepared_machine.docking(place), place / "console") as machine:
        guest = machine.guest
        dock = await Dock(machine, outside).ready()
        await dock.upload_slowly()
        await carry_in(machine, camera, f"{DIRECTORIES}/carried")
        before = await _runs(dock)
        async with lent(machine, place / "debs") as debs:
            # Docked only now: lending takes a slow machine longer than the uploads do.
            await guest.sh(f"mv {DIRECTORIES}/carried {DIRECTORIES}/1")
            async with dock.archive_stops():
                await guest.sh(f"dpkg -i {debs}/later.deb", timeout_s=_INSTALL_S)
            assert objects_count(outside.vault) < len(camera.originals)
            after = await _runs(dock)
            assert after["version"] == f"{before['version']}+later"
            assert "killed" not in await dock.log(500)
            await dock.archived([camera])
            await dock.lamp_until("d1", lamp="take it")
            refused = await guest.call("dpkg", "-i", f"{debs}/now.deb", timeout_s=_INSTALL_S)
            assert refused.status != 0
            assert "older than the journal" in refused.stdout + refused.stderr
            assert await _runs(dock) == after
            await guest.sh("dpkg --audit && dpkg --verify dockd")


async def _runs(dock: Dock) -> dict[str, object]:
    """What the daemon says of itself that stays the same as long as it runs."""
    daemon = (await dock.status())["daemon"]
    return {name: daemon[name] for name in ("version", "pid", "started")}


async def test_removed_over_footage_and_back_again(prepared_machine: Prepared, place: Path, outside: Outside) -> None:
    """Removed and purged, the package lets go of the ports and says what stays; back again, it brings that to the archive."""
    camera = build(place, "CAM-1", recordings=3)
    repacked("same", package(prepared_machine.suite), place / "debs")
    outside.vault.kill()
    async with Machine(prepared_machine.docking(place), place / "console") as machine:
        guest = machine.guest
        dock = await ready(usb_dock(machine, outside))
        await dock_camera(machine, camera, "1")
        await dock.lamp_until("1", lamp="leave it", files_copied=len(camera.originals))
        await machine.pull(camera.serial)
        await dock.lamp_until("1", camera=None)
        await machine.plug_other("usb-kbd", name="keyboard", port="2")
        await dock.lamp_until("2", lamp="get help")
        assert set((await guest.sh(f"cat {CONTROLLER}/usb*/*authorized_default")).split()) == {"0"}
        footage = "cd /var/lib/dockd/spool/recordings; find . -type f -exec sha256sum {} + | sort"
        before = await guest.sh(footage)
        await guest.sh("cp -a /etc/dockd /run/kept")

        said = await guest.sh("dpkg --remove dockd 2>&1", timeout_s=_INSTALL_S)
        assert f"holds {len(camera.originals)} recordings" in said
        await guest.sh("! systemctl is-active dockd.service dockd-helper.service dockd-helper.socket dockd-vault.service")
        # The ports are as they are on any machine: what was refused works when it is plugged in anew.
        assert set((await guest.sh(f"cat {CONTROLLER}/usb*/*authorized_default")).split()) == {"1"}
        await guest.sh("! dmesg | grep 'input:.*0000:00:04.0' && ! test -e /run/udev/rules.d/59-dockd-bays.rules")
        await machine.pull("keyboard")
        # A hub that sees another device at once takes it for the one that slept there, and takes minutes to see that it is not.
        await guest.until(f"! ls -d {CONTROLLER}/usb*/*-2")
        await machine.plug_other("usb-kbd", name="keyboard", port="2")
        await guest.until("grep -q usb-0000:00:04.0-2 /proc/bus/input/devices")

        said = await guest.sh("dpkg --purge dockd 2>&1", timeout_s=_INSTALL_S)
        assert f"/var/lib/dockd/spool holds {len(camera.originals)} recordings" in said
        await guest.sh(
            "! test -e /etc/dockd/site.yaml && systemctl daemon-reload && ! systemctl --failed --no-legend --plain | grep ."
        )
        assert await guest.sh(footage) == before

        async with lent(machine, place / "debs") as debs:
            await guest.sh(f"dpkg -i {debs}/same.deb", timeout_s=_INSTALL_S)
        await guest.sh("cp -a /run/kept/. /etc/dockd/")
        outside.vault.start()
        await dock.start()
        await dock.archived([camera])
    assert camera.as_it_was()
