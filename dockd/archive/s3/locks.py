"""What keeps an object in the bucket from being deleted, made stronger after it was sent, and never weaker."""

from datetime import datetime, timedelta

from dockd.archive.s3.settings import Lock
from dockd.archive.s3.wire import Answer, S3Wire

_SLACK = timedelta(days=1)
"""Uploads take a while, and each renewal is a request."""


async def strengthen(wire: S3Wire, lock: Lock, key: str, head: Answer, *, held: bool, until: datetime | None) -> None:
    """Put a legal hold on one version, and move its retention, where it has not as much already.

    Args:
        wire: the store's connections.
        lock: how it is retained if it is not at all.
        key: the object's.
        head: what the store says of the version.
        held: as in `Archive.keep`.
        until: it is retained at least until then; None asks for nothing.

    Raises:
        ArchiveError: the store cannot be asked, or does not do it.
    """
    version = {"Key": key, "VersionId": str(head.get("VersionId", ""))}
    if held and head.get("ObjectLockLegalHoldStatus") != "ON":
        await wire.ask("put_object_legal_hold", f"holding {key}", {**version, "LegalHold": {"Status": "ON"}})
    now = head.get("ObjectLockRetainUntilDate")
    if until is not None and (now is None or now < until - _SLACK):
        mode = str(head.get("ObjectLockMode", lock.value))  # what is kept under compliance stays so
        retention = {"Mode": mode, "RetainUntilDate": until.replace(microsecond=0)}
        await wire.ask("put_object_retention", f"keeping {key} until {until:%Y-%m-%d}", {**version, "Retention": retention})
