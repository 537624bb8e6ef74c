# ruff: noqa: ASYNC240 - a test may touch a small file
import asyncio
import getpass
import grp
import json
import os
import socket
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from dockd.core.recording import State
from dockd.errors import ConfigError, ControlError, SpoolFullError
from dockd.web.control import application, control_api
from dockd.web.hold import HoldOrder, ReleaseOrder
from dockd.web.lists import CameraOrder, CustodyWanted, StatusWanted
from dockd.web.peers import Groups, Peer, Right
from dockd.web.view import Wanted
from tests.sim.control_backend import RECORDING, FakeBackend

GROUPS = Groups(look="nobody-is-in-it", act=grp.getgrgid(os.getgid()).gr_name)
"""Whoever runs the tests may act."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the socket goes."""
    return tmp_path / "control.sock"


async def test_the_site_file_is_read_again_for_whoever_asks(path: Path, client: aiohttp.ClientSession) -> None:
    """The answer says what the dock runs by then."""
    backend = FakeBackend()
    async with control_api(path, backend, GROUPS), client.post("/api/v1/reload") as answer:
        assert (await answer.json())["restart_for"] == ["dock"]
    assert backend.asked == [("reload", f"{getpass.getuser()} (uid {os.getuid()})")]


@pytest.fixture
async def client(path: Path) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of whatever serves there."""
    async with aiohttp.ClientSession("http://dockd", connector=aiohttp.UnixConnector(os.fspath(path))) as session:
        yield session


async def test_status_is_the_document(path: Path, client: aiohttp.ClientSession) -> None:
    """The status comes as the JSON of its structs, with the lamp in an officer's words."""
    async with control_api(path, FakeBackend(), GROUPS), client.get("/api/v1/status") as answer:
        document = await answer.json()
    assert document["bays"][0]["lamp"] == "leave it"
    assert document["bays"][1] == {
        "bay": "2", "camera": None, "officer": None, "battery_percent": None,
        "battery": {"quality": "unknown", "percent": None, "source": "", "time": None, "celsius": None},
        "lamp": None, "reason": "", "next_step": "",
        "phase": "empty", "files_total": 0, "files_copied": 0, "files_archived": 0, "files_erased": 0, "bytes_total": 0,
        "bytes_done": 0, "rate_bytes_s": 0, "remaining_s": None, "current": None, "problems": [],
        "ready_in_s": None,
    }  # fmt: skip
    assert (document["queue"]["drain_s"], document["recordings"]["seen"]) == (5, 1)


async def test_only_owner_and_group_may_connect_and_stop_removes_the_socket(path: Path) -> None:
    """The socket's mode is 0660 whatever the umask, and a clean stop leaves no file."""
    before = os.umask(0o077)
    try:
        async with control_api(path, FakeBackend(), GROUPS):
            assert stat.S_IMODE(path.stat().st_mode) == 0o660
    finally:
        os.umask(before)
    assert not path.exists()


async def test_recordings_are_asked_for_by_query(path: Path, client: aiohttp.ClientSession) -> None:
    """Each query word reaches the daemon with its type."""
    backend = FakeBackend()
    async with control_api(path, backend, GROUPS):
        async with client.get("/api/v1/recordings?state=verified&camera=X1&after=5&limit=2") as answer:
            assert (await answer.json())["next_after"] == 7
        async with client.get("/api/v1/recordings") as answer:
            assert (await answer.json())["recordings"][0]["state"] == "verified"
    assert backend.asked == [Wanted(State.VERIFIED, "X1", 5, 2), Wanted()]


