"""From a journal to a bundle: what is chosen, what the pages say, and what is never handed out."""

import hashlib
import io
import json
import re
import sqlite3
import xml.etree.ElementTree as ET
from contextlib import closing
from pathlib import Path

import pytest
from pypdf import PdfReader

from dockd.core.canonical import Json
from dockd.core.custody import CameraDocked, RecordingSeen
from dockd.core.recording import State
from dockd.errors import EvidenceError, JournalCorruptError, JournalError
from dockd.evidence import document, exporting, living, mhl, sanitisation, verifier, wording
from dockd.evidence.gathering import Wish, gather
from dockd.evidence.page import html
from dockd.evidence.paper import pdf
from dockd.evidence.reading import Files
from tests.sim.bundle_of import CONTENT, ERASED, KEPT, OTHER, Story, tell
from tests.sim.evidence import Notary, seen

_DONE: dict[str, Json] = {
    "disk_bytes": "1000",
    "passes": 1,
    "written_bytes": "1000",
    "read_back": "sample",
    "read_back_bytes": "100",
}


def events(files: Files) -> list[str]:
    """The events of the entries that a bundle shows."""
    return [json.loads(line)["event"] for line in files[verifier.ENTRIES].splitlines()]


def shown(story: Story, wish: Wish) -> list[str]:
    """Ids of the recordings that are taken for a wish."""
    return [each.recording_id for each in gather(story.journal, wish).recordings]


def test_wishes_narrow_each_other_down(story: Story) -> None:
    """By id, by camera, by time; all of them where nothing is said."""
    assert shown(story, Wish()) == [ERASED, OTHER, KEPT]
    assert shown(story, Wish(camera="C1")) == [ERASED, KEPT]
    assert shown(story, Wish(recordings=(OTHER,))) == [OTHER]
    assert shown(story, Wish(since="2026-11-24T00:00:00.000Z", until="2026-11-25T00:00:00.000Z")) == [ERASED, OTHER, KEPT]
    with pytest.raises(JournalError, match="no recording is of that camera and time"):
        shown(story, Wish(until="2026-11-24T00:00:00.000Z"))
    with pytest.raises(JournalError, match=f"no recording {OTHER} is known here, or it is not of that camera"):
        shown(story, Wish(recordings=(OTHER, ERASED), camera="C1"))


def test_nothing_of_other_cameras_is_shown(story: Story) -> None:
    """Who asks about one camera learns nothing of another, unless the whole log is wanted."""
    files = story.bundle()
    shown_words = b"".join(files[name] for name in (verifier.ENTRIES, "report.html"))  # base64 elsewhere may spell anything short
    assert b"C1" in shown_words
    assert b"C2" not in shown_words
    assert OTHER.encode() not in b"".join(files.values())
    whole = story.bundle(Wish(whole_log=True))
    assert len(events(whole)) == 27
    assert len([name for name in whole if name.startswith("statements/")]) == 4


def test_a_journal_that_is_not_what_was_cosigned_makes_no_bundle(story: Story, tmp_path: Path) -> None:
    """A rewritten log is refused where the bundle would be made, not only where it is checked."""
    path = tmp_path / "journal.sqlite"
    with closing(sqlite3.connect(story.journal)) as old, closing(sqlite3.connect(path)) as new:
        old.backup(new)
        new.executescript("DROP TRIGGER custody_never_goes; DELETE FROM custody WHERE seq > 26;")
    with pytest.raises(JournalCorruptError, match="not the one whose checkpoint the archive cosigned"):
        gather(path, Wish())
    with pytest.raises(JournalError, match="there is no journal"):
        gather(tmp_path / "none", Wish())
    (tmp_path / "other").write_bytes(b"x" * 5000)
    with pytest.raises(JournalCorruptError):
        gather(tmp_path / "other", Wish())


def test_what_would_not_verify_is_not_handed_out(story: Story) -> None:
    """A pinned key that never signed these statements is found by the dock itself, before a court finds it."""
    maker = story.maker()
    wrong = type(maker)(maker.dock, maker.key, (maker.key.public_text,), None, maker.made)
    with pytest.raises(EvidenceError, match=r"archive archive signed with key .*, which is not the one that the site file pins"):
        exporting.export(story.journal, Wish(), wrong, None)


