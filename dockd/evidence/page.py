"""A document as one HTML file that needs nothing else, runs nothing, and prints well."""

from collections.abc import Iterable
from html import escape

from dockd.evidence.document import Document, Heading, Table, Words

_STYLE = (
    "body{font:16px/1.5 Georgia,serif;color:#111;max-width:60rem;margin:2rem auto;padding:0 1rem;overflow-wrap:anywhere}"
    "h1{font-size:1.6rem}h2{font-size:1.2rem;margin-top:2.5rem;border-bottom:1px solid #999}"
    "table{border-collapse:collapse;width:100%;table-layout:fixed}"
    "td,th{text-align:left;vertical-align:top;padding:.25rem .75rem .25rem 0;border-bottom:1px solid #ddd}"
    "@media print{body{margin:0;max-width:none;font-size:11pt}h2{break-after:avoid}tr{break-inside:avoid}}"
)
# What a camera or a person wrote is text and nothing else, also for a browser that finds a way around that.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def html(document: Document) -> bytes:
    """The file."""
    head = f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(document.title)}</title>'
    head += f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}"><style>{_STYLE}</style></head>'
    body = f"<body><h1>{escape(document.title)}</h1>{''.join(map(_part, document.parts))}</body></html>\n"
    return (head + body).encode()


def _part(part: Heading | Words | Table) -> str:
    match part:
        case Heading(text):
            return f"<h2>{escape(text)}</h2>"
        case Words(text):
            return f"<p>{escape(text)}</p>"
        case Table(head, rows, widths):
            columns = "".join(f'<col style="width:{width}%">' for width in widths)
            lines = "".join(_line("td", row) for row in rows)
            return f"<table><colgroup>{columns}</colgroup>{_line('th', head)}{lines}</table>"


def _line(kind: str, cells: Iterable[str]) -> str:
    return "<tr>" + "".join(f"<{kind}>{escape(cell)}</{kind}>" for cell in cells) + "</tr>"
