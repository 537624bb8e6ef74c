"""The eraser: it believes nobody, and what it was not shown to be the archive's it leaves."""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from blake3 import blake3

from dockd.camera.tree import open_root, walk
from dockd.clearance import eraser
from dockd.core.clearance import CameraScan, ClearancePermit
from dockd.core.holds import Holds
from dockd.core.profile import classify
from dockd.core.proof import Basis, StatementKind
from dockd.core.recording import Digests, Measured, StoredObject
from dockd.dsse import PinnedKeys
from dockd.errors import CameraGoneError, ClearanceRefusedError, EraseFailedError, ProofRefusedError
from tests.sim.camera_fs import CameraFs, fuse_missing
from tests.sim.cameras import make_camera
from tests.sim.dock_here import dcf
from tests.sim.evidence import DOCK, Notary, looked_at

needs_fuse = pytest.mark.skipif(bool(fuse_missing()), reason=fuse_missing())

CLIP = b"DCIM/100MEDIA/CLIP0001.MP4"
THUMB = b"DCIM/100MEDIA/CLIP0001.THM"
OTHER = b"DCIM/100MEDIA/CLIP0002.MP4"


@dataclass(slots=True)
class Bench:
    """A camera, an archive's notary, and what the eraser is asked."""

    camera: Path
    root: int
    notary: Notary

    def scan(self) -> CameraScan:
        """A walk made now."""
        return CameraScan("CAM-1", classify(dcf(), walk(self.root, _quiet)))

    def examine(self, *paths: bytes) -> eraser.Examination:
        """What the eraser sees itself."""
        return eraser.examine(self.root, self.scan(), paths, lambda _path, _count: None)

    def stored(self, path: bytes) -> StoredObject:
        """Where the archive holds the file as it is now."""
        content = (self.camera / path.decode()).read_bytes()
        measured = Measured(len(content), Digests(blake3(content).digest(), hashlib.sha256(content).digest()))
        name = hashlib.sha256(path).hexdigest()[:32]
        return StoredObject("archive", name, f"http://127.0.0.1:1/files/{name}", "ab" * 16, name, measured)

    def demand(self, path: bytes, nonce: str, *, camera: str = "CAM-1") -> eraser.Demand:
        """A demand with a true and fresh statement."""
        stored = self.stored(path)
        statement = self.notary.statement(stored, kind=StatementKind.HOLDING, nonce=nonce, camera=camera)
        return eraser.Demand(stored.recording_id, path, stored, self.notary.key.envelope(statement))

    def permit(self, seen: eraser.Examination, *demands: eraser.Demand, holds: Holds | None = None) -> ClearancePermit:
        """What the eraser makes of demands."""
        keys = PinnedKeys(self.notary.key.public_text)
        return eraser.permit(seen, demands, keys, dock=DOCK, docking="d1", holds=holds or Holds())

    def there(self) -> set[bytes]:
        """What is on the camera."""
        return {each.path for each in walk(self.root, _quiet)} - {b"MISC/CAMERA.TXT"}


def _quiet(_: int) -> None:
    """Nobody listens."""


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """Two recordings with sidecars."""
    make_camera(tmp_path / "camera", "CAM-1", recordings=2, size_bytes=10_000)
    root = open_root(tmp_path / "camera")
    yield Bench(tmp_path / "camera", root, Notary())
    os.close(root)


def test_exactly_what_is_covered_is_erased(bench: Bench) -> None:
    """A recording with its sidecar goes, the other stays and is named."""
    seen = bench.examine(CLIP, THUMB)
    leave = bench.permit(seen, bench.demand(CLIP, seen.nonce), bench.demand(THUMB, seen.nonce))
    assert set(eraser.erase(bench.root, leave, _quiet)) == {CLIP, THUMB}
    assert bench.there() == {OTHER, b"DCIM/100MEDIA/CLIP0002.THM"}
    assert {left.path for left in leave.left} >= {OTHER}


def test_statement_over_an_older_nonce_erases_nothing(bench: Bench) -> None:
    """An old statement, however true it was, is no proof for this examination."""
    before, seen = bench.examine(CLIP, THUMB), bench.examine(CLIP, THUMB)
    assert before.nonce != seen.nonce
    with pytest.raises(ProofRefusedError, match="nonce"):
        bench.permit(seen, bench.demand(CLIP, before.nonce))


