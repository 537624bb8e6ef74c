"""What is missing, in words: one finding for each camera or recording."""

from dataclasses import replace

from dockd.core import gaps
from dockd.core.alerts import Kind
from dockd.core.recording import Refusal, State
from tests.sim.evidence import seen

_ONE, _TWO = seen("1" * 32, path=b"1.MP4"), seen("2" * 32, path=b"2.MP4")


def _refused(code: str) -> Refusal:
    return Refusal(code, "It cannot be read.")


def test_a_camera_that_left_with_something_uncopied_is_named_once() -> None:
    """Listed and not copied, and the camera is gone; what is in a bay is still being worked on."""
    recordings = [_ONE, replace(_TWO, state=State.COPYING), replace(_TWO, camera="C2"), replace(_ONE, state=State.VERIFIED)]
    found = gaps.uncopied(recordings, {"C2"})
    assert [(each.kind, each.subject) for each in found] == [(Kind.UNCOPIED, "C1")]
    assert found[0].message == "camera C1 left with 2 files, 1.MP4 among them, that the dock listed and did not copy"
    assert len(gaps.uncopied(recordings, set())) == 2


def test_what_was_set_aside_waits_for_a_person() -> None:
    """Refusals stand until somebody acts; a file that was copied as it was later is no loss."""
    recordings = [
        replace(_ONE, state=State.REFUSED, refusal=_refused("source-unreadable")),
        replace(_TWO, state=State.REFUSED, refusal=_refused(gaps.SUPERSEDED)),
        _TWO,
    ]
    (found,) = gaps.set_aside(recordings)
    assert (found.kind, found.message) == (Kind.SET_ASIDE, "1.MP4 of camera C1 were set aside and wait for a person")


def test_a_proof_that_no_longer_holds_is_named_with_the_archives_words() -> None:
    """Which recording, of which camera, and what the archive said."""
    (found,) = gaps.unproved([(_ONE, "404")])
    assert (found.kind, found.subject) == (Kind.UNPROVED, "1" * 32)
    assert found.message == "the archive does not prove any more that it holds 1.MP4 of camera C1: 404"
