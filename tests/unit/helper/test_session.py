"""The daemon as it is, and as an attacker who has become it, at the helper's socket; with real loop devices and mounts."""

import asyncio
import hashlib
import os
import socket
import struct
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from dockd.core.usb import Volume
from dockd.errors import CameraGoneError, CameraUnknownError, ConfigError, WorkerError
from dockd.helper import client, wire
from dockd.helper.permitted import Permitted
from tests.sim.bay_sysfs import BAY, add_partition, diskseq, loop_device
from tests.sim.helper_here import HelperHere, camera_image
from tests.sim.usb_devices import BULK, KEYBOARD, descriptors

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[HelperHere]:
    """A helper that is started by the test."""
    made = HelperHere(tmp_path)
    yield made
    made.stop()


@pytest.fixture
def running(rig: HelperHere) -> HelperHere:
    """A helper that runs."""
    rig.start()
    return rig


def digest(path: Path) -> str:
    """Of an image, past nothing: what its file holds."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def names(root: int) -> list[str]:
    """What a root folder holds."""
    return sorted(name for name in os.listdir(root) if name != "lost+found")


def mounts() -> str:
    """What this process sees mounted."""
    return Path("/proc/self/mountinfo").read_text()


@pytest.mark.parametrize("dirty", [False, True])
def test_a_camera_is_read_and_not_a_bit_of_it_changes(running: HelperHere, *, dirty: bool) -> None:
    """Read-only root, invisible to others, journal not replayed; the image afterwards is the image before, the disk shut."""
    image = camera_image(running.folder / "card", dirty=dirty)
    before = digest(image)
    with loop_device(image) as node:
        running.port.disk(running.port.plug(BULK), node)
        seen = mounts()
        with running.session() as session:
            root = session.open(BAY, Volume(diskseq(node), 0))
            assert names(root) == ["DCIM"]
            recording = os.open("DCIM/A.MP4", os.O_RDONLY, dir_fd=root)
            assert os.read(recording, 1 << 20) == b"footage" * 1000
            os.close(recording)
            with pytest.raises(OSError, match="Read-only file system"):
                os.open("new", os.O_WRONLY | os.O_CREAT, dir_fd=root)
            assert mounts() == seen
            with pytest.raises(CameraUnknownError, match="still in use"):
                session.release()
            os.close(root)
            session.release()
        assert Path("/sys/class/block", node.name, "ro").read_text().strip() == "1"
        with pytest.raises(OSError, match=r"Read-only|not permitted"):
            os.write(os.open(node, os.O_WRONLY), b"x")
    assert digest(image) == before


_DAEMON = 54_321
"""A user who is not root, as the daemon's is not."""


def test_what_only_the_cameras_root_may_read_is_read(rig: HelperHere) -> None:
    """By a client without any capability; what belongs to somebody else on the camera stays shut, and the image is the same."""
    tree = rig.folder / "tree"
    (tree / "DCIM").mkdir(parents=True, mode=0o700)
    for name, owner in (("A.MP4", 0), ("B.MP4", 1000)):
        (tree / "DCIM" / name).write_bytes(name.encode())
        (tree / "DCIM" / name).chmod(0o600)
        os.chown(tree / "DCIM" / name, owner, owner)
    image = rig.folder / "card"
    subprocess.run(["mkfs.ext4", "-q", "-d", tree, image, "16M"], check=True)
    before = digest(image)
    rig.start(users=(_DAEMON,))
    with loop_device(image) as node:
        rig.port.disk(rig.port.plug(BULK), node)
        assert _read_as_daemon(rig, Volume(diskseq(node), 0)) == "A.MP4 54321 Permission denied"
    assert digest(image) == before


