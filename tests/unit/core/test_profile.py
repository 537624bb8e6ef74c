"""What a profile says of each name on a camera."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockd.core.clearance import FileKind
from dockd.core.profile import CRITICAL, ROUTINE, Found, Profile, classify
from tests.sim.evidence import identity_of

PROFILE = Profile(
    name="dcf",
    present="DCIM",
    folders=("DCIM", "/private/M4ROOT/"),
    recordings=("*.mp4", "*.avi"),
    critical=("EMRG*",),
    sidecars=("*.thm", "*.xml"),
    ignore=("misc/*", "*/.trashes/*"),
)


def found(path: bytes, problem: str = "") -> Found:
    """One entry of a walk."""
    return Found(path, None if problem else identity_of(path, b""), problem)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        (b"DCIM/100/CLIP1.MP4", FileKind.RECORDING),
        (b"dcim/100/clip1.Mp4", FileKind.RECORDING),
        (b"DCIM/CLIP1.MP4", FileKind.RECORDING),
        (b"PRIVATE/m4root/a/b/c.AVI", FileKind.RECORDING),
        (b"DCIM/\xff\xfe.MP4", FileKind.RECORDING),
        (b"DCIM/line\nbreak.MP4", FileKind.RECORDING),
        (b"DCIM/.mp4", FileKind.RECORDING),
        (b"DCIM/CLIP1.MP4.bak", FileKind.UNKNOWN),
        (b"DCIM/notes.txt", FileKind.UNKNOWN),
        (b"DCIMX/CLIP1.MP4", FileKind.UNKNOWN),
        (b"DCIM", FileKind.UNKNOWN),
        (b"CLIP1.MP4", FileKind.UNKNOWN),
        (b"other/DCIM/CLIP1.MP4", FileKind.UNKNOWN),
        (b"MISC/CAMERA.TXT", FileKind.IGNORABLE),
        (b"DCIM/.Trashes/CLIP1.MP4", FileKind.IGNORABLE),
        (b"DCIM/lonely.THM", FileKind.RECORDING),
    ],
)
def test_each_name_has_its_kind(path: bytes, kind: FileKind) -> None:
    """Folders and patterns decide, without regard to ASCII case."""
    (file,) = classify(PROFILE, [found(path)])
    assert file.kind is kind


def test_only_ascii_letters_have_no_case() -> None:
    """FAT folds ASCII; two names that differ in other bytes are two names."""
    umlaut = Profile(name="x", present="x", folders=("",), recordings=("Ä*",))
    kinds = {file.path: file.kind for file in classify(umlaut, [found("Ä1".encode()), found("ä1".encode())])}
    assert kinds == {"Ä1".encode(): FileKind.RECORDING, "ä1".encode(): FileKind.UNKNOWN}


def test_the_empty_folder_is_the_root() -> None:
    """A camera that keeps its recordings in its root says so with an empty folder."""
    flat = Profile(name="flat", present="CAM.ID", folders=("",), recordings=("*.mp4",))
    assert [file.kind for file in classify(flat, [found(b"a.mp4"), found(b"b/c.mp4")])] == [FileKind.RECORDING] * 2


def test_a_sidecar_belongs_to_the_recording_beside_it() -> None:
    """Same folder, same stem, whatever the case; elsewhere or with another stem it is evidence of its own."""
    files = classify(
        PROFILE,
        map(found, [b"DCIM/1/A.MP4", b"DCIM/1/a.thm", b"DCIM/1/A.XML", b"DCIM/2/A.THM", b"DCIM/1/B.THM", b"DCIM/1/A.txt"]),
    )
    owners = {file.path: (file.kind, file.sidecar_of) for file in files}
    assert owners == {
        b"DCIM/1/A.MP4": (FileKind.RECORDING, None),
        b"DCIM/1/a.thm": (FileKind.SIDECAR, b"DCIM/1/A.MP4"),
        b"DCIM/1/A.XML": (FileKind.SIDECAR, b"DCIM/1/A.MP4"),
        b"DCIM/2/A.THM": (FileKind.RECORDING, None),
        b"DCIM/1/B.THM": (FileKind.RECORDING, None),
        b"DCIM/1/A.txt": (FileKind.UNKNOWN, None),
    }


def test_a_name_without_an_extension_is_its_own_stem() -> None:
    """A profile may name recordings without a dot."""
    bare = Profile(name="bare", present="x", folders=("",), recordings=("clip",), sidecars=("clip.idx",))
    kinds = {file.path: file.sidecar_of for file in classify(bare, [found(b"clip"), found(b"clip.idx")])}
    assert kinds == {b"clip": None, b"clip.idx": b"clip"}


def test_urgent_recordings_and_their_sidecars_go_first() -> None:
    """The recording's name decides for both."""
    files = classify(PROFILE, map(found, [b"DCIM/EMRG1.MP4", b"DCIM/EMRG1.THM", b"DCIM/A.MP4", b"DCIM/A.THM"]))
    priorities = {file.path: file.priority for file in files}
    assert priorities == {
        b"DCIM/EMRG1.MP4": CRITICAL,
        b"DCIM/EMRG1.THM": CRITICAL,
        b"DCIM/A.MP4": ROUTINE,
        b"DCIM/A.THM": ROUTINE,
    }


def test_what_can_never_be_read_keeps_its_problem() -> None:
    """A link named like a recording is none, and its sidecar is evidence of its own; what may be ignored is not a problem."""
    files = classify(PROFILE, [found(b"DCIM/A.MP4", "it is a link"), found(b"DCIM/A.THM"), found(b"MISC/x", "it is a socket")])
    assert {file.path: (file.kind, file.problem) for file in files} == {
        b"DCIM/A.MP4": (FileKind.UNREADABLE, "it is a link"),
        b"DCIM/A.THM": (FileKind.RECORDING, ""),
        b"MISC/x": (FileKind.IGNORABLE, "it is a socket"),
    }


NAMES = st.lists(
    st.binary(min_size=1, max_size=12).filter(lambda name: b"\x00" not in name)
    | st.builds(
        lambda folder, stem, end: folder + stem + end,
        st.sampled_from([b"DCIM/", b"dcim/1/", b"MISC/", b""]),
        st.sampled_from([b"A", b"a", b"EMRG", b"\xff"]),
        st.sampled_from([b".MP4", b".thm", b".XML", b".txt", b""]),
    ),
    unique=True,
    max_size=12,
)


@given(NAMES, st.randoms())
def test_every_name_is_classified_once_whatever_order_the_walk_came_in(names: list[bytes], shuffler: Random) -> None:
    """Sorted by path, none lost, the same answer for every order; every sidecar's recording is there and is one."""
    files = classify(PROFILE, map(found, names))
    assert [file.path for file in files] == sorted(names)
    shuffled = list(names)
    shuffler.shuffle(shuffled)
    assert classify(PROFILE, map(found, shuffled)) == files
    kinds = {file.path: file.kind for file in files}
    for file in files:
        assert (file.sidecar_of is not None) == (file.kind is FileKind.SIDECAR)
        if file.sidecar_of is not None:
            assert kinds[file.sidecar_of] is FileKind.RECORDING
