"""Upload to the real vault on loopback, against the clients that others use."""

import asyncio
import base64
import hashlib
import http.client
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from blake3 import blake3

from dockd.archive.settings import TusSettings
from dockd.archive.tus import TusArchive
from dockd.clock import SystemClock
from tests.bench.breaks import sent_again
from tests.bench.figures import Figure, Part, at_least, at_most, told
from tests.bench.measuring import Runs, Took, command, cool_down, running_s, stopwatch
from tests.bench.occasion import Occasion
from tests.bench.uploaders import Order, metadata
from tests.sim.cut_link import CutLink
from tests.sim.foreign_server import PEERS
from tests.sim.vault_process import VaultProcess

STORE, PROVE = "dockd: store", "dockd: store, then prove"
CURL, CURL_PROVE = "curl -T", "curl -T, then the receipt"
TUSPY, AIOTUS, TUSJS = "tuspy", "aiotus", "tus-js-client"
BARE, BARE_HASHED = "a bare loop of read and send", "a bare loop of read, BLAKE3 and send"

_DOCK = "bench"
_TUS_JS = Path(__file__).parents[2] / "packaging" / "peers" / "tus-js-client.mjs"
_PIECE_BYTES = 4 << 20
_DEADLINE_S = 120.0
_QUIET_S = 0.3
_SMALL_BYTES = 32 << 20
_BROKEN_BYTES = 8 << 20
"""A part of S3's, so that both are broken alike."""


def order_for(path: Path, size_bytes: int, url: str, *, key: str = "", token: str = "") -> Order:
    """A file of noise that is to be sent to `url`."""
    fast, standard = blake3(), hashlib.sha256()
    with path.open("wb") as file:
        for start in range(0, size_bytes, _PIECE_BYTES):
            piece = os.urandom(min(_PIECE_BYTES, size_bytes - start))
            fast.update(piece)
            standard.update(piece)
            file.write(piece)
    return Order(
        path=str(path),
        size_bytes=size_bytes,
        blake3=fast.hexdigest(),
        sha256=standard.hexdigest(),
        files_url=url,
        key=key,
        token=token,
        dock=_DOCK,
    )


@contextmanager
def _asked(vault: VaultProcess, order: Order, method: str, path: str, **headers: str) -> Iterator[http.client.HTTPResponse]:
    connection = http.client.HTTPConnection("127.0.0.1", vault.port, timeout=_DEADLINE_S)
    try:
        common = {"Authorization": f"Bearer {order.token}", "Tus-Resumable": "1.0.0"}
        connection.request(method, path, headers=common | {name.replace("_", "-"): value for name, value in headers.items()})
        yield connection.getresponse()
    finally:
        connection.close()


def _receipt(vault: VaultProcess, order: Order, path: str) -> None:
    """Wait for the vault's word."""
    while True:
        with _asked(vault, order, "GET", f"{path}/receipt") as response:
            if response.status == 200:
                return
            if response.status != 202:
                msg = f"no receipt: {response.status} {response.read(500)!r}"
                raise RuntimeError(msg)


def _curl(vault: VaultProcess, order: Order, *, prove: bool) -> Took:
    """The least that puts these bytes there: one PATCH into an upload made before."""
    told = ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in metadata(order).items())
    with _asked(vault, order, "POST", "/files/", Upload_Length=str(order.size_bytes), Upload_Metadata=told) as response:
        path = "/files/" + (response.headers["Location"] or "").rpartition("/")[2]
    sent = command(
        *("curl", "--silent", "--show-error", "--fail", "-X", "PATCH", "-H", "Tus-Resumable: 1.0.0", "-H", "Upload-Offset: 0"),
        *("-H", "Content-Type: application/offset+octet-stream", "-H", f"Authorization: Bearer {order.token}"),
        *("-T", order.path, f"{vault.url}{path}"),
    )
    with stopwatch() as waited:
        _receipt(vault, order, path)
    return sent + Took(waited.seconds, 0.0) if prove else sent


def client(name: str, order: Order) -> Took:
    """One run of a client of `uploaders`, in a process of its own."""
    answer = subprocess.run(
        [sys.executable, "-m", "tests.bench.uploaders", name],
        input=msgspec.json.encode(order),
        stdout=subprocess.PIPE,
        check=True,
    )
    return msgspec.json.decode(answer.stdout.splitlines()[-1], type=Took)  # what it logs comes before


