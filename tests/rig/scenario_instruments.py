"""The rig's own instruments, without dockd: a fault that does not happen would let every scenario pass."""

import asyncio
from pathlib import Path

import pytest

from tests.rig.cameras import MIB, build
from tests.rig.guest import Guest
from tests.rig.machine import Faults, Machine, bay_path
from tests.rig.power_cut import flushes, replay
from tests.rig.prepared import SPOOL_DEVICE, Prepared

_READ = "dd if={device} of=/dev/null bs=64k iflag=direct skip={skip} count={count} 2>&1"


def disk(port: str) -> str:
    """The device node of a disk at this port of the bays' controller."""
    return f"/dev/disk/by-path/{bay_path(port)}:1.0-scsi-0:0:0:0"


async def plugged(guest: Guest, port: str) -> str:
    """Wait until the machine has the disk at this port; its node."""
    await guest.until(f"test -b {disk(port)}")
    return disk(port)


@pytest.mark.once
async def test_disks_fail_where_and_when_they_are_told_to(prepared_machine: Prepared, place: Path) -> None:
    """Ports have udev's names, bad sectors fail alone, a slow line is slow, and a pull ends a read with an error."""
    camera = build(place, "CAM-1", recordings=1, size_bytes=40 * MIB)
    async with Machine(prepared_machine.parts(place), place / "console") as machine:
        guest = machine.guest
        faults = Faults(bad_sectors=(30 * MIB // 512,))
        await machine.plug(camera.disk, name="bad", port="3", serial="RIG-3", faults=faults)
        node = await plugged(guest, "3")
        assert "ID_SERIAL_SHORT=RIG-3\n" in await guest.sh(f"udevadm info -q property {node}")
        assert (await guest.call("/bin/sh", "-c", _READ.format(device=node, skip=0, count=400))).status == 0
        assert (await guest.call("/bin/sh", "-c", _READ.format(device=node, skip=480, count=1))).status != 0
        assert (await guest.call("/bin/sh", "-c", _READ.format(device=node, skip=482, count=50))).status == 0
        await machine.rate("bad", MIB)
        began_s = asyncio.get_running_loop().time()
        await guest.sh(_READ.format(device=node, skip=0, count=64))
        assert asyncio.get_running_loop().time() - began_s > 2
        reading = asyncio.create_task(guest.call("/bin/sh", "-c", _READ.format(device=node, skip=0, count=400)))
        await machine.rate("bad", 1)
        await machine.pull("bad")
        assert (await reading).status != 0
        await guest.until(f"! test -e {node}")


@pytest.mark.once
async def test_replayed_disk_holds_what_was_flushed_and_nothing_later(prepared_machine: Prepared, place: Path) -> None:
    """Replayed up to its last flush a disk lacks what was written after it; replayed to its end it has that too."""
    parts = prepared_machine.parts(place, logged=True)
    assert parts.writes_log is not None
    write = "tr '\\0' {letter} </dev/zero | dd of=/mnt/file bs=4096 count=1 iflag=fullblock oflag=direct conv=notrunc"
    async with Machine(parts, place / "console") as machine:
        await machine.guest.sh(f"mount {SPOOL_DEVICE} /mnt; {write.format(letter='k')}; sync -f /mnt; {write.format(letter='l')}")
        # Not ended with `quit`, which flushes once more.
    last = flushes(parts.writes_log)
    for flush, letter in ((last, "k"), (last + 1, "l")):
        after = replay(parts.writes_log, prepared_machine.spool_of(parts), place / "after", flush=flush)
        async with Machine(prepared_machine.with_spool(place, after), place / "console") as machine:
            assert await machine.guest.sh(f"mount {SPOOL_DEVICE} /mnt; head -c 2 /mnt/file") == letter * 2
