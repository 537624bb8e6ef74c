"""The vault's HTTP interface: docs/protocol.md, request by request. Decides nothing about bytes; `service` does."""

import asyncio
import base64
import contextlib
import json
from collections.abc import Awaitable, Callable, Mapping
from email.utils import format_datetime

import aiohttp
import structlog
from aiohttp import HttpVersion11, hdrs, web
from aiohttp.http_exceptions import HttpProcessingError

from dockd import __version__
from dockd.errors import DockError
from dockd.vault import tus
from dockd.vault.ledger import Upload, UploadState
from dockd.vault.refusal import BrokenBodyError, RefusedError
from dockd.vault.service import Vault
from dockd.vault.witness import BODY_LIMIT_BYTES

_QUESTION_LIMIT_BYTES = 4096
_TUS_METHODS = frozenset({"POST", "HEAD", "PATCH", "DELETE"})
_COLLECTION_METHODS = "OPTIONS, POST"
_UPLOAD_METHODS = "OPTIONS, HEAD, GET, PATCH, DELETE"

_log = structlog.get_logger("dockd.vault")
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class RequestBody:
    """A request's bytes; every way in which they can break off is one error."""

    def __init__(self, content: aiohttp.StreamReader) -> None:
        self._content = content

    async def read(self) -> bytes:
        """A piece that has arrived; empty at the end."""
        try:
            piece, more = await self._content.readchunk()
            # The end of a chunk of the transfer coding is not the end of the body; an empty body's reader says so for ever.
            while more and not piece and not self._content.at_eof():
                piece, more = await self._content.readchunk()
        except (aiohttp.ClientError, web.RequestPayloadError, HttpProcessingError, ConnectionError) as exc:
            raise BrokenBodyError from exc
        return piece

    def set_exception(self, exc: BaseException) -> None:
        """Make the pending and every later read raise `exc`."""
        self._content.set_exception(exc)


