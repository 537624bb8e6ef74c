"""Every original against the journal, the vault's store and its camera: what came of it, and what is wrong.

What the vault stored and what is left on the cameras is hashed by b3sum and sha256sum and compared with what the same programs
said before the docking. The receipts are checked against those digests too, under the key that the site file pins.
"""

import asyncio
import base64
import os
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from dockd.clock import Clock
from dockd.config.model import Site
from dockd.config.site import load_site
from dockd.core.clearance import FileKind
from dockd.core.names import shown
from dockd.core.proof import StatementError, StatementKind, accept_statement
from dockd.core.recording import Digests, Measured, Recording, State, StoredObject
from dockd.demo.folder import WorkFolder
from dockd.demo.originals import Original, read_back
from dockd.demo.programs import digest_in, digest_lines
from dockd.dsse import PinnedKeys
from dockd.errors import DockError
from dockd.journal import Journal
from dockd.offload.spool import JOURNAL_NAME

_VERIFIED = frozenset({State.VERIFIED, State.UPLOADING, State.ARCHIVED, State.ERASED})


@dataclass(frozen=True, slots=True)
class Held:
    """One object of the vault.

    Attributes:
        recording, camera, name: as the dock named them when it sent it.
        path: where its bytes are.
        receipt: the signed envelope.
        blake3, sha256: of its bytes now, by b3sum and sha256sum; empty if they are missing.
    """

    object_id: str
    recording: str
    camera: str
    name: str
    path: Path
    receipt: bytes
    blake3: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of one original that is evidence.

    Attributes:
        held: the object that holds it, None if none does.
        verified: the journal says that its copy was read back, and with these digests.
        archived: the vault's bytes are the original's, and its receipt proves it.
        erased: the journal says so, and it is not on the camera.
        lost: neither the vault nor the camera holds its bytes.
        wrong: everything that is not as it must be.
    """

    original: Original
    held: Held | None
    verified: bool
    archived: bool
    erased: bool
    lost: bool
    wrong: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """All findings.

    Attributes:
        findings: one for each original that is evidence.
        objects: how many the vault has.
        custody_entries: how many the journal has; each was checked.
        wrong: what is wrong beside the findings.
    """

    findings: tuple[Finding, ...]
    objects: int
    custody_entries: int
    wrong: tuple[str, ...]

    def count(self, what: str) -> int:
        """How many findings are `verified`, `archived`, `erased` or `lost`."""
        return sum(bool(getattr(each, what)) for each in self.findings)

    @property
    def complaints(self) -> list[str]:
        """Everything that is wrong, in words; nothing is, if it is empty."""
        found = [f"{each.original.camera} {each.original.name}: {words}" for each in self.findings for words in each.wrong]
        return found + list(self.wrong)

    @property
    def summary(self) -> str:
        """The demo's last line."""
        counts = ", ".join(f"{self.count(what)} {what}" for what in ("verified", "archived", "erased", "lost"))
        return f"demo: {len(self.findings)} recordings, {counts}"


async def compare(folder: WorkFolder, clock: Clock) -> Comparison:
    """Compare what the last demo in `folder` left, with dock and vault stopped.

    Raises:
        DockError: journal, store or digests cannot be read at all.
    """
    site, originals = load_site(folder.site_file), read_back(folder)
    recordings, custody_entries = await _journal(folder.spool / JOURNAL_NAME, clock)
    held, left = await asyncio.gather(_vault(folder.vault), _on_cameras(folder, originals))
    findings = tuple(_find(site, each, recordings, held, left) for each in originals if each.evidence)
    wrong = [
        f"{each.camera} {each.name}: it was to stay on the camera as it was"
        for each in originals
        if not each.evidence and left.get(each.on_shelf) != each.sha256
    ]
    explained = {each.held.object_id for each in findings if each.held is not None}
    wrong += [
        f"object {each.object_id} ({each.camera} {each.name}) is no original's"
        for each in held.values()
        if each.object_id not in explained
    ]
    known = {each.on_shelf for each in originals}
    wrong += [f"{shown(path)} appeared on a camera" for path in left if path not in known]
    return Comparison(findings, len(held), custody_entries, tuple(wrong))


async def _journal(place: Path, clock: Clock) -> tuple[dict[tuple[str, bytes], Recording], int]:
    """The newest recording of each camera and path, and how many custody entries were found whole."""
    journal = await Journal.open(place, clock)
    try:
        await journal.examine()
        listed = await journal.recordings()
        entries, first = 0, 1
        while page := await journal.custody(first):
            entries, first = entries + len(page), first + len(page)
    finally:
        await journal.close()
    return {(each.camera, each.path): each for each in listed}, entries


