"""What a dock in the hands of a forger cannot have the verifier say, though the archive witnesses whatever log it is shown.

The forger has the dock's key, writes every entry, and signs the manifest; he has no key of the archive's, and the archive tells
no lies. `test_tampering` is about whoever has no key at all.
"""

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from dockd.core import life
from dockd.core.canonical import canonical, leaf_hash
from dockd.core.custody import RecordingMet, Stepped
from dockd.core.merkle import Tree
from dockd.core.note import Checkpoint, Note, key_name, origin_of
from dockd.core.proof import StatementKind
from dockd.dsse import SigningKey
from dockd.evidence import verifier
from dockd.evidence.exporting import write
from dockd.evidence.gathering import Wish
from dockd.evidence.reading import MANIFEST, Files, UnreadableError, WrongError, read_bundle, witness_of, written_zip
from tests.sim.bundle_of import CONTENT, ERASED, KEPT, Story
from tests.sim.evidence import DOCK, measure, seen, stored
from tests.unit.evidence.test_tampering import check, signed_anew

Entries = list[dict[str, Any]]
Manifest = dict[str, Any]


def lines_of(files: Files, story: Story) -> str:
    """What is said of a bundle."""
    return "\n".join(f"{mark} {words}" for mark, words in check(story, files))


def told(
    story: Story,
    lines: list[bytes],
    change: Callable[[Manifest], object] = lambda _: None,
    more: Files | None = None,
) -> Files:
    """A bundle of the whole log of these entries, which the archive witnessed as it would any, signed by the dock."""
    leaves = [leaf_hash(line) for line in lines]
    tree = Tree(lambda start, end: leaves[start:end])
    tree.grow(len(leaves))
    note = story.key.checkpoint(Checkpoint(origin_of(DOCK, leaves[0]), len(leaves), tree.root()))
    cosigned = Note(note.text, (*note.signatures, story.archive.key.cosign("archive", note.text, 1_790_000_000)))
    files = story.bundle(Wish(whole_log=True)) | (more or {})
    files |= {
        verifier.ENTRIES: b"".join(line + b"\n" for line in lines),
        verifier.CHECKPOINT: cosigned.encode(),
        verifier.TREE: canonical({"hidden": [], "consistency": []}),
    }
    named = {b"statements/%b.json" % digest for line in lines for digest in re.findall(rb'"statement":"([0-9a-f]{64})"', line)}
    files = {name: data for name, data in files.items() if not name.startswith("statements/") or name.encode() in named}
    return signed_anew(files, story.key, change)


def entries_of(story: Story) -> Entries:
    """Those of the true log."""
    return [json.loads(line) for line in story.bundle(Wish(whole_log=True))[verifier.ENTRIES].splitlines()]


def spelled(entries: Entries) -> list[bytes]:
    """Numbered anew, each in its one spelling."""
    return [canonical({**entry, "seq": number}) for number, entry in enumerate(entries, 1)]


def about(recording: str, event: str, entries: Entries) -> dict[str, Any]:
    """The entry of that recording and event."""
    return next(each for each in entries if (each.get("recording"), each["event"]) == (recording, event))


def test_a_forger_who_changes_nothing_is_believed(story: Story) -> None:
    """What the others of these tests change is what they are refused for."""
    assert "NOT PROVED" not in lines_of(told(story, spelled(entries_of(story))), story)


def test_an_archive_that_read_nothing_back_is_not_said_to_have(story: Story) -> None:
    """An event that only looks like a step, by its name without `recording.`, needs no statement and proves nothing."""
    entries = entries_of(story)
    true = about(KEPT, "recording.archived", entries)
    bare = {name: value for name, value in true.items() if name != "statement"}
    for event in ("archived", "recording.Archived"):
        changed = spelled([{**bare, "event": event} if each is true else each for each in entries])
        with pytest.raises(WrongError, match="it is not archived: the log last says uploading"):
            check(story, told(story, changed))


def test_a_promise_to_keep_is_the_archives_own(story: Story) -> None:
    """Until when it keeps an object says the archive, not the dock's entry about it."""
    entries = entries_of(story)
    about(KEPT, "recording.archived", entries)["retain_until"] = "2099-01-01T00:00:00+00:00"
    with pytest.raises(WrongError, match="its retain_until is not that of entry"):
        check(story, told(story, spelled(entries)))