async def test_a_cosignature_of_nobody_is_not_handed_out(own: Story) -> None:
    """What the journal keeps as cosigned, but no key of the archive's made, is found before a court finds it."""
    archive, own.archive = own.archive, Notary()
    await own.grow()
    await own.witness()
    own.archive = archive
    with pytest.raises(EvidenceError, match=r"does not make a bundle that proves anything: .* who has no place there"):
        own.bundle()


async def test_names_that_cameras_and_people_chose_are_text(own: Story) -> None:
    """Nothing that stands in an entry becomes a tag, a script or a page of its own."""
    name = b'<script>alert("1")</script> (\\) \xff.MP4'
    await own.record(
        CameraDocked("d9", "<b>C9", "dcf", "1", "(\u0142) 'x'"),
        RecordingSeen(seen("9" * 32, camera="<b>C9", docking="d9", path=name)),
    )
    files = own.bundle(Wish(camera="<b>C9"))
    page = files["report.html"].decode()
    assert "<script" not in page
    assert "<b>" not in page
    assert "&lt;script&gt;" in page
    text = "".join(each.extract_text() for each in PdfReader(io.BytesIO(files["report.pdf"]), strict=True).pages)
    assert '<script>alert("1")</script>' in text.replace("\n", "")


def test_the_page_tells_the_story_with_its_entries(story: Story) -> None:
    """A jury reads when what happened; each line names the entry that it rests on."""
    page = story.bundle()["report.html"].decode()
    words = re.sub(r"<[^>]+>", " ", page)
    for said in (
        "The recording DCIM/1.MP4 was found on the camera, 15 bytes.",
        "The archive proved, by a signed receipt, that it holds these very bytes.",
        "It was removed from the camera, after the archive had proved once more that it holds it.",
        "Camera C1 was put into bay 1.",
        "anna (uid 7) ordered that nothing of recording 22222222222222222222222222222222 may be erased: case &lt;7&gt;.",
        "19 of the log's 27 entries are shown.".replace("'", "&#x27;"),
        hashlib.sha256(CONTENT[ERASED]).hexdigest(),
    ):
        assert said in words, said
    assert "default-src 'none'" in page
    assert not re.search(r"(src|href|url)\s*=?\s*[\"'(]?http", page), "it needs nothing else"


def test_a_long_document_has_numbered_pages() -> None:
    """Every line is on some page, whatever is in it, and the PDF is one to a strict reader."""
    rows = tuple((f"row {number}", "word " * 60, str(number)) for number in range(80))
    long = document.Document("T", (document.Table(("a", "b", "c"), rows, (25, 67, 8)), document.Words(""), document.Heading("")))
    reader = PdfReader(io.BytesIO(pdf(long)), strict=True)
    text = "\n".join(each.extract_text() for each in reader.pages)
    assert len(reader.pages) > 5
    assert f"T, page 3 of {len(reader.pages)}" in text
    assert all(f"row {number}" in text for number in range(80))
    assert reader.metadata is not None
    assert reader.metadata.title == "T"
    assert html(long).count(b"<tr>") == 81


@pytest.mark.parametrize("before", range(20, 36))
def test_no_title_is_the_last_line_of_a_page(before: int) -> None:
    """Wherever it falls, a heading and the titles of columns stand over what they announce."""
    rows = tuple((f"row {number}", "it happened") for number in range(9))
    table = document.Table(("When", "What"), rows, (30, 70))
    whole = document.Document("T", (*[document.Words("word")] * before, document.Heading("Timeline"), table))
    texts = [each.extract_text() for each in PdfReader(io.BytesIO(pdf(whole)), strict=True).pages]
    (there,) = [each for each in texts if "Timeline" in each]
    assert "When" in there
    assert "row 0" in there


async def test_the_page_says_where_nobody_witnessed(tmp_path: Path) -> None:
    """An archive that cosigns nothing is not said to have seen the log grow."""
    untold = await tell(tmp_path, witnessed=False)
    page = untold.bundle()["report.html"].decode()
    assert "Nobody outside the dock witnessed that the log only grew" in page


