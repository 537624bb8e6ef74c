"""Ed25519 keys: the only module that signs or checks a signature, of statements as of checkpoints.

Private keys are PKCS #8 PEM files of mode 0600, public keys travel as `ed25519:<base64 of 32 bytes>`; a key's id is the first 16
hexadecimal digits of the SHA-256 of those 32 bytes. The arithmetic is OpenSSL's, through `cryptography`.
"""

import base64
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from dockd.core.note import Checkpoint, Note, NoteSignature, SignatureType, cosigned, note_key_id
from dockd.core.proof import Statement, pre_authentication, seal_envelope, seal_payload
from dockd.durable import sync_path

_PREFIX = "ed25519:"
_PUBLIC_BYTES = 32
_TIME_BYTES = 8


class KeyFormatError(ValueError):
    """Not an Ed25519 key in dockd's spelling."""


def key_id(public: Ed25519PublicKey) -> str:
    """16 hexadecimal digits that name the key."""
    return hashlib.sha256(public.public_bytes_raw()).hexdigest()[:16]


class SigningKey:
    """An archive's or a dock's private key."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        public = private.public_key()
        self._public = public.public_bytes_raw()
        self.key_id = key_id(public)
        self.public_text = _PREFIX + base64.b64encode(public.public_bytes_raw()).decode()

    @classmethod
    def load_or_create(cls, path: Path) -> Self:
        """The key in `path`; where there is none, a new one, durably written with mode 0600.

        Raises:
            KeyFormatError: the file holds something else, or others may read it.
            OSError: it can be neither read nor written.
        """
        if not path.exists():
            _write_key(path, Ed25519PrivateKey.generate())
        if path.stat().st_mode & 0o077:
            msg = f"{path}: others than its owner may read this private key; chmod 600 it"
            raise KeyFormatError(msg)
        return cls.load(path)

    @classmethod
    def load(cls, path: Path) -> Self:
        """The key in `path`, whoever may read that.

        Raises:
            KeyFormatError: the file holds something else.
            OSError: it cannot be read.
        """
        try:
            private = serialization.load_pem_private_key(path.read_bytes(), password=None)
        except (ValueError, TypeError) as exc:
            msg = f"{path}: not a private key in PEM form: {exc}"
            raise KeyFormatError(msg) from exc
        if not isinstance(private, Ed25519PrivateKey):
            msg = f"{path}: a {type(private).__name__}, but an Ed25519 key is needed"
            raise KeyFormatError(msg)
        return cls(private)

    @classmethod
    def generate(cls) -> Self:
        """A key that lives only in memory."""
        return cls(Ed25519PrivateKey.generate())

    def save(self, path: Path) -> None:
        """Copy the key into the new file `path`, mode 0600, and read it again from there; nothing is left of a copy that failed.

        Raises:
            OSError: there is a file already, or it cannot be written.
            KeyFormatError: what was written does not read back as this key.
        """
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(_pem(self._private))
                file.flush()
                os.fsync(file.fileno())
            sync_path(path.parent)
            if SigningKey.load(path).public_text != self.public_text:
                msg = f"{path}: another key reads back than was written"
                raise KeyFormatError(msg)
        except BaseException:
            path.unlink()
            raise

    def envelope(self, statement: Statement) -> bytes:
        """`statement`, which must name this key, signed.

        Raises:
            RuntimeError: the statement names another key.
        """
        if statement.key_id != self.key_id:
            msg = f"a statement for key {statement.key_id} given to key {self.key_id}"
            raise RuntimeError(msg)
        return seal_envelope(statement, self._private.sign(pre_authentication(statement.payload())))

    def sealed(self, payload: bytes, payload_type: str) -> bytes:
        """The DSSE envelope over `payload`, signed."""
        return seal_payload(payload, self.key_id, self._private.sign(pre_authentication(payload, payload_type)), payload_type)

    def checkpoint(self, checkpoint: Checkpoint) -> Note:
        """The signed note of a log's state; the key's name is the log's origin."""
        text = checkpoint.text()
        return Note(text, (self.sign_note(checkpoint.origin, text),))

    def unseal(self, payload_type: str, envelope: bytes) -> bytes | None:
        """The payload of an envelope that `sealed` made with this key; None for any other."""
        try:
            payload, vouched = PinnedKeys.payload_of(payload_type, envelope)
        except ValueError:
            return None
        return payload if vouched(PinnedKeys(self.public_text)) else None

    def sign_note(self, name: str, text: str) -> NoteSignature:
        """This key's signature, under `name`, over a note's text."""
        return NoteSignature(name, note_key_id(name, SignatureType.ED25519, self._public), self._private.sign(text.encode()))

    def cosign(self, name: str, text: str, time_s: int) -> NoteSignature:
        """This key's cosignature, under `name`, over a checkpoint's text, at `time_s` since 1970."""
        signature = time_s.to_bytes(_TIME_BYTES, "big") + self._private.sign(cosigned(text, time_s))
        return NoteSignature(name, note_key_id(name, SignatureType.COSIGNATURE, self._public), signature)


