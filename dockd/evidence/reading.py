"""How an evidence bundle is read: signatures, spelling, the tree, the container. First part of the verifier, which runs alone.

The standard library is enough; where the packages `cryptography` and `blake3` are installed it is faster, and checks the BLAKE3
of media too. No other part of dockd is used, so that what made a bundle does not judge it. It goes by docs/custody-format.md.
"""

import base64
import hashlib
import json
import re
import struct
import zlib
from bisect import bisect_left
from collections.abc import Iterator
from pathlib import Path
from typing import Any

try:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
except ImportError:  # pragma: no cover - tested in a process that has it not
    Ed25519PublicKey = None  # type: ignore[assignment,misc]

Json = dict[str, Any]
Files = dict[str, bytes]

MANIFEST = "bundle.dsse.json"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*", re.ASCII)
_UNNAMEABLE = re.compile(rb"[^!-$&-*,-~]")
_SIZE = re.compile(r"[1-9][0-9]{0,15}", re.ASCII)
_KEY_BYTES, _SIGNATURE_BYTES, _ID_BYTES, _TIME_BYTES, _HEADER_BYTES = 32, 64, 4, 8, 30
SIGNED, COSIGNED = 1, 4
_P, _Q = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
_D, _ROOT = -121665 * pow(121666, _P - 2, _P) % _P, pow(2, (_P - 1) // 4, _P)


class WrongError(Exception):
    """Something is not as it was made: where, and what."""

    def __str__(self) -> str:
        return ": ".join(map(str, self.args))


class UnreadableError(WrongError):
    """There is no bundle to check."""


# ---- signatures: Ed25519 as RFC 8032 section 5.1.7 writes it, in extended coordinates


def _point(data: bytes) -> tuple[int, ...] | None:
    y, sign = int.from_bytes(data, "little") & (2**255 - 1), data[31] >> 7
    square = (y * y - 1) * pow(_D * y * y + 1, _P - 2, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    x = x if (x * x - square) % _P == 0 else x * _ROOT % _P
    if y >= _P or (x * x - square) % _P or (x == 0 and sign):
        return None
    x = _P - x if x & 1 != sign else x
    return x, y, 1, x * y % _P


def _add(one: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, ...]:
    a, b = (one[1] - one[0]) * (other[1] - other[0]) % _P, (one[1] + one[0]) * (other[1] + other[0]) % _P
    c, d = 2 * one[3] * other[3] * _D % _P, 2 * one[2] * other[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _times(scalar: int, point: tuple[int, ...]) -> tuple[int, ...]:
    total: tuple[int, ...] = (0, 1, 1, 0)
    while scalar:
        total, point, scalar = _add(total, point) if scalar & 1 else total, _add(point, point), scalar >> 1
    return total


def signed_by_arithmetic(public: bytes, signature: bytes, message: bytes) -> bool:
    """Whether an Ed25519 signature is good, with Python's own numbers."""
    if len(public) != _KEY_BYTES or len(signature) != _SIGNATURE_BYTES:
        return False
    key, shown, scalar = _point(public), _point(signature[:32]), int.from_bytes(signature[32:], "little")
    base = _point((4 * pow(5, _P - 2, _P) % _P).to_bytes(32, "little"))
    if key is None or shown is None or base is None or scalar >= _Q:
        return False
    digest = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % _Q
    left, right = _times(scalar, base), _add(shown, _times(digest, key))
    return all((left[at] * right[2] - right[at] * left[2]) % _P == 0 for at in (0, 1))


def is_signed(public: bytes, signature: bytes, message: bytes) -> bool:
    """Whether an Ed25519 signature is good."""
    if Ed25519PublicKey is None:
        return signed_by_arithmetic(public, signature, message)
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


# ---- spelling: one value has one spelling, so that no byte can change unseen


def decoded(text: Any, what: str) -> bytes:  # noqa: ANN401 - whatever stands in a JSON
    """The bytes in base64."""
    try:
        data = base64.b64decode(text, validate=True)
    except (ValueError, TypeError) as exc:
        raise WrongError(what, "not base64") from exc
    if base64.b64encode(data).decode() != text:
        raise WrongError(what, "base64 in a second spelling")
    return data


def parsed(data: bytes, what: str) -> Any:  # noqa: ANN401 - whatever it holds
    """The value in canonical JSON."""
    try:
        value = json.loads(data, parse_float=_no_number, parse_constant=_no_number)
        spelled = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True).encode()
    except (ValueError, RecursionError) as exc:
        raise WrongError(what, f"not JSON: {exc}") from exc
    if spelled != data:
        raise WrongError(what, "not in canonical form")
    return value


def _no_number(text: str) -> None:
    msg = f"{text} is not a number of canonical JSON"
    raise ValueError(msg)


def key_of(text: str) -> bytes:
    """The 32 bytes of a public key `ed25519:<base64>`."""
    raw = decoded(text[8:], "a public key") if text.startswith("ed25519:") else b""
    if len(raw) != _KEY_BYTES:
        raise WrongError(text[:80], "not a public key")
    return raw


def witness_of(archive: str) -> str:
    """The name under which an archive cosigns: its id, percent-encoded where a note's key may not have it."""
    return _UNNAMEABLE.sub(lambda found: b"%%%02X" % found.group()[0], archive.encode()).decode()


def opened(data: bytes, kind: str, key: str | None, what: str) -> Json:
    """The payload of a DSSE envelope with one good signature: of `key`, or of the key that the payload names."""
    envelope = parsed(data, what)
    try:
        (signature,) = envelope["signatures"]
        payload, signed = decoded(envelope["payload"], what), decoded(signature["sig"], what)
        members: Json = parsed(payload, what)
        public = key_of(key or members["key"])
        key_id = hashlib.sha256(public).hexdigest()[:16]
        expected = {
            "payload": envelope["payload"],
            "payloadType": kind,
            "signatures": [{"keyid": key_id, "sig": signature["sig"]}],
        }
    except (TypeError, KeyError, ValueError) as exc:
        raise WrongError(what, "not a DSSE envelope") from exc
    if envelope != expected:
        raise WrongError(what, f"not an envelope of {kind} by key {key_id}")
    if not is_signed(public, signed, b"DSSEv1 %d %b %d %b" % (len(kind), kind.encode(), len(payload), payload)):
        raise WrongError(what, f"the signature is not one of key {key_id}")
    return members


class Checkpoint:
    """A signed checkpoint of the log, taken apart; whose signatures are good is asked afterwards."""

    def __init__(self, data: bytes, what: str) -> None:
        self.what = what
        try:
            text, _, lines = data.decode().rpartition("\n\n")
            self.origin, size, root = text.split("\n")
            self.text, self.size, self.root = text + "\n", int(size) if _SIZE.fullmatch(size) else 0, decoded(root, what)
            split = [line.split(" ") for line in lines.removesuffix("\n").split("\n")]
            self.signatures = {(name, decoded(raw, what)[:_ID_BYTES]): decoded(raw, what)[_ID_BYTES:] for _, name, raw in split}
            again = "".join(f"\N{EM DASH} {name} {raw}\n" for _, name, raw in split)
        except ValueError as exc:
            raise WrongError(what, "not a checkpoint") from exc
        if f"{self.origin}\n{self.size}\n{root}\n\n{again}".encode() != data or len(self.signatures) != len(split):
            raise WrongError(what, "not a checkpoint in its one spelling")

    def take(self, name: str, kind: int, key: str) -> bytes | None:
        """The signature of that key, which must be good if it is there; each is taken once."""
        public = key_of(key)
        signature = self.signatures.pop((name, hashlib.sha256(name.encode() + b"\n%c" % kind + public).digest()[:4]), None)
        if signature is None:
            return None
        message, signed = self.text.encode(), signature
        if kind == COSIGNED:
            time_s, signed = int.from_bytes(signature[:_TIME_BYTES], "big"), signature[_TIME_BYTES:]
            message = b"cosignature/v1\ntime %d\n" % time_s + message
        if not is_signed(public, signed, message):
            raise WrongError(self.what, f"the signature of {name} is wrong")
        return signature


# ---- the tree, RFC 9162 section 2.1


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def _split(count: int) -> int:
    return 1 << ((count - 1).bit_length() - 1)


def _whole(level: list[bytes]) -> bytes:
    """The root over these leaves, level by level, which is the same as half by half."""
    while len(level) > 1:
        above = [_node(level[at], level[at + 1]) for at in range(0, len(level) - 1, 2)]
        level = above if len(level) % 2 == 0 else [*above, level[-1]]
    return level[0]


def disclosed_root(leaves: dict[int, bytes], size: int, hidden: Iterator[bytes]) -> bytes:
    """The root of the tree, from the leaves that are shown, by index in order, and the hashes that stand for the others."""
    order = list(leaves)

    def root(start: int, end: int, first: int, last: int) -> bytes:
        if first == last:
            return next(hidden)
        if last - first == end - start:
            return _whole([leaves[each] for each in order[first:last]])
        middle = start + _split(end - start)
        at = bisect_left(order, middle, first, last)
        left = root(start, middle, first, at)
        return _node(left, root(middle, end, at, last))

    return root(0, size, 0, len(order))


def consistent_roots(old: int, new: int, old_root: bytes, proof: Iterator[bytes]) -> tuple[bytes, bytes]:
    """The roots of the old and the new tree to which a consistency proof leads, RFC 9162 section 2.1.4."""

    def both(m: int, n: int, *, whole: bool) -> tuple[bytes, bytes]:
        if m == n:
            root = old_root if whole else next(proof)
            return root, root
        k = _split(n)
        before, after = both(m, k, whole=whole) if m <= k else both(m - k, n - k, whole=False)
        beside = next(proof)
        return (before, _node(after, beside)) if m <= k else (_node(beside, before), _node(beside, after))

    return both(old, new, whole=True)


# ---- the container


def written_zip(files: Files) -> bytes:
    """The one .zip of these files: in the order of their names, stored, without times, modes or extras."""
    body, directory = bytearray(), bytearray()
    for name, data in sorted(files.items()):
        head = struct.pack("<HHHHHLLLHH", 20, 0x800, 0, 0, 0x21, zlib.crc32(data), len(data), len(data), len(name.encode()), 0)
        directory += b"PK\x01\x02\x14\x00" + head + struct.pack("<HHHLL", 0, 0, 0, 0, len(body)) + name.encode()
        body += b"PK\x03\x04" + head + name.encode() + data
    end = struct.pack("<HHHHLLH", 0, 0, len(files), len(files), len(directory), len(body), 0)
    return bytes(body + directory + b"PK\x05\x06" + end)


def read_bundle(path: Path) -> Files:
    """Name and bytes of every file in the .zip or folder."""
    try:
        if path.is_dir():
            inside = [each for each in path.rglob("*") if each.is_symlink() or not each.is_dir()]
            if odd := [each.name for each in inside if each.is_symlink() or not each.is_file()]:
                raise WrongError(odd[0], "not a plain file")
            return {each.relative_to(path).as_posix(): each.read_bytes() for each in inside}
        data = path.read_bytes()
    except OSError as exc:
        raise UnreadableError(path, exc.strerror) from exc
    files: Files = {}
    at = 0
    while data[at : at + 4] == b"PK\x03\x04" and len(data) >= at + _HEADER_BYTES:
        (size,), (length,) = struct.unpack_from("<L", data, at + 22), struct.unpack_from("<H", data, at + 26)
        name = data[at + 30 : at + 30 + length].decode("utf-8", "replace")
        if name in files:
            raise WrongError(name, "it is there twice")
        files[name] = data[at + 30 + length : at + 30 + length + size]
        at += 30 + length + size
    if MANIFEST not in files:
        raise UnreadableError(path, "not an evidence bundle of dockd, neither a folder nor a .zip")
    try:
        again = written_zip(files)
    except struct.error:  # more or larger than a bundle can hold
        again = b""
    if again != data:
        raise WrongError(path.name, "bytes of the .zip were changed, added or taken away")
    return files
