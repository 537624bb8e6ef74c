"""What the vault does first after any end, clean or not: agree the files with the ledger.

The ledger is right. A file without need is a spare link that a crash left and is removed; a file that the ledger never heard of
is left where it is, and said loudly; an upload with fewer bytes than the ledger promised is ended, so that its dock begins again.
"""

import structlog

from dockd.vault.ledger import Ledger, Upload, UploadState
from dockd.vault.store import Store, is_id

_log = structlog.get_logger("dockd.vault")


def recover(store: Store, ledger: Ledger) -> list[str]:
    """Tidy `store` and return the uploads that are complete but not yet examined. Blocks."""
    for name in store.leftovers():
        upload = ledger.upload(name) if is_id(name) else None
        if upload is None:
            _log.error("a file that the ledger does not know", file=f"uploads/{name}")
        elif upload.state in {UploadState.OBJECT, UploadState.GONE}:
            store.discard(name)
        elif upload.state is UploadState.REJECTED:
            store.quarantine(name)
            store.discard(name)
    queued = []
    for upload in ledger.unsettled():
        if not _bytes_are_there(store, ledger, upload):
            continue
        if upload.state is UploadState.COMPLETE:
            queued.append(upload.upload_id)
    return queued


def _bytes_are_there(store: Store, ledger: Ledger, upload: Upload) -> bool:
    path = store.upload_path(upload.upload_id)
    found_bytes = path.stat().st_size if path.exists() else -1
    if found_bytes >= upload.offset_bytes:
        return True
    if found_bytes < 0 and upload.offset_bytes == 0 and upload.state is UploadState.RECEIVING:
        ledger.forget(upload.upload_id)  # its creation never finished, and nobody was told its name
        return False
    reason = f"the store lost bytes of this upload: {max(found_bytes, 0)} of {upload.offset_bytes} are there"
    _log.error("upload lost", upload=upload.upload_id, dock=upload.dock, reason=reason)
    if upload.state is UploadState.RECEIVING:
        ledger.drop(upload.upload_id, reason)
    else:
        if found_bytes >= 0:
            store.quarantine(upload.upload_id)
        ledger.reject(upload.upload_id, reason)
    store.discard(upload.upload_id)
    return False
