"""Settings that could never work, or would send evidence in the clear, are refused before anything is sent."""

import pytest

from dockd.archive.settings import TusSettings
from dockd.dsse import SigningKey

KEY = SigningKey.generate().public_text


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://vault.example/files/", "readable and changeable by anyone"),
        ("http://10.0.0.1/files/", "use https"),
        ("http://localhost.evil.example/files/", "use https"),
        ("ftp://vault.example/files/", "http or https"),
        ("/files/", "http or https"),
        ("https://vault.example/files", "slash"),
        ("https://dock:secret@vault.example/files/", "token file"),
        ("https://vault.example/files/?a=1", "plain address"),
    ],
)
def test_a_url_that_cannot_be_trusted_is_refused(url: str, words: str) -> None:
    """Each with what is wrong about it."""
    with pytest.raises(ValueError, match=words):
        TusSettings(url=url, dock="d", pinned_keys=(KEY,))


@pytest.mark.parametrize(
    "url", ["https://vault.example/files/", "http://127.0.0.1:8/f/", "http://[::1]:8/f/", "http://localhost/f/"]
)
def test_https_and_loopback_are_accepted(url: str) -> None:
    """Plain HTTP never leaves the machine."""
    assert TusSettings(url=url, dock="d", pinned_keys=(KEY,)).url == url


def test_a_token_never_shows_in_logs() -> None:
    """Nor may it break a header."""
    assert "s3cret" not in repr(TusSettings(url="https://v/f/", dock="d", pinned_keys=(KEY,), token="s3cret"))
    with pytest.raises(ValueError, match="token"):
        TusSettings(url="https://v/f/", dock="d", pinned_keys=(KEY,), token="a\r\nHost: b")


@pytest.mark.parametrize("change", [{"patch_size_bytes": 0}, {"whole_limit_bytes": -1}, {"stall_s": 0.0}, {"answer_s": -1.0}])
def test_numbers_that_stop_everything_are_refused(change: dict[str, float]) -> None:
    """A limit of zero is a mistake, not a wish."""
    with pytest.raises(ValueError, match="above zero"):
        TusSettings(url="https://v/f/", dock="d", pinned_keys=(KEY,), **change)  # type: ignore[arg-type]  # wrong on purpose


def test_a_pinned_key_must_be_one() -> None:
    """A typing error shows at start, not at the first receipt."""
    with pytest.raises(ValueError, match="not a public key"):
        TusSettings(url="https://v/f/", dock="d", pinned_keys=("ed25519:AAAA",))
