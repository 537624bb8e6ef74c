"""A way that loses, delays and narrows packets, between two ends of real TCP: in a network of its own, without root.

`python -m tests.sim.packets KNOBS` runs in a user and network namespace of its own (unshare(1)), in which it has one interface of
its own making (tun(4)). Whatever is sent to `FAR` comes back, later or never, as if it came from there to `NEAR`, where a vault
listens; so client and vault are two ends of one bad way. It brings one recording to the vault and says in JSON how that went.
"""

import asyncio
import fcntl
import heapq
import json
import os
import random
import select
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from dockd.archive.retrying import Retrying
from dockd.archive.settings import TusSettings
from dockd.archive.tus import TusArchive
from dockd.clock import SystemClock
from dockd.errors import ArchiveError
from tests.sim.certificates import Authority
from tests.sim.consignments import Watched, consign, noise
from tests.sim.evidence import DOCK
from tests.sim.vault_process import VaultProcess

if TYPE_CHECKING:
    from dockd.archive.protocol import Archive

NEAR, FAR = "10.0.0.1", "10.0.0.2"
_TUN = "/dev/net/tun"
_TUNSETIFF, _IFF_TUN_NO_PI = 0x400454CA, 0x1001
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _SIOCSIFADDR, _SIOCSIFNETMASK = 0x8913, 0x8914, 0x8916, 0x891C
_IFF_UP = 1
_ADDRESSES = slice(12, 20)
_MOST_BYTES = 65_536
_QUEUE_BYTES = 32_768
"""What a narrow way keeps waiting; more is dropped, as a modem does."""


@dataclass(frozen=True, slots=True)
class Knobs:
    """What is wrong with the way, and what is brought over it.

    Attributes:
        size_bytes: of the recording.
        loss: share of packets that are lost, each way.
        delay_s: each way.
        rate_bytes_s: each way; 0 for no limit.
        dark_after_bytes: after so many bytes towards the vault nothing arrives any more, either way; 0 for never.
        light_after_s: when it does again.
        patient: tries again until it succeeds, as the daemon does.
        stall_s: how long the client waits for the next byte to move.
    """

    size_bytes: int
    loss: float = 0.0
    delay_s: float = 0.0
    rate_bytes_s: int = 0
    dark_after_bytes: int = 0
    light_after_s: float = 0.0
    patient: bool = True
    stall_s: float = 30.0


def packets_missing() -> str:
    """Why no network of one's own can be had here, empty if it can."""
    if shutil.which("unshare") is None:
        return "unshare(1) is not installed (Debian: util-linux)"
    if not os.access(_TUN, os.R_OK | os.W_OK):
        return f"{_TUN} cannot be opened"
    done = subprocess.run(["unshare", "--user", "--map-root-user", "--net", "true"], capture_output=True, check=False)
    return done.stderr.decode().strip()


