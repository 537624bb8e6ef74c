"""A plain tus 1.0.0 server in memory, written from the protocol's text and not from the vault, that misbehaves when told to."""

import asyncio
import base64
import hashlib
import secrets
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Self

from aiohttp import web
from blake3 import blake3

from dockd.core.proof import Statement, StatementKind
from dockd.core.recording import Digests, Measured
from dockd.dsse import SigningKey
from tests.sim.archive import Lie, bend
from tests.sim.ports import free_port

_HASHES: dict[str, Callable[[bytes | bytearray], bytes]] = {
    "sha1": lambda body: hashlib.sha1(body, usedforsecurity=False).digest(),
    "sha256": lambda body: hashlib.sha256(body).digest(),
    "blake3": lambda body: blake3(body).digest(),
}


class Checksums(StrEnum):
    """How the server treats Upload-Checksum."""

    CHECKED = "checked"
    ABSENT = "absent"
    IGNORED = "ignored"


@dataclass(frozen=True, slots=True)
class Canned:
    """An answer that is given instead of the true one, once.

    Attributes:
        method: of the request that gets it.
        part: what its path must contain.
        tus: whether it carries Tus-Resumable; a proxy's page does not.
    """

    method: str
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    text: str = ""
    tus: bool = True
    part: str = ""


@dataclass(slots=True)
class Misbehaviour:
    """The knobs; all may be turned while the server runs.

    Attributes:
        checksums: see there.
        algorithms: offered.
        canned: answers to come, each for the next request of its method.
        drop_after_bytes: the connection is cut, once, when so many more bytes of bodies have come; they are kept.
        damage_next: one byte of the next body changes on its way.
        offset_lie: added to the offset that a PATCH answers.
        head_offset, head_length: what HEAD says instead of the truth.
        captive: everything is answered 200 with a page, as by a hotel's login.
        origin: what POST puts before the path of an upload.
        stall_after_bytes: no more of a body is read, and nothing answered, after so many.
        keep_partial: whether a checksummed body that broke off is kept.
        lie: what statements are wrong about.
    """

    checksums: Checksums = Checksums.CHECKED
    algorithms: tuple[str, ...] = ("sha1", "sha256", "blake3")
    canned: list[Canned] = field(default_factory=list)
    drop_after_bytes: int | None = None
    damage_next: bool = False
    offset_lie: int = 0
    head_offset: int | None = None
    head_length: int | None = None
    captive: bool = False
    origin: str = ""
    stall_after_bytes: int | None = None
    keep_partial: bool = True
    lie: Lie = Lie.NONE


@dataclass(slots=True)
class Kept:
    """One upload."""

    length_bytes: int
    metadata: dict[str, str]
    body: bytearray = field(default_factory=bytearray)


@dataclass(frozen=True, slots=True)
class Seen:
    """One request that came in, canary included."""

    method: str
    path: str
    headers: Mapping[str, str]


