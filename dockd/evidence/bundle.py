"""Makes a bundle: all that was gathered, pages to read, and a manifest over every file, signed with the dock's key.

docs/custody-format.md is the form. A bundle is checked by the verifier before anybody gets it.
"""

import base64
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import unquote

from blake3 import blake3

from dockd import __version__
from dockd.clock import rfc3339
from dockd.core.canonical import Json, canonical
from dockd.core.names import shown
from dockd.core.note import Checkpoint, key_name, origin_of, parse_note
from dockd.core.recording import Recording
from dockd.dsse import PinnedKeys, SigningKey, key_id, parse_public
from dockd.errors import EvidenceError
from dockd.evidence import verifier
from dockd.evidence.gathering import Gathered
from dockd.evidence.reading import MANIFEST, Files, WrongError
from dockd.evidence.timestamp import stamp

_TYPE = "dockd/bundle/v1"


@dataclass(frozen=True, slots=True)
class Maker:
    """In whose name a bundle is made.

    Attributes:
        dock: id.
        key: the dock's.
        archive_keys: public keys of the archive, now and earlier, under which something in the bundle may be signed; the one that
            the site file pins is first. None where the archive signs nothing.
        archive: its id, if the site file names it.
        made: when.
        tsa: address of an RFC 3161 authority that is asked for a timestamp, if any.
    """

    dock: str
    key: SigningKey
    archive_keys: tuple[str, ...]
    archive: str | None
    made: datetime
    tsa: str | None = None


def make(gathered: Gathered, maker: Maker, extra: Mapping[str, bytes]) -> Files:
    """Every file of the bundle by its name; `extra` are pages and lists that stand for what is in it.

    Raises:
        EvidenceError: what was gathered does not prove what it should; nothing is handed out.
    """
    origin = origin_of(maker.dock, gathered.first_leaf)
    files: Files = {
        verifier.ENTRIES: b"".join(entry + b"\n" for _, entry in gathered.entries),
        verifier.TREE: canonical({"hidden": _texts(gathered.hidden), "consistency": _texts(gathered.consistency)}),
        **_checkpoints(gathered, origin, maker.key),
        **_statements(gathered),
        **extra,
    }
    if maker.tsa is not None:
        files[verifier.TIMESTAMP] = stamp(files[verifier.CHECKPOINT], maker.tsa)
    members: dict[str, Json] = {
        "type": _TYPE,
        "dock": maker.dock,
        "key": maker.key.public_text,
        "origin": origin,
        "archives": _archives(gathered, maker),
        "made": rfc3339(maker.made),
        "version": __version__,
        "recordings": [_recording(each) for each in gathered.recordings],
        "files": [
            {
                "name": name,
                "size": str(len(data)),
                "sha256": hashlib.sha256(data).hexdigest(),
                "blake3": blake3(data).hexdigest(),
            }
            for name, data in sorted(files.items())
        ],
    }
    files[MANIFEST] = maker.key.sealed(canonical(members), verifier.BUNDLE_TYPE)
    try:
        for _ in verifier.verify(files, maker.archive_keys, maker.key.public_text):
            pass
    except WrongError as exc:
        msg = f"what the journal holds does not make a bundle that proves anything: {exc}"
        raise EvidenceError(msg) from exc
    return files


def _checkpoints(gathered: Gathered, origin: str, key: SigningKey) -> Files:
    """The checkpoint over the entries; beside it what the archive cosigned, where that is older."""
    if gathered.cosigned is not None and gathered.cosigned[0] == gathered.size:
        return {verifier.CHECKPOINT: gathered.cosigned[1]}
    own = key.checkpoint(Checkpoint(origin, gathered.size, gathered.root)).encode()
    return {verifier.CHECKPOINT: own} | ({} if gathered.cosigned is None else {verifier.WITNESSED: gathered.cosigned[1]})


def _statements(gathered: Gathered) -> Files:
    """The archive's statements of which an entry speaks."""
    named = {str(entry["statement"]) for entry in gathered.parsed() if "statement" in entry}
    return {f"statements/{digest}.json": data for digest, data in gathered.statements.items() if digest in named}


def _archives(gathered: Gathered, maker: Maker) -> list[Json]:
    """Every archive that signed something, each with its keys among those that are known.

    Raises:
        EvidenceError: a statement is signed with a key that nobody gave.
    """
    keys: dict[str, dict[str, None]] = {}
    known = {key_id(parse_public(each)): each for each in maker.archive_keys}
    for archive, signer in _signers(gathered):
        if signer not in known:
            msg = f"archive {archive} signed with key {signer}, which is not the one that the site file pins"
            raise EvidenceError(msg, hint="Give the key that it had then: --archive-key KEY.")
        keys.setdefault(archive, {})[known[signer]] = None
    if gathered.cosigned is not None:
        note = parse_note(gathered.cosigned[1])
        name = note.signatures[-1].name
        witness = unquote(name)  # the id that `key_name` made it of
        for each in maker.archive_keys:
            if PinnedKeys(each).cosigned_at(note, name) is not None:
                keys.setdefault(witness, {})[each] = None
    if not keys:
        keys[maker.archive or ""] = dict.fromkeys(maker.archive_keys[:1])
    return [{"id": each, "keys": list(theirs), "witness": key_name(each)} for each, theirs in keys.items()]


def _signers(gathered: Gathered) -> Iterator[tuple[str, str]]:
    """Archive and id of the key of each statement in the bundle that an archive signed."""
    for entry in gathered.parsed():
        if "statement" in entry and "basis" not in entry:
            envelope = gathered.statements.get(str(entry["statement"]))
            if envelope is not None:
                said = json.loads(base64.b64decode(json.loads(envelope)["payload"]))
                yield str(said["archive"]), str(said["key"])


def _recording(recording: Recording) -> dict[str, Json]:
    measured, stored = recording.measured, recording.stored
    return {
        "recording": recording.recording_id,
        "camera": recording.camera,
        "docking": recording.docking,
        "path": shown(recording.path),
        "size": str(measured.size_bytes if measured else recording.size_bytes),
        "blake3": measured.digests.blake3.hex() if measured else None,
        "sha256": measured.digests.sha256.hex() if measured else None,
        "modified_ns": str(recording.modified_ns),
        "sidecar_of": recording.sidecar_of,
        "state": recording.state.value,
        "object": stored.object_id if stored else None,
    }


def _texts(hashes: Iterable[bytes]) -> list[str]:
    return [base64.b64encode(each).decode() for each in hashes]
