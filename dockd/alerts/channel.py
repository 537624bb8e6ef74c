"""What a channel is told, and what it must do with it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from dockd.errors import AlertError


@dataclass(frozen=True, slots=True)
class News:
    """The beginning or the end of one alert.

    Attributes:
        dock, place: which dock, and where it stands.
        number: the alert's, in this dock's journal; together with `phase` it names the news for ever.
        phase: `begun` or `ended`.
        kind, subject, message: what it says, of whom.
        begun, ended: RFC 3339, UTC.
    """

    dock: str
    place: str
    number: int
    phase: str
    kind: str
    subject: str
    message: str
    begun: str
    ended: str | None


class Channel(Protocol):
    """One way to tell somebody."""

    @property
    def name(self) -> str:
        """In the journal, which keeps who was told of what."""
        ...

    async def tell(self, news: News) -> None:
        """Tell it, and return once somebody has taken it.

        Raises:
            AlertError: nobody did; it is tried again later, with the very same news.
        """
        ...


def secret(path: Path | None) -> str | None:
    """The content of a secret's file, None without one. Blocks.

    Raises:
        AlertError: it cannot be read.
    """
    if path is None:
        return None
    try:
        return path.read_text("utf-8").strip()
    except (OSError, UnicodeError) as exc:
        msg = f"{path} cannot be read: {exc}"
        raise AlertError(msg) from exc
