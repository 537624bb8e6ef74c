"""The S3 archive against a store that others wrote: what it locks, what it finds again, and how it is reached."""

import asyncio
import base64
import hashlib
import secrets
import socket
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dockd.app import build_archive
from dockd.archive.introduction import Identity
from dockd.archive.probe import Findings
from dockd.archive.protocol import Deposited
from dockd.archive.s3.archive import S3Archive, probe_s3
from dockd.archive.s3.keeper import S3Keeper
from dockd.archive.s3.manifest import Found, prefix_of
from dockd.archive.s3.settings import MIB, Credentials, Lock
from dockd.archive.s3.wire import S3Wire
from dockd.archive.throttle import Throttle
from dockd.clock import SystemClock
from dockd.config import load_site
from dockd.control.fitness import archive_checks
from dockd.core.concurrency import Concurrency
from dockd.core.fitness import Grade
from dockd.core.note import Checkpoint, Note
from dockd.core.proof import Basis
from dockd.delivery.reaching import s3_settings
from dockd.dock.board import Board
from dockd.dsse import SigningKey
from dockd.errors import (
    ArchiveDeniedError,
    ArchiveUnreachableError,
    ConfigError,
    LogRefusedError,
    ProofRefusedError,
    UploadLostError,
)
from tests.contract.stands.s3 import PART_BYTES, client, make_bucket, settings
from tests.sim.certificates import Authority
from tests.sim.consignments import HurriedClock, Watched, consign, noise
from tests.sim.foreign_s3 import ACCESS_KEY, BUCKET, SECRET_KEY, Moto, Seaweed

CAMERA = "C1"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A private authority."""
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Seaweed]:
    """SeaweedFS with S3 on http and https, and buckets as host names below localhost."""
    https = authority.issue("localhost", f"{BUCKET}.localhost")
    with Seaweed(tmp_path_factory.mktemp("seaweed"), https=https, domain="localhost") as running:
        asyncio.run(make_bucket(running.url))
        yield running


async def test_what_is_sent_is_locked_held_and_named(store: Seaweed, s3: Any, tmp_path: Path) -> None:  # noqa: ANN401 - botocore's
    """Retention from the recording's category where that is longer, the legal hold, both digests; and it cannot be deleted."""
    archive = S3Archive(settings(store.url), SystemClock())
    consignment = replace(consign(tmp_path, noise(10)), retain_days=30, held=True)
    found = Found.of(await archive.store(consignment, None, Watched()))
    head = await s3.head_object(Bucket=BUCKET, Key=found.key, VersionId=found.version)
    assert head["ObjectLockMode"] == "GOVERNANCE"
    assert timedelta(days=29, hours=23) < head["ObjectLockRetainUntilDate"] - datetime.now(UTC) < timedelta(days=30, minutes=1)
    assert head["ObjectLockLegalHoldStatus"] == "ON"
    assert head["Metadata"]["blake3"] == consignment.verified.measured.digests.blake3.hex()
    with pytest.raises(s3.exceptions.ClientError, match="AccessDenied"):
        await s3.delete_object(Bucket=BUCKET, Key=found.key, VersionId=found.version)
    await archive.close()


@pytest.mark.parametrize("lock", [Lock.GOVERNANCE, Lock.COMPLIANCE])
async def test_a_hold_that_comes_after_sending_reaches_the_store(
    store: Seaweed,
    s3: Any,  # noqa: ANN401 - botocore's
    tmp_path: Path,
    lock: Lock,
) -> None:
    """Object and manifest are held, and kept longer; never shorter, and what no dock has sent stays as it is."""
    archive = S3Archive(settings(store.url, lock=lock), SystemClock())
    stored = await archive.store(consign(tmp_path, noise(10)), None, Watched())
    found = Found.of(stored)
    manifest = found.manifest_key(settings(store.url), stored.recording_id)
    assert manifest is not None

    async def kept(key: str) -> tuple[Any, Any, timedelta]:
        head = await s3.head_object(Bucket=BUCKET, Key=key)
        lasts = head["ObjectLockRetainUntilDate"] - head["LastModified"]
        return head.get("ObjectLockLegalHoldStatus", "OFF"), head["ObjectLockMode"], lasts

    assert (await kept(found.key))[0] == "OFF"
    assert await archive.hold(stored)
    sent = datetime.now(UTC)
    for days in (40, 5):
        await archive.prove_again(stored, "ab" * 16, camera=CAMERA, retain_until=sent + timedelta(days=days))
    for key in (found.key, manifest):
        status, mode, lasts = await kept(key)
        assert (status, mode) == ("ON", lock.value)
        assert timedelta(days=39, hours=23) < lasts < timedelta(days=40, minutes=1)
    with pytest.raises(UploadLostError):
        await archive.hold(replace(stored, object_id="elsewhere#1"))
    await archive.close()
    unlocked = S3Archive(settings(store.url, lock=Lock.NONE), SystemClock())
    assert not await unlocked.hold(stored)
    await unlocked.close()


