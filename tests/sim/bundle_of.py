"""A dock's journal with a story worth telling, its keys, the archive that witnessed it, and the bundles that are made of it."""

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from dockd.core import life
from dockd.core.custody import (
    CameraCleared,
    CameraDocked,
    Change,
    ClearanceBegun,
    DockingEnded,
    HoldPlaced,
    Noted,
    RecordingSeen,
    Stepped,
    UploadPlaced,
)
from dockd.core.erasure import Erasure, Method
from dockd.core.note import Checkpoint, Note, origin_of
from dockd.core.recording import Refusal, ResumePoint
from dockd.dsse import SigningKey
from dockd.evidence.bundle import Maker
from dockd.evidence.exporting import export
from dockd.evidence.gathering import Wish
from dockd.evidence.reading import Files, written_zip
from dockd.journal import Journal
from tests.sim.consignments import HurriedClock
from tests.sim.evidence import DOCK, NOW, Notary, archived, seen, stored, verified

ERASED, KEPT, OTHER, LATER = "1" * 32, "2" * 32, "3" * 32, "5" * 32
CONTENT = {ERASED: b"first recording", KEPT: b"second recording, \xff", OTHER: b"of another camera", LATER: b"under a new key"}
_TIME_S = 1_790_000_000


@dataclass(slots=True)
class Story:
    """A journal in a folder of its own, with an erased and an archived recording of camera C1 and one of camera C2.

    `archive` signs as it does now, `formerly` as it did before.
    """

    folder: Path
    key: SigningKey = field(default_factory=SigningKey.generate)
    archive: Notary = field(default_factory=Notary)
    formerly: tuple[Notary, ...] = ()

    @property
    def journal(self) -> Path:
        """Where it lies."""
        return self.folder / "journal.sqlite"

    def maker(self, made: datetime = NOW) -> Maker:
        """In whose name bundles are made of it."""
        return Maker(DOCK, self.key, tuple(each.key.public_text for each in (self.archive, *self.formerly)), None, made)

    def bundle(self, wish: Wish | None = None, media: Path | None = None) -> Files:
        """The bundle about what `wish` names, else about both recordings of C1."""
        return export(self.journal, wish or Wish(camera="C1"), self.maker(), media)

    async def record(self, *changes: Change) -> None:
        """More happens."""
        journal = await Journal.open(self.journal, HurriedClock())
        try:
            await journal.record(*changes)
        finally:
            await journal.close()

    async def rotate(self) -> None:
        """The archive gets another key, archives one more recording of C1 with it, and witnesses that."""
        self.formerly, self.archive = (self.archive, *self.formerly), Notary()
        for change in _archiving(self, LATER, "C1", "d1"):
            await self.record(change)
        await self.witness()

    async def grow(self) -> None:
        """Something happens that the archive has not witnessed."""
        await self.record(Noted("daemon.stopped", {"version": "1.2", "dock": DOCK}), DockingEnded("d1", "again"))

    async def witness(self) -> None:
        """The archive cosigns the log as it is."""
        journal = await Journal.open(self.journal, HurriedClock())
        try:
            head = await journal.tree_head()
            assert head is not None
            note = self.key.checkpoint(Checkpoint(origin_of(DOCK, head.first_leaf), head.size, head.root))
            line = self.archive.key.cosign("archive", note.text, _TIME_S)
            await journal.keep_checkpoint(head.size, Note(note.text, (*note.signatures, line)).encode())
        finally:
            await journal.close()


def container(files: Files) -> bytes:
    """The .zip of a bundle."""
    return written_zip(files)


async def tell(folder: Path, *, witnessed: bool = True) -> Story:
    """The story, from the dock's start to the end of its two dockings."""
    story = Story(folder)
    journal = await Journal.create(story.journal, HurriedClock())
    try:
        await journal.record(Noted("daemon.started", {"version": "1.2", "dock": DOCK}))
        await journal.record(CameraDocked("d1", "C1", "dcf", "1", "badge 7"), CameraDocked("d2", "C2", "dcf", "2", None))
        for recording, camera, docking in ((ERASED, "C1", "d1"), (OTHER, "C2", "d2"), (KEPT, "C1", "d1")):
            for change in _archiving(story, recording, camera, docking):
                await journal.record(change)
        one = archived(seen(ERASED), CONTENT[ERASED])
        permit = story.archive.permit([(one, CONTENT[ERASED])])
        await journal.record(HoldPlaced("recording", KEPT, "anna (uid 7)", "case <7>"))
        await journal.record(ClearanceBegun(permit, Method.DELETE))
        await journal.record(Stepped(ERASED, life.Erased(permit)), CameraCleared(permit, Erasure(Method.DELETE, 1)))
        await journal.record(DockingEnded("d1", "the camera was taken out"), DockingEnded("d2", "the camera was taken out"))
    finally:
        await journal.close()
    if witnessed:
        await story.witness()
    return story


def _archiving(story: Story, name: str, camera: str, docking: str) -> list[Change]:
    content = CONTENT[name]
    recording = seen(name, camera=camera, docking=docking, path=b"DCIM/%b.MP4" % name[:1].encode(), size_bytes=len(content))
    at = stored(recording, content)
    return [
        RecordingSeen(recording),
        Stepped(name, life.CopyStarted()),
        Stepped(name, life.CopyVerified(verified(name, content))),
        Stepped(name, life.UploadStarted()),
        UploadPlaced(name, ResumePoint(at.url, at.nonce)),
        Stepped(name, life.UploadProved(story.archive.receipt(at, camera=camera), at)),
    ]


def refused(recording: str, *, camera: str = "C1", docking: str = "d1") -> list[Change]:
    """A recording that was never copied."""
    found = seen(recording, camera=camera, docking=docking, path=b"DCIM/%b.MP4" % recording[:1].encode())
    return [
        RecordingSeen(found),
        Stepped(recording, life.Refused(Refusal("source-unreadable", "It cannot be read.", "Keep it."))),
    ]
