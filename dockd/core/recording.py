"""What a recording is, and what it means that its copy is verified.

`VerifiedRecording` can be made only here: by `verify_copy`, from two measurements that must agree (of the bytes read from the
camera, and of those that the spool's medium gave back), and by `recall`, for what the journal holds since `verify_copy` made it.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self

_SEAL = object()

DIGEST_BYTES = 32


class State(StrEnum):
    """Where a recording is on its way; see `life` for the legal steps."""

    SEEN = "seen"
    COPYING = "copying"
    VERIFIED = "verified"
    UPLOADING = "uploading"
    ARCHIVED = "archived"
    ERASED = "erased"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Digests:
    """Both digests of the same bytes, 32 bytes each."""

    blake3: bytes
    sha256: bytes

    def __post_init__(self) -> None:
        if len(self.blake3) != DIGEST_BYTES or len(self.sha256) != DIGEST_BYTES:
            msg = "a BLAKE3 and a SHA-256 digest have 32 bytes each"
            raise ValueError(msg)

    @classmethod
    def from_hex(cls, blake3: str, sha256: str) -> Self:
        """Digests from lower- or upper-case hexadecimal.

        Raises:
            ValueError: not hexadecimal, or not 32 bytes.
        """
        return cls(bytes.fromhex(blake3), bytes.fromhex(sha256))


@dataclass(frozen=True, slots=True)
class Measured:
    """Bytes that were read through to their end: how many, and both digests."""

    size_bytes: int
    digests: Digests


@dataclass(frozen=True, slots=True)
class MediumReading:
    """What the spool's medium gave back: one strong digest is enough to compare with what was read from the camera."""

    size_bytes: int
    blake3: bytes

    def is_of(self, measured: Measured) -> bool:
        """Whether these are the bytes that were measured."""
        return (self.size_bytes, self.blake3) == (measured.size_bytes, measured.digests.blake3)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a recording does not go on: `code` of the error, its sentence, what a person should do."""

    code: str
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """Where the archive says that it put a recording; a claim until it is proved.

    Attributes:
        archive: the archive's id.
        object_id: the archive's own name for the object.
        url: where to ask about it.
        nonce: hexadecimal; the dock's random word that the receipt must repeat.
        recording_id: the recording that the object was stored for.
        measured: what the dock sent.
    """

    archive: str
    object_id: str
    url: str
    nonce: str
    recording_id: str
    measured: Measured


@dataclass(frozen=True, slots=True)
class ResumePoint:
    """Where an upload was left; the archive is always asked how far it came.

    Attributes:
        url: of the upload.
        nonce: hexadecimal; sent with the upload's creation, and the receipt must repeat it.
    """

    url: str
    nonce: str


@dataclass(frozen=True, slots=True)
class Recording:
    """One evidence file of one camera, as the journal knows it now.

    Attributes:
        recording_id: random, 32 hexadecimal digits.
        sequence: the journal's number; order of discovery, whatever the clocks said.
        camera: serial.
        docking: id of the docking that first saw it.
        path: the exact bytes of its name, relative to the camera's root.
        modified_ns: what the camera's clock said, nanoseconds since 1970.
        sidecar_of: the recording that this file belongs to, None for a recording itself.
        priority: 0 is most urgent.
        measured: size and digests of what was read from the camera, None until read to the end.
        seen: when the dock first saw it, RFC 3339; never used for order.
        resume: where its upload was left, None before one began.
        stored: where the archive put it, None before the upload ended.
        clearing: an erasing of it was begun under a permit, and it was not seen on the camera since.
        refusal: set in state REFUSED.
        category: of the agency's policy, as the camera or a person named it; None if nobody did.
        first_amendment: marked as recorded solely of First Amendment activity: for a supervisor, never for the dock, to judge.
    """

    recording_id: str
    sequence: int
    camera: str
    docking: str
    path: bytes
    size_bytes: int
    modified_ns: int
    sidecar_of: str | None = None
    priority: int = 100
    seen: str = ""
    state: State = State.SEEN
    measured: Measured | None = None
    resume: ResumePoint | None = None
    stored: StoredObject | None = None
    clearing: bool = False
    refusal: Refusal | None = None
    category: str | None = None
    first_amendment: bool = False


@dataclass(frozen=True, slots=True)
class VerifiedRecording:
    """A recording whose copy in the spool was read back from the medium and equals what was read from the camera."""

    recording_id: str
    measured: Measured
    seal: object

    def __post_init__(self) -> None:
        if self.seal is not _SEAL:
            msg = "only verify_copy and recall make a VerifiedRecording"
            raise RuntimeError(msg)


class CopyDiffersError(ValueError):
    """The medium gave back other bytes than the camera did."""


def verify_copy(recording_id: str, *, from_camera: Measured, from_medium: MediumReading) -> VerifiedRecording:
    """Accept a copy.

    Raises:
        CopyDiffersError: size or digest is not the same.
    """
    if (from_camera.size_bytes, from_camera.digests.blake3) != (from_medium.size_bytes, from_medium.blake3):
        msg = (
            f"{from_camera.size_bytes} bytes read from the camera, {from_medium.size_bytes} from the medium; "
            f"BLAKE3 {from_camera.digests.blake3.hex()} against {from_medium.blake3.hex()}"
        )
        raise CopyDiffersError(msg)
    return VerifiedRecording(recording_id, from_camera, _SEAL)


def recall(recording: Recording) -> VerifiedRecording:
    """A recording that the journal holds as verified, as `verify_copy` once made it; whoever sends its bytes hashes them again.

    Raises:
        RuntimeError: the journal does not hold it as verified.
    """
    if recording.state not in {State.VERIFIED, State.UPLOADING} or recording.measured is None:
        msg = f"recording {recording.recording_id} is {recording.state}, not verified in the spool"
        raise RuntimeError(msg)
    return VerifiedRecording(recording.recording_id, recording.measured, _SEAL)