def _read_as_daemon(rig: HelperHere, volume: Volume) -> str:
    """What a process of the daemon's user gets of A.MP4, whose it is, and what it is told of B.MP4."""
    rig.folder.chmod(0o755)
    Path(rig.path).chmod(0o777)
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.chdir(rig.folder)  # the folders above are root's alone
            os.setgroups([])
            os.setresgid(_DAEMON, _DAEMON, _DAEMON)
            os.setresuid(_DAEMON, _DAEMON, _DAEMON)
            root = client.Session.connect(Path(rig.path).name).open(BAY, volume)
            content = os.read(os.open("DCIM/A.MP4", os.O_RDONLY, dir_fd=root), 100).decode()
            owner = os.stat("DCIM/A.MP4", dir_fd=root).st_uid
            try:
                os.open("DCIM/B.MP4", os.O_RDONLY, dir_fd=root)
                refused = "was opened"
            except OSError as exc:
                refused = exc.strerror or ""
            os.write(theirs, f"{content} {owner} {refused}".encode())
        except BaseException as exc:  # noqa: BLE001 - told to the test
            os.write(theirs, repr(exc).encode())
        finally:
            os._exit(0)
    os.close(theirs)
    with os.fdopen(ours) as told:
        said = told.read()
    os.waitpid(pid, 0)
    return said


