"""The one rule, under everything that cameras, power, networks, archives and people can do to a dock.

Nothing is erased from a camera until the archive has proved, from the bytes it stored, that it holds what the camera held.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from enum import IntEnum

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test

from dockd import dsse
from dockd.core import clearance, proof, recording
from dockd.core.clearance import Claim, Rehash, ScannedFile
from dockd.core.holds import Holds
from dockd.core.proof import ArchiveProof
from dockd.core.recording import State
from tests.property.world import CopyFault, Lie, UploadFault, World


class Stage(IntEnum):
    """How far a camera gets in one stay in a bay."""

    DOCKED = 1
    COPIED = 2
    UPLOADED = 3
    CLEARED = 4


CAMERAS = st.sampled_from(["C1", "C1", "C1", "C2"])
NAMES = st.sampled_from([b"A.MP4", b"A.THM", b"B.MP4", b"junk"])
CONTENTS = st.sampled_from([b"first", b"other", b"longer content"])
PLACES = st.integers(0, 7)
LIES = st.sampled_from([*[Lie.NONE] * 4, Lie.REPLAY, *Lie])


class OneRule(RuleBasedStateMachine):
    """Moves the world about; after every move, the rule holds."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()

    @initialize(camera=CAMERAS, files=st.dictionaries(NAMES, CONTENTS, min_size=2))
    def first_record(self, camera: str, files: dict[bytes, bytes]) -> None:
        """No world begins empty."""
        self.record(camera, files)

    @rule(camera=CAMERAS, files=st.dictionaries(NAMES, CONTENTS, min_size=1))
    def record(self, camera: str, files: dict[bytes, bytes]) -> None:
        """An officer goes out and records."""
        self.world.undock(camera)
        for name, content in files.items():
            self.world.record(camera, name, content)

    @rule(
        camera=CAMERAS,
        as_far_as=st.sampled_from([Stage.CLEARED, *Stage]),
        copying=st.sampled_from([CopyFault.NONE] * 4 + list(CopyFault)),
        sending=st.sampled_from([UploadFault.NONE] * 4 + list(UploadFault)),
        receipt=LIES,
        holdings=st.lists(LIES, min_size=1, max_size=3),
        rotten=st.sampled_from([None] * 4 + [b"A.MP4", b"A.THM", b"B.MP4"]),
        edited=st.sampled_from([None] * 4 + [b"A.MP4", b"A.THM", b"B.MP4"]),
        crash_after=st.sampled_from([None] * 4 + [0, 1, 2]),
    )
    def stay(
        self,
        camera: str,
        as_far_as: Stage,
        copying: CopyFault = CopyFault.NONE,
        sending: UploadFault = UploadFault.NONE,
        receipt: Lie = Lie.NONE,
        holdings: Sequence[Lie] = (Lie.NONE,),
        rotten: bytes | None = None,
        edited: bytes | None = None,
        crash_after: int | None = None,
    ) -> None:
        """A camera is put into a bay, or into another one, and what can go wrong on the way goes wrong."""
        self.world.dock(camera)
        if as_far_as >= Stage.COPIED:
            self.world.copy(camera, copying)
        if as_far_as >= Stage.UPLOADED:
            self.world.upload(sending, receipt)
        if rotten in self.world.cameras[camera]:
            self.world.rot(camera, rotten)
        if as_far_as >= Stage.CLEARED and camera in self.world.bound:
            self.world.clear(camera, holdings, edited=edited, crash_after=crash_after)

    @rule(camera=CAMERAS)
    def good_stay(self, camera: str) -> None:
        """A camera is put into a bay, and nothing goes wrong this time."""
        self.stay(camera, Stage.CLEARED)

    @rule(camera=CAMERAS)
    def stay_until_archived(self, camera: str) -> None:
        """A camera is taken out before it was cleared."""
        self.stay(camera, Stage.UPLOADED)
        self.world.undock(camera)

    @rule(camera=CAMERAS, power=st.booleans())
    def leave(self, camera: str, power: bool) -> None:
        """A camera is taken out, or the dock loses its power."""
        if power:
            self.world.undock(camera)
        else:
            self.world.crash()

    @rule(sending=st.sampled_from(UploadFault), receipt=LIES)
    def upload(self, sending: UploadFault, receipt: Lie) -> None:
        """What waits is uploaded, cameras or not."""
        self.world.upload(sending, receipt)

    @rule(camera=CAMERAS, place=PLACES, renamed=NAMES, what=st.sampled_from(["rot", "edit", "rename"]))
    def change_camera(self, camera: str, place: int, renamed: bytes, what: str) -> None:
        """In or out of the bay, bytes on the camera change silently or not, or files change names."""
        if not (names := sorted(self.world.cameras[camera])):
            return
        name = names[place % len(names)]
        match what:
            case "rot":
                self.world.rot(camera, name)
            case "edit":
                self.world.edit(camera, name)
            case _:
                self.world.rename(camera, name, renamed)
                self.world.undock(camera)

    @precondition(lambda self: self.world.spool)
    @rule(place=PLACES, what=st.sampled_from(["rot", "vanish"]))
    def damage_spool(self, place: int, what: str) -> None:
        """The dock's disk changes or loses a verified copy."""
        name = sorted(self.world.spool)[place % len(self.world.spool)]
        if what == "rot":
            self.world.spool[name] = bytes(reversed(self.world.spool[name]))
        else:
            del self.world.spool[name]

    @precondition(lambda self: self.world.objects)
    @rule(place=PLACES)
    def lose_object(self, place: int) -> None:
        """The archive loses an object that no erasing relied on yet."""
        self.world.lose(sorted(self.world.objects)[place % len(self.world.objects)])

    @precondition(lambda self: self.world.objects)
    @rule(camera=CAMERAS, lie=st.sampled_from(Lie))
    def hide_a_loss(self, camera: str, lie: Lie) -> None:
        """The archive loses all that no erasing relied on yet, and is asked about it."""
        for name in self.world.objects:
            self.world.lose(name)
        self.stay(camera, Stage.CLEARED, holdings=[lie])

    @rule(camera=CAMERAS, place=PLACES, lift=st.sampled_from([False, False, True]), whole=st.sampled_from([False, False, True]))
    def hold(self, camera: str, place: int, lift: bool, whole: bool) -> None:
        """A hold on a camera or a recording is placed or lifted."""
        cameras, recordings = self.world.holds.cameras, self.world.holds.recordings
        names = sorted(self.world.journal)
        if whole:
            cameras = cameras - {camera} if lift else cameras | {camera}
        elif names:
            name = names[place % len(names)]
            recordings = recordings - {name} if lift else recordings | {name}
        self.world.holds = Holds(cameras, recordings)

    @rule(place=PLACES)
    def retry(self, place: int) -> None:
        """A person lets a refused recording go on."""
        if refused := sorted(name for name, each in self.world.journal.items() if each.state is State.REFUSED):
            self.world.retry(refused[place % len(refused)])

    @invariant()
    def whatever_is_gone_is_held_byte_for_byte(self) -> None:
        """Each file that was ever recorded is on its camera, or the archive has exactly its bytes."""
        on_camera = {file.number: file.content for files in self.world.cameras.values() for file in files.values()}
        held = {each.content for each in self.world.objects.values()}
        for number, content in self.world.evidence.items():
            assert on_camera.get(number) == content or content in held, f"evidence {number} is lost"

    @invariant()
    def an_erased_file_is_held_by_the_very_object_that_was_proved(self) -> None:
        """Not only somewhere: the object that the permit named has the bytes."""
        for each in self.world.erasures:
            assert self.world.objects[each.object_id].content == each.content, f"{each.recording_id} was erased unproved"

    @invariant()
    def nothing_on_hold_was_erased(self) -> None:
        """At the instant of each deletion, neither its camera nor its recording was on hold."""
        for each in self.world.erasures:
            assert each.camera not in each.holds.cameras, f"{each.recording_id} was erased from a camera on hold"
            assert each.recording_id not in each.holds.recordings, f"{each.recording_id} was erased while on hold"

    @invariant()
    def the_journal_never_claims_too_much(self) -> None:
        """What it calls archived or erased was proved by an object; what it calls erased was covered by a permit."""
        for each in self.world.journal.values():
            if each.state in {State.ARCHIVED, State.ERASED}:
                assert each.stored is not None
                assert each.stored.measured == each.measured
            if each.state is State.ERASED:
                assert each.clearing