async def over_packets(knobs: Knobs, within_s: float) -> dict[str, Any]:
    """Bring a recording over such a way, in another process; what became of it."""
    command = ["unshare", "--user", "--map-root-user", "--net", sys.executable, "-m", "tests.sim.packets"]
    process = await asyncio.create_subprocess_exec(
        *command, json.dumps(asdict(knobs)), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(within_s):
            said, complained = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, complained.decode(errors="replace")[-3000:]
    found: dict[str, Any] = json.loads(said.splitlines()[-1])
    return found


class PacketLink:
    """The interface, and the thread that keeps packets waiting; inside `with`, in a network of one's own.

    Attributes:
        sent_bytes: of packets towards the vault, lost ones included.
    """

    def __init__(self, knobs: Knobs, port: int) -> None:
        self.sent_bytes = 0
        self._knobs, self._port = knobs, port
        self._chance = random.Random(7)
        self._dark_since_s: float | None = None
        self._free_s = {True: 0.0, False: 0.0}
        self._clock = SystemClock()
        self._waiting: list[tuple[float, int, bytes]] = []
        self._count = 0
        self._tun = os.open(_TUN, os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(self._tun, _TUNSETIFF, struct.pack("16sH22x", b"far0", _IFF_TUN_NO_PI))
        _bring_up("lo", "127.0.0.1", "255.0.0.0")
        _bring_up("far0", NEAR, "255.255.255.0")
        self._wake, self._stop = os.pipe()
        self._thread = threading.Thread(target=self._run, name="packets")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        os.close(self._stop)
        self._thread.join()
        os.close(self._tun)
        os.close(self._wake)

    def _run(self) -> None:
        while True:
            now_s = self._clock.monotonic()
            while self._waiting and self._waiting[0][0] <= now_s:
                os.write(self._tun, heapq.heappop(self._waiting)[2])
            wait_s = self._waiting[0][0] - now_s if self._waiting else None
            readable, _, _ = select.select([self._tun, self._wake], [], [], wait_s)
            if self._wake in readable:
                return
            if self._tun in readable:
                self._take(os.read(self._tun, _MOST_BYTES))

    def _take(self, packet: bytes) -> None:
        """Turn it round, and say when it arrives, if it does."""
        if packet[0] >> 4 != 4 or packet[9] != socket.IPPROTO_TCP:
            return
        knobs, now_s = self._knobs, self._clock.monotonic()
        outward = struct.unpack_from(">H", packet, (packet[0] & 15) * 4 + 2)[0] == self._port
        self.sent_bytes += len(packet) if outward else 0
        if self._is_dark(now_s) or self._chance.random() < knobs.loss:
            return
        leaves_s = now_s
        if knobs.rate_bytes_s:
            leaves_s = max(now_s, self._free_s[outward])
            if (leaves_s - now_s) * knobs.rate_bytes_s > _QUEUE_BYTES:
                return
            leaves_s = self._free_s[outward] = leaves_s + len(packet) / knobs.rate_bytes_s
        source, target = packet[12:16], packet[16:20]
        turned = bytearray(packet)
        turned[_ADDRESSES] = target + source  # a sum does not mind in which order its parts come, so checksums stay right
        self._count += 1
        heapq.heappush(self._waiting, (leaves_s + knobs.delay_s, self._count, bytes(turned)))

    def _is_dark(self, now_s: float) -> bool:
        knobs = self._knobs
        if not knobs.dark_after_bytes or self.sent_bytes < knobs.dark_after_bytes:
            return False
        if self._dark_since_s is None:
            self._dark_since_s = now_s
        return not knobs.light_after_s or now_s - self._dark_since_s < knobs.light_after_s


def _bring_up(name: str, address: str, mask: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        for number, text in ((_SIOCSIFADDR, address), (_SIOCSIFNETMASK, mask)):
            fcntl.ioctl(asking, number, struct.pack("16sHH4s16x", name.encode(), socket.AF_INET, 0, socket.inet_aton(text)))
        flags = struct.unpack("16sH22x", fcntl.ioctl(asking, _SIOCGIFFLAGS, struct.pack("16sH22x", name.encode(), 0)))[1]
        fcntl.ioctl(asking, _SIOCSIFFLAGS, struct.pack("16sH22x", name.encode(), flags | _IFF_UP))


async def _bring(knobs: Knobs, folder: Path) -> dict[str, Any]:
    clock = SystemClock()
    authority = Authority(folder / "ca")
    certificate, key = authority.issue(FAR)
    arguments = ("--tls-cert", str(certificate), "--tls-key", str(key))
    vault = VaultProcess(folder / "store", arguments=arguments, host="0.0.0.0")  # noqa: S104 - of a network of its own
    _bring_up("lo", "127.0.0.1", "255.0.0.0")
    await asyncio.to_thread(vault.start)
    content, watched, failures = noise(knobs.size_bytes), Watched(), list[str]()
    try:
        with PacketLink(knobs, vault.port) as link:
            settings = TusSettings(f"https://{FAR}:{vault.port}/files/", DOCK, (vault.public_key,), vault.token(DOCK))
            settings = replace(settings, tls=authority.trusting(), stall_s=knobs.stall_s)
            archive: Archive = TusArchive(settings, clock)
            if knobs.patient:
                archive = Retrying(archive, clock, lambda error, _next_s: failures.append(error.message), most_s=2.0)
            began_s = clock.monotonic()
            found: dict[str, Any] = {"proved": False}
            try:
                stored = await archive.store(consign(folder, content), None, watched)
                proof = await archive.prove(stored, camera="C1")
                found["proved"] = proof.statement.measured == stored.measured
            except ArchiveError as exc:
                failures.append(exc.message)
            found["seconds"] = clock.monotonic() - began_s
            await archive.close()
            return found | {"failures": failures, "dropped": "dropped" in watched.story, "sent_bytes": link.sent_bytes}
    finally:
        await asyncio.to_thread(vault.kill)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        sys.stdout.write(json.dumps(asyncio.run(_bring(Knobs(**json.loads(sys.argv[1])), Path(made)))) + "\n")
