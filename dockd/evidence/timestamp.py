"""An RFC 3161 timestamp over a bundle's checkpoint, from whichever authority the agency trusts.

The request is the one DER structure that RFC 3161 section 2.4.1 defines for a SHA-256 digest; the answer is kept as it came.
That it is of this checkpoint can be seen in it; whose it is, `openssl ts -verify` says with the authority's certificate.
"""

import hashlib
import secrets
import urllib.error
import urllib.request

from dockd.errors import EvidenceError

_SHA256 = bytes.fromhex("300d06096086480165030402010500")
_GRANTED = (bytes.fromhex("020100"), bytes.fromhex("020101"))  # PKIStatus granted, or granted with modifications
_WITHIN_S = 30.0
_LIMIT_BYTES = 64 * 1024


def request(data: bytes, nonce: int) -> bytes:
    """A TimeStampReq for the SHA-256 of `data` that asks for the authority's certificate too."""
    imprint = _sequence(_SHA256 + b"\x04\x20" + hashlib.sha256(data).digest())
    number = nonce.to_bytes(9, "big").lstrip(b"\0") or b"\0"
    number = b"\0" + number if number[0] & 0x80 else number
    return _sequence(b"\x02\x01\x01" + imprint + b"\x02" + bytes([len(number)]) + number + b"\x01\x01\xff")


def stamp(data: bytes, url: str) -> bytes:
    """The TimeStampResp of the authority at `url` for `data`. Blocks.

    Raises:
        EvidenceError: it gave none, or one of something else.
    """
    if not url.startswith(("http://", "https://")):
        msg = f"{url} is not the address of a timestamp authority"
        raise EvidenceError(msg)
    asked = urllib.request.Request(  # noqa: S310 - the scheme was looked at
        url, request(data, secrets.randbits(63)), {"Content-Type": "application/timestamp-query"}
    )
    try:
        with urllib.request.urlopen(asked, timeout=_WITHIN_S) as answer:  # noqa: S310 - as above
            token: bytes = answer.read(_LIMIT_BYTES)
    except (OSError, ValueError, urllib.error.URLError) as exc:
        msg = f"the timestamp authority at {url} does not answer: {exc}"
        raise EvidenceError(msg, hint="Nothing was written. Try again, or export without --tsa.") from exc
    if not any(each in token[:16] for each in _GRANTED) or hashlib.sha256(data).digest() not in token:
        msg = f"the timestamp authority at {url} gave no timestamp over this checkpoint"
        raise EvidenceError(msg, hint="Nothing was written. Is that the address of an RFC 3161 service?")
    return token


def _sequence(content: bytes) -> bytes:
    return b"\x30" + bytes([len(content)]) + content
