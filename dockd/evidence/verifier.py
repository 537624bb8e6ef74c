"""Checks a dockd evidence bundle and says what is proved, by whose key, and what is not.

usage: python3 dockd-verify.py BUNDLE [--media FILE]... [--archive-key KEY] [--dock-key KEY] [--against NOTE]... [--json]

BUNDLE is the .zip, or the folder that it was unpacked to. Python 3.11 is enough; nothing is fetched. A KEY is ed25519:... as the
archive (`dockd vault key`) and the dock publish it: without it you learn that a bundle is of one piece, not who made it.

Exit codes: 0 everything holds, under keys that you gave; 1 something is not as it was made, or does not prove what it says; 2 the
bundle cannot be read; 3 nothing is wrong, but something is not proved: each of these lines begins with NOT PROVED.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from dockd.evidence.living import FOUND, FROM, MEASURES, NOT_PROVED, NOTE, PROVED, Line, recording_lines
from dockd.evidence.reading import (
    COSIGNED,
    MANIFEST,
    NAME,
    SIGNED,
    Checkpoint,
    Files,
    Json,
    UnreadableError,
    WrongError,
    consistent_roots,
    decoded,
    disclosed_root,
    key_of,
    opened,
    parsed,
    read_bundle,
    witness_of,
)

try:
    from blake3 import blake3
except ImportError:  # pragma: no cover - tested in a process that has it not
    blake3 = None  # type: ignore[assignment,misc]

BUNDLE_TYPE, STATEMENT_TYPE = "application/vnd.dockd.bundle+json", "application/vnd.dockd.statement+json"
ENTRIES, TREE, CHECKPOINT, WITNESSED = "entries.jsonl", "tree.json", "checkpoint", "witnessed"
TIMESTAMP = "checkpoint.tsr"
STATEMENTS = {
    "recording.archived": "dockd/receipt/v1",
    "recording.recognised": "dockd/holding/v1",
    "recording.erased": "dockd/holding/v1",
    "recording.kept-longer": "dockd/holding/v1",
}


def verify(files: Files, archive_keys: Sequence[str] = (), dock_key: str | None = None) -> Iterator[Line]:
    """What the bundle proves, line by line, under the keys that were given.

    Raises:
        WrongError: something in it is not as it was made.
    """
    manifest = opened(files[MANIFEST], BUNDLE_TYPE, None, MANIFEST)
    try:
        if manifest["type"] != "dockd/bundle/v1":
            raise WrongError(MANIFEST, f"it is of type {manifest['type']}, of which this verifier knows nothing")
        yield from _keys(manifest, archive_keys, dock_key)
        yield from _files(files, manifest)
        checkpoint = Checkpoint(files[CHECKPOINT], CHECKPOINT)
        entries, leaves = _entries(files[ENTRIES])
        tree = parsed(files[TREE], TREE)
        yield from _log(checkpoint, entries, leaves, tree, manifest)
        yield from _witness(files, checkpoint, tree, manifest)
        yield from _deposits(entries)
        yield from _statements(files, entries, manifest)
        stories: dict[str, list[Json]] = {}
        for entry in entries.values():
            if entry["event"] in FROM or entry["event"] in FOUND:
                stories.setdefault(entry["recording"], []).append(entry)
        for recording in manifest["recordings"]:
            yield from recording_lines(recording, stories.get(recording["recording"], []))
        yield from _limits(checkpoint, entries, files)
        yield from _timestamp(files)
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, OSError, RuntimeError) as exc:
        raise WrongError(MANIFEST, f"it does not have the form of a bundle: {exc!r}") from exc


def _keys(manifest: Json, archive_keys: Sequence[str], dock_key: str | None) -> Iterator[Line]:
    trusted = {"dock": [dock_key] if dock_key else [], "archive": list(archive_keys)}
    named = [("dock", manifest["dock"], manifest["key"])]
    named += [("archive", each["id"], key) for each in manifest["archives"] for key in each["keys"]]
    if doubled := [said for at, (_, _, said) in enumerate(named) if said in [each[2] for each in named[:at]]]:
        raise WrongError(MANIFEST, f"two parties, or one twice, have the key {doubled[0]}")
    for who, name, said in named:
        if said in trusted[who]:
            yield (
                PROVED,
                f"The key of {who} {name} is one that you gave."
                if who == "archive"
                else f"The key of {who} {name} is the one that you gave.",
            )
        elif trusted[who]:
            raise WrongError(MANIFEST, f"it is of {who} {name} with key {said}, which is not one that you gave")
        else:
            yield NOT_PROVED, f"that {said} is the key of {who} {name}: compare it with what the {who}'s owner published."


def _files(files: Files, manifest: Json) -> Iterator[Line]:
    listed = {each["name"]: each for each in manifest["files"]}
    if odd := [name for name in listed if not NAME.fullmatch(name) or name == MANIFEST]:
        raise WrongError(odd[0], "no file of a bundle may have that name")
    if len(listed) != len(manifest["files"]):
        raise WrongError(MANIFEST, "it lists a file twice")
    for name in sorted(files.keys() ^ listed.keys() ^ {MANIFEST}):
        raise WrongError(name, "it is not one of the files of this bundle" if name in files else "it is missing")
    for name, wanted in listed.items():
        if (str(len(files[name])), hashlib.sha256(files[name]).hexdigest()) != (wanted["size"], wanted["sha256"]):
            raise WrongError(name, "its bytes are not those that were exported")
        if blake3 is not None and blake3(files[name]).hexdigest() != wanted["blake3"]:
            raise WrongError(name, "its BLAKE3 is not the one that was exported")
    yield PROVED, f"All {len(listed)} files are those that dock {manifest['dock']} signed at {manifest['made']}."


def _entries(data: bytes) -> tuple[dict[int, Json], dict[int, bytes]]:
    entries: dict[int, Json] = {}
    leaves: dict[int, bytes] = {}
    last = 0
    for line in data.removesuffix(b"\n").split(b"\n"):
        entry = parsed(line, f"{ENTRIES}, after entry {last}")
        if type(entry["seq"]) is not int or entry["seq"] <= last or entry["v"] != 1:
            raise WrongError(ENTRIES, f"entry {entry['seq']} is out of order or of another version")
        last = entry["seq"]
        entries[last] = entry
        leaves[last - 1] = hashlib.sha256(b"\0" + line).digest()
    return entries, leaves


def _log(
    checkpoint: Checkpoint, entries: dict[int, Json], leaves: dict[int, bytes], tree: Json, manifest: Json
) -> Iterator[Line]:
    if checkpoint.take(checkpoint.origin, SIGNED, manifest["key"]) is None:
        raise WrongError(CHECKPOINT, "the dock did not sign it")
    hidden = iter([decoded(each, TREE) for each in tree["hidden"]])
    if max(entries) > checkpoint.size or 1 not in entries:
        raise WrongError(ENTRIES, "they are not entries of this log, or its first one is missing")
    try:
        root = disclosed_root(leaves, checkpoint.size, hidden)
    except StopIteration:
        raise WrongError(TREE, "too few hashes: entries are missing") from None
    if root != checkpoint.root or next(hidden, None) is not None:
        raise WrongError(ENTRIES, "they are not those of the signed log: one was changed, added, taken out or put elsewhere")
    if checkpoint.origin != f"dockd/{manifest['dock']}/{leaves[0].hex()[:16]}" or checkpoint.origin != manifest["origin"]:
        raise WrongError(CHECKPOINT, "it is another log's")
    yield (
        PROVED,
        f"{len(entries)} entries stand in the log {checkpoint.origin} of {checkpoint.size} entries that the dock signed.",
    )


def _witness(files: Files, checkpoint: Checkpoint, tree: Json, manifest: Json) -> Iterator[Line]:
    proof = iter([decoded(each, TREE) for each in tree["consistency"]])
    witnessed = Checkpoint(files[WITNESSED], WITNESSED) if WITNESSED in files else checkpoint
    if witnessed is not checkpoint and witnessed.take(checkpoint.origin, SIGNED, manifest["key"]) is None:
        raise WrongError(WITNESSED, "the dock did not sign it")
    cosignature, by = None, ""
    for archive in manifest["archives"]:
        if archive["witness"] != witness_of(archive["id"]):
            raise WrongError(MANIFEST, f"archive {archive['id']} does not cosign as {archive['witness']}")
        for key in archive["keys"]:
            if (taken := witnessed.take(archive["witness"], COSIGNED, key)) is not None:
                cosignature, by = taken, archive["id"]
    if witnessed.signatures or checkpoint.signatures:
        raise WrongError(witnessed.what, "it carries a signature of somebody who has no place there")
    if witnessed is not checkpoint:
        if witnessed.size > checkpoint.size:
            raise WrongError(
                CHECKPOINT, f"it has {checkpoint.size} entries, but the archive witnessed {witnessed.size}: rolled back"
            )
        try:
            roots = consistent_roots(witnessed.size, checkpoint.size, witnessed.root, proof)
        except (StopIteration, RecursionError):
            roots = (b"", b"")
        if witnessed.origin != checkpoint.origin or roots != (witnessed.root, checkpoint.root) or cosignature is None:
            raise WrongError(WITNESSED, "the log does not continue what the archive witnessed")
    if next(proof, None) is not None:
        raise WrongError(TREE, "hashes too many")
    if cosignature is None:
        yield NOT_PROVED, "that this is the only log of the dock: no archive witnessed it, the dock alone signed it."
        return
    time = datetime.fromtimestamp(int.from_bytes(cosignature[:8], "big"), UTC).isoformat()
    yield PROVED, f"Archive {by} saw the log grow to {witnessed.size} entries, nothing else, and said so at {time}."
    if witnessed is not checkpoint:
        yield NOT_PROVED, f"that entries {witnessed.size + 1} to {checkpoint.size} are the only ones: they are younger than that."


def _deposits(entries: dict[int, Json]) -> Iterator[Line]:
    given = [entry for entry in entries.values() if entry["event"] == "log.deposited"]
    if given:
        last, how = given[-1], "It compared that with nothing: ask its keeper for the object, and check it with --against."
        yield NOTE, f"Archive {last['archive']} was given the checkpoint of {last['size']} entries as {last['object']}. {how}"


def _statements(files: Files, entries: dict[int, Json], manifest: Json) -> Iterator[Line]:
    used, signed = set[str](), dict.fromkeys([each["id"] for each in manifest["archives"]], 0)
    measures = {each["recording"]: {one: each[one] for one in MEASURES} for each in manifest["recordings"]}
    owner = {
        hashlib.sha256(key_of(key)).hexdigest()[:16]: (key, each["id"]) for each in manifest["archives"] for key in each["keys"]
    }
    for seq, entry in entries.items():
        if (kind := STATEMENTS.get(entry["event"])) is None:
            continue
        name = f"statements/{entry['statement']}.json"
        if name not in files or hashlib.sha256(files[name]).hexdigest() != entry["statement"]:
            raise WrongError(name, f"the archive's statement for entry {seq} is missing")
        used.add(name)
        if "basis" in entry:
            yield NOT_PROVED, f"entry {seq} by the archive's signature: it signs nothing, the dock found it by {entry['basis']}."
            continue
        key, archive = owner.get(parsed(files[name], name)["signatures"][0]["keyid"], (None, None))
        if key is None:
            raise WrongError(name, "it is not signed by an archive of this bundle")
        said = opened(files[name], STATEMENT_TYPE, key, name)
        compared = ("object", "size", "blake3", "sha256", "camera", "nonce", "retain_until")
        same: Json = {each: entry[each] for each in compared if each in entry}
        if entry["event"] == "recording.erased":
            same |= measures.get(entry["recording"], {})
        if entry["event"] != "recording.recognised":
            same["recording"] = entry["recording"]
        same |= {"archive": entry["archive"]} if "archive" in entry else {}
        wanted = {"archive": archive} | same | {"type": kind, "dock": manifest["dock"]}
        if differing := [member for member in wanted if said[member] != wanted[member]]:
            raise WrongError(name, f"its {differing[0]} is not that of entry {seq}")
        if archive != said["archive"]:
            raise WrongError(name, f"it speaks for archive {said['archive']} with a key of {archive}")
        signed[archive] += 1
    if others := [name for name in sorted(files) if name.startswith("statements/") and name not in used]:
        raise WrongError(others[0], "no entry speaks of this statement")
    for archive, count in signed.items():
        if count:
            yield PROVED, f"Archive {archive} signed {count} statements about what it read back from its own store."


def _limits(checkpoint: Checkpoint, entries: dict[int, Json], files: Files) -> Iterator[Line]:
    if hidden := checkpoint.size - len(entries):
        word = "that none is about these recordings is the dock's word"
        yield NOTE, f"{hidden} other entries of the log are not shown; {word}. Its keeper can be made to show the whole log."
    known = {MANIFEST, ENTRIES, TREE, CHECKPOINT, WITNESSED, TIMESTAMP}
    if pages := [each for each in sorted(files) if each not in known and not each.startswith("statements/")]:
        yield (
            NOTE,
            f"What {len(pages)} files, as {pages[-1]}, say was not compared with the entries, of which the dock made them.",
        )
    yield (
        NOTE,
        "Times are the dock's own, but for those of the archive. What the camera recorded before it was docked is beyond this.",
    )


def _timestamp(files: Files) -> Iterator[Line]:
    if TIMESTAMP not in files:
        return
    if hashlib.sha256(files[CHECKPOINT]).digest() not in files[TIMESTAMP]:
        raise WrongError(TIMESTAMP, "it is no timestamp over this checkpoint")
    asked = f"openssl ts -verify -data {CHECKPOINT} -in {TIMESTAMP} -CAfile AUTHORITY.pem"
    yield NOTE, f"There is a timestamp over the checkpoint (RFC 3161). Whose it is, and of when, says: {asked}"


def verify_media(path: Path, files: Files) -> Line:
    """Which recording of a bundle that was verified a file is.

    Raises:
        WrongError: none.
        UnreadableError: it cannot be read.
    """
    sha256, also = hashlib.sha256(), blake3() if blake3 is not None else None
    try:
        with path.open("rb") as file:
            while piece := file.read(1 << 20):
                sha256.update(piece)
                if also is not None:
                    also.update(piece)
    except OSError as exc:
        raise UnreadableError(path, exc.strerror) from exc
    found = [sha256.hexdigest(), *([also.hexdigest()] if also is not None else [])]
    for each in opened(files[MANIFEST], BUNDLE_TYPE, None, MANIFEST)["recordings"]:
        if [each["sha256"], each["blake3"]][: len(found)] == found:
            how = "SHA-256 and BLAKE3" if len(found) > 1 else "SHA-256; BLAKE3 was not checked, its package is not installed"
            return PROVED, f"{path} is recording {each['recording']}, byte for byte ({how})."
    raise WrongError(path, "it is none of the recordings of this bundle, or was changed")


def verify_against(path: Path, files: Files) -> Line:
    """Whether another checkpoint, as another archive keeps it, is of the very log of a bundle that was verified.

    Raises:
        WrongError: the dock signed two logs under one name, or the checkpoint is not of this log.
        UnreadableError: it cannot be read.
    """
    try:
        other = Checkpoint(path.read_bytes(), str(path))
    except OSError as exc:
        raise UnreadableError(path, exc.strerror) from exc
    manifest, own = opened(files[MANIFEST], BUNDLE_TYPE, None, MANIFEST), Checkpoint(files[CHECKPOINT], CHECKPOINT)
    if other.origin != own.origin or other.take(own.origin, SIGNED, manifest["key"]) is None:
        raise WrongError(path, f"it is not a checkpoint of the log {own.origin} by the dock's key")
    _, leaves = _entries(files[ENTRIES])
    if other.size == own.size:
        root = own.root
    elif other.size < own.size and all(index in leaves for index in range(other.size)):
        root = disclosed_root({index: leaves[index] for index in range(other.size)}, other.size, iter(()))
    else:
        return NOT_PROVED, f"that the {other.size} entries of {path} are of this log: that takes a bundle of the whole log."
    if root != other.root:
        raise WrongError(path, f"a fork: the dock signed another log of {other.size} entries under the same name")
    return PROVED, f"The {other.size} entries of {path} are those with which this log begins."


def main(arguments: Sequence[str] | None = None) -> int:
    """Check, say, and return the exit code."""
    words = argparse.ArgumentParser(description="Check a dockd evidence bundle. " + __doc__.rpartition("\n\n")[2])
    words.add_argument("bundle", type=Path, help="the .zip, or the folder that it was unpacked to")
    words.add_argument("--media", type=Path, action="append", default=[], help="a file that should be one of the recordings")
    words.add_argument("--archive-key", action="append", default=[], help="the archive's public key, as its owner published it")
    words.add_argument("--dock-key", help="the dock's public key, as its owner published it")
    words.add_argument("--against", type=Path, action="append", default=[], help="a checkpoint that another archive has of it")
    words.add_argument("--json", action="store_true", help="print one JSON object")
    asked = words.parse_args(arguments)
    lines: list[Line] = []
    try:
        files = read_bundle(asked.bundle)
        lines.extend(verify(files, asked.archive_key, asked.dock_key))
        lines.extend(verify_media(each, files) for each in asked.media)
        lines.extend(verify_against(each, files) for each in asked.against)
        code = 3 if any(mark == NOT_PROVED for mark, _ in lines) else 0
    except UnreadableError as exc:
        code, lines = 2, [("UNREADABLE", str(exc))]
    except WrongError as exc:
        code, lines = 1, [*lines, ("WRONG", str(exc))]
    if asked.json:
        sys.stdout.write(json.dumps({"exit_code": code, "lines": [{"mark": mark, "words": said} for mark, said in lines]}) + "\n")
    else:
        words_of = (f"{mark:10} {''.join(map(_plain, said))}\n" for mark, said in lines)
        sys.stdout.write("".join(words_of))
    return code


def _plain(letter: str) -> str:
    """As it may be printed: nothing that a bundle says moves a cursor or begins a line."""
    fits = letter.isprintable() and letter.encode(sys.stdout.encoding or "ascii", "ignore")
    return letter if fits else letter.encode("unicode_escape").decode()


if __name__ == "__main__":
    sys.exit(main())
