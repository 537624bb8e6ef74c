"""The control API: how a person's commands reach the running daemon, as HTTP and JSON over a Unix socket.

    GET  /api/v1/status                  the status document (`view.StatusView`)
    GET  /api/v1/recordings?state=&camera=&after=&limit=
    POST /api/v1/retry/{recording}       a refused recording goes on
    POST /api/v1/hold, /api/v1/release   `view.HoldOrder`
    POST /api/v1/reload                  the site file is read again; what came of it (`view.ConfigurationView`)

Who may connect is the socket's group; who acted is what the kernel says of the connection, never what the request says. An error
is `{"error": code, "message": sentence, "hint": sentence}`.
"""

import asyncio
import os
import pwd
import socket
import stat
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

import msgspec
import structlog
from aiohttp import web

from dockd.errors import ConfigError, ControlError, DockError
from dockd.web.view import ConfigurationView, HoldOrder, RecordingsView, RecordingView, StatusView, Wanted

_LONGEST_PATH_BYTES = 107
_LARGEST_REQUEST_BYTES = 64 * 1024
_ANSWERS_WITHIN_S = 1.0
_GRACE_S = 1.0
_MODE = 0o660
_CREDENTIALS = struct.Struct("3i")

_log = structlog.get_logger(__name__)


class Backend(Protocol):
    """What the API asks of the daemon. `by` is the user who acts, for the custody log.

    Each call raises DockError for what cannot be done, in words for whoever asked.
    """

    async def status(self) -> StatusView:
        """The state of the dock now."""
        ...

    async def recordings(self, wanted: Wanted) -> RecordingsView:
        """One page of recordings."""
        ...

    async def retry(self, recording: str, by: str) -> RecordingView:
        """Let a refused recording go on; it is answered as it is then."""
        ...

    async def hold(self, order: HoldOrder, by: str) -> None:
        """From now on nothing of it may be erased."""
        ...

    async def release(self, order: HoldOrder, by: str) -> None:
        """Lift a hold."""
        ...

    async def reload(self) -> ConfigurationView:
        """Read the site file again; it is answered by what the dock runs then."""
        ...


@asynccontextmanager
async def control_api(path: Path, backend: Backend) -> AsyncIterator[None]:
    """Serve the API at `path` while the context is open; the socket is removed afterwards.

    Raises:
        ConfigError: `path` cannot be a socket's.
        ControlError: another daemon answers there, or something that is not a socket is in the way.
    """
    listener, ours = await asyncio.to_thread(_bind, path)
    runner = web.AppRunner(_application(backend), access_log=None, shutdown_timeout=_GRACE_S, handle_signals=False)
    try:
        await runner.setup()
        await web.SockSite(runner, listener).start()
        yield
    finally:
        await runner.cleanup()
        listener.close()
        await asyncio.to_thread(_remove, path, ours)