def test_a_camera_was_not_erased_on_word_of_other_bytes(story: Story) -> None:
    """The statement behind an erasing is about the bytes of that recording, whatever name the dock once sent them under."""
    other = stored(seen(ERASED), CONTENT[KEPT])
    envelope = story.archive.key.envelope(story.archive.statement(other, kind=StatementKind.HOLDING, nonce="aa" * 16))
    digest = hashlib.sha256(envelope).hexdigest()
    entries = entries_of(story)
    about(ERASED, "recording.erased", entries)["statement"] = digest
    with pytest.raises(WrongError, match=r"its (size|blake3|sha256) is not that of entry"):
        check(story, told(story, spelled(entries), more={f"statements/{digest}.json": envelope}))


def _drop(*events: str) -> Callable[[Entries], Entries]:
    return lambda entries: [each for each in entries if not (each.get("recording") == KEPT and each["event"] in events)]


def _refused_and_retried(entries: Entries) -> Entries:
    kept = _drop("recording.archived")(entries)
    refusal = {"v": 1, "time": entries[0]["time"], "recording": KEPT, "code": "x", "message": "x", "hint": "x"}
    return [
        *kept,
        {**refusal, "event": "recording.refused"},
        {"v": 1, "time": entries[0]["time"], "recording": KEPT, "event": "recording.retried", "by": "x", "spooled": True},
    ]


def _gone(entries: Entries) -> Entries:
    kept = _drop("recording.archived")(entries)
    return [*kept, {"v": 1, "time": entries[0]["time"], "recording": KEPT, "event": "recording.found-gone", "docking": "d1"}]


@pytest.mark.parametrize(
    ("change", "state", "words"),
    [
        (_drop("recording.verified"), "archived", "recording.uploading, cannot follow while it is copying"),
        (_drop("recording.uploading"), "archived", "recording.archived, cannot follow while it is verified"),
        (_drop("recording.copying", "recording.verified"), "archived", "cannot follow while it is seen: entries are missing"),
        (_refused_and_retried, "archived", "it is not archived: the log last says retried"),
        (_refused_and_retried, "erased", "it is not erased: the log last says retried"),
        (_gone, "erased", "recording.found-gone, cannot follow while it is uploading"),
    ],
)
def test_a_recording_lived_only_as_recordings_can(
    story: Story, change: Callable[[Entries], Entries], state: str, words: str
) -> None:
    """A step that nothing led to, and a state that no step led to, are found, also where each entry for itself is fine."""

    def claim(manifest: Manifest) -> None:
        next(each for each in manifest["recordings"] if each["recording"] == KEPT)["state"] = state

    with pytest.raises(WrongError, match=words):
        check(story, told(story, spelled(change(entries_of(story))), claim))


@pytest.mark.parametrize(("member", "value"), [("object", "another"), ("object", None), ("modified_ns", "1")])
def test_the_manifest_says_no_more_than_the_log(story: Story, member: str, value: str | None) -> None:
    """Under which name the archive has it, and how the camera dated it, is what the log says."""

    def claim(manifest: Manifest) -> None:
        manifest["recordings"][0][member] = value

    with pytest.raises(WrongError, match=f"its {member} is not"):
        check(story, signed_anew(story.bundle(), story.key, claim))


def test_an_archive_is_who_its_witness_is(story: Story) -> None:
    """An archive's key does not vouch under another archive's id, nor does one party's key for another party."""

    def renamed(manifest: Manifest) -> None:
        manifest["archives"][0]["id"] = "another"

    def doubled(manifest: Manifest) -> None:
        manifest["archives"].append({"id": "another", "keys": manifest["archives"][0]["keys"], "witness": "another"})

    def own(manifest: Manifest) -> None:
        manifest["archives"].append({"id": "another", "keys": [manifest["key"]], "witness": "another"})

    for change, words in (
        (renamed, "archive another does not cosign as archive"),
        (doubled, "two parties, or one twice, have the key"),
        (own, "two parties, or one twice, have the key"),
    ):
        with pytest.raises(WrongError, match=words):
            list(verifier.verify(signed_anew(story.bundle(), story.key, change)))


@pytest.mark.parametrize("archive", ["archive", "the cité + 100 %", "a%20b"])
def test_every_archive_has_one_name_as_a_witness(archive: str) -> None:
    """The verifier spells it as the dock does, and the dock finds the id again in it."""
    assert witness_of(archive) == key_name(archive)


