"""Ports for servers that are told theirs before they run, or that come back to the one that they had."""

import itertools
import os
import secrets
import socket
from pathlib import Path

_FIRST = 16_000
_SPARED = 1_000
"""More than one process of pytest ever asks for."""


def _range_of_this_process() -> range:
    """Below what the kernel gives to whoever asks for any port, and apart from the other processes of this run."""
    given = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text("ascii").split()[0])
    which = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    share = (given - _FIRST) // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if share <= 2 * _SPARED:
        return range(1)  # the kernel gives nearly all of them: then it chooses
    first = _FIRST + which * share
    return range(first + secrets.randbelow(share - _SPARED), first + share)


_NEXT = itertools.cycle(_range_of_this_process())


def free_port() -> int:
    """A port of the loopback interface that nobody has now, and that nobody is given until its server takes it."""
    for port in _NEXT:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            taken: int = probe.getsockname()[1]
            return taken
    raise AssertionError
