"""From the camera into the spool: every file exactly, or refused with a reason, whatever it is called and however long it is."""

import fcntl
import hashlib
import os
import subprocess
from pathlib import Path

import pytest
from blake3 import blake3

from dockd import durable, medium
from dockd.camera import tree
from dockd.core.manifest import Manifest
from dockd.core.names import from_shown
from dockd.errors import CameraGoneError, SpoolBrokenError, SpoolFullError
from dockd.offload import messages
from dockd.offload.handful import SMALL_BYTES
from dockd.offload.pipeline import STEP_BYTES
from tests.sim.camera_fs import CameraFs, fuse_missing
from tests.sim.cameras import deterministic_bytes, make_camera, make_zoo, write_file
from tests.unit.offload.conftest import Bench, id_of, job_of

needs_fuse = pytest.mark.skipif(bool(fuse_missing()), reason=fuse_missing())

CLIP = b"DCIM/100MEDIA/CLIP0001.MP4"
PIECE = medium.PIECE_BYTES
SIZES = (0, 1, 4095, 4096, 4097, 512 * 1024, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, (1 << 20) - 1, (1 << 20) + 1, (4 << 20) + 1)


@pytest.mark.parametrize("size_bytes", sorted(set(SIZES)))
def test_file_of_every_awkward_length_is_copied_exactly(size_bytes: int, bench: Bench) -> None:
    """At, before and behind every boundary the copy is the file, to the byte, with both digests and its manifest."""
    digest = write_file(bench.camera, CLIP, size_bytes, "length")
    bench.copy(bench.jobs())
    evidence = bench.copied()[id_of(CLIP)]
    assert (evidence.from_camera.size_bytes, evidence.from_camera.digests.sha256.hex()) == (size_bytes, digest)
    assert bench.sha256(CLIP) == digest
    assert bench.spool.path_of(id_of(CLIP)).stat().st_size == size_bytes
    assert bench.read_bytes(CLIP) == size_bytes
    manifest = bench.spool.manifest(id_of(CLIP))
    assert isinstance(manifest, Manifest)
    assert (manifest.path, manifest.measured) == (CLIP, evidence.from_camera)
    assert bench.listing() == {id_of(CLIP), f"{id_of(CLIP)}.json"}


def test_zoo_is_copied_to_the_byte_and_nothing_else(bench: Bench) -> None:
    """Every name that Linux allows is data: each plain file arrives, nothing is opened that is none, nothing lands elsewhere."""
    make_camera(bench.camera, "CAM-1", recordings=0)
    zoo = make_zoo(bench.camera)
    bench.copy(bench.jobs())
    copied = bench.copied()
    reachable = {path: digest for path, digest in zoo.files.items() if path.count(b"/") < 32}
    assert {path: copied[id_of(path)].from_camera.digests.sha256.hex() for path in reachable} == reachable
    assert {path: bench.sha256(path) for path in reachable} == reachable
    assert bench.skipped() == {}
    manifests = {manifest.path for _, manifest in bench.spool.manifests() if manifest is not None}
    assert manifests == set(reachable) | {b"MISC/CAMERA.TXT"}
    names = bench.listing()
    assert names == {name for path in manifests for name in (id_of(path), f"{id_of(path)}.json")}


def test_sparse_file_of_more_than_four_gib_is_copied_whole(bench: Bench) -> None:
    """A length that 32 bits do not hold: the digest is that of b3sum over the source, and the spool holds as much."""
    place = bench.camera / "LONG.MP4"
    size_bytes = (4 << 30) + 4097
    with place.open("wb") as file:
        file.truncate(size_bytes)
        file.seek((4 << 30) - 5)
        file.write(b"across the boundary")
    wanted = subprocess.run(["b3sum", "--no-names", place], check=True, capture_output=True, text=True).stdout.strip()
    bench.copy(bench.jobs())
    evidence = bench.copied()[id_of(b"LONG.MP4")]
    assert (evidence.from_camera.size_bytes, evidence.from_camera.digests.blake3.hex()) == (size_bytes, wanted)
    bench.spool.discard(id_of(b"LONG.MP4"))
    assert bench.listing() == set()


