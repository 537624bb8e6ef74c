"""Whatever is changed in a bundle is found, and named: byte by byte, name by name, entry by entry, key by key."""

import base64
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from blake3 import blake3

from dockd.core.canonical import canonical, leaf_hash
from dockd.core.merkle import Tree
from dockd.core.note import Checkpoint, Note, origin_of, parse_note
from dockd.dsse import SigningKey
from dockd.evidence import living, verifier
from dockd.evidence.exporting import write
from dockd.evidence.gathering import Wish
from dockd.evidence.reading import MANIFEST, Files, UnreadableError, WrongError, read_bundle, written_zip
from tests.sim.bundle_of import CONTENT, ERASED, Story, tell
from tests.sim.evidence import DOCK


def check(story: Story, files: Files) -> list[living.Line]:
    """Verify under the keys that were published."""
    return list(verifier.verify(files, story.maker().archive_keys, story.key.public_text))


def signed_anew(files: Files, key: SigningKey, change: Callable[[dict[str, object]], object] = lambda _: None) -> Files:
    """The bundle with a manifest that fits its files again, signed by `key`: what somebody who has that key could make."""
    files = dict(files)
    members = json.loads(base64.b64decode(json.loads(files.pop(MANIFEST))["payload"]))
    members["key"] = key.public_text
    members["files"] = [
        {"name": name, "size": str(len(data)), "sha256": hashlib.sha256(data).hexdigest(), "blake3": blake3(data).hexdigest()}
        for name, data in sorted(files.items())
    ]
    change(members)
    return files | {MANIFEST: key.sealed(canonical(members), verifier.BUNDLE_TYPE)}


def test_a_bundle_as_it_was_made_is_proved(story: Story) -> None:
    """Nothing in it is open when both keys are known."""
    marks = {mark for mark, _ in check(story, story.bundle())}
    assert marks == {living.PROVED, living.NOTE}


def test_every_byte_of_every_file_counts(story: Story) -> None:
    """Each byte of each file flipped, one after the other, in each of its bits in turn: no bundle passes."""
    files = story.bundle()
    flips = 0
    for name, data in files.items():
        for at in range(len(data)):
            changed = bytearray(data)
            changed[at] ^= 1 << (at % 8)
            with pytest.raises(WrongError):
                check(story, files | {name: bytes(changed)})
            flips += 1
    assert flips == sum(map(len, files.values())) > 20_000


async def test_every_byte_counts_of_what_a_bundle_has_only_sometimes(own: Story, tmp_path: Path) -> None:
    """The media hash list, an older checkpoint that was witnessed, and a timestamp."""
    (tmp_path / "media").mkdir()
    (tmp_path / "media" / "1.MP4").write_bytes(CONTENT[ERASED])
    await own.grow()
    files = own.bundle(media=tmp_path / "media")
    stamp = b"stamp" + hashlib.sha256(files[verifier.CHECKPOINT]).digest()
    files = signed_anew(files | {verifier.TIMESTAMP: stamp}, own.key)
    check(own, files)
    more = {name: data for name, data in files.items() if name.partition("/")[0] in {"ascmhl", "witnessed", "checkpoint.tsr"}}
    assert len(more) > 3
    for name, data in more.items():
        for at in range(len(data)):
            changed = bytearray(data)
            changed[at] ^= 1 << (at % 8)
            with pytest.raises(WrongError):
                check(own, files | {name: bytes(changed)})


def test_every_byte_of_the_container_counts(story: Story, tmp_path: Path) -> None:
    """Also what a .zip says around its files, which other programs pass over."""
    whole = written_zip({"checkpoint": b"c", MANIFEST: b"m"})
    path = tmp_path / "x.zip"
    for at in range(len(whole)):
        changed = bytearray(whole)
        changed[at] ^= 1 << (at % 8)
        path.write_bytes(changed)
        try:
            files = read_bundle(path)
        except (WrongError, UnreadableError):
            continue
        assert files != {"checkpoint": b"c", MANIFEST: b"m"}, f"byte {at}"
        with pytest.raises(WrongError):
            check(story, files)
    for longer in (whole[:-1], whole + b"\0", b"\0" + whole):
        path.write_bytes(longer)
        with pytest.raises(WrongError):
            read_bundle(path)


