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


class QuarantinedDocument(msgspec.Struct, frozen=True):
    """A recording that went no further.

    Attributes:
        recording: its id.
        camera: serial of the one that it came from.
        path: on that camera, as it is shown.
        state: of the recording; refused, or another of one whose altered bytes were set aside.
        refused: when it was last refused, null if it goes on.
        code: of the error that refused it, as in docs/runbook.md; null if it goes on.
        why: in a sentence.
        hint: what a person can do.
        kept: names of the files that the dock has of it; none: the camera has the only copy.
    """

    recording: str
    camera: str
    path: str
    state: str
    refused: str | None
    code: str | None
    why: str
    hint: str
    kept: tuple[str, ...]


class QuarantineDocument(msgspec.Struct, frozen=True):
    """What `dockd report quarantine --json` prints.

    Attributes:
        recordings: in order of discovery.
        output: the folder that all of it was copied to, null without --output or if there is nothing.
        files: how many files were copied there, evidence.zip not counted.
    """

    recordings: tuple[QuarantinedDocument, ...]
    output: str | None = None
    files: int = 0


class ExportDocument(msgspec.Struct, frozen=True):
    """What `dockd report export --json` prints.

    Attributes:
        bundle: the file that was written.
        files: how many are in it.
        archive_keys: public keys of the archive under which it can be checked, the present one first.
        dock_key: the dock's public key.
        verify_with: the command that checks it.
    """

    bundle: str
    files: int
    archive_keys: tuple[str, ...]
    dock_key: str
    verify_with: str


class KeyDocument(msgspec.Struct, frozen=True):
    """What `dockd report key --json` prints.

    Attributes:
        key: the dock's public key.
        backup: the file that the private key was copied to, null without --backup.
    """

    key: str
    backup: str | None = None


class AcceptDocument(msgspec.Struct, frozen=True):
    """What `dockd config accept --json` prints.

    Attributes:
        accepted: whether all that the site file asks for is accepted now.
        changes: what was to be accepted, or withdrawn, a line for each; none if all of it had been before.
        by: who accepted it, null if nobody did.
        at: when, null if nobody did.
        why: what stands against it, empty if it is accepted.
    """

    accepted: bool
    changes: tuple[str, ...] = ()
    by: str | None = None
    at: str | None = None
    why: str = ""


class ImportDocument(msgspec.Struct, frozen=True):
    """What `dockd cameras import --json` prints.

    Attributes:
        roster: the file.
        changes: a line for each camera that comes (+), goes (-) or changes (~).
        cameras: how many the spreadsheet has.
        written: whether the roster is that now.
    """

    roster: str
    changes: tuple[str, ...]
    cameras: int
    written: bool


class RebuiltDocument(msgspec.Struct, frozen=True):
    """What `dockd journal rebuild --json` prints.

    Attributes:
        journal: the new one.
        verified: recordings whose bytes in the spool are those that were verified.
        refused: recordings whose bytes are not.
        held: whether everything is on hold under the case journal-rebuilt, since not every hold of the old journal could be read.
    """

    journal: str
    verified: int
    refused: int
    held: bool
