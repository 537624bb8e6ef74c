"""Connections whose kernel says when the other end is gone: what nobody has acknowledged for so long was not delivered.

Without that, a last piece that fits into the kernel's buffers, or a question whose answer is being waited for, is given as much
time as an archive may need to read what it stored, although there is no way to it any more.
"""

import socket
from collections.abc import Callable
from typing import Any

_STALLS = 2
"""An archive whose disk is slow takes nothing for a while; that is no silence, but the kernel cannot tell it from one."""


def lost_after_s(stall_s: float) -> float:
    """How long nothing may be acknowledged."""
    return _STALLS * stall_s


def attentive(stall_s: float) -> Callable[[tuple[Any, ...]], socket.socket]:
    """Makes the sockets of connections to an archive, for aiohttp; see tcp(7)."""
    probe_s = max(1, int(stall_s / 2))

    def made(address: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, *_ = address
        opened = socket.socket(family, kind, protocol)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, probe_s)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, probe_s)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(lost_after_s(stall_s) * 1000))
        return opened

    return made
