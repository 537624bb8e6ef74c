"""The demo's parts, each where it could go wrong."""

import asyncio
import os
import re
import shutil
import signal
import sqlite3
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import msgspec
import pytest
from aiohttp import web
from rich.console import Console

from dockd.clock import SystemClock
from dockd.config.profile import load_profiles
from dockd.core.readiness import Lamp
from dockd.demo import cameras, footage, programs, served
from dockd.demo.journey import Store
from dockd.demo.served import Served
from dockd.demo.show import picture
from dockd.demo.watch import Watch
from dockd.errors import ConfigError, ControlError, DockError
from dockd.web.view import (
    ArchiveView,
    BayView,
    DaemonView,
    QueueView,
    RecordingCounts,
    SpoolView,
    StatusView,
)  # fmt: skip
from tests.sim.consignments import HurriedClock

needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")


async def test_clips_are_playable_and_unlike_each_other(tmp_path: Path) -> None:
    """Two clips of one source differ in their bytes, and each has the frames, the tone and the sidecars that it was to have."""
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed")
    clips = [footage.Clip("CAM", f"DCIM/100MEDIA/CLIP000{number}", "testsrc2", 3, number) for number in (1, 2)]
    made: dict[str, int] = {}
    await footage.make(clips, tmp_path, await footage.find_recipe(), lambda clip, size: made.update({clip.path: size}))
    assert made.keys() == {clip.path for clip in clips}
    files = [tmp_path / clip.camera / file for clip in clips for file in clip.files]
    assert len({file.read_bytes() for file in files}) == 8
    thumbnail = next(file for file in files if file.suffix == ".THM")
    assert thumbnail.read_bytes().startswith(b"\xff\xd8"), "a JPEG"


async def test_a_clip_that_is_not_whole_is_refused(tmp_path: Path) -> None:
    """Ffmpeg that ends well and leaves less than it was asked for does not get past ffprobe."""
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed")
    clip = footage.Clip("CAM", "DCIM/CLIP0001", "testsrc2", 3, 1)
    recipe = await footage.find_recipe()
    shortened = footage.Recipe((*recipe.encoder, "-frames:v", "2"), recipe.stamped)
    with pytest.raises(ExceptionGroup) as caught:
        await footage.make([clip], tmp_path, shortened, lambda _clip, _size: None)
    assert caught.group_contains(DockError, match="not playable")


def test_a_disk_without_room_is_named_before_anything_is_copied(tmp_path: Path) -> None:
    """The demo says how much it needs and how much there is."""
    with pytest.raises(DockError, match=r"needs .* GB"):
        cameras.need_room(tmp_path, to_make_bytes=1 << 60)


async def test_a_served_verb_that_ends_too_early_is_reported_with_its_last_words(tmp_path: Path) -> None:
    """A dock that does not start says why, and where its log is."""
    (tmp_path / "site.yaml").write_text("nonsense: true\n")
    dock = Served(["run", "--config", str(tmp_path / "site.yaml")], "ready", tmp_path / "log", SystemClock())
    with pytest.raises(DockError, match=r"dockd run ended.*key 'archive' is missing") as caught:
        await dock.start()
    assert str(tmp_path / "log") in caught.value.hint


async def test_a_program_that_fails_is_reported_with_its_last_words(tmp_path: Path) -> None:
    """A digest of a file that is not there is an error in the program's own words, not a missing line."""
    with pytest.raises(DockError, match=r"sha256sum failed with status 1: .*absent"):
        await programs.digest_lines("sha256sum", [b"absent"], tmp_path)


async def test_digests_of_more_names_than_one_command_can_take(tmp_path: Path) -> None:
    """Thousands of long names are hashed in several commands, each line in the place of its file."""
    names = [f"{number:04}".encode() + b"n" * 200 for number in range(1200)]
    for name in names:
        (tmp_path / os.fsdecode(name)).write_bytes(name)
    lines = await programs.digest_lines("sha256sum", names, tmp_path)
    assert [re.sub(rb".*/", b"", line) for line in lines] == names


def test_config_errors_name_the_folder(tmp_path: Path) -> None:
    """Whoever reads the refusal knows which folder is meant."""
    with pytest.raises(ConfigError, match=re.escape(str(tmp_path / "work"))):
        cameras.tell_apart([cameras.Camera(str(tmp_path / "work"), "S", ()), cameras.Camera(str(tmp_path / "work"), "S", ())])


