"""Power cuts: of the dock, with the vault outside the machine judging, and of the vault's own machine, with the dock outside.

A cut is tried in both of its forms. `quit` ends the machine at once and the same disks boot again; everything that was written is
still there, so it shows what becomes of half-done work. Then from the log of the spool's writes, replayed to its last flush:
only what was made durable is there, so it shows that a sync is where it has to be.
"""

import asyncio
import io
import shutil
import tarfile
from collections import Counter
from pathlib import Path

import pytest

from dockd.core.recording import State
from tests.rig.cameras import MIB, build
from tests.rig.docks import DIRECTORIES, Dock, break_it, carry_in, compare, objects_count
from tests.rig.machine import Faults, Machine, Parts
from tests.rig.outside import Outside
from tests.rig.pki import LOOPBACK, Certificates, certificates
from tests.rig.power_cut import flushes, replay
from tests.rig.prepared import SPOOL_DEVICE, Prepared
from tests.rig.scenario_usb import dock_camera, ready, usb_dock
from tests.sim.audit import objects_of
from tests.sim.dock_process import DockProcess, Site
from tests.sim.vault_process import VaultProcess

SAME_DISKS, LAST_FLUSH = "the same disks", "the last flush"
VAULT, VAULT_PORT = "/var/lib/dockd-vault", 8443
VERIFIED = {"ready": {"needs": "verified"}}


def after_the_cut(form: str, parts: Parts, prepared_machine: Prepared, place: Path) -> Parts:
    """What the machine is made of when its power is back."""
    if form == SAME_DISKS:
        return prepared_machine.again(parts)
    assert parts.writes_log is not None
    last = flushes(parts.writes_log)
    assert last > 1
    after = replay(parts.writes_log, prepared_machine.spool_of(parts), place / "after.img", flush=last)
    return prepared_machine.with_spool(place, after)


@pytest.mark.always
@pytest.mark.parametrize("form", [SAME_DISKS, LAST_FLUSH], ids=["quit", "flush"])
async def test_power_cut_during_copy_and_uploads_loses_nothing(
    form: str, prepared_machine: Prepared, place: Path, outside: Outside
) -> None:
    """One camera is being copied and stays; of another, which is gone, recordings are being uploaded: all arrives, once."""
    gone = build(place, "CAM-1", recordings=6, recording_bytes=2 * MIB)
    staying = build(place, "CAM-2", recordings=3, recording_bytes=4 * MIB)
    parts = prepared_machine.docking(place, logged=True)
    async with Machine(parts, place / "console") as machine:
        guest = machine.guest
        dock = await ready(usb_dock(machine, outside))
        await dock.upload_slowly()
        await carry_in(machine, gone, f"{DIRECTORIES}/1")
        async with dock.archive_stops():
            await dock.lamp_until("d1", files_copied=len(gone.originals))
            await guest.sh(f"mv {DIRECTORIES}/1 {DIRECTORIES}/taken; sync")
            await dock.lamp_until("d1", camera=None)
            await dock_camera(machine, staying, "1", Faults(rate_bytes_s=MIB))
            await guest.until("ls /var/lib/dockd/spool/recordings/*.part")
            await (machine.quit() if form == SAME_DISKS else machine.cut())
    assert objects_count(outside.vault) < len(gone.originals)
    async with Machine(after_the_cut(form, parts, prepared_machine, place), place / "console") as machine:
        await dock_camera(machine, staying, "1")
        dock = usb_dock(machine, outside)
        if form == LAST_FLUSH:
            await dock.configure()
            await dock.start()
        await dock.archived([gone, staying], deadline_s=600)
        await dock.lamp_until("1", lamp="take it")
    assert staying.as_it_was()


