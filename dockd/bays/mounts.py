"""Hears from the kernel that something was mounted or unmounted, which inotify does not tell."""

import asyncio
import os
import select
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def mount_changes(changed: Callable[[], None]) -> Iterator[None]:
    """Call `changed` on the running loop after each change of this process's mount table.

    The table is always readable and a change is signalled as an exceptional condition (proc(5)), for which event loops
    have no ear; an epoll of its own, which becomes readable when it fires, translates.
    """
    loop = asyncio.get_running_loop()
    table = os.open("/proc/self/mountinfo", os.O_RDONLY | os.O_CLOEXEC)
    try:
        with select.epoll() as ear:
            ear.register(table, select.EPOLLPRI | select.EPOLLERR)

            def heard() -> None:
                ear.poll(0)
                changed()

            loop.add_reader(ear.fileno(), heard)
            try:
                yield
            finally:
                loop.remove_reader(ear.fileno())
    finally:
        os.close(table)