def fake_ffmpeg(folder: Path, monkeypatch: pytest.MonkeyPatch, refused: str) -> None:
    """An ffmpeg that refuses commands in which `refused` matches, and is the real one otherwise."""
    script = folder / "ffmpeg"
    refuse = f'if echo "$*" | grep -q "{refused}"; then echo "no such thing" >&2; exit 1; fi'
    script.write_text(f'#!/bin/sh\n{refuse}\nexec {shutil.which("ffmpeg")} "$@"\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")


@needs_ffmpeg
@pytest.mark.parametrize(
    ("refused", "encoder", "stamped"),
    [("drawtext", "libx264", False), ("libx264", "mpeg4", True), ("libx264.*\\|drawtext", "mpeg4", False)],
)
async def test_an_ffmpeg_that_can_do_less_makes_the_nearest(
    refused: str, encoder: str, stamped: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without libx264 the clips are MPEG-4, without fonts they have no time code burnt in."""
    fake_ffmpeg(tmp_path, monkeypatch, refused)
    recipe = await footage.find_recipe()
    assert (recipe.name, recipe.stamped) == (encoder, stamped)
    clip = footage.Clip("CAM", "DCIM/CLIP0001", "smptebars", 2, 1)
    sizes: list[int] = []
    await footage.make([clip], tmp_path, recipe, lambda _clip, size: sizes.append(size))
    assert sizes == [(tmp_path / "CAM" / "DCIM" / "CLIP0001.MP4").stat().st_size]


@needs_ffmpeg
async def test_an_ffmpeg_that_makes_no_video_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said in ffmpeg's own words, with the command that installs a better one."""
    fake_ffmpeg(tmp_path, monkeypatch, "")
    with pytest.raises(DockError, match="no such thing") as caught:
        await footage.find_recipe()
    assert "apt-get" in caught.value.hint


async def test_a_program_does_not_outlive_the_demo_that_runs_it(tmp_path: Path) -> None:
    """Cancelling the wait for a program ends the program."""
    os.mkfifo(tmp_path / "begun")
    running = asyncio.ensure_future(programs.output_of("sh", "-c", "echo $$ > begun; exec sleep 1000", cwd=tmp_path))
    pid = int(await asyncio.to_thread((tmp_path / "begun").read_text))
    descriptor = os.pidfd_open(pid)
    try:
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        with pytest.raises(ProcessLookupError):  # it was waited for, too
            signal.pidfd_send_signal(descriptor, 0)
    finally:
        os.close(descriptor)


async def test_a_program_that_says_too_little_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Digests are told apart by their order, so a line too few is an error."""
    (tmp_path / "b3sum").write_text("#!/bin/sh\necho one\n")
    (tmp_path / "b3sum").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(DockError, match="1 lines for 2 files"):
        await programs.digest_lines("b3sum", [b"one", b"other"], tmp_path)


def as_dockd(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let another program be served in dockd's place."""
    monkeypatch.setattr(served, "dockd_command", lambda: [sys.executable, "-c", code])


async def test_a_verb_that_is_never_ready_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while the demo says so, and the process is gone."""
    as_dockd("import sys, time; print('waiting', file=sys.stderr, flush=True); time.sleep(1000)", monkeypatch)
    monkeypatch.setattr(served, "_READY_S", 0.5)
    verb = Served(["run"], "ready", tmp_path / "log", SystemClock())
    with pytest.raises(DockError, match="was not ready"):
        await verb.start()
    with pytest.raises(DockError, match="ended"):
        await verb.said("anything")


async def test_a_verb_that_is_cancelled_while_it_starts_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C in the second in which the vault starts leaves no vault behind."""
    os.mkfifo(tmp_path / "begun")
    as_dockd(f"import time; open({str(tmp_path / 'begun')!r}, 'w').close(); time.sleep(1000)", monkeypatch)
    verb = Served(["run"], "ready", tmp_path / "log", SystemClock())
    starting = asyncio.ensure_future(verb.start())
    await asyncio.to_thread((tmp_path / "begun").read_bytes)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    with pytest.raises(DockError, match="ended"):
        await verb.said("anything")


READY = 'print(\'{"event": "ready"}\', file=sys.stderr, flush=True)'


async def test_a_verb_that_dies_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The guard of a vault that something else ended is an error, which leaving the block does not hide."""
    as_dockd(f"import os, signal, sys; {READY}; os.kill(os.getpid(), signal.SIGKILL)", monkeypatch)

    async def guarded() -> None:
        async with Served(["vault"], "ready", tmp_path / "log", SystemClock()) as verb:
            await verb.guard()

    with pytest.raises(DockError, match=r"dockd vault ended\. Its last words: ready"):
        await guarded()


async def test_a_verb_that_does_not_stop_is_killed_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dock that does not end on SIGTERM is a failure of the demo, and is killed."""
    as_dockd(f"import signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); {READY}; time.sleep(1000)", monkeypatch)
    monkeypatch.setattr(served, "_STOP_S", 0.3)
    async with Served(["run"], "ready", tmp_path / "log", SystemClock()) as verb:
        with pytest.raises(DockError, match="did not stop"):
            await verb.stop()


async def test_a_verb_that_ends_badly_on_sigterm_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its exit status is part of what is expected of a stop, also of the stop at the end of the block."""
    as_dockd(f"import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(3)); {READY}; signal.pause()", monkeypatch)
    with pytest.raises(DockError, match="ended with status 3"):
        async with Served(["run"], "ready", tmp_path / "log", SystemClock()):
            pass


async def test_only_what_was_started_can_be_killed(tmp_path: Path) -> None:
    """A wrong call is a plain RuntimeError."""
    with pytest.raises(RuntimeError):
        await Served(["run"], "ready", tmp_path / "log", SystemClock()).kill()


STATUS = StatusView(
    dock="d",
    time="",
    archive=ArchiveView(reachable=True),
    spool=SpoolView(1, 1, 1),
    queue=QueueView(3, 100_000_000, 50_000_000, 2),
    bays=(
        BayView(
            "1", "CAM-1", "B. Jones", 80, Lamp.LEAVE, "", "", "copying", 9, 3, 2, 0, 100, 45, 123_000_000, 3, "DCIM/CLIP0001.MP4"
        ),
        BayView("2"),
        BayView("3", "CAM-3", None, None, Lamp.HELP, "One file \x1b[2J cannot be read.", "", "resting", 9, 8, 8, 0),
        BayView("4", "CAM-4", "T. Okafor", 80, Lamp.TAKE, "", "", "resting", 9, 9, 9, 9),
        BayView("5", "CAM-5", "", 80, Lamp.LEAVE, "", "", "clearing", 9, 9, 9, 0),
    ),
    recordings=RecordingCounts(),
    daemon=DaemonView("1", 1, "", 1),
)


@pytest.mark.parametrize("width", [80, 140])
def test_the_picture_fits_its_terminal(width: int) -> None:
    """Each light is shape and word, nothing is wider than the terminal, and no camera's words reach the terminal raw."""
    console = Console(width=width, record=True, file=open(os.devnull, "w"))  # noqa: SIM115, PTH123 - ends with the console
    console.print(picture(STATUS, width))
    console.file.close()
    shown = console.export_text()
    for words in ("LEAVE IT", "GET HELP", "TAKE IT", "empty", "copying CLIP0001.MP4", "proved again", "123 MB/s", "2 s left"):
        assert words in shown
    assert ("B. Jones" in shown) == (width > 80)
    assert max(len(line.rstrip()) for line in shown.splitlines()) <= width
    assert "\x1b" not in shown


def test_an_archive_that_is_away_is_shown() -> None:
    """It is said in words, with what waits for it."""
    console = Console(width=80)
    with console.capture() as capture:
        console.print(picture(msgspec.structs.replace(STATUS, archive=ArchiveView(reachable=False, message="refused")), 80))
    assert "Archive NOT reachable. 3 files" in capture.get()


@asynccontextmanager
async def answering(place: Path, status: int, body: bytes) -> AsyncIterator[None]:
    """A daemon that always answers the same on its socket."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status, body=body)

    application = web.Application()
    application.router.add_get("/api/v1/{what}", answer)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        await web.UnixSite(runner, str(place)).start()
        yield
    finally:
        await runner.cleanup()


class Racing(HurriedClock):
    """A clock on which a minute passes between any two looks."""

    def monotonic(self) -> float:
        """A minute later each time."""
        self.slept_s.append(0.0)
        return 60.0 * len(self.slept_s)


async def test_a_dock_in_which_nothing_moves_is_given_up(tmp_path: Path) -> None:
    """The demo does not wait for ever for a light that never comes."""
    async with answering(tmp_path / "s", 200, msgspec.json.encode(STATUS)):
        with pytest.raises(DockError, match="nothing has moved"):
            await Watch(tmp_path / "s", Racing()).run()


async def test_a_dock_that_answers_in_anger_ends_the_demo(tmp_path: Path) -> None:
    """What it says is repeated."""
    async with answering(tmp_path / "s", 500, b"the daemon failed"):
        with pytest.raises(ControlError, match="the daemon failed"):
            await Watch(tmp_path / "s", SystemClock()).run()


async def test_a_dock_that_does_not_answer_ends_the_demo(tmp_path: Path) -> None:
    """Nobody at the socket is an error at once."""
    with pytest.raises(ControlError, match="does not say how it is"):
        await Watch(tmp_path / "s", SystemClock()).recordings("CAM", "copying")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """What a vault's folder looks like while it receives a large and a small upload."""
    (tmp_path / "uploads").mkdir()
    with closing(sqlite3.connect(tmp_path / "vault.sqlite")) as ledger, ledger:
        ledger.execute("CREATE TABLE uploads (id TEXT, length_bytes INTEGER, offset_bytes INTEGER)")
        uploads = [("large", 150 * MIB, 64 * MIB), ("late", 150 * MIB, 0), ("small", 10 * MIB, 0)]
        ledger.executemany("INSERT INTO uploads VALUES (?, ?, ?)", uploads)
    return Store(tmp_path)


MIB = 1 << 20


@pytest.mark.parametrize(
    ("upload", "received", "at_least", "found"),
    [
        ("large", 80 * MIB, MIB, True),
        ("large", 145 * MIB, MIB, False),
        ("late", 70 * MIB, MIB, False),
        ("late", 80 * MIB, MIB, True),
        ("small", 5 * MIB, MIB, True),
        ("small", 5 * MIB, 20 * MIB, False),
        ("small", MIB, MIB, False),
        ("small", 10 * MIB, MIB, False),
        ("unknown", 10 * MIB, MIB, False),
    ],
)
def test_an_upload_is_caught_in_its_middle(
    upload: str, received: int, at_least: int, found: bool, store: Store, tmp_path: Path
) -> None:
    """Neither one that has hardly begun, nor one that is nearly over, nor one that is too small."""
    with (tmp_path / "uploads" / upload).open("wb") as file:
        file.truncate(received)
    assert (store.midway(at_least) == upload) == found


def test_an_upload_that_is_over_is_not_called_broken(store: Store, tmp_path: Path) -> None:
    """Arrived in full, or already an object: the demo says so and tries again."""
    assert store.received("small") is None
    place = tmp_path / "uploads" / "small"
    for received, told in ((10 * MIB, None), (4 * MIB, (4 * MIB, 10 * MIB))):
        with place.open("wb") as file:
            file.truncate(received)
        assert store.received("small") == told
    assert store.durable_bytes("large") == 64 * MIB


def test_a_copy_that_nobody_waits_for_ends(tmp_path: Path) -> None:
    """Ctrl-C in the middle of a large file does not wait for its end."""
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "file").write_text("content")
    cameras.write_profile(tmp_path / "profiles")
    (tmp_path / "shelf").mkdir()
    stop = threading.Event()
    stop.set()
    profiles, said = load_profiles(tmp_path / "profiles"), list[str]()
    with pytest.raises(DockError, match="cannot be copied"):
        cameras.copy_of(tmp_path / "source", tmp_path / "shelf", 1, profiles, said=said.append, stop=stop)
    assert (tmp_path / "source" / "file").read_text() == "content"
    assert said == [f"copying 1 files, 0.0 MB, of {tmp_path / 'source'}"]


def test_a_made_camera_that_holds_something_else_is_a_bug(tmp_path: Path) -> None:
    """What is on a made camera is known by construction: too much and too little are both noticed."""
    clips = [footage.Clip(camera, "DCIM/100MEDIA/CLIP0001", "testsrc2", 1, 1) for camera in cameras.SERIALS]
    with pytest.raises(RuntimeError, match="does not hold all"):
        cameras.finish_made(tmp_path / "one", clips)
    stranger = tmp_path / "other" / cameras.SERIALS[0] / "stranger"
    stranger.parent.mkdir(parents=True)
    stranger.touch()
    with pytest.raises(RuntimeError, match="was not to be made"):
        cameras.finish_made(tmp_path / "other", clips)