def test_a_delete_claims_no_more_than_it_did(story: Story) -> None:
    """The record names method, tool, entries and statements, and says why it is neither Clear nor Purge."""
    files = story.bundle()
    record = json.loads(files["sanitisation/25.json"])
    assert (record["method"], record["camera"], record["tool"], record["tool_version"]) == ("delete", "C1", "dockd", "1.2")
    assert "neither Clear nor Purge" in record["claim"]
    assert "not overwritten" in record["verification"]
    assert [each["recording"] for each in record["erased"]] == [ERASED]
    assert f"statements/{record['erased'][0]['statement']}.json" in files
    assert (record["begun_entry"], record["ended_entry"]) == (23, 25)
    assert record["ground"] == "The archive signed, for this docking, that it holds each of the files."
    assert b"neither Clear nor Purge" in files["sanitisation/25.html"]
    assert PdfReader(io.BytesIO(files["sanitisation/25.pdf"]), strict=True).pages


def test_a_clear_says_how_much_was_read_back() -> None:
    """Passes, bytes and sample are the helper's own measurements, taken from the entry."""
    entry: wording.Entry = {
        "event": "camera.cleared",
        "nonce": "n",
        "camera": "C",
        "docking": "d",
        "seq": 5,
        "time": "t",
        "left": [],
        "method": "clear",
        "overwritten": _DONE,
    }
    (record,) = sanitisation.records([{"event": "daemon.stopped"}, entry])
    assert "all user-addressable space was overwritten" in str(record["claim"])
    assert record["verification"] == (
        "1 pass(es) over 1000 bytes; 100 bytes were read back from the medium (sample) and were as they were written."
    )
    assert record["covered"] == 0
    page = html(document.sanitisation(record))
    assert b"Nothing." in page
    word: wording.Entry = {"event": "recording.erased", "nonce": "n", "recording": "r", "seq": 4, "statement": "s", "time": "t"}
    (looked,) = sanitisation.records([{**word, "basis": "read-back"}, entry])
    assert "signs nothing: the dock itself found there what it holds (read-back)" in str(looked["ground"])
    (other,) = sanitisation.records([{**entry, "method": "smelt"}])
    assert other["claim"] == "Nothing more than the word smelt."


def test_a_clear_that_was_finished_later_has_its_record() -> None:
    """What it covers was settled when it was begun; what was measured is of the docking that brought it to its end."""
    begun: wording.Entry = {
        "event": "camera.clearing",
        "nonce": "n",
        "camera": "C",
        "docking": "d1",
        "seq": 5,
        "time": "t1",
        "covered": ["r1", "r2"],
        "left": [],
        "method": "clear",
    }
    finished: wording.Entry = {
        "event": "camera.clear-finished",
        "camera": "C",
        "begun": "d1",
        "seq": 9,
        "time": "t2",
        "method": "clear",
        "files": 2,
        "overwritten": _DONE,
    }
    (record,) = sanitisation.records([begun, finished])
    assert (record["docking"], record["begun_entry"], record["ended_entry"], record["covered"]) == ("d1", 5, 9, 2)
    assert record["erased"] == [{"recording": "r1"}, {"recording": "r2"}]
    assert "all user-addressable space was overwritten" in str(record["claim"])
    assert "100 bytes were read back" in str(record["verification"])
    assert "under the permit of entry 5, broken off" in str(record["ground"])
    assert b"r2" in html(document.sanitisation(record))
    (alone,) = sanitisation.records([finished])
    assert "an entry that is not shown here" in str(alone["ground"])


def test_every_event_has_its_sentence() -> None:
    """An event that the words do not know is named as it is, and what an entry lacks is not made up."""
    assert wording.sentence({"event": "new.kind"}) == "Entered as new.kind."
    assert wording.sentence({"event": "docking.ended"}) == "The camera left the dock: (not said)."
    assert wording.sentence({"event": "camera.docked", "camera": None, "bay": "1"}) == "Camera nobody was put into bay 1."