class PinnedKeys:
    """Public keys that the site file pins; implements `core.proof.SignatureVerifier`."""

    def __init__(self, *texts: str) -> None:
        keys = [parse_public(text) for text in texts]
        self._by_id = {key_id(key): key for key in keys}

    def verify(self, key_id: str, message: bytes, signature: bytes) -> bool:
        """Whether the pinned key of that id made `signature` over `message`."""
        key = self._by_id.get(key_id)
        return key is not None and _made(key, signature, message)

    @staticmethod
    def payload_of(payload_type: str, envelope: bytes) -> tuple[bytes, Callable[["PinnedKeys"], bool]]:
        """The payload of an envelope that `SigningKey.sealed` made, and who tells whether one of some keys did.

        Raises:
            ValueError: it is no envelope of that type with one signature.
        """
        try:
            match json.loads(envelope):
                case {
                    "payload": str(text),
                    "payloadType": str(kind),
                    "signatures": [{"keyid": str(key_id), "sig": str(sig)}],
                } if kind == payload_type:
                    payload, signature = base64.b64decode(text, validate=True), base64.b64decode(sig, validate=True)
                case _:
                    msg = f"no envelope with one signature over a {payload_type}"
                    raise ValueError(msg)
        except RecursionError as exc:
            msg = "nested too deeply"
            raise ValueError(msg) from exc
        return payload, lambda keys: keys.verify(key_id, pre_authentication(payload, payload_type), signature)

    def signed_note(self, note: Note, name: str) -> bool:
        """Whether one of these keys signed the note under `name`."""
        return any(
            (each.name, each.key_id) == (name, note_key_id(name, SignatureType.ED25519, key.public_bytes_raw()))
            and _made(key, each.signature, note.text.encode())
            for key in self._by_id.values()
            for each in note.signatures
        )

    def cosigned_at(self, note: Note, name: str) -> tuple[NoteSignature, int] | None:
        """The cosignature that one of these keys made under `name`, and when, in seconds since 1970; None if there is none."""
        for key in self._by_id.values():
            wanted = (name, note_key_id(name, SignatureType.COSIGNATURE, key.public_bytes_raw()))
            for each in note.signatures:
                time_s = int.from_bytes(each.signature[:_TIME_BYTES], "big")
                if (each.name, each.key_id) == wanted and _made(key, each.signature[_TIME_BYTES:], cosigned(note.text, time_s)):
                    return each, time_s
        return None


def _made(key: Ed25519PublicKey, signature: bytes, message: bytes) -> bool:
    try:
        key.verify(signature, message)
    except InvalidSignature:
        return False
    return True


def parse_public(text: str) -> Ed25519PublicKey:
    """The key in `ed25519:<base64>`.

    Raises:
        KeyFormatError: it is not one.
    """
    try:
        if not text.startswith(_PREFIX):
            msg = "it does not begin with ed25519:"
            raise ValueError(msg)
        return Ed25519PublicKey.from_public_bytes(_raw(text.removeprefix(_PREFIX)))
    except ValueError as exc:
        msg = f"{text!r} is not a public key: {exc}"
        raise KeyFormatError(msg) from exc


def _raw(encoded: str) -> bytes:
    """The 32 bytes in `encoded`; refused in words of our own, since Python's differ between its versions."""
    try:
        raw = base64.b64decode(encoded, validate=True)
    except ValueError:
        raw = b""
    if len(raw) != _PUBLIC_BYTES:
        msg = "it is not the base64 of 32 bytes"
        raise ValueError(msg)
    return raw


def _write_key(path: Path, private: Ed25519PrivateKey) -> None:
    """Write beside the final name, then link: a crash leaves a whole key or none, and no key is ever replaced."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    try:
        os.write(descriptor, _pem(private))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.link(temporary, path)
    temporary.unlink()
    sync_path(path.parent)


def _pem(private: Ed25519PrivateKey) -> bytes:
    return private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
