"""A document as a PDF: text in two of the fonts that every reader has, A4 or Letter, and nothing that could run.

The few objects that text needs are written here. Libraries that lay out pages bring fifty megabytes of fonts and pictures onto
every dock for this one table; see ADR 0014.
"""

import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from dockd.evidence.document import Document, Heading, Table, Words

_WIDTH_PT, _HEIGHT_PT = 595, 792  # narrower than Letter, shorter than A4: it fits on both
_MARGIN_PT = 50
_LINE_PT = 11
_SIZE_PT, _HEADING_PT, _TITLE_PT = 8, 12, 16
_COLUMNS = 103  # characters of Courier at that size, 0.6 of it wide each, between the margins
_LINES = (_HEIGHT_PT - 2 * _MARGIN_PT) // _LINE_PT


@dataclass(frozen=True, slots=True)
class _Line:
    text: str
    font: str = "F1"
    size_pt: int = _SIZE_PT
    announces: bool = False  # what comes after it, so it is not the last of a page


def pdf(document: Document) -> bytes:
    """The file."""
    lines = list(_lines(document))
    pages = list(_pages(lines))
    numbers = [6 + 2 * number for number in range(len(pages))]
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Count %d /Kids [%b] >>" % (len(pages), b" ".join(b"%d 0 R" % each for each in numbers)),
        _font(b"Courier"),
        _font(b"Helvetica-Bold"),
        b"<< /Title %b /Producer (dockd) >>" % _string(document.title),
    ]
    for number, page in enumerate(pages, 1):
        foot = _Line(f"{document.title}, page {number} of {len(pages)}")
        content = b"\n".join([*(_drawn(line, at) for at, line in enumerate(page)), _drawn(foot, _LINES + 1)])
        objects += [
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %d %d] /Contents %d 0 R /Resources %b >>"
            % (_WIDTH_PT, _HEIGHT_PT, numbers[number - 1] + 1, b"<< /Font << /F1 3 0 R /F2 4 0 R >> >>"),
            b"<< /Length %d >>\nstream\n%b\nendstream" % (len(content), content),
        ]
    return _file(objects)


def _pages(lines: list[_Line]) -> Iterator[list[_Line]]:
    """As many lines as fit on each, but for those at its end that announce what would be on the next."""
    start = 0
    while start < len(lines):
        end = min(start + _LINES, len(lines))
        last = end
        while end < len(lines) and last > start + 1 and lines[last - 1].announces:
            last -= 1
        yield lines[start:last]
        start = last


def _lines(document: Document) -> Iterator[_Line]:
    yield _Line(document.title, "F2", _TITLE_PT)
    for part in document.parts:
        yield _Line("", announces=True)
        match part:
            case Heading(text):
                for line in textwrap.wrap(text, _COLUMNS * _SIZE_PT // _HEADING_PT) or [""]:
                    yield _Line(line, "F2", _HEADING_PT, announces=True)
            case Words(text):
                yield from map(_Line, textwrap.wrap(text, _COLUMNS) or [""])
            case Table(head, rows, widths):
                columns = [_COLUMNS * width // 100 for width in widths]
                yield from _cells(head, columns, announces=bool(rows))
                for row in rows:
                    yield from _cells(row, columns)


def _cells(row: Iterable[str], columns: list[int], *, announces: bool = False) -> Iterator[_Line]:
    """One row, as many lines as its longest cell needs."""
    wrapped = [textwrap.wrap(cell, width - 1) for cell, width in zip(row, columns, strict=True)]
    for at in range(max(map(len, wrapped))):
        texts = ((cell[at] if at < len(cell) else "").ljust(width) for cell, width in zip(wrapped, columns, strict=True))
        yield _Line("".join(texts).rstrip(), announces=announces)


def _drawn(line: _Line, at: int) -> bytes:
    height_pt = _HEIGHT_PT - _MARGIN_PT - at * _LINE_PT
    return b"BT /%b %d Tf %d %d Td %b Tj ET" % (line.font.encode(), line.size_pt, _MARGIN_PT, height_pt, _string(line.text))


def _string(text: str) -> bytes:
    """A string of PDF; what its fonts do not have is written as Python would."""
    data = text.encode("cp1252", "backslashreplace")
    for special in (b"\\", b"(", b")"):
        data = data.replace(special, b"\\" + special)
    return b"(" + data.replace(b"\r", b" ").replace(b"\n", b" ") + b")"


def _font(name: bytes) -> bytes:
    return b"<< /Type /Font /Subtype /Type1 /BaseFont /%b /Encoding /WinAnsiEncoding >>" % name


def _file(objects: list[bytes]) -> bytes:
    body = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    places = []
    for number, each in enumerate(objects, 1):
        places.append(len(body))
        body += b"%d 0 obj\n%b\nendobj\n" % (number, each)
    table = b"".join(b"%010d 00000 n \n" % each for each in places)
    trailer = b"trailer << /Size %d /Root 1 0 R /Info 5 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, len(body))
    return bytes(body) + b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1) + table + trailer