class Door:
    """Handlers over one vault."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def application(self) -> web.Application:
        """The aiohttp application."""
        app = web.Application(middlewares=[_answer_in_words], client_max_size=_QUESTION_LIMIT_BYTES)
        for path in ("/files", "/files/"):
            app.router.add_route("*", path, self._collection, expect_handler=_continue_later)
        app.router.add_route("*", "/files/{id}", self._upload, expect_handler=_continue_later)
        app.router.add_get("/files/{id}/receipt", self._receipt)
        app.router.add_post("/files/{id}/holding", self._holding)
        app.router.add_get("/archive", self._archive)
        app.router.add_post("/add-checkpoint", self._add_checkpoint)
        return app

    async def _collection(self, request: web.Request) -> web.StreamResponse:
        match _method(request):
            case "OPTIONS":
                return self._options()
            case "POST":
                return await self._create(request, await self._dock(request))
            case _:
                raise _wrong_method(_COLLECTION_METHODS)

    async def _upload(self, request: web.Request) -> web.StreamResponse:
        method = _method(request)
        if method == "OPTIONS":
            return self._options()
        upload = await self._vault.find(request.match_info["id"], await self._dock(request))
        match method:
            case "HEAD":
                return await self._where(upload)
            case "GET":
                return await self._bytes(upload)
            case "PATCH":
                return await self._append(request, upload)
            case "DELETE":
                await self._vault.terminate(upload, "its dock ended it")
                return web.Response(status=204)
            case _:
                raise _wrong_method(_UPLOAD_METHODS)

    def _options(self) -> web.Response:
        return web.Response(
            status=204,
            headers={
                "Tus-Version": tus.VERSION,
                "Tus-Extension": tus.EXTENSIONS,
                "Tus-Max-Size": str(self._vault.settings.max_size_bytes),
                "Tus-Checksum-Algorithm": ",".join(tus.CHECKSUM_ALGORITHMS),
            },
        )

    async def _create(self, request: web.Request, dock: str) -> web.StreamResponse:
        if "Upload-Defer-Length" in request.headers or "Upload-Concat" in request.headers:
            msg = "Upload-Defer-Length and Upload-Concat are not offered; send Upload-Length and the whole recording."
            raise RefusedError(400, msg)
        length_bytes = tus.decimal(request.headers, "Upload-Length")
        checksum = tus.body_checksum(request.headers.get("Upload-Checksum"))
        if request.body_exists:
            _check_body(request, length_bytes)
        upload = await self._vault.create(request.headers.get("Upload-Metadata", ""), length_bytes=length_bytes, dock=dock)
        headers = {hdrs.LOCATION: str(request.url.origin().with_path(f"/files/{upload.upload_id}"))}
        if request.body_exists:
            await _continue_now(request)
            try:
                upload = await self._vault.append(
                    upload, RequestBody(request.content), offset_bytes=0, body_bytes=request.content_length, checksum=checksum
                )
            except RefusedError:
                # Its sender never learns the name, so nobody could continue it.
                await self._vault.terminate(upload, "its creation with upload failed")
                raise
        return web.Response(status=201, headers=headers | _progress(upload))

    async def _where(self, upload: Upload) -> web.StreamResponse:
        upload = await self._vault.where(upload)
        headers = _progress(upload) | {"Upload-Length": str(upload.length_bytes), "Upload-Metadata": upload.metadata}
        return web.Response(status=200, headers=headers)

    async def _append(self, request: web.Request, upload: Upload) -> web.StreamResponse:
        _check_body(request, upload.length_bytes)
        offset_bytes = tus.decimal(request.headers, "Upload-Offset")
        checksum = tus.body_checksum(request.headers.get("Upload-Checksum"))
        await _continue_now(request)
        upload = await self._vault.append(
            upload,
            RequestBody(request.content),
            offset_bytes=offset_bytes,
            body_bytes=request.content_length,
            checksum=checksum,
        )
        return web.Response(status=204, headers=_progress(upload))

    async def _bytes(self, upload: Upload) -> web.StreamResponse:
        path, held = await self._vault.bytes_of(upload)
        digest = base64.b64encode(held.measured.digests.sha256).decode()
        return web.FileResponse(
            path,
            headers={
                hdrs.CONTENT_TYPE: "application/octet-stream",
                hdrs.CONTENT_DISPOSITION: "attachment",
                "Repr-Digest": f"sha-256=:{digest}:",
            },
        )

    async def _receipt(self, request: web.Request) -> web.StreamResponse:
        upload = await self._vault.find(request.match_info["id"], await self._dock(request))
        receipt = await self._vault.receipt(upload)
        if receipt is None:
            text = "The vault is still reading back what it stored; ask again.\n"
            return web.Response(status=202, text=text, headers={hdrs.RETRY_AFTER: "1"})
        return web.Response(body=receipt, content_type="application/json")

    async def _holding(self, request: web.Request) -> web.StreamResponse:
        upload = await self._vault.find(request.match_info["id"], await self._dock(request))
        try:
            question = json.loads(await request.read())
            asked = question["nonce"]
        except (ValueError, TypeError, KeyError, RecursionError) as exc:
            msg = 'The body is not {"nonce": "<hexadecimal>"}.'
            raise RefusedError(400, msg) from exc
        until = question.get("retain_until")
        statement = await self._vault.hold(upload, tus.nonce(asked), until)
        return web.Response(body=statement, content_type="application/json")

    async def _add_checkpoint(self, request: web.Request) -> web.StreamResponse:
        dock = await self._dock(request)
        try:
            await request.content.readexactly(BODY_LIMIT_BYTES)
        except asyncio.IncompleteReadError as exc:
            body = exc.partial
        else:
            msg = "A checkpoint and its proof are never that long."
            raise RefusedError(413, msg)
        line = await self._vault.cosigner.add_checkpoint(body, dock=dock, key=request.headers.get("Dockd-Log-Key"))
        return web.Response(body=line.encode(), content_type="text/plain", charset="utf-8")

    async def _archive(self, _request: web.Request) -> web.StreamResponse:
        signer = self._vault.signer
        return web.json_response(
            {
                "archive": signer.archive,
                "key": signer.key.public_text,
                "key_id": signer.key.key_id,
                "witness": True,
                "version": __version__,
            }
        )

    async def _dock(self, request: web.Request) -> str:
        """Who asks.

        Raises:
            RefusedError: 412, another protocol version; 401, no token or an unknown one.
        """
        if request.match_info.route.method == "*" and _method(request) in _TUS_METHODS:
            version = request.headers.get("Tus-Resumable")
            if version != tus.VERSION:
                msg = f"Tus-Resumable is {version!r}; this vault speaks {tus.VERSION}."
                raise RefusedError(412, msg, {"Tus-Version": tus.VERSION})
        scheme, _, token = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
        dock = await self._vault.dock_of(token.strip()) if scheme.lower() == "bearer" else None
        if dock is None:
            msg = "This token is not one of the vault's; make one with: dockd vault token DOCK."
            raise RefusedError(401, msg, {hdrs.WWW_AUTHENTICATE: "Bearer"})
        return dock


def _method(request: web.Request) -> str:
    """The method that is meant; behind some proxies only POST passes."""
    return request.headers.get("X-HTTP-Method-Override", request.method).upper()


def _check_body(request: web.Request, length_bytes: int) -> None:
    """Refuse a body that cannot be part of an upload before any of it is received."""
    if request.headers.get(hdrs.EXPECT, "100-continue").lower() != "100-continue":
        msg = "Only Expect: 100-continue is understood."
        raise RefusedError(417, msg)
    if request.headers.get(hdrs.CONTENT_TYPE, "").lower() != tus.BODY_TYPE:
        msg = f"The body's Content-Type is not {tus.BODY_TYPE}."
        raise RefusedError(415, msg)
    if request.headers.get(hdrs.CONTENT_ENCODING, "identity").lower() != "identity":
        msg = "The body has a Content-Encoding; send the recording's own bytes."
        raise RefusedError(415, msg)
    if (request.content_length or 0) > length_bytes:
        msg = f"The body has {request.content_length} bytes, the upload only {length_bytes}."
        raise RefusedError(413, msg)


def _progress(upload: Upload) -> dict[str, str]:
    headers = {"Upload-Offset": str(upload.offset_bytes)}
    if upload.state is UploadState.RECEIVING:
        headers["Upload-Expires"] = format_datetime(upload.expires, usegmt=True)
    return headers


def _wrong_method(allowed: str) -> RefusedError:
    return RefusedError(405, f"Use one of {allowed}.", {hdrs.ALLOW: allowed})


async def _continue_later(_request: web.Request) -> None:
    """Expect: 100-continue is answered once the request is accepted, so that a refused dock does not send its body."""


async def _continue_now(request: web.Request) -> None:
    if hdrs.EXPECT in request.headers and request.version >= HttpVersion11:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # the interim answer is no part of the final one, as aiohttp's own handler has it


@web.middleware
async def _answer_in_words(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """Every answer carries the protocol's headers; every refusal is one sentence of plain text."""
    try:
        response = await handler(request)
    except RefusedError as exc:
        response = await _refuse(request, exc.status, exc.message, exc.headers)
    except web.HTTPException as exc:
        headers = {"Allow": exc.headers[hdrs.ALLOW]} if hdrs.ALLOW in exc.headers else {}
        response = await _refuse(request, exc.status, exc.text or exc.reason, headers)
    except (DockError, OSError) as exc:
        _log.error("request failed", method=request.method, path=request.path, error=str(exc))
        msg = "The vault's disk or ledger failed; its admin must look at it."
        response = await _refuse(request, 503, msg, {"Retry-After": "30"})
    if not response.prepared:
        _sign_off(response)
    return response


async def _refuse(request: web.Request, status: int, message: str, headers: Mapping[str, str]) -> web.Response:
    plain = {hdrs.CONTENT_TYPE: "text/plain; charset=utf-8"}
    response = web.Response(status=status, body=(message + "\n").encode(), headers=plain | dict(headers))
    log = _log.warning if status not in {404, 410} else _log.info
    log("refused", status=status, method=request.method, path=request.path, words=message)
    if status in {408, 423, 503} and not request.content.at_eof():
        # Its sender is slow, gone or superseded: say so to whoever listens, and do not wait for the rest of the body.
        _sign_off(response)
        response.force_close()
        with contextlib.suppress(ConnectionError):
            await response.prepare(request)
            await response.write_eof()
        request.protocol.force_close()
    return response


def _sign_off(response: web.StreamResponse) -> None:
    response.headers["Tus-Resumable"] = tus.VERSION
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers.setdefault(hdrs.CACHE_CONTROL, "no-store")
