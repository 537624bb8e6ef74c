"""The control API: how a person's commands reach the running daemon, as HTTP and JSON over a Unix socket.

`routes` is the table of what can be asked, `peers` says who may, and GET /api/v1/openapi.json describes both. Who may connect at
all is the socket's group; who asks is what the kernel says of the connection, never what the request says. An error is answered
as problem details (RFC 9457), `lists.ProblemView`.
"""

import asyncio
import inspect
import os
import socket
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

import msgspec
import structlog
from aiohttp import hdrs, web

from dockd.errors import ConfigError, ControlError, DockError, NotAllowedError
from dockd.web import openapi
from dockd.web.lists import Nothing, ProblemView
from dockd.web.peers import Groups, Peer, Right, peer, uid_of
from dockd.web.routes import PREFIX, RECORDING_ID, ROUTES, Asked, B, Backend, Q, Route

_LONGEST_PATH_BYTES = 107
_LARGEST_REQUEST_BYTES = 64 * 1024
_ANSWERS_WITHIN_S = 1.0
_GRACE_S = 1.0
_MODE = 0o660
_JSON = "application/json"
_SQLITE = "application/vnd.sqlite3"
_DIGEST = "X-Dockd-SHA256"

_log = structlog.get_logger(__name__)


Door = Callable[[web.Request], Awaitable[Peer]]
"""Says who is at the other end of a request."""


@asynccontextmanager
async def control_api(path: Path, backend: Backend, groups: Groups) -> AsyncIterator[None]:
    """Serve the API at `path` while the context is open; the socket is removed afterwards.

    Raises:
        ConfigError: `path` cannot be a socket's.
        ControlError: another daemon answers there, or something that is not a socket is in the way.
    """
    listener, ours = await asyncio.to_thread(_bind, path)
    runner = web.AppRunner(
        application(backend, kernel_door(groups)), access_log=None, shutdown_timeout=_GRACE_S, handle_signals=False
    )
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


def application(backend: Backend, door: Door) -> web.Application:
    """Everything that can be asked, for whoever the door lets in."""
    made = web.Application(middlewares=[_in_words], client_max_size=_LARGEST_REQUEST_BYTES)
    for route in ROUTES:
        path = PREFIX + route.path.replace("{recording}", f"{{recording:{RECORDING_ID}}}")
        made.router.add_route(route.method, path, _handler(route, backend, door))
    text = msgspec.json.encode(openapi.document())

    async def described(request: web.Request) -> web.Response:
        _allow(await door(request), Right.LOOK)
        await _taken(request, Nothing, Nothing)
        return web.Response(body=text, content_type=_JSON)

    async def journal(request: web.Request) -> web.StreamResponse:
        _allow(await door(request), Right.ACT)
        await _taken(request, Nothing, Nothing)
        async with backend.journal_copy() as copy:
            response = web.FileResponse(copy.path, headers={hdrs.CONTENT_TYPE: _SQLITE, _DIGEST: copy.sha256})
            await response.prepare(request)
            await response.write_eof()
            return response

    made.router.add_route(hdrs.METH_GET, f"{PREFIX}/openapi.json", described)
    made.router.add_route(hdrs.METH_GET, f"{PREFIX}/journal", journal)
    return made


def kernel_door(groups: Groups) -> Door:
    """Lets the members of `groups` in, by what the kernel says of their connection."""
    daemon_uid = os.geteuid()

    async def door(request: web.Request) -> Peer:
        line = None if request.transport is None else request.transport.get_extra_info("socket")
        if line is None:
            msg = "the connection is gone"
            raise ControlError(msg)
        return await asyncio.to_thread(peer, uid_of(line), groups, daemon_uid=daemon_uid)

    return door


def _handler(route: Route[Any, Any], backend: Backend, door: Door) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        who = await door(request)
        _allow(who, route.needs)
        query, body = await _taken(request, route.query, route.body)
        answer = await route.call(backend, Asked(who, query, body, request.match_info.get("recording", "")))
        if answer is None:
            return web.Response(status=HTTPStatus.NO_CONTENT)
        return web.Response(body=msgspec.json.encode(answer), content_type=_JSON)

    return handle


def _allow(who: Peer, needed: Right) -> None:
    if needed in who.rights:
        return
    if who.rights:
        msg = f"{who} may look at this dock, but not act on it"
        raise NotAllowedError(msg, hint="Ask your admin to do it, or to add you to the admins' group (usually dockd-admin).")
    msg = f"{who} may neither look at this dock nor act on it"
    raise NotAllowedError(msg, hint="Ask your admin to add you to the group that may look (usually dockd).")


async def _taken(request: web.Request, query: type[Q], body: type[B]) -> tuple[Q, B]:
    """What was asked and sent, checked to the letter.

    Raises:
        MsgspecError: it makes no sense.
        HTTPException: the body is too large, or not JSON.
    """
    asked = dict(request.query)
    if len(asked) != len(request.query):
        msg = "something is asked for twice"
        raise msgspec.ValidationError(msg)
    sent = await request.read()
    if body is Nothing:
        if sent:
            msg = "a body is not wanted here"
            raise msgspec.ValidationError(msg)
        return msgspec.convert(asked, query, strict=False), body()
    if request.content_type != _JSON:
        raise web.HTTPUnsupportedMediaType
    return msgspec.convert(asked, query, strict=False), msgspec.json.decode(sent, type=body)


@web.middleware
async def _in_words(request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> web.StreamResponse:
    """Every failure is answered as JSON in words; only what nobody foresaw is logged."""
    asked = f"{request.method} {request.path}"
    try:
        return await handler(request)
    except web.HTTPException as exc:
        response = _problem(exc.status, "request", exc.reason, f"{asked}: {exc.reason}", "")
        if hdrs.ALLOW in exc.headers:
            response.headers[hdrs.ALLOW] = exc.headers[hdrs.ALLOW]
        return response
    except (msgspec.MsgspecError, UnicodeDecodeError) as exc:
        return _problem(HTTPStatus.BAD_REQUEST, "request", "The request makes no sense.", f"{asked}: {exc}", "")
    except NotAllowedError as exc:
        return _problem_of(HTTPStatus.FORBIDDEN, exc)
    except DockError as exc:
        return _problem_of(HTTPStatus.SERVICE_UNAVAILABLE if exc.transient else HTTPStatus.CONFLICT, exc)
    except Exception:  # noqa: BLE001 - one bad request ends no daemon; it is logged with its trace
        _log.exception("control request failed", method=request.method, path=request.path)
        words = "The daemon failed on this request; its log says how."
        return _problem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", "A bug of dockd.", words, "")


def _problem_of(status: int, error: DockError) -> web.Response:
    return _problem(status, error.code, inspect.cleandoc(error.__doc__ or "").partition("\n")[0], error.message, error.hint)


def _problem(status: int, code: str, title: str, detail: str, hint: str) -> web.Response:
    body = msgspec.json.encode(ProblemView(f"urn:dockd:problem:{code}", title, status, detail, code, hint))
    return web.Response(status=status, body=body, content_type="application/problem+json")
