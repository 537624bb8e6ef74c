"""What an archive must do for the dock; these docstrings are the contract, and tests/contract holds every backend to it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from dockd.core.note import Note
from dockd.core.policy import UNCATEGORISED
from dockd.core.proof import ArchiveProof
from dockd.core.recording import ResumePoint, StoredObject, VerifiedRecording


@dataclass(frozen=True, slots=True)
class Consignment:
    """One verified recording and what the archive is told about it.

    Attributes:
        verified: the recording, its size and its digests.
        path: its bytes in the spool.
        dock, camera, docking: who sends it, whose it is, when it came.
        name: its path on the camera, in `core.names.shown` form.
        recorded: the camera's modification time, RFC 3339, as the camera's clock had it.
        seen: when the dock first saw it, RFC 3339 with zone.
        sidecar_of: recording id that it belongs to, or None.
        retain_days: it is asked to keep the recording at least so long; 0 leaves that to the archive.
        category: of the agency's policy.
        first_amendment: marked as recorded solely of First Amendment activity.
        held: an order says that it must not be deleted.
    """

    verified: VerifiedRecording
    path: Path
    dock: str
    camera: str
    docking: str
    name: str
    recorded: str
    seen: str
    sidecar_of: str | None = None
    retain_days: int = 0
    category: str = UNCATEGORISED
    first_amendment: bool = False
    held: bool = False


class Progress(Protocol):
    """Told by a backend while it works; never blocks."""

    async def placed(self, point: ResumePoint) -> None:
        """The archive made room: called, and awaited, before the first byte is sent, so that a restart can resume."""
        ...

    async def dropped(self, reason: str) -> None:
        """The archive forgot the upload that was to be resumed; a new one begins at the first byte."""
        ...

    def sent(self, offset_bytes: int) -> None:
        """Bytes of the recording that the archive has acknowledged or that have been handed to the network."""
        ...


class Archive(Protocol):
    """A central store that can prove what it holds. Implementations hold no recording's state between calls."""

    async def store(self, consignment: Consignment, resume: ResumePoint | None, progress: Progress) -> StoredObject:
        """Bring every byte to the archive, continuing at the archive's own offset where `resume` is still known to it.

        The bytes are hashed again as they are sent; if they are not those of `consignment.verified`, the upload is left
        incomplete. Calling it again after any error, or after success, is safe: nothing is stored twice under one resume point.

        Raises:
            ArchiveUnreachableError, ArchiveBusyError, ArchiveChecksumError, ArchiveDeniedError: transient.
            ArchiveRefusedError: this recording can never be stored; with the archive's words.
            SpoolMismatchError: the spool's bytes are no longer those that were verified.
        """
        ...

    async def prove(self, stored: StoredObject, *, camera: str) -> ArchiveProof:
        """Obtain the receipt: the archive's proof, made after it read back what it stored.

        Waits while the archive is still reading.

        Raises:
            ArchiveUnreachableError, ArchiveBusyError, ArchiveDeniedError, UploadLostError: transient; UploadLostError when the
                archive does not know the object.
            ArchiveRefusedError: the archive itself found that the bytes are not those announced.
            ProofRefusedError: what it showed proves nothing.
        """
        ...

    async def prove_again(
        self, stored: StoredObject, nonce: str, *, camera: str, retain_until: datetime | None = None
    ) -> ArchiveProof:
        """Obtain a fresh holding statement over `nonce`: the archive reads the object again, now.

        With `retain_until` it is asked to keep the object at least until then, and never shortens what it promised before. The
        statement says until when it does; an archive that promises nothing does not promise that either.

        Raises:
            as `prove`.
        """
        ...

    async def hold(self, stored: StoredObject) -> bool:
        """Have what was sent held, since an order says that it must not be deleted; it can be asked at any time, again.

        Only the archive's own admins lift that there: a dock that somebody took over cannot.

        Returns:
            Whether the archive itself sees to it from now on; False where only its admins could.

        Raises:
            ArchiveUnreachableError, ArchiveBusyError, ArchiveDeniedError, UploadLostError: transient; UploadLostError when the
                archive does not know the object.
        """
        ...

    async def close(self) -> None:
        """Give back connections. The archive cannot be used afterwards."""
        ...


ArchiveWrapper = Callable[[Archive], Archive]
"""Retry, limits and schedule: something that takes an archive and is one."""


@dataclass(frozen=True, slots=True)
class Cosigned:
    """The archive cosigned a checkpoint: the note with its cosignature, and when in seconds since 1970 by the archive's clock."""

    note: Note
    time_s: int


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """The archive has cosigned a checkpoint of another size than was said; it wants the proof from there."""

    size: int


@dataclass(frozen=True, slots=True)
class Deposited:
    """The archive keeps the checkpoint, as it would keep anything: nobody compared it with the one before.

    Attributes:
        archive: its id.
        object_id: where it lies there.
    """

    archive: str
    object_id: str


@dataclass(frozen=True, slots=True)
class NoWitness:
    """This archive witnesses no logs, and keeps no checkpoints."""


Answered = Cosigned | Elsewhere | Deposited | NoWitness


class Witness(Protocol):
    """An archive that watches the custody log grow."""

    async def add_checkpoint(self, note: Note, *, old_size: int, proof: Sequence[bytes], key: str) -> Answered:
        """Show a signed checkpoint, with the proof that it continues the one of `old_size`; `key` is the one that signed it.

        Raises:
            ArchiveUnreachableError, ArchiveBusyError, ArchiveDeniedError: transient.
            LogRefusedError: the archive says that this log was rolled back, forked, or is not the one that it knows.
        """
        ...

    async def close(self) -> None:
        """Give back connections. The witness cannot be asked afterwards."""
        ...
