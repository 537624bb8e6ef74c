"""What an archive's HTTP answer means: the one place where a status becomes an error of dockd's tree."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from dockd.errors import (
    ArchiveBusyError,
    ArchiveChecksumError,
    ArchiveDeniedError,
    ArchiveError,
    ArchiveRefusedError,
    ArchiveUnreachableError,
    UploadLostError,
)

TUS_VERSION = "1.0.0"
CHECKSUM_MISMATCH = 460

_WORDS_LIMIT = 300
_RETRY_AFTER_LIMIT_S = 3600.0


@dataclass(frozen=True, slots=True)
class Answer:
    """One whole answer.

    Attributes:
        status: of HTTP.
        headers: case-insensitive.
        body: its beginning, never more than was asked for.
        cut: whether the archive sent more than that.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    cut: bool = False

    @property
    def is_tus(self) -> bool:
        """Whether a tus 1.0.0 server gave it; a captive portal or a proxy in the way does not say so."""
        return self.headers.get("Tus-Resumable") == TUS_VERSION

    @property
    def words(self) -> str:
        """What it says, for people: printable, on one line, bounded."""
        if "html" in self.headers.get("Content-Type", ""):
            return "(a web page)"
        text = " ".join(self.body[: 4 * _WORDS_LIMIT].decode(errors="replace").split())
        text = "".join(character if character.isprintable() else "�" for character in text)
        return text if len(text) <= _WORDS_LIMIT else text[:_WORDS_LIMIT] + "…"

    def number(self, header: str) -> int | None:
        """A header that holds a decimal number, None where it does not."""
        text = self.headers.get(header, "")
        return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None  # noqa: PLR2004 - 63 bits

    def retry_after_s(self, now: datetime) -> float | None:
        """RFC 9110 Retry-After, as seconds from `now`; None where it is absent or nonsense; an hour at most."""
        seconds: float | None = self.number("Retry-After")
        if seconds is None:
            try:
                moment = parsedate_to_datetime(self.headers.get("Retry-After", ""))
                seconds = (moment - now).total_seconds()
            except (TypeError, ValueError):
                return None
        return min(max(seconds, 0.0), _RETRY_AFTER_LIMIT_S)


def error_for(answer: Answer, doing: str, *, now: datetime, refusable: bool = False) -> ArchiveError:
    """The error that `answer` is.

    A permanent error, and the loss of an upload, are believed only from a tus server: what stands in the way (a captive portal,
    a proxy whose archive is down) must neither quarantine a recording nor throw an upload away.

    Args:
        answer: one that is not what was hoped for.
        doing: what was asked, as in "creating the upload".
        now: to read a date in Retry-After.
        refusable: whether a client error means that this recording can never be stored.
    """
    said = f"{doing}: the archive answered {answer.status}"
    if answer.words:
        said += f": {answer.words}"
    match answer.status:
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
            return ArchiveDeniedError(said)
        case HTTPStatus.LOCKED | HTTPStatus.TOO_MANY_REQUESTS | HTTPStatus.SERVICE_UNAVAILABLE | HTTPStatus.INSUFFICIENT_STORAGE:
            return ArchiveBusyError(said, retry_after_s=answer.retry_after_s(now))
        case status if 300 <= status < 400:  # noqa: PLR2004 - the redirects
            return ArchiveUnreachableError(f"{said}: a redirect, which is never followed")
        case _ if not answer.is_tus:
            return ArchiveUnreachableError(f"{said}, and that is not a tus archive speaking")
        case HTTPStatus.NOT_FOUND | HTTPStatus.GONE:
            return UploadLostError(said)
        case status if status == CHECKSUM_MISMATCH:
            return ArchiveChecksumError(said)
        case (
            HTTPStatus.BAD_REQUEST
            | HTTPStatus.REQUEST_ENTITY_TOO_LARGE
            | HTTPStatus.UNSUPPORTED_MEDIA_TYPE
            | HTTPStatus.UNPROCESSABLE_ENTITY
        ) if refusable:
            return ArchiveRefusedError(said)
        case _:
            return ArchiveUnreachableError(said)
