"""The demo as anybody calls it, and the comparison that ends it, on stores that were tampered with."""

import contextlib
import json
import os
import pty
import select
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from dockd.demo import cameras
from dockd.demo.folder import WorkFolder
from tests.sim.cameras import ODD_NAMES, deterministic_bytes, make_camera

DEADLINE_S = 280.0
"""A slow machine takes several minutes for half a gigabyte, and a test may take five."""
COMMAND = [sys.executable, "-c", "from dockd.cli import main; main()", "demo"]
needs_programs = pytest.mark.skipif(
    any(shutil.which(name) is None for name in ("b3sum", "sha256sum")), reason="b3sum or sha256sum is not installed"
)
pytestmark = needs_programs


def demo(directory: Path, *arguments: str | Path, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """`dockd demo` run to its end, without a terminal."""
    return subprocess.run(
        [*COMMAND, "--directory", directory, *arguments],
        env=os.environ | (environment or {}),
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )


def folder_of_odd_files(root: Path) -> dict[bytes, bytes]:
    """Every name that is legal on Linux and awkward anywhere else, and one file that takes a while; content by path."""
    folders = (b"", b"new\nfolder/", b"\xff\xfe/")
    content = {folder + name: deterministic_bytes(f"{folder!r}{name!r}", 900) for folder in folders for name in ODD_NAMES}
    content |= {b"zero": b"", b"equal": b"same", b"equal again": b"same", b"carriage\rreturn": b"cr", b"back\\slash": b"\\"}
    content[b"long"] = deterministic_bytes("long", 12_000_000)
    for path, data in content.items():
        place = root / os.fsdecode(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
    return content


def content_of(root: Path) -> dict[bytes, bytes]:
    """Everything below a folder, by path."""
    plain = (path for path in root.rglob("*") if path.is_file() and not path.is_symlink())
    return {os.fsencode(path.relative_to(root)): path.read_bytes() for path in plain}


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The work folder of a demo that was played with two folders: a camera with a file nobody knows, and any folder."""
    place = tmp_path_factory.mktemp("played")
    folder_of_odd_files(place / "folder")
    make_camera(place / "camera", "CAM-7", recordings=2, size_bytes=40_000)
    (place / "camera" / "DCIM" / ".DS_Store").write_bytes(b"junk")
    (place / "camera" / "notes.txt").write_text("who knows")
    result = demo(place / "work", "--camera", place / "folder", place / "camera")
    assert result.returncode == 0, result.stdout + result.stderr
    (place / "work" / "out.txt").write_text(result.stdout)
    yield place / "work"
    shutil.rmtree(place)


@pytest.fixture
def work(played: Path, tmp_path: Path) -> Path:
    """A copy of that work folder, to be tampered with."""
    return Path(shutil.copytree(played, tmp_path / "work"))


def report(work: Path) -> dict[str, Any]:
    """What the demo wrote for programs."""
    content = json.loads((work / "report.json").read_text())
    assert isinstance(content, dict)
    return content


def test_a_users_folders_are_archived_and_proved_and_never_touched(tmp_path: Path) -> None:
    """Names of every kind arrive, links and pipes are named and left out, and the folder itself stays as it was."""
    source = tmp_path / "source"
    content = folder_of_odd_files(source)
    (source / "link").symlink_to("/etc/passwd")
    os.mkfifo(source / "pipe")
    before = {path: path.lstat() for path in sorted(source.rglob("*"))}
    result = demo(tmp_path / "work", "--camera", source)
    assert result.returncode == 0, result.stdout + result.stderr
    files = len(content)
    last = result.stdout.splitlines()[-1]
    assert last == f"demo: {files} recordings, {files} verified, {files} archived, {files} erased, 0 lost"
    assert content_of(source) == content
    now = {path: path.lstat() for path in sorted(source.rglob("*"))}
    assert [(each.st_mtime_ns, each.st_mode, each.st_ino) for each in now.values()] == [
        (each.st_mtime_ns, each.st_mode, each.st_ino) for each in before.values()
    ]
    told = report(tmp_path / "work")
    assert sorted(told["left_out"]["USER-1"]) == ["link", "pipe"]
    archived = {Path(each["object_path"]).read_bytes() for each in told["files"]}
    assert archived == set(content.values())


def test_what_the_report_says_can_be_checked_by_hand(played: Path) -> None:
    """Counts, digest files and objects in report.json are there and agree with what sha256sum says now."""
    told = report(played)
    assert told["recordings"] == told["verified"] == told["archived"] == len(told["files"]) == told["objects"]
    assert (told["lost"], told["wrong"], told["good"]) == (0, [], True)
    assert told["summary"] == (played / "out.txt").read_text().splitlines()[-1]
    digests = Path(told["digests"]["sha256"]).read_bytes().split(b"\n")[:-1]
    assert len(digests) == told["recordings"]
    objects = [each["object_path"] for each in told["files"]]
    now = subprocess.run(["sha256sum", *objects], capture_output=True, check=True).stdout.split(b"\n")[:-1]
    assert [line[:64] for line in now] == [line.lstrip(b"\\")[:64] for line in digests]


def test_a_file_that_the_profile_does_not_know_is_archived_and_left(played: Path) -> None:
    """It counts as archived, not as erased; what may be ignored and the identity file are still on the camera."""
    told = report(played)
    unknown = [each for each in told["files"] if each["kind"] == "unknown"]
    assert [(each["name"], each["archived"], each["erased"]) for each in unknown] == [("notes.txt", True, False)]
    assert told["erased"] == told["recordings"] - 1
    left = content_of(played / "cameras" / "camera-2")
    assert left.keys() == {b"notes.txt", b"DCIM/.DS_Store", b"MISC/CAMERA.TXT"}


def test_comparing_again_says_the_same(work: Path) -> None:
    """`--check` on what a demo left docks nothing and ends with the same line."""
    result = demo(work, "--check")
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.splitlines()[-1] == report(work)["summary"]


def blob_of(work: Path, name: str) -> Path:
    """Where a copy of the work folder keeps the bytes of the one recording of that name."""
    (found,) = (each for each in report(work)["files"] if each["name"] == name)
    return work / "vault" / "blobs" / str(found["blake3"])[:2] / str(found["blake3"])


def flip_a_byte(work: Path) -> None:
    """One byte of one object differs, and its name and length do not."""
    blob = blob_of(work, "DCIM/USER/long")
    blob.chmod(0o600)
    with blob.open("r+b") as file:
        file.seek(7_000_001)
        byte = file.read(1)
        file.seek(7_000_001)
        file.write(bytes([byte[0] ^ 1]))


def lose_a_blob(work: Path) -> None:
    """One object has no bytes any more."""
    blob_of(work, "DCIM/USER/long").unlink()


def lose_an_object(work: Path) -> None:
    """The vault's ledger has forgotten one object."""
    vault(work, "DELETE FROM objects WHERE id = (SELECT id FROM objects ORDER BY id LIMIT 1)")


def swap_receipts(work: Path) -> None:
    """One object has another's receipt, which is signed well and about something else."""
    vault(
        work, "UPDATE objects SET receipt = (SELECT max(receipt) FROM objects) WHERE receipt = (SELECT min(receipt) FROM objects)"
    )


def invent_an_object(work: Path) -> None:
    """The vault has an object that came from no camera."""
    columns = "dock, length_bytes, offset_bytes, state, metadata, created, expires, reason"
    vault(work, f"INSERT INTO uploads SELECT 'another', {columns} FROM uploads LIMIT 1")  # noqa: S608 - words of this test
    vault(work, "INSERT INTO objects SELECT 'another', blake3, retain_until, receipt FROM objects LIMIT 1")


def put_a_recording_back(work: Path) -> None:
    """A recording that is said to be erased is still on its camera."""
    place = work / "cameras" / "camera-2" / "DCIM" / "100MEDIA" / "CLIP0001.MP4"
    place.write_bytes(blob_of(work, "DCIM/100MEDIA/CLIP0001.MP4").read_bytes())


def take_a_file_that_was_to_stay(work: Path) -> None:
    """The eraser took more than recordings."""
    (work / "cameras" / "camera-2" / "MISC" / "CAMERA.TXT").unlink()


def change_an_unknown_file(work: Path) -> None:
    """A file that was to stay on the camera is another one now."""
    (work / "cameras" / "camera-2" / "notes.txt").write_text("somebody knows")


def add_a_file(work: Path) -> None:
    """A camera holds something that nobody put there."""
    (work / "cameras" / "camera-2" / "DCIM" / "new").write_text("new")


def vault(work: Path, statement: str) -> None:
    """Change the vault's ledger behind its back."""
    with closing(sqlite3.connect(work / "vault" / "vault.sqlite")) as ledger:
        ledger.execute("PRAGMA foreign_keys = OFF")
        with ledger:
            ledger.execute(statement)


@pytest.mark.parametrize(
    ("tamper", "lost", "words"),
    [
        (flip_a_byte, 1, "are not the original's"),
        (lose_a_blob, 1, "are missing"),
        (lose_an_object, 1, "holds no object"),
        (swap_receipts, 0, "proves nothing"),
        (invent_an_object, 0, "is no original's"),
        (put_a_recording_back, 0, "was not erased"),
        (take_a_file_that_was_to_stay, 0, "was to stay on the camera"),
        (change_an_unknown_file, 0, "was to stay on the camera"),
        (add_a_file, 0, "appeared on a camera"),
    ],
    ids=lambda value: value.__name__ if callable(value) else str(value),
)
def test_the_comparison_finds_everything_that_is_not_as_it_must_be(
    work: Path, tamper: Callable[[Path], None], lost: int, words: str
) -> None:
    """A byte that differs, bytes or proofs that are missing, and cameras that hold too much or too little: exit code 1."""
    tamper(work)
    result = demo(work, "--check")
    assert result.returncode == 1, result.stdout + result.stderr
    assert words in result.stdout
    assert result.stdout.splitlines()[-1].endswith(f" {lost} lost")


def test_a_camera_that_needs_help_ends_the_demo_with_code_1(tmp_path: Path) -> None:
    """What the dock cannot take is named with its reason, is not lost, and is no success."""
    deep = tmp_path / "source" / "/".join(["deep"] * 40).lstrip("/")
    deep.mkdir(parents=True)
    (deep / "deep.txt").write_text("deep")
    (tmp_path / "source" / "plain.txt").write_text("plain")
    result = demo(tmp_path / "work", "--camera", tmp_path / "source")
    assert result.returncode == 1, result.stdout + result.stderr
    assert "GET HELP" in result.stdout
    assert "deeper than" in result.stdout
    assert result.stdout.splitlines()[-1] == "demo: 2 recordings, 1 verified, 1 archived, 1 erased, 0 lost"


def test_the_whole_demo(tmp_path: Path) -> None:
    """Real video, a camera pulled mid-copy, a vault killed mid-upload, and every file proved and erased."""
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed")
    result = demo(tmp_path / "work")
    assert result.returncode == 0, result.stdout + result.stderr
    told = report(tmp_path / "work")
    files = told["recordings"]
    assert (
        result.stdout.splitlines()[-1] == f"demo: {files} recordings, {files} verified, {files} archived, {files} erased, 0 lost"
    )
    assert files == 4 * len(cameras.planned_clips())
    assert 400e6 < told["bytes"] < 700e6
    pulled, restarted = told["journey"]["pulled"], told["journey"]["restarted"]
    assert 0 < pulled["copied_bytes"] < pulled["of_bytes"]
    assert pulled["uncopied_files"] > 0
    assert pulled["from_bay"] != pulled["to_bay"]
    assert 0 < restarted["received_bytes"] < restarted["of_bytes"]
    assert restarted["upload"] in {each["object"] for each in told["files"]}, "the upload that was broken off became the object"
    assert len({each["sha256"] for each in told["files"]}) == files, "no two files have equal bytes"
    assert content_of(tmp_path / "work" / "cameras" / "BWC-1002").keys() >= {b"MISC/CAMERA.TXT"}


def test_on_a_terminal_the_bays_are_shown_live(tmp_path: Path) -> None:
    """On a terminal there is a table with each bay's light as shape and word, and the same last line."""
    make_camera(tmp_path / "camera", "CAM-1", recordings=2, size_bytes=2_000_000)
    work = tmp_path / ("long" * 40)  # too long for a socket's path
    ours, theirs = pty.openpty()
    arguments: list[str | Path] = [*COMMAND, "--directory", work, "--camera", tmp_path / "camera"]
    with subprocess.Popen(
        arguments, stdin=theirs, stdout=theirs, stderr=theirs, env=os.environ | {"TERM": "xterm", "COLUMNS": "130"}
    ) as process:
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # EIO says that the other end was closed
            while piece := os.read(ours, 65536):
                shown += piece
        os.close(ours)
        assert process.wait(DEADLINE_S) == 0, shown
    text = shown.decode()
    assert "\N{BLACK UP-POINTING TRIANGLE} LEAVE IT" in text
    assert "\N{BLACK CIRCLE} TAKE IT" in text
    assert "demo: 4 recordings, 4 verified, 4 archived, 4 erased, 0 lost" in text


def running_in(directory: Path) -> list[int]:
    """Processes whose command names the folder."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if os.fsencode(directory) in place.read_bytes():
                found.append(int(place.parent.name))
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_nothing_outlives_the_demo_however_it_is_ended(number: signal.Signals, tmp_path: Path) -> None:
    """Ctrl-C, SIGTERM, a closed terminal, even SIGKILL: dock, vault and their workers end too, and the source is whole."""
    if number is signal.SIGKILL and shutil.which("setpriv") is None:
        pytest.skip("setpriv is not installed")
    content = folder_of_odd_files(tmp_path / "source")
    work = tmp_path / "work"
    arguments: list[str | Path] = [*COMMAND, "--directory", work, "--camera", tmp_path / "source"]
    with subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        assert any("docked camera" in line for line in process.stdout), "it came to the journey"
        others: list[int] = []
        for pid in running_in(work):
            with contextlib.suppress(ProcessLookupError):  # a worker that was done meanwhile
                others += [os.pidfd_open(pid)] if pid != process.pid else []
        assert len(others) >= 2
        process.send_signal(number)
        _, words = process.communicate(timeout=DEADLINE_S)
    if number is not signal.SIGKILL:
        assert process.returncode == 128 + number
        assert number.name in words
    until_s = time.monotonic() + 20.0
    for other in others:
        ended, _, _ = select.select([other], [], [], max(0.0, until_s - time.monotonic()))
        assert ended, "a process of the demo outlived it"
        os.close(other)
    assert content_of(tmp_path / "source") == content


def test_a_folder_that_no_demo_made_is_left_alone(tmp_path: Path) -> None:
    """Nothing in it is deleted, the exit code is 2; nor is one that cannot be a folder used."""
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "precious").write_text("precious")
    result = demo(mine)
    assert result.returncode == 2
    assert "no demo made" in result.stderr
    assert content_of(mine) == {b"precious": b"precious"}
    (tmp_path / "link").symlink_to(mine)
    assert demo(tmp_path / "link").returncode == 2
    assert demo(mine, "--check").returncode == 2
    result = demo(mine / "precious" / "below")
    assert result.returncode == 2
    assert "cannot be used" in result.stderr


@pytest.mark.parametrize("place", ["source", "source/inside", "."])
def test_the_work_folder_and_a_users_folder_are_kept_apart(place: str, tmp_path: Path) -> None:
    """A user's folder that lies in the work folder, holds it or is it, is refused before anything is deleted."""
    source = tmp_path / "source"
    source.mkdir()
    (source / "precious").write_text("precious")
    result = demo(tmp_path / place, "--camera", source)
    assert result.returncode == 2
    assert "lie in each other" in result.stderr
    assert content_of(tmp_path) == {b"source/precious": b"precious"}


def test_a_missing_program_is_named_with_what_installs_it(tmp_path: Path) -> None:
    """Without b3sum or ffmpeg the demo says which command installs them and exits with 5, before it makes anything."""
    result = demo(tmp_path / "work", environment={"PATH": str(tmp_path)})
    assert result.returncode == 5
    assert "b3sum" in result.stderr
    assert "apt-get install -y --no-install-recommends b3sum coreutils ffmpeg" in result.stderr
    assert not (tmp_path / "work").exists()


@pytest.mark.parametrize(("arguments", "words"), [(["."], "after --camera"), (["--check", "--camera", "."], "exclude")])
def test_wrong_usage_is_code_2(arguments: list[str], words: str, tmp_path: Path) -> None:
    """Folders without --camera, or --check with them, are refused in words."""
    result = demo(tmp_path / "work", *arguments)
    assert result.returncode == 2
    assert words in result.stderr


def test_two_folders_of_one_serial_are_refused(tmp_path: Path) -> None:
    """The dock would take the second for the first, so the demo does not begin."""
    for name in ("one", "other"):
        make_camera(tmp_path / name, "CAM-1", recordings=1, size_bytes=10)
    result = demo(tmp_path / "work", "--camera", tmp_path / "one", tmp_path / "other")
    assert result.returncode == 2
    assert "CAM-1" in result.stderr


@pytest.mark.parametrize("name", ["empty", "nameless"])
def test_folders_that_cannot_be_a_camera_are_refused(name: str, tmp_path: Path) -> None:
    """An empty folder, and a camera whose identity file names no serial, are refused in words."""
    source = tmp_path / name
    source.mkdir()
    if name == "nameless":
        make_camera(source, "CAM-1", recordings=1, size_bytes=10)
        (source / "MISC" / "CAMERA.TXT").write_text("no serial\n")
    result = demo(tmp_path / "work", "--camera", source)
    assert result.returncode == 2
    assert ("no file" if name == "empty" else "no serial") in result.stderr


def test_comparing_what_no_demo_left_is_refused(work: Path) -> None:
    """Without the digests of the originals there is nothing to compare with."""
    (work / "originals.sha256").write_text("short\n")
    result = demo(work, "--check")
    assert result.returncode == 2
    assert "originals" in result.stderr


def test_two_demos_do_not_share_a_folder(work: Path) -> None:
    """A second demo in the folder of a running one is refused, and deletes nothing."""
    with WorkFolder(work).as_it_is():
        result = demo(work, "--camera", "/etc/apt")
    assert result.returncode == 2
    assert "another demo" in result.stderr
    assert (work / "report.json").exists()
