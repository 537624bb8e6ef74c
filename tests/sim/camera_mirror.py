"""The process behind `camera_fs.CameraFs`: FUSE operations over a folder, and the knobs that break them."""

# ruff: noqa: PTH101, PTH102, PTH104, PTH106, PTH108, PTH115 - names are bytes, which pathlib does not take
import argparse
import contextlib
import errno
import json
import os
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

_ACCESSES_AT_ONCE = 32
_WAIT_S = 25.0
_OPEN_FLAGS_DROPPED = os.O_DIRECT | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_APPEND
_STAT_FIELDS = (
    ("st_mode", "st_mode"), ("st_ino", "st_ino"), ("st_nlink", "st_nlink"), ("st_uid", "st_uid"), ("st_gid", "st_gid"),
    ("st_size", "st_size"), ("st_rdev", "st_rdev"), ("st_blocks", "st_blocks"), ("st_blksize", "st_blksize"),
    ("st_atime", "st_atime_ns"), ("st_mtime", "st_mtime_ns"), ("st_ctime", "st_ctime_ns"),
)  # fmt: skip


@dataclass(slots=True)
class _Stall:
    kind: str
    path: bytes
    byte: int

    def holds(self, kind: str, path: bytes, end: int) -> bool:
        return self.kind == kind and self.path in {b"*", path} and end > self.byte


@dataclass(slots=True)
class _Flip:
    path: bytes
    byte: int
    count: int
    bit: int


@dataclass(slots=True)
class _Knobs:
    """What is broken at the moment; guarded by the server's one condition."""

    pulled: int = 0
    pull_error: int = errno.EIO
    pull_path: bytes | None = None
    pull_byte: int = 0
    stalls: list[_Stall] = field(default_factory=list)
    flips: list[_Flip] = field(default_factory=list)
    bad: dict[bytes, int] = field(default_factory=dict)
    growing: dict[bytes, int] = field(default_factory=dict)
    full: bool = False
    refused: dict[bytes, int] = field(default_factory=dict)
    lying: set[bytes] = field(default_factory=set)


class _Line:
    """A token bucket: reads leave no faster than the line, and a late reader may catch up `burst_bytes`."""

    def __init__(self, rate_bytes_s: int, burst_bytes: int) -> None:
        self._lock = threading.Lock()
        self._free_at_s = 0.0
        self.rate_bytes_s, self.burst_bytes = rate_bytes_s, burst_bytes

    def carry(self, size_bytes: int) -> None:
        if not self.rate_bytes_s:
            return
        with self._lock:
            now_s = time.monotonic()
            self._free_at_s = max(self._free_at_s, now_s - self.burst_bytes / self.rate_bytes_s) + size_bytes / self.rate_bytes_s
            wait_s = self._free_at_s - now_s
        if wait_s > 0:
            time.sleep(wait_s)


