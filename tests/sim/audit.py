"""What must be true of dock, vault and cameras after any journey, however often the power went."""

import base64
import hashlib
import json
import sqlite3
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from dockd.core.canonical import leaf_hash
from dockd.core.proof import StatementKind, accept_statement
from dockd.core.recording import Recording, State
from dockd.dsse import PinnedKeys
from tests.sim.dock_process import DockProcess
from tests.sim.vault_process import VaultProcess


@dataclass(frozen=True, slots=True)
class VaultObject:
    """One object as the vault's ledger has it, with the digest of the bytes that lie in its store."""

    object_id: str
    recording_id: str
    camera: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one audit counted; every number but the first must be 0."""

    recordings: int = 0
    lost: int = 0
    duplicated: int = 0
    erased_unproved: int = 0

    def __add__(self, other: "Verdict") -> "Verdict":
        return Verdict(
            self.recordings + other.recordings,
            self.lost + other.lost,
            self.duplicated + other.duplicated,
            self.erased_unproved + other.erased_unproved,
        )


def objects_of(vault: VaultProcess) -> list[VaultObject]:
    """Every object that the vault serves, read from its files and hashed here by other means than dockd's."""
    query = "SELECT uploads.id, uploads.metadata, hex(objects.blake3) FROM objects JOIN uploads USING (id) ORDER BY uploads.rowid"
    with closing(sqlite3.connect(f"{(vault.root / 'vault.sqlite').as_uri()}?mode=ro", uri=True, timeout=30)) as ledger:
        rows = ledger.execute(query).fetchall()
    held = []
    for object_id, header, blake3 in rows:
        pairs = (pair.partition(" ") for pair in header.split(","))
        metadata = {key: base64.b64decode(value).decode() for key, _, value in pairs}
        held.append(VaultObject(object_id, metadata["recording"], metadata["camera"], sha256_of(vault.root, blake3.lower())))
    return held


def sha256_of(root: Path, blake3: str) -> str:
    """SHA-256 of a blob's bytes as they lie in the store now."""
    with (root / "blobs" / blake3[:2] / blake3).open("rb") as blob:
        return hashlib.file_digest(blob, "sha256").hexdigest()


def count(
    vault: VaultProcess, originals: Mapping[str, Mapping[bytes, str]], on_camera: Mapping[str, Mapping[bytes, str]]
) -> Verdict:
    """Compare what the cameras first held with what vault and cameras hold now.

    Args:
        vault: may run or not.
        originals: by serial, SHA-256 by path of everything that was on the camera and had to be archived.
        on_camera: by serial, the same of what is still there.
    """
    held = objects_of(vault)
    lost = erased_unproved = 0
    for serial, files in originals.items():
        # Equal bytes under two names are two recordings, so digests are counted, not collected.
        wanted = Counter(files.values())
        archived = Counter(each.sha256 for each in held if each.camera == serial)
        lost += sum((wanted - archived).values())
        gone = Counter(digest for path, digest in files.items() if path not in on_camera[serial])
        erased_unproved += sum((gone - archived).values())
    per_recording = Counter(each.recording_id for each in held)
    duplicated = sum(times - 1 for times in per_recording.values())
    return Verdict(sum(len(files) for files in originals.values()), lost, duplicated, erased_unproved)


def check_custody(dock: DockProcess) -> None:
    """The custody log has no gap, every entry is what was written, and its last word on each recording is the journal's.

    Raises:
        AssertionError: it is not so.
    """
    for expected, entry in enumerate(dock.custody_entries(), 1):
        assert entry.seq == expected, f"custody entry {expected} is missing"
        assert leaf_hash(entry.entry) == entry.leaf, f"custody entry {expected} is not what was written"
        assert json.loads(entry.entry)["seq"] == expected


def check_receipts(dock: DockProcess, vault: VaultProcess) -> None:
    """Everything archived or erased was proved by a receipt, and what dockd says that it erased by a holding statement too.

    Raises:
        AssertionError: it is not so.
        StatementError: an envelope in the journal does not prove what the journal says.
    """
    found_gone = {entry["recording"] for entry in dock.custody() if entry["event"] == "recording.found-gone"}
    for recording in dock.recordings(State.ARCHIVED, State.ERASED):
        kinds = _proved_by(dock, recording, PinnedKeys(vault.public_key))
        assert StatementKind.RECEIPT in kinds, f"recording {recording.recording_id} has no receipt"
        if recording.state is State.ERASED and recording.recording_id not in found_gone:
            assert StatementKind.HOLDING in kinds, f"recording {recording.recording_id} was erased without a fresh statement"


def _proved_by(dock: DockProcess, recording: Recording, keys: PinnedKeys) -> set[StatementKind]:
    """The kinds of statement that the journal holds about exactly where it says that the recording is."""
    stored = recording.stored
    assert stored is not None
    kinds = set()
    for envelope in dock.proofs(recording):
        said = json.loads(base64.b64decode(json.loads(envelope)["payload"]))
        if said["object"] != stored.object_id:
            continue  # of an object that was lost later
        kind = StatementKind(said["type"])
        nonce = stored.nonce if kind is StatementKind.RECEIPT else said["nonce"]
        proof = accept_statement(
            envelope, keys, kind=kind, stored=stored, nonce=nonce, dock=dock.site.dock, camera=recording.camera
        )
        kinds.add(proof.statement.kind)
    return kinds


def files_below(root: Path) -> dict[bytes, str]:
    """SHA-256 by path of every plain file that is on a camera now; empty for one that is gone."""
    found: dict[bytes, str] = {}
    for path in sorted(root.rglob("*")) if root.exists() else []:
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                found[bytes(path.relative_to(root))] = hashlib.file_digest(file, "sha256").hexdigest()
    return found
