"""What is sent again while an upload is broken again and again, whatever archive it goes to."""

import contextlib
import os
from pathlib import Path

from dockd.archive.protocol import Archive
from dockd.errors import ArchiveError
from tests.sim.consignments import Watched, consign
from tests.sim.cut_link import CutLink

_GOLDEN = 0.618_034


class _Breaking(Watched):
    """Breaks the link again and again while something is sent."""

    def __init__(self, link: CutLink, breaks: int, part_bytes: int) -> None:
        super().__init__()
        self._link, self.left, self._part_bytes = link, breaks, part_bytes

    def sent(self, offset_bytes: int) -> None:
        """As the base says."""
        if self.left and self._link.cut_after_bytes is None:
            self.left -= 1
            # At another place in a part each time, spread evenly over all of them, with one or two that arrive in between.
            self._link.cut_after_bytes = int((1.5 + self.left * _GOLDEN % 1) * self._part_bytes)
        super().sent(offset_bytes)


async def sent_again(link: CutLink, archive: Archive, work: Path, *, breaks: int, part_bytes: int, dock: str) -> int:
    """Bytes on the wire beyond the recording's own, while all connections of its upload are broken so often.

    Args:
        link: between the archive and its client.
        archive: the client; closed at the end.
        work: a folder for the recording.
        breaks: how many there are.
        part_bytes: each comes after one and a half to two and a half times as much.
        dock: who sends it.
    """
    link.cuts_all = True
    size_bytes = (2 * breaks + 4) * part_bytes
    breaking, consignment = _Breaking(link, breaks, part_bytes), consign(work, os.urandom(size_bytes), dock=dock)
    while True:
        with contextlib.suppress(ArchiveError):
            await archive.store(consignment, breaking.point, breaking)
            break
    await archive.close()
    if breaking.left or link.cut_after_bytes is not None:
        msg = "the upload ended before it was broken often enough"
        raise RuntimeError(msg)
    return link.passed_bytes - size_bytes