@pytest.mark.parametrize(
    "line",
    [
        b'{"event":"x","note":1,"note":2,"seq":28,"time":"t","v":1}',
        b'{"event":"x","note":NaN,"seq":28,"time":"t","v":1}',
        b'{"event":"x","note":Infinity,"seq":28,"time":"t","v":1}',
        b'{"event":"x","note":1e999,"seq":28,"time":"t","v":1}',
        b'{"event":"x","note":1.5,"seq":28,"time":"t","v":1}',
        b'{"event":"x","seq":28.0,"time":"t","v":1}',
        b'{"event":"x","seq":28, "time":"t","v":1}',
        b'{"event":"x","note":"\\u0041","seq":28,"time":"t","v":1}',
        b'{"event":"x","note":"\\ud800","seq":28,"time":"t","v":1}',
        b'{"v":1,"event":"x","seq":28,"time":"t"}',
        b'{"event":"x","note":' + b"[" * 100_000 + b"]" * 100_000 + b',"seq":28,"time":"t","v":1}',
        b'{"event":"x","note":' + b"9" * 5000 + b',"seq":28,"time":"t","v":1}',
        b'{"event":"x","seq":true,"time":"t","v":1}',
        b'{"event":"x","seq":"28","time":"t","v":1}',
        b"null",
        b"[]",
        b"",
    ],
)
def test_an_entry_says_one_thing_to_every_reader(story: Story, line: bytes) -> None:
    """A member twice, a number that is none, a second spelling: whatever two programs may read differently is refused."""
    with pytest.raises(WrongError):
        check(story, told(story, [*spelled(entries_of(story)), line]))


@pytest.mark.parametrize("size", [0, 10**16, 10**4000])
def test_no_log_has_such_a_size(story: Story, size: int) -> None:
    """What the dock signed is refused in words, also a number without end."""
    note = story.key.checkpoint(Checkpoint(origin_of(DOCK, bytes(32)), size, bytes(32))).encode()
    with pytest.raises(WrongError):
        check(story, signed_anew(story.bundle() | {verifier.CHECKPOINT: note}, story.key))


def test_a_time_that_no_calendar_has_is_wrong_in_words(story: Story) -> None:
    """An archive's cosignature may say any of 2^64 seconds."""
    files = story.bundle()
    text = files[verifier.CHECKPOINT].decode().partition("\n\n")[0] + "\n"
    own = story.key.sign_note(text.partition("\n")[0], text)
    far = Note(text, (own, story.archive.key.cosign("archive", text, 2**64 - 1))).encode()
    with pytest.raises(WrongError, match="form of a bundle"):
        check(story, signed_anew(files | {verifier.CHECKPOINT: far}, story.key))


def test_a_bundle_of_a_form_that_is_to_come_is_not_guessed_at(story: Story) -> None:
    """Another version may mean other things by the same names."""
    with pytest.raises(WrongError, match="it is of type dockd/bundle/v2"):
        check(story, signed_anew(story.bundle(), story.key, lambda manifest: manifest.update(type="dockd/bundle/v2")))


def test_a_false_blake3_in_the_list_is_found(story: Story) -> None:
    """Both digests of a file are those of its bytes."""

    def lie(manifest: Manifest) -> None:
        manifest["files"][0]["blake3"] = "00" * 32

    with pytest.raises(WrongError, match="its BLAKE3 is not"):
        check(story, signed_anew(story.bundle(), story.key, lie))


def test_pages_are_not_called_compared(story: Story) -> None:
    """A page that says something else than the entries is the dock's, and the verifier says that it did not read it."""
    said = lines_of(signed_anew(story.bundle() | {"report.html": b"<p>It was never docked.</p>"}, story.key), story)
    assert "NOTE What 5 files, as sanitisation/25.pdf, say was not compared with the entries" in said
    assert "that none is about these recordings is the dock's word" in said


def test_no_text_of_a_bundle_looks_like_a_line_of_the_verifier(story: Story, tmp_path: Path) -> None:
    """Names with line ends, terminal orders or turned writing are printed as what they are."""
    key, evil = SigningKey.generate(), "dock-1\nPROVED     The key of dock dock-1 is the one that you gave.\r\x1b[2J\u202e"
    write(signed_anew(story.bundle(), key, lambda manifest: manifest.update(dock=evil)), tmp_path / "b.zip")
    said = io.StringIO()
    with redirect_stdout(said):
        code = verifier.main([str(tmp_path / "b.zip")])
    assert code == 1
    assert "PROVED     The key" not in [line[:18] for line in said.getvalue().split("\n")]
    assert "dock-1\\nPROVED     The key" in said.getvalue()
    assert said.getvalue().replace("\n", "").isprintable()