async def test_acts_carry_the_user_whom_the_kernel_names(path: Path, client: aiohttp.ClientSession) -> None:
    """Every act reaches the daemon with the name and the number of the connected user."""
    backend, user = FakeBackend(), f"{getpass.getuser()} (uid {os.getuid()})"
    async with control_api(path, backend, GROUPS):
        async with client.post(f"/api/v1/retry/{RECORDING}") as answer:
            assert (await answer.json())["recording"] == RECORDING
        async with client.post("/api/v1/hold", json={"camera": "X1", "reason": "case 12"}) as answer:
            assert answer.status == 204
        async with client.post("/api/v1/release", json={"recording": RECORDING, "reason": "closed"}) as answer:
            assert answer.status == 204
        async with client.post("/api/v1/refuse", json={"camera": "X2", "reason": "found"}) as answer:
            assert answer.status == 204
        async with client.post("/api/v1/enroll", json={"camera": "X2", "reason": "known"}) as answer:
            assert answer.status == 204
    assert backend.asked == [
        ("retry", RECORDING, user),
        ("hold", HoldOrder("case 12", camera="X1"), user),
        ("release", ReleaseOrder("closed", recording=RECORDING), user),
        ("refuse", CameraOrder("X2", "found"), user),
        ("enroll", CameraOrder("X2", "known"), user),
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
        ("POST", "/api/v1/hold", '{"reason": "x"}', 400, "one of camera, recording, officer, and a span"),
        (
            "POST",
            "/api/v1/hold",
            f'{{"reason": "x", "camera": "a", "recording": "{RECORDING}"}}',
            400,
            "one of camera, recording, officer, and a span",
        ),
        ("POST", "/api/v1/hold", '{"reason": "", "camera": "a"}', 400, "reason"),
        ("POST", "/api/v1/hold", '{"reason": "x", "camera": null, "recording": "a"}', 400, "camera"),
        ("POST", "/api/v1/hold", '{"reason": "x", "camera": "a", "more": 1}', 400, "more"),
        ("POST", "/api/v1/hold", "x" * 100_000, 413, "Too Large"),
        ("POST", f"/api/v1/retry/{RECORDING}", "{}", 400, "not wanted"),
        ("POST", "/api/v1/hold?x=1", '{"reason": "x", "camera": "a"}', 400, "`x`"),
        ("GET", "/api/v1/status?after=1&after=2", "", 400, "twice"),
        ("GET", "/api/v1/custody?wait_s=31", "", 400, "wait_s"),
        ("GET", "/api/v1/openapi.json?x=1", "", 400, "`x`"),
    ],
)
async def test_bad_requests_are_answered_in_words(
    path: Path, client: aiohttp.ClientSession, method: str, place: str, body: str, status: int, words: str
) -> None:
    """A request that makes no sense reaches no daemon and says why."""
    backend = FakeBackend()
    async with (
        control_api(path, backend, GROUPS),
        client.request(method, place, data=body.encode(), headers={"Content-Type": "application/json"}) as answer,
    ):
        assert answer.status == status
        assert answer.content_type == "application/problem+json"
        problem = await answer.json()
        assert (problem["status"], problem["code"]) == (status, "request")
        assert words in problem["detail"]
    assert not backend.asked


async def test_refusals_keep_their_words(path: Path, client: aiohttp.ClientSession) -> None:
    """An error of the daemon comes with its code, its sentence and its hint; transient ones say: later."""
    backend = FakeBackend()
    async with control_api(path, backend, GROUPS):
        backend.error = ControlError("no recording has this id", hint="See: dockd status")
        async with client.post(f"/api/v1/retry/{RECORDING}") as answer:
            assert answer.status == 409
            assert await answer.json() == {
                "type": "urn:dockd:problem:control",
                "title": "The daemon cannot be asked, or refuses what it was asked.",
                "status": 409,
                "detail": "no recording has this id",
                "code": "control",
                "hint": "See: dockd status",
            }
        backend.error = SpoolFullError("no room", needed_bytes=1, free_bytes=0)
        async with client.get("/api/v1/status") as answer:
            assert (answer.status, (await answer.json())["code"]) == (503, "spool-full")


async def test_a_body_that_is_not_json_is_not_guessed_at(path: Path, client: aiohttp.ClientSession) -> None:
    """A form or a text is refused by its kind, whatever stands in it."""
    backend = FakeBackend()
    async with control_api(path, backend, GROUPS), client.post("/api/v1/hold", data={"camera": "X1", "reason": "x"}) as answer:
        assert answer.status == 415
    assert not backend.asked


@pytest.mark.parametrize(
    ("rights", "act", "words"),
    [
        (frozenset({Right.LOOK}), True, "may look at this dock, but not act on it"),
        (frozenset(), True, "may neither look at this dock nor act on it"),
        (frozenset(), False, "may neither look at this dock nor act on it"),
    ],
)
async def test_whoever_may_not_is_told_so(rights: frozenset[Right], act: bool, words: str) -> None:
    """In words, with who they are, and before anything that they sent is looked at."""
    backend = FakeBackend()

    async def door(_: web.Request) -> Peer:
        return Peer(7, "anna", rights)

    async with TestClient(TestServer(application(backend, door))) as client:
        for place in ("hold", "retry/" + RECORDING) if act else ("status", "openapi.json", "custody", "journal"):
            answer = await client.request("POST" if act else "GET", f"/api/v1/{place}", data=b"nonsense")
            problem = await answer.json()
            assert (answer.status, problem["code"]) == (403, "not-allowed")
            assert f"anna (uid 7) {words}" in problem["detail"]
            assert problem["hint"]
    assert not backend.asked


