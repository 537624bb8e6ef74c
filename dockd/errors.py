"""Every error that dockd raises on purpose, and what a person should do about each.

A bad world is a `DockError`; a wrong call is a plain `RuntimeError` and a bug. Each class says whether waiting may help
(`transient`) and carries a stable `code` for logs, the API and the screens. The message says what failed; `hint` says what a
person should do next.

    DockError
    +-- ConfigError                 the site file or a profile is wrong (file:line:col)
    +-- ControlError                the daemon cannot be asked, or refuses what it was asked
    |   +-- NotAllowedError         whoever asks may not
    +-- JournalError
    |   +-- JournalCorruptError     SQLite says that the file is damaged
    |   |   +-- JournalCutError     its end is lost, or an older one lies in its place
    |   +-- JournalForeignError     the file is not a journal of this dockd
    |   +-- JournalBusyError        another daemon owns it
    +-- CameraError
    |   +-- CameraBarredError       an admin said that nothing is to be taken from this camera
    |   +-- CameraUnknownError      nothing in the bay that a profile recognises
    |   +-- CameraGoneError         pulled, or the cable failed (transient)
    |   +-- CameraStalledError      no answer and no error (transient)
    |   +-- SourceChangedError      a recording changed while it was read (transient)
    |   +-- SourceUnreadableError   the camera gives an error for one file
    |   +-- NotARecordingError      a name or kind of file that is never read
    |   +-- NoDirectReadError       this file system cannot be read past the page cache
    +-- SpoolError
    |   +-- SpoolFullError          no room for what is to be copied (transient)
    |   +-- SpoolMismatchError      the medium gave back other bytes than were written
    |   +-- SpoolBrokenError        the spool's disk failed
    +-- ArchiveError
    |   +-- ArchiveUnreachableError no answer, or a broken one (transient)
    |   +-- ArchiveBusyError        asked to come back later (transient)
    |   +-- ArchiveChecksumError    bytes were damaged on their way (transient)
    |   +-- UploadLostError         the archive has forgotten this upload; begin again (transient)
    |   +-- ArchiveRefusedError     this recording can never be stored, in the archive's words
    |   +-- ArchiveDeniedError      the dock's credentials are not accepted (transient: a person can mend it)
    |   +-- ProofRefusedError       a receipt that proves nothing: signature, digest or object is wrong
    |   +-- LogRefusedError         the archive says that the custody log is not the one that it knows
    +-- ClearanceError
    |   +-- ClearanceRefusedError   the camera is kept: something on it is not proved
    |   +-- EraseFailedError        the camera did not do what it was told
    +-- LampError                   a bay's lamp cannot show what it should
    +-- EvidenceError               no bundle can be made of what was asked for
    +-- AlertError                  a person could not be told (transient)
    +-- WorkerError                 the process that reads one bay failed
    +-- VaultError                  the vault cannot serve (its store, key or tokens)
"""

from typing import ClassVar


class DockError(Exception):
    """Root of everything that can go wrong in the world around dockd.

    Attributes:
        transient: whether the same call may succeed later with nothing changed by a person.
        code: stable word for logs, the API and the screens.
        hint: what a person should do next, in plain words; empty when there is nothing to do but wait.
    """

    transient: ClassVar[bool] = False
    code: ClassVar[str] = "error"
    default_hint: ClassVar[str] = ""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = self.default_hint if hint is None else hint

    @property
    def message(self) -> str:
        """What failed, as one sentence."""
        return str(self.args[0])


class ConfigError(DockError):
    """The site file or a profile is wrong; nothing was started.

    Args:
        file: the file as the admin named it.
        line: 1-based; 0 when the file as a whole is meant.
        column: 1-based; 0 when the file as a whole is meant.
    """

    code = "config"

    def __init__(self, message: str, *, file: str, line: int = 0, column: int = 0, hint: str | None = None) -> None:
        place = f"{file}:{line}:{column}: " if line else f"{file}: "
        super().__init__(place + message, hint=hint)
        self.file, self.line, self.column = file, line, column


