"""What is seen of the demo: a live table of the bays on a terminal, plain lines everywhere else, and what happened in both."""

import asyncio
from typing import Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from dockd.clock import Clock
from dockd.core.readiness import Lamp
from dockd.demo.watch import Watch
from dockd.web.view import LAMPS, BayView, StatusView

_PICTURE_EVERY_S = 0.125
_LINE_EVERY_S = 2.0
_WIDE = {"Bay": 3, "Light": 11, "Camera": 8, "Officer": 12, "Now": 30, "Done": 20, "": 4, "Rate": 8, "Left": 5}
_NARROW = {"Bay": 3, "Light": 11, "Camera": 8, "Now": 24, "Done": 10, "": 4, "Rate": 8}


class Show(Protocol):
    """Shows the demo to somebody."""

    def say(self, words: str) -> None:
        """Something happened."""
        ...

    async def follow(self, watch: Watch) -> None:
        """Show the bays until cancelled."""
        ...


def show_for(console: Console, clock: Clock) -> Show:
    """What suits `console`: a terminal or not."""
    return LiveShow(console, clock) if console.is_terminal else PlainShow(console, clock)


class _Narrator:
    """Says each thing on a line of its own, with the seconds since the beginning."""

    def __init__(self, console: Console, clock: Clock) -> None:
        self._console, self._clock = console, clock
        self._began_s = clock.monotonic()

    def say(self, words: str) -> None:
        """Something happened."""
        line = Text(f"{self._clock.monotonic() - self._began_s:6.1f} s  ", style="dim", no_wrap=False)
        self._console.print(line.append(Text(plain(words), style="default not dim")), soft_wrap=True)


class LiveShow(_Narrator):
    """Implements `Show` on a terminal."""

    async def follow(self, watch: Watch) -> None:
        """Show the bays until cancelled; what is said scrolls above them."""
        with Live(console=self._console, auto_refresh=False) as live:
            try:
                while True:
                    if watch.status is not None:
                        live.update(picture(watch.status, self._console.width), refresh=True)
                    await self._clock.sleep(_PICTURE_EVERY_S)
            except asyncio.CancelledError:
                if watch.status is not None:
                    live.update(picture(watch.status, self._console.width), refresh=True)
                raise


class PlainShow(_Narrator):
    """Implements `Show` in a file or a pipe: a line now and then, and none where nothing changed."""

    async def follow(self, watch: Watch) -> None:
        """Show the bays until cancelled."""
        before = ""
        while True:
            await self._clock.sleep(_LINE_EVERY_S)
            if watch.status is None:
                continue
            line = "; ".join(_brief(bay) for bay in watch.status.bays if bay.lamp is not None) or "all bays are empty"
            if not watch.status.archive.reachable:
                line += "; the archive does not answer"
            if line != before:
                self.say(line)
            before = line


def picture(status: StatusView, width: int) -> Group:
    """All bays, the queue and the way to the archive, in `width` columns or the 80 that every terminal has."""
    table = Table(box=None, header_style="bold", pad_edge=False, expand=False)
    # Fixed widths, so that the table stands still while its words change.
    columns = _WIDE if width >= sum(_WIDE.values()) + 2 * len(_WIDE) else _NARROW
    for heading, cells_wide in columns.items():
        table.add_column(heading, width=cells_wide, justify="right" if heading in {"Rate", "Left"} else "left", overflow="fold")
    for bay in status.bays:
        cells = _row(bay)
        table.add_row(*(cells[heading] for heading in columns if heading in cells))
    archive, queue = status.archive, status.queue
    if archive.reachable:
        left = "" if not queue.drain_s else f", about {queue.drain_s} s left"
        waiting = f"{queue.files} files, {megabytes(queue.bytes)}, on the way to it"
        way = Text(f"Archive reachable. {waiting}, {_rate(queue.rate_bytes_s)}{left}")
    else:
        way = Text("Archive NOT reachable", style="bold #D55E00").append(
            f". {queue.files} files, {megabytes(queue.bytes)}, wait."
        )
    return Group(Text(), table, way)


def _row(bay: BayView) -> dict[str, Text | ProgressBar]:
    """One bay's cells by their headings."""
    if bay.lamp is None:
        return {"Bay": Text(bay.bay), "Light": Text("\N{EN DASH} empty", style="dim")}
    shape, colour = LAMPS[bay.lamp]
    words, share = _doing(bay)
    copying = bay.phase == "copying"
    return {
        "Bay": Text(bay.bay),
        "Light": Text(f"{shape} {bay.lamp.upper()}", style=f"bold {colour}"),
        "Camera": Text(plain(bay.camera or "")),
        "Officer": Text(plain(bay.officer or "")),
        "Now": Text(plain(words)),
        "Done": ProgressBar(total=1.0, completed=share, complete_style=colour, finished_style=colour),
        "": Text(f"{share:4.0%}"),
        "Rate": Text(_rate(bay.rate_bytes_s) if copying else ""),
        "Left": Text(f"{bay.remaining_s} s" if copying and bay.remaining_s is not None else ""),
    }


def _doing(bay: BayView) -> tuple[str, float]:
    """What is being done with the camera, in words and as a part of what is to be done at this stage."""
    if bay.lamp is Lamp.TAKE:
        return "archived and erased", 1.0
    if bay.lamp is Lamp.HELP:
        return bay.reason, 0.0
    total = max(bay.files_total, 1)
    match bay.phase:
        case "copying":
            name = (bay.current or "").rpartition("/")[2]
            return f"copying {name}".strip(), bay.bytes_done / max(bay.bytes_total, 1)
        case "waiting for the archive":
            return f"archived {bay.files_archived} of {bay.files_total}", bay.files_archived / total
        case "clearing":
            return "proved again, erasing", bay.files_erased / total
        case phase:
            return phase, 0.0


def _brief(bay: BayView) -> str:
    words, share = _doing(bay)
    lamp = f"{LAMPS[bay.lamp][0]} {bay.lamp}" if bay.lamp is not None else ""
    if bay.lamp is not Lamp.LEAVE:
        return f"bay {bay.bay} {lamp}"
    if bay.phase == "copying":
        words += f" {share:.0%}" + (f", {_rate(bay.rate_bytes_s)}" if bay.rate_bytes_s else "")
    return f"bay {bay.bay} {lamp}, {words}"


def megabytes(size_bytes: int) -> str:
    """Decimal, as disks and links are sold."""
    return f"{size_bytes / 1e6:.1f} MB"


def _rate(rate_bytes_s: int) -> str:
    return f"{rate_bytes_s / 1e6:.0f} MB/s"


def plain(text: str) -> str:
    """What a camera says must not move the cursor."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
