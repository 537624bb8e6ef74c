"""What sidecars say of recordings."""

import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

from dockd.camera.marking import Marker
from dockd.camera.tree import open_root, walk
from dockd.core.clearance import ScannedFile
from dockd.core.profile import CRITICAL, ROUTINE, MarkLines, Profile, classify
from dockd.errors import CameraGoneError, CameraUnknownError
from tests.sim.dock_here import dcf

MARKS = MarkLines(
    category=re.compile(r'tag(?:": *"|>|;)([^"<]+)'),
    first_amendment=re.compile("(ASSEMBLY)"),
    critical=re.compile("(SHOTS)"),
)
PROFILE = replace(dcf(), sidecars=("*.XML", "*.JSON", "*.CSV"), marks=MARKS)
CLIP = b"DCIM/A.MP4"


class Camera:
    """A tree and the one marker that looks at it."""

    def __init__(self, root: Path) -> None:
        self.root, self.marker, self.read = root, Marker(), 0
        (root / "DCIM").mkdir()
        (root / os.fsdecode(CLIP)).write_bytes(b"footage")

    def alive(self, count: int) -> None:
        """Count what was read."""
        self.read += count

    def scan(self, profile: Profile = PROFILE) -> dict[bytes, ScannedFile]:
        """Everything on the camera, marked, by path."""
        root = open_root(self.root)
        try:
            files = classify(profile, walk(root, lambda _: None))
            return {file.path: file for file in self.marker.marked(root, profile, files, self.alive)}
        finally:
            os.close(root)


@pytest.fixture
def camera(tmp_path: Path) -> Camera:
    """One recording without a sidecar."""
    return Camera(tmp_path)


@pytest.mark.parametrize(
    ("name", "text", "category"),
    [
        ("A.JSON", '{"size": 1, "tag": "At-large arrest", "x": 2}', "At-large arrest"),
        ("A.XML", "<clip>\n  <tag>search</tag>\n</clip>", "search"),
        ("A.CSV", "name;A\ntag;subpoena\ntag;other\n", "subpoena"),
        ("A.CSV", "tag;\x1b[2J\n", None),
        ("A.CSV", "tag; \n", None),
        ("A.CSV", "nothing\n", None),
        ("A.CSV", "tag;" + "x" * 100, "x" * 64),
    ],
)
def test_a_category_is_found_whatever_form_the_sidecar_has(camera: Camera, name: str, text: str, category: str | None) -> None:
    """For the recording and its sidecars alike; what could move a cursor is no category."""
    (camera.root / "DCIM" / name).write_text(text)
    found = camera.scan()
    assert {file.category for file in found.values()} == {category}
    assert {file.priority for file in found.values()} == {ROUTINE}


def test_marks_of_all_sidecars_count_together(camera: Camera) -> None:
    """Neither takes back what another says; a recording beside it is untouched."""
    (camera.root / "DCIM/A.CSV").write_text("SHOTS fired\n")
    (camera.root / "DCIM/A.XML").write_text("<tag>search</tag>\nASSEMBLY\n")
    (camera.root / "DCIM/B.MP4").write_bytes(b"footage")
    found = camera.scan()
    clip, other = found[CLIP], found[b"DCIM/B.MP4"]
    assert (clip.category, clip.first_amendment, clip.priority) == ("search", True, CRITICAL)
    assert found[b"DCIM/A.CSV"].priority == CRITICAL
    assert (other.category, other.first_amendment, other.priority) == (None, False, ROUTINE)


def test_a_sidecar_is_read_once_until_it_changes(camera: Camera) -> None:
    """Every round scans a camera anew."""
    sidecar = camera.root / "DCIM/A.CSV"
    sidecar.write_text("tag;search\n")
    camera.scan()
    inode = sidecar.stat()
    sidecar.write_text("tag;other!\n")
    os.utime(sidecar, ns=(inode.st_mtime_ns, inode.st_mtime_ns + 1))
    assert camera.scan()[CLIP].category == "other!"
    assert camera.read == 2


def test_a_profile_without_marks_reads_nothing(camera: Camera) -> None:
    """Most kinds of camera say nothing."""
    (camera.root / "DCIM/A.CSV").write_text("tag;search\n")
    assert camera.scan(replace(PROFILE, marks=None))[CLIP].category is None
    assert camera.read == 0


def test_marks_that_a_kind_of_camera_never_makes_are_not_looked_for(camera: Camera) -> None:
    """Each expression is optional."""
    (camera.root / "DCIM/A.CSV").write_text("tag;search\nASSEMBLY\nSHOTS\n")
    found = camera.scan(replace(PROFILE, marks=MarkLines()))[CLIP]
    assert (found.category, found.first_amendment, found.priority) == (None, False, ROUTINE)


def test_a_sidecar_that_cannot_be_read_marks_nothing(camera: Camera, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor one that is too large to be one; a camera that is gone is gone."""
    sidecar = camera.root / "DCIM/A.CSV"
    sidecar.write_text("tag;search\n" + " " * 70_000)
    assert camera.scan()[CLIP].category is None
    sidecar.write_text("tag;search\n")

    def fails(*_: object) -> bytes:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "read", fails)
    assert camera.scan()[CLIP].category is None
    sidecar.write_text("tag;search once more\n")

    def gone(*_: object) -> bytes:
        raise CameraGoneError("pulled")  # noqa: EM101 - as it is raised elsewhere

    monkeypatch.setattr(os, "read", gone)
    with pytest.raises(CameraGoneError):
        camera.scan()


def test_an_expression_that_never_ends_is_given_up(camera: Camera, monkeypatch: pytest.MonkeyPatch) -> None:
    """A camera chooses the text that it is searched in."""
    monkeypatch.setattr("dockd.camera.marking._SEARCH_CPU_S", 0.05)
    (camera.root / "DCIM/A.CSV").write_text("a" * 60 + "b\n")
    with pytest.raises(CameraUnknownError, match=r"marks of profile dcf take too long to search DCIM/A\.CSV"):
        camera.scan(replace(PROFILE, marks=MarkLines(category=re.compile("((?:a+)+)$"))))