class TusServer:
    """Serves on a free port of the loopback interface, inside `async with`.

    Attributes:
        wrong: the knobs.
        uploads: what it keeps, by name.
        seen: every request.
        stalled: set when a body is no longer read.
        repeated: the keys of Upload-Metadata that HEAD gives back; None for all.

    Args:
        key: with it, the server introduces itself and signs as dockd's protocol says; without, it is plain tus.
        tls: with it, https is spoken.
    """

    def __init__(self, key: SigningKey | None = None, tls: ssl.SSLContext | None = None) -> None:
        self.key, self._tls = key, tls
        self.wrong = Misbehaviour()
        self.uploads: dict[str, Kept] = {}
        self.seen: list[Seen] = []
        self.repeated: tuple[str, ...] | None = None
        self.stalled = asyncio.Event()
        self.port = 0
        self._runner: web.AppRunner | None = None
        self._release = asyncio.Event()

    @property
    def url(self) -> str:
        """Of the tus endpoint."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}/files/"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen, on the same port as before."""
        application = web.Application(client_max_size=2**40)
        application.router.add_route("*", "/{rest:.*}", self._answer)
        self._release.clear()
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        self.port = self.port or free_port()  # one to come back to
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True, ssl_context=self._tls)
        await site.start()

    async def stop(self) -> None:
        """Cut every connection and stop listening; uploads are kept."""
        if self._runner is not None:
            self._release.set()
            await self._runner.cleanup()
            self._runner = None

    def methods(self) -> list[str]:
        """The methods of all requests so far."""
        return [request.method for request in self.seen]

    def patches(self) -> list[Seen]:
        """The PATCH requests of recordings, without those of the canary."""
        canaries = {request.path for request in self.seen if request.method == "DELETE"}
        return [request for request in self.seen if request.method == "PATCH" and request.path not in canaries]

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(Seen(request.method, request.path, dict(request.headers)))
        if self.wrong.captive:
            return web.Response(text="<html>Welcome to the hotel</html>", content_type="text/html")
        for canned in self.wrong.canned:
            if canned.method == request.method and canned.part in request.path:
                self.wrong.canned.remove(canned)
                headers = {**({"Tus-Resumable": "1.0.0"} if canned.tus else {}), **canned.headers}
                return web.Response(status=canned.status, text=canned.text, headers=headers)
        if self.key is not None and request.path == "/archive":
            return web.json_response({"archive": "tus-sim", "key": self.key.public_text, "key_id": self.key.key_id})
        if self.key is not None and request.path.endswith(("/receipt", "/holding")):
            return await self._testify(request, self.key)
        handler = {
            "OPTIONS": self._options,
            "POST": self._post,
            "HEAD": self._head,
            "GET": self._get,
            "PATCH": self._patch,
            "DELETE": self._delete,
        }.get(request.method)
        if handler is None or not request.path.startswith("/files/"):
            return web.Response(status=404, text="no such page")
        response = await handler(request)
        response.headers["Tus-Resumable"] = "1.0.0"
        return response

    async def _options(self, request: web.Request) -> web.Response:
        headers = {"Tus-Version": "1.0.0", "Tus-Extension": "creation,termination"}
        if self.wrong.checksums is not Checksums.ABSENT:
            headers["Tus-Extension"] += ",checksum"
            headers["Tus-Checksum-Algorithm"] = ",".join(self.wrong.algorithms)
        return web.Response(status=204, headers=headers)

    async def _post(self, request: web.Request) -> web.Response:
        name = secrets.token_hex(8)
        pairs = [pair.split(" ") for pair in request.headers["Upload-Metadata"].split(",")]
        metadata = {key: base64.b64decode(value).decode() for key, value in pairs}
        self.uploads[name] = Kept(int(request.headers["Upload-Length"]), metadata)
        return web.Response(status=201, headers={"Location": f"{self.wrong.origin}/files/{name}"})

    async def _head(self, request: web.Request) -> web.Response:
        kept = self.uploads.get(request.path.removeprefix("/files/"))
        if kept is None:
            return web.Response(status=404)
        offset = len(kept.body) if self.wrong.head_offset is None else self.wrong.head_offset
        length = kept.length_bytes if self.wrong.head_length is None else self.wrong.head_length
        headers = {"Upload-Offset": str(offset), "Upload-Length": str(length), "Cache-Control": "no-store"}
        told = {key: value for key, value in kept.metadata.items() if self.repeated is None or key in self.repeated}
        if told:
            headers["Upload-Metadata"] = ",".join(
                f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in told.items()
            )
        return web.Response(headers=headers)

    async def _get(self, request: web.Request) -> web.Response:
        kept = self.uploads.get(request.path.removeprefix("/files/"))
        return web.Response(status=404) if kept is None else web.Response(body=bytes(kept.body))

    async def _delete(self, request: web.Request) -> web.Response:
        gone = self.uploads.pop(request.path.removeprefix("/files/"), None)
        return web.Response(status=404 if gone is None else 204)

    async def _patch(self, request: web.Request) -> web.Response:
        kept = self.uploads.get(request.path.removeprefix("/files/"))
        if kept is None:
            return web.Response(status=404)
        if int(request.headers["Upload-Offset"]) != len(kept.body):
            return web.Response(status=409, text=f"at {len(kept.body)}")
        body, broken = await self._receive(request)
        if self.wrong.damage_next and body:
            self.wrong.damage_next = False
            body[0] ^= 1
        checksum = request.headers.get("Upload-Checksum")
        if broken:
            if checksum is None or self.wrong.keep_partial:
                kept.body += body
            return web.Response(status=408)
        if checksum is not None and self.wrong.checksums is Checksums.CHECKED:
            algorithm, _, digest = checksum.partition(" ")
            if _HASHES[algorithm](body) != base64.b64decode(digest):
                return web.Response(status=460, text="checksum mismatch")
        kept.body += body
        return web.Response(status=204, headers={"Upload-Offset": str(len(kept.body) + self.wrong.offset_lie)})

    async def _testify(self, request: web.Request, key: SigningKey) -> web.Response:
        """A statement over the bytes kept now, bent by the lie."""
        name, _, word = request.path.removeprefix("/files/").partition("/")
        kept = self.uploads.get(name)
        if kept is None:
            return web.Response(status=404, headers={"Tus-Resumable": "1.0.0"})
        now = datetime.now(UTC)
        holding = word == "holding"
        truth = Statement(
            kind=StatementKind.HOLDING if holding else StatementKind.RECEIPT,
            archive="tus-sim",
            object_id=name,
            measured=Measured(len(kept.body), Digests(_HASHES["blake3"](kept.body), _HASHES["sha256"](kept.body))),
            dock=kept.metadata["dock"],
            camera=kept.metadata["camera"],
            recording_id=kept.metadata["recording"],
            time=now,
            retain_until=now + timedelta(days=365),
            nonce=(await request.json())["nonce"] if holding else kept.metadata["nonce"],
            key_id=key.key_id,
        )
        told = bend(truth, self.wrong.lie)
        if self.wrong.lie is Lie.SIGNATURE:
            key = SigningKey.generate()
            told = replace(told, key_id=key.key_id)
        return web.Response(body=key.envelope(told), content_type="application/json")

    async def _receive(self, request: web.Request) -> tuple[bytearray, bool]:
        """The body, and whether it broke off."""
        body = bytearray()
        try:
            async for part in request.content.iter_any():
                body += part
                if self.wrong.stall_after_bytes is not None and len(body) >= self.wrong.stall_after_bytes:
                    self.stalled.set()
                    await self._release.wait()
                if self.wrong.drop_after_bytes is None:
                    continue
                excess = len(part) - self.wrong.drop_after_bytes
                if excess < 0:
                    self.wrong.drop_after_bytes -= len(part)
                    continue
                del body[len(body) - excess :]
                self.wrong.drop_after_bytes = None
                assert request.transport is not None
                request.transport.abort()
                return body, True
        except ConnectionError:
            return body, True
        return body, False
