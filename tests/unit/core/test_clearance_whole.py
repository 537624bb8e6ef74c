"""Leave to overwrite a whole disk: only if nothing at all would be lost that the archive does not hold."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dockd.core.clearance import CameraScan, FileKind, NoClearanceError, OverwritePermit, ScannedFile, permit_clear
from dockd.core.holds import Holds
from tests.sim.evidence import identity_of
from tests.unit.core.test_clearance import NONCE, Evidence

CLIP, OTHER, SIDECAR, FACTS = b"DCIM/1.MP4", b"DCIM/2.MP4", b"DCIM/1.THM", b"MISC/CAMERA.TXT"


def whole(evidence: Evidence, *obstacles: str) -> OverwritePermit:
    """What the core makes of it."""
    return permit_clear(
        camera=evidence.camera,
        docking="d1",
        nonce=evidence.nonce,
        scan=CameraScan(evidence.serial, tuple(evidence.files[path] for path in sorted(evidence.files))),
        rehashes=evidence.rehashes,
        claims=evidence.claims,
        holds=evidence.holds,
        obstacles=obstacles,
    )


def proved() -> Evidence:
    """A camera on which everything is proved, with a file of facts that its profile lets be."""
    evidence = Evidence()
    evidence.add(CLIP)
    evidence.add(SIDECAR, sidecar_of=CLIP)
    evidence.add(OTHER)
    evidence.files[FACTS] = ScannedFile(FACTS, FileKind.IGNORABLE, identity_of(FACTS, b"serial: C1"))
    return evidence


def test_a_camera_that_is_proved_whole_may_be_overwritten() -> None:
    """Every recording is covered, and what the profile lets be is named."""
    permit = whole(proved())
    assert {each.path for each in permit.clearance.covered} == {CLIP, SIDECAR, OTHER}
    assert permit.ignored == (FACTS,)
    assert permit.clearance.nonce == NONCE


def test_one_obstacle_is_enough() -> None:
    """A part that nobody looked at may hold anything; every obstacle is named."""
    with pytest.raises(NoClearanceError, match="partition 2 was not looked through; its file system was not closed"):
        whole(proved(), "partition 2 was not looked through", "its file system was not closed")


def test_one_unproved_file_keeps_all_of_it() -> None:
    """What would only stay behind when files are deleted forbids overwriting, and is named."""
    evidence = proved()
    evidence.claims = [claim for claim in evidence.claims if claim.path != OTHER]
    with pytest.raises(NoClearanceError) as caught:
        whole(evidence)
    assert [left.path for left in caught.value.left] == [OTHER]


@pytest.mark.parametrize("kind", [FileKind.UNKNOWN, FileKind.UNREADABLE])
def test_a_file_that_nobody_knows_keeps_all_of_it(kind: FileKind) -> None:
    """It may be evidence."""
    evidence = proved()
    evidence.files[b"X"] = ScannedFile(b"X", kind, identity_of(b"X", b"x"))
    with pytest.raises(NoClearanceError) as caught:
        whole(evidence)
    assert [left.path for left in caught.value.left] == [b"X"]


def test_an_ignorable_folder_that_cannot_be_listed_keeps_all_of_it() -> None:
    """The profile lets it be, but nobody knows what is in it."""
    evidence = proved()
    evidence.files[b"lost+found"] = ScannedFile(b"lost+found", FileKind.IGNORABLE, None, problem="cannot be listed")
    with pytest.raises(NoClearanceError) as caught:
        whole(evidence)
    assert [left.path for left in caught.value.left] == [b"lost+found"]


def test_a_recording_without_content_keeps_all_of_it() -> None:
    """A camera that lost power may have left its last recording where only its file system's repair finds it."""
    evidence = proved()
    before = evidence.files[OTHER]
    assert before.identity is not None
    empty = replace(before.identity, size_bytes=0)
    evidence.files[OTHER] = replace(before, identity=empty)
    evidence.rehashes[OTHER] = replace(evidence.rehashes[OTHER], identity=empty)
    with pytest.raises(NoClearanceError) as caught:
        whole(evidence)
    assert [(left.path, left.reason) for left in caught.value.left] == [(OTHER, "it has no content")]


@pytest.mark.parametrize("holds", [Holds(cameras=frozenset({"C1"})), Holds(recordings=frozenset({OTHER.decode()}))])
def test_a_hold_on_any_of_it_keeps_all_of_it(holds: Holds) -> None:
    """Of the camera, or of one recording."""
    evidence = proved()
    evidence.holds = holds
    with pytest.raises(NoClearanceError):
        whole(evidence)


def test_nobody_else_makes_the_permit() -> None:
    """It carries the rule, so it is made where the rule is checked."""
    permit = whole(proved())
    with pytest.raises(RuntimeError, match="only permit_clear"):
        OverwritePermit(permit.clearance, (), object())


@settings(deadline=None)  # real signatures, on a machine that may be busy
@given(st.data())
def test_it_covers_everything_or_is_not_made(data: st.DataObject) -> None:
    """Whatever is wrong with whichever file: a permit that exists leaves nothing that is not ignorable and whole."""
    evidence = Evidence()
    for number in range(data.draw(st.integers(1, 4))):
        path = b"DCIM/%d.MP4" % number
        evidence.add(path, kind=data.draw(st.sampled_from(FileKind)))
        match data.draw(st.sampled_from(["nothing", "nothing", "unclaimed", "unread", "problem", "empty"])):
            case "unclaimed":
                evidence.claims.pop()
            case "unread":
                del evidence.rehashes[path]
            case "problem":
                evidence.files[path] = replace(evidence.files[path], problem="it is damaged")
            case "empty":
                identity = replace(identity_of(path, b""), size_bytes=0)
                evidence.files[path] = replace(evidence.files[path], identity=identity)
                evidence.rehashes[path] = replace(evidence.rehashes[path], identity=identity)
            case _:
                pass
    scan = CameraScan("C1", tuple(evidence.files[path] for path in sorted(evidence.files)))
    try:
        permit = whole(evidence)
    except NoClearanceError:
        evidential = [file for file in scan.files if file.kind is not FileKind.IGNORABLE]
        assert not evidential or not all(_harmless(evidence, file) for file in scan.files)
        return
    covered = {each.path for each in permit.clearance.covered}
    for file in scan.files:
        assert file.identity is not None
        assert not file.problem
        assert (file.path in covered and file.identity.size_bytes > 0) != (file.kind is FileKind.IGNORABLE)


def _harmless(evidence: Evidence, file: ScannedFile) -> bool:
    """Whether nothing was done to a file that forbids a clear."""
    if file.problem or file.kind is FileKind.IGNORABLE:
        return not file.problem
    claimed = any(claim.path == file.path for claim in evidence.claims)
    sound = file.identity is not None and file.identity.size_bytes > 0
    return file.kind in {FileKind.RECORDING, FileKind.SIDECAR} and claimed and file.path in evidence.rehashes and sound
