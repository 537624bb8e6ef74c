"""The one rule: what a permit covers, and everything that keeps a file on its camera."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockd.core.clearance import (
    CameraScan,
    Claim,
    ClearancePermit,
    FileKind,
    Left,
    NoClearanceError,
    Rehash,
    ScannedFile,
    permit_delete,
)
from dockd.core.holds import Holds
from dockd.core.recording import StoredObject
from tests.sim.evidence import Notary, identity_of, measure, seen, stored

NONCE = "cd" * 16
NOTARY = Notary()


@dataclass
class Evidence:
    """Everything that `permit_delete` is given, for a camera on which all is well; tests spoil it."""

    camera: str = "C1"
    nonce: str = NONCE
    serial: str = "C1"
    files: dict[bytes, ScannedFile] = field(default_factory=dict)
    rehashes: dict[bytes, Rehash] = field(default_factory=dict)
    claims: list[Claim] = field(default_factory=list)
    holds: Holds = field(default_factory=Holds)
    unsigned: bool = False

    def add(self, path: bytes, *, sidecar_of: bytes | None = None, kind: FileKind | None = None) -> StoredObject:
        """One more file, archived, re-hashed and claimed; its recording's id is its path."""
        name, content = path.decode(), b"content of " + path
        at = stored(seen(name), content)
        kind = kind or (FileKind.RECORDING if sidecar_of is None else FileKind.SIDECAR)
        self.files[path] = ScannedFile(path, kind, identity_of(path, content), sidecar_of)
        self.rehashes[path] = Rehash(measure(content), identity_of(path, content))
        self.claims.append(Claim(name, path, NOTARY.holding(at, NONCE)))
        return at

    def claim_anew(self, path: bytes, claim: Callable[[Claim], Claim]) -> None:
        """Replace the claim for `path`."""
        self.claims = [claim(each) if each.path == path else each for each in self.claims]

    def permit(self) -> ClearancePermit:
        """What the core makes of it."""
        return permit_delete(
            camera=self.camera,
            docking="d1",
            nonce=self.nonce,
            scan=CameraScan(self.serial, tuple(self.files.values())),
            rehashes=self.rehashes,
            claims=self.claims,
            holds=self.holds,
            unsigned=self.unsigned,
        )


def two_recordings() -> Evidence:
    """A.MP4 with a sidecar, and B.MP4."""
    evidence = Evidence()
    evidence.add(b"A.MP4")
    evidence.add(b"A.THM", sidecar_of=b"A.MP4")
    evidence.add(b"B.MP4")
    return evidence


def test_all_well_covers_everything_sidecars_first() -> None:
    """Every file with its identity and its statement; a sidecar goes before what it belongs to."""
    evidence = two_recordings()
    permit = evidence.permit()
    assert [each.path for each in permit.covered] == [b"A.THM", b"A.MP4", b"B.MP4"]
    assert permit.left == ()
    assert (permit.camera, permit.docking, permit.nonce) == ("C1", "d1", NONCE)
    for each in permit.covered:
        assert each.identity == evidence.files[each.path].identity
        assert each.recording_id == each.path.decode()
        assert each.holding in [claim.holding for claim in evidence.claims]


def test_nobody_else_makes_a_permit() -> None:
    """The constructor wants a seal that only this module has."""
    with pytest.raises(RuntimeError, match="only permit_delete"):
        ClearancePermit("C1", "d1", NONCE, (), (), object())
    permit = two_recordings().permit()
    with pytest.raises(RuntimeError, match="only permit_delete"):
        replace(permit, covered=(*permit.covered, *permit.covered), seal=object())


def spoil_scan(**changes: object) -> Callable[[Evidence], None]:
    """Change what the scan says of B.MP4."""

    def spoil(evidence: Evidence) -> None:
        evidence.files[b"B.MP4"] = replace(evidence.files[b"B.MP4"], **changes)  # type: ignore[arg-type]  # names vary

    return spoil