def test_a_name_that_is_missing_added_or_doubled_is_named(story: Story, tmp_path: Path) -> None:
    """Whatever file comes or goes, the verifier says which."""
    files = story.bundle()
    for name in files.keys() - {MANIFEST}:
        with pytest.raises(WrongError, match=f"{name}.*missing"):
            check(story, {each: data for each, data in files.items() if each != name})
        doubled = {each: data for each, data in files.items() if each <= name}
        one, rest = written_zip(doubled), written_zip({each: data for each, data in files.items() if each >= name})
        (tmp_path / "d.zip").write_bytes(one[: one.index(b"PK\x01\x02")] + rest)
        with pytest.raises(WrongError, match=f"{name}: it is there twice"):
            read_bundle(tmp_path / "d.zip")
    for name in ("readme.txt", "statements/x.json", "CHECKPOINT", "../x"):
        with pytest.raises(WrongError, match=f"{name}.*not one of the files"):
            check(story, files | {name: b""})
    (tmp_path / "no.zip").write_bytes(written_zip({name: data for name, data in files.items() if name != MANIFEST}))
    with pytest.raises(UnreadableError, match="not an evidence bundle"):
        read_bundle(tmp_path / "no.zip")


@pytest.mark.parametrize("name", ["a b", "/etc/passwd", "x/../y", MANIFEST])
def test_a_name_that_no_bundle_has_is_refused_though_it_is_signed(story: Story, name: str) -> None:
    """No signature makes a file that would land elsewhere when it is unpacked."""
    files = signed_anew(story.bundle() | {name: b""} if name != MANIFEST else story.bundle(), story.key)
    if name == MANIFEST:
        files = signed_anew(files, story.key, lambda m: m["files"].append({"name": name, "size": "0", "sha256": ""}))  # type: ignore[attr-defined]
    with pytest.raises(WrongError, match="no file of a bundle may have that name"):
        check(story, files)


def test_a_list_that_names_a_file_twice_is_refused(story: Story) -> None:
    """Which of the two would be meant?"""
    files = signed_anew(story.bundle(), story.key, lambda m: m.update(files=m["files"] * 2))  # type: ignore[operator]
    with pytest.raises(WrongError, match="twice"):
        check(story, files)


def _without(lines: list[bytes]) -> list[bytes]:
    return lines[:5] + lines[6:]


def _reordered(lines: list[bytes]) -> list[bytes]:
    return [*lines[:5], lines[6], lines[5], *lines[7:]]


def _renumbered(lines: list[bytes]) -> list[bytes]:
    one, other = json.loads(lines[5]), json.loads(lines[6])
    return [*lines[:5], canonical({**other, "seq": one["seq"]}), canonical({**one, "seq": other["seq"]}), *lines[7:]]


def _rewritten(lines: list[bytes]) -> list[bytes]:
    return [*lines[:-1], canonical({**json.loads(lines[-1]), "reason": "it was taken by nobody"})]


def _doubled(lines: list[bytes]) -> list[bytes]:
    return [*lines[:5], lines[4], *lines[5:]]


def _invented(lines: list[bytes]) -> list[bytes]:
    return [*lines, canonical({**json.loads(lines[-1]), "seq": 1000})]


def _beheaded(lines: list[bytes]) -> list[bytes]:
    return lines[1:]


@pytest.mark.parametrize("change", [_without, _reordered, _renumbered, _rewritten, _doubled, _invented, _beheaded])
def test_entries_are_those_of_the_log_also_for_whoever_has_the_docks_key(
    story: Story, change: Callable[[list[bytes]], list[bytes]]
) -> None:
    """One entry taken out, moved, swapped, rewritten, repeated or invented: the signed root says so, whoever signed the list."""
    files = story.bundle()
    lines = change(files[verifier.ENTRIES].splitlines())
    forged = signed_anew(files | {verifier.ENTRIES: b"".join(line + b"\n" for line in lines)}, story.key)
    with pytest.raises(WrongError, match=r"entr|hashes"):
        check(story, forged)


