"""Custody entries in sentences that a jury can read. The entry is the evidence; a sentence leaves out, and never adds."""

from collections.abc import Mapping

from dockd.core.canonical import Json

Entry = Mapping[str, Json]

_SENTENCES = {
    "daemon.started": "The dock started, running dockd {version}.",
    "daemon.stopped": "The dock stopped in good order.",
    "daemon.interrupted": "The dock had stopped without notice before: {cause}.",
    "selftest.run": "The dock looked at itself. Fit: {fit}.",
    "software.running": "The dock runs dockd {version}, whose files have the SHA-256 {digest}.",
    "archive.handed-over": "The archive's key {old} handed over to {new}, by statements that are kept here.",
    "configuration.accepted": "{by} accepted the dock's configuration.",
    "journal.rebuilt": "The dock's record was made anew from its store: {recordings} recordings, none counted as archived.",
    "hold.told": "The archive was told to keep {recordings} recordings that are on hold",
    "log.deposited": "The archive was given the log's checkpoint of {size} entries to keep; nobody witnessed it",
    "log.refused": "The archive refused this log: {message}",
    "clock.checked": "The dock's clock was kept by {source}; the kernel's bound of its error: {error_us} microseconds.",
    "camera.clock": "The camera dated its newest recording {newest_recording}; the dock's clock then said {dock_time}.",
    "camera.docked": "Camera {camera} was put into bay {bay}.",
    "docking.failed": "Something went wrong in the bay: {message}",
    "docking.ended": "The camera left the dock: {reason}.",
    "docking.restored": "This docking is known from the dock's store alone.",
    "recording.seen": "The recording {path} was found on the camera, {size} bytes.",
    "recording.met": "The recording was met on the camera again, and read: it has not changed.",
    "recording.copying": "The dock began to copy it.",
    "recording.verified": "The copy was read back from the dock's disk and is what was read from the camera.",
    "recording.uploading": "The dock began to send it to the archive.",
    "recording.archived": "The archive proved, by a signed receipt, that it holds these very bytes.",
    "recording.recognised": "The archive held these very bytes already, and proved it.",
    "recording.proof-lost": "The archive no longer proved that it holds it: {reason}. It is copied anew.",
    "recording.erased": "It was removed from the camera, after the archive had proved once more that it holds it.",
    "recording.found-gone": "It was found removed from the camera, as had been begun before an interruption.",
    "recording.refused": "It was set aside: {message}",
    "recording.retried": "{by} let it be tried again.",
    "recording.marked": "{by} called it {category}: {reason}.",
    "recording.kept-longer": "The archive promised to keep it longer, "
    "until {retain_until}: for what it was called since, or for a hold.",
    "upload.placed": "The archive made room for it.",
    "upload.dropped": "The archive had forgotten the upload, which began anew.",
    "camera.clearing": "The dock began to erase from the camera what the archive holds.",
    "camera.cleared": "The erasing ended; what may be claimed of it is: {method}.",
    "camera.clear-finished": "An erasing that had been interrupted was brought to its end: {method}.",
    "hold.placed": "{by} ordered that nothing of {scope} {subject} may be erased: {reason}.",
    "hold.lifted": "{by} lifted the hold on {scope} {subject}: {reason}.",
    "camera.enrolled": "{by} said that camera {camera} belongs here: {reason}.",
    "camera.barred": "{by} said that nothing may be taken of camera {camera}: {reason}.",
}


def sentence(entry: Entry) -> str:
    """What the entry tells; one of an unknown kind is named as it is."""
    event = str(entry["event"])
    pattern = _SENTENCES.get(event)
    if pattern is None:
        return f"Entered as {event}."
    return pattern.format_map(_Members({name: _plain(value) for name, value in entry.items()}))


class _Members(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return "(not said)"


def _plain(value: Json) -> str:
    return "nobody" if value is None else str(value)
