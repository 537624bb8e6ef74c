"""The least policy for S3, judged by a server that others wrote and that reads it: enough, none to spare, nothing deleted."""

import base64
import hashlib
import json
import secrets
from collections.abc import Iterator, Sequence
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session

from dockd.archive import s3
from dockd.archive.protocol import Deposited
from dockd.archive.s3.archive import S3Archive
from dockd.archive.s3.keeper import S3Keeper
from dockd.archive.s3.manifest import Found, Place, prefix_of
from dockd.archive.s3.settings import Credentials, Lock, S3Settings
from dockd.archive.s3.wire import S3Wire
from dockd.clock import SystemClock
from dockd.core.note import Checkpoint, Note
from dockd.dsse import SigningKey
from dockd.errors import ArchiveDeniedError, LogRefusedError
from tests.contract.stands.s3 import PART_BYTES, make_bucket, settings
from tests.sim.consignments import Watched, consign, noise
from tests.sim.foreign_s3 import ACCESS_KEY, BUCKET, SECRET_KEY, Moto

CAMERA = "C1"
# What this server asks for; rights about locks it takes for part of others, so nothing is seen of them here.
TOLD_APART = (
    "s3:PutObject",
    "s3:GetObject",
    "s3:GetObjectVersion",
    "s3:ListMultipartUploadParts",
    "s3:ListBucketMultipartUploads",
)


def documented(*, without: str = "") -> dict[str, Any]:
    """The policy as an admin copies it from the docstring, or all of it but one right."""
    text = s3.__doc__ or ""
    policy: dict[str, Any] = json.JSONDecoder().raw_decode(text, text.index('{"Version"'))[0]
    for statement in policy["Statement"]:
        assert statement["Effect"] == "Allow"
        statement["Action"] = [each for each in statement["Action"] if each != without]
    return policy


def shorter_after_longer(sets: S3Settings) -> tuple[S3Keeper, Sequence[Note]]:
    """Who keeps checkpoints, and two of one log, the second of which is from before the first."""
    signing = SigningKey.generate()
    origin = f"dockd/dock 1/{signing.key_id}"
    return S3Keeper(sets, SystemClock()), [signing.checkpoint(Checkpoint(origin, size, bytes(32))) for size in (12, 7)]


def speaking(service: str, url: str, credentials: Credentials) -> Any:  # noqa: ANN401 - botocore makes its classes at run time
    """One of the server's services, without dockd."""
    return get_session().create_client(
        service,
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id=credentials.access_key,
        aws_secret_access_key=credentials.secret_key,
        config=AioConfig(s3={"addressing_style": "path"}),
    )


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Moto]:
    """It asks nobody for rights, until it is told to."""
    with Moto(tmp_path / "moto") as running:
        yield running


async def credentials_under(server: Moto, policy: dict[str, Any]) -> Credentials:
    """Of a user who may do this and no more; from here on the server asks everybody for rights."""
    await make_bucket(server.url)
    async with speaking("iam", server.url, Credentials(ACCESS_KEY, SECRET_KEY)) as iam:
        await iam.create_user(UserName="dock")
        await iam.put_user_policy(UserName="dock", PolicyName="least", PolicyDocument=json.dumps(policy))
        made = (await iam.create_access_key(UserName="dock"))["AccessKey"]
    with closing(HTTPConnection("127.0.0.1", server.port, timeout=30)) as admin:
        admin.request("POST", "/moto-api/reset-auth", "0")
        assert admin.getresponse().status == 200
    return Credentials(made["AccessKeyId"], made["SecretAccessKey"])


async def all_that_a_dock_does(sets: S3Settings, folder: Path) -> str:
    """A recording that goes on from its first part, one in a piece, proofs of both, and checkpoints; the first one's key."""
    archive, wire, content = S3Archive(sets, SystemClock()), S3Wire(sets), noise(PART_BYTES + 5)
    consignment, nonce = consign(folder, content), secrets.token_hex(16)
    key = f"{prefix_of(sets, consignment)}{consignment.verified.recording_id}.{nonce}"
    keeper, (longer, shorter) = shorter_after_longer(sets)
    try:
        begun = {"Key": key, "ChecksumAlgorithm": "SHA256"}
        upload = (await wire.ask("create_multipart_upload", "beginning", begun))["UploadId"]
        checksum = base64.b64encode(hashlib.sha256(content[:PART_BYTES]).digest()).decode()
        part = {"Key": key, "UploadId": upload, "PartNumber": 1, "ChecksumSHA256": checksum}
        await wire.send("sending", memoryview(content)[:PART_BYTES], lambda _: None, **part)
        watched = Watched()
        parts = await archive.store(consignment, Place(key, upload, PART_BYTES, nonce).point(sets), watched)
        assert watched.offsets[0] == PART_BYTES
        for stored in (parts, await archive.store(consign(folder, noise(10)), None, Watched())):
            await archive.prove(stored, camera=CAMERA)
            await archive.prove_again(stored, "ab" * 16, camera=CAMERA)
        assert isinstance(await keeper.add_checkpoint(longer, old_size=0, proof=(), key=""), Deposited)
        with pytest.raises(LogRefusedError, match="rolled back"):
            await keeper.add_checkpoint(shorter, old_size=0, proof=(), key="")
    finally:
        for each in (archive, wire, keeper):
            await each.close()
    return Found.of(parts).key


async def test_the_policy_is_enough_for_a_dock_and_deletes_nothing(server: Moto, tmp_path: Path) -> None:
    """All goes through under it; with the same credentials nobody removes an object, a version, an upload or the bucket."""
    credentials = await credentials_under(server, documented())
    key = await all_that_a_dock_does(settings(server.url, lock=Lock.NONE, credentials=credentials), tmp_path)
    async with speaking("s3", server.url, credentials) as thief:
        version = (await thief.head_object(Bucket=BUCKET, Key=key))["VersionId"]
        upload = (await thief.create_multipart_upload(Bucket=BUCKET, Key=key))["UploadId"]
        for operation, more in (
            ("delete_object", {"Key": key}),
            ("delete_object", {"Key": key, "VersionId": version}),
            ("abort_multipart_upload", {"Key": key, "UploadId": upload}),
            ("delete_bucket", {}),
            ("put_bucket_versioning", {"VersioningConfiguration": {"Status": "Suspended"}}),
        ):
            with pytest.raises(thief.exceptions.ClientError, match="AccessDenied"):
                await getattr(thief, operation)(Bucket=BUCKET, **more)
        assert (await thief.head_object(Bucket=BUCKET, Key=key))["VersionId"] == version


@pytest.mark.parametrize("right", TOLD_APART)
async def test_no_right_of_the_policy_can_be_spared(server: Moto, tmp_path: Path, right: str) -> None:
    """Without it something that a dock does is denied."""
    policy = documented(without=right)
    assert policy != documented()
    sets = settings(server.url, lock=Lock.NONE, credentials=await credentials_under(server, policy))
    with pytest.raises(ArchiveDeniedError):
        await all_that_a_dock_does(sets, tmp_path)


async def test_who_may_not_list_the_bucket_notices_no_rollback(server: Moto) -> None:
    """Nothing is denied then, since a checkpoint that lies there is worth more than none; so the policy has that right."""
    policy = documented(without="s3:ListBucket")
    assert policy != documented()
    keeper, notes = shorter_after_longer(settings(server.url, credentials=await credentials_under(server, policy)))
    for note in notes:
        assert isinstance(await keeper.add_checkpoint(note, old_size=0, proof=(), key=""), Deposited)
    await keeper.close()