def test_ten_thousand_small_files_are_all_copied(bench: Bench) -> None:
    """Many small files are many small files: each is there, in a bounded number of reports."""
    (bench.camera / "DCIM").mkdir()
    for number in range(10_000):
        (bench.camera / f"DCIM/{number:05}.JPG").write_bytes(b"%d" % number)
    bench.copy(bench.jobs())
    copied = bench.copied()
    assert len(copied) == 10_000
    for number in (0, 777, 9_999):
        path = b"DCIM/%05d.JPG" % number
        assert bench.spool.path_of(id_of(path)).read_bytes() == b"%d" % number
    assert len(bench.listing()) == 20_000


def test_hard_links_are_two_recordings(bench: Bench) -> None:
    """Two names of one file are two files on the camera, and two in the spool."""
    digest = write_file(bench.camera, CLIP, 5000, "linked")
    os.link(bench.camera / CLIP.decode(), bench.camera / "SECOND.MP4")
    bench.copy(bench.jobs())
    assert bench.sha256(CLIP) == bench.sha256(b"SECOND.MP4") == digest
    one, other = (bench.spool.path_of(id_of(path)).stat().st_ino for path in (CLIP, b"SECOND.MP4"))
    assert one != other


@needs_fuse
def test_file_that_grows_or_changes_during_the_copy_is_not_taken(bench: Bench) -> None:
    """What changed while it was read is no copy of anything; the other files go on."""
    digests = make_camera(bench.camera, "CAM-1", recordings=2, size_bytes=3 << 20, sidecars=False)
    with CameraFs(bench.camera) as mounted:
        mounted.grow(CLIP, every_read=100)
        bench.camera = mounted.mount
        bench.copy(bench.jobs([CLIP, b"DCIM/100MEDIA/CLIP0002.MP4"]))
    assert bench.skipped()[CLIP].code == "source-changed"
    assert bench.skipped()[CLIP].transient
    assert set(bench.copied()) == {id_of(b"DCIM/100MEDIA/CLIP0002.MP4")}
    assert bench.sha256(b"DCIM/100MEDIA/CLIP0002.MP4") == digests[b"DCIM/100MEDIA/CLIP0002.MP4"]
    assert id_of(CLIP) not in bench.listing()


def test_file_that_shrank_after_the_scan_is_not_taken(bench: Bench) -> None:
    """Shorter, longer, replaced or gone since the scan: skipped in words, for the next round to look at."""
    write_file(bench.camera, CLIP, 100_000, "one")
    write_file(bench.camera, b"GONE.MP4", 10, "two")
    jobs = bench.jobs()
    os.truncate(bench.camera / CLIP.decode(), 50_000)
    (bench.camera / "GONE.MP4").unlink()
    bench.copy(jobs)
    assert {path: (each.code, each.transient) for path, each in bench.skipped().items()} == {
        CLIP: ("source-changed", True),
        b"GONE.MP4": ("source-changed", True),
    }
    assert bench.copied() == {}


def test_file_that_is_swapped_during_the_copy_is_not_taken(bench: Bench) -> None:
    """The name must still lead to the file that was read."""
    write_file(bench.camera, CLIP, 3 * PIECE, "one")
    write_file(bench.camera, b"OTHER.MP4", 3 * PIECE, "two")
    place = bench.camera / CLIP.decode()

    def swap(report: messages.Report) -> None:
        if isinstance(report, messages.Moved) and (bench.camera / "OTHER.MP4").exists():
            (bench.camera / "OTHER.MP4").rename(place)

    bench.copy(bench.jobs([CLIP]), swap)
    assert bench.skipped()[CLIP].code == "source-changed"


def test_file_that_is_deleted_during_the_copy_is_not_taken(bench: Bench) -> None:
    """The camera deletes while the dock reads: the copy would be of nothing that is there."""
    write_file(bench.camera, CLIP, 3 * PIECE, "one")
    (bench.camera / "KEPT").write_bytes(b"")

    def delete(report: messages.Report) -> None:
        if isinstance(report, messages.Moved):
            (bench.camera / CLIP.decode()).unlink(missing_ok=True)

    bench.copy(bench.jobs([CLIP]), delete)
    assert "no longer on the camera" in bench.skipped()[CLIP].message


@needs_fuse
@pytest.mark.parametrize("error", ["EIO", "ENODEV"])
def test_pull_ends_the_copy_and_reports_what_was_finished(error: str, bench: Bench) -> None:
    """A cable that is pulled is the camera's, not the file's; what had been copied before is reported all the same."""
    make_camera(bench.camera, "CAM-1", recordings=2, size_bytes=3 << 20, sidecars=False)
    with CameraFs(bench.camera) as mounted:
        bench.camera = mounted.mount
        jobs = bench.jobs([CLIP, b"DCIM/100MEDIA/CLIP0002.MP4"])
        mounted.pull_at(b"DCIM/100MEDIA/CLIP0002.MP4", 2 << 20, error=error)
        with pytest.raises(CameraGoneError):
            bench.copy(jobs)
    assert set(bench.copied()) == {id_of(CLIP)}
    assert f"{id_of(b'DCIM/100MEDIA/CLIP0002.MP4')}.part" in bench.listing()