def test_media_get_a_hash_list_that_their_tools_read(story: Story, tmp_path: Path) -> None:
    """ASC MHL 2.0 with C4, which is the SHA-512 in base 58; the chain file names the list by its own C4."""
    folder = tmp_path / "media"
    (folder / "DCIM").mkdir(parents=True)
    (folder / "DCIM" / "1.MP4").write_bytes(CONTENT[ERASED])
    (folder / "ascmhl").mkdir()
    (folder / "ascmhl" / "0001.mhl").write_bytes(b"of an earlier export")
    files = story.bundle(media=folder)
    (name,) = (each for each in files if each.endswith(".mhl"))
    assert name == "ascmhl/0001_dock-1_2026-11-24_191000Z.mhl"
    space = {"m": "urn:ASC:MHL:v2.0", "d": "urn:ASC:MHL:DIRECTORY:v2.0"}
    listed = ET.fromstring(files[name])  # noqa: S314 - our own
    path = listed.find("m:hashes/m:hash/m:path", space)
    assert path is not None
    assert (path.text, path.get("size")) == ("DCIM/1.MP4", "15")
    assert listed.findtext("m:hashes/m:hash/m:c4", "", space) == mhl.c4_of(hashlib.sha512(CONTENT[ERASED]).digest())
    chain = ET.fromstring(files["ascmhl/ascmhl_chain.xml"])  # noqa: S314 - our own
    assert chain.findtext("d:hashlist/d:path", "", space) == name.removeprefix("ascmhl/")
    assert chain.findtext("d:hashlist/d:c4", "", space) == mhl.c4_of(hashlib.sha512(files[name]).digest())
    (folder / "2.MP4").write_bytes(b"something else")
    with pytest.raises(EvidenceError, match=r"2\.MP4 is none of the recordings"):
        story.bundle(media=folder)
    (folder / "2.MP4").unlink()
    (folder / "DCIM" / "1.MP4").unlink()
    assert not [each for each in story.bundle(media=folder) if each.startswith("ascmhl")], "no media, no list"


def test_c4_is_what_others_compute() -> None:
    """The digest of no bytes and of `alfa`, as the C4 specification and its reference implementation print them."""
    assert mhl.c4_of(hashlib.sha512(b"").digest()) == (
        "c459dsjfscH38cYeXXYogktxf4Cd9ibshE3BHUo6a58hBXmRQdZrAkZzsWcbWtDg5oQstpDuni4Hirj75GEmTc1sFT"
    )
    assert mhl.c4_of(hashlib.sha512(b"alfa").digest()) == (
        "c43zYcLni5LF9rR4Lg4B8h3Jp8SBwjcnyyeh4bc6gTPHndKuKdjUWx1kJPYhZxYt3zV6tQXpDs2shPsPYjgG81wZM1"
    )
    assert mhl.c4_of(bytes(64)) == "c4" + "1" * 88


def test_a_medium_that_cannot_be_read_is_named(story: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk error is an error in words."""
    (tmp_path / "1.MP4").write_bytes(b"x")
    recordings = gather(story.journal, Wish()).recordings

    def broken(*_: object) -> object:
        raise OSError(5, "Input/output error", "1.MP4")

    monkeypatch.setattr(Path, "open", broken)
    with pytest.raises(EvidenceError, match=r"1\.MP4: Input/output error"):
        mhl.recognised(tmp_path, recordings)


def test_nothing_is_written_over(story: Story, tmp_path: Path) -> None:
    """A bundle is a new file; what stands in its way stays."""
    (tmp_path / "there").write_bytes(b"mine")
    with pytest.raises(EvidenceError, match="File exists"):
        exporting.write(story.bundle(), tmp_path / "there")
    assert (tmp_path / "there").read_bytes() == b"mine"
    with pytest.raises(EvidenceError, match="more than one bundle can hold"):
        exporting.write({str(number): b"" for number in range(65_536)}, tmp_path / "new")


async def test_a_recording_that_was_only_seen_has_no_digest(own: Story) -> None:
    """The manifest says nothing that nobody measured."""
    await own.record(RecordingSeen(seen("8" * 32, path=b"8")))
    files = own.bundle(Wish(recordings=("8" * 32,)))
    assert b"BLAKE3" not in files["report.html"]
    lines = list(verifier.verify(files))
    assert [words for mark, words in lines if mark == living.NOT_PROVED][-1] == f"that an archive holds recording {'8' * 32}."
    assert gather(own.journal, Wish(recordings=("8" * 32,))).recordings[0].state is State.SEEN
