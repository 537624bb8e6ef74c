"""The numbers of one demo: a table for people, build/demo/report.json for programs."""

import os
import platform
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dockd import __version__
from dockd.core.clearance import FileKind
from dockd.core.names import shown
from dockd.demo.cameras import Camera
from dockd.demo.compare import Comparison, Finding
from dockd.demo.folder import WorkFolder
from dockd.demo.journey import Log
from dockd.demo.programs import output_of
from dockd.demo.show import megabytes, plain

_MOST_COMPLAINTS = 20
COUNTED = ("verified", "archived", "erased", "lost")


def tell(console: Console, comparison: Comparison, timings_s: Mapping[str, float]) -> None:
    """The table, what is wrong, and the last line."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("Camera", "Recordings", "Size", *(word.capitalize() for word in COUNTED)):
        table.add_column(heading, justify="left" if heading == "Camera" else "right")
    for camera in dict.fromkeys(each.original.camera for each in comparison.findings):
        table.add_row(*_row(camera, [each for each in comparison.findings if each.original.camera == camera]))
    table.add_section()
    table.add_row(*_row("all", comparison.findings), style="bold")
    console.print()
    console.print(table)
    console.print(Text(f"{comparison.objects} objects in the vault, {comparison.custody_entries} custody entries, each checked."))
    stay = sum(each.original.kind is FileKind.UNKNOWN for each in comparison.findings)
    if stay:
        console.print(Text(f"{stay} files that the camera's profile does not know were archived and left on their camera."))
    console.print(Text("Seconds: " + ", ".join(f"{name} {seconds:.1f}" for name, seconds in timings_s.items())))
    complaints = comparison.complaints
    for words in complaints[:_MOST_COMPLAINTS]:
        console.print(Text(f"WRONG  {plain(words)}", style="bold #D55E00"), soft_wrap=True)
    if len(complaints) > _MOST_COMPLAINTS:
        console.print(Text(f"WRONG  and {len(complaints) - _MOST_COMPLAINTS} more, all in report.json", style="bold #D55E00"))
    console.print(Text(comparison.summary), soft_wrap=True)


def _row(name: str, findings: Sequence[Finding]) -> list[str]:
    size_bytes = sum(each.original.size_bytes for each in findings)
    counts = [str(sum(bool(getattr(each, what)) for each in findings)) for what in COUNTED]
    return [plain(name), str(len(findings)), megabytes(size_bytes), *counts]


async def write(
    folder: WorkFolder, comparison: Comparison, *, cameras: Sequence[Camera], log: Log, timings_s: Mapping[str, float]
) -> None:
    """Write report.json."""
    size_bytes = sum(each.original.size_bytes for each in comparison.findings)
    document: dict[str, object] = {
        "summary": comparison.summary,
        "good": not comparison.complaints,
        "recordings": len(comparison.findings),
        **{what: comparison.count(what) for what in COUNTED},
        "bytes": size_bytes,
        "objects": comparison.objects,
        "custody_entries": comparison.custody_entries,
        "wrong": comparison.complaints,
        "digests": {"blake3": str(folder.blake3), "sha256": str(folder.sha256), "relative_to": str(folder.cameras)},
        "timings_s": {name: round(seconds, 3) for name, seconds in timings_s.items()},
        "machine": await _machine(folder.root),
        "journey": {
            "pulled": log.pulled,
            "restarted": log.restarted,
            "copied_s": log.copied_s,
            "archived_s": log.archived_s,
            "ready_s": log.ready_s,
            "copied_bytes_s": _rate(size_bytes, log.copied_s),
            "archived_bytes_s": _rate(size_bytes, log.archived_s),
            "help": log.help,
        },
        "left_out": {each.serial: [shown(path) for path in each.left_out] for each in cameras if each.left_out},
        "files": [_file(folder, each) for each in comparison.findings],
    }
    folder.report.write_bytes(msgspec.json.format(msgspec.json.encode(document)) + b"\n")


def _file(folder: WorkFolder, finding: Finding) -> dict[str, object]:
    original, held = finding.original, finding.held
    return {
        "camera": original.camera,
        "name": original.name,
        "original": f"{folder.cameras / original.folder}/{original.name}",
        "kind": original.kind,
        "size_bytes": original.size_bytes,
        "blake3": original.blake3,
        "sha256": original.sha256,
        "object": held.object_id if held is not None else None,
        "object_path": str(held.path) if held is not None else None,
        **{what: getattr(finding, what) for what in COUNTED},
    }


def _rate(size_bytes: int, seconds: float | None) -> int | None:
    return round(size_bytes / seconds) if seconds else None


async def _machine(place: Path) -> dict[str, object]:
    """What the numbers were measured on."""
    programs = {}
    for name, option in (("ffmpeg", "-version"), ("b3sum", "--version"), ("sha256sum", "--version")):
        if shutil.which(name) is not None:
            programs[name] = (await output_of(name, option)).decode(errors="replace").splitlines()[0]
    return {
        "dockd": __version__,
        "python": platform.python_version(),
        "kernel": platform.release(),
        "processors": os.cpu_count(),
        "processor": _first(Path("/proc/cpuinfo"), "model name"),
        "memory": _first(Path("/proc/meminfo"), "MemTotal"),
        "file_system": (await output_of("stat", "--file-system", "--format=%T", place)).decode().strip(),
        "programs": programs,
    }


def _first(place: Path, key: str) -> str | None:
    lines = place.read_text(errors="replace").splitlines() if place.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), None)
