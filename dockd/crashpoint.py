"""Named instants at which a test can cut the power.

`DOCKD_CRASH_AT=spool.renamed:3` kills the whole process group, with SIGKILL, the third time that this process passes the
point; a worker, which has a session of its own, takes the daemon's group along. It is inert unless that variable was set when
the process started. Every durable step of the offload, the journal, the vault and the clearance has a point before and after
it; tests/crash walks them all.
"""

import os
import signal

_VARIABLE = "DOCKD_CRASH_AT"


class _Trap:
    """The one armed point of this process, if any."""

    def __init__(self, setting: str) -> None:
        self.name, _, count = setting.partition(":")
        self.passes_left = int(count or "1")
        self.group = os.getpgrp()  # of the daemon: its workers are forked with it


_trap = _Trap(os.environ.get(_VARIABLE, ""))


def passing(name: str) -> None:
    """Die here if this is the armed point and its pass has come."""
    if name != _trap.name:
        return
    _trap.passes_left -= 1
    if _trap.passes_left == 0:
        os.killpg(_trap.group, signal.SIGKILL)
        os.killpg(os.getpgrp(), signal.SIGKILL)