async def test_an_upload_that_nobody_remembers_is_found_again(store: Seaweed, s3: Any, tmp_path: Path) -> None:  # noqa: ANN401
    """The journal was lost: the recording's own unfinished upload goes on from the part that it has, and no second one begins."""
    sets, content, watched = settings(store.url), noise(PART_BYTES + 5), Watched()
    archive, consignment = S3Archive(sets, SystemClock()), consign(tmp_path, content)
    key = f"{prefix_of(sets, consignment)}{consignment.verified.recording_id}.{secrets.token_hex(16)}"
    locked = {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": datetime.now(UTC) + timedelta(days=1)}
    made = await s3.create_multipart_upload(Bucket=BUCKET, Key=key, ChecksumAlgorithm="SHA256", **locked)
    first = content[:PART_BYTES]
    checksum = base64.b64encode(hashlib.sha256(first).digest()).decode()
    target = {"Bucket": BUCKET, "Key": key, "UploadId": made["UploadId"], "PartNumber": 1}
    await s3.upload_part(**target, Body=first, ChecksumSHA256=checksum)
    stored = await archive.store(consignment, None, watched)
    assert Found.of(stored).key == key
    assert watched.offsets[0] == PART_BYTES
    await archive.prove(stored, camera=CAMERA)
    await archive.close()


async def test_another_docks_manifest_proves_nothing(store: Seaweed, tmp_path: Path) -> None:
    """Who signs with another key has not sent it."""
    archive = S3Archive(settings(store.url), SystemClock())
    stored = await archive.store(consign(tmp_path, noise(10)), None, Watched())
    await archive.close()
    other = S3Archive(settings(store.url, signing=SigningKey.generate()), SystemClock())
    with pytest.raises(ProofRefusedError, match="was not signed by this dock"):
        await other.prove(stored, camera=CAMERA)
    await other.close()


async def test_a_weaker_lock_than_the_site_file_wants_proves_nothing(store: Seaweed, tmp_path: Path) -> None:
    """Governance where compliance is wanted; and none at all."""
    for sent, words in ((Lock.GOVERNANCE, "its lock is 'GOVERNANCE'"), (Lock.NONE, "its lock is None")):
        archive = S3Archive(settings(store.url, lock=sent), SystemClock())
        stored = await archive.store(consign(tmp_path, noise(10)), None, Watched())
        await archive.close()
        stricter = S3Archive(settings(store.url, lock=Lock.COMPLIANCE), SystemClock())
        with pytest.raises(ProofRefusedError, match=words):
            await stricter.prove(stored, camera=CAMERA)
        await stricter.close()


async def test_another_version_under_the_same_key_changes_no_proof(store: Seaweed, s3: Any, tmp_path: Path) -> None:  # noqa: ANN401
    """A proof is about the version that was sent; what somebody puts over it is another."""
    archive = S3Archive(settings(store.url), SystemClock())
    stored = await archive.store(consign(tmp_path, noise(10)), None, Watched())
    over = await s3.put_object(Bucket=BUCKET, Key=Found.of(stored).key, Body=b"something else")
    await archive.prove_again(stored, "ab" * 16, camera=CAMERA)
    usurper = replace(stored, object_id=f"{Found.of(stored).key}#{over['VersionId']}")
    with pytest.raises(ProofRefusedError):
        await archive.prove_again(usurper, "ab" * 16, camera=CAMERA)
    await archive.close()


@pytest.fixture
def names_below_localhost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names below localhost are this machine (RFC 6761), which not every machine's resolver knows."""
    resolve = socket.getaddrinfo

    def resolving(host: str, *rest: Any, **more: Any) -> object:  # noqa: ANN401 - of the function that it stands for
        return resolve("127.0.0.1" if host.endswith(".localhost") else host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolving)


@pytest.mark.usefixtures("names_below_localhost")
@pytest.mark.parametrize("path_style", [True, False])
async def test_https_is_spoken_to_the_pinned_authority_alone(
    store: Seaweed, authority: Authority, tmp_path: Path, path_style: bool
) -> None:
    """Bucket in the path, and bucket in the host's name; and not one byte to a server that another authority vouches for."""
    url = f"https://localhost:{store.https_port}"
    archive = S3Archive(settings(url, ca_file=authority.certificate, path_style=path_style), SystemClock())
    stored = await archive.store(consign(tmp_path, noise(MIB)), None, Watched())
    await archive.prove(stored, camera=CAMERA)
    await archive.close()
    other = Authority(tmp_path / "other")
    stranger = S3Archive(settings(url, ca_file=other.certificate, path_style=path_style), SystemClock())
    with pytest.raises(ArchiveUnreachableError, match=r"(?i)certificate"):
        await stranger.store(consign(tmp_path, noise(10)), None, Watched())
    await stranger.close()


SITE = """\
agency: ICE
division: ERO
site: Baltimore
dock: balt-ero-01
time_zone: America/New_York
bays:
  - {{id: "1", directory: {folder}/bay}}
spool: {{directory: {folder}/spool}}
archive:
  kind: s3
  url: {url}/
  s3: {{bucket: {bucket}, credentials_file: {folder}/s3, lock: compliance}}
"""


async def test_a_site_file_is_all_that_a_dock_needs_to_deliver_to_s3(store: Seaweed, tmp_path: Path) -> None:
    """From the admin's file to a proof under a compliance lock; and the self-test says what the store was seen to do."""
    (tmp_path / "spool").mkdir()
    (tmp_path / "s3").write_text(f"{ACCESS_KEY}\n{SECRET_KEY}\n")
    (tmp_path / "site.yaml").write_text(SITE.format(folder=tmp_path, url=store.url, bucket=BUCKET))
    site = load_site(tmp_path / "site.yaml")
    archive = build_archive(site, SystemClock(), Board(SystemClock(), ("1",)), Concurrency(2), Throttle(SystemClock()))
    stored = await archive.store(consign(tmp_path, b"evidence", dock="balt-ero-01"), None, Watched())
    proof = await archive.prove(stored, camera=CAMERA)
    await archive.close()
    assert proof.basis is Basis.STORE_CHECKSUM
    assert proof.statement.retain_until - datetime.now(UTC) > timedelta(days=364)
    found = await probe_s3(s3_settings(site), SystemClock())
    assert [each.grade for each in archive_checks(found)] == [Grade.GOOD] * 3


async def test_the_self_test_of_a_store_that_is_away_says_so() -> None:
    """In words, and nothing else is claimed."""
    found = await probe_s3(settings("http://127.0.0.1:9"), SystemClock())
    assert isinstance(found.refusal, ArchiveUnreachableError)
    assert [each.grade for each in archive_checks(found)] == [Grade.BAD, Grade.GOOD]


async def test_the_self_test_names_a_store_that_takes_anything() -> None:
    """What is proved by fetching it back costs the link twice, and the admin hears it."""
    found = Findings(Identity("s3-test", signs=False, looked_at=True), None, None, None)
    assert [each.grade for each in archive_checks(found)] == [Grade.GOOD, Grade.GOOD, Grade.LOOK]


async def test_renewed_credentials_need_no_restart(store: Seaweed, tmp_path: Path) -> None:
    """Denied under the old ones; under the new ones as soon as their file is whole; what was under way goes on meanwhile."""
    file = tmp_path / "s3"
    file.write_text("dock\nno-longer-good\n")
    sets = settings(store.url, credentials=Credentials.read(file), renew=lambda: Credentials.read(file))
    archive, consignment = S3Archive(sets, SystemClock()), consign(tmp_path, noise(PART_BYTES + 5))
    for half in (file.read_text(), "dock\n"):
        file.write_text(half)
        with pytest.raises(ArchiveDeniedError):
            await archive.store(consignment, None, Watched())
    file.write_text(f"{ACCESS_KEY}\n{SECRET_KEY}\n")
    stored = await archive.store(consignment, None, Watched())
    await archive.prove(stored, camera=CAMERA)
    await archive.close()


async def test_a_renewed_client_certificate_needs_no_restart(authority: Authority, tmp_path: Path) -> None:
    """The store wants one of its own authority: another is not let in, and the right one is as soon as it lies there."""
    other = Authority(tmp_path / "other")
    own = tuple(tmp_path / name for name in ("dock.pem", "dock.key"))
    for source, target in zip(other.issue("dock-1"), own, strict=True):
        target.write_bytes(source.read_bytes())
    https = authority.issue("localhost", "127.0.0.1")
    with Seaweed(tmp_path / "store", https=https, client_ca=authority.certificate) as mutual:
        await make_bucket(mutual.url)
        certificates: dict[str, Any] = {"ca_file": authority.certificate, "client_cert": own[0], "client_key": own[1]}
        archive = S3Archive(settings(f"https://localhost:{mutual.https_port}", **certificates), SystemClock())
        consignment = consign(tmp_path, noise(10))
        with pytest.raises(ArchiveUnreachableError):
            await archive.store(consignment, None, Watched())
        for source, target in zip(authority.issue("dock-1"), own, strict=True):
            target.write_bytes(source.read_bytes())
        stored = await archive.store(consignment, None, Watched())
        await archive.prove(stored, camera=CAMERA)
        await archive.close()


@pytest.mark.parametrize(("kind", "key"), [("AES256", ""), ("aws:kms", "alias/evidence")])
async def test_a_store_is_asked_to_encrypt(tmp_path: Path, kind: str, key: str) -> None:
    """With its own key or with one of a KMS: the store says so of the object, which is proved as any other."""
    with Moto(tmp_path / "moto") as store:
        await make_bucket(store.url)
        archive = S3Archive(settings(store.url, lock=Lock.NONE, encryption=kind, kms_key=key), SystemClock())
        stored = await archive.store(consign(tmp_path, noise(PART_BYTES + 5)), None, Watched())
        await archive.prove(stored, camera=CAMERA)
        await archive.close()
        async with client(store.url) as s3:
            head = await s3.head_object(Bucket=BUCKET, Key=Found.of(stored).key)
        assert head["ServerSideEncryption"] == kind
        assert head.get("SSEKMSKeyId", "").endswith(key)


async def test_a_read_that_is_under_way_outlives_a_renewal(store: Seaweed, tmp_path: Path) -> None:
    """The old client is given back when the last who uses it is done, and no earlier."""
    given = iter([Credentials("dock", "wrong"), Credentials(ACCESS_KEY, SECRET_KEY)])
    sets, content = settings(store.url, renew=lambda: next(given)), noise(PART_BYTES)
    archive, wire = S3Archive(sets, SystemClock()), S3Wire(sets)
    key = Found.of(await archive.store(consign(tmp_path, content), None, Watched())).key
    await archive.close()
    read = b""
    async with wire.fetch("reading", Key=key) as pieces:
        read += await anext(pieces)
        over = {"Mode": "GOVERNANCE", "RetainUntilDate": datetime.now(UTC) - timedelta(days=1)}
        for _ in range(2):  # what ends before it begins is refused, whoever asks; then the wrong credentials are read
            with pytest.raises(ArchiveDeniedError):
                await wire.ask("put_object_retention", "asking amiss", {"Key": key, "Retention": over})
        async for piece in pieces:
            read += piece
    assert read == content
    assert (await wire.ask("head_object", "asking", {"Key": key}))["ContentLength"] == PART_BYTES
    await wire.close()


@pytest.mark.parametrize("hours", [-2, 2, 24 * 400])
async def test_a_dock_whose_clock_is_wrong_is_told_so(
    store: Seaweed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    """The store takes nothing that is signed at another time than its own; the admin reads which clocks to look at."""

    def wrong(*, remove_tzinfo: bool = True) -> datetime:
        now = datetime.now(UTC) + timedelta(hours=hours)
        return now.replace(tzinfo=None) if remove_tzinfo else now

    monkeypatch.setattr("botocore.auth.get_current_datetime", wrong)
    archive = S3Archive(settings(store.url), SystemClock())
    with pytest.raises(ArchiveDeniedError) as caught:
        await archive.store(consign(tmp_path, noise(10)), None, Watched())
    assert "clock" in caught.value.hint
    await archive.close()


async def test_a_clock_that_is_behind_shortens_no_retention(store: Seaweed, s3: Any, tmp_path: Path) -> None:  # noqa: ANN401
    """Where the store takes it all the same, its own clock counts: what is kept too short a time is kept longer at once."""
    behind = HurriedClock(wall=datetime.now(UTC) - timedelta(days=300))
    archive = S3Archive(settings(store.url, retain_days=365), behind)
    consignment = consign(tmp_path, noise(10))
    found = Found.of(await archive.store(consignment, None, Watched()))
    head = await s3.head_object(Bucket=BUCKET, Key=found.key, VersionId=found.version)
    assert head["ObjectLockRetainUntilDate"] - head["LastModified"] > timedelta(days=364)
    await archive.close()


def checkpoint(key: SigningKey, size: int, root: bytes = bytes(32)) -> Note:
    """A dock's, of a log of its own for each key."""
    return key.checkpoint(Checkpoint(f"dockd/dock 1/{key.key_id}", size, root))


async def test_checkpoints_lie_in_the_bucket_and_no_other_takes_their_place(store: Seaweed, s3: Any) -> None:  # noqa: ANN401 - botocore's
    """Locked, byte for byte, one for each length; sent again it is the same one, and nobody is said to have witnessed it."""
    keeper, key = S3Keeper(settings(store.url), SystemClock()), SigningKey.generate()
    note = checkpoint(key, 7)
    kept = await keeper.add_checkpoint(note, old_size=0, proof=(), key="")
    assert isinstance(kept, Deposited)
    assert await keeper.add_checkpoint(note, old_size=0, proof=(), key="") == kept
    found = await s3.get_object(Bucket=BUCKET, Key=kept.object_id)
    assert await found["Body"].read() == note.encode()
    assert found["ObjectLockMode"] == "GOVERNANCE"
    listed = await s3.list_object_versions(Bucket=BUCKET, Prefix=kept.object_id)
    assert len(listed["Versions"]) == 1
    with pytest.raises(LogRefusedError, match="rolled back, or forked"):
        await keeper.add_checkpoint(checkpoint(key, 7, b"x" * 32), old_size=0, proof=(), key="")
    assert isinstance(await keeper.add_checkpoint(checkpoint(key, 12), old_size=0, proof=(), key=""), Deposited)
    with pytest.raises(LogRefusedError, match=r"this log has 9 entries, but .*0000012 lies in the bucket: it was rolled back"):
        await keeper.add_checkpoint(checkpoint(key, 9), old_size=0, proof=(), key="")
    await keeper.close()


async def test_of_two_checkpoints_at_once_one_stays(store: Seaweed) -> None:
    """The store itself refuses the second, whoever sends it: nothing there is replaced."""
    keeper, key = S3Keeper(settings(store.url), SystemClock()), SigningKey.generate()
    kept = await keeper.add_checkpoint(checkpoint(key, 7), old_size=0, proof=(), key="")
    assert isinstance(kept, Deposited)
    with pytest.raises(ArchiveDeniedError, match="412"):
        await keeper._put(kept.object_id, b"another")
    await keeper.close()


async def test_what_is_locked_names_the_checksum_that_it_comes_with(tmp_path: Path) -> None:
    """S3's reference wants that said in so many words, and a server that goes by it refuses manifest and checkpoint without."""
    with Moto(tmp_path / "moto") as strict:
        await make_bucket(strict.url)
        archive, keeper = S3Archive(settings(strict.url), SystemClock()), S3Keeper(settings(strict.url), SystemClock())
        assert Found.of(await archive.store(consign(tmp_path, noise(10)), None, Watched())).version
        note = checkpoint(SigningKey.generate(), 7)
        assert isinstance(await keeper.add_checkpoint(note, old_size=0, proof=(), key=""), Deposited)
        await archive.close()
        await keeper.close()


def test_credentials_that_are_none_are_named_with_their_file(tmp_path: Path) -> None:
    """One word where two are wanted, and no file at all."""
    (tmp_path / "spool").mkdir()
    (tmp_path / "site.yaml").write_text(SITE.format(folder=tmp_path, url="https://s3.example.org", bucket=BUCKET))
    site = load_site(tmp_path / "site.yaml")
    for _ in range(2):
        with pytest.raises(ConfigError, match=r"archive\.s3 cannot be used"):
            s3_settings(site)
        (tmp_path / "s3").write_text("one\n")
