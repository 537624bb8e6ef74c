"""What is copied and uploaded next; no clock takes part."""

from dataclasses import replace
from itertools import pairwise
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from dockd.core.clearance import FileKind, ScannedFile
from dockd.core.queue import Turns, copy_order, drain_time_s, upload_order
from dockd.core.recording import Recording, State
from tests.sim.evidence import measure, seen

RECORDINGS = st.lists(
    st.builds(
        lambda sequence, priority, state: replace(
            seen(f"r{sequence}"), sequence=sequence, priority=priority, state=state, measured=measure(b"")
        ),
        st.integers(1, 1000),
        st.sampled_from([10, 100]),
        st.sampled_from(list(State)),
    ),
    unique_by=lambda each: each.sequence,
)


def test_urgent_recordings_go_first_and_take_their_sidecars_along() -> None:
    """By urgency, then by path; each recording is followed at once by what belongs to it."""
    files = [
        ScannedFile(b"B.THM", FileKind.SIDECAR, None, sidecar_of=b"B.MP4", priority=100),
        ScannedFile(b"A.XML", FileKind.SIDECAR, None, sidecar_of=b"A.MP4", priority=100),
        ScannedFile(b"B.MP4", FileKind.RECORDING, None, priority=100),
        ScannedFile(b"Z.MP4", FileKind.RECORDING, None, priority=10),
        ScannedFile(b"A.MP4", FileKind.RECORDING, None, priority=100),
        ScannedFile(b"A.THM", FileKind.SIDECAR, None, sidecar_of=b"A.MP4", priority=100),
    ]
    wanted = [b"Z.MP4", b"A.MP4", b"A.THM", b"A.XML", b"B.MP4", b"B.THM"]
    for seed in range(20):
        Random(seed).shuffle(files)
        assert [each.path for each in copy_order(files)] == wanted


@given(RECORDINGS)
def test_only_what_waits_for_the_archive_is_uploaded(recordings: list[Recording]) -> None:
    """All of it, and nothing else."""
    waiting = {each.recording_id for each in recordings if each.state in {State.VERIFIED, State.UPLOADING}}
    assert {each.recording_id for each in upload_order(recordings)} == waiting


@given(RECORDINGS)
def test_uploads_go_by_urgency_then_begun_then_discovery(recordings: list[Recording]) -> None:
    """No routine recording goes before an urgent one, and of equals the one discovered first goes first."""
    order = upload_order(recordings)
    for one, next_one in pairwise(order):
        assert one.priority <= next_one.priority
        if one.priority == next_one.priority:
            assert (one.state is State.UPLOADING, -one.sequence) >= (next_one.state is State.UPLOADING, -next_one.sequence)


@given(RECORDINGS, st.randoms(), st.lists(st.integers(-(2**63), 2**63), min_size=1))
def test_no_clock_changes_the_order(recordings: list[Recording], shuffler: Random, times: list[int]) -> None:
    """Whatever camera's and dock's clocks said, and in whatever order the recordings come, the queue is the same."""
    elsewhen = [
        replace(each, modified_ns=times[number % len(times)], seen=str(times[number % len(times)]))
        for number, each in enumerate(recordings)
    ]
    shuffler.shuffle(elsewhen)
    assert [each.sequence for each in upload_order(elsewhen)] == [each.sequence for each in upload_order(recordings)]


def test_the_time_to_drain_is_known_only_with_a_rate() -> None:
    """Nothing left is no time; something left without a rate is not guessed at."""
    assert drain_time_s([], None) == 0.0
    assert drain_time_s([0, 0], 5.0) == 0.0
    assert drain_time_s([10, 30], 20.0) == 2.0
    assert drain_time_s([10], None) is None
    assert drain_time_s([10], 0.0) is None


@given(st.lists(st.tuples(st.sampled_from("ABC"), st.integers(0, 1000)), max_size=60))
def test_cameras_share_the_link_by_bytes_as_long_as_both_wait(arrivals: list[tuple[str, int]]) -> None:
    """Of two cameras with something waiting, neither got more than one recording's bytes ahead of the other."""
    turns = Turns()
    waiting = sorted((turns.place(camera, size), number, camera, size) for number, (camera, size) in enumerate(arrivals))
    left = {camera: sum(each == camera for each, _ in arrivals) for camera in "ABC"}
    given_bytes = dict.fromkeys("ABC", 0)
    for place, _, camera, size in waiting:
        turns.reached(place)
        hungry = [each for each in "ABC" if left[each]]
        spread = max(given_bytes[each] for each in hungry) - min(given_bytes[each] for each in hungry)
        assert spread <= 1001
        given_bytes[camera] += size + 1
        left[camera] -= 1


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=30))
def test_of_one_camera_the_first_goes_first(sizes: list[int]) -> None:
    """Places of one camera only ever grow."""
    turns = Turns()
    places = [turns.place("A", size) for size in sizes]
    assert places == sorted(places)


def test_a_camera_that_comes_late_saves_no_turns_and_waits_for_no_backlog() -> None:
    """It goes on beside the one that was there, from where the queue stands."""
    turns = Turns()
    backlog = [turns.place("A", 100) for _ in range(10)]
    for place in backlog[:5]:
        turns.reached(place)
    late = turns.place("B", 100)
    assert backlog[4] <= late <= backlog[5]