def spoil_rehash(**changes: object) -> Callable[[Evidence], None]:
    """Change what the re-hash says of B.MP4."""

    def spoil(evidence: Evidence) -> None:
        evidence.rehashes[b"B.MP4"] = replace(evidence.rehashes[b"B.MP4"], **changes)  # type: ignore[arg-type]  # names vary

    return spoil


def spoil_identity(name: str) -> Callable[[Evidence], None]:
    """Let one thing about the file itself differ between scan and re-hash."""

    def spoil(evidence: Evidence) -> None:
        rehash = evidence.rehashes[b"B.MP4"]
        changed = replace(rehash.identity, **{name: getattr(rehash.identity, name) + 1})
        evidence.rehashes[b"B.MP4"] = replace(rehash, identity=changed)

    return spoil


def no_claim(evidence: Evidence) -> None:
    """The archive said nothing about B.MP4."""
    evidence.claims = evidence.claims[:-1]


def no_rehash(evidence: Evidence) -> None:
    """B.MP4 could not be read again."""
    del evidence.rehashes[b"B.MP4"]


def stale_nonce(evidence: Evidence) -> None:
    """The statement was made for another docking."""
    at = stored(seen("B.MP4"), b"content of B.MP4")
    evidence.claim_anew(b"B.MP4", lambda claim: replace(claim, holding=NOTARY.holding(at, "ef" * 16)))


def receipt_with_the_nonce(evidence: Evidence) -> None:
    """A receipt whose nonce happens to be the docking's is still no fresh look."""
    at = replace(stored(seen("B.MP4"), b"content of B.MP4"), nonce=NONCE)
    evidence.claim_anew(b"B.MP4", lambda claim: replace(claim, holding=NOTARY.receipt(at)))


def another_camera(evidence: Evidence) -> None:
    """The statement is about the same bytes of another camera."""
    at = stored(seen("B.MP4"), b"content of B.MP4")
    evidence.claim_anew(b"B.MP4", lambda claim: replace(claim, holding=NOTARY.holding(at, NONCE, camera="C2")))


def other_bytes(evidence: Evidence) -> None:
    """The archive holds something else under that recording."""
    at = stored(seen("B.MP4"), b"content of B.MP5")
    evidence.claim_anew(b"B.MP4", lambda claim: replace(claim, holding=NOTARY.holding(at, NONCE)))


def held(evidence: Evidence) -> None:
    """Someone wants B.MP4 kept."""
    evidence.holds = Holds(recordings=frozenset({"B.MP4"}))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (spoil_scan(problem="it is a link"), "it is a link"),
        (spoil_scan(kind=FileKind.IGNORABLE), "the profile lets it be"),
        (spoil_scan(kind=FileKind.UNKNOWN), "the profile does not know this file"),
        (spoil_scan(kind=FileKind.UNREADABLE), "the profile does not know this file"),
        (spoil_scan(identity=None), "it changed while"),
        (no_claim, "not proved by the archive yet"),
        (held, "on hold"),
        (no_rehash, "could not be read again"),
        (stale_nonce, "not a fresh one of this docking"),
        (receipt_with_the_nonce, "not a fresh one of this docking"),
        (another_camera, "is about camera C2"),
        (spoil_identity("device"), "it changed while"),
        (spoil_identity("inode"), "it changed while"),
        (spoil_identity("size_bytes"), "it changed while"),
        (spoil_identity("modified_ns"), "it changed while"),
        (spoil_identity("changed_ns"), "it changed while"),
        (spoil_rehash(measured=measure(b"content of B.MP5")), "not those that the archive holds"),
        (other_bytes, "not those that the archive holds"),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_what_is_not_proved_stays_and_is_named(spoil: Callable[[Evidence], None], reason: str) -> None:
    """One thing wrong with one file: that file stays, with the reason; the others go."""
    evidence = two_recordings()
    spoil(evidence)
    permit = evidence.permit()
    assert [each.path for each in permit.covered] == [b"A.THM", b"A.MP4"]
    ((path, why),) = [(each.path, each.reason) for each in permit.left]
    assert path == b"B.MP4"
    assert reason in why


