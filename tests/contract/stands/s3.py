"""The S3 client and stores that others wrote: one that checks checksums and locks, one that does neither."""

import asyncio
import hashlib
import secrets
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from yarl import URL

from dockd.archive.protocol import Consignment
from dockd.archive.s3.archive import S3Archive
from dockd.archive.s3.manifest import Found, Place, prefix_of
from dockd.archive.s3.settings import MIB, Credentials, Lock, S3Settings
from dockd.clock import SystemClock
from dockd.core.proof import Basis
from dockd.core.recording import ResumePoint, StoredObject
from dockd.dsse import SigningKey
from tests.contract.stands.stand import Backend, Stand, set_event
from tests.sim.cut_link import CutLink
from tests.sim.evidence import DOCK
from tests.sim.foreign_s3 import ACCESS_KEY, BUCKET, SECRET_KEY, Moto, Seaweed

PART_BYTES = 5 * MIB
SIZE = 2 * PART_BYTES + 700_001

SIGNING = SigningKey.generate()


def client(url: str) -> AbstractAsyncContextManager[Any]:
    """S3 as an administrator sees it, without dockd."""
    return get_session().create_client(  # type: ignore[no-any-return] # botocore makes its classes at run time
        "s3",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        config=AioConfig(s3={"addressing_style": "path"}),
    )


def settings(url: str, *, lock: Lock = Lock.GOVERNANCE, **more: Any) -> S3Settings:  # noqa: ANN401 - any of its fields
    """As a site file would have it, with small parts."""
    given: dict[str, Any] = {
        "credentials": Credentials(ACCESS_KEY, SECRET_KEY),
        "part_bytes": PART_BYTES,
        "retain_days": 1,
        "signing": SIGNING,
        "dock": DOCK,
        **more,
    }
    return S3Settings(url, BUCKET, lock=lock, **given)


async def make_bucket(url: str) -> None:
    """A bucket with Object Lock, and so with versions."""
    async with client(url) as s3:
        await s3.create_bucket(Bucket=BUCKET, ObjectLockEnabledForBucket=True)


@contextmanager
def seaweed(folder: Path) -> Iterator[Seaweed]:
    """SeaweedFS with the bucket."""
    with Seaweed(folder) as running:
        asyncio.run(make_bucket(running.url))
        yield running


@contextmanager
def moto(folder: Path) -> Iterator[Moto]:
    """A moto server with the bucket."""
    with Moto(folder) as running:
        asyncio.run(make_bucket(running.url))
        yield running


@asynccontextmanager
async def s3_stand(server: Seaweed | Moto) -> AsyncIterator[Stand]:
    """The S3 client and a store, with a link between them that can be cut."""
    sound = isinstance(server, Seaweed)
    up = set_event()
    async with AsyncExitStack() as stack:
        link = await stack.enter_async_context(CutLink(server.port))
        sets = settings(f"http://127.0.0.1:{link.port}", lock=Lock.GOVERNANCE if sound else Lock.NONE, archive_id="s3-test")
        archive = S3Archive(sets, SystemClock())
        stack.push_async_callback(archive.close)
        s3 = await stack.enter_async_context(client(server.url))

        async def begin(consignment: Consignment, sent: bytes) -> ResumePoint:
            nonce = secrets.token_hex(16)
            key = f"{prefix_of(sets, consignment)}{consignment.verified.recording_id}.{nonce}"
            locked = {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": SystemClock().now() + timedelta(days=1)}
            made = await s3.create_multipart_upload(
                Bucket=BUCKET, Key=key, ChecksumAlgorithm="SHA256", **(locked if sound else {})
            )
            for number, start in enumerate(range(0, kept(len(sent)), PART_BYTES), 1):
                part = sent[start : start + PART_BYTES]
                checksum = b64encode(hashlib.sha256(part).digest()).decode()
                target = {"Bucket": BUCKET, "Key": key, "UploadId": made["UploadId"], "PartNumber": number}
                await s3.upload_part(**target, Body=part, ChecksumSHA256=checksum)
            return Place(key, made["UploadId"], PART_BYTES, nonce).point(sets)

        def kept(arrived: int) -> int:
            return arrived if arrived == SIZE else arrived - arrived % PART_BYTES

        def break_after(count: int) -> None:
            link.cut_after_bytes = count

        def hold() -> None:
            link.hold_after_bytes = SIZE // 2

        async def kill_midway() -> None:
            await asyncio.wait_for(link.holding.wait(), 60)
            up.clear()
            await asyncio.to_thread(server.restart)
            if not sound:
                await make_bucket(server.url)
            up.set()

        async def forget(point: ResumePoint) -> None:
            url = URL(point.url)
            await s3.abort_multipart_upload(Bucket=BUCKET, Key=url.path[1:], UploadId=url.query["upload"])

        async def read_back(stored: StoredObject) -> bytes:
            found = Found.of(stored)
            answer = await s3.get_object(Bucket=BUCKET, Key=found.key, VersionId=found.version)
            content: bytes = await answer["Body"].read()
            return content

        yield Stand(
            archive,
            begin,
            break_after,
            hold,
            kill_midway,
            forget,
            read_back,
            kept=kept,
            basis=Basis.STORE_CHECKSUM if sound else Basis.READ_BACK,
            survives=sound,
            size=SIZE,
            holds=sound,
            up=up,
        )


_stand: Callable[[Any], AbstractAsyncContextManager[Stand]] = s3_stand
SEAWEED = Backend("seaweed", seaweed, _stand)
MOTO = Backend("moto", moto, _stand)
