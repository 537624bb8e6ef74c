"""The verifier as a program: its words, its exit codes, and that it runs alone and fast."""

import base64
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from dockd.cli.verify import command
from dockd.core import life
from dockd.core.canonical import canonical
from dockd.core.custody import Noted
from dockd.core.merkle import tree_hash
from dockd.core.note import Checkpoint, Note
from dockd.dsse import SigningKey
from dockd.errors import EvidenceError
from dockd.evidence import living, reading, verifier
from dockd.evidence.exporting import write
from dockd.evidence.gathering import Wish, gather
from dockd.journal import Journal
from tests.sim.bundle_of import CONTENT, ERASED, KEPT, OTHER, Story, refused, tell
from tests.sim.consignments import HurriedClock
from tests.sim.evidence import DOCK


@pytest.fixture
def bundle(story: Story, tmp_path: Path) -> Path:
    """A bundle on disk."""
    write(story.bundle(), tmp_path / "evidence.zip")
    return tmp_path / "evidence.zip"


def keys(story: Story) -> list[str]:
    """The options that name all keys."""
    theirs = [f"--archive-key={each}" for each in story.maker().archive_keys]
    return [*theirs, "--dock-key", story.key.public_text]


def verify(*arguments: object) -> tuple[int, str]:
    """Run `dockd verify`."""
    result = CliRunner().invoke(command, [str(each) for each in arguments])
    return result.exit_code, result.output


def test_all_is_proved_under_keys_that_were_given(story: Story, bundle: Path) -> None:
    """Exit 0, and the words say which archive saw what, and when."""
    code, words = verify(bundle, *keys(story))
    assert code == 0
    assert "Archive archive saw the log grow to 27 entries, nothing else, and said so at 2026-09-21T14:13:20+00:00." in words
    assert f"Recording {ERASED}: DCIM/1.MP4 of camera C1, 15 bytes, erased." in words
    assert "8 other entries of the log are not shown" in words
    assert "NOT PROVED" not in words


def test_keys_that_nobody_compared_prove_nothing(bundle: Path) -> None:
    """Exit 3: it is of one piece, but anybody could have made it."""
    code, words = verify(bundle)
    assert (code, words.count("NOT PROVED")) == (3, 2)


def test_what_was_changed_is_exit_1_with_its_name(story: Story, bundle: Path) -> None:
    """One word of JSON for programs, one line for people."""
    data = bytearray(bundle.read_bytes())
    data[100] ^= 1
    bundle.write_bytes(data)
    code, words = verify(bundle, *keys(story), "--json")
    document = json.loads(words)
    assert (code, document["exit_code"]) == (1, 1)
    assert document["lines"][-1]["mark"] == "WRONG"
    code, words = verify(bundle)
    assert (code, words.startswith("WRONG")) == (1, True)


@pytest.mark.parametrize("content", [b"", b"no bundle", b"PK\x03\x04", None])
def test_what_is_no_bundle_is_exit_2(tmp_path: Path, content: bytes | None) -> None:
    """A file of another kind, or none at all."""
    if content is not None:
        (tmp_path / "x").write_bytes(content)
    assert verify(tmp_path / "x")[0] == 2
    assert verify()[0] == 2


def test_media_are_recognised_byte_for_byte(story: Story, bundle: Path, tmp_path: Path) -> None:
    """A file of the archive or of a court is one of the recordings, or it is not."""
    (tmp_path / "one").write_bytes(CONTENT[ERASED])
    (tmp_path / "two").write_bytes(CONTENT[KEPT])
    code, words = verify(bundle, *keys(story), "--media", tmp_path / "one", "--media", tmp_path / "two")
    assert (code, words.count("byte for byte (SHA-256 and BLAKE3)")) == (0, 2)
    (tmp_path / "one").write_bytes(CONTENT[ERASED] + b" ")
    code, words = verify(bundle, *keys(story), "--media", tmp_path / "one")
    assert (code, "none of the recordings of this bundle" in words) == (1, True)
    assert verify(bundle, *keys(story), "--media", tmp_path / "none")[0] == 2


async def test_an_archive_may_have_had_another_key_before(tmp_path: Path) -> None:
    """Each statement counts under the key that it was signed with; each of the keys has to be known to whoever checks."""
    story = await tell(tmp_path)
    await story.rotate()
    write(story.bundle(), tmp_path / "both.zip")
    code, words = verify(tmp_path / "both.zip", *keys(story))
    assert code == 0, words
    assert words.count("The key of archive archive is one that you gave.") == 2
    assert "Archive archive signed 4 statements" in words
    code, words = verify(
        tmp_path / "both.zip", "--archive-key", story.archive.key.public_text, "--dock-key", story.key.public_text
    )
    assert (code, "which is not one that you gave" in words) == (1, True)
    assert verify(tmp_path / "both.zip", "--dock-key", story.key.public_text)[1].count("NOT PROVED that ed25519:") == 2
    story.formerly = ()
    with pytest.raises(EvidenceError, match=r"signed with key .*, which is not the one that the site file pins"):
        story.bundle()