def _thinned(story: Story, key: SigningKey) -> tuple[Files, bytes]:
    """The whole log without its hold, its tree built and signed anew; and its checkpoint with the old cosignature below."""
    files = story.bundle(Wish(whole_log=True))
    entries = [json.loads(line) for line in files[verifier.ENTRIES].splitlines()]
    lines = [
        canonical({**entry, "seq": number})
        for number, entry in enumerate((each for each in entries if each["event"] != "hold.placed"), 1)
    ]
    leaves = [leaf_hash(line) for line in lines]
    tree = Tree(lambda start, end: leaves[start:end])
    tree.grow(len(leaves))
    origin = origin_of(DOCK, leaves[0])
    note = key.checkpoint(Checkpoint(origin, len(leaves), tree.root()))
    cosigned = parse_note(files[verifier.CHECKPOINT]).signatures[-1]
    changed = {verifier.ENTRIES: b"".join(line + b"\n" for line in lines), verifier.CHECKPOINT: note.encode()}
    return files | changed, Note(note.text, (*note.signatures, cosigned)).encode()


def test_a_log_that_was_thinned_and_signed_anew_is_not_witnessed(story: Story) -> None:
    """Root with the dock's key can write a log of one piece, but no archive saw it grow, and the old cosignature does not fit."""
    thinned, claimed = _thinned(story, story.key)
    lines = check(story, signed_anew(thinned, story.key))
    assert [words for mark, words in lines if mark == living.NOT_PROVED] == [
        "that this is the only log of the dock: no archive witnessed it, the dock alone signed it."
    ]
    with pytest.raises(WrongError, match="signature of archive is wrong"):
        check(story, signed_anew(thinned | {verifier.CHECKPOINT: claimed}, story.key))
    original = story.bundle()[verifier.CHECKPOINT]
    with pytest.raises(WrongError, match="the archive witnessed 27: rolled back"):
        check(story, signed_anew(thinned | {verifier.WITNESSED: original}, story.key))


async def test_a_log_that_grew_out_of_another_is_a_fork(own: Story) -> None:
    """What the archive witnessed and what is shown part ways: no proof leads from the one to the other."""
    witnessed = own.bundle()[verifier.CHECKPOINT]
    thinned, _ = _thinned(own, own.key)
    lines = thinned[verifier.ENTRIES].splitlines()
    lines += [canonical({**json.loads(lines[-1]), "seq": number}) for number in range(len(lines) + 1, 40)]
    leaves = [leaf_hash(line) for line in lines]
    tree = Tree(lambda start, end: leaves[start:end])
    tree.grow(len(leaves))
    proof = [base64.b64encode(each).decode() for each in tree.consistency(27, len(leaves))]
    forged = thinned | {
        verifier.ENTRIES: b"".join(line + b"\n" for line in lines),
        verifier.CHECKPOINT: own.key.checkpoint(Checkpoint(origin_of(DOCK, leaves[0]), len(leaves), tree.root())).encode(),
        verifier.WITNESSED: witnessed,
    }
    for shown in (proof, [], proof[:-1], [*proof, proof[0]]):
        tree_file = canonical({"hidden": [], "consistency": shown})
        with pytest.raises(WrongError, match="does not continue what the archive witnessed"):
            check(own, signed_anew(forged | {verifier.TREE: tree_file}, own.key))


def test_a_log_that_was_signed_with_another_key_is_named(story: Story) -> None:
    """The key of the dock and of the archive are those that were published, or the verifier says which is not."""
    other = SigningKey.generate()
    forged = signed_anew(_thinned(story, other)[0], other)
    with pytest.raises(WrongError, match="of dock dock-1 with key"):
        check(story, forged)
    with pytest.raises(WrongError, match="of archive archive with key"):
        list(verifier.verify(story.bundle(), [other.public_text], story.key.public_text))
    lines = list(verifier.verify(forged))
    assert sum(mark == living.NOT_PROVED for mark, _ in lines) == 3, "two keys that nobody gave, and no witness"
    with pytest.raises(WrongError, match="the dock did not sign it"):
        check(story, signed_anew(story.bundle() | {verifier.CHECKPOINT: forged[verifier.CHECKPOINT]}, story.key))