def test_statement_about_another_camera_erases_nothing(bench: Bench) -> None:
    """The archive's word for another camera's file is not this one's."""
    seen = bench.examine(CLIP)
    with pytest.raises(ProofRefusedError, match="camera"):
        bench.permit(seen, bench.demand(CLIP, seen.nonce, camera="CAM-2"))


def test_statement_of_a_key_that_is_not_pinned_erases_nothing(bench: Bench) -> None:
    """Anyone can sign; only the pinned archive proves."""
    seen = bench.examine(CLIP)
    demand = bench.demand(CLIP, seen.nonce)
    bench.notary = Notary()
    with pytest.raises(ProofRefusedError, match="signature"):
        bench.permit(seen, demand)


def test_receipt_is_not_a_fresh_statement(bench: Bench) -> None:
    """A receipt proves that the archive once had it, not that it has it now."""
    seen = bench.examine(CLIP)
    stored = bench.stored(CLIP)
    receipt = bench.notary.statement(stored, kind=StatementKind.RECEIPT, nonce=seen.nonce, camera="CAM-1")
    demand = eraser.Demand(stored.recording_id, CLIP, stored, bench.notary.key.envelope(receipt))
    with pytest.raises(ProofRefusedError, match="type"):
        bench.permit(seen, demand)


def test_one_lie_among_truths_erases_nothing_at_all(bench: Bench) -> None:
    """If one statement of many is wrong, someone is lying, and nothing goes."""
    seen = bench.examine(CLIP, OTHER)
    with pytest.raises(ProofRefusedError):
        bench.permit(seen, bench.demand(OTHER, seen.nonce), replace(bench.demand(CLIP, seen.nonce), envelope=b"{}"))
    assert CLIP in bench.there()


def test_bytes_that_differ_from_the_archives_stay(bench: Bench) -> None:
    """A true statement about other bytes than the camera's covers nothing."""
    demand_of = bench.stored(CLIP)
    (bench.camera / CLIP.decode()).write_bytes(b"other bytes")
    seen = bench.examine(CLIP)
    statement = bench.notary.statement(demand_of, kind=StatementKind.HOLDING, nonce=seen.nonce, camera="CAM-1")
    demand = eraser.Demand(demand_of.recording_id, CLIP, demand_of, bench.notary.key.envelope(statement))
    with pytest.raises(ClearanceRefusedError, match="not those that the archive holds"):
        bench.permit(seen, demand)


@pytest.mark.parametrize("holds", [Holds(cameras=frozenset({"CAM-1"})), "recording"])
def test_hold_is_stronger_than_every_proof(holds: Holds | str, bench: Bench) -> None:
    """With everything proved, a hold still keeps it."""
    seen = bench.examine(CLIP, THUMB)
    demand = bench.demand(CLIP, seen.nonce)
    placed = holds if isinstance(holds, Holds) else Holds(recordings=frozenset({demand.recording_id}))
    with pytest.raises(ClearanceRefusedError, match="hold"):
        bench.permit(seen, demand, bench.demand(THUMB, seen.nonce), holds=placed)


@pytest.mark.parametrize("how", ["rewritten", "replaced", "link"])
def test_file_that_changed_after_the_examination_stays(how: str, bench: Bench) -> None:
    """Between re-hash and erasing the file must not have been touched, by whomever."""
    seen = bench.examine(CLIP, THUMB)
    leave = bench.permit(seen, bench.demand(CLIP, seen.nonce), bench.demand(THUMB, seen.nonce))
    place = bench.camera / THUMB.decode()
    if how == "rewritten":
        place.write_bytes(place.read_bytes())
    elif how == "replaced":
        place.with_name("new").write_bytes(place.read_bytes())
        place.with_name("new").rename(place)
    else:
        place.rename(bench.camera / "kept")
        place.symlink_to("../../kept")
    with pytest.raises(EraseFailedError, match="changed after"):
        eraser.erase(bench.root, leave, _quiet)
    assert {CLIP, THUMB} <= bench.there()


