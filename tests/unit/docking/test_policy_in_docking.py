"""What the agency's policy makes of a camera's recordings, from the bay to the archive."""

import json
import re
from dataclasses import replace
from pathlib import Path

from dockd.core.policy import Category, Policy
from dockd.core.profile import MarkLines
from dockd.core.recording import State
from dockd.dock.live import Orders
from tests.sim.archive import SimArchive
from tests.sim.cameras import make_camera
from tests.sim.dock_here import DockHere, dcf, dock_here

POLICY = Policy((Category("search", 1000, urgent=True), Category("public-contact", 100)), retain_days=30)
PROFILE = replace(
    dcf(),
    sidecars=("*.TXT",),
    marks=MarkLines(re.compile("tag: (.*)"), re.compile("(ASSEMBLY)"), re.compile("(SHOTS)")),
)


def at_rest(dock: DockHere, files: int) -> bool:
    """Whether the bay is done with so many files."""
    states = [each.recording.state for each in dock.bay().present.values()]
    return (
        dock.bay().phase == "resting" and len(states) == files and State.UPLOADING not in states and State.VERIFIED not in states
    )


async def test_categories_marks_and_holds_come_from_the_camera(tmp_path: Path) -> None:
    """Each recording is kept as long as its category says, the unknown ones longest; what a supervisor must see stays on it."""
    camera = tmp_path / "camera"
    make_camera(camera, "CAM-1", recordings=4, size_bytes=50_000, sidecars=False)
    media = camera / "DCIM/100MEDIA"
    (media / "CLIP0001.TXT").write_text("tag: Public Contact\n")
    (media / "CLIP0002.TXT").write_text("tag: search\n")
    (media / "CLIP0003.TXT").write_text("tag: public-contact\nASSEMBLY\n")
    (media / "CLIP0004.TXT").write_text("SHOTS\n")
    archive = SimArchive()
    async with dock_here(tmp_path / "spool", archive) as dock:
        dock.dock.live.now = Orders(may_erase=True, policy=POLICY, assigned={"CAM-1": "A. Smith"})
        dock.insert(camera, profile=PROFILE)
        await dock.until(lambda: at_rest(dock, 8))
        sent = [(each.consignment.name, each.consignment) for each in archive.uploads.values()]
        assert [name for name, _ in sent][:4] == [
            *("DCIM/100MEDIA/CLIP0004.MP4", "DCIM/100MEDIA/CLIP0004.TXT"),
            *("DCIM/100MEDIA/CLIP0002.MP4", "DCIM/100MEDIA/CLIP0002.TXT"),
        ], "the critical incident first, then what is urgent"
        told = {name[-8:]: (each.category, each.retain_days, each.first_amendment) for name, each in sent if name.endswith("MP4")}
        assert told == {
            "0001.MP4": ("public-contact", 100, False),
            "0002.MP4": ("search", 1000, False),
            "0003.MP4": ("public-contact", 1000, True),
            "0004.MP4": ("uncategorised", 1000, False),
        }
        assert sorted(path.name for path in media.iterdir()) == ["CLIP0003.MP4", "CLIP0003.TXT"]
        assert len((await dock.dock.journal.holds()).recordings) == 2
        entries = [json.loads(each.entry) for each in await dock.dock.journal.custody()]
        (another,) = [entry for entry in entries if entry["event"] == "camera.used-by-another"]
        assert (another["assigned"], another["officer"]) == ("A. Smith", "badge 4711")


async def test_a_sidecar_that_comes_later_marks_its_recording(tmp_path: Path) -> None:
    """Some cameras write them when they are put into the dock."""
    camera = tmp_path / "camera"
    make_camera(camera, "CAM-1", recordings=1, size_bytes=50_000, sidecars=False)
    async with dock_here(tmp_path / "spool", SimArchive(), may_erase=False) as dock:
        dock.dock.live.now = Orders(policy=POLICY)
        dock.insert(camera, profile=PROFILE)
        await dock.until(lambda: at_rest(dock, 1))
        (camera / "DCIM/100MEDIA/CLIP0001.TXT").write_text("tag: search\nASSEMBLY\n")
        dock.change()
        await dock.until(lambda: at_rest(dock, 2))
        assert {each.category for each in await dock.recordings()} == {"search"}
        assert all(each.first_amendment for each in await dock.recordings())
        assert len((await dock.dock.journal.holds()).recordings) == 2


async def test_officer_is_whom_the_site_file_assigns_where_the_camera_names_nobody(tmp_path: Path) -> None:
    """So that the screen greets somebody."""
    camera = tmp_path / "camera"
    make_camera(camera, "CAM-1", recordings=1, size_bytes=1000, sidecars=False)
    (camera / "MISC/CAMERA.TXT").write_text("serial: CAM-1\n")
    async with dock_here(tmp_path / "spool", SimArchive(), may_erase=False) as dock:
        dock.dock.live.now = Orders(assigned={"CAM-1": "A. Smith"})
        dock.insert(camera)
        await dock.until(lambda: at_rest(dock, 1))
        assert dock.bay().officer == "A. Smith"
        assert "camera.used-by-another" not in await dock.events()