@pytest.mark.always
async def test_power_cut_of_the_vaults_own_machine_loses_nothing_acknowledged(prepared_machine: Prepared, place: Path) -> None:
    """The vault's machine loses its power during an upload: what it had signed for is there, and the rest comes after."""
    camera = build(place, "CAM-1", recordings=6, recording_bytes=2 * MIB)
    known, store = certificates(place), VaultProcess(place / "store")
    (place / "vault-token").write_text(store.token("dock-1"))
    (place / "vault-token").chmod(0o600)
    own = {"token_file": str(place / "vault-token"), "key": store.public_key, "ca_file": str(known.authority)}
    own |= {"client_cert": str(known.dock), "client_key": str(known.dock_key)}
    parts = prepared_machine.parts(place, logged=True)
    # Slowly, so that there is more to come when the power goes, however quick the machine.
    site = Site(erase="never", needs="archived", archive=own, bandwidth=({"limit": "1 MB/s"},))
    dock = DockProcess(place / "dock", None, site)
    try:
        async with Machine(parts, place / "console") as machine:
            port = await vault_in(machine, known, store.root)
            own["url"] = f"https://{LOOPBACK}:{port}/files/"
            await asyncio.to_thread(dock.start)
            shutil.copytree(camera.tree, place / "carried")
            (place / "carried").rename(dock.bay(1))
            await asyncio.to_thread(
                dock.wait_until, lambda _: len(dock.recordings(State.ARCHIVED)) >= 3, why="three archived", deadline_s=600
            )
        acknowledged = {each.recording_id for each in dock.recordings(State.ARCHIVED)}
        assert 3 <= len(acknowledged) < len(camera.originals)
        after = after_the_cut(LAST_FLUSH, parts, prepared_machine, place)
        async with Machine(after, place / "console") as machine:
            await vault_in(machine, known, None, host_port=port)
            everything = len(camera.originals)
            await asyncio.to_thread(
                dock.wait_until, lambda _: len(dock.recordings(State.ARCHIVED)) == everything, why="all archived", deadline_s=600
            )
            await machine.guest.sh("systemctl stop dockd-vault.service")
            content = await machine.guest.read(f"tar -C {VAULT} -cf - blobs vault.sqlite")
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            archive.extractall(place / "held", filter="data")
    finally:
        dock.close()
    held = VaultProcess(place / "held")
    compare(held, [camera])
    assert Counter(each.recording_id for each in objects_of(held)) == Counter(
        each.recording_id for each in dock.recordings(State.ARCHIVED)
    )
    assert {each.object_id for each in objects_of(held)} == {
        each.stored.object_id for each in dock.recordings(State.ARCHIVED) if each.stored is not None
    }


async def vault_in(machine: Machine, known: Certificates, store: Path | None, *, host_port: int = 0) -> int:
    """Start dockd-vault.service over the spool's disk, with this store or the one that is there; the host's port to it."""
    guest = machine.guest
    await break_it(guest)
    for name, path in {"ca.pem": known.authority, "vault.pem": known.vault, "vault.key": known.vault_key}.items():
        await guest.write(f"/etc/dockd-vault/{name}", path.read_bytes(), mode="0600", owner="dockd-vault")
    tls = "--tls-cert /etc/dockd-vault/vault.pem --tls-key /etc/dockd-vault/vault.key --client-ca /etc/dockd-vault/ca.pem"
    await guest.write("/etc/default/dockd-vault", f'DOCKD_VAULT_OPTIONS="--listen 0.0.0.0:{VAULT_PORT} {tls}"\n')
    await guest.sh(f"mount {SPOOL_DEVICE} {VAULT}")
    if store is not None:
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            archive.add(store, ".")
        await guest.sh(f"tar -C {VAULT} --no-same-owner -xf -; chown -R dockd-vault: {VAULT}; sync", stdin=packed.getvalue())
    await guest.sh("systemctl start dockd-vault.service", timeout_s=600)
    return await machine.reach(VAULT_PORT, host_port=host_port)


@pytest.mark.once
async def test_power_cut_after_take_it_loses_nothing_that_was_on_the_camera(
    prepared_machine: Prepared, place: Path, outside: Outside
) -> None:
    """Whoever was told to take the camera has taken it: from a spool that kept only what was flushed by then, all arrives."""
    camera = build(place, "CAM-1", recordings=4)
    outside.vault.kill()
    parts = prepared_machine.parts(place, logged=True)
    assert parts.writes_log is not None
    async with Machine(parts, place / "console") as machine:
        await carry_in(machine, camera, f"{DIRECTORIES}/1")
        dock = await Dock(machine, outside, site=VERIFIED).ready()
        await dock.lamp_until("d1", lamp="take it")
        flushed = flushes(parts.writes_log)
    after = replay(parts.writes_log, prepared_machine.spool_of(parts), place / "after.img", flush=flushed)
    outside.vault.start()
    async with Machine(prepared_machine.with_spool(place, after), place / "console") as machine:
        dock = await Dock(machine, outside, site=VERIFIED).ready()
        await dock.archived([camera])
