"""What verbs print with --json that ask no daemon; the others print what the control API answers."""

import msgspec

from dockd.web.lists import CheckView


class EraseDocument(msgspec.Struct, frozen=True):
    """The site's erase policy.

    Attributes:
        policy: delete, clear or never.
        directory_erase: whether directory bays are erased too.
    """

    policy: str
    directory_erase: bool


class ConfigCheckDocument(msgspec.Struct, frozen=True):
    """What `dockd config check --json` prints; beyond `problems` only of a file that is good.

    Attributes:
        good: whether the site file and its profiles can be used.
        file: that was looked at.
        problems: one for each, as file:line:col: what, and what was expected.
        dock: its id.
        agency: whose it is.
        division: of the agency.
        site: where it stands.
        time_zone: of the office.
        bays: their ids.
        never_erased: ids of the bays whose cameras are never erased.
        archive: its address.
        erase: the policy.
        ready: how far everything on a camera must have come until it may be taken.
        profiles: names of the kinds of camera.
        world: with --online, what of that is there.
    """

    good: bool
    file: str
    problems: tuple[str, ...] = ()
    dock: str | msgspec.UnsetType = msgspec.UNSET
    agency: str | msgspec.UnsetType = msgspec.UNSET
    division: str | msgspec.UnsetType = msgspec.UNSET
    site: str | msgspec.UnsetType = msgspec.UNSET
    time_zone: str | msgspec.UnsetType = msgspec.UNSET
    bays: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    never_erased: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    archive: str | msgspec.UnsetType = msgspec.UNSET
    erase: EraseDocument | msgspec.UnsetType = msgspec.UNSET
    ready: str | msgspec.UnsetType = msgspec.UNSET
    profiles: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    world: tuple[CheckView, ...] | msgspec.UnsetType = msgspec.UNSET


class DifferenceDocument(msgspec.Struct, frozen=True):
    """One key that is not the same.

    Attributes:
        key: as in the site file, from its section on.
        before: its value now, `nothing` where there is none.
        after: its value then.
        live: whether a running dock takes it over.
        needs_acceptance: whether it weakens evidence, so that an admin accepts it first.
    """

    key: str
    before: str
    after: str
    live: bool
    needs_acceptance: bool


class ConfigDiffDocument(msgspec.Struct, frozen=True):
    """What `dockd config diff --json` prints.

    Attributes:
        differences: in the order of the site file's keys.
        accept_with: the command that accepts what weakens evidence, empty if nothing does.
    """

    differences: tuple[DifferenceDocument, ...]
    accept_with: str = ""


class LearnedBayDocument(msgspec.Struct, frozen=True):
    """One bay whose port was found out.

    Attributes:
        id: of the bay.
        usb_port: its port, as the site file names it.
        name: what the device that was plugged in calls itself.
        serial: of that device, null if it says none.
    """

    id: str
    usb_port: str
    name: str
    serial: str | None


class LearnedDocument(msgspec.Struct, frozen=True):
    """What `dockd bays learn --json` prints.

    Attributes:
        bays: in the order in which they were asked for.
        written: the site file that has the ports now, null if none was written.
    """

    bays: tuple[LearnedBayDocument, ...]
    written: str | None


class ProbedDocument(msgspec.Struct, frozen=True):
    """What `dockd bays probe --json` prints.

    Attributes:
        bay: its id.
        usb_port: its port.
        verdict: one word for whether its power can be switched.
    """

    bay: str
    usb_port: str
    verdict: str


class VerifyLine(msgspec.Struct, frozen=True):
    """One thing that was checked.

    Attributes:
        mark: PROVED, NOT PROVED, NOTE or WRONG.
        words: what of it.
    """

    mark: str
    words: str


class VerifyDocument(msgspec.Struct, frozen=True):
    """What `dockd verify --json` prints.

    Attributes:
        exit_code: as the command ends: 0 everything holds; 1 something is wrong; 2 unreadable; 3 something is not proved.
        lines: in the order in which they were checked.
    """

    exit_code: int
    lines: tuple[VerifyLine, ...]


class GapDocument(msgspec.Struct, frozen=True):
    """Something that is missing.

    Attributes:
        kind: of what sort, as the alert of the same name in docs/runbook.md.
        subject: the id or serial of what it is about.
        message: in a sentence.
    """

    kind: str
    subject: str
    message: str


class GapsDocument(msgspec.Struct, frozen=True):
    """What `dockd report gaps --json` prints.

    Attributes:
        proved: how many recordings the archive proved now that it holds.
        missing: what cameras listed and nobody has, or the archive does not prove any more.
    """

    proved: int
    missing: tuple[GapDocument, ...]