async def test_a_statement_under_a_key_of_nobody_is_refused(tmp_path: Path) -> None:
    """A key that the manifest does not name vouches for nothing."""
    story = await tell(tmp_path)
    await story.rotate()
    files = story.bundle()
    manifest = reading.opened(files[reading.MANIFEST], verifier.BUNDLE_TYPE, None, reading.MANIFEST)
    manifest["archives"][0]["keys"] = manifest["archives"][0]["keys"][1:]
    files[reading.MANIFEST] = story.key.sealed(canonical(manifest), verifier.BUNDLE_TYPE)
    with pytest.raises(reading.WrongError, match=r"not signed by an archive of this|somebody who has no place"):
        list(verifier.verify(files))


async def test_what_is_open_is_said(tmp_path: Path) -> None:
    """A log that no archive witnessed, entries that are younger, a recording that no archive holds."""
    story = await tell(tmp_path, witnessed=False)
    write(story.bundle(), tmp_path / "1.zip")
    code, words = verify(tmp_path / "1.zip", *keys(story))
    assert (code, "no archive witnessed it" in words) == (3, True)
    await story.witness()
    await story.record(*refused("4" * 32))
    write(story.bundle(), tmp_path / "2.zip")
    code, words = verify(tmp_path / "2.zip", *keys(story))
    assert code == 3
    assert "that entries 28 to 29 are the only ones: they are younger than that." in words
    assert f"that an archive holds recording {'4' * 32}." in words


async def test_a_proof_that_rests_on_the_docks_word_is_said(tmp_path: Path) -> None:
    """An archive that signs nothing leaves what the dock itself found, and that is not called a signature."""
    story = await tell(tmp_path)
    files = story.bundle(Wish(whole_log=True))
    entries = [json.loads(line) for line in files[verifier.ENTRIES].splitlines()]
    for entry in entries:
        if entry["event"] == "recording.archived":
            entry["basis"] = "read-back"
    lines = dict(enumerate(entries, 1))
    found = list(
        verifier._statements(
            files,
            lines,
            {"archives": [{"id": "archive", "keys": [story.archive.key.public_text]}], "dock": "dock-1", "recordings": []},
        )
    )
    assert [words for mark, words in found if mark == living.NOT_PROVED] == [
        f"entry {number} by the archive's signature: it signs nothing, the dock found it by read-back." for number in (9, 15, 21)
    ]


def test_the_verifiers_table_of_steps_is_the_docks() -> None:
    """What the dock may do to a recording, and no more, is what the verifier believes of it; each has the table for itself."""
    events = {
        "CopyStarted": "copying",
        "CopyVerified": "verified",
        "Recognised": "recognised",
        "UploadStarted": "uploading",
        "UploadProved": "archived",
        "ProofLost": "proof-lost",
        "Erased": "erased",
        "FoundGone": "found-gone",
        "Refused": "refused",
        "Retried": "retried",
    }
    own = {f"recording.{events[step.__name__]}": {state.value for state in states} for step, states in life._FROM.items()}
    assert own == living.FROM


def test_the_single_file_runs_without_dockd_and_without_packages(story: Story, bundle: Path, tmp_path: Path) -> None:
    """One file, an isolated interpreter without any package: the same verdicts, and it says what it cannot check."""
    alone = tmp_path / "dockd-verify.py"
    assert verify("--write-verifier", alone)[0] == 0
    (tmp_path / "one").write_bytes(CONTENT[ERASED])

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-I", "-S", str(alone), *(str(each) for each in arguments)]
        return subprocess.run(line, capture_output=True, text=True, check=False, cwd="/")

    good = run(bundle, *keys(story), "--media", tmp_path / "one")
    assert (good.returncode, good.stderr) == (0, "")
    assert "SHA-256; BLAKE3 was not checked, its package is not installed" in good.stdout
    assert run(bundle).returncode == 3
    other = run(bundle, "--archive-key", SigningKey.generate().public_text)
    assert (other.returncode, "with key" in other.stdout) == (1, True)
    files = story.bundle()
    broken = json.loads(files[verifier.CHECKPOINT.join(["", ""])] if False else files[reading.MANIFEST])
    signature = bytearray(base64.b64decode(broken["signatures"][0]["sig"]))
    signature[0] ^= 1
    broken["signatures"][0]["sig"] = base64.b64encode(signature).decode()
    bundle.write_bytes(reading.written_zip(files | {reading.MANIFEST: canonical(broken)}))
    assert run(bundle, *keys(story)).returncode == 1