@pytest.mark.parametrize(("spoiled", "other"), [(b"A.MP4", b"A.THM"), (b"A.THM", b"A.MP4")])
def test_a_recording_and_its_sidecars_stay_together(spoiled: bytes, other: bytes) -> None:
    """Whichever of the family is not proved keeps the rest of it."""
    evidence = two_recordings()
    del evidence.rehashes[spoiled]
    permit = evidence.permit()
    assert [each.path for each in permit.covered] == [b"B.MP4"]
    assert set(permit.left) == {
        Left(spoiled, "could not be read again from the camera"),
        Left(other, f"{spoiled.decode()} belongs to it and stays"),
    }


def test_junk_does_not_keep_the_rest() -> None:
    """Files that the profile ignores or does not know stay, and nothing else does."""
    evidence = two_recordings()
    evidence.files[b"junk"] = ScannedFile(b"junk", FileKind.UNKNOWN, None)
    evidence.files[b"System"] = ScannedFile(b"System", FileKind.IGNORABLE, None)
    permit = evidence.permit()
    assert len(permit.covered) == 3
    assert {each.path for each in permit.left} == {b"junk", b"System"}


def test_another_camera_in_the_bay_is_never_touched() -> None:
    """The scan must show the serial that was docked."""
    evidence = two_recordings()
    evidence.serial = "C2"
    with pytest.raises(NoClearanceError, match="C1 was docked, but C2 is in the bay"):
        evidence.permit()


def test_a_held_camera_is_never_touched() -> None:
    """A hold on the camera keeps everything on it."""
    evidence = two_recordings()
    evidence.holds = Holds(cameras=frozenset({"C1"}))
    with pytest.raises(NoClearanceError, match="on hold"):
        evidence.permit()


def test_a_permit_that_covers_nothing_is_not_made() -> None:
    """The refusal says of every file why."""
    evidence = two_recordings()
    evidence.claims = []
    with pytest.raises(NoClearanceError, match="nothing on camera C1") as caught:
        evidence.permit()
    assert [each.path for each in caught.value.left] == [b"A.MP4", b"A.THM", b"B.MP4"]


def test_a_claim_for_a_file_that_the_scan_does_not_show_covers_nothing() -> None:
    """What is not there is not erased."""
    evidence = two_recordings()
    del evidence.files[b"B.MP4"]
    assert [each.path for each in evidence.permit().covered] == [b"A.THM", b"A.MP4"]


def test_two_claims_for_one_file_are_a_bug() -> None:
    """The caller must know which recording a file is."""
    evidence = two_recordings()
    evidence.claims.append(evidence.claims[0])
    with pytest.raises(RuntimeError, match=r"two claims for A\.MP4"):
        evidence.permit()


def test_a_permit_without_a_nonce_is_a_bug() -> None:
    """Without the docking's own word, no statement is fresh."""
    evidence = two_recordings()
    evidence.nonce = ""
    with pytest.raises(RuntimeError, match="nonce"):
        evidence.permit()


SPOILS = [no_claim, no_rehash, stale_nonce, another_camera, other_bytes, held, spoil_identity("changed_ns")]


@given(st.lists(st.sampled_from(SPOILS), max_size=3), st.permutations([b"A.MP4", b"A.THM", b"B.MP4"]))
def test_what_is_covered_and_what_is_left_are_the_whole_scan(
    spoils: list[Callable[[Evidence], None]], order: list[bytes]
) -> None:
    """Nothing is covered twice, nothing is forgotten, whatever is wrong and in whatever order the scan came."""
    evidence = two_recordings()
    evidence.files = {path: evidence.files[path] for path in order}
    for spoil in spoils:
        if b"B.MP4" in evidence.rehashes and evidence.claims[-1].path == b"B.MP4":
            spoil(evidence)
    permit = evidence.permit()
    covered, left = [each.path for each in permit.covered], [each.path for each in permit.left]
    assert sorted(covered + left) == sorted(order)
    assert (b"B.MP4" in left) == bool(spoils)
    assert covered.index(b"A.THM") < covered.index(b"A.MP4")
