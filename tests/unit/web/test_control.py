# ruff: noqa: ASYNC240 - a test may touch a small file
import asyncio
import getpass
import json
import os
import socket
import stat
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest

from dockd.core.readiness import Lamp
from dockd.core.recording import State
from dockd.errors import ConfigError, ControlError, SpoolFullError
from dockd.web.control import control_api
from dockd.web.view import (
    ArchiveView,
    BayView,
    ConfigurationView,
    DaemonView,
    HoldOrder,
    QueueView,
    RecordingCounts,
    RecordingsView,
    RecordingView,
    SpoolView,
    StatusView,
    Wanted,
)

RECORDING = "0123456789abcdef" * 2

STATUS = StatusView(
    dock="balt-ero-01",
    time="2026-11-24T20:00:00.000Z",
    archive=ArchiveView(reachable=True, since="2026-11-24T19:00:00.000Z"),
    spool=SpoolView(free_bytes=10, used_bytes=20, reserved_bytes=30),
    queue=QueueView(files=1, bytes=5, rate_bytes_s=1, drain_s=5),
    bays=(BayView("1", camera="X1", lamp=Lamp.LEAVE, reason="1 file still to be copied."), BayView("2")),
    recordings=RecordingCounts(seen=1),
    daemon=DaemonView(version="0.1.0", pid=1, started="2026-11-24T19:00:00.000Z", rss_bytes=1),
)
ONE = RecordingView(RECORDING, "X1", "d1", "DCIM/A.MP4", 5, State.VERIFIED, "2026-11-24T19:00:00.000Z")


@dataclass
class FakeBackend:
    """A daemon that remembers what it was asked, and may fail."""

    error: Exception | None = None
    asked: list[object] = field(default_factory=list)
    standing: asyncio.Event | None = None
    entered: asyncio.Event = field(default_factory=asyncio.Event)

    async def status(self) -> StatusView:
        """A fixed status."""
        if self.standing is not None:
            self.entered.set()
            await self.standing.wait()
        if self.error is not None:
            raise self.error
        return STATUS

    async def recordings(self, wanted: Wanted) -> RecordingsView:
        """One recording."""
        self.asked.append(wanted)
        return RecordingsView((ONE,), next_after=7)

    async def retry(self, recording: str, by: str) -> RecordingView:
        """Remember, or fail."""
        if self.error is not None:
            raise self.error
        self.asked.append(("retry", recording, by))
        return ONE

    async def hold(self, order: HoldOrder, by: str) -> None:
        """Remember."""
        self.asked.append(("hold", order, by))

    async def release(self, order: HoldOrder, by: str) -> None:
        """Remember."""
        self.asked.append(("release", order, by))

    async def reload(self) -> ConfigurationView:
        """Remember."""
        self.asked.append("reload")
        return ConfigurationView(restart_for=("dock",))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the socket goes."""
    return tmp_path / "control.sock"


async def test_the_site_file_is_read_again_for_whoever_asks(path: Path, client: aiohttp.ClientSession) -> None:
    """The answer says what the dock runs by then."""
    backend = FakeBackend()
    async with control_api(path, backend), client.post("/api/v1/reload") as answer:
        assert (await answer.json())["restart_for"] == ["dock"]
    assert backend.asked == ["reload"]


@pytest.fixture
async def client(path: Path) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of whatever serves there."""
    async with aiohttp.ClientSession("http://dockd", connector=aiohttp.UnixConnector(os.fspath(path))) as session:
        yield session


async def test_status_is_the_document(path: Path, client: aiohttp.ClientSession) -> None:
    """The status comes as the JSON of its structs, with the lamp in an officer's words."""
    async with control_api(path, FakeBackend()), client.get("/api/v1/status") as answer:
        document = await answer.json()
    assert document["bays"][0]["lamp"] == "leave it"
    assert document["bays"][1] == {
        "bay": "2", "camera": None, "officer": None, "battery_percent": None, "lamp": None, "reason": "", "next_step": "",
        "phase": "empty", "files_total": 0, "files_copied": 0, "files_archived": 0, "files_erased": 0, "bytes_total": 0,
        "bytes_done": 0, "rate_bytes_s": 0, "remaining_s": None, "current": None, "problems": [],
    }  # fmt: skip
    assert (document["queue"]["drain_s"], document["recordings"]["seen"]) == (5, 1)


