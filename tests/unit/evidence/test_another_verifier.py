"""Another verifier, written from docs/custody-format.md with other libraries (PyNaCl, zipfile): it uses nothing of dockd.

It shows that the format is published well enough, and that the two agree on what is good and what is not.
"""

import base64
import hashlib
import io
import json
import string
import urllib.parse
import zipfile
from typing import Any

import pytest
from blake3 import blake3
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from dockd.core import life
from dockd.core.custody import Change, RecordingKeptLonger, RecordingMet, Stepped
from dockd.evidence import verifier
from dockd.evidence.reading import WrongError
from tests.sim.bundle_of import CONTENT, KEPT, Story, container
from tests.sim.evidence import measure, seen, stored

Json = dict[str, Any]


class Bad(Exception):  # noqa: N818 - a verdict
    """The bundle does not hold."""


def must(holds: object, what: str) -> None:
    """Go on only if it holds."""
    if not holds:
        raise Bad(what)


def b64(text: str) -> bytes:
    """Base64 in its one spelling."""
    data = base64.b64decode(text)
    must(base64.b64encode(data) == text.encode(), "spelling")
    return data


def canonical(data: bytes) -> Any:  # noqa: ANN401 - JSON
    """A canonical JSON."""
    value = json.loads(data)
    must(json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() == data, "canonical")
    return value


def signed(key: bytes, signature: bytes, message: bytes) -> None:
    """An Ed25519 signature, by libsodium."""
    VerifyKey(key).verify(message, signature)


def dsse(data: bytes, kind: str, key: bytes) -> Json:
    """The payload of an envelope."""
    envelope = canonical(data)
    must(set(envelope) == {"payload", "payloadType", "signatures"} and envelope["payloadType"] == kind, "envelope")
    (signature,) = envelope["signatures"]
    must(signature.keys() == {"keyid", "sig"} and signature["keyid"] == hashlib.sha256(key).hexdigest()[:16], "key id")
    payload = b64(envelope["payload"])
    signed(key, b64(signature["sig"]), f"DSSEv1 {len(kind)} {kind} {len(payload)} ".encode() + payload)
    found: Json = canonical(payload)
    return found


def note(data: bytes) -> tuple[str, list[str], dict[tuple[str, str], bytes]]:
    """Text, its lines, and signatures by name and key id."""
    text, rest = data.decode().split("\n\n")
    signatures = {}
    for line in rest.removesuffix("\n").split("\n"):
        dash, name, blob = line.split(" ")
        must(dash == "—", "dash")
        signatures[name, b64(blob)[:4].hex()] = b64(blob)[4:]
    must(rest.endswith("\n") and len(signatures) == rest.count("\n"), "lines")
    return text + "\n", text.split("\n"), signatures


def key_id(name: str, kind: int, key: bytes) -> tuple[str, str]:
    """How a note names a key."""
    return name, hashlib.sha256(name.encode() + b"\n" + bytes([kind]) + key).digest()[:4].hex()


def split(count: int) -> int:
    """The largest power of two below `count`."""
    k = 1
    while k * 2 < count:
        k *= 2
    return k


def node(left: bytes, right: bytes) -> bytes:
    """A node of the tree."""
    return hashlib.sha256(b"\1" + left + right).digest()


def root(shown: dict[int, bytes], start: int, count: int, hidden: list[bytes]) -> bytes:
    """Step 5; takes from `hidden`."""
    if not any(start <= index < start + count for index in shown):
        return hidden.pop(0)
    if count == 1:
        return shown[start]
    k = split(count)
    left = root(shown, start, k, hidden)
    return node(left, root(shown, start + k, count - k, hidden))


