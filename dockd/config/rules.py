"""What a text must be to stand at a key: sizes, paths, addresses, keys, time zones, patterns.

A rule raises `ValueError` with a clause that says what is wrong and what was expected; `fill` puts file, place and key in front.
"""

import difflib
import ipaddress
import re
import warnings
import zoneinfo
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from dockd.core.usb import PORT
from dockd.dsse import KeyFormatError, parse_public

_NAME_LIMIT = 128
_SOCKET_LIMIT_BYTES = 107  # sun_path of unix(7), less the closing zero
_SIZE = re.compile(r"(\d{1,15})(?:\.(\d{1,3}))? ?([KMGTP]i?)?B", re.ASCII)
_UNITS: dict[str, int] = {"": 1}
for _power, _prefix in enumerate("KMGTP", 1):
    _UNITS |= {_prefix: 1000**_power, f"{_prefix}i": 1024**_power}
_SIZE_LIMIT_BYTES = 1 << 60
_LEAST_RATE_BYTES_S = 8 * 1024
_CURRENT = re.compile(r"(\d{1,6}(?:\.\d{1,3})?) ?(mA|A)", re.ASCII)
_CURRENT_LIMIT_MA = 100_000
_GROUP_LIMIT = 256
_USB_ID = re.compile(r"[0-9a-f]{4}", re.ASCII)
_EXPRESSION_LIMIT = 200
_ROOT = "."
NO_BAY = "-"
"""A place in the kiosk's layout at which the dock has no bay."""
_PORT_EXAMPLE = "pci-0000:00:14.0-usb-0:1.2"


@dataclass(frozen=True, slots=True, eq=False)  # so that it can be hashed, as typing demands
class Rule:
    """How one key's text becomes a value.

    Attributes:
        read: gives the value, or raises ValueError with words for the admin.
        schema: what JSON Schema says of the text.
        secret: an admin may have put a secret here by mistake, so errors never show the text.
    """

    read: Callable[[str], object]
    schema: Mapping[str, object] = field(default_factory=dict)
    secret: bool = False


class Live:
    """Marks a key that a running dock takes over, between two units of work; every other is in force at the next start."""


LIVE = Live()


def _name(text: str) -> str:
    if not text.strip() or "\n" in text or len(text) > _NAME_LIMIT:
        msg = f"expected one line of 1 to {_NAME_LIMIT} characters"
        raise ValueError(msg)
    return text.strip()


def _group(text: str) -> str:
    if not text.isprintable() or not 0 < len(text) <= _GROUP_LIMIT or set(text) & set(":,\n") or text.isdecimal():
        msg = f"{shown(text)} is not the name of a group, expected one as `getent group` shows it, such as dockd-admin"
        raise ValueError(msg)
    return text


def _usb_id(text: str) -> str:
    if not _USB_ID.fullmatch(text.lower()):
        msg = f'{shown(text)} is not a USB number, expected four hexadecimal digits in quotes, such as "0951"'
        raise ValueError(msg)
    return text.lower()


def _time_zone(text: str) -> str:
    try:
        zoneinfo.ZoneInfo(text)
    except (OSError, ValueError, zoneinfo.ZoneInfoNotFoundError) as exc:
        known = zoneinfo.available_timezones()
        if not known:
            msg = "cannot be checked: this machine has no time zone database, expected the package tzdata to be installed"
            raise ValueError(msg) from exc
        near = nearest(text, known) or "America/New_York"
        msg = f"{shown(text)} is not a time zone, expected an IANA name such as {near}"
        raise ValueError(msg) from exc
    return text


def _absolute_path(text: str) -> Path:
    if not text.startswith("/"):
        msg = "not an absolute path, expected one that begins with /, such as /var/lib/dockd"
        raise ValueError(msg)
    if "\n" in text or ".." in text.split("/"):
        msg = "a path with .. or a line end, expected the plain path that is meant"
        raise ValueError(msg)
    return Path("/" + text.lstrip("/"))


def _socket_path(text: str) -> Path:
    path = _absolute_path(text)
    if len(str(path).encode()) > _SOCKET_LIMIT_BYTES:
        msg = f"longer than {_SOCKET_LIMIT_BYTES} bytes, expected a path that Linux accepts for a socket"
        raise ValueError(msg)
    return path


def _size_bytes(text: str) -> int:
    match = _SIZE.fullmatch(text)
    if match is None:
        msg = f'{shown(text)} is not a size, expected a number with its unit, such as "1 GiB" or "500 MB"'
        raise ValueError(msg)
    whole, fraction, unit = match.group(1), match.group(2) or "", match.group(3) or ""
    size_bytes: int = int(whole + fraction) * _UNITS[unit] // 10 ** len(fraction)
    if size_bytes > _SIZE_LIMIT_BYTES:
        msg = f"{shown(text)} is more than any disk holds, expected at most 1024 PiB"
        raise ValueError(msg)
    return size_bytes


