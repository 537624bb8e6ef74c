"""What keeps an object in the bucket from being deleted: looked at, made stronger after it was sent, and never weaker."""

from datetime import datetime, timedelta

from dockd.archive.s3.settings import Lock
from dockd.archive.s3.wire import Answer, S3Wire
from dockd.core.recording import StoredObject
from dockd.errors import ProofRefusedError

_SLACK = timedelta(days=1)
"""Uploads take a while, and each renewal is a request."""


async def strengthen(wire: S3Wire, lock: Lock, key: str, head: Answer, *, held: bool, until: datetime | None) -> None:
    """Put a legal hold on one version, and move its retention, where it has not as much already.

    Args:
        wire: the store's connections.
        lock: how it is retained if it is not at all.
        key: the object's.
        head: what the store says of the version.
        held: an order says that it must not be deleted.
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


def locked_until(lock: Lock, head: Answer, stored: StoredObject, now: datetime) -> datetime | None:
    """Until when an object is locked; the lock that the settings want is wanted of every proof, on whatever it rests.

    Raises:
        ProofRefusedError: it is not locked so, or no longer.
    """
    until = head.get("ObjectLockRetainUntilDate")
    retain_until = until if isinstance(until, datetime) else None
    if lock is Lock.NONE:
        return retain_until
    mode, why = head.get("ObjectLockMode"), ""
    if mode not in {lock.value, Lock.COMPLIANCE.value}:
        why = f"its lock is {mode!r}, and the site file wants {lock.value}"
    elif retain_until is None or retain_until <= now:
        why = f"its lock has ended: {retain_until}"
    if why:
        msg = f"what the archive shows of {stored.object_id} proves nothing: {why}"
        raise ProofRefusedError(msg)
    return retain_until