@needs_fuse
def test_bad_sector_is_one_files_trouble(bench: Bench) -> None:
    """A file that cannot be read is named and never a copy; the next one goes on."""
    digests = make_camera(bench.camera, "CAM-1", recordings=2, size_bytes=3 << 20, sidecars=False)
    other = b"DCIM/100MEDIA/CLIP0002.MP4"
    with CameraFs(bench.camera) as mounted:
        mounted.unreadable(CLIP, 2 << 20)
        bench.camera = mounted.mount
        bench.copy(bench.jobs([CLIP, other]))
    assert (bench.skipped()[CLIP].code, bench.skipped()[CLIP].transient) == ("source-unreadable", False)
    assert bench.sha256(other) == digests[other]


class Broken:
    """A long recording whose copy was pulled behind its first step, and what is left of that."""

    size_bytes = STEP_BYTES + 14 * PIECE + 123
    # Several pieces are read at once, and those before this one may fail with it: far enough behind the step.
    pulled_at = STEP_BYTES + 12 * PIECE

    def __init__(self, bench: Bench, mounted: CameraFs) -> None:
        bench.camera = mounted.mount
        self.bench, self.mounted = bench, mounted
        self.jobs = bench.jobs([CLIP])
        mounted.pull_at(CLIP, self.pulled_at)
        with pytest.raises(CameraGoneError):
            bench.copy(self.jobs)
        mounted.restore()
        self.part = bench.spool.recordings / f"{id_of(CLIP)}.part"
        self.steps = bench.spool.recordings / f"{id_of(CLIP)}.steps"

    def go_on(self) -> int:
        """Copy again; bytes that the camera was asked for."""
        before = self.mounted.bytes_read(CLIP)
        self.bench.copy(self.jobs)
        return self.mounted.bytes_read(CLIP) - before


@needs_fuse
@pytest.mark.parametrize("torn", ["not", "last line", "all", "gone", "lies"])
def test_broken_copy_goes_on_at_what_the_medium_gives_back(torn: str, bench: Bench) -> None:
    """Only the rest is read again, from the last step whose bytes are there; a torn list of steps costs bytes, never truth."""
    digest = write_file(bench.camera, CLIP, Broken.size_bytes, "long")
    with CameraFs(bench.camera) as mounted:
        broken = Broken(bench, mounted)
        lines = broken.steps.read_bytes().splitlines(keepends=True)
        assert len(lines) >= 2
        match torn:
            case "last line":
                broken.steps.write_bytes(lines[0] + lines[1][:30])
            case "all":
                broken.steps.write_bytes(b"\xff\x00 torn\n12 zz\n\n")
            case "gone":
                broken.steps.unlink()
            case "lies":
                broken.steps.write_bytes(b"%d %s\n" % (STEP_BYTES, b"00" * 32))
            case _:
                pass
        read_again = broken.go_on()
        assert bench.sha256(CLIP) == digest
        assert bench.copied()[id_of(CLIP)].from_camera.digests.sha256.hex() == digest
        if torn in {"not", "last line"}:
            assert read_again < Broken.size_bytes // 2
        else:
            assert read_again >= Broken.size_bytes
        assert bench.listing() == {id_of(CLIP), f"{id_of(CLIP)}.json"}