class ControlError(DockError):
    """The daemon cannot be asked, or refuses what it was asked."""

    code = "control"
    default_hint = "Is the daemon running? systemctl status dockd says why not; by hand: dockd run --config FILE"


class NotAllowedError(ControlError):
    """Whoever asks may not look, or may look and not act."""

    code = "not-allowed"
    default_hint = "Ask your admin to do it, or to add you to the group that may."


class JournalError(DockError):
    """The journal cannot be used."""

    code = "journal"


class JournalCorruptError(JournalError):
    """SQLite says that the file is damaged; dockd never starts afresh by itself."""

    code = "journal-corrupt"
    default_hint = "Keep the file for examination, then run: dockd journal rebuild --config FILE"


class JournalCutError(JournalCorruptError):
    """The file is sound, but the custody log in it does not go as far as it once did."""

    code = "journal-cut"
    default_hint = "If its -wal was moved or deleted, put it back. If it is lost: dockd journal rebuild --config FILE"


class JournalForeignError(JournalError):
    """The file is not a journal of this dockd: another program's, or a newer version's."""

    code = "journal-foreign"
    default_hint = "Point spool.directory elsewhere, or install the dockd version that wrote this journal."


class JournalBusyError(JournalError):
    """Another process owns the journal."""

    code = "journal-busy"
    default_hint = "Another dockd is running on this spool; stop it first."


class CameraError(DockError):
    """Something about one camera; the other bays go on."""

    code = "camera"


class CameraUnknownError(CameraError):
    """No profile recognises what is in the bay, or its identity cannot be read."""

    code = "camera-unknown"
    default_hint = "Call your admin: this device is not a camera that the dock knows."


class CameraBarredError(CameraError):
    """An admin barred this camera: nothing of it is taken or erased until it is enrolled again."""

    code = "camera-barred"
    default_hint = "Hand the camera to your admin. Admins: dockd enroll SERIAL, then take it out and put it back."


class CameraGoneError(CameraError):
    """The camera was pulled, or its cable failed; what was copied is kept."""

    transient = True
    code = "camera-gone"
    default_hint = "Put the camera back into any bay; the copy continues where it stopped."


class CameraStalledError(CameraError):
    """The camera gives neither bytes nor an error."""

    transient = True
    code = "camera-stalled"
    default_hint = "Take the camera out and put it into another bay; if it stalls again, hand it to your admin."


class SourceChangedError(CameraError):
    """A recording changed while it was being read: it is still being written."""

    transient = True
    code = "source-changed"
    default_hint = "Stop recording on the camera; the dock tries again by itself at the next docking."


class SourceUnreadableError(CameraError):
    """The camera reports an error for one file; the others go on."""

    code = "source-unreadable"
    default_hint = "Keep the camera: one recording on it cannot be read. Hand it to your admin."


class NotARecordingError(CameraError):
    """A name or a kind of file that is never read: a link, a socket, a device, a tree too deep."""

    code = "not-a-recording"
    default_hint = "Hand the camera to your admin: it holds something that is not a plain file."


class NoDirectReadError(CameraError):
    """The file system cannot be read past the page cache, so nothing read from it is a proof."""

    code = "no-direct-read"
    default_hint = "The camera is kept. Use a file system with direct I/O (ext4, xfs, vfat, exfat)."


class SpoolError(DockError):
    """The dock's own store."""

    code = "spool"


