"""Where a recording lies in the bucket, and the signed manifest beside it, which binds the object's version to the recording."""

import json
import re
from dataclasses import dataclass
from typing import Self
from urllib.parse import quote

from yarl import URL

from dockd.archive.protocol import Consignment
from dockd.archive.s3.settings import S3Settings
from dockd.core.canonical import Json, canonical
from dockd.core.recording import ResumePoint, StoredObject
from dockd.dsse import SigningKey
from dockd.errors import ProofRefusedError

PAYLOAD_TYPE = "application/vnd.dockd.s3-manifest+json"
LIMIT_BYTES = 64 * 1024

_KEY = re.compile(r"recordings/(?P<camera>[^/]+)/(?P<sha256>[0-9a-f]{64})/(?P<recording>[^/.]+)\.(?P<nonce>[0-9a-f]+)")


def prefix_of(settings: S3Settings, consignment: Consignment) -> str:
    """What the keys of all uploads of these bytes of this camera begin with."""
    camera, sha256 = quote(consignment.camera, safe=""), consignment.verified.measured.digests.sha256.hex()
    return f"{settings.prefix}recordings/{camera}/{sha256}/"


@dataclass(frozen=True, slots=True)
class Place:
    """One upload in the bucket.

    Attributes:
        key: of the object.
        upload_id: the store's.
        part_bytes: how large its parts are; it stays so, whatever the settings say later.
        nonce: from the key.
    """

    key: str
    upload_id: str
    part_bytes: int
    nonce: str

    @classmethod
    def of(cls, resume: ResumePoint, settings: S3Settings) -> Self | None:
        """Where an upload was left; None if that was at another archive."""
        url = URL(resume.url)
        upload_id, part = url.query.get("upload", ""), url.query.get("part", "")
        here = url.scheme == "s3" and url.host == settings.bucket and url.path.startswith(f"/{settings.prefix}recordings/")
        if not here or not upload_id or not part.isdigit():
            return None
        return cls(url.path[1:], upload_id, int(part), resume.nonce)

    def point(self, settings: S3Settings) -> ResumePoint:
        """For the journal."""
        url = URL.build(scheme="s3", host=settings.bucket, path=f"/{self.key}")
        return ResumePoint(str(url.with_query(upload=self.upload_id, part=str(self.part_bytes))), self.nonce)


@dataclass(frozen=True, slots=True)
class Found:
    """What `StoredObject.object_id` and `url` say about an S3 object.

    Attributes:
        key, version: of the object.
        checksum: that the store must show, computed by the dock from what it sent.
    """

    key: str
    version: str
    checksum: str

    @classmethod
    def of(cls, stored: StoredObject) -> Self:
        """Read from what the journal has."""
        key, _, version = stored.object_id.partition("#")
        return cls(key, version, URL(stored.url).query.get("sha256", ""))

    @property
    def object_id(self) -> str:
        """The key and the version, which binds a proof to these very bytes."""
        return f"{self.key}#{self.version}"

    def url(self, settings: S3Settings) -> str:
        """For the journal."""
        url = URL.build(scheme="s3", host=settings.bucket, path=f"/{self.key}")
        return str(url.with_query(version=self.version, sha256=self.checksum))

    def manifest_key(self, settings: S3Settings, recording_id: str) -> str | None:
        """Where the manifest for a recording lies; None for a key that no dock made."""
        parts = _KEY.fullmatch(self.key.removeprefix(settings.prefix))
        if parts is None:
            return None
        return f"{settings.prefix}manifests/{parts['camera']}/{parts['sha256']}/{recording_id}.{parts['nonce']}.json"


def sign_manifest(signing: SigningKey, consignment: Consignment, found: Found, nonce: str) -> bytes:
    """The manifest's envelope: the same bytes each time that it is made."""
    measured = consignment.verified.measured
    members: dict[str, Json] = {
        "blake3": measured.digests.blake3.hex(),
        "camera": consignment.camera,
        "checksum": found.checksum,
        "dock": consignment.dock,
        "docking": consignment.docking,
        "name": consignment.name,
        "nonce": nonce,
        "object": found.object_id,
        "recorded": consignment.recorded,
        "recording": consignment.verified.recording_id,
        "seen": consignment.seen,
        "sha256": measured.digests.sha256.hex(),
        "sidecar_of": consignment.sidecar_of,
        "size": str(measured.size_bytes),
    }
    return signing.sealed(canonical(members), PAYLOAD_TYPE)


def check_manifest(signing: SigningKey, envelope: bytes, stored: StoredObject, found: Found, *, dock: str, camera: str) -> None:
    """Compare what the manifest binds with what the dock knows.

    Raises:
        ProofRefusedError: it is not the dock's, or about something else.
    """
    payload = signing.unseal(PAYLOAD_TYPE, envelope)
    if payload is None:
        msg = f"the manifest of {stored.object_id} was not signed by this dock"
        raise ProofRefusedError(msg)
    said = json.loads(payload)
    digests = stored.measured.digests
    wanted = {
        "blake3": digests.blake3.hex(),
        "camera": camera,
        "checksum": found.checksum,
        "dock": dock,
        "nonce": stored.nonce,
        "object": stored.object_id,
        "recording": stored.recording_id,
        "sha256": digests.sha256.hex(),
        "size": str(stored.measured.size_bytes),
    }
    for member, want in wanted.items():
        if said.get(member) != want:
            msg = f"the manifest of {stored.object_id} says {member} {said.get(member)!r}, not {want!r}"
            raise ProofRefusedError(msg)