def _rate_bytes_s(text: str) -> int:
    match = _SIZE.fullmatch(text.removesuffix("/s"))
    rate = 0 if match is None or not text.endswith("/s") else _size_bytes(text.removesuffix("/s"))
    if rate < _LEAST_RATE_BYTES_S:
        msg = f'{shown(text)} is not a rate, expected at least 8 KiB/s with its unit, such as "2 MB/s" or "500 KB/s"'
        raise ValueError(msg)
    return rate


def _current_ma(text: str) -> int:
    match = _CURRENT.fullmatch(text)
    current_ma = 0 if match is None else round(float(match.group(1)) * (1 if match.group(2) == "mA" else 1000))
    if not 0 < current_ma <= _CURRENT_LIMIT_MA:
        msg = f'{shown(text)} is not a current, expected a number with its unit, such as "900 mA" or "3.6 A"'
        raise ValueError(msg)
    return current_ma


def _archive_url(text: str) -> str:
    example = "expected the tus endpoint such as https://vault.example.org:8443/files/"
    _web_address(text, example, "an archive", "recordings and token")
    if not text.endswith("/"):
        msg = f"{shown(text)} does not end with a slash, {example}"
        raise ValueError(msg)
    return text


def _webhook_url(text: str) -> str:
    _web_address(text, "expected one such as https://ops.example.org/dockd", "a program", "alerts and token")
    return text


def _web_address(text: str, example: str, whose: str, shows: str) -> None:
    try:
        parts = urlsplit(text)
        host, _port = parts.hostname, parts.port
    except ValueError as exc:
        msg = f"not an address ({exc}), {example}"
        raise ValueError(msg) from exc
    if "@" in parts.netloc:
        msg = f"a user or password stands in the address, {example}, and the token in token_file"
        raise ValueError(msg)
    if not host or parts.query or parts.fragment or re.search(r"\s", text) or parts.scheme not in {"http", "https"}:
        msg = f"{shown(text)} is not an address of {whose}, {example}"
        raise ValueError(msg)
    if parts.scheme == "http" and not is_loopback(host):
        msg = f"plain http to {host} would show {shows} to the network, expected https (http only to loopback)"
        raise ValueError(msg)