TestOneRule = OneRule.TestCase
TestOneRule.settings = settings(
    max_examples=150, stateful_step_count=50, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


def test_the_machine_does_erase() -> None:
    """Left alone, a camera is copied, archived and cleared: the invariants are not true of an idle world only."""
    machine = OneRule()
    machine.record("C1", {b"A.MP4": b"first", b"A.THM": b"other", b"junk": b"what"})
    machine.stay("C1", Stage.CLEARED)
    assert sorted(machine.world.cameras["C1"]) == [b"junk"]
    assert sorted(each.state for each in machine.world.journal.values()) == [State.ARCHIVED, State.ERASED, State.ERASED]
    assert len(machine.world.erasures) == 2


def test_an_erasing_that_was_cut_short_is_told_afterwards() -> None:
    """Power fails after the first of two files: the next docking finds one gone under its permit, and clears the other."""
    machine = OneRule()
    machine.record("C1", {b"A.MP4": b"first", b"B.MP4": b"other"})
    machine.stay("C1", Stage.CLEARED, crash_after=1)
    assert sorted(machine.world.cameras["C1"]) == [b"B.MP4"]
    machine.stay("C1", Stage.CLEARED)
    assert machine.world.cameras["C1"] == {}
    assert {each.state for each in machine.world.journal.values()} == {State.ERASED}


WhyNot = Callable[..., str]
_why_not: WhyNot = clearance._why_not
_accept = proof.accept_statement


def without_nonce(patch: pytest.MonkeyPatch) -> None:
    """Any statement that was ever true counts as fresh."""

    def accept(envelope: bytes, verifier: proof.SignatureVerifier, **expected: object) -> ArchiveProof:
        payload, _, _ = proof._open_envelope(envelope)
        return _accept(envelope, verifier, **expected | {"nonce": proof._parse(payload).nonce})  # type: ignore[arg-type]  # as given

    def why_not(file: ScannedFile, claim: Claim | None, rehash: Rehash | None, **known: object) -> str:
        said = {} if claim is None else {"nonce": claim.holding.statement.nonce}
        return _why_not(file, claim, rehash, **known | said)

    patch.setattr(proof, "accept_statement", accept)
    patch.setattr(clearance, "_why_not", why_not)


def without_signature(patch: pytest.MonkeyPatch) -> None:
    """Any signature is good."""
    patch.setattr(dsse.PinnedKeys, "verify", lambda *_: True)


def without_comparing_bytes(patch: pytest.MonkeyPatch) -> None:
    """What the device gave at the second reading is not looked at."""

    def why_not(file: ScannedFile, claim: Claim | None, rehash: Rehash | None, **known: object) -> str:
        if claim is not None and rehash is not None:
            rehash = replace(rehash, measured=claim.holding.statement.measured)
        return _why_not(file, claim, rehash, **known)

    patch.setattr(clearance, "_why_not", why_not)


def without_identity(patch: pytest.MonkeyPatch) -> None:
    """A file may change between re-hash and scan."""

    def why_not(file: ScannedFile, claim: Claim | None, rehash: Rehash | None, **known: object) -> str:
        if rehash is not None:
            file = replace(file, identity=rehash.identity)
        return _why_not(file, claim, rehash, **known)

    patch.setattr(clearance, "_why_not", why_not)


def without_holds_on_recordings(patch: pytest.MonkeyPatch) -> None:
    """A hold on one recording is forgotten."""

    def why_not(file: ScannedFile, claim: Claim | None, rehash: Rehash | None, **known: object) -> str:
        return _why_not(file, claim, rehash, **known | {"holds": Holds()})

    patch.setattr(clearance, "_why_not", why_not)


def without_holds_on_cameras(patch: pytest.MonkeyPatch) -> None:
    """A hold on the whole camera is forgotten."""
    permit_delete = clearance.permit_delete

    def permit(*, holds: Holds, **evidence: object) -> clearance.ClearancePermit:
        return permit_delete(holds=Holds(recordings=holds.recordings), **evidence)  # type: ignore[arg-type]  # as given

    patch.setattr(clearance, "permit_delete", permit)


def without_digests_of_the_statement(patch: pytest.MonkeyPatch) -> None:
    """A statement about any bytes is taken for one about ours."""

    def accept(envelope: bytes, verifier: proof.SignatureVerifier, **expected: object) -> ArchiveProof:
        payload, _, _ = proof._open_envelope(envelope)
        stored = expected["stored"]
        assert isinstance(stored, recording.StoredObject)
        accepted = _accept(
            envelope,
            verifier,
            **expected | {"stored": replace(stored, measured=proof._parse(payload).measured)},  # type: ignore[arg-type]  # as given
        )
        return replace(accepted, statement=replace(accepted.statement, measured=stored.measured))

    patch.setattr(proof, "accept_statement", accept)


@pytest.mark.parametrize(
    "weaken",
    [
        without_nonce,
        without_signature,
        without_comparing_bytes,
        without_identity,
        without_holds_on_recordings,
        without_holds_on_cameras,
        without_digests_of_the_statement,
    ],
)
def test_the_machine_finds_every_weakening(weaken: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Take one check away, and the same machine comes upon a recording that is lost, unproved or held."""
    weaken(monkeypatch)
    searching = settings(
        max_examples=2_000,
        stateful_step_count=50,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow],
        print_blob=False,
    )
    with pytest.raises(AssertionError, match=r"is lost|unproved|on hold"):
        run_state_machine_as_test(OneRule, settings=searching)
