"""One key hands over to the next: what a statement says, and which chains of them are followed."""

import json

import pytest

from dockd.core.canonical import canonical
from dockd.core.handover import Handover, HandoverError, chain, continues, parse_handover

AT = "2026-11-28T12:00:00.000Z"


def hands_over(old: str, new: str) -> Handover:
    """A handover of the archive of these tests."""
    return Handover("vault-01", old, new, AT)


def test_what_was_signed_is_what_is_read() -> None:
    """The payload gives the statement back, and no other spelling of it does."""
    handover = hands_over("A", "B")
    assert parse_handover(handover.payload()) == handover
    for payload in (
        json.dumps(json.loads(handover.payload()), indent=1).encode(),
        canonical({**json.loads(handover.payload()), "more": "1"}),
        canonical({**json.loads(handover.payload()), "type": "dockd/receipt/v1"}),
    ):
        with pytest.raises(HandoverError, match="canonical form"):
            parse_handover(payload)


@pytest.mark.parametrize("payload", [b"", b"{}", b"[" * 100_000, b'{"archive": 1, "old": "A", "new": "B", "time": "T"}', b"\xff"])
def test_anything_else_is_no_handover(payload: bytes) -> None:
    """Whatever a file may hold is refused in words."""
    with pytest.raises(HandoverError, match="it is not an archive's handover"):
        parse_handover(payload)


def test_a_chain_leads_from_key_to_key() -> None:
    """None, one, several."""
    assert chain([], "A") == ("A",)
    assert chain([hands_over("A", "B")], "B") == ("A", "B")
    assert chain([hands_over("A", "B"), hands_over("B", "C")], "C") == ("A", "B", "C")


@pytest.mark.parametrize(
    ("handovers", "words"),
    [
        ([hands_over("A", "B")], "they end at B"),
        ([hands_over("A", "B"), hands_over("A", "C")], "A hands over to C, but the one before ended at B"),
        ([hands_over("A", "B"), hands_over("B", "A"), hands_over("A", "C")], "A had handed over before"),
    ],
)
def test_what_leads_elsewhere_is_no_chain(handovers: list[Handover], words: str) -> None:
    """A gap, a fork, a circle, another end."""
    with pytest.raises(HandoverError, match=words):
        chain(handovers, "C")


@pytest.mark.parametrize(
    ("wanted", "trusted", "follows"),
    [
        ("A", "A", True),
        ("AB", "A", True),
        ("ABC", "A", True),
        ("ABC", "AB", True),
        ("BC", "AB", True),  # the oldest one was taken out
        ("B", "AB", True),
        ("B", "A", False),  # nobody handed over
        ("A", "AB", False),  # rolled back
        ("AC", "AB", False),  # a second statement of A, which is not the archive's key any more
        ("XA", "A", False),  # brings in a key of which nobody knows anything
        ("XAB", "A", False),
    ],
)
def test_what_is_trusted_is_gone_on_from(wanted: str, trusted: str, *, follows: bool) -> None:
    """Only forward, from the newest key, without any stranger."""
    assert continues(wanted, trusted) is follows
