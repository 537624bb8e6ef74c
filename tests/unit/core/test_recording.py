"""Digests, and what it takes to call a copy verified."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockd.core.recording import (
    CopyDiffersError,
    Digests,
    Measured,
    MediumReading,
    State,
    VerifiedRecording,
    recall,
    verify_copy,
)
from tests.sim.evidence import archived, measure, read_back, seen

CONTENT = b"content"


@given(st.binary(), st.binary())
def test_a_copy_is_verified_only_if_the_medium_gave_the_same_bytes(camera: bytes, medium: bytes) -> None:
    """Equal bytes make a VerifiedRecording with what was read from the camera; others make an error."""
    if camera == medium:
        assert verify_copy("r1", from_camera=measure(camera), from_medium=read_back(medium)).measured == measure(camera)
    else:
        with pytest.raises(CopyDiffersError):
            verify_copy("r1", from_camera=measure(camera), from_medium=read_back(medium))


@pytest.mark.parametrize("reading", [MediumReading(8, read_back(CONTENT).blake3), MediumReading(7, bytes(32))])
def test_size_and_digest_both_count(reading: MediumReading) -> None:
    """Neither a right digest with a wrong size nor the reverse is accepted."""
    with pytest.raises(CopyDiffersError, match="read from the camera"):
        verify_copy("r1", from_camera=measure(CONTENT), from_medium=reading)


def test_nobody_else_makes_a_verified_recording() -> None:
    """The constructor wants a seal that only this module has."""
    with pytest.raises(RuntimeError, match="only verify_copy"):
        VerifiedRecording("r1", measure(CONTENT), object())


@pytest.mark.parametrize("state", list(State))
def test_only_what_the_journal_holds_as_verified_is_recalled(state: State) -> None:
    """What waits for the archive may be sent; nothing earlier, and nothing later."""
    recording = replace(seen("r1"), state=state, measured=measure(CONTENT))
    if state in {State.VERIFIED, State.UPLOADING}:
        assert recall(recording) == verify_copy("r1", from_camera=measure(CONTENT), from_medium=read_back(CONTENT))
    else:
        with pytest.raises(RuntimeError, match="not verified in the spool"):
            recall(recording)


def test_an_unmeasured_recording_is_never_recalled() -> None:
    """Without digests there is nothing to hold the bytes against."""
    with pytest.raises(RuntimeError):
        recall(replace(seen("r1"), state=State.VERIFIED))


@pytest.mark.parametrize(("blake3", "sha256"), [(bytes(31), bytes(32)), (bytes(32), bytes(33)), (b"", b"")])
def test_digests_have_thirty_two_bytes(blake3: bytes, sha256: bytes) -> None:
    """Anything shorter or longer is no digest."""
    with pytest.raises(ValueError, match="32 bytes"):
        Digests(blake3, sha256)


def test_digests_are_read_from_hexadecimal() -> None:
    """Upper or lower case, but hexadecimal."""
    assert Digests.from_hex("AB" * 32, "cd" * 32) == Digests(b"\xab" * 32, b"\xcd" * 32)
    with pytest.raises(ValueError, match="hexadecimal"):
        Digests.from_hex("xy" * 32, "cd" * 32)


def test_a_measurement_is_equal_only_with_both_digests() -> None:
    """A broken hash function must not be enough to make two recordings one."""
    one = archived(seen("r1"), CONTENT).measured
    assert one == measure(CONTENT)
    assert one != Measured(len(CONTENT), Digests(measure(CONTENT).digests.blake3, bytes(32)))
    assert one != Measured(len(CONTENT), Digests(bytes(32), measure(CONTENT).digests.sha256))