class _Mirror:
    """The FUSE operations; names are handled as bytes, handles are descriptors of the backing files."""

    use_ns = True

    def __init__(self, backing: bytes, ready_fd: int, line: _Line) -> None:
        self._backing, self._ready_fd, self._line = backing, ready_fd, line
        self._names: dict[int, bytes] = {}
        self._changed = threading.Condition()
        self._knobs = _Knobs()
        self._standing = 0
        self._read_bytes: Counter[bytes] = Counter()
        self._armed_at_bytes = 0

    # The knobs, each called with the JSON object of one line.

    def turn(self, order: dict[str, Any]) -> int:
        """Do what one line of the control socket says; returns its answer."""
        path, byte, count = os.fsencode(order.get("path", "")), int(order.get("byte", 0)), int(order.get("count", 0))
        with self._changed:
            match order["knob"]:
                case "wait_stalled":
                    return self._until(lambda: self._standing >= count)
                case "wait_read":
                    return self._until(lambda: self._read_bytes[path] >= byte)
                case "bytes_read":
                    return self._read_bytes[path]
                case "rate":
                    self._line.rate_bytes_s, self._line.burst_bytes = byte, count
                case "restore":
                    self._knobs = _Knobs()
                case knob:
                    self._break(knob, path, byte, count, order)
            self._changed.notify_all()
        return 0

    def _break(self, knob: str, path: bytes, byte: int, count: int, order: dict[str, Any]) -> None:
        knobs, code = self._knobs, int(getattr(errno, order.get("error", "EIO")))
        match knob:
            case "pull":
                knobs.pulled = code
            case "pull_at":
                knobs.pull_path, knobs.pull_byte, knobs.pull_error = path, byte, code
                self._armed_at_bytes = self._read_bytes[b"*"]
            case "stall":
                knobs.stalls.append(_Stall(order["kind"], path, byte))
            case "release":
                knobs.stalls.clear()
            case "flip_bit":
                knobs.flips.append(_Flip(path, byte, count, order["bit"]))
            case "unreadable":
                knobs.bad[path] = byte
            case "grow":
                knobs.growing[path] = byte
            case "disk_full":
                knobs.full = bool(count)
            case "refuse_unlink":
                knobs.refused[path] = code
            case "unlink_lies":
                knobs.lying.add(path)
            case _:
                msg = f"no knob is called {knob}"
                raise ValueError(msg)

    def _until(self, come: Callable[[], bool]) -> int:
        if not self._changed.wait_for(come, _WAIT_S):
            msg = "it did not happen in time"
            raise TimeoutError(msg)
        return 0

    def _enter(self, kind: str, path: bytes, end: int = 1) -> None:
        """Every access comes through here: stall, then fail if the cable is out."""
        with self._changed:
            if any(stall.holds(kind, path, end) for stall in self._knobs.stalls):
                self._standing += 1
                self._changed.notify_all()
                self._changed.wait_for(lambda: not any(stall.holds(kind, path, end) for stall in self._knobs.stalls))
                self._standing -= 1
            if self._knobs.pulled:
                raise OSError(self._knobs.pulled, "pulled")

    def _room(self) -> None:
        if self._knobs.full:
            raise OSError(errno.ENOSPC, "full")

    def _at(self, path: str) -> bytes:
        return self._backing + os.fsencode(path)

    # The FUSE operations.

    def init(self, _: str) -> None:
        os.write(self._ready_fd, b"+")
        os.close(self._ready_fd)

    def getattr(self, path: str | None, fh: int | None = None) -> dict[str, int]:
        if fh is not None:
            self._enter("stat", self._names[fh])
            status = os.fstat(fh)
        else:
            assert path is not None
            self._enter("stat", os.fsencode(path[1:]))
            status = os.lstat(self._at(path))
        return {name: getattr(status, source) for name, source in _STAT_FIELDS}

    def readdir(self, path: str, _: int) -> Iterator[tuple[str, dict[str, int], int]]:
        self._enter("readdir", os.fsencode(path[1:]))
        folder = os.lstat(self._at(path))
        # An entry without an inode number is one that the C library leaves out.
        yield from ((dots, {"st_mode": folder.st_mode, "st_ino": folder.st_ino}, 0) for dots in (".", ".."))
        with os.scandir(self._at(path)) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                mode = entry.stat(follow_symlinks=False).st_mode
                yield os.fsdecode(entry.name), {"st_mode": mode, "st_ino": entry.inode()}, 0

    def readlink(self, path: str) -> str:
        self._enter("readlink", os.fsencode(path[1:]))
        return os.fsdecode(os.readlink(self._at(path)))

    def open(self, path: str, flags: int) -> int:
        name = os.fsencode(path[1:])
        self._enter("open", name)
        fd = os.open(self._at(path), flags & ~_OPEN_FLAGS_DROPPED)
        self._names[fd] = name
        return fd

    def create(self, path: str, mode: int, flags: int) -> int:
        name = os.fsencode(path[1:])
        self._enter("open", name)
        self._room()
        fd = os.open(self._at(path), flags & ~_OPEN_FLAGS_DROPPED | os.O_CREAT, mode)
        self._names[fd] = name
        return fd

    def read(self, _: str | None, size: int, offset: int, fh: int) -> bytes:
        path = self._names[fh]
        self._enter("read", path, offset + size)
        with self._changed:
            size = self._before_pull(path, size, offset)
            bad_from = self._knobs.bad.get(path)
            if bad_from is not None and offset + size > bad_from:
                raise OSError(errno.EIO, "bad sector")
        data = os.pread(fh, size, offset)
        self._line.carry(len(data))
        with self._changed:
            for flip in self._knobs.flips:
                if flip.path == path and flip.count and offset <= flip.byte < offset + len(data):
                    flip.count -= 1
                    at = flip.byte - offset
                    data = data[:at] + bytes([data[at] ^ 1 << flip.bit]) + data[at + 1 :]
            self._read_bytes.update({path: len(data), b"*": len(data)})
            growth = self._knobs.growing.get(path, 0)
            self._changed.notify_all()
        if growth:
            with open(self._backing + b"/" + path, "ab") as grown:  # noqa: PTH123 - a name of bytes
                grown.write(os.urandom(growth))
        return data

    def _before_pull(self, path: bytes, size: int, offset: int) -> int:
        """How much of the read comes before the cable is out; out it is if that is nothing."""
        knobs = self._knobs
        if knobs.pull_path not in {b"*", path}:
            return size
        start = self._read_bytes[b"*"] - self._armed_at_bytes if knobs.pull_path == b"*" else offset
        if start >= knobs.pull_byte:
            knobs.pulled = knobs.pull_error
            raise OSError(knobs.pulled, "pulled")
        return min(size, knobs.pull_byte - start)

    def write(self, _: str | None, data: bytes, offset: int, fh: int) -> int:
        self._enter("write", self._names[fh])
        self._room()
        return os.pwrite(fh, data, offset)

    def release(self, _: str | None, fh: int) -> int:
        del self._names[fh]
        os.close(fh)
        return 0

    def fsync(self, _: str | None, __: int, fh: int) -> int:
        self._enter("fsync", self._names[fh])
        return 0

    def fsyncdir(self, path: str, _: int, __: int) -> int:
        self._enter("fsync", os.fsencode(path[1:]))
        return 0

    def truncate(self, path: str | None, length: int, fh: int | None = None) -> int:
        if fh is not None:
            self._enter("write", self._names[fh])
            os.ftruncate(fh, length)
        else:
            assert path is not None
            self._enter("write", os.fsencode(path[1:]))
            os.truncate(self._at(path), length)
        return 0

    def unlink(self, path: str) -> int:
        name = os.fsencode(path[1:])
        self._enter("unlink", name)
        for wanted in (name, b"*"):
            if code := self._knobs.refused.get(wanted):
                raise OSError(code, "refused")
            if wanted in self._knobs.lying:
                return 0
        os.unlink(self._at(path))
        return 0

    def rmdir(self, path: str) -> int:
        self._enter("unlink", os.fsencode(path[1:]))
        os.rmdir(self._at(path))
        return 0

    def mkdir(self, path: str, mode: int) -> int:
        self._enter("mkdir", os.fsencode(path[1:]))
        self._room()
        os.mkdir(self._at(path), mode)
        return 0

    def rename(self, old: str, new: str) -> int:
        self._enter("rename", os.fsencode(old[1:]))
        os.rename(self._at(old), self._at(new))
        return 0

    def chmod(self, path: str, mode: int) -> int:
        self._enter("chmod", os.fsencode(path[1:]))
        os.chmod(self._at(path), mode)
        return 0

    def utimens(self, path: str, times: tuple[int, int] | None = None) -> int:
        self._enter("chmod", os.fsencode(path[1:]))
        os.utime(self._at(path), ns=times or (time.time_ns(), time.time_ns()))
        return 0

    def statfs(self, _: str) -> dict[str, int]:
        self._enter("statfs", b"")
        status = os.statvfs(self._backing)
        names = ("f_bsize", "f_frsize", "f_blocks", "f_bfree", "f_bavail", "f_files", "f_ffree", "f_namemax")
        answer = {name: getattr(status, name) for name in names}
        return {**answer, "f_bavail": 0, "f_bfree": 0} if self._knobs.full else answer


