"""What S3's answers, and those of things in the way that are not S3, mean to the dock."""

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from dockd.archive.s3.archive import S3Archive
from dockd.archive.s3.wire import S3Wire
from dockd.clock import SystemClock
from dockd.errors import (
    ArchiveBusyError,
    ArchiveChecksumError,
    ArchiveDeniedError,
    ArchiveError,
    ArchiveRefusedError,
    ArchiveUnreachableError,
    UploadLostError,
)
from tests.contract.stands.s3 import settings
from tests.sim.consignments import Watched, consign

Answering = Callable[[web.Request], Awaitable[web.StreamResponse]]


def xml_error(status: int, code: str, **headers: str) -> Answering:
    """An error as S3 writes it."""

    async def answer(_request: web.Request) -> web.StreamResponse:
        text = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>no luck</Message></Error>"
        return web.Response(status=status, text=text, content_type="application/xml", headers=headers)

    return answer


def page(status: int) -> Answering:
    """What a captive portal or a proxy says to everything."""

    async def answer(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text="<html><body>Welcome to the hotel</body></html>", content_type="text/html")

    return answer


@asynccontextmanager
async def served(answering: Answering) -> AsyncIterator[str]:
    """Something on loopback that answers so; its address."""
    application = web.Application()
    application.router.add_route("*", "/{rest:.*}", answering)
    async with TestServer(application, host="127.0.0.1") as server:
        yield f"http://127.0.0.1:{server.port}"


@pytest.mark.parametrize(
    ("answering", "error"),
    [
        (xml_error(403, "AccessDenied"), ArchiveDeniedError),
        (xml_error(403, "RequestTimeTooSkewed"), ArchiveDeniedError),
        (xml_error(404, "NoSuchBucket"), ArchiveDeniedError),
        (xml_error(404, "NoSuchUpload"), UploadLostError),
        (xml_error(503, "SlowDown"), ArchiveBusyError),
        (xml_error(429, "Whatever"), ArchiveBusyError),
        (xml_error(400, "BadDigest"), ArchiveChecksumError),
        (xml_error(400, "EntityTooLarge"), ArchiveRefusedError),
        (xml_error(500, "InternalError"), ArchiveUnreachableError),
        (page(200), ArchiveUnreachableError),
        (page(302), ArchiveUnreachableError),
        (page(404), ArchiveUnreachableError),
        (page(403), ArchiveUnreachableError),
        (page(502), ArchiveUnreachableError),
    ],
)
async def test_each_answer_is_its_error_and_only_s3_loses_uploads(answering: Answering, error: type[ArchiveError]) -> None:
    """A web page never denies, refuses or forgets."""
    async with served(answering) as url:
        wire = S3Wire(settings(url))
        try:
            with pytest.raises(ArchiveError, match="listing: ") as raised:
                await wire.ask("list_parts", "listing", {"Key": "k", "UploadId": "u"})
            assert type(raised.value) is error
        finally:
            await wire.close()


async def test_a_clock_that_is_wrong_is_named() -> None:
    """The admin need not guess from a signature that fails."""
    async with served(xml_error(403, "RequestTimeTooSkewed")) as url:
        wire = S3Wire(settings(url))
        with pytest.raises(ArchiveDeniedError) as raised:
            await wire.ask("list_parts", "listing", {"Key": "k", "UploadId": "u"})
        await wire.close()
    assert "admins, check both clocks" in raised.value.hint


async def test_the_store_says_when_to_come_back() -> None:
    """Retry-After is heard."""
    async with served(xml_error(503, "SlowDown", **{"Retry-After": "7"})) as url:
        wire = S3Wire(settings(url))
        with pytest.raises(ArchiveBusyError) as raised:
            await wire.ask("list_parts", "listing", {"Key": "k", "UploadId": "u"})
        await wire.close()
    assert raised.value.retry_after_s == 7


async def test_a_captive_portal_is_never_sent_evidence_nor_believed(tmp_path: Path) -> None:
    """200 and a web page to everything: nothing is stored, and the recording waits."""
    async with served(page(200)) as url:
        archive, watched = S3Archive(settings(url), SystemClock()), Watched()
        with pytest.raises(ArchiveUnreachableError):
            await archive.store(consign(tmp_path, b"evidence"), None, watched)
        await archive.close()
    assert watched.story == []


async def test_an_address_where_nobody_is_is_unreachable() -> None:
    """Refused connections, and a name that does not exist."""
    for url in ("http://127.0.0.1:9", "https://no-such-archive.invalid"):
        wire = S3Wire(settings(url))
        with pytest.raises(ArchiveUnreachableError, match="asking: "):
            await wire.ask("head_object", "asking", {"Key": "k"})
        await wire.close()


async def test_silence_ends_in_time() -> None:
    """A half-open connection is given up after the limits of the settings."""
    with socket.create_server(("127.0.0.1", 0)) as deaf:  # the kernel takes the connection, and nobody reads
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        wire = S3Wire(settings(url, answer_s=0.2, connect_s=0.2, stall_s=0.2))
        with pytest.raises(ArchiveUnreachableError, match="asking: "):
            await wire.ask("head_object", "asking", {"Key": "k"})
        with pytest.raises(ArchiveUnreachableError, match=r"nothing moved for 0\.2 s"):
            await wire.send("sending", memoryview(bytes(30_000_000)), lambda _handed: None, Key="k", UploadId="u", PartNumber=1)
        await wire.close()


async def test_a_closed_archive_is_not_used_again() -> None:
    """A programming error, not an archive's."""
    wire = S3Wire(settings("http://127.0.0.1:9"))
    await wire.close()
    with pytest.raises(RuntimeError, match="was closed"):
        await wire.ask("head_object", "asking", {"Key": "k"})
