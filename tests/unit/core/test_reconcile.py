"""A file on a camera is known by its digests alone; name, size and time only say what to read first."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from dockd.core.clearance import FileKind, Identity, ScannedFile
from dockd.core.reconcile import plan, recognise
from dockd.core.recording import Recording, Refusal, State
from tests.sim.evidence import measure

_MODIFIED = 1_700_000_000_000_000_000


def _file(
    path: bytes, content: bytes = b"footage", *, kind: FileKind = FileKind.RECORDING, modified: int = _MODIFIED
) -> ScannedFile:
    return ScannedFile(path, kind, Identity(1, 1, len(content), modified, modified))


def _known(digit: str, path: bytes, content: bytes = b"footage", *, state: State = State.ARCHIVED) -> Recording:
    measured = measure(content) if state not in {State.SEEN, State.COPYING} else None
    return Recording(digit * 32, int(digit, 16), "C1", "d1", path, len(content), _MODIFIED, state=state, measured=measured)


def test_an_unknown_camera_is_copied_whole() -> None:
    """With an empty journal everything is new, files that the profile does not know included."""
    files = [_file(b"DCIM/1.MP4"), _file(b"DCIM/1.THM", kind=FileKind.SIDECAR), _file(b"NOTES", kind=FileKind.UNKNOWN)]
    assert plan(files, []).fresh == tuple(files)


def test_what_is_never_read_is_not_planned() -> None:
    """Ignorable files, and entries with a problem or no identity, are left out."""
    files = [
        _file(b"MISC/CAMERA.TXT", kind=FileKind.IGNORABLE),
        replace(_file(b"DCIM/a"), problem="a symbolic link, which is never read"),
        ScannedFile(b"DCIM/b", FileKind.RECORDING, None),
    ]
    todo = plan(files, [])
    assert (todo.fresh, todo.measure, dict(todo.continued)) == ((), (), {})


def test_a_size_that_is_known_is_measured_before_anything_is_copied() -> None:
    """A renamed recording with a dead clock is read and recognised, not copied again."""
    file = _file(b"DCIM/RENAMED.MP4", modified=0)
    known = _known("a", b"DCIM/1.MP4")
    assert plan([file], [known]).measure == (file,)
    assert recognise({file.path: measure(b"footage")}, [known]) == {file.path: known}


def test_same_name_size_and_time_prove_nothing() -> None:
    """Other bytes under a known name are not the known recording."""
    known = _known("a", b"DCIM/1.MP4")
    assert recognise({b"DCIM/1.MP4": measure(b"FOOTAGE")}, [known]) == {}


def test_each_recording_is_met_once_and_its_own_path_comes_first() -> None:
    """Two files with the same bytes are two recordings, each bound to its own name where it has one."""
    one, two = _known("a", b"DCIM/1.MP4"), _known("b", b"DCIM/2.MP4")
    files = {b"DCIM/0.MP4": measure(b"footage"), b"DCIM/2.MP4": measure(b"footage"), b"DCIM/9.MP4": measure(b"footage")}
    assert recognise(files, [one, two]) == {b"DCIM/2.MP4": two, b"DCIM/0.MP4": one}


def test_an_erased_recording_is_not_met_again() -> None:
    """A file that appears after its twin was erased is another recording."""
    erased = _known("a", b"DCIM/1.MP4", state=State.ERASED)
    file = _file(b"DCIM/1.MP4")
    assert plan([file], [erased]).fresh == (file,)
    assert recognise({file.path: measure(b"footage")}, [erased]) == {}


def test_an_unfinished_copy_is_continued_when_nothing_changed() -> None:
    """Path, size and time are the same: the copy goes on, and itself shows that its bytes still fit."""
    begun = _known("a", b"DCIM/1.MP4", state=State.COPYING)
    todo = plan([_file(b"DCIM/1.MP4")], [begun])
    assert dict(todo.continued) == {b"DCIM/1.MP4": begun}
    assert todo.superseded == ()


def test_an_unfinished_copy_of_a_file_that_changed_is_superseded() -> None:
    """The journal is told what became of the first, and the file is copied as it is now."""
    begun = _known("a", b"DCIM/1.MP4", state=State.COPYING)
    grown = _file(b"DCIM/1.MP4", b"footage and more")
    todo = plan([grown], [begun])
    assert todo.superseded == (begun,)
    assert todo.fresh == (grown,)


def test_a_refused_recording_stays_refused_until_a_person_acts() -> None:
    """It is bound to its file, so the lamp shows it; when the file changed, the refusal keeps its first reason."""
    refused = replace(_known("a", b"DCIM/1.MP4", state=State.SEEN), state=State.REFUSED, refusal=Refusal("x", "y"))
    assert dict(plan([_file(b"DCIM/1.MP4")], [refused]).continued) == {b"DCIM/1.MP4": refused}
    assert plan([_file(b"DCIM/1.MP4", b"other")], [refused]).superseded == ()


def test_only_an_erasing_that_was_begun_explains_a_missing_file() -> None:
    """What somebody else took from the camera is not called erased."""
    taken, cleared = _known("a", b"DCIM/1.MP4"), replace(_known("b", b"DCIM/2.MP4"), clearing=True)
    still_there = replace(_known("c", b"DCIM/3.MP4"), clearing=True)
    assert plan([_file(b"DCIM/3.MP4")], [taken, cleared, still_there]).gone == (cleared,)


@given(st.lists(st.binary(min_size=0, max_size=3), max_size=6), st.lists(st.binary(min_size=0, max_size=3), max_size=6))
def test_recognition_never_matches_other_bytes_or_one_recording_twice(on_camera: list[bytes], in_journal: list[bytes]) -> None:
    """Whatever the contents are, a match has equal digests and each recording is used at most once."""
    contents = {b"%d" % number: content for number, content in enumerate(on_camera)}
    known = [_known("abcdef"[number], b"%d" % number, content) for number, content in enumerate(in_journal)]
    found = recognise({path: measure(content) for path, content in contents.items()}, known)
    assert all(recording.measured == measure(contents[path]) for path, recording in found.items())
    assert len({recording.recording_id for recording in found.values()}) == len(found)
    unmatched = [content for path, content in contents.items() if path not in found]
    left = [content for each, content in zip(known, in_journal, strict=True) if each not in found.values()]
    assert not set(unmatched) & set(left)
