"""An ASC Media Hash List (version 2.0) with C4 digests, so that the tools of people who edit media can check recordings too.

C4 (SMPTE ST 2114) is the SHA-512 of a file in base 58; the list's own form knows no SHA-256 and no BLAKE3. The dock does not
measure SHA-512 while it copies, so that a list is made from the files themselves, which must first be the recordings by both
digests of the log. The list is one generation, the chain file names it.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from blake3 import blake3

from dockd import __version__
from dockd.clock import rfc3339, rfc3339_from_ns
from dockd.core.recording import Recording
from dockd.errors import EvidenceError

_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_C4_DIGITS = 88
_PIECE_BYTES = 1024 * 1024
_FOLDER = "ascmhl"


@dataclass(frozen=True, slots=True)
class Medium:
    """A file that is a recording: its name in the folder that it lies in, and its C4 digest."""

    name: str
    recording: Recording
    c4: str


def c4_of(sha512: bytes) -> str:
    """The C4 digest that a SHA-512 digest is."""
    number, digits = int.from_bytes(sha512, "big"), ""
    while number:
        number, digit = divmod(number, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return "c4" + digits.rjust(_C4_DIGITS, _ALPHABET[0])


def recognised(folder: Path, recordings: Sequence[Recording]) -> list[Medium]:
    """The files in `folder` that are recordings, each read in full. Blocks.

    Raises:
        EvidenceError: a file is none of the recordings, or cannot be read.
    """
    by_digests = {
        (each.measured.digests.sha256, each.measured.digests.blake3): each for each in recordings if each.measured is not None
    }
    found = []
    try:
        for path in sorted(each for each in folder.rglob("*") if each.is_file() and not each.is_symlink()):
            name = path.relative_to(folder).as_posix()
            if name.startswith(f"{_FOLDER}/"):
                continue
            sha256, sha512, also = hashlib.sha256(), hashlib.sha512(), blake3()
            with path.open("rb") as file:
                while piece := file.read(_PIECE_BYTES):
                    for digest in (sha256, sha512, also):
                        digest.update(piece)
            recording = by_digests.get((sha256.digest(), also.digest()))
            if recording is None:
                msg = f"{path} is none of the recordings: its SHA-256 is {sha256.hexdigest()}"
                raise EvidenceError(msg, hint="Leave it out, or ask for its recording too.")
            found.append(Medium(name, recording, c4_of(sha512.digest())))
    except OSError as exc:
        msg = f"{exc.filename}: {exc.strerror}"
        raise EvidenceError(msg) from exc
    return found


def media_hash_list(media: Sequence[Medium], *, dock: str, made: datetime) -> Mapping[str, bytes]:
    """The list and its chain file, by name; nothing where there are no media."""
    if not media:
        return {}
    name = f"0001_{dock}_{made:%Y-%m-%d_%H%M%S}Z.mhl"
    listed = _list(media, dock, rfc3339(made)).encode()
    chain = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<ascmhldirectory xmlns="urn:ASC:MHL:DIRECTORY:v2.0">\n'
        f'  <hashlist sequencenr="1">\n    <path>{name}</path>\n    <c4>{c4_of(hashlib.sha512(listed).digest())}</c4>\n'
        "  </hashlist>\n</ascmhldirectory>\n"
    )
    return {f"{_FOLDER}/{name}": listed, f"{_FOLDER}/ascmhl_chain.xml": chain.encode()}


def _list(media: Sequence[Medium], dock: str, made: str) -> str:
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<hashlist version="2.0" xmlns="urn:ASC:MHL:v2.0">',
        "  <creatorinfo>",
        f"    <creationdate>{made}</creationdate>",
        f"    <hostname>{escape(dock)}</hostname>",
        f"    <tool version={quoteattr(__version__)}>dockd</tool>",
        "  </creatorinfo>",
        "  <processinfo>",
        "    <process>in-place</process>",
        "    <ignore><pattern>ascmhl</pattern></ignore>",
        "  </processinfo>",
        "  <hashes>",
    ]
    for each in media:
        size = each.recording.measured.size_bytes if each.recording.measured else each.recording.size_bytes
        modified = rfc3339_from_ns(each.recording.modified_ns)
        dated = "" if modified.startswith("epoch") else f" lastmodificationdate={quoteattr(modified)}"
        lines += [
            "    <hash>",
            f'      <path size="{size}"{dated}>{escape(each.name)}</path>',
            f'      <c4 action="original" hashdate="{made}">{each.c4}</c4>',
            "    </hash>",
        ]
    return "\n".join([*lines, "  </hashes>", "</hashlist>", ""])