async def test_a_method_that_is_not_there_says_which_is(path: Path, client: aiohttp.ClientSession) -> None:
    """As HTTP wants it, so that a client can find out."""
    async with control_api(path, FakeBackend(), GROUPS), client.delete("/api/v1/status") as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, "GET")


async def test_what_can_be_waited_for_is_passed_on(path: Path, client: aiohttp.ClientSession) -> None:
    """The number that the client has seen, and its patience."""
    backend = FakeBackend()
    async with control_api(path, backend, GROUPS):
        async with client.get("/api/v1/status?after=7&wait_s=30") as answer:
            assert answer.status == 200
        async with client.get("/api/v1/custody?first=5&wait_s=2") as answer:
            assert await answer.text() == (
                '{"entries":[{"leaf":"' + "ab" * 32 + '","entry":{"event":"daemon.started","seq":1,"v":1}}],"head":1}'
            )
    assert backend.asked == [StatusWanted(7, 30), CustodyWanted(first=5, wait_s=2)]


async def test_bug_in_the_daemon_is_an_answer_too(path: Path, client: aiohttp.ClientSession) -> None:
    """What nobody foresaw ends one request, not the API, and tells the client nothing of the inside."""
    backend = FakeBackend(error=RuntimeError("secret"))
    async with control_api(path, backend, GROUPS):
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
    async with control_api(path, FakeBackend(), GROUPS), client.get("/api/v1/status") as answer:
        assert answer.status == 200


async def test_socket_of_a_living_daemon_is_left_alone(path: Path, client: aiohttp.ClientSession) -> None:
    """A second daemon is refused, and the first one goes on at its socket."""
    async with control_api(path, FakeBackend(), GROUPS):
        with pytest.raises(ControlError, match="another daemon answers"):
            async with control_api(path, FakeBackend(), GROUPS):
                pass
        async with client.get("/api/v1/status") as answer:
            assert answer.status == 200


async def test_what_is_not_a_socket_is_left_alone(path: Path) -> None:
    """A file in the way is never deleted."""
    path.write_text("precious")
    with pytest.raises(ControlError, match="is not a socket"):
        async with control_api(path, FakeBackend(), GROUPS):
            pass
    assert path.read_text() == "precious"


async def test_successors_socket_is_not_removed(path: Path) -> None:
    """A daemon that stops removes only the socket that it made."""
    async with control_api(path, FakeBackend(), GROUPS):
        path.unlink()
        path.write_text("somebody else's")
    assert path.exists()


async def test_socket_that_is_removed_meanwhile(path: Path) -> None:
    """Stopping after somebody removed the socket is no error."""
    async with control_api(path, FakeBackend(), GROUPS):
        path.unlink()


async def test_path_that_is_too_long(tmp_path: Path) -> None:
    """A path that Linux takes for no socket is an error of the configuration, with its limit."""
    path = tmp_path / ("x" * 108)
    with pytest.raises(ConfigError, match="at most 107 bytes"):
        async with control_api(path, FakeBackend(), GROUPS):
            pass


@pytest.mark.parametrize("place", ["missing/control.sock", "file/control.sock"])
async def test_folder_that_cannot_hold_it(tmp_path: Path, place: str) -> None:
    """A missing folder is said in words."""
    (tmp_path / "file").touch()
    with pytest.raises(ControlError, match="cannot be made"):
        async with control_api(tmp_path / place, FakeBackend(), GROUPS):
            pass


async def test_stop_does_not_wait_for_a_slow_request(path: Path, client: aiohttp.ClientSession) -> None:
    """A request that stands still does not hold up the daemon's stop."""
    backend = FakeBackend(standing=asyncio.Event())
    async with asyncio.timeout(30):
        async with control_api(path, backend, GROUPS):
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
    async with control_api(path, FakeBackend(), GROUPS), client.get("/api/v1/status") as answer:
        assert json.loads(await answer.text())["dock"] == "balt-ero-01"
        assert answer.content_type == "application/json"
