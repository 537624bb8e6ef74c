"""The sidecar manifest that lies beside each recording in the spool, so that the spool explains itself without the journal."""

import json
from dataclasses import dataclass
from typing import Self

from dockd.core.canonical import canonical
from dockd.core.names import from_shown, shown
from dockd.core.recording import Digests, Measured

VERSION = 1


class ManifestError(ValueError):
    """Not a manifest that this dockd can read."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What was read from the camera; fields as in `core.recording.Recording`."""

    recording_id: str
    dock: str
    camera: str
    docking: str
    path: bytes
    modified_ns: int
    sidecar_of: str | None
    priority: int
    seen: str
    measured: Measured

    def encode(self) -> bytes:
        """Canonical JSON, with a final newline."""
        return (
            canonical(
                {
                    "v": VERSION,
                    "recording": self.recording_id,
                    "dock": self.dock,
                    "camera": self.camera,
                    "docking": self.docking,
                    "path": shown(self.path),
                    "modified_ns": str(self.modified_ns),
                    "sidecar_of": self.sidecar_of,
                    "priority": self.priority,
                    "seen": self.seen,
                    "size": str(self.measured.size_bytes),
                    "blake3": self.measured.digests.blake3.hex(),
                    "sha256": self.measured.digests.sha256.hex(),
                }
            )
            + b"\n"
        )

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The manifest in `data`.

        Raises:
            ManifestError: it is none, or one of another version.
        """
        try:
            match json.loads(data):
                case {
                    "recording": str(recording),
                    "dock": str(dock),
                    "camera": str(camera),
                    "docking": str(docking),
                    "path": str(path),
                    "modified_ns": str(modified_ns),
                    "sidecar_of": str() | None as sidecar_of,
                    "priority": int(priority),
                    "seen": str(seen),
                    "size": str(size),
                    "blake3": str(blake3),
                    "sha256": str(sha256),
                }:
                    manifest = cls(
                        recording_id=recording,
                        dock=dock,
                        camera=camera,
                        docking=docking,
                        path=from_shown(path),
                        modified_ns=int(modified_ns),
                        sidecar_of=sidecar_of,
                        priority=priority,
                        seen=seen,
                        measured=Measured(int(size), Digests.from_hex(blake3, sha256)),
                    )
                case _:
                    msg = "a member is missing, or of another type"
                    raise ValueError(msg)
            spelling = manifest.encode()
        except (ValueError, RuntimeError, RecursionError) as exc:
            msg = f"not a manifest: {exc!r}"
            raise ManifestError(msg) from exc
        if spelling != data:
            msg = "not a manifest of this version, or not as it was written"
            raise ManifestError(msg)
        return manifest
