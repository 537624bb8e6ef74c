"""What is read from an archive's answer is bounded, printable, and never more than a number or a date."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockd.archive.answers import Answer, error_for
from dockd.errors import ArchiveError

NOW = datetime(2026, 11, 24, 19, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5", 5.0),
        ("0", 0.0),
        ("999999999", 3600.0),
        ("Tue, 24 Nov 2026 19:10:05 GMT", 5.0),
        ("Tue, 24 Nov 2026 19:00:00 GMT", 0.0),
        ("Tue, 24 Nov 2026 19:10:05 -0000", None),
        ("-1", None),
        ("soon", None),
        ("٣", None),
        ("", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(text: str, seconds: float | None) -> None:
    """Nonsense is as good as nothing, and nobody makes the dock wait for a day."""
    assert Answer(503, {"Retry-After": text}, b"").retry_after_s(NOW) == seconds


@given(body=st.binary(max_size=5000), status=st.integers(100, 999), tus=st.booleans(), after=st.text(max_size=30))
def test_any_answer_becomes_an_error_in_one_printable_line(body: bytes, status: int, tus: bool, after: str) -> None:
    """However hostile, what reaches logs and screens is short and cannot move a cursor."""
    answer = Answer(status, {"Retry-After": after, **({"Tus-Resumable": "1.0.0"} if tus else {})}, body)
    for refusable in (True, False):
        error = error_for(answer, "asking", now=NOW, refusable=refusable)
        assert isinstance(error, ArchiveError)
        assert error.message.isprintable()
        assert len(error.message) < 500


@pytest.mark.parametrize("text", ["-1", "1.5", "1e3", "", "9" * 30, "٣", " 5"])
def test_a_number_is_decimal_digits_only(text: str) -> None:
    """An offset that Python could read but no tus server writes is none."""
    assert Answer(200, {"Upload-Offset": text}, b"").number("Upload-Offset") is None
