"""What the pages of a bundle say, before it is known whether they become HTML or PDF. Each line says on which entry it rests."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dockd.core.canonical import Json
from dockd.core.names import shown
from dockd.core.recording import Recording
from dockd.evidence.gathering import Gathered
from dockd.evidence.wording import Entry, sentence

_EXPLAINED = """\
A docking station copies what a body-worn camera recorded, sends it to an archive, and erases it from the camera only after the
archive has proved that it holds the very same bytes. Each step is written into a log at once. The log is a hash tree: no line of
it can be changed, taken out or put in later without changing its root, which the dock signs. {witnessed}

The long numbers below are digests. A digest is the fingerprint of a file: whoever changes one bit of the file gets another. To
check a recording, compute its SHA-256 and compare.

This page is a reading of the evidence, not the evidence. That is in the files beside it, and any program that goes by the
published format can check them, dockd's own or another."""


@dataclass(frozen=True, slots=True)
class Heading:
    """The title of a section."""

    text: str


@dataclass(frozen=True, slots=True)
class Words:
    """A paragraph."""

    text: str


@dataclass(frozen=True, slots=True)
class Table:
    """Rows below the titles of their columns.

    Attributes:
        widths: of the columns, in parts of the whole.
    """

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    widths: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """One page, however long."""

    title: str
    parts: tuple[Heading | Words | Table, ...]


def report(gathered: Gathered, *, dock: str, made: str, entries: Sequence[Entry]) -> Document:
    """The page about all recordings of a bundle."""
    parts: list[Heading | Words | Table] = [Words(f"Dock {dock}. Made {made}.")]
    explained = _EXPLAINED.format(witnessed=_witnessed(gathered))
    parts += [Words(" ".join(each.split())) for each in explained.split("\n\n")]
    rows = tuple(_row(each) for each in gathered.recordings)
    parts += [Heading("Recordings"), Table(("File and recording", "Camera", "Bytes", "State"), rows, (55, 20, 13, 12))]
    stories: defaultdict[Json, list[Entry]] = defaultdict(list)
    for entry in entries:
        stories[entry.get("recording")].append(entry)
    for recording in gathered.recordings:
        parts += _story(recording, stories[recording.recording_id])
    parts += [Heading("The dock and the cameras in that time"), _timeline(stories[None])]
    parts += [
        Heading("The log"),
        Words(f"{len(gathered.entries)} of the log's {gathered.size} entries are shown."),
        Words(f"Root of the log: {gathered.root.hex()}"),
    ]
    return Document("Chain of custody", tuple(parts))


def _witnessed(gathered: Gathered) -> str:
    if gathered.cosigned is not None:
        return f"The archive witnessed that the log only grew, up to entry {gathered.cosigned[0]}."
    return "Nobody outside the dock witnessed that the log only grew; the dock's word stands alone for that."


def sanitisation(record: Mapping[str, Json]) -> Document:
    """The page of one sanitisation record."""
    long = ("erased", "left")
    rows = [(name.replace("_", " "), _said(value)) for name, value in record.items() if name not in long]
    parts: list[Heading | Words | Table] = [Table(("", ""), tuple(rows), (25, 75))]
    for name, title in zip(long, ("Erased", "Left on the camera"), strict=True):
        listed = record[name]
        lines = [Words(_said(each)) for each in listed] if isinstance(listed, list | tuple) else []
        parts += [Heading(title), *(lines or [Words("Nothing.")])]
    return Document("Sanitisation record", tuple(parts))


def _row(recording: Recording) -> tuple[str, ...]:
    size_bytes = recording.measured.size_bytes if recording.measured else recording.size_bytes
    name = f"{shown(recording.path)} ({recording.recording_id})"
    return name, recording.camera, str(size_bytes), recording.state.value


def _story(recording: Recording, entries: Sequence[Entry]) -> list[Heading | Words | Table]:
    parts: list[Heading | Words | Table] = [Heading(shown(recording.path))]
    parts.append(Words(f"Recording {recording.recording_id}, camera {recording.camera}."))
    if recording.measured is not None:
        digests = recording.measured.digests
        parts += [Words(f"SHA-256 {digests.sha256.hex()}"), Words(f"BLAKE3 {digests.blake3.hex()}")]
    return [*parts, _timeline(entries)]


def _timeline(entries: Sequence[Entry]) -> Table:
    rows = tuple((str(each["time"]), sentence(each), str(each["seq"])) for each in entries)
    return Table(("When (UTC)", "What", "Entry"), rows, (25, 67, 8))


def _said(value: Json) -> str:
    match value:
        case Mapping():
            return "; ".join(f"{name.replace('_', ' ')}: {_said(each)}" for name, each in value.items())
        case list() | tuple():
            return ", ".join(map(_said, value)) or "none"
        case None:
            return "not said"
        case _:
            return str(value)
