"""The bay protocol: what a bay says of the camera in it. These docstrings are the contract, for every kind of bay."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from dockd.core.profile import Profile
from dockd.core.usb import UsbSource
from dockd.errors import CameraUnknownError


@dataclass(frozen=True, slots=True)
class Inserted:
    """Something that a profile recognises is in the bay.

    Attributes:
        bay: the bay's id.
        root: the camera's root folder, with every link resolved; or how its worker gets it from a USB port.
        profile: what recognised it.
    """

    bay: str
    root: Path | UsbSource
    profile: Profile


@dataclass(frozen=True, slots=True)
class Removed:
    """The bay is empty: a docking, if there was one, is over."""

    bay: str


@dataclass(frozen=True, slots=True)
class Claims:
    """What a device that was refused says of itself; nothing of it is believed.

    Attributes:
        name, serial: empty if it shows none.
        policy: `inserted`, or `present at start` for what was there before the daemon was.
    """

    name: str
    serial: str
    policy: str


@dataclass(frozen=True, slots=True)
class Unrecognised:
    """Something is in the bay that no profile recognises, or that cannot be looked at.

    Attributes:
        bay: the bay's id.
        message: one sentence.
        hint: what a person should do.
        refused: what was refused; None where nothing was, as in a bay that cannot be looked at.
    """

    bay: str
    message: str
    hint: str = CameraUnknownError.default_hint
    refused: Claims | None = None


@dataclass(frozen=True, slots=True)
class Changed:
    """The tree of the camera that was inserted changed and has been quiet since, or changes without end: scan it again."""

    bay: str


@dataclass(frozen=True, slots=True)
class Stalled:
    """The bay does not answer; what was last said of it may no longer be so. `message` is one sentence.

    When it answers again another event follows: `Changed` if the same camera is still there.
    """

    bay: str
    message: str


BayEvent = Inserted | Removed | Unrecognised | Changed | Stalled


class Bay(Protocol):
    """One camera slot."""

    @property
    def bay_id(self) -> str:
        """The bay's name in the site file."""
        ...

    def events(self) -> AsyncGenerator[BayEvent]:
        """The present state at once, then each change, for ever.

        The first event is Inserted, Removed (the bay is empty), Unrecognised or Stalled. Between two Inserted there is always a
        Removed. States are told, not steps: what came and went while nobody asked is left out, but another camera than the one
        last told of is always Removed, Inserted, however quick the hands. The same camera may be told of twice in that way; two
        are never taken for one. Changed is only said while a camera is in the bay.

        To be iterated by one consumer, which closes it (`contextlib.aclosing`): closing takes a second at most, with a dead
        device in the bay too. Nothing that may block runs on the event loop.
        """
        ...