async def test_only_owner_and_group_may_connect_and_stop_removes_the_socket(path: Path) -> None:
    """The socket's mode is 0660 whatever the umask, and a clean stop leaves no file."""
    before = os.umask(0o077)
    try:
        async with control_api(path, FakeBackend()):
            assert stat.S_IMODE(path.stat().st_mode) == 0o660
    finally:
        os.umask(before)
    assert not path.exists()


async def test_recordings_are_asked_for_by_query(path: Path, client: aiohttp.ClientSession) -> None:
    """Each query word reaches the daemon with its type."""
    backend = FakeBackend()
    async with control_api(path, backend):
        async with client.get("/api/v1/recordings?state=verified&camera=X1&after=5&limit=2") as answer:
            assert (await answer.json())["next_after"] == 7
        async with client.get("/api/v1/recordings") as answer:
            assert (await answer.json())["recordings"][0]["state"] == "verified"
    assert backend.asked == [Wanted(State.VERIFIED, "X1", 5, 2), Wanted()]


async def test_acts_carry_the_user_whom_the_kernel_names(path: Path, client: aiohttp.ClientSession) -> None:
    """Retry, hold and release reach the daemon with the name of the connected user."""
    backend, user = FakeBackend(), getpass.getuser()
    async with control_api(path, backend):
        async with client.post(f"/api/v1/retry/{RECORDING}") as answer:
            assert (await answer.json())["recording"] == RECORDING
        async with client.post("/api/v1/hold", json={"camera": "X1", "reason": "case 12"}) as answer:
            assert answer.status == 204
        async with client.post("/api/v1/release", json={"recording": RECORDING, "reason": "closed"}) as answer:
            assert answer.status == 204
    assert backend.asked == [
        ("retry", RECORDING, user),
        ("hold", HoldOrder("case 12", camera="X1"), user),
        ("release", HoldOrder("closed", recording=RECORDING), user),
    ]


@pytest.mark.parametrize(
    ("method", "place", "body", "status", "words"),
    [
        ("GET", "/api/v1/nothing", "", 404, "Not Found"),
        ("POST", "/api/v1/status", "", 405, "Method Not Allowed"),
        ("POST", "/api/v1/retry/short", "", 404, "Not Found"),
        ("GET", "/api/v1/recordings?state=lost", "", 400, "lost"),
        ("GET", "/api/v1/recordings?limit=100000", "", 400, "limit"),
        ("GET", "/api/v1/recordings?nonsense=1", "", 400, "nonsense"),
        ("POST", "/api/v1/hold", "{", 400, "truncated"),
        ("POST", "/api/v1/hold", '{"reason": "x"}', 400, "either a camera or a recording"),
        ("POST", "/api/v1/hold", '{"reason": "x", "camera": "a", "recording": "b"}', 400, "either a camera or a recording"),
        ("POST", "/api/v1/hold", '{"reason": "", "camera": "a"}', 400, "reason"),
        ("POST", "/api/v1/hold", "x" * 100_000, 413, "Too Large"),
    ],
)
async def test_bad_requests_are_answered_in_words(
    path: Path, client: aiohttp.ClientSession, method: str, place: str, body: str, status: int, words: str
) -> None:
    """A request that makes no sense reaches no daemon and says why."""
    backend = FakeBackend()
    async with control_api(path, backend), client.request(method, place, data=body.encode()) as answer:
        assert answer.status == status
        assert words in (await answer.json())["message"]
    assert not backend.asked


