"""The whole way from a journal to a bundle on disk, and the verifier as the one file that goes with it."""

import inspect
import os
import re
import struct
from pathlib import Path

from dockd.clock import rfc3339
from dockd.core.canonical import canonical
from dockd.errors import EvidenceError
from dockd.evidence import bundle, document, living, mhl, reading, sanitisation, verifier
from dockd.evidence.bundle import Maker
from dockd.evidence.gathering import Wish, gather
from dockd.evidence.page import html
from dockd.evidence.paper import pdf
from dockd.evidence.reading import Files, written_zip

_OWN_IMPORT = re.compile(r"^from dockd\.evidence\.\w+ import (\([^)]*\)|[^(\n]*)\n", re.MULTILINE)


def export(journal: Path, wish: Wish, maker: Maker, media: Path | None) -> Files:
    """The bundle that `wish` asks for; files in the folder `media` are recognised, and get a media hash list. Blocks.

    Raises:
        JournalError: the journal cannot be read, or has no such recordings.
        EvidenceError: no bundle can be made of it.
    """
    gathered = gather(journal, wish)
    entries, made = list(gathered.parsed()), rfc3339(maker.made)
    report = document.report(gathered, dock=maker.dock, made=made, entries=entries)
    extra = {"report.html": html(report), "report.pdf": pdf(report)}
    for record in sanitisation.records(entries):
        name = f"sanitisation/{record['ended_entry']}"
        paper = document.sanitisation(record)
        extra |= {f"{name}.json": canonical(record), f"{name}.html": html(paper), f"{name}.pdf": pdf(paper)}
    if media is not None:
        extra |= mhl.media_hash_list(mhl.recognised(media, gathered.recordings), dock=maker.dock, made=maker.made)
    return bundle.make(gathered, maker, extra)


def write(files: Files, path: Path) -> None:
    """The bundle as one .zip in `path`, durable; nothing that is there is replaced. Blocks.

    Raises:
        EvidenceError: there is something, or it cannot be written.
    """
    try:
        container = written_zip(files)
    except struct.error as exc:
        msg = f"{len(files)} files are more than one bundle can hold"
        raise EvidenceError(msg, hint="Ask for fewer recordings, or for a shorter time.") from exc
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(container)
            file.flush()
            os.fsync(file.fileno())
    except OSError as exc:
        msg = f"{path}: {exc.strerror}"
        raise EvidenceError(msg, hint="Name a file that does not exist yet, with --output.") from exc


def single_file() -> str:
    """The verifier as one Python file that needs nothing of dockd."""
    words, _, last = inspect.getsource(verifier).partition('"""\n\n')
    parts = [*(inspect.getsource(each).partition('"""\n\n')[2] for each in (reading, living)), last]
    together = "\n\n".join(_OWN_IMPORT.sub("", each).strip() for each in parts)
    return f'#!/usr/bin/env python3\n{words}"""\n\n{together}\n'