def _serve(listener: socket.socket, mirror: _Mirror) -> None:
    while True:
        line, _ = listener.accept()
        threading.Thread(target=_answer, args=(line, mirror), daemon=True).start()


def _answer(line: socket.socket, mirror: _Mirror) -> None:
    with line, line.makefile("rwb") as stream, contextlib.suppress(BrokenPipeError, ConnectionResetError):
        for order in stream:
            try:
                answer: dict[str, object] = {"answer": mirror.turn(json.loads(order))}
            except Exception as error:  # noqa: BLE001 - the caller gets its words
                answer = {"error": f"{type(error).__name__}: {error}"}
            stream.write(json.dumps(answer).encode() + b"\n")
            stream.flush()


def _end_with_stdin(mount: str) -> None:
    while os.read(0, 4096):
        pass
    subprocess.run(["fusermount3", "-uz", "-q", mount], check=False)
    os._exit(0)


def main() -> None:
    """Serve one mount until it is unmounted or standard input ends."""
    parser = argparse.ArgumentParser(prog="tests.sim.camera_fs", description="Mirror BACKING at MOUNT.")
    parser.add_argument("backing", type=os.path.realpath)
    parser.add_argument("mount")
    parser.add_argument("--control", required=True)
    parser.add_argument("--ready-fd", type=int, default=1)
    parser.add_argument("--rate-bytes-s", type=int, default=0)
    parser.add_argument("--burst-bytes", type=int, default=256 << 10)
    options = parser.parse_args()
    os.environ.setdefault("FUSE_LIBRARY_NAME", "fuse3")
    import mfusepy  # noqa: PLC0415 - it picks its library when it is loaded

    os.umask(0)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(options.control)
    listener.listen()
    mirror = _Mirror(os.fsencode(options.backing), options.ready_fd, _Line(options.rate_bytes_s, options.burst_bytes))
    threading.Thread(target=_serve, args=(listener, mirror), daemon=True).start()
    threading.Thread(target=_end_with_stdin, args=(options.mount,), daemon=True).start()
    mfusepy.FUSE(
        mirror, options.mount, foreground=True, fsname="camera", max_threads=_ACCESSES_AT_ONCE, direct_io=True, use_ino=True,
        hard_remove=True, attr_timeout=0, entry_timeout=0, negative_timeout=0, ac_attr_timeout=0,
    )  # fmt: skip
