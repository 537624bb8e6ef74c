"""A list that is being copied ends early for something more urgent, at a piece's edge, and loses nothing that was read."""

from dockd.medium import PIECE_BYTES
from dockd.offload.handful import HANDFUL
from tests.sim.cameras import write_file
from tests.unit.offload.conftest import Bench, id_of

CLIP, NEXT, URGENT = b"DCIM/CLIP0001.MP4", b"DCIM/CLIP0002.MP4", b"DCIM/CLIP0003.MP4"
PIECES = 20


def test_a_recording_gives_way_at_a_pieces_edge_and_goes_on_where_it_was(bench: Bench) -> None:
    """Nothing after it is begun; the urgent one is copied; then the rest of it is read, and the copy is the file."""
    digests = {path: write_file(bench.camera, path, PIECES * PIECE_BYTES, path.decode()) for path in (CLIP, NEXT, URGENT)}
    bench.copy(bench.jobs(), overtaken=lambda: bench.read_bytes(CLIP) >= 3 * PIECE_BYTES)
    first_bytes = bench.read_bytes(CLIP)
    assert first_bytes == 3 * PIECE_BYTES
    assert (bench.copied(), bench.skipped(), bench.read_bytes(NEXT)) == ({}, {}, 0)
    bench.copy(bench.jobs([URGENT]))
    assert set(bench.copied()) == {id_of(URGENT)}
    bench.copy(bench.jobs([CLIP, NEXT]))
    assert set(bench.copied()) == {id_of(CLIP), id_of(NEXT)}
    assert bench.read_bytes(CLIP) == (PIECES * PIECE_BYTES) - first_bytes
    assert {path: bench.sha256(path) for path in digests} == digests


def test_small_recordings_give_way_between_handfuls(bench: Bench) -> None:
    """What was read is verified and reported; of the others nothing is said, and nothing is there."""
    for number in range(2 * HANDFUL + 10):
        write_file(bench.camera, b"DCIM/%04d.JPG" % number, 100, str(number))
    jobs = bench.jobs()
    bench.copy(jobs, overtaken=lambda: bool(bench.read_bytes(jobs[0].path)))
    assert set(bench.copied()) == {job.recording_id for job in jobs[:HANDFUL]}
    assert len(bench.listing()) == 2 * HANDFUL
    bench.copy(jobs[HANDFUL:])
    assert set(bench.copied()) == {job.recording_id for job in jobs[HANDFUL:]}
