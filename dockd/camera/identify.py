"""Who a camera says that it is: serial, battery and officer, from where its profile says they are written."""

import os
import re
import signal
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from dockd.camera.tree import missing_alone, opened_folder, unreadable
from dockd.core.names import basename, parent, shown
from dockd.core.profile import Profile, Source
from dockd.errors import CameraUnknownError, SourceUnreadableError

_LARGEST_FACTS_BYTES = 64 * 1024
_SERIAL = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_SEARCH_CPU_S = 2.0
_NO_SERIAL_HINT = "Nothing was copied. Call your admin: its profile can name a file on the camera that holds the serial."


@dataclass(frozen=True, slots=True)
class CameraFacts:
    """What was read on the camera; every part of it is the camera's own claim.

    Attributes:
        serial: letters, digits and `._:-`, at most 64.
        named: whether the serial was written on the camera; its folder's name served otherwise.
        battery_percent: 0 to 100, None if not reported.
        officer: printable text of at most 64 characters, None if not named.
    """

    serial: str
    named: bool
    battery_percent: int | None
    officer: str | None


def identify(root: int, profile: Profile, folder_name: str) -> CameraFacts:
    """Read the camera's facts.

    Args:
        root: descriptor of the camera's root.
        profile: of this kind of camera.
        folder_name: serves as serial where the profile names no source for one, or the camera has none.

    Raises:
        CameraUnknownError: no usable serial, or one of the profile's expressions takes for ever on this camera's file.
        SourceUnreadableError: a file of facts is there and cannot be read; guessing another serial would be worse.
        CameraGoneError: the camera does not answer.
    """
    written = _fact(root, profile, "serial")
    serial = written or folder_name
    if not serial:
        msg = "the camera shows no serial number, so it cannot be told from another one"
        raise CameraUnknownError(msg, hint=_NO_SERIAL_HINT)
    if not _SERIAL.fullmatch(serial):
        msg = f"the camera's serial {serial[:64]!r} is not one"
        raise CameraUnknownError(msg, hint="Serials have 1 to 64 letters, digits and . _ : - ; call your admin.")
    battery = _fact(root, profile, "battery")
    percent = int(battery) if battery is not None and battery.isascii() and battery.isdigit() and len(battery) < 4 else None  # noqa: PLR2004 - up to 100
    officer = _fact(root, profile, "officer")
    return CameraFacts(
        serial=serial,
        named=bool(written),
        battery_percent=percent if percent is not None and percent <= 100 else None,  # noqa: PLR2004 - per cent
        officer=officer[:64] if officer and officer.isprintable() else None,
    )


def _fact(root: int, profile: Profile, name: Literal["serial", "battery", "officer"]) -> str | None:
    """The first match of the expression for a fact in its file, None where there is none."""
    source: Source | None = getattr(profile, name)
    if source is None:
        return None
    path = source.file.encode()
    try:
        with opened_folder(root, parent(path)) as folder:
            if not stat.S_ISREG(os.stat(basename(path), dir_fd=folder, follow_symlinks=False).st_mode):
                msg = f"{shown(path)} is not a plain file"
                raise SourceUnreadableError(msg)  # opening a device would already do something to it
            descriptor = os.open(
                basename(path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC, dir_fd=folder
            )
            try:
                text = os.read(descriptor, _LARGEST_FACTS_BYTES).decode("utf-8", "replace")
            finally:
                os.close(descriptor)
    except (FileNotFoundError, NotADirectoryError) as exc:
        missing_alone(root, path, exc)
        return None
    except OSError as exc:
        raise unreadable(root, path, exc) from exc
    try:
        with limited(_SEARCH_CPU_S):
            return _search(source, text)
    except TooCostlyError:
        msg = f"{name}.line of profile {profile.name} takes too long to search {shown(path)}"
        hint = f"Call your admin: the camera's file is odd, or {name}.line repeats what already repeats and must be made simpler."
        raise CameraUnknownError(msg, hint=hint) from None


def _search(source: Source, text: str) -> str | None:
    for line in text.splitlines():
        found = source.expression.search(line)
        if found is not None and found.lastindex:
            return found.group(1).strip()
    return None


class TooCostlyError(Exception):
    """A search used up its time."""


@contextmanager
def limited(cpu_s: float) -> Iterator[None]:
    """Raise `TooCostlyError` out of a block that computes for longer.

    A camera chooses the text, and an expression that repeats what already repeats needs years for some texts. `re` has no limit
    of its own, but it lets signals through while it matches. They reach the main thread only, which in a bay's worker is the
    one that identifies; elsewhere there is no limit but the worker's stall.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGVTALRM, _give_up)
    signal.setitimer(signal.ITIMER_VIRTUAL, cpu_s)  # of processor time: a busy machine makes no search too long
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def _give_up(_number: int, _frame: object) -> None:
    raise TooCostlyError
