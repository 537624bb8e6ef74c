"""What the kiosk page is told: facts and stable words, never sentences, which are the page's own in its own language.

Names of files, serials and officers come from cameras and are anybody's text; the page shows them as text and nothing else.
"""

import msgspec

from dockd.core.battery import Quality
from dockd.core.causes import Cause
from dockd.core.estimate import Left
from dockd.core.readiness import Lamp


class Trouble(msgspec.Struct, frozen=True):
    """One file that needs a person: its name on the camera, and why, as the log says it."""

    path: str
    reason: str


class Tile(msgspec.Struct, frozen=True):
    """One bay.

    Attributes:
        bay: its id in the site file.
        phase: what the dock does with it, one word.
        camera: serial.
        officer: whom the camera names.
        battery_percent: how full its battery is, as far as is known.
        battery: how that is known: reported, estimated or unknown.
        battery_old: that was before its port lost its power.
        lamp: what the light says, null over an empty bay.
        why: stable word for the reason.
        files: how many files the reason is about.
        until: until when it is checked out, in the office's time.
        detail: the reason as the log says it, in English, where the page's words are not all of it.
        total, copied, archived: files on the camera; of these copied and checked; of these proved by the archive.
        wanted_percent: how full it must be, where that is what it waits for.
        stage: what the bar is about: copy, archive, charge, or null for no bar.
        permille: how far that is.
        left: how long it takes, null when that is not known.
        ready: how long until it may be taken, or can be cleared where cameras are cleared first; null when that is not known.
        clears: the camera is cleared then, before it may be taken.
        causes: copied, charged, archived.
        troubles: the first few files that need a person.
        more_troubles: how many there are beyond those.
    """

    bay: str
    phase: str
    camera: str | None = None
    officer: str | None = None
    battery_percent: int | None = None
    battery: Quality = Quality.UNKNOWN
    battery_old: bool = False
    lamp: Lamp | None = None
    why: str = ""
    files: int = 0
    until: str = ""
    detail: str = ""
    total: int = 0
    copied: int = 0
    archived: int = 0
    wanted_percent: int | None = None
    stage: str | None = None
    permille: int = 0
    left: Left | None = None
    ready: Left | None = None
    clears: bool = False
    causes: tuple[Cause, Cause, Cause] | None = None
    troubles: tuple[Trouble, ...] = ()
    more_troubles: int = 0


class Notice(msgspec.Struct, frozen=True):
    """A camera that was taken out before its light said so.

    Attributes:
        kind: back (put it back: it holds the only copy of something), unseen (put it back: nobody knows what it holds),
            help (hand it to the admin: something on it could not be taken), safe (everything on it is copied).
        files, bytes: of which it holds the only copy.
        time: when it was taken, in the office's time.
    """

    camera: str
    officer: str | None
    bay: str
    kind: str
    files: int
    bytes: int
    time: str


class Header(msgspec.Struct, frozen=True):
    """The dock itself.

    Attributes:
        time: in the office's time.
        night: whether people there have their lights down.
        archive: answers, away, or unknown before it was first asked.
        away_since: when it went away, in the office's time, empty while it answers.
        archive_detail: why, as the log says it.
        free_bytes: of the spool's disk.
        full: a bay waits for room.
        site_file: error (the last good one is in force), pending (a change waits for an admin), or empty while all is well.
        queue_files, queue_bytes: what waits for the archive.
        left: until nothing does, null when that is not known.
        critical: files of a critical incident that the archive does not have.
        critical_by: when it should have the first of them, in the office's time; empty if the site file sets no time.
        critical_late: that time is over.
    """

    dock: str
    site: str
    time: str
    night: bool
    archive: str
    away_since: str
    archive_detail: str
    free_bytes: int
    full: bool
    site_file: str
    queue_files: int
    queue_bytes: int
    left: Left | None = None
    critical: int = 0
    critical_by: str = ""
    critical_late: bool = False


class Screen(msgspec.Struct, frozen=True):
    """Everything on the page; `busy` says that it changes by itself, without any news."""

    header: Header
    tiles: tuple[Tile, ...]
    notices: tuple[Notice, ...]
    busy: bool
