"""Notes and checkpoints: the published examples, and everything that is not one."""

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dockd.core.note import (
    NOTE_LIMIT_BYTES,
    Checkpoint,
    Note,
    NoteError,
    NoteSignature,
    SignatureType,
    cosigned,
    key_name,
    note_key_id,
    origin_of,
    parse_checkpoint,
    parse_note,
    parse_signatures,
)

# The example of C2SP's tlog-cosignature (c2sp.org/tlog-cosignature): a checkpoint with the log's and a witness' signature.
_PUBLISHED = """example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==
"""
_ROOT = bytes(range(32))
_LINE = NoteSignature("log", b"abcd", b"signature").line()


def test_the_published_checkpoint_is_read_and_written_to_the_byte() -> None:
    """The example of the specification is taken apart, and put together again it is the same."""
    note = parse_note(_PUBLISHED.encode())
    checkpoint = parse_checkpoint(note.text)
    assert (checkpoint.origin, checkpoint.size) == ("example.com/behind-the-sofa", 20852163)
    assert [(each.name, each.key_id.hex(), len(each.signature)) for each in note.signatures] == [
        ("example.com/behind-the-sofa", "033de0ae", 64),
        ("witness.example.com/w1", "8d66cf3f", 72),
    ]
    assert note.signatures[1].signature[:8] == (1679315147).to_bytes(8, "big")
    assert checkpoint.text() == note.text
    assert note.encode() == _PUBLISHED.encode()
    assert cosigned(note.text, 1679315147) == b"cosignature/v1\ntime 1679315147\n" + note.text.encode()


def test_a_published_key_has_its_published_id() -> None:
    """The key of Go's checksum database names itself 033de0ae (golang.org/x/mod/sumdb: sum.golang.org+033de0ae+Ac4zctda...)."""
    public = base64.b64decode("Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8")
    assert public[0] == SignatureType.ED25519
    assert note_key_id("sum.golang.org", SignatureType.ED25519, public[1:]).hex() == "033de0ae"
    assert note_key_id("sum.golang.org", SignatureType.COSIGNATURE, public[1:]).hex() != "033de0ae"


def test_another_first_entry_is_another_log() -> None:
    """The origin names the dock and the log: a log that was begun anew is not mistaken for the one before."""
    assert origin_of("balt-ero-01", _ROOT) == "dockd/balt-ero-01/0001020304050607"


def test_any_archive_has_a_name_that_a_note_may_carry() -> None:
    """Spaces, plus signs and whatever is not ASCII are percent-encoded; equal names only for equal archives."""
    assert key_name("vault-01") == "vault-01"
    assert key_name("Vault 1+ä%20") == "Vault%201%2B%C3%A4%2520"
    parse_signatures(NoteSignature(key_name("Vault 1+ä"), b"abcd", b"s").line())


@settings(deadline=None)
@given(st.integers(0, 10**15), st.binary(min_size=32, max_size=32), st.binary(min_size=1, max_size=80))
def test_every_checkpoint_comes_back(size: int, root: bytes, signature: bytes) -> None:
    """What is written is read as the same values."""
    checkpoint = Checkpoint("dockd/d/0", size, root)
    note = Note(checkpoint.text(), (NoteSignature("d", b"abcd", signature), NoteSignature("w", b"efgh", signature)))
    assert parse_note(note.encode()) == note
    assert parse_checkpoint(note.text) == checkpoint


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"x" * (NOTE_LIMIT_BYTES + 1), "bytes"),
        (b"\xff\n\n", "UTF-8"),
        (b"", "no text"),
        (b"text\n", "no text"),
        (b"\n\n" + _LINE.encode(), "no text"),
        (b"tab\tin it\n\n" + _LINE.encode(), "no text"),
        (b"text\n\n", "whole lines"),
        (b"text\n\n" + _LINE.encode()[:-1], "whole lines"),
        (b"text\n\n" + _LINE.encode() * 17, "too many"),
        (b"text\n\n- log YWJjZHM=\n", "no signature"),
        ("text\n\n— lo+g YWJjZHM=\n".encode(), "no signature"),
        ("text\n\n— log YWJjZA==\n".encode(), "no signature"),
        ("text\n\n— log  YWJjZHM=\n".encode(), "no signature"),
        ("text\n\n— log YWJj!\n".encode(), "not base64"),
        ("text\n\n— log YWJjZHN=\n".encode(), "spelling"),
    ],
)
def test_what_is_no_note_is_refused(data: bytes, words: str) -> None:
    """Each way of not being a note is named."""
    with pytest.raises(NoteError, match=words):
        parse_note(data)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "origin\n1\n",
        "\n1\n" + "A" * 43 + "=\n",
        "origin\n01\n" + "A" * 43 + "=\n",
        "origin\n-1\n" + "A" * 43 + "=\n",
        "origin\n1\nQUJD\n",
        "origin\n1\n" + "A" * 43 + "=",
        "origin\n1\n" + "A" * 43 + "=\nextension\n",
    ],
)
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    """Three lines, a decimal size, 32 bytes of root, and nothing else."""
    with pytest.raises(NoteError, match="three lines"):
        parse_checkpoint(text)
