"""The spool's disk: an archive that is down for long, no room, and recordings that lie there while somebody writes to them."""

import asyncio
import json
import socket
from contextlib import closing
from pathlib import Path

import pytest

from tests.rig.cameras import MIB, build
from tests.rig.docks import objects_count
from tests.rig.machine import Machine
from tests.rig.outside import Outside
from tests.rig.prepared import SPOOL_DEVICE, Prepared
from tests.rig.scenario_usb import dock_camera, ready, usb_dock

ROUNDS = 10
# Recordings, and the log for its witness.
_WHO_COME = 2
_KEEP_FREE, _ROOM = 8 * MIB, 10 * MIB
_VERIFIED = "/var/lib/dockd/spool/recordings/verified"
# One byte of it, as a disk does that has aged, or whoever has the disk in another machine.
_ALTER_THE_LARGEST = f"""
systemctl stop dockd.service
inode=$(stat -c %i $(ls -S {_VERIFIED}/* | head -n 1))
block=$(debugfs -R "bmap <$inode> 0" {SPOOL_DEVICE})
umount /var/lib/dockd
printf x | dd of={SPOOL_DEVICE} bs=1 seek=$((block * 4096 + 100)) conv=notrunc,fsync
mount /var/lib/dockd
"""


class ClosedDoor:
    """In the place of an archive that is down: takes nobody in, and counts who came."""

    def __init__(self, port: int) -> None:
        self._listener = socket.create_server(("127.0.0.1", port), backlog=64)
        self._listener.setblocking(False)

    async def turned_away(self, count: int) -> None:
        """Return when so many have come."""
        for _ in range(count):
            came, _address = await asyncio.get_running_loop().sock_accept(self._listener)
            came.close()

    def close(self) -> None:
        """Make room for the archive."""
        self._listener.close()


@pytest.mark.always
@pytest.mark.once
@pytest.mark.waits
async def test_archive_that_is_down_for_ten_rounds_and_a_disk_that_fills_up(
    prepared_machine: Prepared, place: Path, outside: Outside
) -> None:
    """What the spool has no room for stays on the camera, which may not be taken; when the archive is back all arrives, once."""
    camera = build(place, "CAM-1", recordings=6, recording_bytes=4 * MIB)
    outside.vault.kill()
    async with Machine(prepared_machine.docking(place), place / "console") as machine:
        dock = usb_dock(machine, outside)
        # One at a time, so that each who comes is another round.
        dock.site = {"uploads": {"parallel": 1}}
        await ready(dock)
        await machine.guest.sh(
            f"free=$(($(stat -f -c '%a * %S' /var/lib/dockd) - {_KEEP_FREE + _ROOM})); fallocate -l $free /var/lib/dockd/other"
        )
        with closing(ClosedDoor(outside.vault.port)) as door:
            await dock_camera(machine, camera, "1")
            await dock.heard("spool full")
            async with asyncio.timeout(1200):
                await door.turned_away(_WHO_COME * ROUNDS)
            # Whoever came: the dock itself says that so many rounds with recordings failed, and that it gave none of them up.
            await dock.heard('"of": "recording".*"event": "archive"', count=ROUNDS, deadline_s=1100)
            queued = json.loads(await machine.guest.sh("dockd queue --json"))
            assert queued["archive"]["reachable"] is False
            assert {each["state"] for each in queued["recordings"]} == {"verified"}
            assert (await dock.ask("GET", "recordings?state=refused"))["recordings"] == []
        shown = await dock.lamp_until("1", lamp="leave it", files_archived=0)
        assert "disk is full" in shown["reason"]
        assert 0 < shown["files_copied"] < len(camera.originals)
        assert not (await dock.status())["archive"]["reachable"]
        outside.vault.start()
        # The next round may be a minute away.
        await dock.archived([camera], deadline_s=600)
        await dock.lamp_until("1", lamp="take it")
    assert camera.as_it_was()


@pytest.mark.always
async def test_disk_that_something_else_filled_to_the_last_block(
    prepared_machine: Prepared, place: Path, outside: Outside
) -> None:
    """Not even the journal has room: nothing counts as copied, a person is asked, and with room again the camera is archived."""
    camera = build(place, "CAM-1", recordings=4, recording_bytes=2 * MIB)
    async with Machine(prepared_machine.docking(place), place / "console") as machine:
        dock = await ready(usb_dock(machine, outside))
        await machine.guest.sh("cat /dev/zero >/var/lib/dockd/other 2>/dev/null || true; sync; ! echo x >/var/lib/dockd/another")
        await dock_camera(machine, camera, "1")
        shown = await dock.lamp_until("1", lamp="get help")
        assert "no room to write the journal" in shown["reason"]
        assert "Make room on the dock's disk" in shown["next_step"]
        assert objects_count(outside.vault) == 0
        await machine.guest.sh("rm /var/lib/dockd/other")
        await machine.pull(camera.serial)
        await dock.lamp_until("1", camera=None)
        await dock_camera(machine, camera, "1")
        await dock.archived([camera], deadline_s=600)
        await dock.lamp_until("1", lamp="take it")


async def test_sealed_recordings_are_not_written_by_root_and_not_altered_below(
    prepared_machine: Prepared, place: Path, outside: Outside
) -> None:
    """The kernel lets nobody write, and gives an error for what the disk has altered: it is copied again, and archived, once."""
    camera = build(place, "CAM-1", recordings=3)
    outside.vault.kill()
    async with Machine(prepared_machine.docking(place), place / "console") as machine:
        guest, dock = machine.guest, await ready(usb_dock(machine, outside))
        await dock_camera(machine, camera, "1")
        await dock.lamp_until("1", files_copied=len(camera.originals))
        await guest.until(f"test $(lsattr {_VERIFIED} | grep -c '^[^ ]*V') -eq {len(camera.originals)}")
        assert (await dock.status())["spool"]["sealed"] is True
        await guest.sh(
            f"for each in {_VERIFIED}/*; do if echo x >>$each || truncate -s 0 $each; then exit 1; fi; done 2>/dev/null"
        )
        await guest.sh(_ALTER_THE_LARGEST)
        outside.vault.start()
        await dock.start()
        await dock.heard("spool-broken")
        await dock.lamp_until("1", lamp="get help")
        await dock.retry_refused()
        await dock.archived([camera], deadline_s=600)
        await dock.lamp_until("1", lamp="take it")
        await guest.until(f"test -z $(ls {_VERIFIED})")
    assert camera.as_it_was()