def test_a_kernel_that_refuses_an_idmapped_mount_leaves_what_everybody_may_read(
    rig: HelperHere, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The camera is read as far as it can be; what only its own root may read is named by the scan."""

    def refused(where: Path, owner: int, uid: int) -> int:
        raise OSError(1, "Operation not permitted", "mount_setattr")

    monkeypatch.setattr("dockd.helper.idmapping.handed_over", refused)
    rig.start(users=(_DAEMON,))
    with loop_device(camera_image(rig.folder / "card")) as node:
        rig.port.disk(rig.port.plug(BULK), node)
        said = _read_as_daemon(rig, Volume(diskseq(node), 0))
        assert said == f"{('footage' * 1000)[:100]} 0 No such file or directory"
        _await_free(node)


def test_a_kernel_that_cannot_hand_over_is_named(rig: HelperHere, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing stays mounted, and the words say what it takes."""

    def refused(where: Path, tree: int) -> None:
        os.close(tree)
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr("dockd.helper.idmapping.handed_over", lambda *_: os.open("/", os.O_PATH))
    monkeypatch.setattr("dockd.helper.idmapping.exchange", refused)
    rig.start(users=(_DAEMON,))
    with loop_device(camera_image(rig.folder / "card")) as node:
        rig.port.disk(rig.port.plug(BULK), node)
        assert "cannot be handed to the daemon: Invalid argument" in _read_as_daemon(rig, Volume(diskseq(node), 0))
        _await_free(node)


def test_a_partition_is_mounted_and_its_disk_shut(running: HelperHere) -> None:
    """The whole disk and every partition of it are write-blocked, also those that nobody asked for."""
    image = running.folder / "card"
    with image.open("wb") as file:
        file.truncate(40 << 20)
    part = camera_image(running.folder / "part").read_bytes()
    with image.open("r+b") as file:
        file.seek(1 << 20)
        file.write(part)
    with loop_device(image) as node:
        for number, begin in ((1, 2048), (2, 2048 + 32768)):
            add_partition(node, number, begin * 512, 32768 * 512)
        running.port.disk(running.port.plug(BULK), node, [1, 2])
        with running.session() as session:
            root = session.open(BAY, Volume(diskseq(node), 1))
            assert names(root) == ["DCIM"]
            os.close(root)
        for name in ("", "p1", "p2"):
            with pytest.raises(OSError, match=r"Read-only|not permitted"):
                os.write(os.open(f"{node}{name}", os.O_WRONLY), b"x")
        with running.session() as session, pytest.raises(CameraUnknownError, match="has no partition 3"):
            session.open(BAY, Volume(diskseq(node), 3))


def test_nothing_stays_mounted_when_the_worker_dies(running: HelperHere) -> None:
    """The connection's end is the session's; the disk can be used exclusively again at once."""
    with loop_device(camera_image(running.folder / "card")) as node:
        running.port.disk(running.port.plug(BULK), node)
        for _ in range(3):
            session = client.Session.connect(running.path)
            root = session.open(BAY, Volume(diskseq(node), 0))
            session.close()
            os.close(root)
            _await_free(node)


def _await_free(node: Path) -> None:
    """Until nobody holds the disk; the kernel says so by letting it be opened exclusively, and by nothing else."""
    ended = threading.Event()
    for _ in range(1000):
        try:
            os.close(os.open(node, os.O_RDONLY | os.O_EXCL))
        except OSError:
            ended.wait(0.01)
        else:
            return
    pytest.fail("still mounted after 10 s")


def test_the_system_disk_is_out_of_reach(running: HelperHere) -> None:
    """Its number names no disk in a bay, whatever bay is named with it; nor does that of another bay's disk."""
    with (
        loop_device(camera_image(running.folder / "system")) as system,
        loop_device(camera_image(running.folder / "card")) as node,
    ):
        running.port.disk(running.port.hub.parents[1], system)
        running.port.disk(running.port.plug(BULK), node)
        other = running.port.plug(BULK, name="1-1.3")
        for bay in (BAY, "4"):
            with running.session() as session, pytest.raises(CameraGoneError, match="is not in this bay"):
                session.open(bay, Volume(diskseq(system), 0))
        with running.session() as session, pytest.raises(CameraGoneError, match="is not in this bay"):
            session.open("4", Volume(diskseq(node), 0))
        assert other.exists()
        assert Path("/sys/class/block", system.name, "ro").read_text().strip() == "0"


def test_another_disk_under_the_same_name_is_not_opened(running: HelperHere) -> None:
    """Sysfs and device file must agree, and the disk itself must say that it has the number that was asked for."""
    with loop_device(camera_image(running.folder / "card")) as node, loop_device(camera_image(running.folder / "other")) as other:
        path = running.port.disk(running.port.plug(BULK), node)
        number = other.stat().st_rdev
        (path / "dev").write_text(f"{os.major(number)}:{os.minor(number)}")
        with running.session() as session:
            for each in (node, other):
                with pytest.raises(CameraGoneError):
                    session.open(BAY, Volume(diskseq(each), 0))


def test_a_disk_that_somebody_uses_is_left_alone(running: HelperHere) -> None:
    """A camera that a desktop mounted first is shown to a person."""
    mount = running.folder / "desktop"
    mount.mkdir()
    with loop_device(camera_image(running.folder / "card")) as node:
        running.port.disk(running.port.plug(BULK), node)
        subprocess.run(["mount", "-o", "ro", node, mount], check=True)
        try:
            with running.session() as session, pytest.raises(CameraUnknownError, match="another program"):
                session.open(BAY, Volume(diskseq(node), 0))
        finally:
            subprocess.run(["umount", mount], check=True)


def test_a_disk_without_the_profiles_file_system_is_not_guessed_at(running: HelperHere) -> None:
    """Garbage is garbage, and stays what it was."""
    image = running.folder / "card"
    image.write_bytes(os.urandom(1 << 20))
    before = digest(image)
    with loop_device(image) as node:
        running.port.disk(running.port.plug(BULK), node)
        with running.session() as session, pytest.raises(CameraUnknownError, match="no sound ext4 file system"):
            session.open(BAY, Volume(diskseq(node), 0))
    assert digest(image) == before


def test_a_keyboard_with_a_disk_is_never_mounted(running: HelperHere) -> None:
    """Opening judges afresh: who skips authorising gains nothing."""
    with loop_device(camera_image(running.folder / "card")) as node:
        running.port.disk(running.port.plug(raw=descriptors(BULK, KEYBOARD)), node)
        with running.session() as session, pytest.raises(CameraUnknownError, match="a disk that is also a keyboard"):
            session.open(BAY, Volume(diskseq(node), 0))


def test_a_session_is_for_one_bay_and_one_volume(running: HelperHere) -> None:
    """Neither another bay nor a second volume in one conversation."""
    with loop_device(camera_image(running.folder / "card")) as node:
        running.port.disk(running.port.plug(BULK), node)
        with running.session() as session:
            root = session.open(BAY, Volume(diskseq(node), 0))
            with pytest.raises(CameraUnknownError, match="is for bay 3"):
                session.open("4", Volume(diskseq(node), 0))
            with pytest.raises(CameraUnknownError, match="open in this session already"):
                session.open(BAY, Volume(diskseq(node), 0))
            os.close(root)


@pytest.mark.parametrize(
    "content",
    [
        struct.pack("!I", 0),
        struct.pack("!I", 0xFFFFFFFF) + b"x" * 65536,
        struct.pack("!I", wire.FRAME_LIMIT_BYTES + 1),
        struct.pack("!I", 100) + b"short",
        b"\x00",
        struct.pack("!I", 4) + b"\xff\xff\xff\xff",
        struct.pack("!I", 5) + b"\xa5Hello",
        os.urandom(512),
    ],
)
def test_what_is_no_request_ends_the_session(running: HelperHere, content: bytes) -> None:
    """Huge, empty, cut off or nonsense: no answer, and the next client is served."""
    assert running.say(content) == b""
    with running.session() as session:
        session.release()


@pytest.mark.parametrize("request_", [wire.Open("../../../etc", 1, 0), wire.Authorise("/sys/bus/usb"), wire.Open("", 1, 0)])
def test_a_path_in_a_request_is_no_path(running: HelperHere, request_: wire.AnyRequest) -> None:
    """Names are looked up among the bays of the site file and refused."""
    answer = running.say(wire.frame(request_))
    if answer:
        assert isinstance(wire.reply(answer[4:]), wire.Refused)


def test_another_user_is_not_served(rig: HelperHere) -> None:
    """Whoever is neither root nor the daemon's user meets a closed door."""
    rig.start(users=(12345,))
    assert rig.say(wire.frame(wire.Hello())) == b""
    with rig.session() as session, pytest.raises(WorkerError, match="cannot be asked"):
        session.release()


def test_a_broken_site_file_permits_nothing(rig: HelperHere) -> None:
    """The words say which file and why; no earlier content stays in force."""

    def broken() -> Permitted:
        msg = "wrong"
        raise ConfigError(msg, file="/etc/dockd/site.yaml", line=1, column=1)

    rig.start(permitted=broken)
    with rig.session() as session, pytest.raises(WorkerError, match=r"site\.yaml:1:1: wrong"):
        session.open(BAY, Volume(1, 0))


async def test_the_daemon_asks_for_bays_and_authority(running: HelperHere) -> None:
    """Both questions of the event loop's side, and a refusal that keeps its class and words."""
    assert await client.bays(running.path) == ("3", "4")
    running.port.plug(BULK)
    assert await client.authorise(running.path, BAY) == "cam"
    with pytest.raises(CameraGoneError, match="bay 4 is empty"):
        await client.authorise(running.path, "4")
    with pytest.raises(WorkerError, match="cannot be asked"):
        await client.bays(running.path + "x")


def test_the_manager_hears_that_the_helper_lives(rig: HelperHere, monkeypatch: pytest.MonkeyPatch) -> None:
    """It beats while nobody asks for anything, and while somebody's session is open; whoever comes is served all the same."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(rig.folder / "notify"))
        manager.settimeout(60)
        monkeypatch.setenv("NOTIFY_SOCKET", manager.getsockname())
        monkeypatch.setenv("WATCHDOG_USEC", "100000")
        monkeypatch.delenv("WATCHDOG_PID", raising=False)
        rig.start()
        assert {manager.recv(100) for _ in range(3)} == {b"WATCHDOG=1"}
        with rig.session():
            assert {manager.recv(100) for _ in range(3)} == {b"WATCHDOG=1"}
            assert BAY in asyncio.run(client.bays(rig.path))