async def test_refusals_keep_their_words(path: Path, client: aiohttp.ClientSession) -> None:
    """An error of the daemon comes with its code, its sentence and its hint; transient ones say: later."""
    backend = FakeBackend()
    async with control_api(path, backend):
        backend.error = ControlError("no recording has this id", hint="See: dockd status")
        async with client.post(f"/api/v1/retry/{RECORDING}") as answer:
            assert answer.status == 409
            assert await answer.json() == {"error": "control", "message": "no recording has this id", "hint": "See: dockd status"}
        backend.error = SpoolFullError("no room", needed_bytes=1, free_bytes=0)
        async with client.get("/api/v1/status") as answer:
            assert (answer.status, (await answer.json())["error"]) == (503, "spool-full")


async def test_bug_in_the_daemon_is_an_answer_too(path: Path, client: aiohttp.ClientSession) -> None:
    """What nobody foresaw ends one request, not the API, and tells the client nothing of the inside."""
    backend = FakeBackend(error=RuntimeError("secret"))
    async with control_api(path, backend):
        async with client.get("/api/v1/status") as answer:
            assert answer.status == 500
            assert "secret" not in await answer.text()
        backend.error = None
        async with client.get("/api/v1/status") as answer:
            assert answer.status == 200


async def test_socket_of_a_killed_daemon_is_replaced(path: Path, client: aiohttp.ClientSession) -> None:
    """A socket at which nobody answers is taken over."""
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(os.fspath(path))
    async with control_api(path, FakeBackend()), client.get("/api/v1/status") as answer:
        assert answer.status == 200


async def test_socket_of_a_living_daemon_is_left_alone(path: Path, client: aiohttp.ClientSession) -> None:
    """A second daemon is refused, and the first one goes on at its socket."""
    async with control_api(path, FakeBackend()):
        with pytest.raises(ControlError, match="another daemon answers"):
            async with control_api(path, FakeBackend()):
                pass
        async with client.get("/api/v1/status") as answer:
            assert answer.status == 200


async def test_what_is_not_a_socket_is_left_alone(path: Path) -> None:
    """A file in the way is never deleted."""
    path.write_text("precious")
    with pytest.raises(ControlError, match="is not a socket"):
        async with control_api(path, FakeBackend()):
            pass
    assert path.read_text() == "precious"


async def test_successors_socket_is_not_removed(path: Path) -> None:
    """A daemon that stops removes only the socket that it made."""
    async with control_api(path, FakeBackend()):
        path.unlink()
        path.write_text("somebody else's")
    assert path.exists()


async def test_socket_that_is_removed_meanwhile(path: Path) -> None:
    """Stopping after somebody removed the socket is no error."""
    async with control_api(path, FakeBackend()):
        path.unlink()


async def test_path_that_is_too_long(tmp_path: Path) -> None:
    """A path that Linux takes for no socket is an error of the configuration, with its limit."""
    path = tmp_path / ("x" * 108)
    with pytest.raises(ConfigError, match="at most 107 bytes"):
        async with control_api(path, FakeBackend()):
            pass


@pytest.mark.parametrize("place", ["missing/control.sock", "file/control.sock"])
async def test_folder_that_cannot_hold_it(tmp_path: Path, place: str) -> None:
    """A missing folder is said in words."""
    (tmp_path / "file").touch()
    with pytest.raises(ControlError, match="cannot be made"):
        async with control_api(tmp_path / place, FakeBackend()):
            pass


async def test_stop_does_not_wait_for_a_slow_request(path: Path, client: aiohttp.ClientSession) -> None:
    """A request that stands still does not hold up the daemon's stop."""
    backend = FakeBackend(standing=asyncio.Event())
    async with asyncio.timeout(30):
        async with control_api(path, backend):
            asking = asyncio.create_task(_ask(client))
            await backend.entered.wait()
        assert backend.standing is not None
        assert not backend.standing.is_set()
        with pytest.raises(aiohttp.ClientError):
            await asking


async def _ask(client: aiohttp.ClientSession) -> str:
    async with client.get("/api/v1/status") as answer:
        return await answer.text()


async def test_document_reads_back(path: Path, client: aiohttp.ClientSession) -> None:
    """The document is plain JSON for any reader."""
    async with control_api(path, FakeBackend()), client.get("/api/v1/status") as answer:
        assert json.loads(await answer.text())["dock"] == "balt-ero-01"
        assert answer.content_type == "application/json"