def is_loopback(host: str) -> bool:
    """Whether `host` is this machine, by name or address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _public_key(text: str) -> str:
    try:
        parse_public(text)
    except KeyFormatError as exc:
        msg = f"not an archive's public key ({exc.__cause__}), expected ed25519: and 44 characters, as GET /archive shows it"
        raise ValueError(msg) from exc
    return text


def _folder(text: str) -> str:
    return "" if text == _ROOT else _relative_path(text)


def _relative_path(text: str) -> str:
    parts = text.removesuffix("/").split("/")
    if "\n" in text or any(part in {"", ".", ".."} for part in parts):
        msg = f"{shown(text)} does not stay on the camera, expected a path below its root such as DCIM/100CAM, without .."
        raise ValueError(msg)
    return "/".join(parts)


def _name_pattern(text: str) -> str:
    if not text or "/" in text or "\n" in text:
        msg = f"{shown(text)} is not a pattern for a file's name, expected one without / such as *.MP4"
        raise ValueError(msg)
    return text


def _path_pattern(text: str) -> str:
    if not text or text.startswith("/") or "\n" in text or ".." in text.split("/"):
        msg = f"{shown(text)} is not a pattern for a path, expected one below the camera's root such as DCIM/*.CTG"
        raise ValueError(msg)
    return text


def _expression(text: str) -> re.Pattern[str]:
    if len(text) > _EXPRESSION_LIMIT:
        msg = f"longer than {_EXPRESSION_LIMIT} characters, expected a simple expression"
        raise ValueError(msg)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            pattern = re.compile(text)
    except (re.error, OverflowError, RecursionError, Warning) as exc:
        msg = f"not a regular expression ({exc}), expected one such as 'serial: *(.+)'"
        raise ValueError(msg) from exc
    if pattern.groups != 1:
        msg = f"has {pattern.groups} groups, expected exactly one ( ) around the fact, as in 'serial: *(.+)'"
        raise ValueError(msg)
    return pattern


def shown(text: str, limit: int = 60) -> str:
    """`text` quoted, and cut where it is too long for a line."""
    return repr(text if len(text) <= limit else text[: limit - 3] + "...")


def nearest(word: str, known: "set[str] | list[str]") -> str | None:
    """The known word that was probably meant."""
    by_lower = {candidate.lower(): candidate for candidate in known}
    close = difflib.get_close_matches(word[:_NAME_LIMIT].lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[close[0]] if close else None


def _matching(pattern: str, what: str, *, secret: bool = False) -> Rule:
    """Takes what matches as a whole; of anything else it says that it is `what`, such as "not a serial, expected ..."."""
    compiled = re.compile(pattern, re.ASCII)

    def read(text: str) -> str:
        if not compiled.fullmatch(text):
            msg = what if secret else f"{shown(text)} is {what}"
            raise ValueError(msg)
        return text

    return Rule(read, {"pattern": f"^{compiled.pattern}$"}, secret=secret)


def _lower_id(example: str) -> Rule:
    what = f"not an id, expected 1 to 63 of a-z, 0-9 and -, not beginning with -, such as {example}"
    return _matching(r"[a-z0-9][a-z0-9-]{0,62}", what)


_ABSOLUTE = {"type": "string", "pattern": "^/"}
_RELATIVE = {"type": "string", "minLength": 1, "pattern": "^[^/]"}
NAME = Rule(_name, {"minLength": 1, "maxLength": _NAME_LIMIT})
DOCK_ID = _lower_id("balt-ero-01")
CATEGORY = _lower_id("at-large-arrest")
PROFILE_NAME = _lower_id("acme-mk2")
VOLUME_NAME = _lower_id("card")
BAY_ID = _matching(
    r"[A-Za-z0-9][A-Za-z0-9-]{0,62}", 'not an id, expected 1 to 63 of A-Z, a-z, 0-9 and -, not beginning with -, such as "1"'
)
GROUP = Rule(_group, {"minLength": 1, "maxLength": _GROUP_LIMIT, "pattern": "^[^:,]*[^:,0-9][^:,]*$"})
PLACE = Rule(
    lambda text: text if text == NO_BAY else BAY_ID.read(text), {"pattern": f"^(-|{str(BAY_ID.schema['pattern'])[1:-1]})$"}
)
USB_PORT = _matching(PORT.pattern, f"not a USB port, expected the ID_PATH of what is plugged in there, such as {_PORT_EXAMPLE}")
LED = _matching(
    r"[A-Za-z0-9][A-Za-z0-9:_.@-]{0,62}",
    "not the name of an LED, expected one that `ls /sys/class/leds` shows, such as dock:bay1",
)
USB_ID = Rule(_usb_id, {"pattern": "^[0-9a-fA-F]{4}$"})
SERIAL = _matching(r"[A-Za-z0-9._:-]{1,64}", "not a serial, expected 1 to 64 letters, digits and . _ : -, such as X60A01234")
BADGE = _matching(r"[A-Z0-9-]{1,64}", 'not a badge, expected what its reader types in quotes, such as "0004711"')
TIME_OF_DAY = _matching(
    r"([01][0-9]|2[0-3]):[0-5][0-9]",
    'not a time of day, expected hours and minutes from 00:00 to 23:59, such as "18:00"',
)
WEEKDAY = _matching("mon|tue|wed|thu|fri|sat|sun", "not a day of the week, expected one of mon, tue, wed, thu, fri, sat, sun")
FILE_NAME = _matching(
    r"[A-Za-z0-9][A-Za-z0-9._-]{0,126}", "not the name of a file beside this one, expected one without /, such as roster.csv"
)
HOST = _matching(
    r"[A-Za-z0-9:][A-Za-z0-9.:-]{0,252}",
    "not the name or address of a machine, expected one such as mail.example.org",
    secret=True,
)
ADDRESS = _matching(r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9.-]{1,253}", "not an e-mail address, expected one such as ops@example.org")
WEBHOOK_URL = Rule(_webhook_url, {"format": "uri", "pattern": "^https?://"}, secret=True)
TIME_ZONE = Rule(_time_zone, {"minLength": 1})
ABSOLUTE_PATH = Rule(_absolute_path, _ABSOLUTE)
SECRET_FILE = Rule(_absolute_path, _ABSOLUTE, secret=True)
SOCKET_PATH = Rule(_socket_path, _ABSOLUTE | {"maxLength": _SOCKET_LIMIT_BYTES})
SIZE = Rule(_size_bytes, {"type": "string", "pattern": r"^[0-9]+(\.[0-9]{1,3})? ?([KMGTP]i?)?B$"})
RATE = Rule(_rate_bytes_s, {"type": "string", "pattern": r"^[0-9]+(\.[0-9]{1,3})? ?([KMGTP]i?)?B/s$"})
CURRENT = Rule(_current_ma, {"type": "string", "pattern": r"^[0-9]{1,6}(\.[0-9]{1,3})? ?(mA|A)$"})
ARCHIVE_URL = Rule(_archive_url, {"format": "uri", "pattern": "^https?://.*/$"}, secret=True)
PUBLIC_KEY = Rule(_public_key, {"pattern": "^ed25519:[A-Za-z0-9+/]{43}=$"}, secret=True)
HANDOVER = _matching(r"[A-Za-z0-9+/]{64,8192}={0,2}", "not a handover, expected what dockd vault rotate printed")
FOLDER = Rule(_folder, _RELATIVE)
RELATIVE_PATH = Rule(_relative_path, _RELATIVE)
NAME_PATTERN = Rule(_name_pattern, {"pattern": "^[^/]+$"})
PATH_PATTERN = Rule(_path_pattern, _RELATIVE)
EXPRESSION = Rule(_expression, {"type": "string", "maxLength": _EXPRESSION_LIMIT})
