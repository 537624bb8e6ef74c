import base64
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockd.vault import tus
from dockd.vault.refusal import RefusedError

KEYS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters=","), min_size=1, max_size=20)


def _length(text: str) -> int:
    return tus.decimal({"Upload-Length": text}, "Upload-Length")


def _refusal(read: Callable[[str], object], text: str) -> RefusedError | None:
    try:
        read(text)
    except RefusedError as exc:
        return exc
    return None


@given(st.dictionaries(KEYS, st.text(max_size=40), max_size=6))
def test_metadata_comes_back_as_it_was_sent(members: dict[str, str]) -> None:
    """Any keys that the protocol allows, with any text as value, are read exactly."""
    header = ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in members.items())
    assert tus.metadata(header) == members


@given(st.text(max_size=200))
def test_any_other_text_is_refused_in_words(text: str) -> None:
    """Whatever a stranger sends as a header is read or refused with 400, and never anything else."""
    for read in (tus.metadata, tus.body_checksum, tus.nonce, _length):
        refusal = _refusal(read, text)
        if refusal is not None:
            assert refusal.status == 400
            assert refusal.message.endswith(".")


@pytest.mark.parametrize("text", ["", " 1", "+1", "1_0", "٣", "0x1", "9223372036854775808"])
def test_a_number_is_decimal_digits(text: str) -> None:
    """What only Python would call a number is none."""
    with pytest.raises(RefusedError):
        tus.decimal({"Upload-Offset": text}, "Upload-Offset")


def test_a_value_may_be_absent() -> None:
    """The protocol lets a key stand alone."""
    assert tus.metadata("is_confidential,name dGVzdA==") == {"is_confidential": "", "name": "test"}


def test_a_nonce_is_text() -> None:
    """A JSON number or list is no nonce."""
    with pytest.raises(RefusedError):
        tus.nonce(12345678901234567890)