async def _vault(root: Path) -> dict[str, Held]:
    """Every object by its id, read from the store's own files."""
    query = "SELECT id, metadata, hex(blake3), receipt FROM objects JOIN uploads USING (id) ORDER BY uploads.rowid"
    try:
        with closing(sqlite3.connect(f"{(root / 'vault.sqlite').as_uri()}?mode=ro", uri=True)) as ledger:
            rows = ledger.execute(query).fetchall()
    except sqlite3.Error as exc:
        msg = f"{root}: the vault's ledger cannot be read: {exc}"
        raise DockError(msg) from exc
    blobs = {name.lower(): root / "blobs" / name.lower()[:2] / name.lower() for _, _, name, _ in rows}
    there = [path for path in blobs.values() if path.is_file()]
    digests = await _hashed([os.fsencode(path) for path in there], root)
    held = {}
    for object_id, header, name, receipt in rows:
        path = blobs[name.lower()]
        said = _metadata(header)
        blake3, sha256 = digests.get(os.fsencode(path), ("", ""))
        held[object_id] = Held(object_id, said["recording"], said["camera"], said["name"], path, receipt, blake3, sha256)
    return held


async def _hashed(paths: Sequence[bytes], cwd: Path) -> dict[bytes, tuple[str, str]]:
    """BLAKE3 and SHA-256 of each file, by two programs at the same time."""
    blake3, sha256 = await asyncio.gather(digest_lines("b3sum", paths, cwd), digest_lines("sha256sum", paths, cwd))
    return {path: (digest_in(one), digest_in(other)) for path, one, other in zip(paths, blake3, sha256, strict=True)}


async def _on_cameras(folder: WorkFolder, originals: Sequence[Original]) -> dict[bytes, str]:
    """SHA-256 of every file that is on a camera now, by its path on the shelf."""
    paths = await asyncio.to_thread(_files_below, folder.cameras, list(dict.fromkeys(each.folder for each in originals)))
    lines = await digest_lines("sha256sum", paths, folder.cameras)
    return {path: digest_in(line) for path, line in zip(paths, lines, strict=True)}


def _files_below(shelf: Path, cameras: Sequence[str]) -> list[bytes]:
    top = os.fsencode(shelf)
    return [
        os.path.relpath(os.path.join(below, name), top)  # noqa: PTH118 - bytes
        for camera in cameras
        for below, _, names in os.walk(os.path.join(top, os.fsencode(camera)), onerror=_fail)  # noqa: PTH118 - bytes
        for name in names
    ]


def _fail(error: OSError) -> None:
    msg = f"a camera cannot be looked at: {error}"
    raise DockError(msg) from error


def _metadata(header: str) -> dict[str, str]:
    """Upload-Metadata as tus writes it: key and base64, comma-separated."""
    pairs = (pair.strip().partition(" ") for pair in header.split(","))
    return {key: base64.b64decode(value).decode() for key, _, value in pairs}


def _find(
    site: Site,
    original: Original,
    recordings: Mapping[tuple[str, bytes], Recording],
    objects: Mapping[str, Held],
    left: Mapping[bytes, str],
) -> Finding:
    recording = recordings.get((original.camera, original.path))
    wanted = Measured(original.size_bytes, Digests.from_hex(original.blake3, original.sha256))
    wrong = []
    stored = recording.stored if recording is not None else None
    held = objects.get(stored.object_id) if stored is not None else None
    verified = recording is not None and recording.state in _VERIFIED and recording.measured == wanted
    if not verified:
        wrong.append("the journal has no verified copy of these bytes")
    if stored is None or held is None:
        wrong.append("the vault holds no object for it")
    else:
        wrong += _doubts(site, original, stored, held, wanted)
    archived = held is not None and len(wrong) == (not verified)
    on_camera = left.get(original.on_shelf)
    erased = recording is not None and recording.state is State.ERASED and on_camera is None
    if original.kind is FileKind.UNKNOWN:
        if on_camera != original.sha256:
            wrong.append("the profile does not know it, so it was to stay on the camera as it was")
    elif not erased:
        wrong.append("it was not erased from the camera")
    same_bytes = held is not None and (held.blake3, held.sha256) == (original.blake3, original.sha256)
    lost = not same_bytes and on_camera != original.sha256
    return Finding(original, held, verified, archived, erased, lost, tuple(wrong))


def _doubts(site: Site, original: Original, stored: StoredObject, held: Held, wanted: Measured) -> list[str]:
    """Why the object does not prove that the vault holds the original."""
    doubts = []
    if not held.blake3:
        doubts.append(f"the bytes of object {held.object_id} are missing")
    elif (held.blake3, held.sha256) != (original.blake3, original.sha256):
        doubts.append(f"the bytes of object {held.object_id} are not the original's")
    if (held.camera, held.recording) != (original.camera, stored.recording_id):
        doubts.append(f"object {held.object_id} is filed as recording {held.recording} of camera {held.camera}")
    claimed = StoredObject(stored.archive, held.object_id, stored.url, stored.nonce, held.recording, wanted)
    try:
        accept_statement(
            held.receipt,
            PinnedKeys(site.archive.key),
            kind=StatementKind.RECEIPT,
            stored=claimed,
            nonce=stored.nonce,
            dock=site.dock,
            camera=original.camera,
        )
    except StatementError as exc:
        doubts.append(f"the receipt of object {held.object_id} proves nothing: {exc}")
    return doubts