class SpoolFullError(SpoolError):
    """No room for what is to be copied; the camera is untouched."""

    transient = True
    code = "spool-full"
    default_hint = "Leave the camera in the bay: copying starts by itself when uploads have made room."

    def __init__(self, message: str, *, needed_bytes: int, free_bytes: int, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.needed_bytes, self.free_bytes = needed_bytes, free_bytes


class SpoolMismatchError(SpoolError):
    """The medium gave back other bytes than were written; the copy was thrown away, the camera is untouched."""

    transient = True
    code = "spool-mismatch"
    default_hint = "The dock's disk returned wrong bytes. Have the disk examined; the camera keeps its recordings."


class SpoolBrokenError(SpoolError):
    """The spool's disk failed, or its file system cannot hold a spool."""

    code = "spool-broken"
    default_hint = "Have the dock's disk examined. The cameras keep their recordings."


COPY_FAILED = frozenset({SpoolMismatchError.code, SpoolBrokenError.code})
"""Of a recording that is refused so, the dock itself sets the copy aside, when a person's retry finds it to be bad."""


class ArchiveError(DockError):
    """The central archive."""

    code = "archive"


class ArchiveUnreachableError(ArchiveError):
    """No answer, or one that is not the archive's."""

    transient = True
    code = "archive-unreachable"
    default_hint = "Nothing to do for officers. Admins: check the network and the archive; copying goes on."


class ArchiveBusyError(ArchiveError):
    """The archive asked to come back later.

    Attributes:
        retry_after_s: seconds that the archive asked for, None when it named none.
    """

    transient = True
    code = "archive-busy"
    default_hint = "Nothing to do: the dock tries again by itself."

    def __init__(self, message: str, *, retry_after_s: float | None = None, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.retry_after_s = retry_after_s


class ArchiveChecksumError(ArchiveError):
    """Bytes were damaged between spool and archive; they are sent again."""

    transient = True
    code = "archive-checksum"


class UploadLostError(ArchiveError):
    """The archive no longer knows this upload; it begins again from the first byte."""

    transient = True
    code = "upload-lost"


class ArchiveDeniedError(ArchiveError):
    """The dock's token or certificate is not accepted; an admin can mend that without touching the dock's recordings."""

    transient = True
    code = "archive-denied"
    default_hint = "Admins: check archive.token_file and the archive's list of docks."


class ArchiveRefusedError(ArchiveError):
    """The archive can never store this recording; it is kept in the spool and on the camera."""

    code = "archive-refused"
    default_hint = "Admins: read the archive's words, mend the cause, then have the dock try again: dockd retry RECORDING"


class ProofRefusedError(ArchiveError):
    """What the archive showed does not prove that it holds these bytes."""

    code = "proof-refused"
    default_hint = "Nothing is erased. Admins: the archive's key or its answers are wrong; treat it as tampering until explained."


class LogRefusedError(ArchiveError):
    """The archive refuses to witness the custody log: rolled back, forked, or not the log that it knows."""

    code = "log-refused"
    default_hint = (
        "Admins: was this dock's disk replaced, restored or its journal made anew? Then say so at the archive: "
        "dockd vault logs --accept LOG. If not, treat it as tampering."
    )


class ClearanceError(DockError):
    """Erasing a camera."""

    code = "clearance"


class ClearanceRefusedError(ClearanceError):
    """The camera is kept, because something that was to be erased is not proved."""

    code = "clearance-refused"


class EraseFailedError(ClearanceError):
    """The camera did not do what it was told; what is left on it is named."""

    code = "erase-failed"
    default_hint = "The recordings are safe in the archive. Hand the camera to your admin: it does not erase."


class LampError(DockError):
    """A bay's lamp cannot show what it should; the screens do."""

    code = "lamp"
    default_hint = "Admins: compare the bay's lamp in the site file with: ls /sys/class/leds"


class EvidenceError(DockError):
    """No evidence bundle can be made of what was asked for; nothing was written."""

    code = "evidence"


class AlertError(DockError):
    """A channel did not take the news of an alert; the dock tries again by itself."""

    transient = True
    code = "alert"
    default_hint = "Admins: check alerts in the site file, and the server that it names."


class WorkerError(DockError):
    """The process that reads one bay failed in a way that it could not name."""

    transient = True
    code = "worker"


class VaultError(DockError):
    """The vault cannot serve: its store, its key or its tokens."""

    code = "vault"
