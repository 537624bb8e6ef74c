"""Signatures over notes and checkpoints: made, checked, and refused."""

import base64
from pathlib import Path

import pytest

from dockd.core.note import Checkpoint, Note, cosigned, parse_note
from dockd.dsse import KeyFormatError, PinnedKeys, SigningKey

# The example in the documentation of Go's note package (pkg.go.dev/golang.org/x/mod/sumdb/note).
_GO_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
_GO_NOTE = """If you think cryptography is the answer to your problem,
then you don't know what your problem is.

— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=
"""
_TEXT = Checkpoint("dockd/d/0123456789abcdef", 7, bytes(32)).text()


def test_a_note_that_others_signed_is_checked() -> None:
    """The published note is good under the published key, and not after any change."""
    public = base64.b64encode(base64.b64decode(_GO_KEY.rpartition("+")[2])[1:]).decode()
    keys, note = PinnedKeys(f"ed25519:{public}"), parse_note(_GO_NOTE.encode())
    assert keys.signed_note(note, "PeterNeumann")
    assert not keys.signed_note(note, "Peter")
    assert not keys.signed_note(Note(note.text + "\n", note.signatures), "PeterNeumann")


def test_a_dock_signs_its_checkpoints() -> None:
    """The dock's own key and name, and no other, are found in its note."""
    dock, other = SigningKey.generate(), SigningKey.generate()
    note = Note(_TEXT, (other.sign_note("other", _TEXT), dock.sign_note("dockd/d", _TEXT)))
    assert PinnedKeys(dock.public_text).signed_note(note, "dockd/d")
    assert not PinnedKeys(other.public_text).signed_note(note, "dockd/d")
    assert not PinnedKeys(dock.public_text).signed_note(note, "other")


def test_an_archive_cosigns_with_its_time() -> None:
    """A cosignature says when it was made; another time, text, name or key is none."""
    archive, dock = SigningKey.generate(), SigningKey.generate()
    keys = PinnedKeys(dock.public_text, archive.public_text)
    line = archive.cosign("vault", _TEXT, 1_790_000_000)
    note = Note(_TEXT, (dock.sign_note("dockd/d", _TEXT), line))
    assert keys.cosigned_at(note, "vault") == (line, 1_790_000_000)
    assert keys.cosigned_at(note, "dockd/d") is None, "the dock's signature is no cosignature"
    assert PinnedKeys(dock.public_text).cosigned_at(note, "vault") is None
    assert keys.cosigned_at(Note(_TEXT + "x\n", note.signatures), "vault") is None
    assert not keys.signed_note(note, "vault"), "and a cosignature does not stand for a signature"
    assert archive.cosign("vault", _TEXT, 1).signature[8:] != line.signature[8:]
    assert cosigned(_TEXT, 1).startswith(b"cosignature/v1\ntime 1\n")


def test_a_copy_of_a_key_that_reads_back_as_another_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is removed again, so that nobody puts it into a safe."""
    key, other = SigningKey.generate(), SigningKey.generate()
    key.save(tmp_path / "good.pem")
    assert SigningKey.load(tmp_path / "good.pem").public_text == key.public_text
    monkeypatch.setattr(SigningKey, "load", lambda _path: other)
    with pytest.raises(KeyFormatError, match="another key reads back"):
        key.save(tmp_path / "bad.pem")
    assert not (tmp_path / "bad.pem").exists()
