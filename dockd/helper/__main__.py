"""`python -m dockd.helper`: the helper as systemd starts it, with its listening socket as descriptor 3."""

import os
import pwd
import socket
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

from dockd.errors import ConfigError
from dockd.helper import guard, port_power, udev_rules
from dockd.helper.permitted import SITE_FILE, Current
from dockd.helper.server import Server
from dockd.helper.session import POWER_NOTES
from dockd.helper.sysfs import Sysfs
from dockd.logs import logger, speak
from dockd.ready import notify

_FIRST_DESCRIPTOR = 3  # sd_listen_fds(3)
_USER = "dockd"
_MOUNT_POINT = Path("/run/dockd-helper/camera")
_NOTES = _MOUNT_POINT.parent / POWER_NOTES

_log = logger(__name__)


def main() -> NoReturn:
    """Serve until the service manager says otherwise."""
    speak()
    if os.environ.get("LISTEN_PID") != str(os.getpid()) or os.environ.get("LISTEN_FDS") != "1":
        sys.stderr.write("dockd-helper is started by its socket: systemctl start dockd-helper.socket\n")
        sys.exit(2)
    os.set_inheritable(_FIRST_DESCRIPTOR, False)  # noqa: FBT003 - the standard library's signature
    listener = socket.socket(fileno=_FIRST_DESCRIPTOR)
    _MOUNT_POINT.mkdir(mode=0o700, parents=True, exist_ok=True)
    permitted, sysfs = Current(SITE_FILE), Sysfs()
    port_power.restore(sysfs, _NOTES)
    try:
        udev_rules.install(permitted().ports)
        guard.sweep(sysfs, permitted())
    except ConfigError as exc:
        # Asked for a bay it says so again; one that did not start would say nothing to anybody.
        _log.error("no bay is guarded", why=exc.message, hint=exc.hint)
    except (OSError, subprocess.SubprocessError) as exc:
        _log.error("udev does not guard the bays", why=str(exc))
    notify("READY=1")
    Server(listener, _users(), permitted, sysfs, _MOUNT_POINT).serve()


def _users() -> set[int]:
    """Root, and the daemon's user where there is one."""
    try:
        return {0, pwd.getpwnam(_USER).pw_uid}
    except KeyError:
        return {0}


if __name__ == "__main__":
    main()
