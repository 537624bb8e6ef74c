"""One virtual machine: started, saved, continued, plugged, pulled and cut off from its power, over QMP.

Two USB controllers: `bays`, at PCI 00:04.0, whose ports are the dock's bays, and `kiosk`, at 00:05.0, which is none of the dock's
business. No KVM: it runs by TCG everywhere, slower but the same.
"""

import asyncio
import contextlib
import os
import re
import signal
import socket
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.rig.guest import Guest
from tests.rig.image import RigError, run
from tests.rig.qmp import Qmp

BAYS, KIOSK = "bays", "kiosk"
_BAYS_PORTS = 10
# What is slow without KVM, and nothing to dockd: wide registers, page tables of five levels, a kernel that tests its ciphers. One
# processor, since several machines share the host's, and each of two would spin while the other one's thread waits for its turn.
_CPU, _SPARED = "max,-avx,-avx2,-la57", "mitigations=off cryptomgr.notests=1"
_END_S = 30.0
MEMORY, MEMORY_WITH_SCREEN = "640M", "2G"
ADDRESS = "10.0.2.15"
SECTOR_BYTES = 512


def bay_path(port: str) -> str:
    """The ID_PATH, as udev calls it, of a device at this port of the bays' controller."""
    return f"pci-0000:00:04.0-usb-0:{port}"


@dataclass(frozen=True, slots=True)
class Parts:
    """What a machine is made of.

    Attributes:
        root, spool: the disks' files; they are written to.
        root_format, spool_format: raw or qcow2.
        state: the saved memory that it continues from, None for a cold start.
        docked: the saved memory is of a machine in which a dock runs.
        writes_log: where every write and flush of the spool's disk is logged, for `tests.rig.power_cut`.
        tpm: the socket of its TPM (`tests.rig.tpm`), None for a machine without one; none continues a saved memory.
        screen: it has a screen, and the memory that a browser takes.
    """

    kernel: Path
    initrd: Path
    root: Path
    spool: Path
    root_format: str = "qcow2"
    spool_format: str = "qcow2"
    state: Path | None = None
    docked: bool = False
    writes_log: Path | None = None
    tpm: Path | None = None
    screen: bool = False


@dataclass(frozen=True, slots=True)
class Faults:
    """What is wrong with a device.

    Attributes:
        bad_sectors: reading any of these sectors of 512 bytes fails, every time.
        rate_bytes_s: its line's speed; 0 is as fast as it goes. Can be changed later with `Machine.rate`.
    """

    bad_sectors: tuple[int, ...] = ()
    rate_bytes_s: int = 0