def test_a_statement_for_something_else_is_no_receipt(story: Story) -> None:
    """A receipt that is missing, exchanged for another, or left over is found, though the dock signed the list."""
    files = story.bundle()
    one, other, *_ = sorted(name for name in files if name.startswith("statements/"))
    with pytest.raises(WrongError, match="is missing"):
        check(story, signed_anew({name: data for name, data in files.items() if name != one}, story.key))
    with pytest.raises(WrongError, match="is missing"):
        check(story, signed_anew(files | {one: files[other]}, story.key))
    with pytest.raises(WrongError, match="no entry speaks of"):
        check(story, signed_anew(files | {"statements/left-over.json": files[one]}, story.key))


@pytest.mark.parametrize(
    ("member", "value", "words"),
    [
        ("camera", "C9", "its camera is not what the log says"),
        ("path", "DCIM/9.MP4", "its path is not"),
        ("sha256", "00" * 32, "its sha256 is not that of entry"),
        ("blake3", None, "its blake3 is not that of entry"),
        ("size", "1", "its size is not that of entry"),
        ("state", "archived", "it is not archived: the log last says erased"),
        ("recording", "9" * 32, "does not say that it was found"),
        ("sidecar_of", "x", "its sidecar_of is not"),
    ],
)
def test_what_is_said_of_a_recording_is_what_the_log_says(story: Story, member: str, value: object, words: str) -> None:
    """Also the dock's own summary is compared with the log."""
    forged = signed_anew(story.bundle(), story.key, lambda m: m["recordings"][0].update({member: value}))  # type: ignore[index]
    with pytest.raises(WrongError, match=words):
        check(story, forged)


@pytest.mark.parametrize("member", ["sha256", "blake3", "size"])
def test_digests_of_what_is_not_erased_are_the_logs_too(story: Story, member: str) -> None:
    """Where no statement about an erasing has them, the entries about copy and archive do."""
    forged = signed_anew(story.bundle(), story.key, lambda m: m["recordings"][1].update({member: "00"}))  # type: ignore[index]
    with pytest.raises(WrongError, match="its digests are not those that were read"):
        check(story, forged)


async def test_a_bundle_of_another_log_of_the_dock_is_named(story: Story, tmp_path: Path) -> None:
    """Entries of one log do not pass under the checkpoint of another, nor under another dock's name."""
    other = await tell(tmp_path)
    with pytest.raises(WrongError, match=r"not those of the signed log|hashes"):
        check(story, signed_anew(story.bundle() | {verifier.ENTRIES: other.bundle()[verifier.ENTRIES]}, story.key))
    with pytest.raises(WrongError, match="another log's"):
        check(story, signed_anew(story.bundle(), story.key, lambda m: m.update(dock="dock-2")))


@pytest.mark.parametrize("member", ["dock", "key", "origin", "archives", "recordings", "files"])
def test_a_manifest_that_lacks_something_is_no_manifest(story: Story, member: str) -> None:
    """Wrong in form is wrong, and no crash."""
    with pytest.raises(WrongError):
        check(story, signed_anew(story.bundle(), story.key, lambda m: m.pop(member)))


def test_a_folder_is_read_like_its_zip(story: Story, tmp_path: Path) -> None:
    """Unpacked by anybody's program, and nothing but plain files in it."""
    files = story.bundle()
    write(files, tmp_path / "b.zip")
    assert read_bundle(tmp_path / "b.zip") == files
    for name, data in files.items():
        (tmp_path / "b" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "b" / name).write_bytes(data)
    assert read_bundle(tmp_path / "b") == files
    (tmp_path / "b" / "link").symlink_to("checkpoint")
    with pytest.raises(WrongError, match="link: not a plain file"):
        read_bundle(tmp_path / "b")
