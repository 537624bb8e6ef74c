"""The vault's files: every step that must be durable, in its order, never replacing a file.

All functions block; they run in worker threads. The layout is in the package's docstring.
"""

import ctypes
import errno
import fcntl
import os
import re
import secrets
import threading
from pathlib import Path

from dockd import crashpoint
from dockd.durable import sync_path
from dockd.errors import VaultError
from dockd.vault import reread

_FOLDERS = ("uploads", "blobs", "quarantine")
_HEADROOM_BYTES = 64 * 1024 * 1024  # the ledger must be able to grow when uploads have filled the disk
_FALLOC_FL_KEEP_SIZE = 1
_FULL = (errno.ENOSPC, errno.EDQUOT)
_UPLOAD_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)

_libc = ctypes.CDLL(None, use_errno=True)
_libc.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]


class StoreFullError(Exception):
    """No room for the bytes of an upload; what is stored is not touched."""


def new_id() -> str:
    """A name for an upload that nobody can guess."""
    return secrets.token_hex(16)


def is_id(text: str) -> bool:
    """Whether `text` can name an upload; everything else never reaches the file system."""
    return _UPLOAD_ID.fullmatch(text) is not None


class Store:
    """One folder tree, owned by this process until `close`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.ledger_path = root / "vault.sqlite"
        self.key_path = root / "key.pem"
        self.next_key_path = root / "next-key.pem"
        self._lock: int | None = None

    def prepare(self) -> None:
        """Make what is missing; readable by nobody else.

        Raises:
            VaultError: the folder cannot be used.
        """
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            for name in _FOLDERS:
                (self.root / name).mkdir(mode=0o700, exist_ok=True)
            sync_path(self.root)
        except OSError as exc:
            msg = f"{self.root} cannot hold a vault: {exc}"
            raise VaultError(msg) from exc

    def own(self) -> None:
        """Become the store's only server, and prove that its files can be read past the page cache.

        Raises:
            VaultError: another vault runs here, or the file system has no direct I/O.
        """
        descriptor = os.open(self.root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            os.close(descriptor)
            msg = f"another vault serves {self.root}"
            raise VaultError(msg, hint="Stop it first, or give this one another --root.") from exc
        self._lock = descriptor
        self._try_direct_reading()

    def sync(self) -> None:
        """Make durable which names lie at the top."""
        sync_path(self.root)

    def close(self) -> None:
        """Let another process own the store."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def holds_anything(self) -> bool:
        """Whether anything was ever stored here."""
        return any(not path.name.startswith(".") for name in _FOLDERS for path in (self.root / name).iterdir())

    def upload_path(self, upload_id: str) -> Path:
        """Where the bytes of an unsettled upload are."""
        return self.root / "uploads" / upload_id

    def blob_path(self, blake3: bytes) -> Path:
        """Where verified bytes with that digest are."""
        return self.root / "blobs" / blake3.hex()[:2] / blake3.hex()

    def quarantine_path(self, name: str) -> Path:
        """Where bytes are that nobody is served."""
        return self.root / "quarantine" / name

    def create(self, upload_id: str, length_bytes: int) -> None:
        """An empty file with room for `length_bytes`, under a durable name; the bytes are synced as they come.

        Raises:
            StoreFullError: there is not that much room.
        """
        status = os.statvfs(self.root)
        if length_bytes + _HEADROOM_BYTES > status.f_bavail * status.f_frsize:
            msg = f"{length_bytes} bytes do not fit"
            raise StoreFullError(msg)
        path = self.upload_path(upload_id)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            crashpoint.passing("vault.file-created")
            reserve(descriptor, length_bytes)
        except StoreFullError:
            path.unlink()
            raise
        finally:
            os.close(descriptor)
        sync_path(path.parent)
        crashpoint.passing("vault.file-reserved")

    def publish(self, upload_id: str, blake3: bytes) -> bool:
        """Link the re-read bytes of an upload to their final name; False where another file already has that name."""
        path, blob = self.upload_path(upload_id), self.blob_path(blake3)
        if not blob.parent.exists():
            blob.parent.mkdir(mode=0o700, exist_ok=True)
            sync_path(blob.parent.parent)
        crashpoint.passing("vault.blob-linking")
        path.chmod(0o400)
        try:
            os.link(path, blob)
        except FileExistsError:
            if not path.samefile(blob):
                return False
        crashpoint.passing("vault.blob-linked")
        sync_path(blob.parent)
        crashpoint.passing("vault.blob-synced")
        return True

    def set_aside(self, blake3: bytes) -> None:
        """Move a blob that the medium has lost into quarantine, so that good bytes can take its name."""
        blob = self.blob_path(blake3)
        number = 1
        while True:
            target = self.quarantine_path(f"{blake3.hex()}.damaged-{number}")
            try:
                os.link(blob, target)
                break
            except FileExistsError:
                if target.samefile(blob):
                    break
                number += 1
        crashpoint.passing("vault.damaged-linked")
        sync_path(target.parent)
        blob.unlink()
        sync_path(blob.parent)
        crashpoint.passing("vault.damaged-set-aside")

    def quarantine(self, upload_id: str) -> None:
        """Give rejected bytes a second name in quarantine."""
        path, target = self.upload_path(upload_id), self.quarantine_path(upload_id)
        crashpoint.passing("vault.quarantine-linking")
        try:
            os.link(path, target)
        except FileExistsError:
            if not path.samefile(target):
                raise
        sync_path(target.parent)
        crashpoint.passing("vault.quarantine-linked")

    def discard(self, upload_id: str) -> None:
        """Remove the name in `uploads`; the ledger no longer needs it, and a start removes what a power cut brings back."""
        self.upload_path(upload_id).unlink(missing_ok=True)
        crashpoint.passing("vault.upload-unlinked")

    def leftovers(self) -> list[str]:
        """Names in `uploads`, whoever left them."""
        return sorted(path.name for path in (self.root / "uploads").iterdir())

    def _try_direct_reading(self) -> None:
        probe = self.root / "uploads" / ".direct-reading"
        try:
            probe.unlink(missing_ok=True)
            probe.write_bytes(b"\0" * 8192)
            reread.measure(probe, threading.Event())
        except OSError as exc:
            self.close()
            msg = f"{self.root}: what is stored there cannot be read back past the page cache: {exc}"
            raise VaultError(msg, hint="Use a file system with direct I/O, such as ext4 or xfs.") from exc
        finally:
            probe.unlink(missing_ok=True)


def reserve(descriptor: int, length_bytes: int) -> None:
    """Claim room for a file's bytes without changing its size, where the file system can.

    Raises:
        StoreFullError: there is not that much room.
    """
    if length_bytes == 0 or _libc.fallocate(descriptor, _FALLOC_FL_KEEP_SIZE, 0, length_bytes) == 0:
        return
    number = ctypes.get_errno()
    if number in _FULL or number == errno.EFBIG:
        msg = f"{length_bytes} bytes do not fit"
        raise StoreFullError(msg)
    if number not in {errno.EOPNOTSUPP, errno.ENOSYS}:
        raise OSError(number, os.strerror(number))


def is_full(error: OSError) -> bool:
    """Whether a write failed for want of room."""
    return error.errno in _FULL