def test_file_that_changed_after_the_scan_is_not_rehashed(bench: Bench) -> None:
    """What is not any more what the scan saw has no re-hash; the others are read."""
    scan = bench.scan()
    (bench.camera / CLIP.decode()).write_bytes(b"new")
    (bench.camera / "DCIM/100MEDIA/link.MP4").symlink_to("x")
    seen = eraser.examine(bench.root, scan, [CLIP, OTHER, b"never there", b"DCIM/100MEDIA/link.MP4"], lambda _p, _c: None)
    assert set(seen.rehashes) == {OTHER}


def test_file_that_changes_while_it_is_rehashed_has_none(bench: Bench) -> None:
    """A file that is written during its re-hash proves nothing."""

    def touch(path: bytes, _: int) -> None:
        with (bench.camera / path.decode()).open("ab") as file:
            file.write(b"more")

    assert eraser.examine(bench.root, bench.scan(), [CLIP], touch).rehashes == {}


@needs_fuse
@pytest.mark.parametrize("trouble", ["bad sector", "pulled"])
def test_file_that_cannot_be_read_again_is_left(trouble: str, bench: Bench) -> None:
    """A bad sector keeps its file and no other; a pulled camera ends the examination."""
    with CameraFs(bench.camera) as mounted:
        root = open_root(mounted.mount)
        scan = CameraScan("CAM-1", classify(dcf(), walk(root, _quiet)))
        try:
            if trouble == "bad sector":
                mounted.unreadable(CLIP)
                assert set(eraser.examine(root, scan, [CLIP, OTHER], lambda _p, _c: None).rehashes) == {OTHER}
            else:
                mounted.pull_at(OTHER, 4096)
                with pytest.raises(CameraGoneError):
                    eraser.examine(root, scan, [CLIP, OTHER], lambda _p, _c: None)
                with pytest.raises(CameraGoneError):
                    eraser.examine(root, scan, [CLIP], lambda _p, _c: None)
        finally:
            os.close(root)


@needs_fuse
@pytest.mark.parametrize("how", ["refused", "lies", "pulled"])
def test_camera_that_does_not_erase_is_never_reported_as_erased(how: str, bench: Bench) -> None:
    """A refusal, a lie and a pull are each told apart."""
    with CameraFs(bench.camera) as mounted:
        bench.root, old = open_root(mounted.mount), bench.root
        try:
            seen = bench.examine(CLIP, THUMB)
            leave = bench.permit(seen, bench.demand(CLIP, seen.nonce), bench.demand(THUMB, seen.nonce))
            if how == "refused":
                mounted.refuse_unlink(CLIP, error="EPERM")
                with pytest.raises(EraseFailedError, match="does not delete"):
                    eraser.erase(bench.root, leave, _quiet)
                assert THUMB not in bench.there()
            elif how == "lies":
                mounted.unlink_lies()
                with pytest.raises(EraseFailedError, match="still shows 2 deleted files"):
                    eraser.erase(bench.root, leave, _quiet)
            else:
                mounted.pull()
                with pytest.raises(CameraGoneError):
                    eraser.erase(bench.root, leave, _quiet)
                mounted.restore()
                assert {CLIP, THUMB} <= bench.there()
        finally:
            os.close(bench.root)
            bench.root = old


def test_what_nobody_signed_is_taken_only_where_there_are_no_keys(bench: Bench) -> None:
    """And a signature is no record of a look: neither stands in for the other."""
    seen = bench.examine(CLIP, THUMB)

    def observed(path: bytes, nonce: str = seen.nonce) -> eraser.Demand:
        stored = bench.stored(path)
        return eraser.Demand(stored.recording_id, path, stored, looked_at(stored, nonce, camera="CAM-1"))

    demands = [observed(CLIP), observed(THUMB)]
    leave = eraser.permit(seen, demands, None, dock=DOCK, docking="d1", holds=Holds())
    assert {each.holding.basis for each in leave.covered} == {Basis.READ_BACK}
    with pytest.raises(ProofRefusedError, match="proves nothing"):
        bench.permit(seen, *demands)
    with pytest.raises(ProofRefusedError, match="not the record of an observation"):
        eraser.permit(seen, [bench.demand(CLIP, seen.nonce)], None, dock=DOCK, docking="d1", holds=Holds())
    older = observed(CLIP, "ab" * 16)
    with pytest.raises(ProofRefusedError, match="nonce"):
        eraser.permit(seen, [older], None, dock=DOCK, docking="d1", holds=Holds())
