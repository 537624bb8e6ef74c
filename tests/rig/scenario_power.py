"""Power cuts and an archive that is away: nothing is lost, nothing arrives twice."""

from pathlib import Path

from tests.rig.cameras import MIB, build
from tests.rig.docks import Dock, Outside, carry_in, objects_count
from tests.rig.machine import Machine
from tests.rig.power_cut import flushes, replay
from tests.rig.prepared import Prepared
from tests.rig.scenario_installed import BAYS, DIRECTORY_BAYS


async def test_power_cut_in_the_middle_of_uploads_loses_nothing(
    prepared_machine: Prepared, place: Path, outside: Outside
) -> None:
    """The machine loses its power while it uploads, boots from the same disks and finishes: the archive has every byte once."""
    camera = build(place, "CAM-1", recordings=6, recording_bytes=4 * MIB)
    parts = prepared_machine.parts(place)
    async with Machine(parts, place / "console") as machine:
        dock = Dock(machine, outside, DIRECTORY_BAYS)
        await dock.configure()
        await machine.guest.sh(f"mkdir -p {BAYS}; systemctl enable dockd.service")
        await carry_in(machine, camera, f"{BAYS}/1")
        await dock.start()
        await dock.some_archived()
        await machine.quit()
    assert objects_count(outside.vault) < len(camera.originals)
    async with Machine(prepared_machine.again(parts), place / "console") as machine:
        dock = Dock(machine, outside, DIRECTORY_BAYS)
        await dock.archived([camera], deadline_s=240)


async def test_power_cut_after_take_it_loses_nothing_that_was_on_the_camera(
    prepared_machine: Prepared, place: Path, outside: Outside
) -> None:
    """Whoever was told to take the camera has taken it: from a spool that kept only what was flushed by then, all arrives."""
    camera = build(place, "CAM-1", recordings=4)
    verified = {"ready": {"needs": "verified"}}
    outside.vault.kill()
    parts = prepared_machine.parts(place, logged=True)
    assert parts.writes_log is not None
    async with Machine(parts, place / "console") as machine:
        dock = Dock(machine, outside, DIRECTORY_BAYS, verified)
        await dock.configure()
        await machine.guest.sh(f"mkdir -p {BAYS}")
        await carry_in(machine, camera, f"{BAYS}/1")
        await dock.start()
        await dock.lamp_until("1", lamp="take it")
        flushed = flushes(parts.writes_log)
    after = replay(parts.writes_log, prepared_machine.folder / "spool.img", place / "after.img", flush=flushed)
    outside.vault.start()
    async with Machine(prepared_machine.with_spool(place, after), place / "console") as machine:
        dock = Dock(machine, outside, DIRECTORY_BAYS, verified)
        await dock.configure()
        await dock.start()
        await dock.archived([camera])


async def test_archive_that_is_away_holds_up_no_copy(prepared_machine: Prepared, place: Path, outside: Outside) -> None:
    """With the archive down the camera is copied all the same and the light does not say to take it; then everything arrives."""
    camera = build(place, "CAM-1")
    outside.vault.kill()
    async with Machine(prepared_machine.parts(place), place / "console") as machine:
        dock = Dock(machine, outside, DIRECTORY_BAYS)
        await dock.configure()
        await machine.guest.sh(f"mkdir -p {BAYS}")
        await dock.start()
        await carry_in(machine, camera, f"{BAYS}/1")
        await dock.lamp_until("1", lamp="leave it", files_copied=len(camera.originals), files_archived=0)
        outside.vault.start()
        await dock.archived([camera])
        await dock.lamp_until("1", lamp="take it")
