"""Where an S3 archive is, as whom the dock comes, and how what it sends is locked; wrong settings are refused at once."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Self

from yarl import URL

from dockd.archive.settings import is_loopback
from dockd.dsse import SigningKey

MIB = 1 << 20
LEAST_PART_BYTES, MOST_PARTS = 5 * MIB, 10_000
"""Of one upload, in every S3 (docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html)."""

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PREFIX = re.compile(r"([A-Za-z0-9_.-]+/)*")


class Lock(StrEnum):
    """How objects are kept from being deleted, in S3's own words."""

    COMPLIANCE = "COMPLIANCE"
    GOVERNANCE = "GOVERNANCE"
    NONE = "NONE"


@dataclass(frozen=True, slots=True)
class Credentials:
    """As whom the dock comes; `session_token` only with keys that somebody lent it for some hours."""

    access_key: str
    secret_key: str
    session_token: str | None = None

    @classmethod
    def read(cls, path: Path) -> Self:
        """From a file with two or three lines. Blocks.

        Raises:
            OSError: it cannot be read.
            ValueError: it holds something else.
        """
        lines = path.read_text("ascii").split()
        if len(lines) not in {2, 3}:
            msg = "expected two lines, an access key and its secret, and perhaps a session token as the third"
            raise ValueError(msg)
        return cls(*lines)


@dataclass(frozen=True, slots=True)
class S3Settings:
    """All that `S3Archive` must be told.

    Attributes:
        url: of the endpoint, without bucket or path. Plain HTTP only to a loopback address.
        bucket: that receives everything.
        dock: this dock's id.
        credentials: the dock's.
        signing: the dock's key, for manifests.
        renew: reads the credentials anew; asked after the store denied something, so that they need no restart. Blocks.
        prefix: in front of every key; empty, or ending with a slash.
        region: as the store calls itself.
        archive_id: what proofs name; the endpoint's host and the bucket where empty.
        path_style: the bucket goes into the path; otherwise into the host's name.
        lock: Object Lock for everything that is sent.
        retain_days: how long, where the recording itself does not ask for longer.
        encryption: server-side, `AES256` or `aws:kms`; empty for whatever the bucket does by itself.
        kms_key: the key's id for `aws:kms`.
        ca_file: the only authorities that are trusted; None for the system's.
        client_cert, client_key: the dock's certificate.
        part_bytes: of an upload, where the object is not so large that its parts must be larger.
        parts_at_once: of one recording on their way together.
        abandoned_after_s: an upload in which nothing has moved so long has no owner any more.
        connect_s, stall_s, answer_s: as in `TusSettings`.
    """

    url: str
    bucket: str
    dock: str
    credentials: Credentials = field(repr=False)
    signing: SigningKey = field(repr=False)
    renew: Callable[[], Credentials] | None = field(default=None, repr=False)
    prefix: str = ""
    region: str = "us-east-1"
    archive_id: str = ""
    path_style: bool = True
    lock: Lock = Lock.GOVERNANCE
    retain_days: int = 365
    encryption: str = ""
    kms_key: str = ""
    ca_file: Path | None = None
    client_cert: Path | None = None
    client_key: Path | None = None
    part_bytes: int = 8 * MIB
    parts_at_once: int = 2
    abandoned_after_s: float = 86_400.0
    connect_s: float = 10.0
    stall_s: float = 30.0
    answer_s: float = 120.0

    def __post_init__(self) -> None:
        """Refuse what could never work, or would send evidence in the clear.

        Raises:
            ValueError: with a sentence for the admin.
        """
        url = URL(self.url)
        wrong = ""
        if url.scheme not in {"http", "https"} or not url.host:
            wrong = f"the archive's url {self.url!r} is not an http or https address"
        elif url.path not in {"", "/"} or url.user or url.password or url.query_string or url.fragment:
            wrong = f"the archive's url {self.url!r} must be the endpoint alone: the rest has keys of its own"
        elif url.scheme == "http" and not is_loopback(url.host):
            wrong = f"the archive's url {self.url!r} is plain http to another machine: evidence would cross the network readable"
        elif not _BUCKET.fullmatch(self.bucket):
            wrong = f"the archive's bucket {self.bucket!r} is not a name that S3 allows"
        elif not _PREFIX.fullmatch(self.prefix):
            wrong = f"the archive's prefix {self.prefix!r} must be empty or end with a slash, and begin with none"
        elif not self.credentials.access_key or not self.credentials.secret_key:
            wrong = "the archive needs an access key and its secret"
        elif self.retain_days < 1:
            wrong = "the archive's objects must be kept for a day at least"
        elif self.encryption not in {"", "AES256", "aws:kms"}:
            wrong = f"the archive's encryption {self.encryption!r} is neither AES256 nor aws:kms"
        elif (self.client_cert is None) != (self.client_key is None):
            wrong = "the archive's client certificate and its key go together"
        elif self.part_bytes < LEAST_PART_BYTES:
            wrong = f"an upload's parts have {LEAST_PART_BYTES} bytes at least; S3 takes no smaller ones"
        elif self.parts_at_once < 1 or min(self.connect_s, self.stall_s, self.answer_s) <= 0:
            wrong = "parts at once and the archive's time limits must be above zero"
        if wrong:
            raise ValueError(wrong)

    @property
    def name(self) -> str:
        """What proofs call this archive."""
        return self.archive_id or f"s3:{URL(self.url).host}/{self.bucket}"

    def part_bytes_for(self, size_bytes: int) -> int:
        """How large the parts of an object of that size are: the same on every dock with these settings."""
        least_bytes = -(-size_bytes // MOST_PARTS)
        return max(self.part_bytes, -(-least_bytes // MIB) * MIB if least_bytes > self.part_bytes else 0)