def _bind(path: Path) -> tuple[socket.socket, int]:
    """The listening socket, and the inode number of its file."""
    if len(os.fsencode(path)) > _LONGEST_PATH_BYTES:
        msg = f"a socket's path has at most {_LONGEST_PATH_BYTES} bytes, and this one has {len(os.fsencode(path))}"
        raise ConfigError(msg, file=str(path), hint="Set control.socket to a shorter path.")
    _make_way(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # The file is made with the descriptor's mode, so that at no instant more people may connect.
        os.fchmod(listener.fileno(), _MODE)
        listener.bind(os.fspath(path))
        path.chmod(_MODE)
        listener.listen()
        inode = path.lstat().st_ino
    except OSError as exc:
        listener.close()
        msg = f"the control socket {path} cannot be made: {exc.strerror}"
        raise ControlError(msg, hint="Does its folder exist, and may the daemon write there?") from exc
    return listener, inode


def _make_way(path: Path) -> None:
    """Remove the socket of a daemon that was killed, and nothing else."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return
    except OSError as exc:
        msg = f"the control socket {path} cannot be made: {exc.strerror}"
        raise ControlError(msg, hint="Does its folder exist, and may the daemon write there?") from exc
    if not stat.S_ISSOCK(status.st_mode):
        msg = f"{path} is not a socket, so it is left alone"
        raise ControlError(msg, hint="Move it away, or set control.socket to another path.")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as question:
        question.settimeout(_ANSWERS_WITHIN_S)
        try:
            question.connect(os.fspath(path))
        except (ConnectionRefusedError, FileNotFoundError):
            path.unlink(missing_ok=True)
            return
        except OSError:
            # Slow or forbidden: somebody is there.
            pass
    msg = f"another daemon answers at {path}"
    raise ControlError(msg, hint="Stop it first, or give this one its own control.socket.")


def _remove(path: Path, inode: int) -> None:
    """Unless another daemon's socket is there by now."""
    try:
        if path.lstat().st_ino == inode:
            path.unlink()
    except FileNotFoundError:
        pass


def _application(backend: Backend) -> web.Application:
    async def status(_: web.Request) -> web.Response:
        return _json(await backend.status())

    async def recordings(request: web.Request) -> web.Response:
        return _json(await backend.recordings(msgspec.convert(dict(request.query), Wanted, strict=False)))

    async def retry(request: web.Request) -> web.Response:
        return _json(await backend.retry(request.match_info["recording"], await _who(request)))

    async def hold(request: web.Request) -> web.Response:
        await backend.hold(msgspec.json.decode(await request.read(), type=HoldOrder), await _who(request))
        return web.Response(status=204)

    async def release(request: web.Request) -> web.Response:
        await backend.release(msgspec.json.decode(await request.read(), type=HoldOrder), await _who(request))
        return web.Response(status=204)

    async def reload(_: web.Request) -> web.Response:
        return _json(await backend.reload())

    application = web.Application(middlewares=[_in_words], client_max_size=_LARGEST_REQUEST_BYTES)
    application.add_routes(
        [
            web.get("/api/v1/status", status),
            web.get("/api/v1/recordings", recordings),
            web.post("/api/v1/retry/{recording:[0-9a-f]{32}}", retry),
            web.post("/api/v1/hold", hold),
            web.post("/api/v1/release", release),
            web.post("/api/v1/reload", reload),
        ]
    )
    return application


@web.middleware
async def _in_words(request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> web.StreamResponse:
    """Every failure is answered as JSON in words; only what nobody foresaw is logged."""
    try:
        return await handler(request)
    except web.HTTPException as exc:
        return _error(exc.status, "request", f"{request.method} {request.path}: {exc.reason}", "")
    except msgspec.MsgspecError as exc:
        return _error(400, "request", f"{request.method} {request.path}: {exc}", "")
    except DockError as exc:
        return _error(503 if exc.transient else 409, exc.code, exc.message, exc.hint)
    except Exception:  # noqa: BLE001 - one bad request ends no daemon; it is logged with its trace
        _log.exception("control request failed", method=request.method, path=request.path)
        return _error(500, "internal", "The daemon failed on this request; its log says how.", "")


def _json(document: msgspec.Struct) -> web.Response:
    return web.Response(body=msgspec.json.encode(document), content_type="application/json")


def _error(status: int, code: str, message: str, hint: str) -> web.Response:
    body = msgspec.json.encode({"error": code, "message": message, "hint": hint})
    return web.Response(status=status, body=body, content_type="application/json")


async def _who(request: web.Request) -> str:
    """The user at the other end, as the kernel noted when the connection was made (SO_PEERCRED, unix(7))."""
    line = None if request.transport is None else request.transport.get_extra_info("socket")
    if line is None:
        msg = "the connection is gone"
        raise ControlError(msg)
    _, uid, _ = _CREDENTIALS.unpack(line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    # The list of users may be on a network.
    return await asyncio.to_thread(_user_name, uid)


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
