"""Where a tus archive is and how patiently it is spoken to; wrong settings are refused before anything is sent."""

import ipaddress
import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field

from yarl import URL

from dockd.dsse import parse_public

_TOKEN = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True, slots=True)
class TusSettings:
    """All that `TusArchive` must be told.

    Attributes:
        url: of the tus endpoint, such as https://vault.example/files/. Plain HTTP only to a loopback address.
        dock: this dock's id, as the archive knows it.
        pinned_keys: the archive's public keys, `ed25519:<base64>`; statements under any other key prove nothing.
        token: the dock's bearer token, None where the archive wants none.
        archive_id: what the archive must call itself; None to take its word from GET /archive.
        bound_id: the archive that this dock's recordings are in already; without `archive_id`, no other is sent anything.
        renew: reads token and TLS context anew; asked after something failed, so that neither needs a restart. Blocks.
        read_back: where the archive signs nothing, fetch each recording back and compare; otherwise nothing is ever proved.
        tls: the context with the pinned CA and the client's certificate; None for the system's authorities.
        patch_size_bytes: the most that one PATCH carries when a recording goes in several.
        whole_limit_bytes: the most that one PATCH carries when a recording goes in one, under its own verified digest;
            0 never does that (a proxy on the way may refuse large bodies).
        connect_s: for name, connection and TLS handshake together.
        stall_s: how long not one byte may move while a body is sent.
        answer_s: how long an answer may take once the body is sent; large bodies are given more.
    """

    url: str
    dock: str
    pinned_keys: tuple[str, ...]
    token: str | None = field(default=None, repr=False)
    archive_id: str | None = None
    bound_id: str | None = None
    renew: Callable[[], tuple[str | None, ssl.SSLContext | None]] | None = field(default=None, repr=False)
    read_back: bool = False
    tls: ssl.SSLContext | None = None
    patch_size_bytes: int = 64 * 1024 * 1024
    whole_limit_bytes: int = 8 * 1024**3
    connect_s: float = 10.0
    stall_s: float = 30.0
    answer_s: float = 120.0

    def __post_init__(self) -> None:
        """Refuse what could never work, or would send evidence in the clear.

        Raises:
            ValueError: with a sentence for the admin; `dockd.config` adds file and line.
        """
        url = URL(self.url)
        if url.scheme not in {"http", "https"} or not url.host:
            msg = f"the archive's url {self.url!r} is not an http or https address"
            raise ValueError(msg)
        if url.user or url.password or url.query_string or url.fragment:
            msg = f"the archive's url {self.url!r} must be a plain address: credentials belong in the token file"
            raise ValueError(msg)
        if not url.path.endswith("/"):
            msg = f"the archive's url {self.url!r} must end with a slash, as in https://vault.example/files/"
            raise ValueError(msg)
        if url.scheme == "http" and not is_loopback(url.host):
            msg = (
                f"the archive's url {self.url!r} is plain http to another machine: evidence and token would cross the network "
                "readable and changeable by anyone; use https"
            )
            raise ValueError(msg)
        if self.token is not None and not _TOKEN.fullmatch(self.token):
            msg = "the archive's token must be printable ASCII without spaces"
            raise ValueError(msg)
        if self.patch_size_bytes < 1 or self.whole_limit_bytes < 0:
            msg = "an upload's pieces must have a size above zero"
            raise ValueError(msg)
        if min(self.connect_s, self.stall_s, self.answer_s) <= 0:
            msg = "the archive's time limits must be above zero"
            raise ValueError(msg)
        for text in self.pinned_keys:
            parse_public(text)


def is_loopback(host: str) -> bool:
    """Whether `host` is this machine, by name or address; no other name is trusted to resolve to it."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
