"""How a verb asks the running daemon: HTTP and JSON over its Unix socket, and the options that say where that is."""

import functools
import hashlib
import http.client
import json
import os
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, TypeVar
from urllib.parse import urlencode

import click
import msgspec

from dockd.errors import ControlError, NotAllowedError

DEFAULT_SOCKET = Path("/run/dockd/control.sock")
ANSWER_S = 10.0
"""For an answer that nothing is waited for."""

FILE_S = 120.0
"""For the next part of a file."""

_BLOCK_BYTES = 1024 * 1024
_API = "/api/v1"
_JSON = "application/json"

T = TypeVar("T")

AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON, as docs/cli.md describes it.")


def said(_context: click.Context, _option: click.Parameter, reason: str | None) -> str | None:
    """A reason, if one is given at all, that says something."""
    if reason is not None and not reason.strip():
        msg = "say why, in words that you would read out in court"
        raise click.BadParameter(msg)
    return reason


REASON = click.option("--reason", required=True, metavar="TEXT", callback=said, help="Why, for the custody log.")


def reaching(verb: Callable[..., None]) -> Callable[..., None]:
    """Give a verb the options that say where the daemon is, and `place`, its socket."""

    @click.option("--config", type=click.Path(path_type=Path, dir_okay=False), help="The site file, which names the socket.")
    @click.option("--socket", "socket_path", type=click.Path(path_type=Path), help="The daemon's socket itself.")
    @functools.wraps(verb)
    def found(*arguments: Any, config: Path | None, socket_path: Path | None, **options: Any) -> None:  # noqa: ANN401 - click's
        verb(*arguments, place=place_of(config, socket_path), **options)

    return found


def place_of(config: Path | None, socket_path: Path | None) -> Path:
    """The daemon's socket, as the options say.

    Raises:
        ConfigError: the site file is wrong.
    """
    if config is not None and socket_path is not None:
        msg = "--config and --socket exclude each other"
        raise click.UsageError(msg)
    if config is None:
        return socket_path or DEFAULT_SOCKET
    from dockd.config.site import load_site  # noqa: PLC0415 - the usual call needs no YAML

    return load_site(config).control.socket


def ask(
    place: Path,
    what: str,
    *,
    query: Mapping[str, object] | None = None,
    body: Mapping[str, object] | None = None,
    act: bool = False,
    waits_s: float = 0,
) -> bytes:
    """The daemon's answer, as it sent it.

    Args:
        place: its socket.
        what: is asked, as in `/status`.
        query: what is not None stands behind the question mark.
        body: is sent.
        act: it is an order; one without a body may be.
        waits_s: how long the daemon may wait for something to happen.

    Raises:
        ControlError: nobody answers there, or whoever does refuses.
    """
    words = urlencode({name: value for name, value in (query or {}).items() if value is not None})
    line = _UnixConnection(place, ANSWER_S + waits_s)
    try:
        line.request(
            "POST" if act or body is not None else "GET",
            f"{_API}{what}?{words}" if words else _API + what,
            None if body is None else json.dumps(body),
            {} if body is None else {"Content-Type": _JSON},
        )
        answer = line.getresponse()
        content = answer.read()
    except PermissionError as exc:
        msg = f"this user may not ask the daemon at {place}"
        raise NotAllowedError(msg, hint="Ask your admin to add you to the socket's group (usually dockd).") from exc
    except TimeoutError as exc:
        msg = f"the daemon at {place} does not answer within {ANSWER_S + waits_s:.0f} s"
        raise ControlError(msg, hint="Look at its log, then restart it.") from exc
    except (OSError, http.client.HTTPException) as exc:
        msg = f"no daemon answers at {place}: {exc}"
        raise ControlError(msg) from exc
    finally:
        line.close()
    if answer.status not in {http.HTTPStatus.OK, http.HTTPStatus.NO_CONTENT}:
        raise _refused(place, content)
    return content


def fetch_file(place: Path, what: str, to: BinaryIO, digest_header: str) -> str:
    """Write what the daemon sends into `to`, and compare it with the digest that it sends along; its SHA-256, hexadecimal.

    Raises:
        ControlError: nobody answers there, refuses, or what came is not what was sent.
        OSError: `to` cannot be written.
    """
    line = _UnixConnection(place, FILE_S)
    digest = hashlib.sha256()
    try:
        line.request("GET", _API + what)
        answer = line.getresponse()
        if answer.status != http.HTTPStatus.OK:
            raise _refused(place, answer.read())
        while block := answer.read(_BLOCK_BYTES):
            digest.update(block)
            to.write(block)
    except (ConnectionError, TimeoutError, FileNotFoundError, http.client.HTTPException) as exc:
        msg = f"no daemon answers at {place}: {exc}"
        raise ControlError(msg) from exc
    finally:
        line.close()
    if answer.headers.get(digest_header) != digest.hexdigest():
        msg = f"what came from the daemon at {place} is not all that it sent"
        raise ControlError(msg, hint="Try again.")
    return digest.hexdigest()


def read(place: Path, content: bytes, kind: type[T]) -> T:
    """An answer as what it should be.

    Raises:
        ControlError: it is something else.
    """
    try:
        return msgspec.json.decode(content, type=kind)
    except msgspec.MsgspecError as exc:
        msg = f"the daemon at {place} sent an answer that this dockd cannot read: {exc}"
        raise ControlError(msg, hint="Are daemon and command of the same version? --json shows the answer as it is.") from exc


def print_json(document: bytes | msgspec.Struct) -> None:
    """For programs: what the daemon sent, whatever a newer one may have added."""
    content = document if isinstance(document, bytes) else msgspec.json.encode(document)
    click.echo(msgspec.json.format(content, indent=2))


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket; the standard library's client starts in a tenth of the time of an asynchronous one."""

    def __init__(self, place: Path, answer_s: float) -> None:
        super().__init__("dockd", timeout=answer_s)
        self._place, self._answer_s = place, answer_s

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self._answer_s)
        try:
            self.sock.connect(os.fspath(self._place))
        except OSError:
            self.sock.close()
            raise


def _refused(place: Path, content: bytes) -> ControlError:
    try:
        problem = json.loads(content)
        kind = NotAllowedError if problem["code"] == NotAllowedError.code else ControlError
        return kind(str(problem["detail"]), hint=str(problem["hint"]))
    except (ValueError, KeyError, TypeError):
        return ControlError(f"what answers at {place} is not dockd")
