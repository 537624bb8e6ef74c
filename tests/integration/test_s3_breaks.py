"""What breaks cost an upload to an S3 store that others wrote: less than a part each, and no more than what broke."""

import asyncio
import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from dockd.archive.s3.archive import S3Archive
from dockd.archive.s3.wire import PartBody
from dockd.clock import SystemClock
from dockd.core.recording import StoredObject
from dockd.errors import ArchiveError
from tests.contract.stands.s3 import PART_BYTES, make_bucket, settings
from tests.sim.consignments import Watched, consign
from tests.sim.cut_link import CutLink
from tests.sim.foreign_s3 import Seaweed

_HEADERS_BYTES = 256 * 1024
"""Of all requests that these tests make, and more."""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seaweed]:
    """SeaweedFS with the bucket."""
    with Seaweed(tmp_path_factory.mktemp("seaweed")) as running:
        asyncio.run(make_bucket(running.url))
        yield running


async def _until_stored(archive: S3Archive, link: CutLink, tmp_path: Path, *, parts: int, cuts: list[float]) -> StoredObject:
    """Send so many parts, breaking after each of `cuts` (in parts) of what is sent since the break before."""
    watched, left = Watched(), list(cuts)
    consignment = consign(tmp_path, os.urandom(parts * PART_BYTES))
    while True:
        if left:
            link.cut_after_bytes = int(left.pop(0) * PART_BYTES)
        with contextlib.suppress(ArchiveError):
            return await archive.store(consignment, watched.point, watched)


async def test_a_link_that_breaks_again_and_again_costs_less_than_a_part_each_time(store: Seaweed, tmp_path: Path) -> None:
    """All connections break at once, wherever in a part: from the second break on only one part is on its way."""
    async with CutLink(store.port) as link:
        link.cuts_all = True
        archive = S3Archive(settings(f"http://127.0.0.1:{link.port}"), SystemClock())
        await archive.meet()
        before_bytes = link.passed_bytes
        await _until_stored(archive, link, tmp_path, parts=12, cuts=[1.5, 1.9, 1.2, 1.7, 1.4, 1.99])
        await archive.close()
        again_bytes = link.passed_bytes - before_bytes - 12 * PART_BYTES
        assert link.cut_after_bytes is None
        assert 0 < again_bytes < 6 * PART_BYTES
        # Two were on their way at the first break, and one at each other.
        assert again_bytes < (1.5 + 0.9 + 0.2 + 0.7 + 0.4 + 0.99) * PART_BYTES + _HEADERS_BYTES


async def test_a_connection_that_breaks_alone_lets_the_others_arrive(store: Seaweed, tmp_path: Path) -> None:
    """Two parts are on their way; one connection is cut, and at most that one's part is sent again."""
    async with CutLink(store.port) as link:
        archive = S3Archive(settings(f"http://127.0.0.1:{link.port}"), SystemClock())
        await archive.meet()
        before_bytes = link.passed_bytes
        await _until_stored(archive, link, tmp_path, parts=4, cuts=[1.8])
        await archive.close()
        again_bytes = link.passed_bytes - before_bytes - 4 * PART_BYTES
        assert link.cut_after_bytes is None
        assert 0 < again_bytes <= PART_BYTES + _HEADERS_BYTES


async def test_a_part_is_what_botocore_takes_for_a_body() -> None:
    """It can be read and rewound, and whoever iterates gets all of it from the start, each time, and says how far it is."""
    moved: list[int] = []
    content = os.urandom(700_001)
    body = PartBody(memoryview(content), moved.append)
    assert (body.read(), body.seek(0), len(body)) == (content, 0, len(content))
    for _ in range(2):
        assert b"".join([bytes(piece) async for piece in body]) == content
    assert moved == [*moved[: len(moved) // 2]] * 2
    assert moved[-1] == len(content)