def consistent(first: int, second: int, proof: list[bytes], one: bytes, other: bytes) -> bool:
    """RFC 9162 section 2.1.4.2, step by step."""
    path = ([one] if first & (first - 1) == 0 else []) + proof
    fn, sn = first - 1, second - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = path[0]
    for c in path[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            fr, sr = node(c, fr), node(c, sr)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = node(sr, c)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and (fr, sr) == (one, other)


def verify(bundle: bytes, archive_key: bytes, dock_key: bytes) -> str:
    """Steps 1 to 8; the number of entries that the archive witnessed."""
    archive = zipfile.ZipFile(io.BytesIO(bundle))
    files = {each.filename: archive.read(each) for each in archive.infolist()}
    must(len(files) == len(archive.infolist()), "a name twice")
    manifest = dsse(files["bundle.dsse.json"], "application/vnd.dockd.bundle+json", dock_key)
    must(manifest["key"] == "ed25519:" + base64.b64encode(dock_key).decode(), "the dock's key")
    must(files.keys() == {each["name"] for each in manifest["files"]} | {"bundle.dsse.json"}, "names")
    for each in manifest["files"]:
        data = files[each["name"]]
        digests = hashlib.sha256(data).hexdigest(), blake3(data).hexdigest()
        must((str(len(data)), *digests) == (each["size"], each["sha256"], each["blake3"]), each["name"])
    text, (origin, size, encoded), signatures = note(files["checkpoint"])
    signed(dock_key, signatures.pop(key_id(origin, 1, dock_key)), text.encode())
    lines = files["entries.jsonl"].splitlines()
    entries = {canonical(line)["seq"]: canonical(line) for line in lines}
    must(list(entries) == sorted(entries) and len(entries) == len(lines), "order")
    leaves = {json.loads(line)["seq"] - 1: hashlib.sha256(b"\0" + line).digest() for line in lines}
    must(origin == manifest["origin"] == f"dockd/{manifest['dock']}/{leaves[0].hex()[:16]}", "origin")
    tree = canonical(files["tree.json"])
    hidden = [b64(each) for each in tree["hidden"]]
    must(root(leaves, 0, int(size), hidden) == b64(encoded) and not hidden, "root")
    (archive,) = manifest["archives"]
    must([raw(each) for each in archive["keys"]] == [archive_key], "the archive's keys")
    witness = archive["witness"]
    must(witness == urllib.parse.quote(archive["id"], safe=string.punctuation.replace("+", "").replace("%", "")), "witness")
    must(manifest["type"] == "dockd/bundle/v1", "type")
    if "witnessed" in files:
        older, (_, old_size, old_root), signatures = note(files["witnessed"])
        signed(dock_key, signatures.pop(key_id(origin, 1, dock_key)), older.encode())
        proof = [b64(each) for each in tree["consistency"]]
        must(consistent(int(old_size), int(size), proof, b64(old_root), b64(encoded)), "consistency")
        text, size = older, old_size
    cosignature = signatures.pop(key_id(witness, 4, archive_key))
    seconds = int.from_bytes(cosignature[:8], "big")
    signed(archive_key, cosignature[8:], f"cosignature/v1\ntime {seconds}\n{text}".encode())
    must(not signatures, "other signatures")
    _statements(files, entries, manifest, archive_key)
    for each in manifest["recordings"]:
        _recording(each, [entry for entry in entries.values() if entry.get("recording") == each["recording"]])
    return size


def _statements(files: dict[str, bytes], entries: dict[int, Json], manifest: Json, archive_key: bytes) -> None:
    named = set()
    for entry in entries.values():
        if "statement" not in entry:
            continue
        name = f"statements/{entry['statement']}.json"
        must(hashlib.sha256(files[name]).hexdigest() == entry["statement"], name)
        named.add(name)
        said = dsse(files[name], "application/vnd.dockd.statement+json", archive_key)
        must(said["type"] == ("dockd/receipt/v1" if entry["event"] == "recording.archived" else "dockd/holding/v1"), "type")
        must((said["dock"], said["archive"]) == (manifest["dock"], manifest["archives"][0]["id"]), "whose")
        for member in ("object", "size", "blake3", "sha256", "camera", "nonce", "recording", "retain_until"):
            must(member not in entry or entry[member] == said[member], member)
        if entry["event"] == "recording.erased":
            for each in (each for each in manifest["recordings"] if each["recording"] == entry["recording"]):
                must(all(each[member] == said[member] for member in ("size", "blake3", "sha256")), "bytes")
    must(named == {name for name in files if name.startswith("statements/")}, "left over")


STEPS = {
    "copying": ("seen copying", "copying"),
    "verified": ("copying", "verified"),
    "recognised": ("seen copying", "archived"),
    "uploading": ("verified uploading", "uploading"),
    "archived": ("uploading", "archived"),
    "proof-lost": ("archived", "seen"),
    "erased": ("archived", "erased"),
    "found-gone": ("archived", "erased"),
    "refused": ("seen copying verified uploading", "refused"),
    "retried": ("refused", "seen"),
}


def _recording(said: Json, story: list[Json]) -> None:
    """Step 8."""
    first, *others = story
    must(first["event"] == "recording.seen", "seen")
    must(all(first[member] == said[member] for member in ("camera", "docking", "sidecar_of", "modified_ns")), "seen as")
    must(said["path"] == [each["path"] for each in story if each["event"] in {"recording.seen", "recording.met"}][-1], "path")
    state, measures, name = "seen", None, None
    for entry in others:
        kind, _, step = entry["event"].partition(".")
        if kind != "recording" or step in {"met", "marked", "kept-longer"}:
            continue
        before, after = STEPS[step]
        must(state in before.split(), "step")
        here = [entry.get(member) for member in ("size", "blake3", "sha256")]
        must(step != "archived" or here == measures, "digests")
        state = "verified" if step == "retried" and entry["spooled"] and measures else after
        measures = None if step == "proof-lost" else here if step in {"verified", "recognised"} else measures
        name = None if step == "proof-lost" else entry.get("object", name)
    must([said[member] for member in ("size", "blake3", "sha256")] == (measures or [first["size"], None, None]), "measures")
    must((said["state"], said["object"]) == (state, name), "state")


def raw(public: str) -> bytes:
    """The bytes of a published key."""
    return base64.b64decode(public.removeprefix("ed25519:"))


def judge(story: Story, bundle: bytes) -> str:
    """What this verifier makes of it under the published keys."""
    return verify(bundle, raw(story.archive.key.public_text), raw(story.key.public_text))


def zipped(files: dict[str, bytes]) -> bytes:
    """Any .zip of these files: this verifier reads it with the standard library."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as out:
        for name, data in files.items():
            out.writestr(name, data)
    return buffer.getvalue()


async def test_another_verifier_finds_good_what_is_good(own: Story) -> None:
    """A witnessed log, and one that grew since the archive saw it."""
    assert judge(own, container(own.bundle())) == "27"
    await own.grow()
    files = own.bundle()
    assert "witnessed" in files
    assert judge(own, container(files)) == "27"


async def test_another_verifier_follows_a_recording_through_loss_and_a_new_name(own: Story) -> None:
    """What was renamed on its camera, lost by the archive, and recognised there again is good to both, at each of these steps."""
    at = stored(seen(KEPT), CONTENT[KEPT])
    changes: tuple[Change, ...] = (
        RecordingMet(KEPT, "d1", b"DCIM/9.MP4", measure(CONTENT[KEPT])),
        Stepped(KEPT, life.ProofLost("the archive lost it")),
        Stepped(KEPT, life.Recognised(own.archive.holding(at, "cc" * 16), at)),
    )
    for number, change in enumerate(changes, 28):
        await own.record(change)
        await own.witness()
        assert judge(own, container(own.bundle())) == str(number)


async def test_both_verifiers_know_that_an_archive_keeps_something_longer(own: Story) -> None:
    """The statement is shown with its entry, and both find one that is missing."""
    holding = own.archive.holding(stored(seen(KEPT), CONTENT[KEPT]), "bb" * 16)
    await own.record(RecordingKeptLonger(KEPT, holding))
    await own.witness()
    files = own.bundle()
    assert judge(own, container(files)) == "28"
    keys = [own.archive.key.public_text], own.key.public_text
    assert [words for verdict, words in verifier.verify(files, *keys) if verdict == "PROVED" and "signed 4 statements" in words]
    name = f"statements/{hashlib.sha256(holding.envelope).hexdigest()}.json"
    del files[name]
    with pytest.raises(WrongError):
        list(verifier.verify(files, *keys))


def test_another_verifier_finds_bad_what_is_bad(story: Story) -> None:
    """A sample of every file's bytes, flipped: the two verifiers agree."""
    files = story.bundle()
    for name, data in files.items():
        for at in range(0, len(data), max(1, len(data) // 25)):
            changed = bytearray(data)
            changed[at] ^= 1
            with pytest.raises((Bad, BadSignatureError, ValueError, KeyError, IndexError, AttributeError)):
                judge(story, zipped(files | {name: bytes(changed)}))
