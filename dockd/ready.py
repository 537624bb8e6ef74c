"""Tells the service manager, if there is one, how this process is doing (sd_notify(3)), and that it is still alive."""

import contextlib
import os
import socket

from dockd.clock import Clock


def notify(state: str) -> None:
    """Send `state`, for example READY=1; a manager that is not there or does not listen changes nothing here."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel, contextlib.suppress(OSError):
        channel.sendto(state.encode(), "\0" + address[1:] if address.startswith("@") else address)


ALIVE = "WATCHDOG=1"


def beats_every_s() -> float | None:
    """Twice in each interval of the manager's watchdog; None if it does not watch this process."""
    interval_us = os.environ.get("WATCHDOG_USEC", "")
    if not interval_us.isdecimal() or os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    return int(interval_us) / 1_000_000 / 2


async def heartbeat(clock: Clock) -> None:
    """Tell the manager's watchdog that the event loop still turns; at once done without one.

    It is the loop that beats, so one that some call blocks is found out, and the process is started anew. A bay that hangs does
    not stop the loop: each has a process of its own.
    """
    every_s = beats_every_s()
    while every_s is not None:
        notify(ALIVE)
        await clock.sleep(every_s)
