"""Unfinished uploads in an S3 store that others wrote: whose is taken over, and what of it counts as there."""

import asyncio
import base64
import hashlib
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dockd.archive.protocol import Consignment
from dockd.archive.s3.archive import S3Archive
from dockd.archive.s3.manifest import Found, prefix_of
from dockd.archive.s3.settings import S3Settings
from dockd.archive.s3.wire import S3Wire
from dockd.clock import SystemClock
from dockd.errors import ArchiveChecksumError, ArchiveUnreachableError
from tests.contract.stands.s3 import PART_BYTES, make_bucket, settings
from tests.sim.consignments import Watched, consign, noise
from tests.sim.foreign_s3 import BUCKET, Seaweed

CAMERA = "C1"
TAIL_BYTES = 5


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seaweed]:
    """SeaweedFS with the bucket."""
    with Seaweed(tmp_path_factory.mktemp("seaweed")) as running:
        asyncio.run(make_bucket(running.url))
        yield running


def sha256_of(content: bytes) -> str:
    """As S3 writes it."""
    return base64.b64encode(hashlib.sha256(content).digest()).decode()


async def begun(s3: Any, sets: S3Settings, consignment: Consignment, first: bytes, recording_id: str) -> str:  # noqa: ANN401 - botocore's
    """The key of an upload of the same bytes, for that recording, with one part."""
    key = f"{prefix_of(sets, consignment)}{recording_id}.{secrets.token_hex(16)}"
    made = await s3.create_multipart_upload(Bucket=BUCKET, Key=key, ChecksumAlgorithm="SHA256")
    target = {"Bucket": BUCKET, "Key": key, "UploadId": made["UploadId"], "PartNumber": 1}
    await s3.upload_part(**target, Body=first, ChecksumSHA256=sha256_of(first))
    return key


async def stored(sets: S3Settings, consignment: Consignment) -> tuple[str, int]:
    """Under which key it was brought and proved, and how much of it was there already."""
    archive, watched = S3Archive(sets, SystemClock()), Watched()
    try:
        at = await archive.store(consignment, None, watched)
        await archive.prove(at, camera=CAMERA)
    finally:
        await archive.close()
    return Found.of(at).key, watched.offsets[0]


async def test_anothers_upload_of_the_same_bytes_is_taken_over_once_it_rests(store: Seaweed, s3: Any, tmp_path: Path) -> None:  # noqa: ANN401 - botocore's
    """Another dock's that began just now goes on by itself; one in which nothing moved for a day is nobody's any more."""
    content = noise(PART_BYTES + TAIL_BYTES, seed=1)
    consignment = consign(tmp_path, content)
    theirs = await begun(s3, settings(store.url), consignment, content[:PART_BYTES], secrets.token_hex(16))
    key, there = await stored(settings(store.url), consignment)
    assert (key == theirs, there) == (False, 0)
    key, there = await stored(settings(store.url, abandoned_after_s=-1.0), consignment)
    assert (key, there) == (theirs, PART_BYTES)


@pytest.mark.parametrize("size_bytes", [PART_BYTES, PART_BYTES + 1])
async def test_a_part_that_is_another_is_sent_again(store: Seaweed, s3: Any, tmp_path: Path, size_bytes: int) -> None:  # noqa: ANN401 - botocore's
    """Of the right length or of another: the spool's own bytes judge what counts as there, and the object is proved."""
    consignment = consign(tmp_path, noise(PART_BYTES + TAIL_BYTES, seed=size_bytes))
    wrong = noise(size_bytes, seed=7)
    theirs = await begun(s3, settings(store.url), consignment, wrong, consignment.verified.recording_id)
    key, there = await stored(settings(store.url), consignment)
    assert (key, there) == (theirs, size_bytes)


@pytest.mark.parametrize("right", [True, False])
async def test_where_a_store_lists_sha256_that_counts(
    store: Seaweed,
    s3: Any,  # noqa: ANN401 - botocore's
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    right: bool,
) -> None:
    """As AWS does and SeaweedFS does not: what the store has is told by that alone, and sent again where it differs."""
    content = noise(PART_BYTES + TAIL_BYTES, seed=11 + right)
    consignment, first = consign(tmp_path, content), content[:PART_BYTES]
    await begun(s3, settings(store.url), consignment, first, consignment.verified.recording_id)
    ask, send, sent = S3Wire.ask, S3Wire.send, list[int]()

    async def listing(self: S3Wire, operation: str, doing: str, parameters: Any, **more: Any) -> Any:  # noqa: ANN401 - as the wire's
        answer = await ask(self, operation, doing, parameters, **more)
        if operation == "list_parts":
            answer["Parts"][0]["ChecksumSHA256"] = sha256_of(first if right else b"")
        return answer

    async def sending(self: S3Wire, doing: str, view: memoryview, moved: Any, **parameters: Any) -> Any:  # noqa: ANN401 - as the wire's
        sent.append(len(view))
        return await send(self, doing, view, moved, **parameters)

    archive = S3Archive(settings(store.url), SystemClock())
    await archive.meet()
    monkeypatch.setattr(S3Wire, "ask", listing)
    monkeypatch.setattr(S3Wire, "send", sending)
    await archive.prove(await archive.store(consignment, None, Watched()), camera=CAMERA)
    await archive.close()
    assert sorted(sent) == ([TAIL_BYTES] if right else [TAIL_BYTES, PART_BYTES])


@pytest.mark.parametrize(
    ("bent", "error", "words"),
    [
        ({"ETag": ""}, ArchiveUnreachableError, "what answered is not the store"),
        ({"ChecksumSHA256": sha256_of(b"other")}, ArchiveChecksumError, "the store has other bytes than were sent"),
    ],
)
async def test_an_answer_that_names_other_bytes_is_no_success(
    store: Seaweed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bent: dict[str, str], error: type[Exception], words: str
) -> None:
    """A part that the store took otherwise, or something in its place; the next call brings all of it."""
    send = S3Wire.send

    async def bending(self: S3Wire, doing: str, view: memoryview, moved: Any, **parameters: Any) -> Any:  # noqa: ANN401 - as the wire's
        return {**await send(self, doing, view, moved, **parameters), **bent}

    archive, consignment, watched = S3Archive(settings(store.url), SystemClock()), consign(tmp_path, noise(1000)), Watched()
    await archive.meet()
    with monkeypatch.context() as between:
        between.setattr(S3Wire, "send", bending)
        with pytest.raises(error, match=words):
            await archive.store(consignment, None, watched)
    await archive.prove(await archive.store(consignment, watched.point, watched), camera=CAMERA)
    await archive.close()
