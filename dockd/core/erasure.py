"""How a camera may be emptied, and how much may be said of it afterwards.

`delete` removes files; what they held can still be found on the medium. `clear` is NIST SP 800-88's word for overwriting all that
can be addressed, and is claimed for nothing less: an `Erasure` that claims more than was done cannot be made. Neither reaches
blocks that a flash medium keeps to itself; that is *purge*, which no camera offers over USB mass storage.
"""

from dataclasses import dataclass
from enum import StrEnum


class Method(StrEnum):
    """From what keeps most to what erases most."""

    NEVER = "never"
    DELETE = "delete"
    CLEAR = "clear"


class ReadBack(StrEnum):
    """How much of an overwritten disk is read again and compared: a tenth, drawn at random all over it, or all of it."""

    SAMPLE = "sample"
    WHOLE = "whole"


@dataclass(frozen=True, slots=True)
class Erasing:
    """How one kind of camera may be emptied.

    Attributes:
        method: at most.
        read_back: after a clear.
        passes: of a clear, each over every block; the last one leaves zeros and the new file system.
        folders: that the camera expects to find after a clear, relative to its root.
    """

    method: Method = Method.DELETE
    read_back: ReadBack = ReadBack.SAMPLE
    passes: int = 1
    folders: tuple[str, ...] = ()


def weaker(*methods: Method) -> Method:
    """The one that keeps most: the site's policy and the camera's profile each say what they allow at most."""
    order = list(Method)
    return min(methods, key=order.index)


@dataclass(frozen=True, slots=True)
class Overwritten:
    """What a clear did to a disk, measured by whoever did it.

    Attributes:
        disk_bytes: all that can be addressed.
        passes: each over every block.
        written_bytes: in all passes together.
        read_back: how much was to be read again.
        read_back_bytes: read again from the medium, and all of it as it was written.
    """

    disk_bytes: int
    passes: int
    written_bytes: int
    read_back: ReadBack
    read_back_bytes: int


@dataclass(frozen=True, slots=True)
class Erasure:
    """What was done to a camera, and no more.

    Attributes:
        method: what may be claimed.
        files: recordings and sidecars that are gone.
        trimmed_bytes: that the medium was told to forget after a delete, None where it cannot be told.
        overwritten: of a clear.
        restored: files that a clear put back, byte for byte: those in which the camera says who it is.
        instead: why it is not the clear that the site asks for; empty if it is, or if it asks for none.

    Raises:
        ValueError: the method is not what was done; it may come from another process.
    """

    method: Method
    files: int
    trimmed_bytes: int | None = None
    overwritten: Overwritten | None = None
    restored: tuple[bytes, ...] = ()
    instead: str = ""

    def __post_init__(self) -> None:
        claimed = self.method is Method.CLEAR
        if self.method is Method.NEVER or claimed != (self.overwritten is not None and _whole(self.overwritten)):
            msg = f"{self.method} is not what was done: {self}"
            raise ValueError(msg)


def _whole(done: Overwritten) -> bool:
    """Whether every block was overwritten, and as much read back as was asked for."""
    least = done.disk_bytes if done.read_back is ReadBack.WHOLE else 1
    return done.passes >= 1 and done.written_bytes >= done.passes * done.disk_bytes > 0 and done.read_back_bytes >= least
