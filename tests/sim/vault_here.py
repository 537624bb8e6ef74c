"""A real vault on a real socket inside the test's own process, with a clock that the test holds."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
from aiohttp import web
from blake3 import blake3

from dockd.vault import serve
from dockd.vault.service import Vault, VaultSettings, open_ledger

BODY_TYPE = "application/offset+octet-stream"


class HeldClock:
    """Wall time stands still until the test moves it; sleepers wake when it has passed them."""

    def __init__(self) -> None:
        self._now = datetime(2026, 11, 24, 19, 10, tzinfo=UTC)
        self._start = self._now
        self._moved = asyncio.Condition()
        self.asleep = asyncio.Semaphore(0)

    def now(self) -> datetime:
        """Where the test left it."""
        return self._now

    def monotonic(self) -> float:
        """Seconds that the test has let pass."""
        return (self._now - self._start).total_seconds()

    async def sleep(self, seconds: float) -> None:
        """Wait until the test has let so much time pass."""
        wake_s = self.monotonic() + seconds
        self.asleep.release()
        async with self._moved:
            await self._moved.wait_for(lambda: self.monotonic() >= wake_s)

    async def advance(self, seconds: float) -> None:
        """Let time pass."""
        async with self._moved:
            self._now += timedelta(seconds=seconds)
            self._moved.notify_all()


@dataclass(frozen=True, slots=True)
class Answer:
    """What the vault answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as words."""
        return self.body.decode()


@dataclass(frozen=True, slots=True)
class Served:
    """A vault that serves, and one dock's way to it."""

    vault: Vault
    clock: HeldClock
    root: Path
    url: str
    port: int
    token: str
    session: aiohttp.ClientSession

    async def ask(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | AsyncIterable[bytes] | None = None,
        *,
        expect100: bool = False,
    ) -> Answer:
        """One request; a header given as an empty string is left out."""
        common = {"Authorization": f"Bearer {self.token}", "Tus-Resumable": "1.0.0"} | dict(headers or {})
        kept = {name: value for name, value in common.items() if value}
        async with self.session.request(method, self.url + path, headers=kept, data=body, expect100=expect100) as response:
            return Answer(response.status, dict(response.headers), await response.read())

    async def place(self, data: bytes, **members: str) -> str:
        """Create an upload for `data` and return its path."""
        headers = {"Upload-Length": str(len(data)), "Upload-Metadata": announce(data, **members)}
        answer = await self.ask("POST", "/files/", headers)
        assert answer.status == 201, answer
        return "/files/" + answer.headers["Location"].rpartition("/")[2]

    async def patch(self, path: str, body: bytes, offset: int = 0, headers: Mapping[str, str] | None = None) -> Answer:
        """Send `body` at `offset`."""
        common = {"Upload-Offset": str(offset), "Content-Type": BODY_TYPE}
        return await self.ask("PATCH", path, common | dict(headers or {}), body)

    async def store(self, data: bytes, **members: str) -> str:
        """Send all of `data`, wait for its receipt, and return the object's path."""
        path = await self.place(data, **members)
        if data:
            assert (await self.patch(path, data)).status == 204
        assert (await self.ask("GET", f"{path}/receipt")).status == 200
        return path

    async def offset(self, path: str) -> int:
        """Where the upload stands."""
        return int((await self.ask("HEAD", path)).headers["Upload-Offset"])

    def another_token(self, dock: str) -> str:
        """A token of `dock`."""
        return _token(self.root, dock, self.clock)


def announce(data: bytes, **members: str) -> str:
    """Upload-Metadata for `data`; `members` replaces or, when empty, removes."""
    found = {
        "recording": "ab" * 16,
        "camera": "CAM-1",
        "blake3": blake3(data).hexdigest(),
        "sha256": hashlib.sha256(data).hexdigest(),
        "nonce": "0123456789abcdef",
    } | members
    return ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in found.items() if value)


@asynccontextmanager
async def vault_here(root: Path, *, dock: str = "dock-1", settings: VaultSettings | None = None) -> AsyncIterator[Served]:
    """Serve the store in `root` until the block ends."""
    clock = HeldClock()
    token = _token(root, dock, clock)
    vault = await asyncio.to_thread(Vault.open, settings or VaultSettings(root, "vault-here"), clock)
    runner = serve.server(vault)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    running = asyncio.create_task(vault.run())
    try:
        async with aiohttp.ClientSession(auto_decompress=False) as session:
            yield Served(vault, clock, root, f"http://127.0.0.1:{port}", port, token, session)
    finally:
        vault.stop()
        await runner.cleanup()
        running.cancel()
        await asyncio.wait({running})
        await asyncio.to_thread(vault.close)
    if not running.cancelled():
        running.result()


def _token(root: Path, dock: str, clock: HeldClock) -> str:
    _place, ledger = open_ledger(root)
    try:
        return ledger.issue_token(dock, clock.now(), replace=False)
    finally:
        ledger.close()