@dataclass(slots=True)
class Machine:
    """A running machine. Leaving the block cuts its power.

    Args:
        parts: what it is made of.
        console: where its first serial port is written to.
    """

    parts: Parts
    console: Path
    qmp: Qmp = field(init=False)
    guest: Guest = field(init=False)
    _process: subprocess.Popen[bytes] = field(init=False)
    _nodes: dict[str, list[str]] = field(init=False, default_factory=dict)

    async def __aenter__(self) -> Self:
        """Start it, or continue it where it was saved."""
        orders, agent = socket.socketpair(), socket.socketpair()
        passed = (orders[1].fileno(), agent[1].fileno())
        with self.console.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: ASYNC220 - it is kept, killed and waited for by its group, which asyncio has no words for
                self.command(*passed), stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=passed, start_new_session=True
            )
        orders[1].close()
        agent[1].close()
        try:
            self.qmp = await Qmp.over(orders[0])
            self.guest = await Guest.over(agent[0])
            if self.parts.state is not None:
                await self._continue(self.parts.state)
        except BaseException:
            self._process.kill()
            self._process.wait()
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Cut its power, if nobody has yet."""
        if self._process.poll() is None:
            await self.cut()

    async def cut(self) -> None:
        """Cut its power in the middle of everything; its disks are for `tests.rig.power_cut`, from the log of their writes."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        await self._hang_up()

    async def quit(self) -> None:
        """Cut its power so that its disks hold all that it has written by then, synced or not, and can boot again."""
        with contextlib.suppress(RigError):
            await self.qmp.order("quit")
        await self._hang_up()

    async def save(self, state: Path) -> None:
        """Stop it, write its memory to `state`, and end it; its disks belong to that memory from now on."""
        await self.qmp.order("stop")
        await self.qmp.order("migrate-set-capabilities", {"capabilities": [{"capability": "events", "state": True}]})
        await self.qmp.order("migrate-set-parameters", {"max-bandwidth": 1 << 36})
        await self.qmp.order("migrate", {"uri": f"exec:cat >{state}"})
        await self.qmp.wait_for("MIGRATION", status="completed")
        await self.quit()

    async def plug(
        self,
        image: Path,
        *,
        name: str,
        port: str,
        serial: str = "",
        controller: str = BAYS,
        faults: Faults | None = None,
        log: Path | None = None,
    ) -> None:
        """Plug a USB disk into a port, as soon as the machine takes it.

        Args:
            image: its content; what the machine writes lands there.
            name: for `pull`, `rate`.
            port: of the controller, `3`, or behind a hub, `1.2`.
            serial: as its USB descriptor shows it; none if empty.
            controller: `BAYS` or `KIOSK`.
            faults: what is wrong with it.
            log: where every write and flush is logged, for `tests.rig.power_cut`; never pulled then.
        """
        faults = faults or Faults()
        nodes = self._nodes[name] = []
        await self._node(nodes, {"driver": "file", "filename": str(image), "node-name": f"{name}-file"})
        if faults.bad_sectors:
            errors = [{"event": "none", "iotype": "read", "errno": 5, "sector": each} for each in faults.bad_sectors]
            node = {"driver": "blkdebug", "image": nodes[-1], "inject-error": errors, "node-name": f"{name}-bad"}
            await self._node(nodes, node)
        await self._node(nodes, {"driver": "raw", "file": nodes[-1], "node-name": f"{name}-raw"})
        if log is not None:
            await asyncio.to_thread(log.touch)
            await self.qmp.order("blockdev-add", {"driver": "file", "filename": str(log), "node-name": f"{name}-log"})
            node = {"driver": "blklogwrites", "file": nodes[-1], "log": f"{name}-log", "node-name": f"{name}-logged"}
            await self._node(nodes, node)
        await self.qmp.order(
            "object-add", {"qom-type": "throttle-group", "id": f"{name}-rate", "limits": _limits(faults.rate_bytes_s)}
        )
        node = {"driver": "throttle", "throttle-group": f"{name}-rate", "file": nodes[-1], "node-name": f"{name}-top"}
        await self._node(nodes, node)
        device: dict[str, Any] = {"driver": "usb-storage", "id": name, "bus": f"{controller}.0", "port": port}
        device |= {"drive": nodes[-1], "removable": True} | ({"serial": serial} if serial else {})
        await self.qmp.order("device_add", device)

    async def plug_other(self, driver: str, *, name: str, port: str, controller: str = BAYS, **properties: object) -> None:
        """Plug something that is no disk: `usb-kbd`, `usb-hub`, `usb-net` ..."""
        await self.qmp.order("device_add", {"driver": driver, "id": name, "bus": f"{controller}.0", "port": port} | properties)

    async def rate(self, name: str, bytes_s: int) -> None:
        """Change the speed of a plugged disk's line; 0 lets it go as fast as it can."""
        await self.qmp.order("qom-set", {"path": f"/objects/{name}-rate", "property": "limits", "value": _limits(bytes_s)})

    async def reach(self, port: int, *, host_port: int = 0) -> int:
        """Let the host's loopback reach a TCP port of the machine, under a free port or this one; the host's port.

        Raises:
            RigError: the host's port is taken.
        """
        said = await self._monitor(f"hostfwd_add net tcp:127.0.0.1:{host_port}-{ADDRESS}:{port}")
        line = rf"HOST_FORWARD\]\s+\d+\s+127\.0\.0\.1\s+(\d+)\s+{ADDRESS}\s+{port}\s"
        found = re.search(line, await self._monitor("info usernet"))
        if said.strip() or found is None:
            msg = f"the machine's port {port} cannot be reached: {said}"
            raise RigError(msg)
        return int(found[1])

    async def screenshot(self, place: Path, kind: str = "ppm") -> bytes:
        """What is on its screen, as a picture at `place`: `ppm` or `png`; its bytes."""
        await self.qmp.order("screendump", {"filename": str(place), "format": kind})
        return await asyncio.to_thread(place.read_bytes)

    async def _monitor(self, line: str) -> str:
        """What QEMU's other monitor says, for what QMP has no words for."""
        return str(await self.qmp.order("human-monitor-command", {"command-line": line}))

    async def pull(self, name: str) -> None:
        """Pull a device out of its port, whatever it is doing."""
        await self.qmp.order("device_del", {"id": name})
        await self.qmp.wait_for("DEVICE_DELETED", device=name)
        if name in self._nodes:
            for node in reversed(self._nodes.pop(name)):
                await self.qmp.order("blockdev-del", {"node-name": node})
            await self.qmp.order("object-del", {"id": f"{name}-rate"})

    def command(self, orders: int, agent: int) -> list[str]:
        """What runs it, with descriptors of the lines to QMP and to the agent."""
        parts = self.parts
        spool = "spool-disk"
        # However this process ends, no machine outlives it.
        command = [
            "setpriv",
            "--pdeathsig",
            "KILL",
            "qemu-system-x86_64",
            "-nodefaults",
            "-no-user-config",
            "-display",
            "none",
            "-machine",
            "pc,usb=off",
        ]
        command += ["-accel", "tcg,thread=multi", "-cpu", _CPU, "-smp", "2" if parts.screen else "1", "-no-reboot"]
        command += ["-m", MEMORY_WITH_SCREEN if parts.screen else MEMORY]
        command += ["-kernel", str(parts.kernel), "-initrd", str(parts.initrd)]
        command += ["-append", f"root=/dev/vda rw console=ttyS0 quiet loglevel=4 net.ifnames=0 {_SPARED}"]
        command += ["-chardev", f"socket,id=orders,fd={orders}", "-mon", "chardev=orders,mode=control"]
        command += ["-serial", f"file:{self.console}.serial"]
        command += ["-device", "virtio-serial-pci,addr=0x6", "-chardev", f"socket,id=agent,fd={agent}"]
        command += ["-device", "virtserialport,chardev=agent,name=rig.agent", "-device", "virtio-rng-pci,addr=0xa"]
        for name, path, kind in (("root", parts.root, parts.root_format), ("spool", parts.spool, parts.spool_format)):
            # The host's page cache outlives every machine here; what a missing flush costs is shown by replaying its writes.
            command += ["-blockdev", f"driver=file,node-name={name}-file,filename={path},cache.no-flush=on"]
            command += ["-blockdev", f"driver={kind},node-name={name}-disk,file={name}-file,discard=unmap"]
        if parts.writes_log is not None:
            command += ["-blockdev", f"driver=file,node-name=writes,filename={parts.writes_log},cache.no-flush=on"]
            command += ["-blockdev", f"driver=blklogwrites,node-name=spool-logged,file={spool},log=writes"]
            spool = "spool-logged"
        command += ["-device", "virtio-blk-pci,drive=root-disk,addr=0x7", "-device", f"virtio-blk-pci,drive={spool},addr=0x8"]
        command += ["-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net,addr=0x9,romfile="]
        for controller, address in ((BAYS, "0x4"), (KIOSK, "0x5")):
            command += ["-device", f"qemu-xhci,id={controller},addr={address},p2={_BAYS_PORTS},p3={_BAYS_PORTS}"]
        if parts.tpm is not None:
            command += ["-chardev", f"socket,id=tpm,path={parts.tpm}", "-tpmdev", "emulator,id=tpm0,chardev=tpm"]
            command += ["-device", "tpm-tis,tpmdev=tpm0"]
        if parts.screen:
            command += ["-device", "VGA,addr=0xb,xres=1280,yres=800,edid=on"]
        return command + (["-incoming", "defer"] if parts.state is not None else [])

    async def _continue(self, state: Path) -> None:
        await self.qmp.order("migrate-set-capabilities", {"capabilities": [{"capability": "events", "state": True}]})
        await self.qmp.order("migrate-incoming", {"uri": f"exec:cat {state}"})
        await self.qmp.wait_for("MIGRATION", status="completed")
        await self.qmp.order("cont")

    async def _node(self, nodes: list[str], node: dict[str, Any]) -> None:
        await self.qmp.order("blockdev-add", node)
        nodes.append(node["node-name"])

    async def _hang_up(self) -> None:
        await asyncio.to_thread(self._process.wait, _END_S)
        await self.qmp.close()
        await self.guest.close()


def _limits(bytes_s: int) -> dict[str, int]:
    return {"bps-total": bytes_s}


def overlay(backing: Path, kind: str, place: Path) -> Path:
    """A disk at `place` that begins as `backing` is and leaves it as it is."""
    run("qemu-img", "create", "-q", "-f", "qcow2", "-b", str(backing), "-F", kind, str(place))
    return place