@settings(max_examples=25, deadline=None)
@given(st.binary(max_size=100), st.integers(0, 511), st.integers(0, 255))
def test_pythons_numbers_and_openssl_agree(message: bytes, bit: int, bit_of_key: int) -> None:
    """Good signatures are good to both; one bit anywhere makes them bad to both."""
    key = SigningKey.generate()
    public = base64.b64decode(key.public_text.removeprefix("ed25519:"))
    signature = key.sign_note("n", message.hex()).signature
    text = message.hex().encode()
    assert reading.signed_by_arithmetic(public, signature, text)
    changed = bytearray(signature)
    changed[bit // 8] ^= 1 << (bit % 8)
    other = bytearray(public)
    other[bit_of_key // 8] ^= 1 << (bit_of_key % 8)
    for one, two, three in ((public, bytes(changed), text), (bytes(other), signature, text), (public, signature, text + b".")):
        assert not reading.signed_by_arithmetic(one, two, three)
        assert not reading.is_signed(one, two, three)


def test_what_cannot_be_a_signature_is_none() -> None:
    """Wrong lengths, points that are not on the curve, scalars beyond the group's order (RFC 8032 section 5.1.7)."""
    key = SigningKey.generate()
    public = base64.b64decode(key.public_text.removeprefix("ed25519:"))
    signature = key.sign_note("n", "text").signature
    beyond = (2**252 + 27742317777372353535851937790883648493 + int.from_bytes(signature[32:], "little")).to_bytes(33, "little")
    for one, two in (
        (public[:31], signature),
        (public, signature[:63]),
        (b"\xff" * 32, signature),
        (b"\x02" + b"\0" * 31, signature),
        (public, b"\xff" * 32 + signature[32:]),
        (public, signature[:32] + beyond[:32]),
    ):
        assert not reading.signed_by_arithmetic(one, two, b"text")
        assert not reading.is_signed(one, two, b"text")


def test_published_signatures_are_good() -> None:
    """Two of RFC 8032's own test vectors (section 7.1, tests 1 and 2)."""
    for public, message, signature in (
        (
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ),
        (
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ),
    ):
        assert reading.signed_by_arithmetic(bytes.fromhex(public), bytes.fromhex(signature), bytes.fromhex(message))


async def test_a_whole_log_is_verified_entry_by_entry(tmp_path: Path) -> None:
    """Every entry of it, shown and checked; how long that takes for a log of years, `make bench` says."""
    story = await tell(tmp_path)
    members = {"note": "as long as an entry of a recording usually is: " + "x" * 200}
    await story.record(*(Noted("daemon.test", members) for _ in range(3000)))
    await story.witness()
    write(story.bundle(Wish(whole_log=True)), tmp_path / "all.zip")
    code, words = verify(tmp_path / "all.zip", *keys(story))
    assert (code, "3027 entries stand in the log" in words) == (0, True)
    assert OTHER in words


async def test_a_fork_that_was_shown_to_two_archives_is_named(own: Story, tmp_path: Path) -> None:
    """Each archive cosigned what it was shown; who has a bundle and the other's checkpoint sees that there are two logs."""
    image = tmp_path / "image"
    image.mkdir()
    shutil.copy(own.journal, image / "journal.sqlite")
    twin = Story(image, own.key)
    await own.grow()
    await twin.record(*refused("5" * 32))
    await own.witness()
    await twin.witness()
    write(own.bundle(Wish(whole_log=True)), tmp_path / "whole.zip")
    write(own.bundle(), tmp_path / "part.zip")
    (tmp_path / "own").write_bytes(own.bundle()[verifier.CHECKPOINT])
    (tmp_path / "twin").write_bytes(twin.bundle(Wish(recordings=("5" * 32,)))[verifier.CHECKPOINT])
    (tmp_path / "early").write_bytes((await _early(own)).encode())
    (tmp_path / "early-fork").write_bytes(own.key.checkpoint(Checkpoint(_origin(own), 5, bytes(32))).encode())
    for name, bundle, code, words in (
        ("own", "part.zip", 0, "are those with which this log begins"),
        ("twin", "part.zip", 1, "a fork: the dock signed another log of 29 entries under the same name"),
        ("early", "whole.zip", 0, "The 5 entries of"),
        ("early", "part.zip", 3, "that takes a bundle of the whole log"),
        ("early-fork", "whole.zip", 1, "a fork: the dock signed another log of 5 entries"),
        ("none", "part.zip", 2, "No such file"),
    ):
        found, said = verify(tmp_path / bundle, *keys(own), "--against", tmp_path / name)
        assert (found, words in said) == (code, True), (name, bundle, said)
    foreign = SigningKey.generate().checkpoint(Checkpoint(_origin(own), 29, bytes(32)))
    (tmp_path / "foreign").write_bytes(foreign.encode())
    assert "not a checkpoint of the log" in verify(tmp_path / "part.zip", *keys(own), "--against", tmp_path / "foreign")[1]


def _origin(story: Story) -> str:
    return f"dockd/{DOCK}/{gather(story.journal, Wish()).first_leaf.hex()[:16]}"


async def _early(story: Story) -> Note:
    """The log's state after five entries, signed."""
    journal = await Journal.open(story.journal, HurriedClock())
    leaves = [each.leaf for each in await journal.custody(1, 5)]
    await journal.close()
    return story.key.checkpoint(Checkpoint(_origin(story), 5, tree_hash(leaves)))
