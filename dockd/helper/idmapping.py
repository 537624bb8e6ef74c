"""Hands a mounted file system over to one user, whose files those of the camera's own user then are; nothing on it changes.

ext4 knows owners, and cameras write as their own root, often with mode 0600. The daemon has no capability to read that. An
idmapped mount (mount_setattr(2)) shows one owner of the disk as one of this machine's users; every other owner is nobody's, and
what only such a one may read is named as unreadable and waits for a person. docs/adr/0008.
"""

import ctypes
import os
import struct
from pathlib import Path

from dockd.errors import CameraUnknownError
from dockd.logs import logger

_log = logger(__name__)

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long

_OPEN_TREE, _MOVE_MOUNT, _MOUNT_SETATTR = 428, 429, 442  # the same number on every architecture that Linux got since 2019
_CLONE_NEWUSER = 0x10000000
_OPEN_TREE_CLONE, _MOVE_MOUNT_F_EMPTY_PATH = 1, 4  # linux/mount.h
_MOUNT_ATTR_IDMAP = 0x00100000
_AT_FDCWD, _AT_EMPTY_PATH = -100, 0x1000


def handed_over(where: Path, owner: int, uid: int) -> int:
    """A descriptor of what is mounted on `where`, unmounted, in which the files of `owner` are those of `uid`.

    Args:
        where: on which a file system that knows owners is mounted; it stays as it is.
        owner: user and group on the disk.
        uid: of this machine, neither root nor anybody else who may read everything.

    Raises:
        OSError: the kernel refuses; the error names the step.
    """
    tree = _called("open_tree", _OPEN_TREE, _AT_FDCWD, os.fsencode(where), _OPEN_TREE_CLONE | os.O_CLOEXEC)
    try:
        users = _namespace(owner, uid)
        try:
            attributes = struct.pack("=QQQQ", _MOUNT_ATTR_IDMAP, 0, 0, users)
            _called("mount_setattr", _MOUNT_SETATTR, tree, b"", _AT_EMPTY_PATH, attributes, len(attributes))
        finally:
            os.close(users)
    except BaseException:
        os.close(tree)
        raise
    return tree


def exchange(where: Path, tree: int) -> None:
    """Unmount what is mounted on `where`, and mount `tree` there; closes `tree`.

    Raises:
        OSError: the kernel refuses; the error names the step.
    """
    path = os.fsencode(where)
    try:
        if _libc.umount2(path, 0):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), "umount2")
        _called("move_mount", _MOVE_MOUNT, tree, b"", _AT_FDCWD, path, _MOVE_MOUNT_F_EMPTY_PATH)
    finally:
        os.close(tree)


def hand_over(where: Path, filesystem: str, owner: int, uid: int) -> None:
    """Let `uid` read what only the camera's own user may; root may anyhow, and all but ext4 belongs to the client as mounted.

    What is mounted on `where` is exchanged for the same in which the files of `owner` are those of `uid`, if the kernel can. If
    it cannot, what is mounted stays: all that everybody may read is read, and what only the owner may is named as unreadable.

    Raises:
        CameraUnknownError: nothing may be mounted there any more.
    """
    if filesystem != "ext4" or uid == 0:
        return
    try:
        tree = handed_over(where, owner, uid)
    except OSError as exc:
        _log.warning("files that only the camera's own user may read stay shut", why=str(exc), owner=owner, uid=uid)
        return
    try:
        exchange(where, tree)
    except OSError as exc:
        msg = f"the camera's files cannot be handed to the daemon: {exc.strerror}"
        raise CameraUnknownError(msg, hint="Admins: this takes Linux 6.1 or newer, as Debian 12 and 13 have it.") from exc


def _namespace(owner: int, uid: int) -> int:
    """A descriptor of a user namespace that says only this; no process lives in it."""
    begun, begin = os.pipe()
    done, finish = os.pipe()
    child = os.fork()
    if child == 0:
        _stand_still(begin, done, finish)
    os.close(begin)
    os.close(done)
    try:
        if os.read(begun, 1) != b"!":
            raise OSError(1, "Operation not permitted", "unshare")
        for kind in ("uid_map", "gid_map"):
            Path(f"/proc/{child}/{kind}").write_text(f"{owner} {uid} 1", "ascii")
        return os.open(f"/proc/{child}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(finish)
        os.close(begun)
        os.waitpid(child, 0)


def _stand_still(begin: int, done: int, finish: int) -> None:
    """The namespace's only process, for as long as it takes to write down who is who there."""
    os.close(finish)
    if _libc.unshare(_CLONE_NEWUSER) == 0:
        os.write(begin, b"!")
        os.read(done, 1)
    os._exit(0)


def _called(name: str, number: int, *arguments: object) -> int:
    result = int(_libc.syscall(ctypes.c_long(number), *arguments))
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), name)
    return result
