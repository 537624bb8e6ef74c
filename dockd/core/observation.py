"""What a dock can find at an archive that signs nothing, and whether that shows that the archive holds what was sent.

Either the object's bytes were fetched and hashed, or a store that checks checksums says of one version of the object, under its
Object Lock, which checksum it has. The second is believed only of a store that was seen to refuse a wrong checksum.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from dockd.core.recording import Measured, StoredObject

LOCKS = frozenset({"GOVERNANCE", "COMPLIANCE"})
"""Object Lock's modes, by their names in S3."""


@dataclass(frozen=True, slots=True)
class ReadBack:
    """The object's bytes, all of them, fetched from the archive and hashed by the dock.

    Attributes:
        measured: what came.
        retain_until: until when the archive keeps it; None where it does not say so.
        evidence: what else was seen, for the record.
    """

    measured: Measured
    retain_until: datetime | None = None
    evidence: Mapping[str, str] = field(default_factory=dict)

    def why_not(self, stored: StoredObject, time: datetime) -> str:  # noqa: ARG002 - one signature for both kinds
        """Why this does not show that `stored` is held; empty if it does."""
        if self.measured == stored.measured:
            return ""
        found, sent = self.measured, stored.measured
        return (
            f"what was fetched is {found.size_bytes} bytes of SHA-256 {found.digests.sha256.hex()}, "
            f"not {sent.size_bytes} of {sent.digests.sha256.hex()}"
        )


@dataclass(frozen=True, slots=True)
class StoreChecksum:
    """What a store says of one version of an object.

    Attributes:
        refuses_wrong: whether this store was seen to refuse a wrong checksum, and to take a right one.
        size_bytes: as the store says.
        checksum: as the store says; over what it stored.
        expected: the same, computed by the dock from the bytes that it sent; empty where it sent none.
        version: the version's id; empty where the store keeps none.
        lock: the mode of its Object Lock, empty for none.
        retain_until: until when it is locked.
    """

    refuses_wrong: bool
    size_bytes: int
    checksum: str
    expected: str
    version: str
    lock: str
    retain_until: datetime | None

    @property
    def evidence(self) -> dict[str, str]:
        """For the record."""
        return {"checksum": self.checksum, "lock": self.lock, "version": self.version}

    def why_not(self, stored: StoredObject, time: datetime) -> str:
        """Why this does not show that `stored` is held at `time`; empty if it does."""
        if not self.refuses_wrong:
            return "this store was not seen to refuse a wrong checksum, so its checksums prove nothing"
        if self.size_bytes != stored.measured.size_bytes:
            return f"its size is {self.size_bytes}, not {stored.measured.size_bytes}"
        if not self.expected or self.checksum != self.expected:
            return f"its checksum is {self.checksum!r}, not {self.expected!r}"
        if not self.version or not stored.object_id.endswith(f"#{self.version}"):
            return f"its version is {self.version!r}, which is not that of {stored.object_id!r}"
        if self.lock not in LOCKS:
            return f"it is not locked: its lock's mode is {self.lock!r}"
        if self.retain_until is None or self.retain_until <= time:
            return f"its lock has ended: {self.retain_until}"
        return ""
