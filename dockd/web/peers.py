"""Who is at the other end of a connection, and what they may.

The kernel says who: it notes the user of a Unix socket's other end when the connection is made (SO_PEERCRED, unix(7)), and
nothing that is sent can change it. The system's lists of users and groups say what they may, at each request, so that whoever
is taken out of a group is out of it at once:

    root, and the admins' group    look and act
    the other group                look
    the daemon's own user          look
    everybody else                 nothing
"""

import grp
import os
import pwd
import socket
import struct
from dataclasses import dataclass
from enum import StrEnum

_CREDENTIALS = struct.Struct("3i")


class Right(StrEnum):
    """What a request needs."""

    LOOK = "look"
    ACT = "act"


@dataclass(frozen=True, slots=True)
class Groups:
    """The names of the groups that may look, and act, as the site file has them."""

    look: str = "dockd"
    act: str = "dockd-admin"


@dataclass(frozen=True, slots=True)
class Peer:
    """The user at the other end.

    Attributes:
        uid: as the kernel says.
        name: in the system's list of users, empty if it knows none.
        rights: what they may.
    """

    uid: int
    name: str
    rights: frozenset[Right]

    def __str__(self) -> str:
        """As it stands in the custody log: names are given to other people in time, numbers say which system's list to ask."""
        return f"{self.name} (uid {self.uid})" if self.name else f"uid {self.uid}"


def uid_of(line: socket.socket) -> int:
    """The user at the other end of a Unix socket."""
    _, uid, _ = _CREDENTIALS.unpack(line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return int(uid)


def peer(uid: int, groups: Groups, *, daemon_uid: int) -> Peer:
    """Who `uid` is and what they may. Blocks: lists of users may be on a network."""
    try:
        user = pwd.getpwuid(uid)
    except KeyError:
        name, memberships = "", set[str]()
    else:
        name, memberships = user.pw_name, _groups_of(user)
    if uid == 0 or groups.act in memberships:
        return Peer(uid, name, frozenset(Right))
    if uid == daemon_uid or groups.look in memberships:
        return Peer(uid, name, frozenset({Right.LOOK}))
    return Peer(uid, name, frozenset())


def _groups_of(user: pwd.struct_passwd) -> set[str]:
    """The names of every group that a user is in, their own and the others."""
    names = set()
    for gid in os.getgrouplist(user.pw_name, user.pw_gid):
        try:
            names.add(grp.getgrgid(gid).gr_name)
        except KeyError:
            continue  # a group that was deleted has no rights here
    return names