@needs_fuse
@pytest.mark.parametrize("where", [100, STEP_BYTES // 2, STEP_BYTES - 100])
def test_prefix_that_changed_in_the_spool_is_copied_again(where: int, bench: Bench) -> None:
    """A rotten prefix is never built upon, wherever it rotted: the copy begins at the first byte."""
    digest = write_file(bench.camera, CLIP, Broken.size_bytes, "long")
    with CameraFs(bench.camera) as mounted:
        broken = Broken(bench, mounted)
        with broken.part.open("r+b") as part:
            part.seek(where)
            byte = part.read(1)
            part.seek(where)
            part.write(bytes([byte[0] ^ 1]))
            part.flush()
            os.fsync(part.fileno())
        assert broken.go_on() >= Broken.size_bytes
        assert bench.sha256(CLIP) == digest


@needs_fuse
@pytest.mark.parametrize("where", ["first piece", "last piece"])
def test_prefix_that_is_not_the_cameras_any_more_is_copied_again(where: str, bench: Bench) -> None:
    """Another file of the same name, size and time does not get the first one's beginning."""
    write_file(bench.camera, CLIP, Broken.size_bytes, "long")
    place = bench.camera / CLIP.decode()
    with CameraFs(bench.camera) as mounted:
        broken = Broken(bench, mounted)
        kept_bytes = max(int(line.split()[0]) for line in broken.steps.read_text().splitlines())
        with place.open("r+b") as file:
            file.seek(100 if where == "first piece" else kept_bytes - 100)
            file.write(b"another")
        broken.jobs = bench.jobs([CLIP])
        assert broken.go_on() >= Broken.size_bytes
    with place.open("rb") as file:
        assert bench.sha256(CLIP) == hashlib.file_digest(file, "sha256").hexdigest()


def test_prefix_longer_than_the_file_is_not_believed(bench: Bench) -> None:
    """What an earlier, longer file left under the same recording is worth nothing."""
    digest = write_file(bench.camera, CLIP, PIECE, "short")
    part, steps = (bench.spool.recordings / f"{id_of(CLIP)}.{ending}" for ending in ("part", "steps"))
    longer = deterministic_bytes("longer", 2 * PIECE)
    part.write_bytes(longer)
    steps.write_bytes(b"%d %s\n" % (2 * PIECE, blake3(longer).hexdigest().encode()))
    bench.copy(bench.jobs())
    assert bench.sha256(CLIP) == digest
    assert bench.spool.path_of(id_of(CLIP)).stat().st_size == PIECE


@needs_fuse
@pytest.mark.parametrize("size_bytes", [5000, 3 * PIECE])
def test_copy_that_reads_back_otherwise_is_thrown_away(size_bytes: int, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bit that changed between writing and reading back leaves no copy, and says so; the next try is good."""
    digest = write_file(bench.camera, CLIP, size_bytes, "rot")
    part = bench.spool.recordings / f"{id_of(CLIP)}.part"
    owner, name = (durable, "sync_file_system") if size_bytes <= SMALL_BYTES else (os, "fdatasync")
    sync = getattr(owner, name)
    rotten: list[bool] = []

    def rot(descriptor: int) -> None:
        sync(descriptor)
        if not rotten:
            rotten.append(True)
            with part.open("r+b") as file:
                file.seek(4500)
                file.write(b"rot")
                file.flush()
                os.fsync(file.fileno())

    monkeypatch.setattr(owner, name, rot)
    bench.copy(bench.jobs())
    assert (bench.skipped()[CLIP].code, bench.skipped()[CLIP].transient) == ("spool-mismatch", True)
    assert bench.copied() == {}
    assert bench.listing() == set()
    bench.copy(bench.jobs())
    assert bench.sha256(CLIP) == digest


@pytest.mark.parametrize(
    ("call", "code", "error"),
    [
        ("posix_fallocate", 28, SpoolFullError),
        ("posix_fallocate", 122, SpoolFullError),
        ("posix_fallocate", 5, SpoolBrokenError),
        ("pwrite", 5, SpoolBrokenError),
        ("pwrite", 28, SpoolFullError),
        ("ftruncate", 5, SpoolBrokenError),
        ("fdatasync", 5, SpoolBrokenError),
        ("rename", 5, SpoolBrokenError),
        ("fsync", 5, SpoolBrokenError),
    ],
)
def test_spool_that_fails_is_the_docks_trouble(
    call: str, code: int, error: type[Exception], bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error of the dock's own disk ends the copying as such: no file is blamed, none is reported as copied."""
    for number in range(4):
        write_file(bench.camera, b"%d.MP4" % number, 3 * PIECE, "disk")
    jobs = bench.jobs()

    def failing(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, call, failing)
    with pytest.raises(error):
        bench.copy(jobs)
    monkeypatch.undo()
    assert bench.copied() == {}
    assert bench.skipped() == {}
    bench.copy(jobs)
    assert len(bench.copied()) == 4


@pytest.mark.parametrize(("owner", "call"), [(os, "pwrite"), (durable, "sync_file_system"), (os, "rename")])
@pytest.mark.parametrize("code", [5, 28])
def test_spool_that_fails_under_a_handful_is_the_docks_trouble(
    owner: object, call: str, code: int, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Small files share their sync, and its failure: none of them is reported, and all come at the next try."""
    for number in range(40):
        write_file(bench.camera, b"%d.MP4" % number, 3000 + number, "disk")
    jobs = bench.jobs()

    def failing(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(owner, call, failing)
    with pytest.raises(SpoolFullError if code == 28 else SpoolBrokenError):
        bench.copy(jobs)
    monkeypatch.undo()
    assert bench.copied() == {}
    assert bench.skipped() == {}
    bench.copy(jobs)
    assert len(bench.copied()) == 40


def test_folder_that_another_took_the_place_of_is_not_believed(bench: Bench) -> None:
    """Files whose folder was swapped during the copy are taken again, from the folder that has the name now."""
    digest = write_file(bench.camera, CLIP, 3000, "swapped")
    jobs = bench.jobs()
    folder = bench.camera / "DCIM" / "100MEDIA"

    def swap(report: messages.Report) -> None:
        if isinstance(report, messages.Moved) and report.reading and not (bench.camera / "old").exists():
            folder.rename(bench.camera / "old")
            folder.mkdir()

    bench.copy(jobs, swap)
    assert bench.copied() == {}
    assert "changed while it was being copied" in bench.skipped()[CLIP].message
    folder.rmdir()
    (bench.camera / "old").rename(folder)
    bench.copy(bench.jobs())
    assert bench.sha256(CLIP) == digest


def test_trouble_of_the_verifier_that_nobody_thought_of_ends_the_copy(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever ends the verifier's thread reaches the caller, however much still waits for it; nothing hangs."""
    for number in range(40):
        write_file(bench.camera, b"%d.MP4" % number, SMALL_BYTES + 1, "bug")

    def failing(*_: object) -> None:
        msg = "nobody thought of this"
        raise ValueError(msg)

    monkeypatch.setattr("dockd.offload.verifying.read_back", failing)
    with pytest.raises(ValueError, match="nobody thought"):
        bench.copy(bench.jobs())
    assert bench.copied() == {}


def test_copy_that_another_process_still_makes_is_left_alone(bench: Bench) -> None:
    """A worker that hangs in the kernel may still hold the file: it is waited for, not written over."""
    digest = write_file(bench.camera, CLIP, 5000, "locked")
    part = bench.spool.recordings / f"{id_of(CLIP)}.part"
    with part.open("wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        bench.copy(bench.jobs())
        assert "still being copied by another process" in bench.skipped()[CLIP].message
        assert bench.skipped()[CLIP].transient
    bench.copy(bench.jobs())
    assert bench.sha256(CLIP) == digest


def test_spool_folder_that_takes_no_file_is_the_docks_trouble(bench: Bench) -> None:
    """Where no copy can be begun nothing is copied, and it is no camera's fault."""
    write_file(bench.camera, CLIP, 10, "x")
    jobs = bench.jobs()
    (bench.spool.recordings / f"{id_of(CLIP)}.part").mkdir()
    with pytest.raises(SpoolBrokenError, match="disk failed"):
        bench.copy(jobs)


def test_source_without_direct_reads_is_copied_through_the_cache(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A camera that cannot be read directly is good enough to copy from; only an erasing would refuse it."""
    digest = write_file(bench.camera, CLIP, 3 * PIECE + 17, "indirect")

    def refused(*_: object, **__: object) -> int:
        raise medium.NotDirectError(22, "no direct I/O")

    monkeypatch.setattr(tree, "open_direct", refused)
    bench.copy(bench.jobs())
    assert bench.sha256(CLIP) == digest


def test_manifest_says_everything_that_a_rebuild_needs(bench: Bench) -> None:
    """The manifest beside a copy is the whole story of it, name bytes included."""
    path = b"DCIM/odd \xff\n.MP4"
    write_file(bench.camera, path, 10, "m")
    identity = bench.identities()[path]
    bench.copy([job_of(path, identity)])
    manifest = bench.spool.manifest(id_of(path))
    assert manifest is not None
    assert (manifest.path, manifest.camera, manifest.docking, manifest.dock) == (path, "CAM-1", "d1", "dock-1")
    assert manifest.modified_ns == identity.modified_ns
    text = Path(bench.spool.recordings / f"{id_of(path)}.json").read_text()
    assert from_shown("odd %FF%0A.MP4") == path[5:]
    assert "%FF%0A" in text