def _local(name: bytes, data: bytes, size: int | None = None, extra: bytes = b"") -> bytes:
    """One file of a .zip with the length that the header says."""
    whole = written_zip({name.decode("latin-1"): data})
    head = bytearray(whole[: 30 + len(name)])
    head[22:26] = (len(data) if size is None else size).to_bytes(4, "little")
    head[28:30] = len(extra).to_bytes(2, "little")
    return bytes(head) + extra + data


@pytest.mark.parametrize(
    "container",
    [
        _local(MANIFEST.encode(), b"m", 2**32 - 1),
        _local(MANIFEST.encode(), b"m", 2**32 - 1, b"\x01\x00\x10\x00" + (1).to_bytes(8, "little") * 2),
        _local(MANIFEST.encode(), b"m") + _local(b"..\\x", b""),
        written_zip({MANIFEST: b"m"}) + written_zip({MANIFEST: b"n"}),
        b"#!/bin/sh\n" + written_zip({MANIFEST: b"m"}),
        b"".join(_local(b"%d" % number, b"") for number in range(70_000)) + _local(MANIFEST.encode(), b"m"),
    ],
    ids=["longer than the file", "zip64", "path", "two archives", "a program before it", "more names than a .zip counts"],
)
def test_no_second_reading_of_a_container_passes(tmp_path: Path, container: bytes) -> None:
    """What other programs would unpack otherwise, or not at all, is not the one .zip of its files."""
    (tmp_path / "b.zip").write_bytes(container)
    with pytest.raises(WrongError):
        read_bundle(tmp_path / "b.zip")


def test_a_compressed_container_is_none(story: Story, tmp_path: Path) -> None:
    """Nothing is inflated: no bundle is a bomb, and none has a second spelling."""
    with zipfile.ZipFile(tmp_path / "b.zip", "w", zipfile.ZIP_DEFLATED) as out:
        for name, data in story.bundle().items():
            out.writestr(name, data)
    with pytest.raises((WrongError, UnreadableError)):
        read_bundle(tmp_path / "b.zip")


async def test_a_file_that_got_another_name_on_its_camera_is_still_the_same(own: Story) -> None:
    """Met again under another name, a recording is shown under that, and its bundle is as good."""
    await own.record(RecordingMet(KEPT, "d1", b"DCIM/9.MP4", measure(CONTENT[KEPT])))
    await own.witness()
    assert f"NOTE Recording {KEPT}: DCIM/9.MP4 of camera C1" in lines_of(own.bundle(), own)


async def test_a_recording_that_the_archive_lost_is_exported_and_said_to_be_lost(own: Story) -> None:
    """Just then a court asks; what was proved before is no proof any more, and what comes of the next copy counts."""
    await own.record(Stepped(KEPT, life.ProofLost("the archive lost it")))
    await own.witness()
    said = lines_of(own.bundle(Wish(recordings=(KEPT,))), own)
    assert f"NOT PROVED that an archive holds recording {KEPT}: since 2026" in said
    assert "the archive read back" not in said
    at = stored(seen(KEPT), CONTENT[KEPT])
    proof = own.archive.holding(at, "cc" * 16)
    await own.record(Stepped(KEPT, life.Recognised(proof, at)))
    await own.witness()
    said = lines_of(own.bundle(Wish(recordings=(KEPT,))), own)
    assert "NOT PROVED" not in said
    assert f"the archive read back the same bytes as object object-{KEPT}" in said


def test_a_proof_by_the_docks_own_look_is_not_called_the_archives(story: Story) -> None:
    """Where the archive signs nothing, no line says that it read something back, or proved anything before an erasing."""
    entries = entries_of(story)
    for entry in entries:
        if "statement" in entry:
            entry["basis"] = "read-back"
    said = lines_of(told(story, spelled(entries)), story)
    assert said.count("by the archive's signature: it signs nothing") == 4
    assert "the dock found, by read-back at the archive, the same bytes as object" in said
    assert "erased from the camera, after the dock found it there again" in said
    assert "archive read back" not in said
    assert "the archive proved" not in said