def _tus_js(order: Order) -> Took:
    """All in one body, begun with the creation, as its documentation has it."""
    memory = Path(order.path).with_suffix(".tus-js")
    memory.unlink(missing_ok=True)
    words = (order.files_url, order.token, order.path, str(memory), "0", "Infinity", json.dumps(metadata(order)))
    answer = subprocess.run(["node", _TUS_JS, PEERS, *words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=True)
    return msgspec.json.decode(answer.stderr.splitlines()[-1], type=Took)


def _settle(vault: VaultProcess) -> None:
    """Return once the vault has read back what was sent: it says so to its own client alone, so its processor time must tell."""
    while True:
        before_s = running_s(vault.pid)
        time.sleep(_QUIET_S)
        if running_s(vault.pid) - before_s < _QUIET_S / 20:
            return


async def _sent_again(vault: VaultProcess, work: Path, breaks: int) -> float:
    """Bytes that go to the vault again after each break, of a recording that goes there in pieces."""
    async with CutLink(vault.port) as link:
        url = f"http://127.0.0.1:{link.port}/files/"
        pinned = (vault.public_key,)
        settings = TusSettings(url, _DOCK, pinned, token=vault.token(_DOCK), patch_size_bytes=_BROKEN_BYTES, whole_limit_bytes=0)
        archive = TusArchive(settings, SystemClock())
        return await sent_again(link, archive, work, breaks=breaks, part_bytes=_BROKEN_BYTES, dock=_DOCK) / breaks


def measure(occasion: Occasion, *, size_bytes: int, breaks: int) -> Part:
    """Every client once in each round, after one round that does not count."""
    work, rounds = occasion.work, occasion.rounds
    took: dict[str, list[Took]] = {}
    with VaultProcess(work / "vault") as vault:
        order = order_for(work / "file", size_bytes, vault.files_url, key=vault.public_key, token=vault.token(_DOCK))
        contenders: dict[str, Callable[[], Took]] = {
            STORE: lambda: client("dockd", order),
            CURL: lambda: _curl(vault, order, prove=False),
            PROVE: lambda: client("dockd-prove", order),
            CURL_PROVE: lambda: _curl(vault, order, prove=True),
            TUSPY: lambda: client("tuspy", order),
            AIOTUS: lambda: client("aiotus", order),
            TUSJS: lambda: _tus_js(order),
            BARE: lambda: client("bare", order),
            BARE_HASHED: lambda: client("bare-hashed", order),
        }
        _curl(vault, order, prove=True)
        for number in range(rounds):
            occasion.say(f"upload: round {number + 1} of {rounds}")
            for name, run in contenders.items():
                cool_down()
                took.setdefault(name, []).append(run())
                _settle(vault)
        small = order_for(work / "small", _SMALL_BYTES, vault.files_url, key=vault.public_key, token=order.token)
        little_bytes = client("dockd", small).peak_rss_bytes
        again_bytes = asyncio.run(_sent_again(vault, work, breaks))
    shutil.rmtree(work)
    runs = {name: Runs(each) for name, each in took.items()}
    what = (
        f"One file of {size_bytes >> 20} MiB to the vault in another process on this machine, {occasion.caches}; "
        f"{rounds} rounds, medians. Then one file, in pieces of {_BROKEN_BYTES >> 20} MiB at most, whose connection is broken "
        f"{breaks} times."
    )
    broken = at_most("sent again after each break, in pieces", again_bytes / _BROKEN_BYTES, 1.0, "pieces", below="under")
    words = f"memory of dockd's client, as share of that for {_SMALL_BYTES >> 20} MiB"
    flat = at_most(words, runs[STORE].peak_rss_bytes / little_bytes, 1.1, "x")
    return Part("upload", what, [*_figures(runs, size_bytes), flat, broken], occasion.quick, runs)


def _best_s(runs: dict[str, Runs]) -> float:
    return min(runs[name].median_s for name in (TUSPY, AIOTUS, TUSJS))


def _figures(runs: dict[str, Runs], size_bytes: int) -> list[Figure]:
    gib = size_bytes / 2**30
    others = (CURL, BARE, BARE_HASHED, TUSPY, AIOTUS, TUSJS)
    cpu = [told(f"processor time of {name}", runs[name].median_cpu_s / gib, "CPU-s/GiB") for name in others]
    return [
        at_least("rate, as share of curl -T", runs[CURL].median_s / runs[STORE].median_s, 0.8, "x"),
        told("rate with proof, as share of curl -T and its receipt", runs[CURL_PROVE].median_s / runs[PROVE].median_s, "x"),
        told("rate, as share of tuspy", runs[TUSPY].median_s / runs[STORE].median_s, "x"),
        told("rate, as share of aiotus", runs[AIOTUS].median_s / runs[STORE].median_s, "x"),
        told("rate, as share of tus-js-client", runs[TUSJS].median_s / runs[STORE].median_s, "x"),
        at_least("rate, as share of the best of the three", _best_s(runs) / runs[STORE].median_s, 0.9, "x"),
        at_most("processor time of dockd's client", runs[STORE].median_cpu_s / gib, 0.6, "CPU-s/GiB", below="under"),
        *cpu,
        told("rate of dockd's client", size_bytes / 2**20 / runs[STORE].median_s, "MiB/s"),
    ]
